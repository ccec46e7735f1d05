"""How a run went over time, from its records: bounded series, and one band for each process start.

Time is the time spent sending: what lies between two process starts takes no room. There are at
most `BUCKETS` buckets; when the run outgrows them, two become one and the width doubles, so that a
report of a million chunks is as small as one of a thousand.
"""

from dataclasses import dataclass, field
from math import log2
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import checkpoint as log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUCKETS = 240
MOST_BANDS = 200
_FINE = 4
_BINS = 20 * _FINE
"""Latencies are counted in bins of a quarter of an octave, up to 17 minutes."""


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


@dataclass(slots=True)
class _Bucket:
    accepted_ids: int = 0
    requests: int = 0
    throttled: int = 0
    retries: int = 0
    in_doubt: int = 0
    area: float = 0.0
    bins: list[int] = field(default_factory=lambda: [0] * _BINS)

    def add(self, other: "_Bucket") -> None:
        """Take in what another one counted."""
        self.accepted_ids += other.accepted_ids
        self.requests += other.requests
        self.throttled += other.throttled
        self.retries += other.retries
        self.in_doubt += other.in_doubt
        self.area += other.area
        self.bins = [a + b for a, b in zip(self.bins, other.bins, strict=True)]

    def percentile(self, share: float) -> int:
        """Return the upper edge of the bin that holds it, in ms."""
        total = sum(self.bins)
        seen = 0
        for number, count in enumerate(self.bins):
            seen += count
            if total and seen >= share * total:
                return round(2 ** ((number + 1) / _FINE) - 1)
        return 0


class Timeline:
    """Takes the records of a log, in order."""

    def __init__(self) -> None:
        self.width = 1.0
        self.bands: list[Band] = []
        self.dropped = 0
        self._buckets: list[_Bucket] = []
        self._now = 0.0
        self._out = 0

    def witness(self, _: object, group: "Iterable[log.Record]", __: str) -> None:
        """Take the next commit group, as whoever replays a log tells it."""
        for record in group:
            self.apply(record)

    def apply(self, record: log.Record) -> None:
        """Take the next record."""
        match record:
            case log.Start():
                self._begin(record)
            case log.Intent() if self.bands:
                self._move(record.at)
                self._out += 1
                self._at().retries += record.attempt > 1
            case log.Outcome() if self.bands:
                self._move(record.at)
                self._out -= 1
                self._answer(record)
            case log.Stop() | log.Seal() if self.bands:
                self._end(record)

    def _begin(self, record: log.Start) -> None:
        if self.bands and self.bands[-1].how == "open":
            self.bands[-1].how = "crashed"
        self._out = 0
        self.bands.append(
            Band(
                at=record.at,
                pid=record.pid,
                machine=record.machine,
                in_flight=record.in_flight,
                todo=record.todo,
                torn=record.torn,
                begin=self._now,
                end=self._now,
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

    def _answer(self, record: log.Outcome) -> None:
        bucket = self._at()
        if record.verdict in {"accepted", "partial"}:
            ids = record.hi - record.lo - len(record.bad)
            bucket.accepted_ids += ids
            self.bands[-1].accepted_ids += ids
        bucket.throttled += record.verdict == "throttled"
        bucket.in_doubt += record.verdict == "ambiguous"
        if record.verdict not in {"failed", "withdrawn"}:
            bucket.requests += 1
            bucket.bins[min(_BINS - 1, int(_FINE * log2(max(0.0, record.ms) + 1)))] += 1

    def _move(self, at: float) -> None:
        """Let the time go by until `at`, with as many in flight as are out."""
        band = self.bands[-1]
        then = max(self._now, band.begin + at - band.at)
        for bucket, seconds in self._between(self._now, then):
            bucket.area += seconds * self._out
        self._now = band.end = then

    def _between(self, begin: float, end: float) -> "Iterator[tuple[_Bucket, float]]":
        """Yield the buckets between two times, each with its seconds; makes room for them."""
        while end >= BUCKETS * self.width:
            self._halve()
        number = int(begin / self.width)
        while number * self.width <= end:
            if number == len(self._buckets):
                self._buckets.append(_Bucket())
            low, high = number * self.width, (number + 1) * self.width
            yield self._buckets[number], max(0.0, min(end, high) - max(begin, low))
            number += 1

    def _halve(self) -> None:
        for number in range(0, len(self._buckets) - 1, 2):
            self._buckets[number].add(self._buckets[number + 1])
        self._buckets = self._buckets[::2]
        self.width *= 2

    def _at(self) -> _Bucket:
        return self._buckets[int(self._now / self.width)]

    @property
    def seconds(self) -> float:
        """The time spent sending, so far."""
        return self._now

    def series(self) -> Series:
        """Return the columns."""
        buckets = self._buckets
        covered = [
            min(self.width, max(1e-9, self._now - number * self.width))
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
