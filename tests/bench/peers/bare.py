"""The floor: aiohttp and uvloop, one fixed body, no list. `bare.py URL FILE IN_FLIGHT`."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import uvloop

_HEADERS = {"X-CleverTap-Account-Id": "BENCH", "X-CleverTap-Passcode": "bench"}


async def main(url: str, count: int, in_flight: int) -> None:
    """Post the body `count` times, so many at once; no checkpoint, no gate, no log."""
    body = b'{"identity":[%s]}' % b",".join(b'"%036d"' % number for number in range(100))
    left = count

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.post(url + "/1/delete/profiles.json", data=body) as response:
                await response.read()

    async with aiohttp.ClientSession(headers=_HEADERS) as session:
        await asyncio.gather(*(work(session) for _ in range(in_flight)))


if __name__ == "__main__":
    # Only how many lines there are is looked at: 37 bytes each, after a header.
    rows = (Path(sys.argv[2]).stat().st_size - len("identity\n")) // 37
    uvloop.run(main(sys.argv[1], -(-rows // 100), int(sys.argv[3])))
