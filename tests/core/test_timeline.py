"""How a run went over time: bounded, adding up, and one band for each process start."""

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.core import checkpoint as log
from bulkdelete.core.timeline import BUCKETS, MOST_BANDS, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable


def start(at: float, **more: object) -> log.Start:
    """Return a process start."""
    return log.Start(at=at, pid=1, machine="m", in_flight=3, todo=9, **more)  # type: ignore[arg-type]


def intent(at: float, chunk: int = 0, attempt: int = 1) -> log.Intent:
    """Return an intent of 100 IDs."""
    return log.Intent(chunk=chunk, lo=0, hi=100, attempt=attempt, digest="d", at=at)


def outcome(
    at: float, verdict: str = "accepted", ms: float = 1000.0, bad: tuple[int, ...] = ()
) -> log.Outcome:
    """Return the end of an attempt."""
    return log.Outcome(
        chunk=0, lo=0, hi=100, attempt=1, verdict=verdict, at=at, ms=ms, bad=bad, reason="r"
    )


def of(*records: log.Record) -> Timeline:
    """Return the timeline of these records."""
    timeline = Timeline()
    for record in records:
        timeline.apply(record)
    return timeline


def test_one_start() -> None:
    """IDs land in the bucket of their answer; the mean in flight is over time; the band ends."""
    timeline = of(
        start(1000.0, settings={"rate": "5"}),
        intent(1000.0),
        intent(1000.5, attempt=2),
        outcome(1001.5),
        outcome(1002.0, "partial", bad=(1, 2)),
        intent(1002.0),
        outcome(1002.5, "throttled", 5.0),
        intent(1002.5),
        outcome(1002.5, "failed"),
        log.Seal(at=1003.0, exit=0, ids={}, head="", utilisation=0.5, slots={"gate": 1.5}),
    )
    series = timeline.series()
    assert series.accepted_ids == (0, 100, 98, 0)
    assert series.requests == (0, 1, 2, 0)
    assert (sum(series.throttled), sum(series.retries), sum(series.in_doubt)) == (1, 1, 0)
    assert series.in_flight[:3] == (1.5, 1.5, 0.5)
    (band,) = timeline.bands
    assert (band.how, band.exit, band.begin, band.end) == ("sealed", 0, 0.0, 3.0)
    assert (band.accepted_ids, band.settings, band.utilisation) == (198, {"rate": "5"}, 0.5)
    assert (timeline.slots(), timeline.now) == ({"gate": 1.5}, 3.0)


def test_starts_stand_side_by_side() -> None:
    """A crash, a stop and an open end; a day between two starts takes no room."""
    timeline = of(
        intent(1.0),
        outcome(2.0),
        log.Stop(at=3.0, code="x", exit=1),
        start(1000.0),
        intent(1000.0),
        start(90_000.0, torn=7),
        intent(90_001.0),
        outcome(90_002.0, "ambiguous"),
        log.Stop(at=90_003.0, code="outage", exit=75, message="m", slots={"gate": 1.0}),
        start(200_000.0),
        intent(200_001.0),
        log.Setting(name="rate", value="1", at=200_001.0),
    )
    assert [(one.how, one.begin, one.end) for one in timeline.bands] == [
        ("crashed", 0.0, 0.0),
        ("stopped", 0.0, 3.0),
        ("open", 3.0, 4.0),
    ]
    assert (timeline.bands[1].torn, timeline.bands[1].code) == (7, "outage")
    assert sum(timeline.series().in_doubt) == 1


@settings(max_examples=40)
@given(st.integers(1, 400), st.floats(0.001, 4000.0))
def test_a_million_chunks_or_one_the_size_is_bounded(count: int, step: float) -> None:
    """However long it takes, there are at most so many buckets, and no ID is lost in them."""
    timeline = of(start(0.0))
    for number in range(count):
        timeline.apply(intent(number * step))
        timeline.apply(outcome((number + 1) * step, ms=step * 1000))
    series = timeline.series()
    assert len(series.accepted_ids) <= BUCKETS
    assert sum(series.accepted_ids) == 100 * count
    area = sum(
        value * min(series.width, timeline.now - number * series.width)
        for number, value in enumerate(series.in_flight)
    )
    assert area == pytest.approx(count * step, rel=0.01, abs=series.width * 0.01 + 0.01)
    assert math.log2(series.width) % 1 == 0


def test_percentiles_of_latency() -> None:
    """To the upper edge of a bin of a quarter octave; absurd ones go into the last."""
    timeline = of(start(0.0))
    for ms in (*[100.0] * 60, *[1000.0] * 40, 1e12):
        timeline.apply(intent(0.1))
        timeline.apply(outcome(0.2, ms=ms))
    series = timeline.series()
    assert 100 <= series.p50_ms[0] <= 119
    assert 1000 <= series.p95_ms[0] <= 1190
    assert of(start(0.0), intent(0.5)).series().p50_ms == (0,)


def test_records_that_say_nothing_of_time() -> None:
    """A header or an approval moves nothing."""
    timeline = of(log.Abandon(at=1.0), start(2.0), log.Abandon(at=9.0))
    assert (timeline.now, len(timeline.series().requests)) == (0.0, 0)


def test_clocks_that_say_what_cannot_be() -> None:
    """A time beyond all reason is counted as a very long one, and an end is come to."""
    timeline = of(start(-1.7e308), intent(1.7e308), outcome(1.7e308), intent(0.0))
    assert (timeline.now, timeline.bands[0].end) == (1e12, 1e12)
    assert sum(timeline.series().accepted_ids) == 100
    assert len(timeline.buckets) <= BUCKETS


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("siopx"), st.floats(0.0, 600.0)), max_size=40))
def test_a_copy_stays_as_it_was(told: list[tuple[str, float]]) -> None:
    """Whatever comes later; and what is copied goes on as if it had not been."""
    kinds: dict[str, Callable[[float], log.Record]] = {
        "s": start,
        "i": intent,
        "o": outcome,
        "p": lambda at: log.Stop(at=at, code="x", exit=75),
        "x": lambda at: log.Seal(at=at, exit=0, ids={}, head=""),
    }
    records: list[log.Record] = [start(0.0), *(kinds[kind](at) for kind, at in told)]
    half = len(records) // 2
    early = of(*records[:half])
    went_on = early.copy()
    for record in records[half:]:
        went_on.apply(record)
    assert early == of(*records[:half])
    assert went_on == of(*records)


def test_bands_are_bounded() -> None:
    """Of very many starts the first and the last are kept, and how many were left out."""
    timeline = of(*(start(float(number)) for number in range(MOST_BANDS + 5)))
    assert (len(timeline.bands), timeline.dropped) == (MOST_BANDS, 5)
    assert timeline.bands[0].at == 0.0
