"""A listener that follows a script, byte by byte: answers that no real server would give.

A *script* is what one connection meets. `following` makes one of *steps*, of which each request
meets the next, over all connections, so that the whole program can be sent through it. A server
counts what it was told to do and did: a test fails unless its fault fired.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Script = Callable[["Server", Reader, Writer], Awaitable[None]]
Step = bytes | Script
"""What one request meets once it was read: these bytes, or whatever a script does."""

OK = b'{"status":"success"}'


@dataclass
class Server:
    """Listens on loopback (or on another address of this machine); remembers what it was sent.

    `wanted` is the port that it takes, 0 for any; `port` the one that it has. `times` are those
    of the loop at which the `requests` were whole; `heard` is what came where no request was
    expected; `fired` counts the steps that were taken, `unproven` the handshakes that the other
    side broke off.
    """

    script: Script
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    wanted: int = 0
    port: int = 0
    connections: int = 0
    fired: int = 0
    unproven: int = 0
    requests: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[Server]":
        """Listen; at the end nothing is left of it."""
        server = await asyncio.start_server(self._serve, self.host, self.wanted)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                if self.tls is not None:
                    await self._shake_hands(writer, self.tls)
                await self.script(self, reader, writer)
        except asyncio.CancelledError:
            return
        finally:
            writer.transport.abort()

    async def _shake_hands(self, writer: Writer, context: ssl.SSLContext) -> None:
        try:
            await writer.start_tls(context)
        except OSError:  # all that TLS complains of, and connections that end
            self.unproven += 1
            raise

    async def request(self, reader: Reader) -> bytes:
        """Read one whole request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        whole = head + await reader.readexactly(length)
        self.requests.append(whole)
        self.times.append(asyncio.get_running_loop().time())
        return whole

    @property
    def sent_ids(self) -> list[list[str]]:
        """The IDs of each request, in the order in which they came."""
        return [ids_of(one) for one in self.requests]


def ids_of(request: bytes) -> list[str]:
    """Return the IDs in a request."""
    found: dict[str, list[str]] = json.loads(request.partition(b"\r\n\r\n")[2])
    (ids,) = found.values()
    return ids


def answer(status: int, body: bytes = b"", *lines: str, length: int | None = None) -> bytes:
    """Return the bytes of an answer, by default with its true length."""
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status} Some Reason", f"Content-Length: {size}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def unsized(status: int, body: bytes, *lines: str) -> bytes:
    """Return the bytes of an answer that says nothing of its length."""
    return "\r\n".join([f"HTTP/1.1 {status} OK", *lines]).encode() + b"\r\n\r\n" + body


def chunked(*pieces: bytes) -> bytes:
    """Return the bytes of an answer in chunks, without the last one."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces)
    return unsized(200, body, "Transfer-Encoding: chunked")


WHOLE = answer(200, OK)


def saying(*answers: bytes) -> Script:
    """Answer each request of a connection with the next of these bytes; then hang up."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        for one in answers:
            await server.request(reader)
            writer.write(one)
            await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    return script


def keeping(*answers: bytes) -> Script:
    """Answer each request with the next of these bytes, over all connections; keep them open."""
    left = list(answers)

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        while True:
            await server.request(reader)
            writer.write(left.pop(0))

    return script


def following(*steps: Step, then: Step = WHOLE) -> Script:
    """Let each request meet the next step, over all connections, and those after them `then`."""
    left = list(steps)

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        while not reader.at_eof():
            await server.request(reader)
            step = then
            if left:
                step = left.pop(0)
                server.fired += 1
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            else:
                await step(server, reader, writer)

    return script


def reset(writer: Writer) -> None:
    """End a connection with RST."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def then_reset(sent: bytes) -> Script:
    """Send some bytes, then RST."""

    async def step(_: Server, __: Reader, writer: Writer) -> None:
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.02)
        reset(writer)

    return step


def then_close(sent: bytes) -> Script:
    """Send some bytes, then hang up."""

    async def step(_: Server, __: Reader, writer: Writer) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return step


async def half_closed(_: Server, __: Reader, writer: Writer) -> None:
    """Shut our side, and say nothing more."""
    writer.write_eof()
    await asyncio.sleep(60)


async def stay_silent(_: Server, __: Reader, ___: Writer) -> None:
    """Say nothing."""
    await asyncio.sleep(60)


def dripping(sent: bytes, start: int = 0, seconds: float = 0.05) -> Script:
    """Send it a byte at a time, from `start` on."""

    async def step(_: Server, __: Reader, writer: Writer) -> None:
        writer.write(sent[:start])
        for byte in sent[start:]:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(seconds)

    return step


TLS_RECORD = b"\x16\x03"
"""What a client's part of a handshake begins with."""


def _hello_then(end: Script) -> Script:
    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        server.heard += await reader.read(65_536)
        server.fired += 1
        await end(server, reader, writer)
        server.heard += await reader.read(65_536)

    return script


BROKEN_HANDSHAKES: "dict[str, Script]" = {
    "plain HTTP": _hello_then(then_close(WHOLE)),
    "an alert": _hello_then(then_close(bytes.fromhex("15030300020228"))),
    "hung up": _hello_then(then_close(b"")),
    "hung up in a record": _hello_then(then_close(bytes.fromhex("16030300"))),
    "reset": _hello_then(then_reset(b"")),
}
"""What a client may meet where it expects a handshake."""


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
