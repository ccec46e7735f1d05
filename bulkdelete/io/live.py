"""The socket of a run that goes on: `live.sock` in its directory, for its owner only.

One line comes in, one line goes back, and the connection is closed. The socket is the owner's
(0600, in a directory that is 0700). One that a killed process left behind is taken over: the
caller holds the run's lock. Where the directory's path is longer than a socket's name may be, it
is reached through the descriptor of the directory.
"""

import asyncio
import os
import socket
import stat
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

from bulkdelete.core.live import MAX_LINE
from bulkdelete.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

NAME = "live.sock"
SECONDS = 10.0
"""How long either side waits for the other's line."""


@asynccontextmanager
async def listening(
    place: "Path", follow: "Callable[[bytes], Awaitable[bytes]]"
) -> "AsyncIterator[None]":
    """Listen in a run directory for the length of a block; `follow` answers each line.

    Raises OSError where the file system takes no socket.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                line = await reader.readline()
                writer.write(await follow(line))
                await writer.drain()

    with closing(_bound(place)) as sock:
        server = await asyncio.start_unix_server(serve, sock=sock, limit=MAX_LINE)
        try:
            yield
        finally:
            server.close()
            with suppress(OSError):
                (place / NAME).unlink()


def _bound(place: "Path") -> socket.socket:
    path = place / NAME
    with suppress(FileNotFoundError):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX)
    try:
        with _directory(place) as name:
            sock.bind(name)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    except OSError:
        sock.close()
        raise
    sock.settimeout(0)
    return sock


class _directory:  # noqa: N801 - a context manager, used like a function
    """Name the socket through its directory's descriptor: short, whatever the path is."""

    def __init__(self, place: "Path") -> None:
        self._place = place

    def __enter__(self) -> str:
        self._fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{NAME}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


async def ask(place: "Path", line: bytes) -> bytes:
    """Say one line to the run in this directory; return its answer.

    UsageError `not_live` when no process is at work there.
    """
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(0)
    try:
        async with asyncio.timeout(SECONDS):
            with closing(sock), _directory(place) as name:
                loop = asyncio.get_running_loop()
                await loop.sock_connect(sock, name)
                await loop.sock_sendall(sock, line)
                return await _line(loop, sock)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise UsageError(
            "not_live",
            f"no process is sending the run in {place}",
            f"bulkdelete status {place}",
        ) from error


async def _line(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) <= MAX_LINE:
        piece = await loop.sock_recv(sock, MAX_LINE)
        if not piece:
            break
        data += piece
    return data
