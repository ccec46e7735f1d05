"""How many per second: found out only where the number in flight does not explain the refusals.

A server that counts at once refuses the same number again and again. A server that counts per
second takes a number for a while, refuses it, and takes it again. So a level that was regained and
lost twice (once, where the first refusal came soon after the beginning), with no failed try
between, or a refusal with nothing else in flight, is a matter of pace. The pace is then measured:
between two refusals a bucket is empty at both ends, so what was accepted in between is what the
server allows. Starts keep that distance, and a slightly shorter one is tried, rarely and later
each time it fails. A bucket lets shorter ones pass for a while, out of what it saved up: so when it
refuses, all of a row of tries is taken back.
"""

import math
from collections import deque
from dataclasses import dataclass, field

ENOUGH_FLAPS = 2
"""Levels lost after they had been regained, that make it a matter of pace.

A first refusal that comes soon is one: a bucket is full at the beginning, and empty soon.
"""

SAMPLE = 12
"""Accepted requests over which a pace is measured."""

WINDOWED_AFTER = 4
"""Refusals in a row, ever further apart, that no bucket makes."""

BELOW = 1.02
"""The distance kept, as a multiple of the measured one."""

NEXT_TRY = 15
"""Accepted requests before a shorter distance is tried, while that goes well."""

FIRST_TRY, LATER = 100, 2.0
"""The same after it was refused, and how that grows each time."""

SHORTER = 0.95
"""What the distance is multiplied with at a try."""

ENOUGH = 2 * SAMPLE
"""Accepted requests between two refusals that are a measure without any further one."""

NEAR = 1.5
"""A pace that is already known is believed up to so many times the distance that comes by itself.

A slower one was not the server's: the level was too low to reach the server's.
"""

BETTER = 0.97
"""A distance that went down to so much of the one before is worth going on."""


@dataclass(slots=True)
class Tempo:
    """The least distance between two starts in seconds, `spacing`; 0.0 where none is kept."""

    spacing: float = 0.0
    _flaps: int = 0
    _soon: bool = False
    _measuring: bool = False
    _since: float = 0.0
    _accepted: int = 0
    _calm: int = 0
    _sure: float = 0.0
    _base: float = 0.0
    _fresh: bool = True
    _saves: bool = False
    _windowed: bool = False
    _patience: float = NEXT_TRY
    _later: float = FIRST_TRY
    _next_try: int = NEXT_TRY
    _total: int = 0
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLE))
    _refusals: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=8))

    def distance(self, natural: float) -> float:
        """Return the distance to keep; while a pace is measured, the one that comes by itself."""
        return natural if self._measuring else self.spacing

    @property
    def active(self) -> bool:
        """Whether it is a matter of pace, as far as is known."""
        return self._measuring or self.spacing > 0.0

    @property
    def doubted(self) -> bool:
        """Whether it may be a matter of pace."""
        return self._flaps > 0 or self._soon or self.active

    def accepted(self, natural: float, now: float) -> None:
        """Note an acceptance; starts would come every `natural` seconds by themselves."""
        self._times.append(now)
        self._accepted += 1
        self._total += 1
        self._calm += 1
        if not self.spacing or self._calm < self._patience:
            return
        self._calm = 0
        self._patience = self._next_try
        if self._fresh:
            self._base, self._fresh = self.spacing, False
        self._sure = self.spacing
        self.spacing *= SHORTER
        if self.spacing < natural * 0.7:
            self._keep(0.0)
            self._later = FIRST_TRY
            self._flaps, self._soon = 0, False

    def noted(self, now: float) -> None:
        """Remember a refusal, whatever it was for: something can be measured from it."""
        self._refusals.append((now, self._total))

    def forewarned(self) -> None:
        """Note that the first refusal came soon: one more that is like it is enough."""
        self._soon = True

    def suspect(self, now: float, natural: float, *, flaps: bool, alone: bool) -> bool:
        """Note that a level which worked was refused; return whether it is a matter of pace.

        Where what is known of it already does not tell the pace, it is measured from now on.
        """
        if alone:
            self._flaps = ENOUGH_FLAPS
        elif flaps:
            self._flaps += 1
        if self._flaps + self._soon < ENOUGH_FLAPS or self.active:
            return False
        known = self._between(now)
        self._measuring = alone or known > NEAR * natural
        if not self._measuring:
            self._keep(BELOW * known)
            self._patience = self._next_try
        self._since, self._accepted, self._calm = now, 0, 0
        return True

    def contradict(self) -> None:
        """Note that a try of one more was refused at once: it is a matter of how many."""
        self._flaps, self._soon = 0, False
        self._measuring = False

    def refused(self, now: float, in_row: int) -> None:
        """Learn from a refusal that was for the pace, the `in_row`-th without an acceptance.

        A bucket has the next drop soon. Who refuses for longer counts in windows of time: then all
        of it is the measure, from the end of one to the end of the next.
        """
        self._windowed = self._windowed or in_row >= WINDOWED_AFTER
        if self.spacing < self._base and self._misled():
            self._take_back(now)
        elif self.spacing < self._sure:
            self.spacing, self._fresh = self._sure, True
            self._try_later()
        elif self._accepted < SAMPLE:
            self._calm = 0
            return
        else:
            if self._windowed:
                self._next_try = max(self._next_try, self._accepted)
            self._keep(self._measured(now))
            self._patience = self._next_try if self._measuring else self._later
            self._measuring = False
        self._since, self._accepted, self._calm = now, 0, 0

    def _keep(self, distance: float) -> None:
        self.spacing = self._sure = self._base = distance
        self._fresh = True

    def _try_later(self) -> None:
        self._patience = self._later
        self._later *= LATER

    def _misled(self) -> bool:
        """Tell whether tries passed only out of something saved up; refused again, it is known."""
        self._saves = self._saves or self.spacing == self._sure
        return self._saves and not self._windowed

    def _take_back(self, now: float) -> None:
        """Go back to where a row of tries began, or to what was measured since, if it is less."""
        before = self._base
        self._keep(min(before, max(self.spacing, BELOW * self._between(now))))
        self._patience = self._next_try
        if self.spacing > BETTER * before:
            self._try_later()

    def _between(self, now: float) -> float:
        """Return the distance of what was accepted between an earlier refusal and this one."""
        known = [(self._total - total, now - at) for at, total in self._refusals]
        return min((time / count for count, time in known if count >= ENOUGH), default=math.inf)

    def _measured(self, now: float) -> float:
        """Return the distance of what was accepted since the refusal before.

        What is measured for the first time may have begun slowly: then the last of it counts.
        """
        distance = (now - self._since) / self._accepted
        if self._measuring and not self._windowed:
            return BELOW * min(distance, (now - self._times[0]) / len(self._times))
        return BELOW * max(self.spacing, distance)
