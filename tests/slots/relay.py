"""A way to a Redis that can be long, cut, or lead elsewhere all at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bulkdelete.core.keeper import Keeper


@dataclass
class Relay:
    """Passes bytes on to a port of this machine, each `seconds` later, unless it is `cut`."""

    target: int
    seconds: float = 0.0
    cut: bool = False
    port: int = 0
    passed: int = 0
    _ways: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def keeper(self) -> Keeper:
        """Its own address."""
        return Keeper("127.0.0.1", self.port)

    def lead_to(self, port: int) -> None:
        """Lead elsewhere: those who are connected have to come again."""
        self.target = port
        for writer in self._writers:
            writer.transport.abort()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one who comes."""
        self._writers.add(writer)
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(ours)
        for one, other in ((reader, ours), (theirs, writer)):
            way = asyncio.create_task(self._pass(one, other))
            self._ways.add(way)
            way.add_done_callback(self._ways.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while block := await reader.read(65536):
                self.passed += 1
                if self.seconds:
                    await asyncio.sleep(self.seconds)
                while self.cut:
                    await asyncio.sleep(0.01)
                writer.write(block)
        writer.transport.abort()

    async def close(self) -> None:
        """End all ways."""
        for way in list(self._ways):
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def relay(target: int, seconds: float = 0.0) -> AsyncIterator[Relay]:
    """Open a way to a port."""
    way = Relay(target, seconds)
    listening = await asyncio.start_server(way.meet, "127.0.0.1", 0)
    way.port = listening.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        listening.close()
        await way.close()
        await listening.wait_closed()
