"""The right command with the wrong file: nothing is sent, and what is wrong is said."""

import re
import unicodedata
from pathlib import Path

import pytest

from bulkdelete.core.damage import RULES
from tests.conftest import Emulate, Program, times_acted

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_of_the_damage_rules_is_whole() -> None:
    """docs/damage.md has each rule once, and no other."""
    table = (DOCS / "damage.md").read_text("utf-8").partition("## What is no ID")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(RULES)


WRONG = {
    "trailing_zero": [f"{n}.0" for n in range(1000, 1200)],
    "rounded": [f"{n}000" for n in range(123456789012345, 123456789012545)],
    "lost_zeros": [f"{n:06d}" if n % 3 else str(n) for n in range(1, 200)] + ["123456"] * 9,
    "two_ids": [f"u{n};u{n + 1}" for n in range(200)],
    "header_as_data": ["a-1", "identity", "a-2"],
    "guid_as_identity": [f"{n:032x}" for n in range(10**30, 10**30 + 200)],
    "changed_shape": [f"u-{n}" for n in range(200)] + [str(n) for n in range(1000, 1200)],
}


@pytest.mark.parametrize("rule", list(WRONG))
async def test_i9_h2_a_damaged_list_is_refused(
    program: Program, emulate: Emulate, rule: str
) -> None:
    """Exit 4, no request, no run directory; named as meant, it is sent exactly."""
    emulator = await emulate()
    ids = list(dict.fromkeys(WRONG[rule]))
    path = program.write("list.csv", "identity", *ids)
    for command in (program.run(path), program("plan", path, "--json")):
        refused = await command
        assert (refused.code, refused.json["reason"]["code"]) == (4, "damage"), refused.err
        assert f"--accept-damage {rule}" in refused.json["reason"]["hint"]
        assert "list.csv:" in refused.json["reason"]["message"]
    assert emulator.state.stats()["requests"] == 0
    assert [*(program.place / "bulkdelete-runs").iterdir()] == []
    program.env["BULKDELETE_ACCEPT_DAMAGE"] = rule
    assert (await program.run(path)).code == 2
    del program.env["BULKDELETE_ACCEPT_DAMAGE"]
    assert (await program.run(path, "--accept-damage", rule)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_h2_emails_under_guid_are_refused(program: Program, emulate: Emulate) -> None:
    """The wrong column: addresses where CleverTap IDs should be."""
    emulator = await emulate()
    rows = [f"{n:08x}{'0a' * 12},ana{n}@example.com" for n in range(300)]
    path = program.write("list.csv", "key,mail", *rows)
    refused = await program.run(path, "--column", "mail", "--id-type", "guid")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "damage")
    assert "identity_as_guid: 300 of 300" in refused.json["reason"]["message"]
    refused = await program.run(path, "--column", "key", "--id-type", "identity")
    assert "guid_as_identity: 300 of 300" in refused.json["reason"]["message"]
    assert emulator.state.stats()["requests"] == 0


async def test_a_rule_that_is_mistyped_accepts_nothing(program: Program) -> None:
    """Exit 2, before anything is read."""
    ended = await program("plan", "nowhere.csv", "--accept-damage", "trailing", "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (2, "accept_damage")


async def test_h2_a_little_damage_is_a_warning_that_stays(
    program: Program, emulate: Emulate
) -> None:
    """One odd ID of many is sent exactly; the plan, and whoever approves it, sees the warning."""
    emulator = await emulate()
    path = program.write("list.csv", "identity", *(f"u-{n}" for n in range(300)), "12345.0")
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    assert planned.code == 0
    assert "WARNING" in planned.err
    asked = await program("apply", program.run_dir())
    assert asked.code == 4
    assert "trailing_zero: 1 of 301 IDs" in asked.err
    assert "list.csv:302" in asked.err
    short = planned.json["plan_digest"].removeprefix("sha256:")[:12]
    assert (await program("apply", program.run_dir(), "--approve", short)).code == 0
    assert times_acted(emulator)["12345.0"] == 1


@pytest.mark.parametrize(
    ("text", "flags", "code"),
    [
        ("id,name\n1,a\n", (), "column_needed"),
        ("customer,name\nu,a\n", ("--column", "identity", "--id-type", "identity"), None),
        ("identity,identity\na,b\n", (), "duplicate_column"),
        ("identity,guid\na,b\n", (), "which_column"),
        ("identity;name\na;b\n", ("--delimiter", ","), None),
        ("user_key\nu-1\n", (), "id_type_needed"),
    ],
)
async def test_i7_a_column_that_is_not_beyond_doubt_is_refused(
    program: Program, emulate: Emulate, text: str, flags: tuple[str, ...], code: str | None
) -> None:
    """Missing, twice, renamed, or read with another delimiter: exit 2, and no request."""
    emulator = await emulate()
    (program.place / "list.csv").write_text(text)
    ended = await program.run("list.csv", *flags)
    assert ended.code == 2, ended.err
    assert code is None or ended.json["reason"]["code"] == code
    assert emulator.state.stats()["requests"] == 0


async def test_i8_values_of_upstream_bugs_stop_the_list(program: Program, emulate: Emulate) -> None:
    """Blanks, null, nan, #REF!, *: invalid, counted, and above the share nothing is sent."""
    emulator = await emulate()
    bad = ["null", "NaN", "undefined", "#REF!", "*", "0", "-1", "N/A", "1.23E+05", "  "]
    path = program.write("list.csv", "identity", *(f"u-{n}" for n in range(500)), *bad)
    refused = await program.run(path)
    assert (refused.code, refused.json["reason"]["code"]) == (2, "max_invalid")
    message = refused.json["reason"]["message"]
    assert "IDs in the column 'identity' are invalid" in message
    assert "list.csv:502 forbidden_value;" in message
    assert "list.csv:502 forbidden_value 'null'\n" in refused.err
    assert emulator.state.stats()["requests"] == 0
    sent = await program.run(path, "--max-invalid", 2)
    assert (sent.code, sent.json["ids"]["invalid"]) == (0, len(bad))
    assert set(times_acted(emulator)) == {f"u-{n}" for n in range(500)}
    program.write("one-line.json", '[{"identity":"u-1"},{"identity":"u-2"},{"identity":3}]')
    refused = await program("plan", "one-line.json", "--json")
    assert "one-line.json:1 (ID 3) not_a_string" in refused.json["reason"]["message"]


async def test_i11_two_forms_of_one_name_are_two_ids_and_said_so(
    program: Program, emulate: Emulate
) -> None:
    """Far apart repetitions are sent once; NFC and NFD both, exactly, with a warning."""
    emulator = await emulate()
    one = "zo\u00eb@example.com"
    two = unicodedata.normalize("NFD", one)
    others = [f"ana{n}@example.com" for n in range(300)]
    path = program.write("list.csv", "identity", one, *others, two, *others, one)
    ended = await program.run(path)
    assert (ended.code, ended.json["ids"]["duplicate"]) == (0, 301)
    assert times_acted(emulator) == dict.fromkeys([one, *others, two], 1)
    assert "decomposed: 1 of" in ended.err


async def test_h1_the_file_of_all_customers_is_refused(program: Program, emulate: Emulate) -> None:
    """The wrong file is larger than what was meant: ceiling and count say so at once."""
    emulator = await emulate()
    path, _ = program.ids(5000, "all-customers.csv")
    where = ("--endpoint", program.url, "--json")
    too_many = await program("run", path, *where, "--yes", "--max-deletes", 1200)
    assert (too_many.code, too_many.json["reason"]["code"]) == (4, "max_deletes")
    other = await program("run", path, *where, "--yes", "--max-deletes", 9999, "--expect-count", 12)
    assert (other.code, other.json["reason"]["code"]) == (4, "expect_count")
    assert emulator.state.stats()["requests"] == 0
