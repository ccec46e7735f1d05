"""Deaths that nobody chose: for want of memory, by a crash of the interpreter, by a stop of it all.

Real processes; what they need is on every Linux machine, so these run with `make test`.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Emulate, Ended, Program, times_acted

SECONDS = 60


async def tampered(program: Program, script: str, *words: object) -> Ended:
    """Run the program with a script before it in the same process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{script}\nimport bulkdelete.cli\nbulkdelete.cli.main()"),
        *map(str, words),
        cwd=program.place,
        env=program.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def goes_on(program: Program, emulator: Any, path: Path, ids: list[str], most: int) -> None:  # noqa: ANN401
    """After a death: the balance verifies, one more run ends it, few chunks were sent twice."""
    told = await program("status", program.run_dir(), "--json")
    assert told.code == 0, told.err
    found = told.json["ids"]
    assert found["read"] == len(ids) == sum(found.values()) - found["read"]
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times[one] - 1 for one in ids[::100]) <= most


AT_THE_FIFTH = """
import bulkdelete.io.client as client
post, calls = client.Client.post, 0
async def last(self, *words):
    global calls
    calls += 1
    if calls == 5:
        {deed}
    return await post(self, *words)
client.Client.post = last
"""


async def test_p17_a_segmentation_fault(program: Program, emulate: Emulate) -> None:
    """As a kill; and no core file, which would hold the passcode and IDs."""
    emulator = await emulate(latency=0.01)
    path, ids = program.ids(2000)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        crash = AT_THE_FIFTH.format(deed="import ctypes; ctypes.string_at(0)")
        ended = await tampered(program, crash, *program.sending("run", path, "--json"))
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert ended.code == -signal.SIGSEGV, ended.err
    assert not [one for one in program.place.rglob("core*") if one.is_file()]
    await goes_on(program, emulator, path, ids, 3)


async def test_p17_no_process_that_sends_leaves_a_core_file(
    program: Program, emulate: Emulate
) -> None:
    """Whatever the limits were that it was started with."""
    await emulate()
    path, _ = program.ids(700)
    look = "import resource, sys; sys.stderr.write(f'core {resource.getrlimit(4)} end')"
    ended = await tampered(
        program, AT_THE_FIFTH.format(deed=look), *program.sending("run", path, "--json")
    )
    assert ended.code == 0, ended.err
    assert "core (0, 0) end" in ended.err


async def test_p15_a_bug_in_one_worker(program: Program, emulate: Emulate) -> None:
    """The whole run stops with 1; what the others had out is recorded, nothing is in doubt."""
    emulator = await emulate(latency=0.05)
    path, ids = program.ids(2000)
    # In two pieces: the line itself may be shown, what it makes may not.
    bug = AT_THE_FIFTH.format(deed="raise ZeroDivisionError('user' + '-0000001 is no one')")
    ended = await tampered(program, bug, *program.sending("run", path, "--json"))
    assert ended.code == 1, ended.err
    report = ended.json
    assert report["reason"]["code"] == "bug"
    assert report["ids"]["ambiguous"] <= 100, "more than the worker's own chunk is in doubt"
    assert report["ids"]["accepted"] == len(times_acted(emulator)) > 0
    assert "user-" not in ended.err
    await goes_on(program, emulator, path, ids, 0)


NO_MEMORY = """
import _testcapi
import bulkdelete.io.client as client
post, calls = client.Client.post, 0
async def starved(self, *words):
    global calls
    calls += 1
    if calls == 4:
        import sys
        sys.stderr.write("NO MEMORY\\n")
        sys.stderr.flush()
        _testcapi.set_nomemory({first}, {last})
    try:
        return await post(self, *words)
    finally:
        _testcapi.remove_mem_hooks()
client.Client.post = starved
"""


@pytest.mark.parametrize("nth", [0, 17, 150])
async def test_p13_an_allocation_that_fails(program: Program, emulate: Emulate, nth: int) -> None:
    """MemoryError at the n-th allocation of a request: it stops closed, or rides it out."""
    pytest.importorskip("_testcapi", reason="a build of Python without its test module")
    emulator = await emulate(latency=0.01)
    path, ids = program.ids(2000)
    starve = NO_MEMORY.format(first=nth, last=nth + 3)
    ended = await tampered(program, starve, *program.sending("run", path, "--json"))
    assert "NO MEMORY" in ended.err
    assert ended.code in {0, 1, 75, -signal.SIGSEGV, -signal.SIGABRT}, ended
    await goes_on(program, emulator, path, ids, 3)


async def test_p14_no_file_descriptors_left(program: Program, emulate: Emulate) -> None:
    """A plain sentence, no request, and nothing lost; with more of them it goes."""
    emulator = await emulate()
    path, ids = program.ids(300)
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))"
    ended = await tampered(program, few, *program.sending("run", path, "--json"))
    assert (ended.code, ended.json["reason"]["code"]) == (2, "open_files"), ended.err
    assert emulator.state.stats()["requests"] == 0
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (12, 64))"
    ended = await tampered(program, few, *program.sending("run", path, "--json"))
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


@pytest.mark.slow
async def test_p11_stopped_and_continued(program: Program, emulate: Emulate) -> None:
    """After a long stop deadlines fire: in doubt, not lost; what follows is no burst."""
    emulator = await emulate(latency=0.3)
    path, ids = program.ids(3000)
    words = program.sending("run", path, "--json", "--timeout", 1, "--rate", 10)
    process = await program.start(*words)
    while emulator.state.stats()["requests"] < 4:
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    stopped = Path(f"/proc/{process.pid}/stat")
    while stopped.read_text("ascii").rpartition(")")[2].split()[0] != "T":  # noqa: ASYNC240
        await asyncio.sleep(0.01)
    await asyncio.sleep(2.5)
    before = emulator.state.stats()["requests"]
    process.send_signal(signal.SIGCONT)
    await asyncio.sleep(0.5)
    assert emulator.state.stats()["requests"] - before <= 10, "a burst after the stop"
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["ids"]["accepted"] == 3000
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times[one] - 1 for one in ids[::100]) <= report["requests"]["ambiguous"] <= 3
    assert emulator.state.stats()["max_live_in_flight"] <= 3


@pytest.mark.slow
async def test_x2_the_lock_of_a_killed_process_is_free_at_once(
    program: Program, emulate: Emulate
) -> None:
    """The kernel keeps it, no file does: a process with the same ID would not hold it either."""
    emulator = await emulate(latency=0.2)
    path, ids = program.ids(9000)
    process = await program.start(*program.sending("run", path, "--json"))
    while emulator.state.stats()["requests"] < 2:
        await asyncio.sleep(0.01)
    assert (await program.run(path)).code == 7
    process.kill()
    await process.wait()
    lock = program.run_dir() / "run.lock"
    assert lock.exists()
    lock.write_text(str(os.getpid()))  # whatever it says: this process lives
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times[one] - 1 for one in ids[::100]) <= 3


async def spooling(program: Program) -> asyncio.subprocess.Process:
    """Start a run of standard input that goes on and on; return when it is there."""
    process = await program.start(*program.sending("run", "-"), stdin=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"identity\nuser-1\n")
    await process.stdin.drain()
    runs = program.place / "bulkdelete-runs"
    while not list(runs.glob(f".making-{process.pid}-*/input.spool")):
        await asyncio.sleep(0.02)
    return process


async def test_p1_what_a_kill_in_planning_leaves_is_removed(
    program: Program, emulate: Emulate
) -> None:
    """Raw IDs lie in it: the next command removes it, and leaves that of a living one alone."""
    await emulate()
    path, _ = program.ids(20)
    alive, dead = await spooling(program), await spooling(program)
    dead.kill()
    await dead.wait()
    assert (await program.run(path)).code == 0
    runs = program.place / "bulkdelete-runs"
    assert [one.name.split("-")[1] for one in runs.glob(".making-*")] == [str(alive.pid)]
    alive.kill()
    await alive.wait()


async def test_d16_a_log_that_is_truncated_during_the_run(
    program: Program, emulate: Emulate
) -> None:
    """By logrotate, say: the run stops with 6, and the next start sends nothing."""
    emulator = await emulate(latency=0.05)
    path, _ = program.ids(10_000)
    process = await program.start(*program.sending("run", path, "--json"))
    while emulator.state.stats()["requests"] < 5:
        await asyncio.sleep(0.01)
    os.truncate(program.run_dir() / "checkpoint.log", 0)
    at_most = emulator.state.stats()["requests"] + 2 * 3
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 6, err
    assert json.loads(out)["reason"]["code"] == "checkpoint_changed"
    requests = emulator.state.stats()["requests"]
    assert requests <= at_most
    assert (await program.run(path)).code == 6
    assert emulator.state.stats()["requests"] == requests
