"""What a run leaves behind: balance, outcome files, one ID's story."""

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Emulate, Program, times_acted


def rows(path: Path) -> list[dict[str, str]]:
    """Read an outcome file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


async def test_outcome_files_hold_every_id_in_its_columns(
    program: Program, emulate: Emulate
) -> None:
    """All states of a mixed list, in the original columns and order, with reason and marker."""
    lines = ["name;identity", "A;a-1", "B;b-2", "C;", "A again;a-1", "V;vip", "D;d-4", "E;1.5E+07"]
    path = program.write("list.csv", *lines)
    protect = program.write("vip.txt", "VIP")
    await emulate(refuse_ids=frozenset({"d-4"}))
    ended = await program.run(path, "--protect", protect, "--max-invalid", 50)
    assert ended.code == 3, ended.err
    wrote = await program("report", program.run_dir(), "--outcomes", "all", "--json")
    assert wrote.code == 0, wrote.err
    found = {one.stem: rows(one) for one in program.run_dir().glob("*.csv")}
    names = {state: [row["name"] for row in table] for state, table in found.items()}
    assert names == {
        "accepted": ["A", "B"],
        "invalid": ["C", "E"],
        "duplicate": ["A again"],
        "protected": ["V"],
        "rejected": ["D"],
        "ambiguous": [],
        "unsent": [],
        "excluded": [],
    }
    assert [row["reason"] for row in found["invalid"]] == ["empty", "spreadsheet_damage"]
    assert found["rejected"][0]["reason"] == "http_400"
    assert found["accepted"][0]["bulkdelete_outcome"].startswith("accepted until ")


async def test_z1_cells_that_a_spreadsheet_would_run_are_quiet_and_come_back_exact(
    program: Program, emulate: Emulate
) -> None:
    """`=…` is escaped in the outcome file, exact on the wire, and exact again as input."""
    ids = ["=HYPERLINK(1)", "+49170", "-g123456", "@me", "'=x", "plain-1"]
    path = program.write("list.csv", "identity", *ids)
    emulator = await emulate()
    held = await program.run(path, "--chunk-size", 1, "--hold-after", 1)
    assert held.code == 75
    assert times_acted(emulator) == {ids[0]: 1}
    wrote = await program("report", program.run_dir(), "--outcomes", "unsent")
    assert wrote.code == 0, wrote.err
    unsent = program.run_dir() / "unsent.csv"
    cells = [row["identity"] for row in rows(unsent)]
    assert cells == ["'+49170", "'-g123456", "'@me", "''=x", "plain-1"]
    again = await program.run(unsent, "--runs-dir", "other")
    assert again.code == 0, again.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_outcome_files_as_input_are_refused_when_protected_or_old(
    program: Program, emulate: Emulate
) -> None:
    """A `protected` file, and one whose time to live is over, are exit 4; nothing is sent."""
    emulator = await emulate()
    path = program.write("list.csv", "identity", "vip", "joe")
    protect = program.write("vip.txt", "vip")
    assert (await program.run(path, "--protect", protect)).code == 0
    await program("report", program.run_dir(), "--outcomes", "protected,accepted")
    before = emulator.state.stats()["requests"]
    refused = await program.run(program.run_dir() / "protected.csv", "--runs-dir", "other")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "protected_file")
    accepted = program.run_dir() / "accepted.csv"
    text = accepted.read_text("utf-8")
    old = program.write("old.csv", *text.replace(" until ", " until 1#").splitlines())
    old.write_text(old.read_text("utf-8").replace(" until 1#", " until 0"), "utf-8")
    stamped = old.read_text("utf-8").split(" until ")[0] + " until 1000000000\n"
    old.write_text(stamped, "utf-8")
    refused = await program.run(old, "--runs-dir", "other")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "outcome_file_expired")
    assert emulator.state.stats()["requests"] == before


async def test_jsonl_outcomes_are_exact(program: Program, emulate: Emulate) -> None:
    """`--outcome-format jsonl` keeps the original record and escapes nothing."""
    record = {"identity": "=a-1", "n": 1, "deep": {"x": [1, 2]}}
    path = program.write("list.jsonl", json.dumps(record))
    await emulate()
    assert (await program.run(path)).code == 0
    words = ("--outcomes", "accepted", "--outcome-format", "jsonl")
    assert (await program("report", program.run_dir(), *words)).code == 0
    text = (program.run_dir() / "accepted.jsonl").read_text("utf-8")
    found = json.loads(text)
    assert {name: found[name] for name in record} == record
    assert found["reason"] == ""


async def test_many_parts_and_gzip_are_one_input(program: Program, emulate: Emulate) -> None:
    """A glob of plain and compressed parts, hard-stopped in between, ends with each ID once."""
    parts = program.place / "parts"
    parts.mkdir()
    wanted = []
    for number in range(4):
        ids = [f"p{number}-{one}" for one in range(330)]
        wanted += ids
        text = "identity\r\n" + "".join(one + "\r\n" for one in ids)
        if number % 2:
            (parts / f"{number}.csv.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (parts / f"{number}.csv").write_text(text, newline="")
    emulator = await emulate()
    assert (await program.run("parts/*", "--hold-after", 500)).code == 75
    assert (await program.run("parts/*", "--hold-after", 500)).code == 75
    ended = await program.run("parts/*")
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(wanted, 1)


async def test_i4_line_ends_do_not_change_the_digest(program: Program) -> None:
    """LF, CRLF, CR, and a BOM give the same plan digest: it is of the IDs."""
    digests = set()
    for number, end in enumerate(["\n", "\r\n", "\r"]):
        path = program.place / f"{number}.csv"
        path.write_bytes("".join(one + end for one in ("identity", "a-1", "b-2")).encode())
        digests.add((await program("plan", path, "--json")).json["plan_digest"])
    path.write_bytes(b"\xef\xbb\xbfidentity\na-1\nb-2\n")
    digests.add((await program("plan", path, "--json")).json["plan_digest"])
    assert len(digests) == 1


async def test_apply_finds_input_that_moved_and_refuses_what_is_gone(
    program: Program, emulate: Emulate
) -> None:
    """`--input` names where the list is now; without it the vanished list is exit 2."""
    emulator = await emulate()
    path, ids = program.ids(120)
    planned = (await program("plan", path, "--endpoint", program.url, "--json")).json
    run_dir = program.place / planned["run_dir"]
    moved = path.rename(program.place / "moved.csv")
    words = ("apply", run_dir, "--yes", "--max-deletes", 120, "--json")
    assert (await program(*words)).code == 2
    assert (await program(*words, "--input", moved)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_g4_credentials_of_another_account_are_refused(
    program: Program, emulate: Emulate
) -> None:
    """A plan for one account is exit 6 with the credentials of another."""
    emulator = await emulate()
    path, _ = program.ids(20)
    planned = (await program("plan", path, "--endpoint", program.url, "--json")).json
    program.env["CLEVERTAP_ACCOUNT_ID"] = "ANOTHER"
    run_dir = program.place / planned["run_dir"]
    ended = await program("apply", run_dir, "--yes", "--max-deletes", 20, "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (6, "other_account")
    assert emulator.state.stats()["requests"] == 0


async def test_d17_missing_pieces_of_a_run_are_refused(program: Program, emulate: Emulate) -> None:
    """Without checkpoint, index or key, or with the log of another run: exit 6, nothing sent."""
    emulator = await emulate()
    path, _ = program.ids(300)
    planned = (await program("plan", path, "--endpoint", program.url, "--json")).json
    other = await program("plan", path, "--endpoint", program.url, "--chunk-size", 50, "--json")
    run_dir = program.place / planned["run_dir"]
    words = ("apply", run_dir, "--yes", "--max-deletes", 300, "--json")
    for name in ("checkpoint.log", "plan.index", "run.key", "plan.json"):
        kept = (run_dir / name).read_bytes()
        (run_dir / name).unlink()
        ended = await program(*words)
        assert ended.code == 6, (name, ended.err)
        foreign = (program.place / other.json["run_dir"] / name).read_bytes()
        (run_dir / name).write_bytes(foreign)
        assert (await program(*words)).code == 6, name
        (run_dir / name).write_bytes(kept)
    assert emulator.state.stats()["requests"] == 0
    assert (await program(*words)).code == 0


def open_to_all(run_dir: Path) -> Path:
    """Let others write to the directory."""
    run_dir.chmod(0o777)
    return run_dir


def open_to_the_group(run_dir: Path) -> Path:
    """Let the group write to the log."""
    (run_dir / "checkpoint.log").chmod(0o660)
    return run_dir


def behind_a_link(run_dir: Path) -> Path:
    """Name the directory by a link."""
    link = run_dir.with_name("link")
    link.symlink_to(run_dir)
    return link


def linked_log(run_dir: Path) -> Path:
    """Keep the log elsewhere, behind a link."""
    (run_dir / "checkpoint.log").rename(run_dir.with_name("elsewhere"))
    (run_dir / "checkpoint.log").symlink_to(run_dir.with_name("elsewhere"))
    return run_dir


@pytest.mark.parametrize("spoil", [open_to_all, open_to_the_group, behind_a_link, linked_log])
async def test_d18_a_run_directory_that_is_not_safely_ours_is_refused(
    program: Program, emulate: Emulate, spoil: Callable[[Path], Path]
) -> None:
    """Exit 2, and nothing is sent."""
    emulator = await emulate()
    path, _ = program.ids(20)
    planned = (await program("plan", path, "--endpoint", program.url, "--json")).json
    run_dir = spoil(program.place / planned["run_dir"])
    ended = await program("apply", run_dir, "--yes", "--max-deletes", 20, "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (2, "run_dir"), ended.err
    assert emulator.state.stats()["requests"] == 0


async def test_files_are_private(program: Program, emulate: Emulate) -> None:
    """The run directory is 0700 and each file 0600, whatever the umask is."""
    await emulate()
    path, _ = program.ids(20)
    before = os.umask(0)
    try:
        assert (await program.run(path)).code == 0
    finally:
        os.umask(before)
    assert program.run_dir().stat().st_mode & 0o777 == 0o700
    modes = {one.name: one.stat().st_mode & 0o777 for one in program.run_dir().iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_c3_past_the_time_to_live(program: Program, emulate: Emulate) -> None:
    """Unfinished: exit 4, and `--renew` goes on. Finished: exit 4, deleted already."""
    emulator = await emulate()
    path, ids = program.ids(400)
    assert (await program.run(path, "--hold-after", 200, "--plan-ttl", "1s")).code == 75
    await _wait(1.1)
    expired = await program.run(path)
    assert (expired.code, expired.json["reason"]["code"]) == (4, "expired")
    assert len(times_acted(emulator)) == 200
    renewed = await program.run(path, "--renew", "--plan-ttl", "1s")
    assert renewed.code == 0, renewed.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    await _wait(1.1)
    already = await program.run(path)
    assert (already.code, already.json["reason"]["code"]) == (4, "already_done")
    assert "already" in already.json["reason"]["message"]


async def _wait(seconds: float) -> None:
    import asyncio  # noqa: PLC0415 - only here

    await asyncio.sleep(seconds)


async def test_on_ambiguous_hold_never_repeats(program: Program, emulate: Emulate) -> None:
    """A doubt is held: exit 3, in ambiguous.csv, and not sent again by the same command."""
    emulator = await emulate(script=("ok", "+503"))
    path, ids = program.ids(300)
    ended = await program.run(path, "--on-ambiguous", "hold", "--max-failures", 100)
    assert ended.code == 3
    assert ended.json["ids"]["ambiguous"] == 100
    assert len(rows(program.run_dir() / "ambiguous.csv")) == 100
    again = await program.run(path, "--on-ambiguous", "hold", "--max-failures", 100)
    assert (again.code, again.json["reason"]["code"]) == (3, "already_finished")
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    resent = await program.run(path)
    assert resent.code == 0, resent.err
    assert sorted(set(times_acted(emulator).values())) == [1, 2]
