"""A list of many parts, planned by one process and by workers, in turns: `python -m tests.lakes`.

Each plan is made by a fresh process. The two are held against each other, and then their time.
"""

import argparse
import asyncio
import hashlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bulkdelete.core.layout import Reading
from bulkdelete.lake import Hands, Hire
from bulkdelete.planning import make_plan
from bulkdelete.reading import Part
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish

_MB = 1 << 20


def main() -> int:
    """Make the list, plan it in turns, say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", type=int, default=512, help="in MB, of each process")
    parser.add_argument("--stretch", type=int, default=0, help="in MB, at least")
    parser.add_argument("--child", nargs=2, metavar=("WORKERS", "DIR"))
    said = parser.parse_args()
    if said.child:
        paths = sorted(Path(said.child[1]).glob("part-*"))
        told = _plan(int(said.child[0]), paths, said.memory * _MB, said.stretch * _MB)
        _tell(json.dumps(asyncio.run(told)))
        return 0
    with tempfile.TemporaryDirectory(prefix="lake-", dir=".") as place:
        began = time.monotonic()
        write(Path(place), said.rows, said.parts)
        _tell(f"{said.rows:,} rows in {said.parts} parts: {time.monotonic() - began:.0f} s to make")
        took: dict[int, list[dict[str, Any]]] = {1: [], said.workers: []}
        for _ in range(said.rounds):
            for workers, found in took.items():
                found.append(_child(workers, place, said.memory, said.stretch))
                _say(workers, found[-1])
    return _verdict(took)


def write(place: Path, rows: int, parts: int) -> None:
    """Write parts of random UUIDs, one in a hundred of them of the part before."""
    dice = random.Random(1)
    each, before = rows // parts, [""]
    for number in range(parts):
        text = dice.randbytes(16 * each).hex()
        ids = [
            f"{text[at : at + 8]}-{text[at + 8 : at + 12]}-{text[at + 12 : at + 16]}"
            f"-{text[at + 16 : at + 20]}-{text[at + 20 : at + 32]}"
            for at in range(0, len(text), 32)
        ]
        if number:
            ids[::100] = before[: len(ids[::100])]
        before = ids
        (place / f"part-{number:05}.csv").write_text("identity\n" + "\n".join(ids) + "\n")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _child(workers: int, place: str, memory: int, stretch: int) -> dict[str, Any]:
    more = ("--memory", str(memory), "--stretch", str(stretch))
    ended = subprocess.run(
        (sys.executable, "-m", "tests.lakes", *more, "--child", str(workers), place),
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


async def _plan(workers: int, paths: list[Path], memory: int, stretch: int) -> dict[str, Any]:
    """Plan the list in this process, or by so many workers, and say what it took."""
    wish = Wish(
        parts=tuple(Part(path, path.name) for path in paths),
        inputs=tuple(map(str, paths)),
        reading=Reading(),
        target=CLEVERTAP,
        host="https://eu1.api.clevertap.com",
        account="ACCT",
        chunk_size=100,
        sketch_seed=7,
        memory=memory,
        scratch=paths[0].parent,
    )
    began = time.monotonic()
    if workers == 1:
        made = await make_plan(wish, bytes(32), tool="t", created=0.0)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            hands = Hands(_submitting(pool), workers, *((stretch,) if stretch else ()))
            hire = Hire(lambda: nullcontext(hands), 0)
            made = await make_plan(wish, bytes(32), tool="t", created=0.0, hire=hire)
    seconds = time.monotonic() - began
    mine, theirs = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "seconds": seconds,
        "cpu": mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime,
        "here": mine.ru_utime + mine.ru_stime,
        "peak": mine.ru_maxrss // 1024,
        "worker_peak": theirs.ru_maxrss // 1024,
        "digest": made.plan.digest,
        "index": made.plan.index_sha256,
        "plan": hashlib.sha256(made.plan.encode()).hexdigest(),
        "notes": made.findings.notes,
        "planned": made.plan.counts.planned,
    }


def _submitting(pool: ProcessPoolExecutor) -> Callable[..., Awaitable[Any]]:
    return lambda function, *words: asyncio.wrap_future(pool.submit(function, *words))


def _say(workers: int, took: dict[str, Any]) -> None:
    _tell(
        f"{workers} process(es): {took['seconds']:.1f} s, {took['cpu']:.1f} s of CPU "
        f"({took['here']:.1f} s where it is put together); peak {took['peak']} MB, "
        f"of a worker {took['worker_peak']} MB; {took['planned']:,} planned"
    )


def _verdict(took: dict[int, list[dict[str, Any]]]) -> int:
    plans = {one["plan"] for found in took.values() for one in found}
    one, many = (statistics.median(each["seconds"] for each in found) for found in took.values())
    _tell(f"one process takes {one / many:.2f} times as long")
    notes = {str(one["notes"]) for found in took.values() for one in found}
    if len(plans) != 1 or len(notes) != 1:
        _tell("the plans differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
