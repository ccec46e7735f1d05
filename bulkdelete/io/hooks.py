"""Telling others: one request to a URL, or one command with a text on its standard input.

Both are bounded in time, and neither can touch the run: what goes wrong is an OSError here.
"""

import asyncio
import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp

from bulkdelete.io.names import Names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_OURS = ("BULKDELETE_", "CLEVERTAP_", "EMULATOR_")
_PAUSE = 1.0


def is_url(target: str) -> bool:
    """Tell a URL from a command."""
    return target.startswith(("https://", "http://"))


async def call(url: str, body: bytes | None) -> None:
    """POST a JSON body (or GET, without one); tried twice; OSError unless it was taken (2xx)."""
    for last in (False, True):
        try:
            await _request(url, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if last:
                raise OSError(type(error).__name__) from None  # its words may hold the URL
            await asyncio.sleep(_PAUSE)
        else:
            return


async def _request(url: str, body: bytes | None) -> None:
    async with (
        aiohttp.ClientSession(
            # A name that nobody answers for must not hold up the end, when nobody waits any more.
            connector=aiohttp.TCPConnector(resolver=Names()),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        ) as session,
        session.request(
            "GET" if body is None else "POST",
            url,
            data=body,
            headers={} if body is None else {"Content-Type": "application/json"},
            allow_redirects=False,
        ) as answer,
    ):
        if not answer.ok or answer.status >= 300:  # noqa: PLR2004 - a redirect is not followed
            raise ValueError(f"HTTP {answer.status}")


async def command(line: str, body: bytes, hidden: "Collection[str]" = ()) -> None:
    """Run a command without a shell, `body` on its standard input; OSError unless it ends with 0.

    It does not inherit our settings, nor the variables `hidden`; cancelled, it is killed with
    all that it started.
    """
    process = await asyncio.create_subprocess_exec(
        *shlex.split(line),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=_surroundings(os.environ, hidden),
        start_new_session=True,
    )
    try:
        await process.communicate(body)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()
    if process.returncode:
        raise OSError(f"it ended with {process.returncode}")


def _surroundings(environment: "Mapping[str, str]", hidden: "Collection[str]") -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_OURS) and name not in hidden
    }
