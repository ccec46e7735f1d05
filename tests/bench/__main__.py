"""`make bench`: ours against what one would take instead, on the same work, in turns.

Wall clock of shared machines swings, so each figure is the median of rounds that take turns, and
only ratios within one run mean anything. CPU seconds are those of the processes that do the work.
Each group is measured in a process of its own, and its figures are written before the next begins:
what fails is told as not measured, and takes nothing else with it. `--quick` holds what is reached
by now, on a busy machine, too. Exits with 1 where a target is missed, or could not be measured.
"""

import argparse
import importlib
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.bench import kept
from tests.bench.clients import FailedError
from tests.bench.figures import Figure, missed, show

COUNT = 1_000_000
ROUNDS = 5
QUICK_COUNT = 200_000
QUICK_ROUNDS = 3
GROUPS = (
    "starting",
    "sending",
    "sending_steady",
    "planning",
    "dedup",
    "resuming",
    "memory",
    "pacing",
    "turnaround",
)
QUICK = ("sending_quick", "planning_quick", "starting_quick")
"""What needs nothing but Python and nginx."""

PATIENCE = 2400.0
"""Seconds that a group may take; no group needs half of it."""


def main() -> int:
    """Measure, print one table, and tell by the exit code whether all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, help=f"IDs ({COUNT:,}); some take 10 or 100 times it")
    parser.add_argument("--rounds", type=int, help=f"at most ({ROUNDS})")
    parser.add_argument("--only", action="append", choices=GROUPS, help="a group (repeatable)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--quick", action="store_true", help="little of it, and what must hold")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    said = parser.parse_args()
    count = said.count or (QUICK_COUNT if said.quick else COUNT)
    rounds = said.rounds or (QUICK_ROUNDS if said.quick else ROUNDS)
    if said.inside:
        inside(said.inside[0], count, rounds, Path(said.inside[1]))
        return 0
    # Whoever ends us ends what we started, too.
    signal.signal(signal.SIGTERM, _ended)
    figures: list[Figure] = []
    for name in QUICK if said.quick else said.only or GROUPS:
        began = time.monotonic()
        found = outside(name, count, rounds)
        seconds = time.monotonic() - began
        sys.stderr.write(f"{name}: {seconds:.0f} s\n")
        if said.json:
            kept.write(said.json, name, found, (count, rounds, seconds))
        figures += found
    show(figures)
    return int(missed(figures) > 0)


def outside(name: str, count: int, rounds: int) -> list[Figure]:
    """Measure a group in a process of its own; a figure that says why, when that fails."""
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as place:
        path = Path(place) / "figures.json"
        words = [sys.executable, "-m", "tests.bench", "--count", str(count)]
        words += ["--rounds", str(rounds), "--inside", name, str(path)]
        process = subprocess.Popen(words)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return [Figure(name, name, "", why=f"it took more than {PATIENCE:.0f} s")]
        finally:
            process.terminate()
            process.wait()
        if code or not path.exists():
            return [Figure(name, name, "", why=f"it ended with {code}: see what it said")]
        return msgspec.json.decode(path.read_bytes(), type=list[Figure])


def inside(name: str, count: int, rounds: int, path: Path) -> None:
    """Measure a group, and write what came of it."""
    signal.signal(signal.SIGTERM, _ended)
    module, _, quick = name.partition("_")
    measure = getattr(importlib.import_module(f"tests.bench.{module}"), quick or "measure")
    try:
        figures: list[Figure] = measure(count, rounds)
    except FailedError as error:
        figures = [Figure(name, name, "", why=str(error))]
    path.write_bytes(msgspec.json.encode(figures))


def _ended(number: int, _: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
