"""How many requests may be in flight now, and when the next may start.

Observations go in, with their times; a number and an earliest start come out. It steps down to
one less than were in flight when the server refuses, holds everything for a cool-off that grows
while refusals go on, remembers, and tries one more only after a quiet time that doubles with each
failed try. A row of failures opens a breaker: one probe at a time, ever further apart.
"""

from dataclasses import dataclass, field

BREAKER_AFTER = 5
"""Failures in a row that open the breaker."""


@dataclass(slots=True)
class Gate:
    """The controller of one process start. Times are seconds of any one monotonic clock."""

    cap: int
    first_cool_off: float = 0.25
    longest_cool_off: float = 30.0
    first_quiet: float = 10.0
    longest_quiet: float = 600.0
    limit: int = field(init=False)
    not_before: float = field(init=False, default=0.0)
    failures_in_row: int = field(init=False, default=0)
    _refusals_in_row: int = field(init=False, default=0)
    _quiet: float = field(init=False)
    _probe_at: float = field(init=False, default=0.0)
    _probing: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if self.cap < 1:
            raise ValueError("the cap is at least 1")
        self.limit = self.cap
        self._quiet = self.first_quiet

    @property
    def broken(self) -> bool:
        """The breaker is open: so many failures in a row that only single probes make sense."""
        return self.failures_in_row >= BREAKER_AFTER

    def wait(self, in_flight: int, now: float) -> float | None:
        """Return the seconds until one more may start (0.0: now), None: not before an answer."""
        allowed = 1 if self.broken else self.allowed(now)
        if in_flight >= allowed:
            return None
        return max(0.0, self.not_before - now)

    def allowed(self, now: float) -> int:
        """Return how many may be in flight now; may begin to probe for one more."""
        if self.limit < self.cap and not self._probing and now >= self._probe_at:
            self._probing = True
            self.limit += 1
        return self.limit

    def accepted(self, in_flight: int, now: float) -> None:
        """Note an answer that was no refusal, while `in_flight` (with it) were out."""
        self.failures_in_row = 0
        self._refusals_in_row = 0
        if self._probing and in_flight >= self.limit:
            # The server took as many as the probe allows: go on from here, and try again soon.
            self._probing = False
            self._quiet = self.first_quiet
            self._probe_at = now + self._quiet

    def throttled(self, in_flight: int, now: float, hint: float | None, draw: float) -> None:
        """Note a refusal for being too many, while `in_flight` (with it) were out."""
        self._refusals_in_row += 1
        self.limit = max(1, min(self.limit, in_flight - 1))
        if self._probing:
            self._quiet = min(self.longest_quiet, self._quiet * 2)
        self._probing = False
        self._probe_at = now + self._quiet
        self._hold(now, self._refusals_in_row, hint, draw)

    def failed(self, now: float, hint: float | None, draw: float) -> None:
        """Note a failure that says nothing of the limit: 5xx, a timeout, a lost connection."""
        self.failures_in_row += 1
        if self.broken:
            self._hold(now, self.failures_in_row - BREAKER_AFTER + 3, hint, draw)
        elif hint is not None:
            self._hold(now, 1, hint, draw)

    def _hold(self, now: float, times: int, hint: float | None, draw: float) -> None:
        ceiling = min(self.longest_cool_off, self.first_cool_off * 2.0 ** min(times - 1, 30))
        # Half of it is sure and half is drawn, so that several who were refused part ways.
        cool_off = ceiling * (0.5 + draw / 2)
        self.not_before = max(self.not_before, now + max(cool_off, hint or 0.0))
