"""What it costs to start: an import, the help."""

import statistics
import sys

from tests.bench.clients import cost
from tests.bench.figures import Figure


def measure(count: int, rounds: int) -> list[Figure]:
    """Return wall seconds of `bulkdelete --help`, and of an import less the bare interpreter.

    No list is read: `count` is there because all groups have it.
    """
    del count
    helps, imports, bare = [], [], []
    for _ in range(rounds):
        helps.append(cost([sys.executable, "-m", "bulkdelete", "--help"], "help").wall)
        imports.append(cost([sys.executable, "-c", "import bulkdelete"], "import").wall)
        bare.append(cost([sys.executable, "-c", "pass"], "python").wall)
    least = statistics.median(bare)
    return [
        Figure("starting", "bulkdelete --help", "s", tuple(helps), target="<= 0.3"),
        Figure(
            "starting",
            "import bulkdelete, less the interpreter",
            "s",
            tuple(max(0.0, one - least) for one in imports),
            target="<= 0.1",
        ),
    ]
