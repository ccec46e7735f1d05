"""`python -m tests.bench.parts`: what each part of sending a chunk costs, one by one.

CPU microseconds a chunk of 100 IDs, the best of several tries: what a part needs where nothing
disturbs it. Between the parts, in a whole run, caches are colder than here.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import uvloop

from bulkdelete.core import checkpoint as log
from bulkdelete.core.chunks import Chunker
from bulkdelete.core.digests import chunk_digest
from bulkdelete.core.gate import Gate
from bulkdelete.core.layout import Format, Reading
from bulkdelete.core.model import Accepted, Chunk, Kind
from bulkdelete.core.progress import Progress
from bulkdelete.io.client import Client
from bulkdelete.io.journal import Journal, LogFile
from bulkdelete.io.slots import KernelSlots
from bulkdelete.reading import Part, batches, layout_of
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.turns import Turns
from tests.bench.lists import ids, one_column
from tests.bench.sink import sink

TRIES = 7
CHUNKS = 1_000
SIZE = 100
COMMITS = {3: 2, 32: 11}
"""Chunks whose records go into one commit: about so many, where the sink answers at once."""

KEY = bytes(32)


async def best(part: Callable[[], Awaitable[None]]) -> float:
    """Return the least CPU of all threads that `CHUNKS` of a part took, in microseconds each."""
    found = []
    for _ in range(TRIES):
        began = time.process_time()
        await part()
        found.append(time.process_time() - began)
    return min(found) * 1e6 / CHUNKS


def chunks() -> list[Chunk]:
    """Return so many chunks of random UUIDs."""
    return list(Chunker(SIZE).feed(ids(CHUNKS * SIZE, seed=1), Kind.IDENTITY))


def records(number: int) -> tuple[log.Intent, log.Outcome]:
    """Return the two records of a chunk that is accepted at once."""
    at = 1e9 + number / 1000
    intent = log.Intent(chunk=number, lo=0, hi=SIZE, attempt=1, digest="0" * 32, at=at)
    outcome = log.Outcome(
        chunk=number,
        lo=0,
        hi=SIZE,
        attempt=1,
        verdict="accepted",
        at=at + 0.001,
        status=200,
        body="0" * 16,
        ms=1.234,
    )
    return intent, outcome


async def reading(path: Path) -> None:
    """Read a list, and cut it into chunks."""
    part, chunker = Part(path, path.name), Chunker(SIZE)
    layout = await layout_of(part, Reading(format=Format.CSV))
    async for batch in batches(part, layout, at_once=64 * 1024):
        for _ in chunker.feed(batch.ids, Kind.IDENTITY):
            pass


def started() -> Progress:
    """Return the progress of a process start that has sent nothing yet."""
    progress = Progress(CHUNKS)
    progress.apply(log.Start(at=1e9, pid=1, machine="", in_flight=3, todo=CHUNKS))
    return progress


async def turning(place: Path, in_flight: int) -> None:
    """Take turns and give them back, with the kernel's locks."""
    slots = KernelSlots("host", "account", in_flight, place)
    turns = Turns(Gate(in_flight), slots, lambda: 0.5, 1.0)
    for _ in range(CHUNKS):
        turn = await turns.take()
        turns.depart(turn)
        turns.observe(turn, Accepted())
        turns.give_back(turn)
    slots.close()


async def posting(url: str, body: bytes, in_flight: int) -> None:
    """Post one body, so many at once."""

    async def yes() -> bool:
        return True

    async def work(client: Client) -> None:
        while next(numbers) < CHUNKS:
            await client.post(CLEVERTAP.delete_path, body, yes, lambda: None)

    numbers = count()
    headers = CLEVERTAP.headers("BENCH", "bench")
    async with Client(url, headers, account="BENCH", timeout=60.0, connections=in_flight) as client:
        await asyncio.gather(*(work(client) for _ in range(in_flight)))


async def committing(path: Path, together: int, *, synced: bool) -> None:
    """Have the records of all chunks written, those of so many chunks in one commit."""
    disk = LogFile(emptied(path)) if synced else _Nowhere(emptied(path))
    journal = Journal(disk, log.Reader(), lambda _: None, reserve=log.MAX_LINE)
    for first in range(0, CHUNKS, together):
        for number in range(first, min(first + together, CHUNKS)):
            for record in records(number):
                last = journal.append(record)
        await last
    await journal.close()


def emptied(path: Path) -> Path:
    """Make a file empty."""
    path.write_bytes(b"")
    return path


class _Nowhere(LogFile):
    """A log that is written, and never synced."""

    def sync(self, after: Callable[[Exception | None], None]) -> None:
        asyncio.get_running_loop().call_soon(after, None)


@contextmanager
def places() -> Iterator[Path]:
    """Yield an empty directory."""
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as name:
        yield Path(name)


async def measure(place: Path, url: str, in_flight: int) -> dict[str, float]:
    """Return what each part costs, so many in flight."""
    path, cut, together = place / "list.csv", chunks(), COMMITS[in_flight]
    one_column(path, CHUNKS * SIZE, seed=1)
    body = CLEVERTAP.encode(Kind.IDENTITY, cut[0].ids)

    async def checking() -> None:
        for chunk in cut:
            chunk_digest(KEY, chunk).hex()

    async def encoding() -> None:
        for chunk in cut:
            CLEVERTAP.encode(chunk.kind, chunk.ids)

    async def counting() -> None:
        progress = started()
        for number in range(CHUNKS):
            for record in records(number):
                progress.apply(record)

    log_path = place / "checkpoint.log"
    written = await best(lambda: committing(log_path, together, synced=False))
    return {
        "read it again, cut it": await best(lambda: reading(path)),
        "its digest, under the key": await best(checking),
        "the body": await best(encoding),
        "gate and slots": await best(lambda: turning(place, in_flight)),
        "the request (aiohttp)": await best(lambda: posting(url, body, in_flight)),
        "two records, chained": written,
        "its share of a sync": await best(lambda: committing(log_path, together, synced=True))
        - written,
        "progress and timeline": await best(counting),
    }


def main() -> None:
    """Measure, and print a line for each part."""
    with places() as place, sink(place) as found:
        few, many = (uvloop.run(measure(place, found.plain, number)) for number in COMMITS)
    for name, cost in few.items():
        sys.stdout.write(f"{name:28} {cost:6.1f} {many[name]:6.1f}\n")
    sys.stdout.write(f"{'all':28} {sum(few.values()):6.1f} {sum(many.values()):6.1f}\n")


if __name__ == "__main__":
    main()
