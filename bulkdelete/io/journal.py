"""The checkpoint log on disk: append, group commit, fdatasync, and the cut of a torn tail.

Commits are self-clocking: whatever was appended while one fdatasync ran goes into the next one
together, so nothing waits longer than for the disk, and one commit can carry the outcome of one
request and the intent of the next. Records become durable in the order of `append`: when one
record is durable, all before it are.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.errors import IntegrityError, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def lines(file: "IO[bytes]") -> "Iterator[bytes]":
    """Yield the lines of a log, each cut at the longest that a record can be."""
    while line := file.readline(log.MAX_LINE):
        yield line


def read(path: "Path", apply: "Callable[[log.Record], None]") -> log.Reader:
    """Hand each sound record to `apply`; return the reader, which knows what was torn.

    IntegrityError when the log is missing (`checkpoint_missing`) or corrupt.
    """
    reader = log.Reader()
    try:
        with path.open("rb", buffering=1 << 20) as file:
            for record in reader.read(lines(file)):
                apply(record)
    except FileNotFoundError as error:
        raise IntegrityError(
            "checkpoint_missing",
            f"{path} is missing, so nobody knows what was sent; nothing was sent",
            "restore the run directory from a copy, or start afresh with a new plan",
        ) from error
    return reader


class Journal:
    """Appends records and makes them durable; open it with the reader that read the log.

    `durable` is told of each record, in order, once it is durable and not before.
    The caller holds the run's lock. After a write or fdatasync fails nothing is believed: every
    later append fails too, because what reached the disk is unknown until it is read again.
    """

    def __init__(
        self, path: "Path", reader: log.Reader, durable: "Callable[[log.Record], None]"
    ) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._size = reader.size
        self._writer = reader.writer()
        self._waiting: list[tuple[log.Record, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._error: Exception | None = None
        self._durable = durable
        if reader.torn:
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)

    @property
    def head(self) -> str:
        """The chain's hash after the last record that was handed to the disk."""
        return self._writer.head

    def append(self, record: log.Record) -> "asyncio.Future[None]":
        """Queue a record; the future is done when it and all before it are durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._error is not None:
            future.set_exception(self._error)
            future.exception()  # whoever waits sees it; nobody waiting is no second fault
            return future
        self._waiting.append((record, future))
        if self._task is None:
            self._task = asyncio.create_task(self._commit_all(), name="journal")
        return future

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            data = self._writer.group([record for record, _ in group])
            try:
                await loop.run_in_executor(self._thread, self._commit, data)
            except (OSError, Stopped, IntegrityError) as error:
                self._fail(error, group)
                break
            for record, future in group:
                self._durable(record)
                if not future.done():
                    future.set_result(None)
        self._task = None

    def _fail(
        self, error: Exception, group: "list[tuple[log.Record, asyncio.Future[None]]]"
    ) -> None:
        self._error = error if not isinstance(error, OSError) else _disk(error)
        for _, future in (*group, *self._waiting):
            if not future.done():
                future.set_exception(self._error)
                future.exception()
        self._waiting = []

    def _commit(self, data: bytes) -> None:
        info = os.fstat(self._fd)
        if info.st_size != self._size or not info.st_nlink:
            raise IntegrityError(
                "checkpoint_changed",
                "something else truncated, removed or wrote checkpoint.log; nothing more was sent",
                "look at the run with `bulkdelete audit`",
            )
        view = memoryview(data)
        written = 0
        while written < len(data):
            written += os.pwrite(self._fd, view[written:], self._size + written)
        os.fdatasync(self._fd)
        self._size += len(data)

    async def flush(self) -> None:
        """Wait until all that was appended is durable; raises when it is not to be."""
        if self._task is not None:
            await self._task
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Wait for what was appended, then let go of the file."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()
        os.close(self._fd)


def _disk(error: OSError) -> Stopped:
    return Stopped(
        "disk",
        f"the checkpoint could not be written: {error.strerror or error}; nothing more was sent",
        "make room or mend the disk, then run the same command again",
    )
