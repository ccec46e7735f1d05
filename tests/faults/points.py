"""Where a forked child dies: at the n-th call of a kind, before it, after half of it, or after it.

A child is told its `Point` and hooks the calls it makes to the system. What it must not take to its
grave (that the point was reached, how often each kind was called, how much of the log is durable)
goes into memory that it shares with its parent.
"""

import asyncio
import mmap
import os
import signal
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

KINDS = ("write", "sync", "send", "recv", "step", "open", "rename", "cut")
"""pwrite; fdatasync, fsync; a socket's send, recv; a step of a task; open; rename; ftruncate."""

_FIRED, _SYNCED, _COUNTS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Point:
    """The `nth` call of a `kind` (of those about `text`, where that is given); `when`: see above.

    A sync is about what was written last, a send about its bytes, a recv about what came.
    """

    kind: str
    when: str
    nth: int
    text: bytes = b""

    def earlier(self) -> "Point":
        """Return a point that more runs reach."""
        return Point(self.kind, self.when, max(1, self.nth // 2), self.text)


class Shared:
    """Memory of parent and child: what the child did."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def _get(self, place: int) -> int:
        number: int = struct.unpack_from("<Q", self._memory, 8 * place)[0]
        return number

    def _set(self, place: int, number: int) -> None:
        struct.pack_into("<Q", self._memory, 8 * place, number)

    def clear(self) -> None:
        """Forget what an earlier child did."""
        self._memory[:] = bytes(mmap.PAGESIZE)

    @property
    def fired(self) -> bool:
        """The point was reached."""
        return bool(self._get(_FIRED))

    def fire(self) -> None:
        """Say that the point is reached."""
        self._set(_FIRED, 1)

    @property
    def synced(self) -> int:
        """How many bytes of the log are durable."""
        return self._get(_SYNCED)

    @synced.setter
    def synced(self, size: int) -> None:
        self._set(_SYNCED, size)

    def count(self, kind: str) -> int:
        """Count one more call of a kind; return how many there were."""
        place = _COUNTS + KINDS.index(kind)
        number = self._get(place) + 1
        self._set(place, number)
        return number

    def counted(self, kind: str) -> int:
        """Return how many calls of a kind there were."""
        return self._get(_COUNTS + KINDS.index(kind))


class Hooks:
    """The hooks of one child; `install` puts them in."""

    def __init__(self, point: Point | None, shared: Shared) -> None:
        self._point = point
        self._shared = shared
        self._matches = 0
        self._written = b""
        self._log = (0, 0)

    def install(self) -> None:
        """Put the hooks in."""
        self._hook_files()
        self._hook_sockets()

    def _reached(self, kind: str, about: bytes = b"") -> str:
        """Count a call; return when in it to die, "" not to."""
        self._shared.count(kind)
        point = self._point
        if point is None or kind != point.kind or point.text not in about:
            return ""
        self._matches += 1
        return point.when if self._matches == point.nth else ""

    def _die(self) -> None:
        self._shared.fire()
        os.kill(os.getpid(), signal.SIGKILL)

    def _around(self, kind: str, call: "Callable[..., Any]", about: bytes = b"") -> "Any":  # noqa: ANN401
        when = self._reached(kind, about)
        if when == "before":
            self._die()
        result = call()
        if when:
            self._die()
        return result

    def _hook_files(self) -> None:
        pwrite, opened, rename, replace = os.pwrite, os.open, os.rename, os.replace
        fdatasync, fsync, ftruncate = os.fdatasync, os.fsync, os.ftruncate

        def half_write(fd: int, data: bytes, at: int) -> int:
            data = bytes(data)
            self._written = data
            if (when := self._reached("write", data)) == "before":
                self._die()
            if when == "half":
                pwrite(fd, data[: max(1, len(data) // 2)], at)
                self._die()
            done = pwrite(fd, data, at)
            if when:
                self._die()
            return done

        def datasync(fd: int) -> None:
            size = os.fstat(fd).st_size
            about = self._written
            when = self._reached("sync", about)
            if when == "before":
                self._die()
            fdatasync(fd)
            self._shared.synced = size
            if when:
                self._die()

        os.pwrite = half_write  # type: ignore[assignment]
        os.fdatasync = datasync  # type: ignore[assignment]
        os.fsync = lambda fd: self._around("sync", lambda: fsync(fd))
        os.ftruncate = lambda fd, size: self._around("cut", lambda: ftruncate(fd, size))
        os.open = lambda *a, **k: self._around("open", lambda: opened(*a, **k), _name(a[0]))
        os.rename = lambda *a, **k: self._around("rename", lambda: rename(*a, **k), _name(a[1]))
        os.replace = lambda *a, **k: self._around("rename", lambda: replace(*a, **k), _name(a[1]))

    def _hook_sockets(self) -> None:
        send, recv = socket.socket.send, socket.socket.recv

        def half_send(sock: socket.socket, data: bytes, *more: int) -> int:
            data = bytes(data)
            if not data.strip(b"\0"):  # the loop wakes itself
                return send(sock, data, *more)
            if (when := self._reached("send", data)) == "before":
                self._die()
            if when == "half":
                send(sock, data[: _middle(data)])
                self._die()
            done = send(sock, data, *more)
            if when:
                self._die()
            return done

        def whole_recv(sock: socket.socket, size: int, *more: int) -> bytes:
            data = recv(sock, size, *more)  # EAGAIN is no call: nothing came
            if data.strip(b"\0") and self._reached("recv", data):
                self._die()
            return data

        socket.socket.send = half_send  # type: ignore[method-assign,assignment]
        socket.socket.recv = whole_recv  # type: ignore[method-assign,assignment]

    def task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: "Coroutine[Any, Any, Any] | Generator[Any, Any, Any]",
        **more: Any,  # noqa: ANN401 - a task's own
    ) -> "asyncio.Task[Any]":
        """Make a task of which every step counts; a loop's task factory."""
        return asyncio.Task(_Steps(coroutine, self), loop=loop, **more)

    def step(self, call: "Callable[[], Any]") -> "Any":  # noqa: ANN401 - what the step yields
        """Take one step of a task."""
        return self._around("step", call)


class _Steps(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are counted."""

    def __init__(self, inner: "Any", hooks: Hooks) -> None:  # noqa: ANN401 - coroutine or generator
        self._inner = inner
        self._hooks = hooks

    def send(self, value: "Any") -> "Any":  # noqa: ANN401
        return self._hooks.step(lambda: self._inner.send(value))

    def throw(self, *error: "Any") -> "Any":  # noqa: ANN401
        return self._hooks.step(lambda: self._inner.throw(*error))

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> "Generator[Any, Any, Any]":
        raise TypeError("it is for a task alone")


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop whose seconds are short: waits for retries cost next to nothing."""

    SPEED = 400.0

    def __init__(self) -> None:
        super().__init__()
        selector = self._selector  # type: ignore[attr-defined]
        select = selector.select
        selector.select = lambda timeout=None: select(timeout and timeout / self.SPEED)

    def time(self) -> float:
        """Return the time, in quick seconds."""
        return super().time() * self.SPEED


def _name(path: "str | bytes | Path") -> bytes:
    return os.fsencode(path)


def _middle(data: bytes) -> int:
    """Return where to cut a request: in the middle of its body, or of what there is."""
    head = data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0
    return (head + len(data) + 1) // 2 if head < len(data) else len(data) // 2
