"""What it costs to start: an import, the help."""

import statistics
import sys

from tests.bench.clients import cost
from tests.bench.figures import Figure


def measure(count: int, rounds: int) -> list[Figure]:
    """Return how long it takes; no list is read: `count` is there because all groups have it."""
    del count
    return times(rounds, "<= 0.3", "<= 0.1")


def quick(count: int, rounds: int) -> list[Figure]:
    """Return the same, with what holds on a busy machine."""
    del count
    return times(rounds, "<= 0.5", "<= 0.2")


def times(rounds: int, helped: str, imported: str) -> list[Figure]:
    """Return wall seconds of `bulkdelete --help`, and of an import less the bare interpreter."""
    helps, imports, bare = [], [], []
    for _ in range(rounds):
        helps.append(cost([sys.executable, "-m", "bulkdelete", "--help"], "help").wall)
        imports.append(cost([sys.executable, "-c", "import bulkdelete"], "import").wall)
        bare.append(cost([sys.executable, "-c", "pass"], "python").wall)
    least = statistics.median(bare)
    return [
        Figure("starting", "bulkdelete --help", "s", tuple(helps), target=helped),
        Figure(
            "starting",
            "import bulkdelete, less the interpreter",
            "s",
            tuple(max(0.0, one - least) for one in imports),
            target=imported,
        ),
    ]
