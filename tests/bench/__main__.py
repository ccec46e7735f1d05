"""`make bench`: ours against what one would take instead, on the same work, in turns.

Wall clock of shared machines swings, so each figure is the median of rounds that take turns, and
only ratios within one run mean anything. CPU seconds are those of the processes that do the work.
`--quick` holds the ratios that can be held on a busy machine, and ends with 1 when one is missed
by more than the slack.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench import planning, resuming, sending, starting
from tests.bench.figures import Figure, missed, show, write

COUNT = 1_000_000
ROUNDS = 5
QUICK_COUNT = 200_000
QUICK_ROUNDS = 3
SLACK = 1.3
"""By how much a ratio may miss its target in the quick one: the machine has other work, too."""

GROUPS: Mapping[str, Callable[[int, int], list[Figure]]] = {
    "sending": lambda count, rounds: sending.measure(count, rounds, sending.AGAINST),
    "planning": planning.measure,
    "resuming": resuming.measure,
    "starting": lambda _, rounds: starting.measure(rounds),
}


def main() -> int:
    """Measure, print one table, and tell by the exit code whether all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="IDs")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--only", action="append", choices=list(GROUPS), help="a group (repeatable)"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--quick", action="store_true", help="little of it, with slack")
    said = parser.parse_args()
    if said.quick:
        figures = [slack(one) for one in quick()]
    else:
        figures = [
            one for name in said.only or GROUPS for one in GROUPS[name](said.count, said.rounds)
        ]
    show(figures)
    if said.json:
        write(figures, said.json, " ".join(("python -m tests.bench", *sys.argv[1:])))
    return int(missed(figures) > 0)


def quick() -> Sequence[Figure]:
    """Measure what needs nothing but Python, on a shorter list."""
    return [
        *sending.measure(QUICK_COUNT, QUICK_ROUNDS, sending.QUICK),
        *planning.measure(QUICK_COUNT, QUICK_ROUNDS),
        *starting.measure(QUICK_ROUNDS),
    ]


def slack(one: Figure) -> Figure:
    """Return the figure with a target that leaves room."""
    if not one.target:
        return one
    how, _, bound = one.target.partition(" ")
    wider = float(bound) * SLACK if how == "<=" else float(bound) / SLACK
    return replace(one, target=f"{how} {wider:.3g}")


if __name__ == "__main__":
    sys.exit(main())
