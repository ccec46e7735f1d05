"""What the best controller could reach that keeps to a bound on refusals: `...gate.bound`.

It is told each fall at once, and how far to climb; what it is not told is when a limit rises. That
can only be found out by one request more than is taken, and each one of those that comes too soon
is a refusal. So the bound on refusals sets how many tries there may be, and even distances between
them lose least where a rise is equally likely at any time.
"""

import statistics
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.core.gate import Start
from tests.bench.gate import page
from tests.bench.gate.ours import Ours
from tests.bench.gate.peers import Peer, TwoKnob
from tests.bench.gate.scenarios import HELD_OUT, HELD_OUT_SEEDS, TUNED, Scenario
from tests.bench.gate.world import Result, World

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS = {one.name: one for one in (*TUNED, *HELD_OUT)}
ACCEPTED, ALLOWED = 2000, 10
"""Of a hidden limit at most 0.5 % may be refused over 2,000: so many."""

RISES = ("1 then 2, any length", "2 then 4, any length", "1 then 3, any length")


class Told(Peer):
    """Holds what is free, and tries one more every so many answers; `free` is the world's own."""

    def __init__(self, cap: int, every: int) -> None:
        super().__init__(cap)
        self._every = every
        self._since = 0
        self._known = 0
        self._trying = False
        self.free: Callable[[], int] = lambda: cap

    def wait(self, out: int, now: float) -> float | None:
        self._known = min(self._known or self.cap, self.free())
        more = self._since >= self._every and not self._trying and self._known < self.cap
        return 0.0 if out < self._known + more else None

    def started(self, out: int, now: float) -> Start:
        if out > self._known:
            self._trying, self._since = True, 0
        return super().started(out, now)

    def accepted(self, start: Start, out: int, now: float) -> None:
        self._since += 1
        if start.number > self._known:
            self._known, self._trying = self.free(), False

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        self._trying = False

    def failed(self, start: Start, out: int, now: float, draw: float) -> None:
        """Do nothing: a failure says nothing of a limit."""


def play(scenario: Scenario, seed: int, every: int) -> Result:
    """Run who is told the falls through a scenario."""
    told = Told(scenario.cap, every)
    world = World(scenario, told, seed)
    told.free = lambda: world.free
    return world.run()


def lost(results: Sequence[Result]) -> float:
    """Return the median of the time lost, in percent."""
    return 100 * statistics.median(one.lost for one in results)


def main() -> None:
    """Print, as rows of the docs' table, what the bound allows, ours, and the two-knob controller.

    The latter as it is, and with as few tries as the bound allows.
    """
    every = ACCEPTED // ALLOWED
    rows = [_row(SCENARIOS[name], every) for name in RISES]
    head = f"| lost, % | told all but rises | ours | two-knob, a try every {every} | every 70 |"
    table = "\n".join([head, "|---|---|---|---|---|", *rows])
    sys.stdout.write(table + "\n")
    if sys.argv[1:2] == ["--page"]:
        page.renew(Path(sys.argv[2]), bound=f"\n{table}\n")


def _row(scenario: Scenario, every: int) -> str:
    first = HELD_OUT_SEEDS if scenario in HELD_OUT else 0
    seeds = range(first, first + 20)
    told = lost([play(scenario, seed, every) for seed in seeds])
    others = [
        lost([World(scenario, make(scenario.cap), seed).run() for seed in seeds])
        for make in (Ours, partial(TwoKnob, again=every), TwoKnob)
    ]
    return f"| {scenario.name} | " + " | ".join(f"{one:.1f}" for one in (told, *others)) + " |"


if __name__ == "__main__":
    main()
