"""Names to addresses: public ones only, and without holding anything up.

Each look-up has a thread of its own that nobody waits for: a resolver that stays silent holds the
loop's own threads for half a minute, and with them the end of a process that was told to leave.
"""

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp.abc import AbstractResolver, ResolveResult

from bulkdelete.core.target import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

Found = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]


class NotPublicError(OSError):
    """A name has addresses, but none on the public Internet."""


class PublicNames(AbstractResolver):
    """Resolves names; of a name that is not this machine's own, public addresses count alone."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses; OSError when there are none, NotPublicError when none counts."""
        here = is_loopback(host)
        results = [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in await _look_up(host, port, family)
            if _allowed(address[0], here=here)
        ]
        if not results:
            raise NotPublicError(None, f"{host} has no public address")
        return results

    async def close(self) -> None:
        """Nothing is held."""


def _allowed(text: str, *, here: bool) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return address.is_global or (here and address.is_loopback)


async def _look_up(host: str, port: int, family: socket.AddressFamily) -> Found:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Found] = loop.create_future()

    def settle(settled: "Callable[[Any], None]", value: object) -> None:
        if not future.done():
            settled(value)

    def ask() -> None:
        settled: Callable[[Any], None] = future.set_result
        value: object
        try:
            value = socket.getaddrinfo(
                host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        except Exception as error:  # noqa: BLE001 - whoever waits is told of it
            settled, value = future.set_exception, error
        with suppress(RuntimeError):  # the loop may be gone by now
            loop.call_soon_threadsafe(settle, settled, value)

    threading.Thread(target=ask, name="names", daemon=True).start()
    return await future
