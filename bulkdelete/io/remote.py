"""An object that is elsewhere, read a range at a time: whole, in order, and of one version only.

A range comes whole or not at all, so that a connection that breaks can neither skip nor repeat a
byte. The version is the one that the object had when it was first looked at: each range is asked
for of that version, where its store knows how, and at the end it is looked at again.
"""

import asyncio
import io
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from bulkdelete.errors import InputError, IntegrityError, Stopped
from bulkdelete.io.inflating import BLOCK
from bulkdelete.io.threads import aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bulkdelete.core.urls import Url

T = TypeVar("T")

MOST = 4 << 20
"""Bytes asked for at once: two of these are in memory for a part that is read."""

PAUSES = (0.0, 0.5, 2.0)
PATIENT_PAUSES = (0.0, 0.5, 2.0, 8.0, 20.0, 30.0)
"""Seconds between tries: of a place that never answered, and of one that did."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store says of an object: bytes, time of its last change (0: unknown), version.

    While a `firm` version is the same, so are the bytes; another kind of version only hints at it.
    """

    size: int
    modified: float
    version: str
    firm: bool


class LostError(Exception):
    """No whole answer; it may come when asked again. The text says why, without the address."""


class RefusedError(Exception):
    """An answer that will not change by asking again: a code, why, and what to do."""

    def __init__(self, code: str, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.code = code
        self.hint = hint


class ChangedError(Exception):
    """It is not the object any more that was looked at."""


class Store(Protocol):
    """Where one object is. `look` and `read` block, and raise one of the three errors above."""

    def look(self) -> Facts:
        """Ask for its facts, as they are now; what is read later is that version, if possible."""
        ...

    def read(self, start: int, end: int) -> bytes:
        """Ask for the bytes from `start` up to `end` of what was last looked at."""
        ...

    def rest(self) -> None:
        """Hold nothing open until it is asked again."""


class Remote:
    """One object at the one version that it had when it was first looked at. All calls block."""

    def __init__(
        self,
        url: "Url",
        store: "Callable[[Url], Store]",
        sleep: "Callable[[float], None]" = time.sleep,
    ) -> None:
        self.url = url
        self._make = store
        self._sleep = sleep
        self._store: Store | None = None
        self._facts: Facts | None = None
        self._lock = threading.RLock()
        self._readers = 0

    def __str__(self) -> str:
        return str(self.url)

    @property
    def name(self) -> str:
        """What a file would be called."""
        return self.url.name

    def facts(self) -> Facts:
        """Return its facts; they stay the same from the first look on."""
        with self._at_work():
            if self._facts is None:
                self._facts = self._tried(self._opened().look)
            return self._facts

    def read(self, start: int, end: int) -> bytes:
        """Return exactly the bytes from `start` up to `end`, which is not behind its end."""
        facts = self.facts()
        if end > facts.size:
            raise ValueError("there are not so many bytes")
        with self._at_work():
            return self._tried(partial(self._range, start, end)) if start < end else b""

    def check(self) -> None:
        """IntegrityError `input_changed` when it is not what it was at the first look any more."""
        with self._at_work():
            before = self.facts()
            now = self._tried(self._opened().look)
            if (now.size, now.version) != (before.size, before.version):
                raise self._changed()

    def begin(self) -> None:
        """Note that somebody reads on and on: what is open stays so."""
        self._readers += 1

    def end(self) -> None:
        """Note that one of them is done."""
        self._readers -= 1
        self._rest()

    @contextmanager
    def _at_work(self) -> "Iterator[None]":
        try:
            with self._lock:
                yield
        finally:
            self._rest()

    def _rest(self) -> None:
        """Hold nothing open for nobody; a thread that is still at it does it when it is done."""
        if not self._readers and self._lock.acquire(blocking=False):
            try:
                if self._store is not None:
                    self._store.rest()
            finally:
                self._lock.release()

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._make(self.url)
        return self._store

    def _range(self, start: int, end: int) -> bytes:
        found = self._opened().read(start, end)
        if len(found) != end - start:
            raise LostError("an answer was cut off")
        return found

    def _tried(self, ask: "Callable[[], T]") -> T:
        """Ask until there is an answer, or it is hopeless."""
        pauses = PAUSES if self._facts is None else PATIENT_PAUSES
        for pause in (*pauses, None):
            try:
                return ask()
            except ChangedError as error:
                raise self._changed() from error
            except RefusedError as error:
                raise InputError(error.code, str(error), error.hint, where=str(self)) from error
            except LostError as error:
                if pause is None:
                    raise Stopped(
                        "input_unreachable",
                        f"{self}: cannot be read now: {error}; what was sent before is on record",
                        "see that the place is well and the address is right, then run the same "
                        "command again",
                    ) from error
                self._sleep(pause)
        raise AssertionError("the last try ends it")

    def _changed(self) -> IntegrityError:
        return IntegrityError(
            "input_changed",
            f"the input changed while it was being read: {self} is not what it was; nothing more "
            "was sent",
            "wait until whoever writes it is done and run the same command again; start an "
            "unfinished run of what it was afresh with --abandon",
        )


class RemoteStream:
    """A remote object from its beginning to its end, the next range under way already."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        remote.begin()
        self._held = memoryview(b"")
        self._next = 0
        self._step = BLOCK
        self._ahead: asyncio.Task[bytes] | None = None

    async def read(self) -> bytes:
        """Return the next bytes, `BLOCK` at most; b"" once its end is reached and checked."""
        if not self._held:
            task, self._ahead = self._ahead, None
            self._held = memoryview(await (task or self._fetch()))
            # Who only looks at the beginning gets no more; who reads on has the next under way.
            if self._held and self._step > 2 * BLOCK:
                self._ahead = asyncio.create_task(self._fetch())
        block, self._held = bytes(self._held[:BLOCK]), self._held[BLOCK:]
        return block

    async def _fetch(self) -> bytes:
        remote, start = self._remote, self._next
        facts = await aside(remote.facts, "remote")
        if start >= facts.size:
            await aside(remote.check, "remote")
            return b""
        end = min(start + self._step, facts.size)
        self._next, self._step = end, min(2 * self._step, MOST)
        return await aside(partial(remote.read, start, end), "remote")

    async def seek(self, place: int) -> None:
        """Go on from this byte."""
        self._leave_ahead()
        self._held, self._next = memoryview(b""), place

    @staticmethod
    async def drop(ahead: asyncio.Task[bytes]) -> None:
        """Leave a read that is under way alone: a silent store must not hold up the end."""
        _leave(ahead)

    async def close(self) -> None:
        """Let go of it."""
        self._leave_ahead()
        self._remote.end()

    def _leave_ahead(self) -> None:
        if self._ahead is not None:
            _leave(self._ahead)
            self._ahead = None


def _leave(task: asyncio.Task[bytes]) -> None:
    if not task.cancel() and not task.cancelled():
        task.exception()  # nobody wants to know


class RemoteFile(io.RawIOBase):
    """A remote object as a file for who jumps about in it: each read is one range. It blocks."""

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self._remote = remote
        remote.begin()
        self._at = 0

    def close(self) -> None:
        """Let go of it."""
        if not self.closed:
            self._remote.end()
        super().close()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from any place on."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._remote.facts().size}
        self._at = base[whence] + offset
        if self._at < 0:
            raise ValueError("there is nothing before the beginning")
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill the buffer, as far as there is something."""
        end = min(self._at + len(buffer), self._remote.facts().size)
        found = self._remote.read(self._at, end) if self._at < end else b""
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
