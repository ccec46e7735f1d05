"""Slots that all processes of the machine share: never more than there are, none ever lost."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bulkdelete.io import slots
from bulkdelete.io.slots import KernelSlots, Lease

SECONDS = 5.0

HOLDER = """
import asyncio, sys
from pathlib import Path
from bulkdelete.io.slots import KernelSlots

async def hold():
    mine = KernelSlots("h", "a", int(sys.argv[2]), Path(sys.argv[1]))
    leases = [await mine.acquire() for _ in range(int(sys.argv[3]))]
    print(len(leases), flush=True)
    await asyncio.sleep(60)

asyncio.run(hold())
"""

TAKER = """
import asyncio, sys, time
from pathlib import Path
from bulkdelete.io.slots import KernelSlots

async def turns():
    mine = KernelSlots("h", "a", int(sys.argv[2]), Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    end, held = time.monotonic() + float(sys.argv[3]), []

    async def work():
        while time.monotonic() < end:
            lease = await mine.acquire()
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            held.append((begun, time.monotonic()))
            lease.release()

    await asyncio.gather(*(work() for _ in range(3)))
    for begun, ended in held:
        print(begun, ended)

asyncio.run(turns())
"""

Make = Callable[..., KernelSlots]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a maker of parties that share the slots of one account."""
    made: list[KernelSlots] = []

    def party(count: int, *, host: str = "h", account: str = "a") -> KernelSlots:
        made.append(KernelSlots(host, account, count, tmp_path))
        return made[-1]

    yield party
    for one in made:
        one.close()


async def soon(one: KernelSlots) -> Lease:
    """Acquire without a long wait."""
    return await asyncio.wait_for(one.acquire(), SECONDS)


async def full(one: KernelSlots) -> bool:
    """Tell that no slot is to be had for a while."""
    try:
        lease = await asyncio.wait_for(one.acquire(), 0.05)
    except TimeoutError:
        return True
    lease.release()
    return False


async def test_closing_frees_what_was_held(make: Make, tmp_path: Path) -> None:
    """As the end of the process would."""
    other = KernelSlots("h", "a", 2, tmp_path)
    await soon(other)
    await soon(other)
    mine = make(2)
    assert await full(mine)
    other.close()
    await soon(mine)
    await soon(mine)


def child(place: Path, script: str, *words: object) -> "subprocess.Popen[str]":
    """Start another process that shares the slots."""
    return subprocess.Popen(
        [sys.executable, "-c", script, str(place), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: "subprocess.Popen[str]") -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_x2_the_slots_of_a_killed_process_are_free_at_once(
    make: Make, tmp_path: Path, death: signal.Signals
) -> None:
    """The kernel lets go, however the holder died; no file has to be cleaned up."""
    with child(tmp_path, HOLDER, 2, 2) as holder:
        try:
            assert line(holder) == "2"
            mine = make(2)
            assert await full(mine)
            os.kill(holder.pid, death)
            holder.wait(SECONDS)
        finally:
            holder.kill()
    started = asyncio.get_running_loop().time()
    await soon(mine)
    await soon(mine)
    assert asyncio.get_running_loop().time() - started < 5


async def test_x2_one_who_waits_gets_the_slot_of_a_killed_process(
    make: Make, tmp_path: Path
) -> None:
    """Without any further event than the holder's death."""
    with child(tmp_path, HOLDER, 1, 1) as holder:
        try:
            assert line(holder) == "1"
            waiter = asyncio.create_task(make(1).acquire())
            await asyncio.sleep(0.02)
            assert not waiter.done()
            holder.kill()
            await asyncio.wait_for(waiter, SECONDS)
        finally:
            holder.kill()


async def test_r5_processes_share_without_ever_exceeding(tmp_path: Path) -> None:
    """Two greedy processes on three slots: never a fourth held, and both come round."""
    children = [child(tmp_path, TAKER, 3, 0.5) for _ in range(2)]
    for process in children:
        assert line(process) == "ready"
    outputs = await asyncio.gather(*(asyncio.to_thread(p.communicate, "go\n") for p in children))
    events: list[tuple[float, int]] = []
    for text, _ in outputs:
        held = [one.split() for one in text.splitlines()]
        assert len(held) >= 10
        events += [(float(begun), 1) for begun, _ in held]
        events += [(float(ended), -1) for _, ended in held]
    out = most = 0
    for _, change in sorted(events):
        out += change
        most = max(most, out)
    assert most == 3


async def test_r5_eight_processes_get_turns_equally(tmp_path: Path) -> None:
    """All greedy, three workers each: the fastest no more than 1.3 times the slowest."""
    children = [child(tmp_path, TAKER, 3, 2.0) for _ in range(8)]
    for process in children:
        assert line(process) == "ready"
    for process in children:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [await asyncio.to_thread(process.communicate) for process in children]
    held = [[(*map(float, one.split()),) for one in text.splitlines()] for text, _ in outputs]
    # Only while all of them are there: who is last to start has had fewer turns.
    begin = max(mine[0][0] for mine in held)
    end = min(mine[-1][1] for mine in held)
    turns = [sum(begin <= one[0] < end for one in mine) for mine in held]
    assert min(turns) >= 5
    assert max(turns) <= 1.3 * min(turns) + 2
    events = [(at, step) for mine in held for b, e in mine for at, step in ((b, 1), (e, -1))]
    out = [step for _, step in sorted(events)]
    assert max(sum(out[:number]) for number in range(len(out) + 1)) == 3


def test_the_files_are_links_to_nowhere_for_nobody(tmp_path: Path) -> None:
    """Z2: a link that somebody laid in the way is not followed."""
    KernelSlots("h", "a", 1, tmp_path).close()
    name = next(path for path in tmp_path.iterdir() if path.name.endswith("-0"))
    name.unlink()
    name.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        KernelSlots("h", "a", 1, tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_s15_the_names_of_the_files_tell_nothing(tmp_path: Path) -> None:
    """Host and account are hashed, and the files are empty."""
    KernelSlots("https://secret-host", "SECRET-ACCOUNT", 2, tmp_path).close()
    paths = sorted(tmp_path.iterdir())
    stems = {path.name.rpartition("-")[0] for path in paths}
    names = {path.name.removeprefix(min(stems, key=len)) for path in paths}
    line = {f"-line-{place}" for place in range(slots.PLACES)}
    assert names == {"-0", "-1", "-queue"} | line
    assert all("secret" not in path.name.lower() for path in paths)
    assert all(path.stat().st_size == 0 for path in paths)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_r5_the_files_serve_all_users(tmp_path: Path, umask: int) -> None:
    """The slots are the machine's: another user must be able to open them, and only read."""
    before = os.umask(umask)
    try:
        KernelSlots("h", "a", 1, tmp_path).close()
    finally:
        os.umask(before)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_of_another_user_is_opened_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel forbids to create over another user's file, opening is enough."""
    KernelSlots("h", "a", 1, tmp_path).close()
    real = os.open

    def protected(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise PermissionError
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", protected)
    KernelSlots("h", "a", 1, tmp_path).close()
    with pytest.raises(FileNotFoundError):
        KernelSlots("h", "another", 1, tmp_path)


def test_where_the_files_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the system's place for locks; where that cannot be written to, in the temporary one."""
    assert slots.directory().is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert slots.directory() == tmp_path
    monkeypatch.undo()
    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert slots.directory() == Path("/run/lock")
