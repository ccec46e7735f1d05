"""Requests in flight on one API of one account: the limit, and how well it is used. Pure."""

from array import array
from collections import deque
from typing import TypedDict

_PERCENTILES = (50, 95, 99)


class SlotStats(TypedDict):
    """What `Slots.stats` returns; seconds become milliseconds only in `slot_gap_ms`."""

    limit: int
    in_flight: int
    max_in_flight: int
    max_live_in_flight: int
    utilisation: float | None
    slot_gap_ms: dict[str, float]


class Slots:
    """At most `limit` requests in processing; every time is in seconds of one monotonic clock."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.reset(0.0)

    def reset(self, now: float) -> None:
        """Forget the measurements; requests in flight stay in flight."""
        self.max_in_flight = 0
        self.max_live_in_flight = 0
        self._gaps = array("d")
        self._free_since: deque[float] = deque()
        self._area = 0.0
        self._changed = now
        self._opened: tuple[float, float] | None = None
        self._latest: tuple[float, float] | None = None

    def resize(self, limit: int, now: float) -> None:
        """Change the limit; requests above a smaller one run to their end."""
        self._advance(now)
        self.limit = limit
        self._free_since.clear()

    def arrive(self, now: float, live: int) -> bool:
        """Note an arrival and return whether a slot is free.

        `live`: those in processing whose client is still there. The maxima count the arrival
        itself, also when it is then turned away: they show what the client tried.
        """
        self._advance(now)
        self._latest = (now, self._area)
        self.max_in_flight = max(self.max_in_flight, self.in_flight + 1)
        self.max_live_in_flight = max(self.max_live_in_flight, live + 1)
        return self.in_flight < self.limit

    def take(self, now: float) -> None:
        """Occupy a slot."""
        self._advance(now)
        self.in_flight += 1
        if self._free_since:
            self._gaps.append(now - self._free_since.popleft())

    def release(self, now: float) -> None:
        """Give a slot back."""
        self._advance(now)
        self.in_flight -= 1
        if self.in_flight < self.limit:
            self._free_since.append(now)

    def open_window(self, now: float) -> None:
        """Begin to measure the utilisation, unless it has begun: the first request was answered."""
        if self._opened is None:
            self._advance(now)
            self._opened = (now, self._area)

    @property
    def utilisation(self) -> float | None:
        """Time-mean of min(in flight, limit) / limit, first answer to latest arrival, or None."""
        if self._opened is None or self._latest is None or self._latest[0] <= self._opened[0]:
            return None
        return (self._latest[1] - self._opened[1]) / (self._latest[0] - self._opened[0])

    def stats(self) -> SlotStats:
        """Return the measurements."""
        return SlotStats(
            limit=self.limit,
            in_flight=self.in_flight,
            max_in_flight=self.max_in_flight,
            max_live_in_flight=self.max_live_in_flight,
            utilisation=self.utilisation,
            slot_gap_ms=self._gap_percentiles(),
        )

    def _gap_percentiles(self) -> dict[str, float]:
        gaps = sorted(self._gaps)
        if not gaps:
            return {}
        last = len(gaps) - 1
        return {f"p{p}": round(gaps[last * p // 100] * 1000.0, 3) for p in _PERCENTILES}

    def _advance(self, now: float) -> None:
        self._area += (now - self._changed) * min(self.in_flight, self.limit) / self.limit
        self._changed = now
