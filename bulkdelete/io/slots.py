"""The account's slots, shared by all processes of the machine through kernel locks.

`leased` shares them over machines; both hold the protocols that are here.

One lock file a slot; a process holds a slot by an flock, which the kernel lets go when its holder
dies, however it dies. Who finds no slot free, or others waiting, stands in line: a row of lock
files, entered at the end and walked to the front one free place at a time, so that nobody
overtakes. Only the front takes a slot, and each process has one place: so all get turns equally.
"""

import asyncio
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

POLL = 0.005
"""Seconds between two looks: kernel locks wake nobody who does not block."""

FRONT_POLL = 0.001
"""The same for the one at the front: a slot is idle until it looks."""

PLACES = 12
"""Places in line; who finds the last one taken waits before it."""


class Lease(Protocol):
    """A slot that is held."""

    def good(self) -> bool:
        """Tell whether a request may leave on it: it can be lost."""
        ...

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
        self._line = [_open(f"{stem}-line-{place}") for place in range(PLACES)]
        self._closed = False
        self._standing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self.close()

    @staticmethod
    def busy() -> tuple[str, float]:
        """Say why there is none: others have them, for nobody knows how long."""
        return "slots", 0.0

    def resize(self, count: int) -> None:
        """Use so many slots from now on; those above that are held are given back in time."""
        for number in range(len(self._number), count):
            fd = _open(f"{self._stem}-{number}")
            self._number[fd] = number
            self._free.append(fd)
        self._count = count

    async def acquire(self) -> Lease:
        """Wait for a free slot and hold it."""
        fd = None
        if not self._standing.locked() and not self._others_wait():
            fd = self._take()
        return _Held(self, await self._stand() if fd is None else fd)

    async def _stand(self) -> int:
        """Stand in line, for all of this process, until a slot is free."""
        async with self._standing:
            fcntl.flock(self._queue, fcntl.LOCK_SH)
            place = PLACES
            try:
                while (place := self._walk(place)) or (fd := self._take()) is None:  # noqa: ASYNC110
                    # What it waits for happens in another process.
                    await asyncio.sleep(POLL if place else FRONT_POLL)
                return fd
            finally:
                if place < PLACES and not self._closed:
                    fcntl.flock(self._line[place], fcntl.LOCK_UN)
                if not self._closed:
                    fcntl.flock(self._queue, fcntl.LOCK_UN)

    def _walk(self, place: int) -> int:
        """Go forward as far as it is free; return the place that is reached."""
        while place and _try_lock(self._line[place - 1]):
            if place < PLACES:
                fcntl.flock(self._line[place], fcntl.LOCK_UN)
            place -= 1
        return place

    def _take(self) -> int | None:
        # The highest first: another process may be allowed only the lower ones.
        for fd in sorted(self._free, key=self._number.__getitem__, reverse=True):
            if self._number[fd] < self._count and _try_lock(fd):
                self._free.remove(fd)
                return fd
        return None

    def give_back(self, fd: int) -> None:
        """Unlock a slot."""
        if self._closed:
            return
        fcntl.flock(fd, fcntl.LOCK_UN)
        self._free.append(fd)

    def _others_wait(self) -> bool:
        """Tell whether another process waits: it would hold the queue, which this one does not."""
        alone = _try_lock(self._queue)
        if alone:
            fcntl.flock(self._queue, fcntl.LOCK_UN)
        return not alone

    def close(self) -> None:
        """Close the files; that unlocks them. What is given back later is nothing any more."""
        if self._closed:
            return
        self._closed = True
        _close((*self._number, self._queue, *self._line))


class _Held:
    """A held slot; giving it back twice is once."""

    def __init__(self, slots: KernelSlots, fd: int) -> None:
        self._slots = slots
        self._fd: int | None = fd

    @staticmethod
    def good() -> bool:
        """Say yes: the kernel takes it from nobody."""
        return True

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
