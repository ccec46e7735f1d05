"""How many at once: the level that works, the memory of what did, and rare tries of one more.

At limits of one to six a step is a sixth of all or more, and a refusal every round would cost
more than a percent. So nothing swings here: the level stays where it worked, a refusal takes it to
one less than were in flight, and one more is tried after so many answers that a failed try costs
little. A level that once worked (a neighbour came, and will go) is tried again sooner than one
that never did, and each failed try makes the next one later. A refusal comes back sooner than an
answer: what was not refused by then lets the next follow, as far as more once worked.
"""

import math
from dataclasses import dataclass

FIRST_ROUND = 16
"""How many start at once when nothing is known yet; from there the number doubles each round."""


FLAP_ROUNDS = 40
"""Rounds within which a level that is lost after it was regained may have been lost to the pace."""


PROOF = 3
"""Rounds that a level must hold before it counts as one that worked; less may be a slip between."""


WORTH = 0.5
"""The power of the level with which patience grows."""

HOPE = 0.2
"""The power of what there is to be regained with which patience shrinks."""

LASTS = 450
"""Answers for which a level that worked is taken to be lost, when none came back yet."""

SHORTEST = 100
"""The same at least, however soon the last ones came back."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many answers pass before one more is tried: `first`, and a share more each failed try.

    The higher the level, the less is one more worth, and the longer it may take; the more there is
    to be regained, the sooner it is tried. What has stood for long will, most likely, stand for as
    long again: then what a wait loses and what a failed try loses are least together where the wait
    grows with the root of the time, which is what a wait does that grows by the same each time.
    """

    first: float
    growth: float

    def answers(self, level: int, more: int, failed: int) -> float:
        """Return the answers to wait for at a level, `more` being hoped for, after failed tries."""
        worth = math.pow(level, WORTH) / math.pow(more, HOPE)
        return self.first * worth * (1.0 + self.growth * failed)


REGAIN = Patience(33.0, 0.02)
"""For a level that worked before, in this process."""

EXPLORE = Patience(50.0, 1.0)
"""For a level that never did."""


@dataclass(slots=True)
class Ceiling:
    """The number that may be in flight, `level`; 1 until the first answer came.

    `best` is the most that was taken at once and held; `trial` is what is being tried, or 0.
    `epoch` counts refusals: an answer says nothing of what was refused after its start.
    `before` is the level before it began to fall; `waited` tells that the try was waited for, and
    does not follow at once from what was refused or taken just now.
    """

    cap: int
    regain: Patience = REGAIN
    explore: Patience = EXPLORE
    level: int = 1
    best: int = 0
    trial: int = 0
    epoch: int = 0
    before: int = 1
    waited: bool = False
    _ramp: int = FIRST_ROUND
    _calm: int = 0
    _failed: int = 0
    _step: int = 1
    _climbing: bool = False
    _falls: int = 0
    _regained: bool = False
    _landed: bool = False
    _reached: int = 0
    _maybe: int = 0
    _spread: float = 1.0
    _low: int = 0
    _lasted: float = LASTS

    @property
    def allowed(self) -> int:
        """How many may be in flight, with a try."""
        return self.trial or self.level

    @property
    def falling(self) -> bool:
        """Whether the level was lost, and none was taken at the new one."""
        return self._falls > 0 and not self._landed

    def reaches(self, number: int) -> bool:
        """Note that the `number`-th leaves; tell whether in a fall none left as that many yet."""
        first = number > self._reached
        self._reached = max(self._reached, number)
        return first and self.falling

    def resize(self, cap: int) -> None:
        """Stay at or under another cap; one that was at the old one is at the new one."""
        free = self.level == self.cap
        self.level = cap if free else min(self.level, cap)
        self.cap = cap
        self._maybe = min(self._maybe, cap)
        if self.trial > cap:
            self.trial = 0

    @property
    def hopeful(self) -> bool:
        """Whether more may follow as soon as what is out was not refused."""
        return self.allowed < self._goal

    @property
    def _goal(self) -> int:
        if self.level < self._maybe:
            return self._maybe
        return min(self.best, self.cap) if self.trial else 0

    def look(self, in_flight: int, *, settled: bool) -> None:
        """Begin to try one more, when it is time: just after another start, when all are out.

        `settled`: what is out was not refused, though a refusal would be back by now.
        """
        settled = settled and in_flight >= self.allowed
        self._landed = self._landed or settled
        if self.trial:
            if settled and self.hopeful:
                self._go_on()
        elif (
            self.level < self.cap
            and in_flight == self.level
            and (self._calm >= self._patience() or (settled and self.hopeful))
        ):
            self.trial = min(self.cap, self.level + self._step)
            self.waited = self.level >= self._maybe and not self._climbing

    def _go_on(self) -> None:
        self._regained = self._regained or self.trial > self._maybe
        self.trial += (self._goal - self.trial + 1) // 2

    def _patience(self) -> float:
        worked = self.level < self.best
        if self.level < self._maybe:
            return self.level
        if self._climbing:
            return 0 if worked else self.level
        patience = self.regain if worked else self.explore
        more = min(self.best, self.cap) - self.level if worked else 1
        hurry = self._hurry if worked else 1.0
        return hurry * self._spread * patience.answers(self.level, more, self._failed)

    @property
    def _hurry(self) -> float:
        """What came back soon each time will do so again: waits go with the root of how long."""
        return math.sqrt(min(LASTS, max(SHORTEST, self._lasted)) / LASTS)

    def accepted(self, number: int, epoch: int) -> None:
        """Note that a request was taken which left as the `number`-th in flight."""
        self._calm += 1
        self._low += 1
        if epoch != self.epoch:
            return
        if not self.best:
            self.level = min(self.cap, self._ramp)
        if number > self.best and (not self.epoch or self._held(number)):
            self.best = number
            self._failed = 0
        if number >= self.level:
            self._falls = 0
        if self.trial and number > self.level:
            self._rise(number)
        elif not self._climbing and not self.epoch and number >= self._ramp:
            self._ramp *= 2
            self.level = min(self.cap, self._ramp)

    def _held(self, number: int) -> bool:
        return number <= self.level and self._calm >= PROOF * self.level

    def _rise(self, number: int) -> None:
        if self.level < self.best <= number:
            self._lasted = (self._lasted + self._low) / 2
        self.level = number
        self._regained = True
        if number < self.trial:
            return
        self.trial = self._calm = 0
        if number <= self.best:
            self._failed = 0
        self._climbing = number > self._maybe  # what was refused just now is not tried at once
        self._step = max(1, (self.best - self.level + 1) // 2) if self._climbing else 1

    def restore(self) -> None:
        """Take back a fall: it was not the number that was refused."""
        self.level = min(self.cap, max(self.level, self.before))
        self._falls = 0

    @property
    def flaps(self) -> bool:
        """Whether a refusal now takes what was regained not long ago."""
        return self._regained and self._calm < FLAP_ROUNDS * self.level

    @property
    def soon(self) -> bool:
        """Whether a refusal now is the first, and comes not long after the beginning."""
        return not self.epoch and self._calm < FLAP_ROUNDS * self.level

    def refused(self, number: int, out: int, draw: float, *, known: bool = False) -> None:
        """Note that a request was refused that left as the `number`-th, while `out` are in flight.

        `known`: it left before a refusal came back, so it is one of several at once, and those
        that are still out are what the server took. `draw` (0..1) spreads the next try, so that
        several who were refused together part ways.

        What was only being tried is given up; what had worked falls by one, and by half each time
        when that is refused, too, until one is taken again.
        """
        self.epoch += 1
        self._landed = False
        self._reached = 0
        self._climbing = self._regained = False
        self._step = 1
        self._calm = 0
        self._spread = 0.75 + draw / 2
        if not self._falls:
            self.before = self.level
        if self.level >= self.best:
            self._low = 0
        if self.trial and max(number, out) > self.level:
            self.level = max(self.level, min(self.trial, number) - 1)
            self._failed += 1
            self._maybe = 0
        elif known:
            self.level = max(1, min(self.level, out - 1))
        elif self.level > self.best and self.epoch > 1:
            self.level = max(1, min(self.level, number - 1))
            self._failed += 1
            self._maybe = 0
        else:
            self._falls += number <= self.best
            # All between the new level and the refused number is unknown: it is tried at once.
            self._maybe = min(self.level, number - 1)
            less = number // 2 if self._falls > 1 else 1
            self.level = max(1, min(self.level, number - less))
            self._failed = 0
        self.trial = 0
