"""What most would write: aiohttp, a task for each chunk, all gathered. `gather.py URL FILE N`."""

import asyncio
import csv
import itertools
import sys

import aiohttp

_HEADERS = {"X-CleverTap-Account-Id": "BENCH", "X-CleverTap-Passcode": "bench"}


async def send(session: aiohttp.ClientSession, url: str, ids: list[str]) -> None:
    """Send one body."""
    async with session.post(url, json={"identity": ids}) as response:
        if response.status != 200 or (await response.json())["status"] != "success":
            raise SystemExit("refused")


async def main(url: str, path: str, in_flight: int) -> None:
    """Read all, make all tasks, wait for all; the connector holds the number."""
    with open(path, newline="", encoding="utf-8") as file:  # noqa: ASYNC230, PTH123 - as many do
        rows = csv.DictReader(file)
        chunks = []
        while ids := [row["identity"] for row in itertools.islice(rows, 100)]:
            chunks.append(ids)
    connector = aiohttp.TCPConnector(limit=in_flight)
    patience = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, headers=_HEADERS, timeout=patience
    ) as session:
        where = url + "/1/delete/profiles.json"
        await asyncio.gather(*(send(session, where, ids) for ids in chunks))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
