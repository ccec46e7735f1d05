"""Planning a list, against the loop that one would read it with: which does nothing else."""

import asyncio
import csv
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bulkdelete.core.layout import Reading
from bulkdelete.planning import make_plan
from bulkdelete.reading import Part
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish
from tests.bench import lists
from tests.bench.clients import BUILD, FailedError, cost
from tests.bench.figures import Figure
from tests.bench.others import Others


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
TABLE: tuple[tuple[str, str, Callable[[Path, int, int], object], Work, str, str], ...] = (
    ("one.csv", "csv", lists.one_column, dict_reader, "csv.DictReader, one column", ">= 2.0"),
    (
        "three.csv",
        "csv-three",
        lists.three_columns,
        dict_reader,
        "csv.DictReader, three columns",
        ">= 1.5",
    ),
    ("list.jsonl", "jsonl", lists.json_lines, json_loads, "json.loads a line", ">= 3.0"),
)
"""File, kind, who writes it, who else reads it, what that is called, our target."""

QUICK = (">= 1.6", ">= 1.3", ">= 1.7")
"""No aim, but what is reached on a busy machine, with some room."""

OTHERS = ("pandas", "duckdb")
PYTHON = BUILD / "venv/bin/python"


def measure(count: int, rounds: int) -> list[Figure]:
    """Return how many times as fast we are as each of the others, that only read."""
    return compare(count, rounds, OTHERS, [target for *_, target in TABLE])


def quick(count: int, rounds: int) -> list[Figure]:
    """Return the same against what comes with Python, with what holds on a busy machine."""
    return compare(count, rounds, (), QUICK)


def compare(count: int, rounds: int, others: Sequence[str], targets: Sequence[str]) -> list[Figure]:
    """Return seconds of the clock, of both."""
    # As the program sets it for itself.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    found = []
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as name:
        for (file, kind, write, peer, what, _), target in zip(TABLE, targets, strict=True):
            path = Path(name) / file
            write(path, count, 3)
            field = Field(path, kind, count)
            field.add(what, partial(seconds, peer, path), target)
            for one in others:
                field.add_other(one)
            if others and kind == "csv":
                field.add("sort -u", partial(sort, path))
            found += field.measure(rounds)
    return found


class Field:
    """Who reads one list, in turns with us; who fails once is out, and it is known why."""

    def __init__(self, path: Path, kind: str, count: int) -> None:
        self._path = path
        self._kind = kind
        self._count = count
        self._readers: dict[str, tuple[Callable[[], float], str]] = {}
        self._out: dict[str, str] = {}

    def add(self, what: str, read: Callable[[], float], target: str = "") -> None:
        """Add who reads it, and answers how many seconds that took."""
        self._readers[what] = read, target

    def add_other(self, reader: str) -> None:
        """Add one that has an environment of its own, and starts anew each time."""

        def read() -> float:
            other = Others(str(PYTHON))
            try:
                other.read(reader, self._kind, self._path, self._count)
                return other.read(reader, self._kind, self._path, self._count).clock
            finally:
                other.close()

        self.add(f"{reader}, {self._kind}", read)

    def measure(self, rounds: int) -> list[Figure]:
        """Let them take turns."""
        plan(self._path)  # what is imported once is not the pass
        ours: list[float] = []
        theirs: dict[str, list[float]] = {what: [] for what in self._readers}
        for number in range(rounds):
            for what, (read, _) in self._readers.items():
                if what not in self._out:
                    theirs[what] += self._tried(what, read)
            ours.append(seconds(plan, self._path))
            said = ", ".join(f"{what} {some[-1]:.2f}" for what, some in theirs.items() if some)
            sys.stderr.write(f"round {number + 1}: ours {ours[-1]:.2f}, {said}\n")
        return [self._figure(what, ours, some) for what, some in theirs.items()]

    def _tried(self, what: str, read: Callable[[], float]) -> list[float]:
        try:
            return [read()]
        except (FailedError, OSError, ValueError) as error:
            self._out[what] = str(error) or type(error).__name__
            sys.stderr.write(f"{what} is out: {self._out[what]}\n")
            return []

    def _figure(self, what: str, ours: list[float], theirs: list[float]) -> Figure:
        name = f"{self._count:,} rows, times as fast as {what}"
        target, why = self._readers[what][1], self._out.get(what, "")
        if why:
            return Figure("planning", name, "s", target=target, why=why)
        return Figure("planning", name, "s", tuple(ours), tuple(theirs), target, inverse=True)


def sort(path: Path) -> float:
    """Sort it, each line once, as the program of that name does."""
    return cost(["sort", "-u", "-o", os.devnull, str(path)], "sort").wall


def seconds(work: Work, path: Path) -> float:
    """Time one call."""
    began = time.perf_counter()
    work(path)
    return time.perf_counter() - began
