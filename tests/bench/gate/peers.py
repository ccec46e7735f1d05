"""The others: named controllers with their published parameters, in our own words.

AIMD is the classic: one more a round trip, times a factor at a refusal. Vegas and Gradient2 are
those of Netflix's concurrency-limits, ARC is Vector's adaptive request concurrency. The two-knob
controller steps to one less than were in flight at a refusal, holds, and rarely tries one more.
None of them is told the cap but as its own maximum.
"""

import math
from collections.abc import Callable

from bulkdelete.core.gate import Start
from tests.bench.gate.world import Controller


class Peer:
    """A number that says how many may be in flight."""

    limit: float = 1.0

    def __init__(self, cap: int) -> None:
        self.cap = cap

    def wait(self, out: int, now: float) -> float | None:
        """Start whenever fewer are out."""
        return 0.0 if out < max(1, int(self.limit)) else None

    def started(self, out: int, now: float) -> Start:
        """Remember when it left, and how many were out then."""
        return Start(now, out, 0)

    def accepted(self, start: Start, out: int, now: float) -> None:
        """Note an answer."""

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        """Note a 429."""

    def failed(self, start: Start, out: int, now: float, draw: float) -> None:
        """Note a 5xx: as textbook controllers do, like a refusal."""
        self.throttled(start, out, now, draw)


class Aimd(Peer):
    """Additive increase, multiplicative decrease, at most once a round trip."""

    def __init__(self, cap: int, factor: float) -> None:
        super().__init__(cap)
        self._factor = factor
        self._rtt = 0.0
        self._cut_at = -math.inf

    def accepted(self, start: Start, out: int, now: float) -> None:
        self._rtt = now - start.at
        if out * 2 >= self.limit:
            self.limit = min(self.cap, self.limit + 1.0 / self.limit)

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        if now - self._cut_at >= self._rtt:
            self._cut_at = now
            self.limit = max(1.0, self.limit * self._factor)


def _log(limit: float) -> int:
    return max(1, int(math.log10(limit)))


class Vegas(Peer):
    """Queue = limit x (1 - least latency / latency); alpha 3 log, beta 6 log, threshold log."""

    limit = 20.0

    def __init__(self, cap: int) -> None:
        super().__init__(cap)
        self.limit = min(self.limit, cap)
        self._least = 0.0
        self._seen = 0

    def accepted(self, start: Start, out: int, now: float) -> None:
        self._sample(now - start.at, out, dropped=False)

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        # What a refusal took is no latency: taken for one, it would be the least for ever.
        self._move(0, out, dropped=True)

    def _sample(self, rtt: float, out: int, *, dropped: bool) -> None:
        self._seen += 1
        if self._seen >= 0.75 * 30 * self.limit:
            self._seen, self._least = 0, rtt
            return
        if not self._least or rtt < self._least:
            self._least = rtt
            return
        self._move(math.ceil(self.limit * (1 - self._least / rtt)), out, dropped=dropped)

    def _move(self, queue: int, out: int, *, dropped: bool) -> None:
        step = _log(self.limit)
        if dropped or (out * 2 >= self.limit and queue > 6 * step):
            self.limit -= step
        elif out * 2 >= self.limit and queue <= step:
            self.limit += 6 * step
        elif out * 2 >= self.limit and queue < 3 * step:
            self.limit += step
        self.limit = max(1.0, min(float(self.cap), 1000.0, self.limit))


class Gradient2(Peer):
    """Limit x (long latency / latency, 0.5..1) + 4, smoothed by 0.2, 20..200; blind to refusals."""

    limit = 20.0

    def __init__(self, cap: int) -> None:
        super().__init__(cap)
        self.limit = min(self.limit, cap)
        self._long = 0.0
        self._seen = 0

    def accepted(self, start: Start, out: int, now: float) -> None:
        self._sample(now - start.at, out)

    def _sample(self, rtt: float, out: int) -> None:
        self._seen += 1
        weight = 1 / self._seen if self._seen <= 10 else 2.0 / 601
        self._long += (rtt - self._long) * weight
        if self._long / rtt > 2:
            self._long *= 0.9
        if out < self.limit / 2:
            return
        gradient = max(0.5, min(1.0, self._long / rtt))
        wanted = self.limit * 0.8 + (self.limit * gradient + 4) * 0.2
        self.limit = max(min(20.0, self.cap), min(float(self.cap), 200.0, wanted))


class Arc(Peer):
    """Once a mean latency: one more when it was reached and none refused, times 0.9 when one was.

    The latency is an exponential mean (0.4), and 2.5 deviations above it count as a refusal.
    """

    def __init__(self, cap: int) -> None:
        super().__init__(cap)
        self._mean: float | None = None
        self._variance = 0.0
        self._sum, self._count = 0.0, 0
        self._next = 0.0
        self._refused = self._reached = False

    def started(self, out: int, now: float) -> Start:
        self._reached = self._reached or out >= int(self.limit)
        return Start(now, out, 0)

    def accepted(self, start: Start, out: int, now: float) -> None:
        self._sum += now - start.at
        self._count += 1
        self._look(now)

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        self._refused = True
        self._look(now)

    def _look(self, now: float) -> None:
        current = self._sum / self._count if self._count else None
        if self._mean is None:
            if current is not None:
                self._mean = current
                self._next = now + current
            return
        if now < self._next:
            return
        mean = self._mean
        self._manage(mean, current)
        if current is not None:
            change = current - mean
            self._mean = mean + 0.4 * change
            self._variance = 0.6 * (self._variance + 0.4 * change * change)
        self._next = now + (self._mean or 0.0)
        self._sum, self._count = 0.0, 0
        self._refused = self._reached = False

    def _manage(self, mean: float, current: float | None) -> None:
        slow = current is not None and current >= mean + 2.5 * math.sqrt(self._variance)
        calm = current is not None and current <= mean
        if self._reached and not self._refused and calm and self.limit < min(self.cap, 200):
            self.limit += 1
        elif self.limit > 1 and (self._refused or slow):
            self.limit = max(1, int(self.limit * 0.9))


class TwoKnob(Peer):
    """One less than were out at a refusal; hold; then rarely try one more of what binds.

    Refused with nothing else out, it is the pace that binds.
    """

    def __init__(self, cap: int, again: int = 70) -> None:
        super().__init__(cap)
        self.limit = float(cap)
        self._again = again
        self._hold = self._next = self._spacing = 0.0
        self._latency = 0.0
        self._since = 0
        self._climbing = False
        self._began = self._last = -math.inf

    def wait(self, out: int, now: float) -> float | None:
        if out >= int(self.limit):
            return None
        return max(0.0, self._hold - now, self._next - now)

    def started(self, out: int, now: float) -> Start:
        self._next = now + self._spacing
        return Start(now, out, 0)

    def accepted(self, start: Start, out: int, now: float) -> None:
        left, at = start.at, start.number
        self._latency = now - left
        self._since += 1
        if left < self._last or self._since < (self.limit if self._climbing else self._again):
            return
        if self._spacing:
            self._spacing, self._since = self._spacing * 0.95, 0
        elif at >= int(self.limit) < self.cap:
            self._climbing, self._since = True, 0
            self.limit += 1

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        if out > 1:
            self.limit = max(1.0, min(self.limit, out - 1.0))
        elif self._since:
            self._spacing = max(1.05 * self._spacing, (now - self._last) / self._since)
        self._climbing, self._since, self._last = False, 0, now
        self._hold = now + self._latency / 8

    def failed(self, start: Start, out: int, now: float, draw: float) -> None:
        """Do nothing: a failure says nothing of either."""


PEERS: dict[str, Callable[[int], Controller]] = {
    "AIMD x0.5": lambda cap: Aimd(cap, 0.5),
    "AIMD x0.9": lambda cap: Aimd(cap, 0.9),
    "Vegas": Vegas,
    "Gradient2": Gradient2,
    "Vector ARC": Arc,
    "two-knob": TwoKnob,
}
