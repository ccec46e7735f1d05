"""Plan, read, approve, apply: what was looked at is what is sent, and nothing stands in its way."""

import json

import pytest

from tests.conftest import Emulate, Program, times_acted


async def test_a_plan_nobody_approved_stands_in_nobodys_way(
    program: Program, emulate: Emulate
) -> None:
    """Looked at, seen to be wrong, corrected: the run goes on, and says what it passed over."""
    emulator = await emulate()
    path = program.write("list.csv", "key", *(f"u-{n}" for n in range(150)))
    wrong = await program("plan", path, "--id-type", "guid", "--endpoint", program.url)
    assert wrong.code == 0
    ended = await program.run(path, "--id-type", "identity")
    assert ended.code == 0, ended.err
    assert "Passing over" in ended.err
    assert set(times_acted(emulator)) == {f"u-{n}" for n in range(150)}
    assert times_acted(emulator, "guid") == {}


async def test_h3_behind_a_plan_passed_over_the_run_that_sent_decides(
    program: Program, emulate: Emulate
) -> None:
    """Half a run, then a mere plan of other settings: the same command still resumes the half."""
    emulator = await emulate()
    path = program.write("list.csv", "key", *(f"u-{n}" for n in range(400)))
    mine = ("--id-type", "identity")
    assert (await program.run(path, *mine, "--hold-after", 200)).code == 75
    other = await program("plan", path, "--id-type", "guid", "--endpoint", program.url)
    assert other.code == 0
    third = await program.run(path, *mine, "--chunk-size", 50)
    assert (third.code, third.json["reason"]["code"]) == (6, "input_changed")
    assert (await program.run(path, *mine)).code == 0
    assert times_acted(emulator) == {f"u-{n}": 1 for n in range(400)}


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (("--id-type", "identity"), ("--id-type", "guid"), "the kind of ID"),
        (("--column", "a", "--id-type", "identity"), ("--column", "b", "--id-type", "identity"),
         "the ID column"),
    ],
)  # fmt: skip
async def test_h2_what_changed_is_named_and_nothing_else(
    program: Program, emulate: Emulate, first: tuple[str, ...], second: tuple[str, ...], named: str
) -> None:
    """Another kind or column is not "the input's content": one would look there in vain."""
    emulator = await emulate()
    columns = "a,b" if "--column" in first else "key"
    row = "{},v-{}" if "--column" in first else "{}"
    rows = [row.format(f"u-{n}", n) for n in range(300)]
    path = program.write("list.csv", columns, *rows)
    assert (await program.run(path, *first, "--hold-after", 100)).code == 75
    before = emulator.state.stats()["requests"]
    refused = await program.run(path, *second)
    assert (refused.code, refused.json["reason"]["code"]) == (6, "input_changed")
    assert f"another plan: {named} changed" in refused.json["reason"]["message"]
    assert emulator.state.stats()["requests"] == before


async def test_i16_each_protect_list_says_what_it_held_back(
    program: Program, emulate: Emulate
) -> None:
    """In any input format, with the count of each; an ID on two lists counts for both."""
    emulator = await emulate()
    path, ids = program.ids(300)
    lists = [
        program.write("a.txt", *ids[:5]),
        program.write("b.csv", "identity,why", *(f"{one.upper()},vip" for one in ids[3:10])),
        program.write("c.jsonl", *(json.dumps({"identity": one}) for one in ids[20:21])),
    ]
    flags = [word for one in lists for word in ("--protect", one)]
    ended = await program.run(path, *flags)
    assert (ended.code, ended.json["ids"]["protected"]) == (0, 11), ended.err
    for held, name in ((5, "a.txt"), (7, "b.csv"), (1, "c.jsonl")):
        assert f"{held} by {program.place / name}" in ended.err
    assert set(times_acted(emulator)) == {*ids[10:20], *ids[21:]}


async def test_i16_h2_a_protect_list_of_another_sort_of_id_is_refused(
    program: Program, emulate: Emulate
) -> None:
    """E-mails cannot protect users who are named by number: exit 4, unless it is meant."""
    emulator = await emulate()
    path = program.write("list.csv", "identity", *(str(n) for n in range(5000, 5300)))
    mails = program.write("vip.txt", *(f"vip{n}@example.com" for n in range(20)))
    for words in (("plan", path, "--json"), program.sending("run", path, "--json")):
        refused = await program(*words, "--protect", mails)
        assert (refused.code, refused.json["reason"]["code"]) == (4, "protect_mismatch")
    program.env["BULKDELETE_ACCEPT_PROTECT_MISMATCH"] = "1"
    assert (await program.run(path, "--protect", mails)).code == 2
    del program.env["BULKDELETE_ACCEPT_PROTECT_MISMATCH"]
    assert emulator.state.stats()["requests"] == 0
    meant = await program.run(path, "--protect", mails, "--accept-protect-mismatch")
    assert meant.code == 0


async def test_s2_a_profiles_protect_list_is_not_dropped_by_forgetting_a_flag(
    program: Program, emulate: Emulate
) -> None:
    """Lists of profile, variable and flag add up."""
    emulator = await emulate()
    path, ids = program.ids(300)
    for number, name in enumerate(("profile.txt", "variable.txt", "flag.txt")):
        program.write(name, ids[number])
    config = program.place / "bulkdelete.toml"
    config.write_text('[profiles.default]\nprotect = ["profile.txt"]\n')
    program.env["BULKDELETE_PROTECT"] = "variable.txt"
    ended = await program.run(path, "--protect", "flag.txt")
    assert (ended.code, ended.json["ids"]["protected"]) == (0, 3), ended.err
    assert set(times_acted(emulator)) == set(ids[3:])
