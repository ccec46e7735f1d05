"""A log on a simulated disk: what a process sees of it, and what would survive the power.

A write is seen at once and survives a killed process. It survives the loss of power only when a
later sync succeeded; otherwise it was kept, dropped or trashed, each write for itself. A sync
that fails leaves pages that are taken for written and never are, as Linux does.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

from tests.simulation.oracle import ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Troubles(Protocol):
    """Decides what goes wrong; each returns what happens this time."""

    def of_write(self, content: memoryview, at: int) -> int | OSError:
        """Return how many bytes of a write are taken."""
        ...

    def of_sync(self) -> "tuple[float, OSError | None]":
        """Return how long a sync takes, and its end."""
        ...

    def of_cut(self) -> OSError | None:
        """Return how a cut ends."""
        ...

    def of_hold(self, size: int) -> OSError | None:
        """Return how it ends to hold room ahead."""
        ...

    def sync_failed(self) -> None:
        """Hear of a sync that failed, before the process does."""


@dataclass(slots=True)
class Write:
    """Bytes that were written and not synced; `lost`: a sync failed over them."""

    at: int
    content: bytes
    lost: bool = False

    def outside(self, start: int, end: int) -> "Iterator[Write]":
        """Yield what is left of it where a later write covers `start` to `end`."""
        before, after = (
            self.content[: max(0, start - self.at)],
            self.content[max(0, end - self.at) :],
        )
        if before:
            yield Write(self.at, before, self.lost)
        if after:
            yield Write(max(self.at, end), after, self.lost)


@dataclass(slots=True)
class Platter:
    """One file. `seen` is what processes read, `durable` what is there after a loss of power."""

    seen: bytearray
    durable: bytearray = field(init=False)
    pending: list[Write] = field(default_factory=list)
    lies: bool = False
    fates: list[str] = field(default_factory=list)
    snapshots: list[bytes] = field(default_factory=list)
    _luck: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        self.durable = bytearray(self.seen)

    @property
    def snapshot(self) -> bytes:
        """What is in the file of the snapshot; nothing where it is not there."""
        return self.snapshots[-1] if self.snapshots else b""

    def keep(self, snapshot: bytes) -> None:
        """Take a snapshot, now and then too late: then the one before stays."""
        if self._luck.random() < 0.8:
            self.snapshots.append(snapshot)

    def _lose_snapshot(self) -> None:
        """Decide what the loss of power leaves of the snapshot: an older one, or what is none."""
        match self._luck.choice(("kept", "kept", "kept", "older", "torn", "trashed", "gone")):
            case "older":
                self.snapshots.append(self._luck.choice(self.snapshots))
            case "torn":
                self.snapshots.append(self.snapshot[: self._luck.randrange(len(self.snapshot))])
            case "trashed":
                at = self._luck.randrange(len(self.snapshot))
                self.snapshots.append(self.snapshot[:at] + b"\0" + self.snapshot[at + 1 :])
            case "gone":
                self.snapshots = []
            case _:
                pass

    def write(self, content: bytes, at: int) -> None:
        """Take a write into the cache."""
        _put(self.seen, content, at)
        end = at + len(content)
        self.pending = [left for one in self.pending for left in one.outside(at, end)]
        if self.durable[at : at + len(content)] != content:
            # The same bytes over the same bytes come to no harm, whatever happens.
            self.pending.append(Write(at, content))

    def sync(self) -> None:
        """Make everything durable, but for what an earlier failure took for written."""
        if self.lies:
            return
        for one in self.pending:
            if not one.lost:
                _put(self.durable, one.content, one.at)
        self.pending = [one for one in self.pending if one.lost]

    def fail_sync(self) -> None:
        """Let a sync fail: what it was for will not be written any more."""
        for one in self.pending:
            one.lost = True

    def cut(self, size: int) -> None:
        """Cut the file off, and make what is left durable."""
        del self.seen[size:]
        del self.durable[size:]
        self.pending = [one for one in self.pending if one.at < size]
        self.sync()

    def lose_power(self, dice: Random) -> None:
        """Decide the fate of each write that was not synced; then the file is what is durable."""
        for one in self.pending:
            self._decide(one, dice)
        self.pending = []
        self.seen = bytearray(self.durable)
        if self.snapshot:
            self._lose_snapshot()

    def _decide(self, one: Write, dice: Random) -> None:
        fate = dice.choice(("kept", "dropped", "dropped", "torn", "trashed"))
        self.fates.append(fate)
        if one.lost and fate == "kept":
            fate = "dropped"
        if fate == "kept":
            _put(self.durable, one.content, one.at)
        elif fate == "torn":
            _put(self.durable, one.content[: dice.randrange(len(one.content))], one.at)
        elif fate == "trashed":
            size = len(one.content)
            start, end = sorted((dice.randrange(size), dice.randrange(size) + 1))
            junk = bytes(end - start) if dice.random() < 0.5 else dice.randbytes(end - start)
            _put(self.durable, one.content[:start] + junk + one.content[end:], one.at)


def _put(target: bytearray, content: bytes, at: int) -> None:
    if len(target) < at:
        target.extend(bytes(at - len(target)))
    target[at : at + len(content)] = content


class SimDisk:
    """What the journal of one process start writes on: the fake beside `journal.LogFile`.

    `later` calls back after some seconds; `synced` is told after each sync that made something
    durable; `alive` is false once the process is dead.
    """

    def __init__(
        self,
        platter: Platter,
        troubles: Troubles,
        later: Callable[[float, Callable[[], None]], object],
        alive: Callable[[], bool],
        synced: Callable[[], None],
    ) -> None:
        self._platter = platter
        self._troubles = troubles
        self._later = later
        self._alive = alive
        self._synced = synced
        self.mended = False
        self.closed = False

    def size(self) -> int | None:
        """Return the size that is seen."""
        return len(self._platter.seen)

    def write(self, content: memoryview, at: int) -> int:
        """Write into the cache, as much as is taken."""
        if not self._alive():
            return len(content)
        if self.closed:
            raise ViolationError("bug", "a write to a log that was closed")
        taken = self._troubles.of_write(content, at)
        if isinstance(taken, OSError):
            raise taken
        self._platter.write(bytes(content[:taken]), at)
        return taken

    def sync(self, after: Callable[[OSError | None], None]) -> None:
        """Sync after as long as the disk takes; then the loop calls `after`."""
        seconds, error = self._troubles.of_sync()

        def end() -> None:
            if not self._alive():
                return
            if error is None:
                self._platter.sync()
                self._synced()
            else:
                self._platter.fail_sync()
                self._troubles.sync_failed()
            after(error)

        self._later(seconds, end)

    def hold(self, size: int) -> None:
        """Hold room ahead, if there is some."""
        if self._alive() and (error := self._troubles.of_hold(size)) is not None:
            raise error

    def cut(self, size: int) -> None:
        """Cut the file off, durably; the first time that is what makes it whole."""
        if not self._alive():
            return
        if (error := self._troubles.of_cut()) is not None:
            raise error
        self._platter.cut(size)
        self.mended = True
        self._synced()

    @property
    def snapshot_after(self) -> int:
        """A few commit groups: so many starts meet one."""
        return 4096

    def keep(self, snapshot: Callable[[], bytes]) -> None:
        """Keep a snapshot."""
        if self._alive():
            self._platter.keep(snapshot())

    def close(self) -> None:
        """Let go of it."""
        self.closed = True


def no_room() -> OSError:
    """Return the error of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken() -> OSError:
    """Return the error of a disk that fails."""
    return OSError(errno.EIO, os.strerror(errno.EIO))
