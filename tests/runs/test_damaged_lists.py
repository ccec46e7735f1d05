"""Runs whose files were damaged between two processes: what the command line says, and sends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import Emulate, Program, times_acted

SECTOR = 512


async def held(program: Program, *words: object) -> tuple[Path, list[str], Path]:
    """Send 2 of 6 chunks, one at a time; return input, IDs and run directory."""
    path, ids = program.ids(600)
    ended = await program.run(path, "--hold-after", 200, "--max-in-flight", 1, *words)
    assert ended.code == 75, ended.err
    return path, ids, program.run_dir()


async def refused(program: Program, emulator: Any, path: Path, what: str) -> None:  # noqa: ANN401
    """Expect that neither `run` nor `apply` sends anything; both exit 6, with one object."""
    before = emulator.state.stats()["requests"]
    run_dir = program.run_dir()
    for ended in (
        await program.run(path),
        await program("apply", run_dir, "--yes", "--max-deletes", 600, "--json"),
    ):
        assert (ended.code, ended.json["exit_code"]) == (6, 6), (what, ended.err)
    assert emulator.state.stats()["requests"] == before, what
    assert program.run_dir() == run_dir, "another run was made"


def lines(run_dir: Path) -> list[bytes]:
    """Return the log's lines."""
    return (run_dir / "checkpoint.log").read_bytes().splitlines(keepends=True)


def record(line: bytes) -> Any:  # noqa: ANN401 - whatever it is
    """Return what a line says."""
    return json.loads(line[9:-10])["record"]


async def test_d7_a_torn_tail_is_cut_off_said_and_gone_on_from(
    program: Program, emulate: Emulate
) -> None:
    """A group that was half written: the run goes on, each ID is sent once, and the log says so."""
    emulator = await emulate()
    path, ids, run_dir = await held(program)
    log = run_dir / "checkpoint.log"
    torn = lines(run_dir)[-1][:300]
    log.write_bytes(log.read_bytes() + torn)
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    starts = [one for one in map(record, lines(run_dir)) if one["type"] == "start"]
    assert [one.get("torn", 0) for one in starts] == [0, len(torn)]


async def test_d8_a_lost_sector_is_torn_at_the_end_and_corrupt_before(
    program: Program, emulate: Emulate
) -> None:
    """Zeros in the last group: it goes on. Zeros in the sector before that group: exit 6."""
    emulator = await emulate()
    path, ids, run_dir = await held(program)
    log = run_dir / "checkpoint.log"
    whole = log.read_bytes()
    assert record(lines(run_dir)[-1])["type"] == "stop"
    assert len(lines(run_dir)[-1]) % SECTOR == 0
    last = len(whole) - len(lines(run_dir)[-1])
    log.write_bytes(whole[: last - SECTOR] + bytes(SECTOR) + whole[last:])
    await refused(program, emulator, path, "the sector before the last group")
    log.write_bytes(whole[:-SECTOR] + bytes(SECTOR))
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


Edit = Callable[[list[bytes]], list[bytes]]
EDITS: dict[str, Edit] = {
    "swapped": lambda all_: [*all_[:3], all_[4], all_[3], *all_[5:]],
    "repeated": lambda all_: [*all_[:4], *all_[3:]],
    "dropped": lambda all_: [*all_[:3], *all_[4:]],
    "header gone": lambda all_: all_[1:],
    "one bit": lambda all_: [*all_[:4], bytes([all_[4][0] ^ 1]) + all_[4][1:], *all_[5:]],
    "line feed": lambda all_: [*all_[:4], all_[4][:-1] + b"\x0b", *all_[5:]],
}


async def test_d9_d11_an_edited_log_sends_nothing(program: Program, emulate: Emulate) -> None:
    """Records swapped, repeated, dropped, or a bit of them: exit 6, no request, no other run."""
    emulator = await emulate()
    path, _, run_dir = await held(program)
    before = lines(run_dir)
    for what, edit in EDITS.items():
        (run_dir / "checkpoint.log").write_bytes(b"".join(edit(before)))
        assert lines(run_dir) != before
        await refused(program, emulator, path, what)


async def test_d10_a_cut_between_groups_is_a_bounded_resend(
    program: Program, emulate: Emulate
) -> None:
    """The log of an earlier moment: what it forgot is sent again, no more; its head tells."""
    emulator = await emulate()
    path, ids, run_dir = await held(program)
    head = (await program("audit", run_dir, "--json")).json["chain_head"]
    all_ = lines(run_dir)
    forgotten = next(at for at, one in enumerate(all_) if record(one)["type"] == "outcome")
    (run_dir / "checkpoint.log").write_bytes(b"".join(all_[:forgotten]))
    assert (await program("audit", run_dir, "--head", head, "--json")).code == 6
    assert (await program.run(path)).code == 0
    twice = {one for one, times in times_acted(emulator).items() if times == 2}
    assert twice == set(ids[:200])
    assert times_acted(emulator) == {one: 1 + (one in twice) for one in ids}


async def test_z3_a_plan_altered_outside_its_digest_sends_nothing(
    program: Program, emulate: Emulate
) -> None:
    """A path, a time, a version: exit 6 before anybody looks for the input, and no new run."""
    emulator = await emulate()
    path, _, run_dir = await held(program)
    plan = run_dir / "plan.json"
    text = plan.read_text("utf-8")
    for what in ("list.csv", '"seconds": 0', '"tool": "'):
        plan.write_text(text.replace(what, what[:-1] + chr(ord(what[-1]) ^ 1)), "utf-8")
        assert plan.read_text("utf-8") != text
        await refused(program, emulator, path, what)


async def test_z3_a_key_altered_by_a_bit_is_named(program: Program, emulate: Emulate) -> None:
    """The key does not fit the account in the log's header: said before the input is blamed."""
    emulator = await emulate()
    path, _, run_dir = await held(program)
    key = run_dir / "run.key"
    raw = key.read_bytes()
    key.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    await refused(program, emulator, path, "run.key")
    ended = await program.run(path)
    assert ended.json["reason"]["code"] == "key_other"
