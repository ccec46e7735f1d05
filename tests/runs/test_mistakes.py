"""Mistakes of people and of surroundings: each ended wrongly once, or could have."""

import asyncio
import gzip
import json
import signal
import sys
import time

import pytest

from bulkdelete.io.slots import KernelSlots, directory
from bulkdelete.starting import steady
from tests.conftest import ACCOUNT, Emulate, Program, times_acted
from tests.terminal import at_terminal


async def test_p10_a_terminal_that_is_gone_stops_nothing(
    program: Program, emulate: Emulate
) -> None:
    """With stdout and stderr closed at the other end a signal still drains, with its exit code."""
    emulator = await emulate(latency=0.05)
    path, ids = program.ids(3000)
    process = await program.start(*program.sending("run", path, "--log-level", "debug"))
    while emulator.state.stats()["requests"] < 5:
        await asyncio.sleep(0.01)
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe._transport.close()  # type: ignore[attr-defined]  # there is no public way
    process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(5):
        await process.wait()
    assert process.returncode == 129
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_s10_a_damaged_plan_is_not_passed_over(program: Program, emulate: Emulate) -> None:
    """plan.json of the unfinished run damaged or gone: exit 6, not a new run."""
    emulator = await emulate()
    path, _ = program.ids(600)
    assert (await program.run(path, "--hold-after", 300)).code == 75
    plan = program.run_dir() / "plan.json"
    good = plan.read_bytes()
    before = emulator.state.stats()["requests"]
    plan.write_bytes(good.replace(b'"read": 600', b'"read": 601'))
    assert (await program.run(path)).code == 6
    plan.unlink()
    assert (await program.run(path)).code == 6
    assert emulator.state.stats()["requests"] == before
    plan.write_bytes(good)
    assert (await program.run(path)).code == 0


async def test_i14_one_more_part_is_another_plan(program: Program, emulate: Emulate) -> None:
    """A new file that matches the glob of an unfinished run: exit 6, and nothing is sent twice."""
    emulator = await emulate()
    program.ids(400, "a.csv")
    assert (await program.run("*.csv", "--hold-after", 200)).code == 75
    before = emulator.state.stats()["requests"]
    program.write("b.csv", "identity", "one-more")
    ended = await program.run("*.csv")
    assert (ended.code, ended.json["reason"]["code"]) == (6, "input_changed")
    assert emulator.state.stats()["requests"] == before


async def test_s2_a_protected_file_of_an_outcome_file_is_refused(
    program: Program, emulate: Emulate
) -> None:
    """An outcome file made from an outcome file says what became of its IDs last."""
    emulator = await emulate(refuse_ids=frozenset({"vip", "bad"}))
    path = program.write("list.csv", "identity", "vip", "bad", *(f"ok-{n}" for n in range(98)))
    first = await program.run(path)
    assert first.code == 3
    rejected = program.run_dir() / "rejected.csv"
    protect = program.write("vip.txt", "vip")
    second = ("--runs-dir", "second", "--protect", protect)
    planned = await program("plan", rejected, "--endpoint", program.url, "--json", *second)
    run_dir = program.place / planned.json["run_dir"]
    assert (await program("report", run_dir, "--outcomes", "protected,unsent")).code == 0
    before = emulator.state.stats()["requests"]
    refused = await program.run(run_dir / "protected.csv", "--runs-dir", "third")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "protected_file")
    both = program.place / "both.csv"
    unsent = (run_dir / "unsent.csv").read_text("utf-8")
    both.write_text(unsent + (run_dir / "protected.csv").read_text("utf-8").split("\n", 1)[1])
    refused = await program.run(both, "--runs-dir", "third")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "protected_file")
    assert emulator.state.stats()["requests"] == before


async def test_outcomes_of_a_record_with_several_ids_hold_one_each(
    program: Program, emulate: Emulate
) -> None:
    """In JSON lines and bracketed cells alike, an outcome file holds the ID it is about alone."""
    emulator = await emulate(refuse_ids=frozenset({"'=b"}))
    record = {"p": [{"objectId": "a"}, {"objectId": "'=b"}, {"objectId": "vip"}], "n": 1}
    lists = {
        "list.jsonl": (json.dumps(record), ("--column", "p[].objectId", "--id-type", "guid")),
        "list.csv": ('clevertapIds\n"[ ""a"", ""\'=b"", ""vip"" ]"', ()),
    }
    protect = program.write("vip.txt", "vip")
    for name, (text, flags) in lists.items():
        path = program.write(name, text)
        place = ("--runs-dir", f"runs-{name}", "--protect", protect)
        ended = await program.run(path, *flags, *place)
        assert ended.code == 3, ended.err
        run_dir = program.place / ended.json["run_dir"]
        kind = name.rpartition(".")[2]
        words = ("--outcomes", "rejected,accepted", "--outcome-format", kind)
        assert (await program("report", run_dir, *words)).code == 0
        for state, wanted in (("rejected", "'=b"), ("accepted", "a")):
            file = run_dir / f"{state}.{kind}"
            emulator.emulation.reset()
            again = await program.run(file, *flags, "--runs-dir", f"again-{state}-{name}")
            assert again.json["ids"]["read"] == 1, again.err
            log = times_acted(emulator, "guid")
            assert log == ({} if state == "rejected" else {wanted: 1})
            assert again.code == (3 if state == "rejected" else 0)


async def test_v5_s12_success_for_nobody_is_no_acceptance(
    program: Program, emulate: Emulate
) -> None:
    """A canary whose answer names every ID as unprocessed stops at 4."""
    path, ids = program.ids(900)
    answer = json.dumps({"status": "success", "unprocessed": ids[:100]})
    emulator = await emulate(script=(f"200 {answer}",))
    ended = await program.run(path)
    assert (ended.code, ended.json["reason"]["code"]) == (4, "canary")
    assert emulator.state.stats()["requests"] == 1
    assert ended.json["ids"]["rejected"] == 100


async def test_again_after_a_run_with_doubts_makes_a_new_one(
    program: Program, emulate: Emulate
) -> None:
    """A nightly job goes on after a night that ended with doubts, with a new list or the old."""
    await emulate(script=("ok", *("+503",) * 5))
    path, ids = program.ids(200)
    flags = ("--again", "--max-failures", 100, "--max-attempts", 1)
    assert (await program.run(path, *flags)).code == 3
    assert (await program.run(path, "--again")).code in {0, 3}
    program.write("list.csv", "identity", *ids, "new")
    ended = await program.run(path, "--again")
    assert ended.code == 0, ended.err
    assert ended.json["ids"]["read"] == 201


async def test_run_dir_again_abandon_and_empty(program: Program, emulate: Emulate) -> None:
    """`--run-dir`: an empty directory is fine; a new run there sets the earlier one aside."""
    await emulate()
    path, _ = program.ids(300)
    place = program.place / "mine"
    place.mkdir(mode=0o700)
    assert (await program.run(path, "--run-dir", place, "--hold-after", 100)).code == 75
    refused = await program.run(path, "--run-dir", place, "--abandon", "--expect-count", 7)
    assert refused.code == 4
    status = await program("status", place, "--json")
    assert status.json["state"] == "stopped"
    assert (await program.run(path, "--run-dir", place, "--abandon")).code == 0
    assert (await program("status", f"{place}.1", "--json")).json["state"] == "abandoned"
    assert (await program.run(path, "--run-dir", place, "--again")).code == 0
    taken = program.place / "taken"
    taken.mkdir()
    (taken / "file").write_text("x")
    assert (await program.run(path, "--run-dir", taken)).code == 2


async def test_must_resume(program: Program, emulate: Emulate) -> None:
    """Without an earlier run, or after an abandoned one: exit 6; else it goes on."""
    emulator = await emulate()
    path, ids = program.ids(300)
    missing = await program.run(path, "--must-resume")
    assert (missing.code, missing.json["reason"]["code"]) == (6, "no_earlier_run")
    assert (await program.run(path, "--hold-after", 100)).code == 75
    assert (await program.run(path, "--must-resume")).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


def test_k1_s11_a_clock_that_is_set_back_lengthens_nothing() -> None:
    """The time of day never falls behind the last record, nor behind the time that went by."""
    now = steady(lambda: 1000.0, time.monotonic, 5000.0)
    assert now() >= 5000.0
    assert steady(lambda: 9000.0, time.monotonic, 5000.0)() == pytest.approx(9000.0, abs=1)


async def test_r5_slots_held_by_others_are_an_outage_in_the_end(
    program: Program, emulate: Emulate
) -> None:
    """If another process sits on all slots, --give-up-after ends the wait with 75."""
    emulator = await emulate()
    path, _ = program.ids(100)
    held = KernelSlots(program.url, ACCOUNT, 3, directory())
    leases = [await held.acquire() for _ in range(3)]
    try:
        ended = await program.run(path, "--give-up-after", "1s")
    finally:
        for lease in leases:
            lease.release()
        held.close()
    assert (ended.code, ended.json["reason"]["code"]) == (75, "outage")
    assert "other processes hold all of them" in ended.json["reason"]["message"]
    assert emulator.state.stats()["requests"] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_p8_a_signal_while_standard_input_is_silent(
    program: Program, number: int, code: int
) -> None:
    """It ends at once with its code and one object, and leaves no raw IDs behind."""
    words = ("run", "-", "--endpoint", "http://127.0.0.1:9", "--yes", "--max-deletes", 9, "--json")
    process = await program.start(*words, stdin=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"identity\nuser-1\n")
    await process.stdin.drain()
    runs = program.place / "bulkdelete-runs"
    while not list(runs.glob(".making-*/input.spool")):
        await asyncio.sleep(0.02)
    process.send_signal(number)
    async with asyncio.timeout(5):
        assert process.stdout is not None
        out = await process.stdout.read()
        await process.wait()
    assert process.returncode == code
    assert json.loads(out)["exit_code"] == code
    assert not list(runs.iterdir())


async def test_s12_failures_count_over_all_starts(program: Program, emulate: Emulate) -> None:
    """Starting again is no way round --max-failures."""
    emulator = await emulate(refuse_pattern=r"-bad-")
    rows = [f"user-{n}" if n % 5 or n < 100 else f"user-bad-{n}" for n in range(5000)]
    path = program.write("list.csv", "identity", *rows)
    assert (await program.run(path)).code == 4
    before = emulator.state.stats()["requests"]
    again = await program.run(path)
    assert (again.code, again.json["reason"]["code"]) == (4, "max_failures")
    assert emulator.state.stats()["requests"] == before
    assert (await program.run(path, "--max-failures", 50)).code == 3


async def test_s9_mixed_kinds_in_compressed_parts_resume_exactly(
    program: Program, emulate: Emulate
) -> None:
    """Typed parts, gz and plain, with duplicates and bad rows, held many times: each ID once."""
    wanted: dict[str, set[str]] = {"identity": set(), "guid": set()}
    for part in range(3):
        lines = ["Type,Identity"]
        for n in range(700):
            kind = "g" if n % 7 in {1, 2} else "i"
            name = f"{part}-{n}" if n % 50 else "same"
            lines.append(f"{kind},{'' if n == 333 else name}")
            if n != 333:
                wanted["guid" if kind == "g" else "identity"].add(name)
        data = "\n".join(lines).encode()
        name = f"part-{part}.csv" + (".gz" if part == 1 else "")
        (program.place / name).write_bytes(gzip.compress(data) if part == 1 else data)
    emulator = await emulate(latency=0.001)
    codes = []
    for _ in range(30):
        ended = await program.run("part-*", "--hold-after", 250, "--chunk-size", 40)
        codes.append(ended.code)
        if ended.code == 0:
            break
    assert codes == [75] * (len(codes) - 1) + [0], ended.err
    assert len(codes) > 5
    for kind, ids in wanted.items():
        assert times_acted(emulator, kind) == dict.fromkeys(ids, 1)


async def test_typed_approval_at_a_terminal(program: Program, emulate: Emulate) -> None:
    """On a terminal the account and the number are asked for; a wrong answer sends nothing."""
    emulator = await emulate()
    path, ids = program.ids(120)
    words = ("run", path, "--endpoint", program.url)
    wrong = await at_terminal(program, f"{ACCOUNT}\n119\n", *words)
    assert wrong[0] == 4
    assert emulator.state.stats()["requests"] == 0
    code, shown = await at_terminal(program, f"{ACCOUNT}\n120\n", *words)
    assert code == 0, shown
    assert "type the account ID" in shown
    assert shown.rindex("120/120") > shown.index("type the number"), "the bar comes to its end"
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


_SMALL_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


async def test_d1_d3_a_checkpoint_that_cannot_grow_stops_the_run(
    program: Program, emulate: Emulate
) -> None:
    """No room for the next intent: 75, the true balance, and one more run ends it."""
    emulator = await emulate(latency=0.002)
    path, ids = program.ids(15_000)
    words = program.words(*program.sending("run", path, "--json"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SMALL_FILES, "30000", *words),
        cwd=program.place,
        env=program.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 75, err
    report = json.loads(out)
    assert report["reason"]["code"] == "disk"
    found = report["ids"]
    assert found["read"] == found["accepted"] + found["ambiguous"] + found["unsent"] == 15_000
    assert found["accepted"] > 0
    assert found["ambiguous"] <= 300
    assert (await program.run(path)).code == 0
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times.values()) - len(ids) <= 300
