"""The one place that can send: an aiohttp POST to one pinned URL, and nothing else.

No redirect is followed, no proxy or .netrc is read, TLS is always verified, an answer is read only
up to the bytes that its target has, and never decompressed. aiohttp's exceptions become `Lost`
here: what may have left the machine counts as sent, unless it is certain that not a byte of the
request did.
"""

import asyncio
import math
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from bulkdelete.core.guards import check_account
from bulkdelete.core.model import HANDSHAKE_CUT, Answer, Lost, Reply
from bulkdelete.core.target import MAX_ANSWER, is_loopback, is_private
from bulkdelete.errors import UsageError
from bulkdelete.io.connections import Connector, Departure, UnaskedError, WithheldError
from bulkdelete.io.names import NotPublicError, PublicNames
from bulkdelete.io.tls import verifying

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

CONNECT_SECONDS = 10.0


class Client:
    """Requests to one host with one set of credentials. Use as an async context manager.

    `account` is whose they are, which the headers of some vendors do not say.
    """

    def __init__(  # noqa: PLR0913 - each is said by its name
        self,
        base_url: str,
        headers: "Mapping[str, str]",
        *,
        account: str,
        timeout: float,
        connections: int,
        max_answer: int = MAX_ANSWER,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        if parts.scheme == "http" and not is_loopback(host):
            raise UsageError("endpoint", "http:// is only for a loopback address")
        if is_private(host):
            raise UsageError("endpoint", "private and link-local addresses are refused")
        check_account(account, base_url)
        self._base = base_url.rstrip("/")
        self._headers = {**headers, "Accept-Encoding": "identity", "Accept": "application/json"}
        self._timeout = aiohttp.ClientTimeout(
            total=timeout,
            sock_connect=min(CONNECT_SECONDS, timeout),
            ceil_threshold=math.inf,  # aiohttp's own would make whole seconds of it, upwards
        )
        self._connections = connections
        self._max_answer = max_answer
        self._tls = tls if tls is not None or parts.scheme == "http" else verifying()

    async def __aenter__(self) -> Self:
        connector = Connector(
            limit=self._connections,
            ssl=self._tls if self._tls is not None else True,
            resolver=PublicNames(),
            max_answer=self._max_answer,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        await self._session.close()

    async def post(
        self,
        path: str,
        body: bytes,
        clear: "Callable[[], Awaitable[bool]]",
        departed: "Callable[[], None]",
    ) -> Reply:
        """POST a JSON body to `path` and return what came of it; raises nothing of the network.

        `clear` is asked when the connection stands, with nothing between a yes and the first byte;
        after a no nothing leaves. `departed` is called after the last byte.
        """
        return await self._request("POST", path, _Body(body, departed), Departure(clear))

    async def get(self, path: str) -> Reply:
        """GET `path` (with its query) and return what came of it."""
        return await self._request("GET", path, None, Departure())

    async def _request(
        self, method: str, path: str, body: "_Body | None", departure: Departure
    ) -> Reply:
        asked = self._session.request(method, self._base + path, data=body, allow_redirects=False)
        try:
            async with await departure.of(asked) as response:
                data, complete = await _bounded(response, self._max_answer)
                return Answer(response.status, _names(response.raw_headers), data, complete)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return lost(error, sent=departure.left)


@lru_cache(maxsize=4)
def _names(raw: "tuple[tuple[bytes, bytes], ...]") -> "Mapping[str, Sequence[str]]":
    """Return an answer's headers by their names in small letters."""
    # Nearly all answers of a second are the same.
    names: dict[str, list[str]] = {}
    for name, value in raw:
        names.setdefault(_text(name).lower(), []).append(_text(value))
    return names


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class _Body(aiohttp.BytesPayload):
    """A body that says when it was handed to the system."""

    def __init__(self, body: bytes, departed: "Callable[[], None]") -> None:
        super().__init__(body)
        self._departed = departed

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        await super().write_with_length(writer, content_length)
        self._departed()


async def _bounded(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    """Read at most so many bytes of an answer; False when there were more, or it was cut."""
    data, content = bytearray(), response.content
    try:
        while not content.at_eof() or content.exception() is not None:
            data += await content.readany()
            if len(data) > most:
                response.close()
                return bytes(data[:most]), False
    except (aiohttp.ClientError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        return bytes(data), False
    return bytes(data), True


def lost(error: BaseException, *, sent: bool) -> Lost:
    """Name what an exception of aiohttp means for a request; `sent`: a byte may have left."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Lost("connect_timeout", sent=False)
        case UnaskedError():
            return Lost("spoke_unasked", sent=False)
        case WithheldError():
            return Lost("withheld", sent=False)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorError():
            return _unconnected(error)
        case asyncio.TimeoutError():
            return Lost("timeout", sent=sent, abandoned=sent)
        case aiohttp.ServerDisconnectedError() | OSError():
            return Lost("connection_lost", sent=sent)
        case _:
            return Lost("answer_unreadable", sent=sent)


def _unconnected(
    error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorError,
) -> Lost:
    """Name why there is no connection: nothing was sent."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return Lost("tls", sent=False, untrusted=True)
        case aiohttp.ClientConnectorDNSError(os_error=NotPublicError()):
            return Lost("private_address", sent=False, untrusted=True)
        case aiohttp.ClientConnectorDNSError():
            return Lost("dns", sent=False)
        case aiohttp.ClientConnectorError(os_error=ConnectionResetError()):
            # A refused connection is no reset: it stood, and ended in the handshake of TLS.
            return Lost(HANDSHAKE_CUT, sent=False)
    return Lost("connect_failed", sent=False)
