"""Killed by the kernel for want of memory: a control group of its own, too small for the run."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Emulate, Program, times_acted

pytestmark = pytest.mark.faults

_EATER = """
import bulkdelete.io.client as client
post, calls, eaten = client.Client.post, 0, []
async def hungry(self, *words):
    global calls
    calls += 1
    if calls > 4:
        eaten.append(b"x" * (16 << 20))
    return await post(self, *words)
client.Client.post = hungry
import bulkdelete.cli
bulkdelete.cli.main()
"""


class Group:
    """A memory control group, of either version."""

    def __init__(self) -> None:
        root = Path("/sys/fs/cgroup")
        self._new = (root / "cgroup.controllers").exists()
        if self._new:
            (root / "cgroup.subtree_control").write_text("+memory", "ascii")
        base = root if self._new else root / "memory"
        self.place = base / f"bulkdelete-{os.getpid()}"
        self.place.mkdir()

    def limit(self, size: int) -> None:
        """Allow so many bytes, and no swap."""
        name = "memory.max" if self._new else "memory.limit_in_bytes"
        (self.place / name).write_text(str(size), "ascii")
        if self._new and (self.place / "memory.swap.max").exists():
            (self.place / "memory.swap.max").write_text("0", "ascii")

    @property
    def kills(self) -> int:
        """How often the kernel killed something in it."""
        name = "memory.events" if self._new else "memory.oom_control"
        lines = map(str.split, (self.place / name).read_text("ascii").splitlines())
        return next(int(count) for what, count in lines if what == "oom_kill")


@pytest.fixture
def group() -> Iterator[Group]:
    """Return a group; it is removed when nothing is in it any more."""
    made = Group()
    yield made
    made.place.rmdir()


async def test_p12_killed_for_want_of_memory(
    program: Program, emulate: Emulate, group: Group
) -> None:
    """The kernel says that it did; what is left is as after any kill."""
    emulator = await emulate(latency=0.01)
    path, ids = program.ids(4000)
    group.limit(160 << 20)
    words = program.sending("run", path, "--json")
    inside = 'echo $$ > "$0/cgroup.procs"; exec "$@"'
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", inside, group.place, program.words()[0], "-c", _EATER),
        *map(str, words),
        cwd=program.place,
        env=program.environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert process.returncode == -signal.SIGKILL, err.decode()
    assert group.kills >= 1, "the kernel killed nothing"
    told = await program("status", program.run_dir(), "--json")
    assert told.code == 0, told.err
    assert told.json["ids"]["ambiguous"] <= 300
    assert 0 < told.json["ids"]["accepted"] < 4000
    assert (await program.run(path)).code == 0
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times[one] - 1 for one in ids[::100]) <= 3
