"""The account's slots, shared by all processes of the machine through kernel locks.

One lock file a slot; a process holds a slot by an flock, which the kernel lets go when its holder
dies, however it dies. Who finds no slot free waits with a shared lock on the queue file; a holder
that sees somebody there steps back for a moment after each turn, so that all come round.
"""

import asyncio
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

POLL = 0.005
"""Seconds between two looks for a free slot: kernel locks wake nobody who does not block."""

STEP_BACK = 0.015
"""Seconds for which a holder that others wait for leaves a slot alone: three looks of theirs."""


class Lease(Protocol):
    """A slot that is held."""

    def release(self) -> None:
        """Give it back."""


def directory() -> Path:
    """Return where the lock files are: the same place for all users and processes."""
    shared = Path("/run/lock")
    if shared.is_dir() and os.access(shared, os.W_OK):
        return shared
    return Path(tempfile.gettempdir())


class KernelSlots:
    """`count` slots of one account at one host."""

    def __init__(self, host: str, account: str, count: int, place: Path | None = None) -> None:
        name = hashlib.sha256(f"{host}\n{account}".encode()).hexdigest()[:24]
        stem = str((place or directory()) / f"bulkdelete-{name}")
        self._stem = stem
        self._count = 0
        self._free: list[int] = []
        self._number: dict[int, int] = {}
        self.resize(count)
        self._queue = _open(f"{stem}-queue")
        self._closed = False
        self._waiting = 0
        self._not_before = 0.0

    def resize(self, count: int) -> None:
        """Use so many slots from now on; those above that are held are given back in time."""
        for number in range(len(self._number), count):
            fd = _open(f"{self._stem}-{number}")
            self._number[fd] = number
            self._free.append(fd)
        self._count = count

    async def acquire(self) -> Lease:
        """Wait for a free slot and hold it."""
        loop = asyncio.get_running_loop()
        if (early := self._not_before - loop.time()) > 0:
            await asyncio.sleep(early)
        if (fd := self._take()) is None:
            fd = await self._wait()
        return _Held(self, fd)

    async def _wait(self) -> int:
        self._waiting += 1
        fcntl.flock(self._queue, fcntl.LOCK_SH)
        try:
            while (fd := self._take_in_turn()) is None:  # noqa: ASYNC110 - another process's event
                await asyncio.sleep(POLL)
            return fd
        finally:
            self._waiting -= 1
            if not self._waiting:
                fcntl.flock(self._queue, fcntl.LOCK_UN)

    def _take_in_turn(self) -> int | None:
        early = asyncio.get_running_loop().time() < self._not_before
        return None if early else self._take()

    def _take(self) -> int | None:
        for fd in self._free:
            if self._number[fd] < self._count and _try_lock(fd):
                self._free.remove(fd)
                return fd
        return None

    def give_back(self, fd: int) -> None:
        """Unlock a slot; step back when another process waits for one."""
        if self._closed:
            return
        fcntl.flock(fd, fcntl.LOCK_UN)
        self._free.append(fd)
        if self._others_wait():
            self._not_before = asyncio.get_running_loop().time() + STEP_BACK

    def _others_wait(self) -> bool:
        """Tell whether another process waits: it would hold the queue, too."""
        alone = _try_lock(self._queue)
        # The attempt let go of what this process held of the queue for its own workers.
        if self._waiting:
            fcntl.flock(self._queue, fcntl.LOCK_SH)
        elif alone:
            fcntl.flock(self._queue, fcntl.LOCK_UN)
        return not alone

    def close(self) -> None:
        """Close the files; that unlocks them. What is given back later is nothing any more."""
        self._closed = True
        _close((*self._number, self._queue))


class _Held:
    """A held slot; giving it back twice is once."""

    def __init__(self, slots: KernelSlots, fd: int) -> None:
        self._slots = slots
        self._fd: int | None = fd

    def release(self) -> None:
        if self._fd is not None:
            self._slots.give_back(self._fd)
            self._fd = None


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(name: str) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o644)
    except (FileExistsError, PermissionError):
        # Without O_CREAT: in a sticky directory the kernel forbids it on another user's file.
        return os.open(name, flags)
    os.fchmod(fd, 0o644)  # whatever the umask is: other users must be able to lock it
    return fd


def _close(fds: "Iterable[int]") -> None:
    for fd in fds:
        os.close(fd)
