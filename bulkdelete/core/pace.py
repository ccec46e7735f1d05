"""When the next request may start at `--rate`, so that no second holds more than it may.

A start is let out when it is due, one step (1/rate) after the one before. What was late, because a
timer was, or nobody asked, is made good, up to `late` seconds of it; what is older is not, for it
would come out as a burst. And what was let out does not always leave then: a connection has to be
made, or the process is frozen. So it is good for `good_for` seconds only.

That no second holds more than `most`: of starts that follow each other so many, the last is let out
`most` steps less `late` after the first at least. With `slack = most * step - 1` this is
`1 + slack - late` seconds; the first may have left `good_for` later. So they leave at least
`1 + slack - late - good_for` apart. `late` and `good_for` have two fifths of the slack each; the
last fifth is for what the network does to them.
"""

import math
from dataclasses import dataclass, field

_LEAST_SLACK = 0.01
"""Seconds of slack at least: where a rate leaves less of it, starts are a hair slower."""

_SHARE = 0.4
"""The share of the slack for what was late, and for what leaves late; each."""

_LONGEST_LATE = 0.25
"""Seconds of lateness that are made good at most: in a minute less than half a percent."""

_LONGEST_GOOD = 1.0
"""Seconds that a start is good for at most: another rate must not wait for it for long."""

_LOT = 0.005
"""Seconds whose starts are let out together: no shorter wait is worth a timer."""


def most(rate: float) -> int:
    """Return how many requests may start in any second."""
    return math.floor(rate + max(1.0, rate / 20))


@dataclass(slots=True)
class Schedule:
    """When starts are due at one rate. Times are seconds of any one monotonic clock.

    `step`: between two starts that are not late; `slack`: by which so many steps as a second may
    have starts are longer than it; `late`: how much lateness is made good; `good_for`: within what
    time a start that was let out must leave. `due`: when the next one is; `last`: when the last
    one was let out.
    """

    rate: float
    step: float = field(init=False)
    slack: float = field(init=False)
    late: float = field(init=False)
    good_for: float = field(init=False)
    due: float = field(init=False, default=-math.inf)
    last: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < math.inf:
            raise ValueError("a rate is a number above 0")
        may = most(self.rate)
        self.step = max(1.0 / self.rate, (1.0 + _LEAST_SLACK) / may)
        self.slack = may * self.step - 1.0
        # Below one a second a timer's lateness is nothing; the slack is the network's.
        self.late = min(_LONGEST_LATE, _SHARE * self.slack) if may > 1 else 0.0
        self.good_for = min(_LONGEST_GOOD, _SHARE * self.slack)

    def then(self, rate: float) -> "Schedule":
        """Return the schedule of another rate from now on.

        It begins when what was let out last has left or never will, and what was late is over.
        """
        following = Schedule(rate)
        following.last = self.last
        following.due = self.last + self.late + self.good_for + following.step
        return following

    def wait(self, now: float) -> float:
        """Return the seconds until it is worth while to look again; 0.0 when a start is due."""
        early = self.due - now
        return early + max(0.0, _LOT - self.step) if early > 0.0 else 0.0

    def let_out(self, now: float) -> float:
        """Note that a start that is due is let out now; return until when it may leave."""
        if now < self.due:
            raise ValueError("no start is due yet")
        first = self.last == -math.inf
        self.due = (now if first else max(self.due, now - self.late)) + self.step
        self.last = now
        return now + self.good_for
