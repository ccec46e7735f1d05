"""A server in the parent of the processes that it serves: one thread, one loop, everything seen.

It acts on a request as soon as it is whole, keeps the answer back until nothing more comes, and
answers in an order drawn by its dice. It goes on until the child is dead, and acts on what the
child had sent by then.
"""

import json
import os
import random
import select
import signal
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30.0
"""Seconds of silence after which a child hangs."""

QUIET = 0.001


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `durable`: how much of the log was, when its first byte came."""

    path: str
    headers: dict[str, str]
    body: bytes
    durable: int

    @property
    def kind(self) -> str:
        """The kind of its IDs."""
        (kind,) = json.loads(self.body)
        return str(kind)

    @property
    def ids(self) -> list[str]:
        """Its IDs."""
        found: list[str] = json.loads(self.body)[self.kind]
        return found


@dataclass(frozen=True, slots=True)
class Deed:
    """What the server does: answer (None: drop the connection), or kill the child before that."""

    answer: bytes | None
    kill: bool = False


def answer(http_status: int, **body: object) -> bytes:
    """Return an answer with a JSON object."""
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {http_status} X\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


SUCCESS = Deed(answer(200, status="success"))


@dataclass
class _Line:
    """One connection."""

    sock: socket.socket
    buffer: bytearray = field(default_factory=bytearray)
    durable: int | None = None


class HungError(AssertionError):
    """The child neither ended nor did anything for a long time."""


class Server:
    """Serves one child at a time.

    `act` decides about each request; `durable` is asked when its first byte comes; `most` is the
    highest number of requests that were in flight at once.
    """

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listening.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._lines: dict[int, _Line] = {}
        self._held: list[tuple[_Line, Deed]] = []
        self.act: Callable[[Request], Deed] = lambda _: SUCCESS
        self.durable: Callable[[], int] = lambda: 0
        self.most = 0

    def close_in_child(self) -> None:
        """Let go of the sockets: they are the parent's."""
        self._listening.close()

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()

    def serve(self, pid: int) -> int:
        """Serve until the child is dead; return its exit code (negative: the signal)."""
        ended = os.pidfd_open(pid)
        try:
            while not self._turn(ended, pid):
                pass
            self._drain()
        finally:
            os.close(ended)
            for line in list(self._lines.values()):
                self._drop(line)
            self._held.clear()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _turn(self, ended: int, pid: int) -> bool:
        """Do what there is to do; True when the child is dead."""
        wait = QUIET if self._held else PATIENCE
        listening = self._listening.fileno()
        ready, _, _ = select.select([ended, listening, *self._lines], [], [], wait)
        if ended in ready:
            return True
        if not ready:
            if not self._held:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise HungError(f"nothing happened for {PATIENCE} s")
            self._answer(pid)
        for one in ready:
            if one == listening:
                self._accept()
            else:
                self._read(self._lines[one])
        return False

    def _drain(self) -> None:
        """Take what the dead child had sent: the server gets it all the same."""
        while self._accept():
            pass
        for line in list(self._lines.values()):
            while line.sock.fileno() in self._lines and self._read(line):
                pass

    def _accept(self) -> bool:
        try:
            sock, _ = self._listening.accept()
        except BlockingIOError:
            return False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines[sock.fileno()] = _Line(sock)
        return True

    def _read(self, line: _Line) -> bool:
        try:
            data = line.sock.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self._drop(line)
            return False
        if line.durable is None:
            line.durable = self.durable()
            self.most = max(self.most, sum(one.durable is not None for one in self._lines.values()))
        line.buffer += data
        if (request := _whole(line)) is not None:
            self._held.append((line, self.act(request)))
        return True

    def _answer(self, pid: int) -> None:
        line, deed = self._held.pop(self._dice.randrange(len(self._held)))
        if deed.kill:
            os.kill(pid, signal.SIGKILL)
            return
        line.durable = None
        try:
            if deed.answer is not None and line.sock.fileno() in self._lines:
                line.sock.send(deed.answer)
                return
        except OSError:
            pass
        self._drop(line)

    def _drop(self, line: _Line) -> None:
        if self._lines.pop(line.sock.fileno(), None) is not None:
            line.sock.close()


def _whole(line: _Line) -> Request | None:
    """Take a request off a connection's buffer, when it is whole."""
    head, mark, rest = bytes(line.buffer).partition(b"\r\n\r\n")
    if not mark:
        return None
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
    }
    size = int(headers.get("content-length", "0"))
    if len(rest) < size:
        return None
    line.buffer = bytearray(rest[size:])
    return Request(first.split(" ")[1], headers, rest[:size], line.durable or 0)
