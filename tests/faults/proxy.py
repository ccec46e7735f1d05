"""A proxy between the program and the emulator that does to each request what a script says.

It reads a request whole, passes it on (or a part of it), reads the answer whole, and delivers it
(or a part of it), as the request's `Weather` has it. So a fault falls on an exact byte, and whether
the server acted is known. `fired` counts what was done, by name.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass(frozen=True)
class Weather:
    """What one request meets, under a name by which it is counted.

    `before` and `after` are seconds of delay on the way there and back. Of the request `there`
    bytes are passed on (all, if None), then the line is cut; of the answer `back` bytes likewise.
    `ending` is how it is cut towards the program: `close`, `reset`, `half` (and silence) or `slow`
    (closed after a while). `slice` is how many bytes go at a time, `pause` the seconds between.
    `extra` comes behind the answer; `hole`: the request is read and nothing else happens.
    """

    name: str = "fair"
    before: float = 0.0
    after: float = 0.0
    there: int | None = None
    back: int | None = None
    ending: str = "close"
    slice: int | None = None
    pause: float = 0.0
    extra: bytes = b""
    hole: bool = False


FAIR = Weather()
Forecast = Callable[[int], Weather]
"""The weather of the n-th request, from 0."""


@dataclass
class Proxy:
    """Listens on loopback in front of `port`."""

    upstream: int
    forecast: Forecast
    port: int = 0
    requests: int = 0
    connections: int = 0
    passed_on: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[Proxy]":
        """Listen; at the end nothing is left of it."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
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
                while True:
                    request = await _message(reader)
                    weather = self.forecast(self.requests)
                    self.requests += 1
                    if not await self._meet(weather, request, writer):
                        break
        except asyncio.CancelledError:
            return
        finally:
            writer.transport.abort()

    async def _meet(self, weather: Weather, request: bytes, writer: Writer) -> bool:
        """Let a request meet its weather; False when its connection is done with."""
        self.fired[weather.name] += 1
        await asyncio.sleep(weather.before)
        if weather.hole:
            await asyncio.sleep(3600)
        answer = await self._ask(request if weather.there is None else request[: weather.there])
        if not answer:
            await _end(writer, weather.ending)
            return False
        await asyncio.sleep(weather.after)
        whole = answer if weather.back is None else answer[: weather.back]
        await _in_slices(writer, whole, weather)
        if weather.back is not None:
            await _end(writer, weather.ending)
            return False
        writer.write(weather.extra)
        return True

    async def _ask(self, request: bytes) -> bytes:
        """Pass a request on, on a connection of its own; b"" when there is no answer to it."""
        if not request:
            return b""
        self.passed_on += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            writer.write(request)
            if not _is_whole(request):
                await writer.drain()
                return b""
            return await _message(reader)
        except (OSError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _is_whole(request: bytes) -> bool:
    head, found, body = request.partition(b"\r\n\r\n")
    return bool(found) and len(body) == _length(head)


async def _message(reader: Reader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(_length(head))


async def _in_slices(writer: Writer, content: bytes, weather: Weather) -> None:
    size = weather.slice or max(1, len(content))
    for start in range(0, len(content), size):
        writer.write(content[start : start + size])
        await writer.drain()
        await asyncio.sleep(weather.pause)


async def _end(writer: Writer, ending: str) -> None:
    """End a connection towards the program."""
    match ending:
        case "reset":
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case "half":
            writer.write_eof()
            await asyncio.sleep(3600)
        case "slow":
            await asyncio.sleep(0.2)
    writer.transport.abort() if ending == "reset" else writer.close()


# --- forecasts ---


def by_turns(*weathers: Weather, fair: int = 1) -> Forecast:
    """`fair` fair requests before each of these, and only fair ones after them."""

    def forecast(number: int) -> Weather:
        which, place = divmod(number, fair + 1)
        return weathers[which] if place == fair and which < len(weathers) else FAIR

    return forecast


def seeded(seed: int, weathers: Sequence[Weather], share: float) -> Forecast:
    """Return a forecast in which `share` of the requests meet one of these; the first one is fair.

    Bytes at which a line is cut are drawn, too: within what `there` and `back` of the weather say.
    """
    dice = Random(seed)

    def forecast(number: int) -> Weather:
        bad, which, cut = dice.random() < share, dice.randrange(len(weathers)), dice.random()
        if not number or not bad:
            return FAIR
        found = weathers[which]
        if found.there:
            found = replace(found, there=int(found.there * cut))
        if found.back:
            found = replace(found, back=int(found.back * cut))
        return found

    return forecast
