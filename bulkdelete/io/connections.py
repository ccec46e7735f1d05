"""Connections that give an answer to nobody else, and take only so much of one.

HTTP/1.1 does not say which request an answer is for, and sets no end to it: interim answers, heads,
chunks' extensions and trailers may all go on for ever, below what a reader of the body sees.
"""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp.connector import Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.client_proto import ResponseHandler

T = TypeVar("T")


class Connector(aiohttp.TCPConnector):
    """Never uses a connection again on which something came that nobody asked for.

    What comes while a connection is idle would be taken for the answer to the next request. For
    one request twice `max_answer` bytes may come, whatever they are: the body's, as many again.
    """

    def __init__(self, *, max_answer: int, **more: Any) -> None:  # noqa: ANN401 - as its base
        super().__init__(**more)
        self._most = 2 * max_answer

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Any]",
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as its base has it
    ) -> Connection:
        """Return a connection on which nothing came, and from now on only so much will."""
        while True:
            connection = await super().connect(req, traces, timeout)
            try:
                if await _leaves(connection, self._most):
                    return connection
            except BaseException:  # a request that is given up meanwhile, too
                connection.close()
                raise


async def _leaves(connection: Connection, most: int) -> bool:
    """Let a request leave on this connection; False when that is no good, and is closed."""
    handler = connection.protocol
    fresh = handler is not None and _bound(handler, most)
    for _ in range(_TURNS if fresh else 0):
        await asyncio.sleep(0)
    if not _is_open(connection):
        connection.close()
        if fresh:
            raise UnaskedError("the other side speaks before it is asked")
        return False
    if not await (departure := _departure.get()).clear():
        connection.release()
        raise WithheldError("called off before it left")
    if _is_open(connection):
        departure.left = True
        return True
    connection.close()  # the other side left while this one waited
    return False


def _is_open(connection: Connection) -> bool:
    """Tell whether a request can go out on it, and nothing came that nobody asked for."""
    handler = connection.protocol
    return handler is not None and not handler.should_close


_TURNS = 2
"""Turns of the loop until what came together with a new connection has been read."""


class WithheldError(aiohttp.ClientConnectionError):
    """The connection stood, and the request was told not to leave."""


async def _always() -> bool:
    return True


@dataclass(slots=True)
class Departure:
    """How one request leaves: when `clear` says so. `left`: its first byte did, or may have.

    From the moment that it has its connection nothing stands between it and the network.
    """

    clear: "Callable[[], Awaitable[bool]]" = _always
    left: bool = False

    async def of(self, request: "Awaitable[T]") -> "T":
        """Await a request that leaves so."""
        token = _departure.set(self)
        try:
            return await request
        finally:
            _departure.reset(token)


_departure: ContextVar[Departure] = ContextVar("departure")


class UnaskedError(aiohttp.ClientConnectionError):
    """Something came on a new connection before there was a request; none was sent."""


def _bound(handler: "ResponseHandler", most: int) -> bool:
    """Allow so many bytes to come from now on; tell whether the connection is new."""
    transport = handler.transport
    if transport is None:
        return False
    bounded = transport.get_protocol()
    fresh = not isinstance(bounded, _Bounded)
    if not isinstance(bounded, _Bounded):
        bounded = _Bounded(handler, transport)
        transport.set_protocol(bounded)
    bounded.left = most
    return fresh


class _Bounded(asyncio.Protocol):
    """Passes on what comes to aiohttp, and hangs up when it is too much."""

    def __init__(self, handler: "ResponseHandler", transport: asyncio.Transport) -> None:
        self.left = 0
        self._handler = handler
        self._transport = transport

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def eof_received(self) -> None:
        self._handler.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._handler.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if len(data) <= self.left:
            self.left -= len(data)
            self._handler.data_received(data)
            return
        left, self.left = self.left, 0
        if left:
            self._handler.data_received(data[:left])
        self._transport.abort()
