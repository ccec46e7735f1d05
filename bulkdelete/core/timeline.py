"""How a run went over time, from its records: bounded series, and one band for each process start.

Time is the time spent sending: what lies between two process starts takes no room. There are at
most `BUCKETS` buckets; when the run outgrows them, two become one and the width doubles, so that a
report of a million chunks is as small as one of a thousand.
"""

from copy import copy
from math import log2

import msgspec

from bulkdelete.core import checkpoint as log

BUCKETS = 240
MOST_BANDS = 200
_FINE = 4
_BINS = 20 * _FINE
"""Latencies are counted in bins of a quarter of an octave, up to 17 minutes."""

_LONGEST = 1e12
"""Seconds that a run is believed to have lasted, whatever clocks said."""


class Band(msgspec.Struct, kw_only=True):
    """One process start: from `at`, `begin` to `end` seconds of sending; how it ended, and when.

    `how`: sealed, stopped, crashed (a later one began without a word of this one's end), open.
    """

    at: float
    pid: int
    machine: str
    in_flight: int
    todo: int
    torn: int
    begin: float
    end: float
    how: str = "open"
    code: str = ""
    exit: int | None = None
    message: str = ""
    ended: float | None = None
    accepted_ids: int = 0
    utilisation: float = 0.0
    settings: dict[str, str] = {}
    slots: dict[str, float] = {}


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length: bucket i covers `width` seconds of sending from `i * width` on.

    `accepted_ids` by the bucket of the answer; `in_flight` is a mean; latencies in ms, as the upper
    edge of their bin, 0 where nothing was answered.
    """

    width: float
    accepted_ids: tuple[int, ...]
    requests: tuple[int, ...]
    throttled: tuple[int, ...]
    retries: tuple[int, ...]
    in_doubt: tuple[int, ...]
    in_flight: tuple[float, ...]
    p50_ms: tuple[int, ...]
    p95_ms: tuple[int, ...]


class Bucket(msgspec.Struct, array_like=True):
    """What was counted in `width` seconds; `area`: requests in flight times seconds.

    `bins`: how many answers took so long, by the number of the bin.
    """

    accepted_ids: int = 0
    requests: int = 0
    throttled: int = 0
    retries: int = 0
    in_doubt: int = 0
    area: float = 0.0
    bins: dict[int, int] = {}

    def add(self, other: "Bucket") -> None:
        """Take in what another one counted."""
        self.accepted_ids += other.accepted_ids
        self.requests += other.requests
        self.throttled += other.throttled
        self.retries += other.retries
        self.in_doubt += other.in_doubt
        self.area += other.area
        for number, count in other.bins.items():
            self.bins[number] = self.bins.get(number, 0) + count

    def percentile(self, share: float) -> int:
        """Return the upper edge of the bin that holds it, in ms."""
        wanted = share * sum(self.bins.values())
        seen = 0
        for number in sorted(self.bins):
            seen += self.bins[number]
            if seen >= wanted:
                return round(2 ** ((number + 1) / _FINE) - 1)
        return 0


class Timeline(msgspec.Struct, kw_only=True):
    """Takes the records of a log, in order.

    `now`: the seconds spent sending, so far; `out`: how many requests are in flight.
    """

    width: float = 1.0
    bands: list[Band] = []
    dropped: int = 0
    buckets: list[Bucket] = []
    now: float = 0.0
    out: int = 0

    def copy(self) -> "Timeline":
        """Return one that later records change nothing in."""
        return Timeline(
            width=self.width,
            bands=[*self.bands[:-1], *map(copy, self.bands[-1:])],
            dropped=self.dropped,
            buckets=[msgspec.structs.replace(one, bins=one.bins.copy()) for one in self.buckets],
            now=self.now,
            out=self.out,
        )

    def apply(self, record: log.Record) -> None:
        """Take the next record."""
        match record:
            case log.Intent() if self.bands:
                bucket = self._move(record.at)
                self.out += 1
                bucket.retries += record.attempt > 1
            case log.Outcome() if self.bands:
                bucket = self._move(record.at)
                self.out -= 1
                self._answer(record, bucket)
            case log.Start():
                self._begin(record)
            case log.Stop() | log.Seal() if self.bands:
                self._end(record)

    def _begin(self, record: log.Start) -> None:
        if self.bands and self.bands[-1].how == "open":
            self.bands[-1].how = "crashed"
        self.out = 0
        self.bands.append(
            Band(
                at=record.at,
                pid=record.pid,
                machine=record.machine,
                in_flight=record.in_flight,
                todo=record.todo,
                torn=record.torn,
                begin=self.now,
                end=self.now,
                settings=record.settings,
            )
        )
        if len(self.bands) > MOST_BANDS:
            del self.bands[1]
            self.dropped += 1

    def _end(self, record: log.Stop | log.Seal) -> None:
        self._move(record.at)
        band = self.bands[-1]
        band.ended, band.exit, band.slots = record.at, record.exit, record.slots
        band.utilisation = record.utilisation
        if isinstance(record, log.Stop):
            band.how, band.code, band.message = "stopped", record.code, record.message
        else:
            band.how = "sealed"

    def _answer(self, record: log.Outcome, bucket: Bucket) -> None:
        if record.verdict in {"accepted", "partial"}:
            ids = record.hi - record.lo - len(record.bad)
            bucket.accepted_ids += ids
            self.bands[-1].accepted_ids += ids
        bucket.throttled += record.verdict == "throttled"
        bucket.in_doubt += record.verdict == "ambiguous"
        if record.verdict not in {"failed", "withdrawn"}:
            bucket.requests += 1
            number = min(_BINS - 1, int(_FINE * log2(max(0.0, record.ms) + 1)))
            bucket.bins[number] = bucket.bins.get(number, 0) + 1

    def _move(self, at: float) -> Bucket:
        """Let the time go by until `at`, with as many in flight as are out; return its bucket."""
        band, begin = self.bands[-1], self.now
        end = max(begin, band.begin + at - band.at)
        number = int(begin / self.width)
        if end < (number + 1) * self.width and number < len(self.buckets):
            bucket = self.buckets[number]  # nearly always the same one as before
            bucket.area += (end - begin) * self.out
        else:
            end = min(end, _LONGEST)
            bucket = self._cross(begin, end)
        self.now = band.end = end
        return bucket

    def _cross(self, begin: float, end: float) -> Bucket:
        """Share the time between two moments out among their buckets; makes room for them."""
        while end >= BUCKETS * self.width:
            self._halve()
        number = int(begin / self.width)
        while number * self.width <= end:
            if number == len(self.buckets):
                self.buckets.append(Bucket())
            low, high = number * self.width, (number + 1) * self.width
            self.buckets[number].area += max(0.0, min(end, high) - max(begin, low)) * self.out
            number += 1
        return self.buckets[int(end / self.width)]

    def _halve(self) -> None:
        for number in range(0, len(self.buckets) - 1, 2):
            self.buckets[number].add(self.buckets[number + 1])
        self.buckets = self.buckets[::2]
        self.width *= 2

    def series(self) -> Series:
        """Return the columns."""
        buckets = self.buckets
        covered = [
            min(self.width, max(1e-9, self.now - number * self.width))
            for number in range(len(buckets))
        ]
        return Series(
            width=self.width,
            accepted_ids=tuple(one.accepted_ids for one in buckets),
            requests=tuple(one.requests for one in buckets),
            throttled=tuple(one.throttled for one in buckets),
            retries=tuple(one.retries for one in buckets),
            in_doubt=tuple(one.in_doubt for one in buckets),
            in_flight=tuple(
                round(one.area / seconds, 3) for one, seconds in zip(buckets, covered, strict=True)
            ),
            p50_ms=tuple(one.percentile(0.5) for one in buckets),
            p95_ms=tuple(one.percentile(0.95) for one in buckets),
        )

    def slots(self) -> dict[str, float]:
        """Return the seconds that all slots spent, by what for, over all starts that said so."""
        found: dict[str, float] = {}
        for band in self.bands:
            for name, seconds in band.slots.items():
                found[name] = round(found.get(name, 0.0) + seconds, 3)
        return found
