"""Names to addresses, without holding anything up; for requests that delete, public ones only.

A resolver that stays silent takes half a minute: each look-up is left alone when nobody waits.
"""

import ipaddress
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from bulkdelete.core.target import is_loopback
from bulkdelete.io.threads import aside

Found = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]


class NotPublicError(OSError):
    """A name has addresses, but none on the public Internet."""


class Names(AbstractResolver):
    """Resolves names."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses; OSError when there are none."""
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in await _look_up(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class PublicNames(Names):
    """Resolves names; of a name that is not this machine's own, public addresses count alone."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses; OSError when there are none, NotPublicError when none counts."""
        here = is_loopback(host)
        found = await super().resolve(host, port, family)
        results = [one for one in found if _allowed(one["host"], here=here)]
        if not results:
            raise NotPublicError(None, f"{host} has no public address")
        return results


def _allowed(text: str, *, here: bool) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return address.is_global or (here and address.is_loopback)


async def _look_up(host: str, port: int, family: socket.AddressFamily) -> Found:
    def ask() -> Found:
        flags = socket.AI_ADDRCONFIG
        return list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags))

    return await aside(ask, "names")
