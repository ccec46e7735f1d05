"""Further ranges of seeds, and a ledger of what was really run: docs/proof-ledger.jsonl.

`python -m tests.simulation.proof --count 1000000` goes on where the ledger ends, half of the runs
in each mode. A line is added after each piece of the range, so that what was run is on record
when it is stopped early. Ends with 1 when a promise was broken.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.simulation.play import MODES
from tests.simulation.ranges import Tally, commit, play_all, version

LEDGER = Path(__file__).parents[2] / "docs" / "proof-ledger.jsonl"
FIRST = 1_000_000
"""The first seed of the ledger: those below are played by `make simulate` and the tests."""

PIECE = 10_000
"""Seeds, in each mode, between two lines of the ledger."""


def next_seed(ledger: Path = LEDGER) -> int:
    """Return the seed after the last one that the ledger holds."""
    if not ledger.exists():
        return FIRST
    lines = ledger.read_text("utf-8").splitlines()
    return max([FIRST, *(int(json.loads(line)["to"]) + 1 for line in lines if line)])


def pieces(first: int, count: int) -> "list[range]":
    """Cut `count` runs in both modes into ranges of seeds."""
    last = first + max(1, count // len(MODES))
    return [range(at, min(at + PIECE, last)) for at in range(first, last, PIECE)]


def line(seeds: range, tally: Tally) -> str:
    """Return the ledger's line for a range that was played."""
    return json.dumps(
        {
            "from": seeds.start,
            "to": seeds.stop - 1,
            "modes": MODES,
            "runs": tally.runs,
            "starts": tally.starts,
            "requests": tally.requests,
            "violations": len(tally.violations),
            "never_fired": tally.never_fired(),
            "version": version(),
            "commit": commit(),
            "seconds": round(tally.seconds, 1),
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def prove(count: int, jobs: int, ledger: Path = LEDGER) -> int:
    """Play, and write down what was played; return how many promises were broken."""
    broken = 0
    for seeds in pieces(next_seed(ledger), count):
        tally = play_all(MODES, seeds, jobs)
        for violation, command in tally.violations:
            _say(f"VIOLATION {violation}\n  {command}")
        with ledger.open("a", encoding="utf-8") as file:
            file.write(line(seeds, tally) + "\n")
        found = len(tally.violations)
        _say(f"{seeds.start}..{seeds.stop - 1}: {tally.runs} runs, {found} violations")
        broken += found
    return broken


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program of its own


def main() -> int:
    """Read the command line and prove."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.proof")
    parser.add_argument("--count", type=int, default=1_000_000, help="runs, of both modes together")
    parser.add_argument("--jobs", type=int, default=1)
    words = parser.parse_args()
    return 1 if prove(words.count, words.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
