"""How many requests may be in flight now, and when the next may start.

Observations go in, with their times; a number and an earliest start come out. Three things that
a server can mean are kept apart: *too many at once* (`ceiling`), *too many per second* (`tempo`),
and *ill* (a row of failures opens a breaker: one probe at a time, ever further apart). A refusal
holds everything for a cool-off that grows while refusals go on, or for as long as the server says.
The reasoning, with figures and plots, is in docs/gate.md.
"""

import math
from dataclasses import dataclass, field

from bulkdelete.core.ceiling import Ceiling
from bulkdelete.core.tempo import Tempo

BREAKER_AFTER = 5
"""Failures in a row that open the breaker."""

LONGEST_COOL_OFF = 30.0
SHORTEST_COOL_OFF = 0.005
FIRST_COOL_OFF = 0.25
"""Seconds of the first cool-off, at most; a quarter of the time between two answers is enough."""

TEMPO_PATIENCE = 2
"""Refusals in a row that a pace explains; after more of them it is the number, too."""

STAGGER = 0.25
"""The share of a request's time over which first starts are spread: then one refusal says no."""

LEAST_STAGGER = 0.005
"""Seconds between two first starts at least: answers that come together wait for each other."""


LATE = 2.0
"""What was not refused after so many times what a refusal takes is taken for taken."""

FORGET = 0.9
"""How much of the longest refusal so far the next one still reckons with."""


@dataclass(frozen=True, slots=True)
class Start:
    """A request that left: when, as which of those in flight, and after how many refusals."""

    at: float
    number: int
    epoch: int


@dataclass(slots=True)
class Gate:
    """The controller of one process start. Times are seconds of any one monotonic clock."""

    cap: int
    ceiling: Ceiling = field(init=False)
    tempo: Tempo = field(init=False, default_factory=Tempo)
    not_before: float = field(init=False, default=0.0)
    latency: float = field(init=False, default=0.0)
    failures_in_row: int = field(init=False, default=0)
    _refusals_in_row: int = field(init=False, default=0)
    _last_refusal: float = field(init=False, default=-1.0)
    _next_start: float = field(init=False, default=0.0)
    _last_start: float = field(init=False, default=0.0)
    _last_left: Start = field(init=False, default=Start(0.0, 0, -1))
    _refusal_seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.cap < 1:
            raise ValueError("the cap is at least 1")
        self.ceiling = Ceiling(self.cap)

    def resize(self, cap: int) -> None:
        """Stay at or under another cap from now on; what was learned under it stays."""
        if cap < 1:
            raise ValueError("the cap is at least 1")
        self.cap = cap
        self.ceiling.resize(cap)

    @property
    def limit(self) -> int:
        """How many may be in flight, but for the breaker."""
        return self.ceiling.allowed

    @property
    def broken(self) -> bool:
        """The breaker is open: so many failures in a row that only single probes make sense."""
        return self.failures_in_row >= BREAKER_AFTER

    def wait(self, in_flight: int, now: float) -> float | None:
        """Return the seconds until one more may start (0.0: now), None: not before an answer."""
        settled = self._settled()
        self.ceiling.look(in_flight, settled=now >= settled)
        if not self._room(in_flight):
            return settled - now if self.ceiling.hopeful and now < settled < math.inf else None
        return max(0.0, self.not_before - now, self._earliest(in_flight) - now)

    def _settled(self) -> float:
        """Return from when on all that is out was not refused, as far as one can tell.

        A bucket of so many per second takes too many for a while: where that may be, and where a
        refusal takes about as long as an answer, only answers tell.
        """
        last = self._last_left
        untold = last.epoch != self.ceiling.epoch or last.at < self._last_start
        unknown = not self._refusal_seconds or self._far
        if untold or unknown or self.broken or self.tempo.doubted:
            return math.inf
        return last.at + LATE * self._refusal_seconds

    @property
    def _far(self) -> bool:
        """Whether a refusal takes so long that what is in flight is not what is at work there."""
        return LATE * self._refusal_seconds > self.latency / 2

    def _earliest(self, in_flight: int) -> float:
        """Return when the pace lets the next go; a try stands midway between two others."""
        if in_flight < self.ceiling.level:
            return self._next_start
        return max(self._next_start, self._last_start + self.latency / (2 * in_flight))

    def is_open(self, in_flight: int, now: float) -> bool:
        """Tell whether a turn that was taken may be used, `in_flight` being out besides it."""
        return self._room(in_flight) and now >= self.not_before

    def _room(self, in_flight: int) -> bool:
        return in_flight < (1 if self.broken else self.ceiling.allowed)

    def taken(self, in_flight: int, now: float) -> None:
        """Note that a turn was taken, with which `in_flight` are out: the next has its distance."""
        distance = self.tempo.distance(self.latency / self.ceiling.level)
        if in_flight > self.ceiling.best:
            share = self.latency / self.cap
            distance = max(distance, STAGGER * share, min(LEAST_STAGGER, share / 2))
        if self.ceiling.reaches(in_flight) and not self.tempo.doubted:
            # One more at a time, so that one refusal tells: unless refusals are slow.
            distance = max(distance, min(self._refusal_seconds, self.latency / 2))
        self._last_start = now
        self._next_start = max(self._next_start, now) + distance

    def started(self, in_flight: int, now: float) -> Start:
        """Note that a request leaves now, with which `in_flight` are out."""
        self._last_left = Start(now, in_flight, self.ceiling.epoch)
        return self._last_left

    def accepted(self, start: Start, now: float) -> None:
        """Note an answer that was no refusal."""
        self.failures_in_row = 0
        seconds = now - start.at
        self.latency += (seconds - self.latency) * (0.1 if self.latency else 1.0)
        if start.epoch == self.ceiling.epoch:
            self._refusals_in_row = 0
        self.ceiling.accepted(start.number, start.epoch)
        self.tempo.accepted(self.latency / self.ceiling.level, now)

    def throttled(
        self, start: Start, in_flight: int, now: float, hint: float | None, draw: float
    ) -> None:
        """Note a refusal for being too many, while `in_flight` (with it) were out."""
        known = start.at < self._last_refusal
        self._refusal_seconds = max(now - start.at, FORGET * self._refusal_seconds)
        self._last_refusal = now
        if not known:
            self._refusals_in_row += 1
        self._explain(start, in_flight, now, draw, known=known)
        self.tempo.noted(now)
        between = self.latency / self.ceiling.level if self.latency else 4 * FIRST_COOL_OFF
        first = min(FIRST_COOL_OFF, max(SHORTEST_COOL_OFF, between / 4))
        if self.tempo.active:
            first = max(first, between, self.tempo.spacing)  # until there is room for the next
        self._hold(now, first, self._refusals_in_row, hint, draw)

    def _explain(
        self, start: Start, in_flight: int, now: float, draw: float, *, known: bool
    ) -> None:
        """Find out which of the two limits it was."""
        alone = start.number == in_flight == 1 and self.ceiling.best > 0
        ceiling, tempo = self.ceiling, self.tempo
        beyond = bool(ceiling.trial) and start.number > ceiling.level
        explained = alone or self._refusals_in_row <= TEMPO_PATIENCE
        if tempo.active and not beyond and explained:
            tempo.refused(now, self._refusals_in_row)
            ceiling.epoch += 1
            return
        flaps, tried = ceiling.flaps, ceiling.trial and ceiling.waited
        if ceiling.soon and not self._far:
            tempo.forewarned()
        ceiling.refused(start.number, in_flight, draw, known=known)
        if known:
            return
        if tried and not flaps:
            tempo.contradict()
        elif not (beyond and self._far) and tempo.suspect(
            now, self.latency / ceiling.before, flaps=flaps, alone=alone
        ):
            ceiling.restore()

    def failed(self, now: float, hint: float | None, draw: float) -> None:
        """Note a failure that says nothing of the limit: 5xx, a timeout, a lost connection."""
        self.failures_in_row += 1
        if self.broken:
            times = self.failures_in_row - BREAKER_AFTER + 1
            self._hold(now, 1.0, times, hint, draw)
        elif hint is not None:
            self._hold(now, FIRST_COOL_OFF, 1, hint, draw)

    def _hold(self, now: float, first: float, times: int, hint: float | None, draw: float) -> None:
        ceiling = min(LONGEST_COOL_OFF, first * 2.0 ** min(times - 1, 30))
        # Half of it is sure and half is drawn, so that several who were refused part ways.
        cool_off = ceiling * (0.5 + draw / 2)
        self.not_before = max(self.not_before, now + max(cool_off, hint or 0.0))
