"""The checkpoint log on disk: append, group commit, fdatasync, and the cut of a torn tail.

Commits are self-clocking: whatever was appended while one fdatasync ran goes into the next one
together, so nothing waits longer than for the disk, and one commit can carry the outcome of one
request and the intent of the next. Records become durable in the order of `append`: when one
record is durable, all before it are.

Room on the disk is held ahead of the log's end. When no more is to be had, intents are refused,
and what is held goes to the outcomes of the requests that are out.
"""

import asyncio
import os
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING, Protocol

from bulkdelete.core import checkpoint as log
from bulkdelete.errors import IntegrityError, Stopped
from bulkdelete.io import room, snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bulkdelete.core.prefix import Place

    Take = Callable[[Place], Callable[[], bytes]]
    """Copies how things stand at a place of the log; what it returns makes a file's text of it."""

SNAPSHOT_AFTER = 2 << 20
"""Bytes of log that are read again so quickly that a snapshot of less is not worth its writing."""

SNAPSHOT_RATIO = 4
"""The log grows by so many times what the last snapshot has until there is another.

A snapshot holds all that is told piece by piece: where many IDs are refused it grows as the log
does, and one for each stretch of the same length would cost more and more of the run.
"""

Entry = tuple[log.Record, asyncio.Future[None]]

if TYPE_CHECKING:
    Witness = Callable[[list[log.Record], str], None]


def lines(file: "IO[bytes]") -> "Iterator[bytes]":
    """Yield the lines of a log, each cut at the longest that a record can be."""
    return iter(partial(file.readline, log.MAX_LINE), b"")


def replay(
    file: "IO[bytes]",
    reader: log.Reader,
    apply: "Callable[[log.Record], None]",
    witness: "Witness | None" = None,
) -> None:
    """Hand each sound record of an open log to `apply`; IntegrityError when it is corrupt.

    After the last record of each commit group `witness` is told the group, and the chain's head.
    """
    group: list[log.Record] = []
    before = reader.head
    for record in reader.read(lines(file)):
        if witness is not None:
            if reader.head != before:
                witness(group, reader.head)
                group, before = [], reader.head
            group.append(record)
        apply(record)
    if witness is not None and group:
        witness(group, reader.head)


@contextmanager
def opened(path: "Path") -> "Iterator[IO[bytes]]":
    """Open a log to read it; IntegrityError (`checkpoint_missing`) when that cannot be done."""
    try:
        with path.open("rb", buffering=1 << 20) as file:
            yield file
    except OSError as error:
        raise IntegrityError(
            "checkpoint_missing",
            f"{path} is missing or cannot be read, so nobody knows what was sent; nothing was sent",
            "restore the run directory from a copy, or start afresh with a new plan",
        ) from error


def read(
    path: "Path", apply: "Callable[[log.Record], None]", witness: "Witness | None" = None
) -> log.Reader:
    """Hand each sound record to `apply`; return the reader, which knows what was torn.

    `witness`: see `replay`. IntegrityError when the log is missing (`checkpoint_missing`) or
    corrupt.
    """
    reader = log.Reader()
    with opened(path) as file:
        replay(file, reader, apply, witness)
    return reader


class Disk(Protocol):
    """Where the bytes of a log are kept."""

    def size(self) -> int | None:
        """Return how many bytes there are; None when the log was removed."""
        ...

    def write(self, content: memoryview, at: int) -> int:
        """Write at an offset; return how many bytes were taken. OSError when none can be."""
        ...

    def sync(self, after: "Callable[[Exception | None], None]") -> None:
        """Make what was written durable; the loop calls `after` then, with what went wrong."""

    def hold(self, size: int) -> None:
        """Hold room to grow to `size` bytes, where that can be done; OSError when there is none."""

    def cut(self, size: int) -> None:
        """Keep the first bytes only, and make that durable."""

    @property
    def snapshot_after(self) -> int:
        """How many bytes the log grows by until a snapshot is worth while."""
        ...

    def keep(self, snapshot: "Callable[[], bytes]") -> None:
        """Keep the text of a snapshot beside the log, some time, or not; nobody waits for it."""

    def close(self) -> None:
        """Let go of it."""


class Journal:
    """Appends records and makes them durable; open it with the reader that read the log.

    `durable` is told of each record, in order, once it is durable and not before.
    The caller holds the run's lock. After a write or fdatasync fails nothing is believed: every
    later append fails too, because what reached the disk is unknown until it is read again.
    `reserve` is how many bytes are held for what must be written yet when the disk is full;
    Stopped (`disk`) when there is not even that room at the beginning. `take` makes a snapshot of
    what `durable` was told, now and then.
    """

    def __init__(
        self,
        disk: Disk,
        reader: log.Reader,
        durable: "Callable[[log.Record], None]",
        reserve: int = 0,
        take: "Take | None" = None,
    ) -> None:
        self._disk = disk
        self._size = reader.size
        self._writer = reader.writer()
        self._durable = durable
        self._waiting: list[Entry] = []
        self._group: list[Entry] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._synced_size = self._size
        self._reserve = reserve
        self._held = self._size
        self._full: Exception | None = None
        self._take = take
        self._taken_at = reader.began
        self._mend(reader)
        if (full := self._hold()) is not None:
            disk.close()
            raise full

    def _mend(self, reader: log.Reader) -> None:
        """Cut off what is torn, and make sure that what was read is durable.

        A process that was killed while its sync failed told nobody: the system may show the last
        group, and hold it for written when it is not. Written again, the same bytes over the same
        bytes, it is; nothing is built on it before.
        """
        if not (reader.size or reader.torn):
            return
        tail = reader.tail
        try:
            self._put(tail, reader.size - len(tail))
            self._disk.cut(reader.size)
        except OSError as error:
            self._disk.close()
            raise _disk_error(error) from error

    @property
    def head(self) -> str:
        """The chain's hash after the last record that was handed to the disk."""
        return self._writer.head

    def append(self, record: log.Record) -> "asyncio.Future[None]":
        """Queue a record; the future is done when it and all before it are durable."""
        future: asyncio.Future[None] = self._loop.create_future()
        error = self._error or (self._full if isinstance(record, log.Intent) else None)
        if error is not None:
            _refuse(future, error)
            return future
        self._waiting.append((record, future))
        if self._idle.is_set():
            # Not at once: what is appended in the same turn of the loop goes along.
            self._idle.clear()
            self._loop.call_soon(self._commit)
        return future

    def _commit(self) -> None:
        """Write what waits, and have it synced."""
        self._group, self._waiting = self._waiting, []
        try:
            self._write(self._writer.group([record for record, _ in self._group]))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            self._fail(error)
        else:
            self._disk.sync(self._synced)

    def _synced(self, error: Exception | None) -> None:
        if error is not None:
            # What the system still shows of this group may be gone after the next power cut.
            with suppress(OSError):
                self._disk.cut(self._synced_size)
            self._fail(error)
            return
        self._synced_size = self._size
        try:
            for record, _ in self._group:
                self._durable(record)
        except Exception as contradiction:  # noqa: BLE001 - whatever it is, nobody may wait
            self._fail(contradiction)
            return
        for _, future in self._group:
            if not future.done():
                future.set_result(None)
        place = self._due()
        if self._waiting:
            self._commit()
        else:
            self._idle.set()
        if self._take is not None and place is not None:
            # The next group is on its way to the disk; nobody was told of it yet.
            self._disk.keep(self._take(place))

    def _due(self) -> "Place | None":
        """Return where the log stands when a snapshot is worth while again."""
        if self._size - self._taken_at < self._disk.snapshot_after:
            return None
        self._taken_at = self._size
        return self._writer.place()

    def _fail(self, error: Exception) -> None:
        self._error = _disk_error(error) if isinstance(error, OSError) else error
        for _, future in (*self._group, *self._waiting):
            _refuse(future, self._error)
        self._waiting = []
        self._idle.set()

    def _hold(self) -> Exception | None:
        """Hold room for what must be written yet, whatever becomes of the disk."""
        if self._held - self._size >= self._reserve or self._full is not None:
            return self._full
        ahead = self._size + 2 * self._reserve
        try:
            self._disk.hold(ahead)
        except OSError as error:
            self._full = _disk_error(error)
        else:
            self._held = ahead
        return self._full

    def _write(self, data: bytes) -> None:
        if self._disk.size() != self._size:
            raise IntegrityError(
                "checkpoint_changed",
                "something else truncated, removed or wrote checkpoint.log; nothing more was sent",
                "look at the run with `bulkdelete audit`",
            )
        self._put(data, self._size)
        self._size += len(data)
        self._hold()

    def _put(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        written = 0
        while written < len(data):
            written += self._disk.write(view[written:], at + written)

    async def flush(self) -> None:
        """Wait until all that was appended is durable; raises when it is not to be."""
        await self._idle.wait()
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Wait for what was appended, then let go of the file; at once when cancelled."""
        try:
            await self._idle.wait()
        except asyncio.CancelledError:
            # Nothing may be written any more: the file's number may soon be another file's.
            self._fail(Stopped("closed", "the checkpoint was closed before all of it was written"))
            raise
        finally:
            self._disk.close()


class LogFile:
    """A log in a file, and a thread that waits for the disk.

    The thread does nothing else, and no executor stands between: each step back from a system
    call in a thread is a wait for the interpreter, while the loop is busy.
    """

    def __init__(self, path: "Path") -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._loop = asyncio.get_running_loop()
        self._wanted: SimpleQueue[Callable[[Exception | None], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        self._keeper = snapshots.Keeper(path.with_name(snapshots.NAME))

    def size(self) -> int | None:
        """Return the file's size; None when its name is gone."""
        info = os.fstat(self._fd)
        return info.st_size if info.st_nlink else None

    def write(self, content: memoryview, at: int) -> int:
        """Write at an offset; return how many bytes were taken."""
        with self._named():
            return os.pwrite(self._fd, content, at)

    def hold(self, size: int) -> None:
        """Hold room beyond the end of the file."""
        with self._named():
            room.hold(self._fd, size)

    def sync(self, after: "Callable[[Exception | None], None]") -> None:
        """Have the file synced; the loop calls `after` when that is done."""
        self._wanted.put(after)

    def cut(self, size: int) -> None:
        """Cut the file off, durably."""
        os.ftruncate(self._fd, size)
        os.fsync(self._fd)

    @property
    def snapshot_after(self) -> int:
        """How many bytes the log grows by until a snapshot is worth while."""
        return max(SNAPSHOT_AFTER, SNAPSHOT_RATIO * self._keeper.size)

    def keep(self, snapshot: "Callable[[], bytes]") -> None:
        """Keep a snapshot beside the log, in a thread of its own."""
        self._keeper.keep(snapshot)

    def close(self) -> None:
        """End the threads, and close the file; what was held is given back."""
        self._wanted.put(None)
        self._thread.join()
        self._keeper.close()
        with suppress(OSError):
            room.let_go(self._fd)
        os.close(self._fd)

    @contextmanager
    def _named(self) -> "Iterator[None]":
        """Name the file in an error of the system."""
        try:
            yield
        except OSError as error:
            error.filename = str(self._path)
            raise

    def _run(self) -> None:
        while (after := self._wanted.get()) is not None:
            error: Exception | None = None
            try:
                with self._named():
                    os.fdatasync(self._fd)
            except Exception as failed:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                error = failed
            self._loop.call_soon_threadsafe(after, error)


def _refuse(future: "asyncio.Future[None]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever waits sees it; nobody waiting is no second fault


def _disk_error(error: OSError) -> Stopped:
    return Stopped(
        "disk",
        f"the checkpoint could not be written: {error.strerror or error}; nothing more was sent",
        room.advice(error),
    )
