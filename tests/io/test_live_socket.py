"""The socket of a run that goes on: one line each way, for its owner only."""

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from bulkdelete.errors import UsageError
from bulkdelete.io import live


async def echo(line: bytes) -> bytes:
    """Answer what was said."""
    return b"heard " + line


async def test_a_line_in_and_a_line_out(tmp_path: Path) -> None:
    """Several may ask; afterwards nothing is left."""
    async with live.listening(tmp_path, echo):
        asked = (live.ask(tmp_path, f"{number}\n".encode()) for number in range(5))
        found = await asyncio.gather(*asked)
    assert found == [f"heard {number}\n".encode() for number in range(5)]
    assert [*os.scandir(tmp_path)] == []


async def test_s15_only_its_owner_may_speak(tmp_path: Path) -> None:
    """The socket is 0600."""
    async with live.listening(tmp_path, echo):
        mode = (tmp_path / live.NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600


async def test_x2_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    """Its socket file is there, and nobody listens: first it says so, then it works."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / live.NAME))
    left.close()
    with pytest.raises(UsageError, match="no process"):
        await live.ask(tmp_path, b"1\n")
    async with live.listening(tmp_path, echo):
        assert await live.ask(tmp_path, b"2\n") == b"heard 2\n"


@pytest.mark.parametrize("name", ["", "nowhere", "file"])
async def test_where_no_run_goes_on_it_says_so(tmp_path: Path, name: str) -> None:
    """A directory without a socket, none at all, or something else."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no process"):
        await live.ask(tmp_path / name, b"1\n")


async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """A socket's name may have 107 bytes, and a directory's path many more."""
    place = tmp_path / ("d" * 100) / ("e" * 100)
    place.mkdir(parents=True)
    async with live.listening(place, echo):
        assert await live.ask(place, b"1\n") == b"heard 1\n"


async def test_a_line_that_never_ends_harms_nobody(tmp_path: Path) -> None:
    """Too long a line is dropped, and so is one whose sender goes away; others are heard."""
    async with live.listening(tmp_path, echo):
        assert await live.ask(tmp_path, b"x" * 20_000) == b""
        _, writer = await asyncio.open_unix_connection(str(tmp_path / live.NAME))
        writer.close()
        assert await live.ask(tmp_path, b"1\n") == b"heard 1\n"
