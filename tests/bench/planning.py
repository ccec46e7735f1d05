"""Planning a list, against the loop that one would read it with: which does nothing else."""

import asyncio
import csv
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bulkdelete.core.layout import Reading
from bulkdelete.planning import Wish, make_plan
from bulkdelete.reading import Part
from bulkdelete.targets.clevertap import CLEVERTAP
from tests.bench import lists
from tests.bench.figures import Figure


def plan(path: Path, reading: Reading | None = None) -> None:
    """Make the whole plan, in memory: read, check, de-duplicate, hash, digest."""
    wish = Wish(
        parts=(Part(path, path.name),),
        inputs=(str(path),),
        reading=reading or Reading(),
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


Work = Callable[[Path], None]
TABLE: tuple[tuple[str, Callable[[Path, int, int], object], Work, str, str], ...] = (
    ("one.csv", lists.one_column, dict_reader, "csv.DictReader, one column", ">= 2.0"),
    ("three.csv", lists.three_columns, dict_reader, "csv.DictReader, three columns", ">= 1.5"),
    ("list.jsonl", lists.json_lines, json_loads, "json.loads a line", ">= 3.0"),
)


def measure(count: int, rounds: int) -> list[Figure]:
    """Return rows a second of both, as how many times as fast we are."""
    # As the program sets it for itself.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    found = []
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as name:
        for file, write, peer, what, target in TABLE:
            path = Path(name) / file
            write(path, count, 3)
            plan(path)  # what is imported once is not the pass
            ours, theirs = [], []
            for number in range(rounds):
                theirs.append(seconds(peer, path))
                ours.append(seconds(plan, path))
                sys.stderr.write(f"round {number + 1}: {file}: {ours[-1]:.2f}, {theirs[-1]:.2f}\n")
            found.append(
                Figure(
                    "planning",
                    f"{count:,} rows, times as fast as {what}",
                    "s",
                    tuple(ours),
                    tuple(theirs),
                    target,
                    inverse=True,
                )
            )
    return found


def seconds(work: Work, path: Path) -> float:
    """Time one call."""
    began = time.perf_counter()
    work(path)
    return time.perf_counter() - began
