"""Passcodes handed to processes of this machine, by name, over a socket that only we can open.

So they are in no environment, no file and on no wire, and gone with who hands them out.
"""

import asyncio
import os
import socket
import struct
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

SECONDS = 10.0
"""How long handing over may take."""

_MOST = 1024
_LONGEST = 70
"""Of the 107 bytes that a socket's path may have: the rest is the directory's and its own name."""
_PEER = struct.Struct("3i")


@asynccontextmanager
async def handed_out(passcodes: "Mapping[str, str]", user: int) -> "AsyncIterator[str]":
    """Hand out passcodes to processes of this user, until left; return where."""

    async def hand(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                peer: socket.socket = writer.get_extra_info("socket")
                facts = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
                name = (await reader.readline()).decode().rstrip("\n")
                if _PEER.unpack(facts)[1] == user:
                    writer.write(passcodes.get(name, "").encode())
                    await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # who asked hears nothing, and says so
        finally:
            writer.close()

    with tempfile.TemporaryDirectory(prefix="bulkdelete-", dir=_near()) as place:
        path = str(Path(place) / "purse")
        server = await asyncio.start_unix_server(hand, path)
        try:
            yield path
        finally:
            server.close()


def _near() -> str | None:
    """Return where to, None for the usual place: a socket's path must be short."""
    return None if len(os.fsencode(tempfile.gettempdir())) <= _LONGEST else "/tmp"  # noqa: S108 - within it is a directory that only we can enter


def taken(path: str, name: str) -> str | None:
    """Return the passcode of this name, None when there is none (any more)."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(SECONDS)
            asking.connect(path)
            asking.sendall(name.encode() + b"\n")
            found = b""
            while block := asking.recv(_MOST):
                found += block
    except OSError:
        return None
    return found.decode() or None
