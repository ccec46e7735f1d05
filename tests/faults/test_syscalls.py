"""Errors of single system calls, on the real interpreter, by strace: each at several places.

What must hold, whatever the call and the place: an exit code of the contract, a balance that adds
up, no record believed that is not sound, and one more run that ends it.
"""

import asyncio
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Emulate, Ended, Program, times_acted
from tests.faults.injectors import program as injector

pytestmark = pytest.mark.faults

CHUNKS, SIZE, CAP = 8, 10, 3
KILLED = -9


@dataclass
class Traced:
    """A process under strace: how it ended, and the calls that strace saw."""

    ended: Ended
    calls: list[str]

    @property
    def fired(self) -> bool:
        """The injector says that it did something."""
        return any("(INJECTED)" in one or "+++ killed by SIGKILL" in one for one in self.calls)


@dataclass
class Bench:
    """One list after the other, sent to one emulator."""

    program: Program
    emulator: Any
    lists: int = 0

    def new(self) -> tuple[Path, list[str]]:
        """Write a list of its own."""
        self.lists += 1
        ids = [f"list{self.lists}-user{number}" for number in range(CHUNKS * SIZE)]
        return self.program.write(f"list{self.lists}.csv", "identity", *ids), ids

    def words(self, path: Path) -> list[object]:
        """Return the command that sends a list."""
        return self.program.sending(
            *("run", path, "--json", "--chunk-size", SIZE),
            *("--run-dir", self.program.place / "runs" / path.stem),
        )

    def log(self, path: Path) -> Path:
        """Where the checkpoint of a list is."""
        return self.program.place / "runs" / path.stem / "checkpoint.log"

    async def traced(
        self, path: Path, calls: str, *inject: str, only: Path | None = None, quick: bool = True
    ) -> Traced:
        """Send a list under strace, with faults; with `only`, in calls about one file."""
        output = self.program.place / f"{path.stem}.strace"
        faults = [word for one in inject for word in ("-e", f"inject={one}")]
        where: tuple[str, ...] = ("-P", str(only)) if only else ()
        where += ("--seccomp-bpf",) if quick else ()  # which injects no signals
        words = ("-f", "-qq", *where, "-e", f"trace={calls}", *faults, "-o", str(output))
        process = await asyncio.create_subprocess_exec(
            *(injector("strace"), *words, *self.program.words(*self.words(path))),
            cwd=self.program.place,
            env=self.program.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(90):
            out, err = await process.communicate()
        ended = Ended(process.returncode or 0, out.decode(), err.decode())
        return Traced(ended, output.read_text("utf-8", "replace").splitlines())

    async def balanced(self, path: Path) -> Any:  # noqa: ANN401 - the summary
        """Return the balance of a list, which must verify; None when there is no plan yet."""
        if not self.log(path).exists():
            return None
        told = await self.program("status", self.log(path).parent, "--json")
        assert told.code == 0, told.err
        ids = told.json["ids"]
        assert ids["read"] == CHUNKS * SIZE == sum(ids.values()) - ids["read"]
        acted = times_acted(self.emulator)
        done = sum(one.startswith(f"{path.stem}-") for one in acted)
        assert ids["accepted"] <= done, "accepted, but never done"
        return told.json

    async def finished(self, path: Path, ids: list[str], most: int = CAP) -> None:
        """Send the rest; nothing is lost, and at most so many chunks were sent twice."""
        ended = await self.program(*self.words(path))
        assert ended.code == 0, ended.err
        times = times_acted(self.emulator)
        assert all(one in times for one in ids), "lost"
        assert sum(times[one] - 1 for one in ids[::SIZE]) <= most


@pytest.fixture
async def bench(program: Program, emulate: Emulate) -> Bench:
    """Return a bench over a quick emulator."""
    return Bench(program, await emulate())


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
async def test_d1_d2_d4_an_error_on_write(bench: Bench, nth: int) -> None:
    """ENOSPC or EIO, once or for ever: 75, and nothing that was written then is believed."""
    for error in ("EIO", "ENOSPC"):
        for when in (f"{nth}", f"{nth}+"):
            path, ids = bench.new()
            traced = await bench.traced(path, "pwrite64", f"pwrite64:error={error}:when={when}")
            assert traced.fired
            assert traced.ended.code == 75, traced.ended.err
            assert traced.ended.json["reason"]["code"] == "disk"
            writes = [one for one in traced.calls if "pwrite64(" in one]
            assert sum("INJECTED" in one for one in writes) == 1, "tried again"
            found = await bench.balanced(path)
            assert found["ids"]["ambiguous"] <= CAP * SIZE
            await bench.finished(path, ids)


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
async def test_d5_an_error_on_fdatasync(bench: Bench, nth: int) -> None:
    """Not tried again; the group is cut off, so that nobody believes it; 75."""
    path, ids = bench.new()
    calls = "pwrite64,fdatasync,ftruncate"
    traced = await bench.traced(path, calls, f"fdatasync:error=EIO:when={nth}")
    assert traced.fired
    assert traced.ended.code == 75, traced.ended.err
    (failed,) = (n for n, one in enumerate(traced.calls) if "INJECTED" in one)
    after = traced.calls[failed + 1 :]
    assert not any("fdatasync(" in one or "pwrite64(" in one for one in after)
    assert any("ftruncate(" in one for one in after)
    found = await bench.balanced(path)
    assert found["ids"]["ambiguous"] <= CAP * SIZE
    await bench.finished(path, ids)


async def test_d15_an_fdatasync_that_takes_long(bench: Bench) -> None:
    """The loop stays awake: a signal is heard at once, while the disk is busy; the gate holds."""
    path, ids = bench.new()
    output = bench.program.place / "slow.strace"
    words = ("-f", "-qq", "--seccomp-bpf", "-e", "trace=fdatasync", "-o", str(output))
    process = await asyncio.create_subprocess_exec(
        *(injector("strace"), *words, "-e", "inject=fdatasync:delay_enter=3000000:when=4"),
        *bench.program.words(*bench.words(path), "--log-level", "info"),
        cwd=bench.program.place,
        env=bench.program.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while bench.emulator.state.stats()["requests"] < 1:
            await asyncio.sleep(0.005)
        before = -1
        while (now := bench.emulator.state.stats()["requests"]) != before:
            before = now
            await asyncio.sleep(0.5)
    os.kill(child_of(process.pid), signal.SIGTERM)
    async with asyncio.timeout(30):
        heard = b""
        while b"run.stopping" not in heard:
            heard = await process.stderr.readline()
            assert heard, "the signal was not heard"
    assert bench.emulator.state.stats()["requests"] == before, "sent before its intent was durable"
    await process.communicate()
    assert process.returncode == 143
    assert "INJECTED" in output.read_text() or "delayed" in output.read_text().lower()
    await bench.finished(path, ids, 0)


def child_of(pid: int) -> int:
    """Return the process that strace started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0])


async def test_d3_interrupted_calls_are_done_again(bench: Bench) -> None:
    """EINTR on write and sync: nothing of it is seen."""
    path, ids = bench.new()
    faults = ("pwrite64:error=EINTR:when=2+3", "fdatasync:error=EINTR:when=2+3")
    traced = await bench.traced(path, "pwrite64,fdatasync", *faults)
    assert traced.fired
    assert traced.ended.code == 0, traced.ended.err
    await bench.balanced(path)
    assert times_acted(bench.emulator) == dict.fromkeys(ids, 1)


async def test_d3_d6_a_write_that_lies(bench: Bench) -> None:
    """Seven bytes said to be written, and not: a bad record is never believed afterwards."""
    for nth in (2, 4, 6):
        path, _ = bench.new()
        traced = await bench.traced(path, "pwrite64", f"pwrite64:retval=7:when={nth}")
        assert traced.fired
        before = bench.emulator.state.stats()["requests"]
        for words in (("status", bench.log(path).parent), bench.words(path)):
            told = await bench.program(*words)
            assert told.code == 6, (nth, told)
        assert bench.emulator.state.stats()["requests"] == before


@pytest.mark.parametrize("error", ["EIO", "EMFILE"])
@pytest.mark.parametrize("name", ["plan.json", "plan.index", "run.key", "checkpoint.log"])
async def test_d4_p14_a_file_of_the_run_that_cannot_be_opened(
    bench: Bench, error: str, name: str
) -> None:
    """On resume: no request, no lie, and the next start goes on."""
    path, ids = bench.new()
    held = await bench.program(*bench.words(path), "--hold-after", 20)
    assert held.code == 75, held.err
    before = bench.emulator.state.stats()["requests"]
    only = bench.log(path).with_name(name)
    traced = await bench.traced(path, "openat", f"openat:error={error}:when=1+", only=only)
    assert traced.fired
    assert traced.ended.code in {2, 6, 75}, traced.ended.err
    assert bench.emulator.state.stats()["requests"] == before
    found = await bench.balanced(path)
    assert found["ids"]["accepted"] == 20
    await bench.finished(path, ids, 0)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
async def test_d1_d4_an_error_on_rename(bench: Bench, error: str) -> None:
    """The plan's last step, or a report: the plan is there whole or not at all; nothing is lost."""
    for nth in (1, 2, 3):
        path, ids = bench.new()
        fault = f"rename,renameat,renameat2:error={error}:when={nth}"
        traced = await bench.traced(path, "rename,renameat,renameat2", fault)
        assert traced.fired
        assert traced.ended.code in {2, 75}, traced.ended.err
        await bench.balanced(path)
        await bench.finished(path, ids, 0)


@pytest.mark.parametrize(
    ("call", "error"),
    [("socket", "EMFILE"), ("socket", "ENFILE"), ("connect", "ENETUNREACH")],
)
async def test_p14_n1_no_connection_can_be_made(bench: Bench, call: str, error: str) -> None:
    """Not a byte left: tried again, and nothing is in doubt."""
    path, ids = bench.new()
    fault = f"{call}:error={error}:when=1"
    traced = await bench.traced(path, call, fault)
    assert traced.fired
    assert traced.ended.code in {0, 2, 75}, traced.ended.err
    found = await bench.balanced(path)
    assert found is None or found["ids"]["ambiguous"] == 0
    await bench.finished(path, ids, 0)


async def test_d12_d13_everything_is_durable_before_the_first_byte(bench: Bench) -> None:
    """In strace's order: files synced, their directory, the name, its directory; then a request.

    And the canary, which goes alone, not before the log was synced after its intent was written.
    """
    path, _ = bench.new()
    output = bench.program.place / "order.strace"
    calls = "fsync,fdatasync,rename,renameat,renameat2,pwrite64,write,writev,sendto,sendmsg"
    words = ("-f", "-y", "-qq", "-s", "8", "-e", f"trace={calls}", "-o", str(output))
    process = await asyncio.create_subprocess_exec(
        *(injector("strace"), *words, *bench.program.words(*bench.words(path))),
        cwd=bench.program.place,
        env=bench.program.environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err
    seen = output.read_text("utf-8", "replace").splitlines()
    first = next(n for n, one in enumerate(seen) if '"POST /1' in one)
    order = (
        *(r"fsync\(\d+<.*/\.making-[^/]*/run\.key>", r"fsync\(\d+<.*/\.making-[^/]*/plan\.json>"),
        *(r"fsync\(\d+<.*/plan\.index>", r"fsync\(\d+<.*/\.making-[^/]*/checkpoint\.log>"),
        *(
            r"fsync\(\d+<.*/\.making-[^/>]*>",
            r"rename[a-z0-9]*\(.*/runs/list1",
            r"fsync\(\d+<.*/runs>",
        ),
    )
    place = 0
    for step in order:
        found = (n for n in range(place, first) if re.search(step, seen[n]))
        place = next(found, -1)
        assert place >= 0, f"not done before the first request, or too late: {step}"
    unsynced = requests = 0
    for one in seen[place:]:
        if "pwrite64(" in one:
            unsynced += 1
        if "fdatasync(" in one or "fdatasync resumed" in one:
            unsynced = 0 if " = 0" in one else unsynced
        if '"POST /1' in one:
            requests += 1
            assert not (requests == 1 and unsynced), "the first request came before its intent"
    assert requests == CHUNKS


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
async def test_p1_p2_p6_killed_at_a_call(bench: Bench, nth: int) -> None:
    """SIGKILL at the n-th write, sync and request, by strace: at most C chunks twice, none lost."""
    for call in ("pwrite64", "fdatasync", "fsync"):
        path, ids = bench.new()
        traced = await bench.traced(path, call, f"{call}:signal=SIGKILL:when={nth}", quick=False)
        assert traced.fired
        assert traced.ended.code == KILLED
        found = await bench.balanced(path)
        assert found is None or found["ids"]["ambiguous"] <= CAP * SIZE
        await bench.finished(path, ids)


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6])
async def test_i15_an_error_on_reading_the_list(bench: Bench, nth: int) -> None:
    """In the plan or while it is sent: a code of its own, the file named, and no ID is lost."""
    path, ids = bench.new()
    traced = await bench.traced(path, "read", f"read:error=EIO:when={nth}", only=path)
    if not traced.fired:
        assert nth > 4, "the list is read for the plan, and again to be sent"
        return
    found = await bench.balanced(path)
    sent = 0 if found is None else found["requests"]["sent"]
    assert traced.ended.code in ({6, 75} if sent else {2, 6, 75}), traced.ended.err
    assert path.name in traced.ended.err
    if found is not None:
        assert found["ids"]["ambiguous"] == 0
    await bench.finished(path, ids, most=0)
