"""What is measured against each other: our planning pass, and what a person would write instead."""

import asyncio
import csv
import json
import sys
from pathlib import Path

import aiohttp

from bulkdelete.core.layout import Reading
from bulkdelete.core.model import Kind
from bulkdelete.core.target import CLEVERTAP
from bulkdelete.planning import Wish, make_plan
from bulkdelete.reading import Part


def plan(path: Path) -> None:
    """Make the whole plan, in memory."""
    wish = Wish(
        parts=(Part(path, path.name),),
        inputs=(str(path),),
        reading=Reading(),
        target=CLEVERTAP,
        host=None,
        account=None,
        chunk_size=100,
    )
    made = asyncio.run(make_plan(wish, bytes(32), tool="bench", created=0.0))
    if made.plan.counts.planned != made.plan.counts.read:
        raise AssertionError("the bench lists hold no repetition")


def dict_reader(path: Path) -> None:
    """Read with csv.DictReader and do nothing else."""
    with path.open(newline="", encoding="utf-8") as file:
        for _ in csv.DictReader(file):
            pass


def json_loads(path: Path) -> None:
    """Read with json.loads, line by line, and do nothing else."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)


async def bare_loop(url: str, requests: int, in_flight: int = 3) -> None:
    """Post one fixed body so many times, so many at once; no checkpoint, no gate, no log."""
    body = CLEVERTAP.encode(Kind.IDENTITY, [f"{n:036d}" for n in range(100)])
    left = requests
    headers = CLEVERTAP.headers("BENCH", "bench")

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.post(url + CLEVERTAP.delete_path, data=body) as response:
                await response.read()

    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(work(session) for _ in range(in_flight)))


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(bare_loop(sys.argv[1], int(sys.argv[2])))
    except ImportError:
        asyncio.run(bare_loop(sys.argv[1], int(sys.argv[2])))
