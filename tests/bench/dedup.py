"""Exact de-duplication in memory, against a set of Python: only that, nothing is read meanwhile.

Of ten million IDs, and of a hundred million, for which the set takes 13.6 GB: once, and only where
so much is free.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bulkdelete.core.hashtable import SeenHashes
from bulkdelete.core.model import Kind
from tests.bench.figures import Figure
from tests.bench.longlists import write_apart

ROUNDS = {10: 3, 100: 1}
"""How many times as many IDs, and how many rounds of them at most."""

NEEDED = 170
"""Bytes for each ID that must be free: a set of them, while it grows, and ours."""

TARGET = "<= 0.45"
_BLOCK = 37 * 14_000
_MEMORY = 8 << 30


def measure(count: int, rounds: int) -> list[Figure]:
    """Return seconds for lists ten and a hundred times as long, of both."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    return [_compared(times * count, min(rounds, most)) for times, most in ROUNDS.items()]


def _compared(rows: int, rounds: int) -> Figure:
    what = f"exact de-duplication of {rows:,} rows in memory, against a Python set"
    if _free() < NEEDED * rows:
        why = f"{NEEDED * rows / 1e9:.0f} GB of memory are not free"
        return Figure("planning", what, "s", target=TARGET, why=why)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-", dir="/var/tmp") as name:
        path = Path(name) / "list.csv"
        repeated = write_apart(path, rows, repeat=True)
        for number in range(rounds):
            theirs.append(_python(path, repeated))
            ours.append(_ours(path, rows, repeated))
            sys.stderr.write(
                f"{rows:,}, round {number + 1}: {ours[-1]:.2f}, a set {theirs[-1]:.2f}\n"
            )
    return Figure("planning", what, "s", tuple(ours), tuple(theirs), TARGET)


def _free() -> float:
    """Return how many bytes of memory can be had, as the kernel reckons."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text("ascii").splitlines())
    return float(lines["MemAvailable"].split()[0]) * 1024


def _blocks(path: Path) -> Iterator[tuple[bytes, list[str]]]:
    with path.open("rb") as file:
        file.readline()
        while block := file.read(_BLOCK):
            data = block[:-1]
            yield data, data.decode("ascii").split("\n")


def _ours(path: Path, rows: int, repeated: int) -> float:
    seen, seconds, found = SeenHashes(1, _MEMORY), 0.0, 0
    seen.expect(rows, Kind.IDENTITY)
    for data, ids in _blocks(path):
        began = time.perf_counter()
        found += len(seen.repeated(ids, Kind.IDENTITY, data))
        seconds += time.perf_counter() - began
    _check(found, repeated)
    return seconds


def _python(path: Path, repeated: int) -> float:
    seen: set[str] = set()
    seconds, found = 0.0, 0
    for _, ids in _blocks(path):
        began = time.perf_counter()
        for one in ids:
            if one in seen:
                found += 1
            else:
                seen.add(one)
        seconds += time.perf_counter() - began
    _check(found, repeated)
    return seconds


def _check(found: int, repeated: int) -> None:
    if found != repeated:
        raise AssertionError(f"{found} of {repeated} repeated IDs were found")
