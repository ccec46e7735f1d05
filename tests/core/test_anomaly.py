"""What is out of the usual for a job, and what two sketches tell."""

import random
from functools import partial

import pytest

from bulkdelete.core.anomaly import LEAST_HISTORY, Night, anomalies, check_anomaly
from bulkdelete.core.dedup import SeenIds
from bulkdelete.core.hashtable import MADE_BY, SeenHashes, hashes
from bulkdelete.core.identities import joined
from bulkdelete.core.model import Kind
from bulkdelete.core.plan import Counts
from bulkdelete.core.sketch import LEAST_SAMPLE, SKETCH_SIZE, Sketch, Sketcher
from bulkdelete.errors import GuardError


def sketch(ids: list[str], seed: int = 7) -> Sketch:
    """Make the sketch of a list, by the quick hashes."""
    sketcher = Sketcher(seed, hashes, MADE_BY)
    sketcher.look(joined(ids))
    return sketcher.sketch()


def plain(ids: list[str]) -> Sketch:
    """Make the sketch of a list where the extra is not installed."""
    sketcher = Sketcher(7)
    sketcher.look(joined(ids))
    return sketcher.sketch()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_without_the_extra_a_sketch_tells_the_same(share: float) -> None:
    """By the standard library's hashes; of the two kinds neither can be held against the other."""
    first, second = ids(0, 3000), ids(round(3000 * (1 - share)), 3000)
    found = plain(second).overlap(plain(first))
    assert found == pytest.approx(share, abs=0.06)
    assert plain(first).overlap(sketch(first)) is None
    assert sketch(first).overlap(plain(first)) is None


def test_the_plain_hashes_stay_what_they_are() -> None:
    """Sketches of last month are held against tonight's: same key, same numbers, same name."""
    sketcher = Sketcher(7)
    sketcher.look(b"ann\nbob")
    assert sketcher.sketch() == Sketch(
        seed=7,
        level=0,
        hashes=frozenset({2678658018061249237, 10073599771154344068}),
        made_by="blake2b",
    )
    other = Sketcher(8)
    other.look(b"ann")
    assert other.sketch().hashes == {18249074906905899638}


def ids(first: int, count: int) -> list[str]:
    """Return consecutive IDs."""
    return [f"user-{number}" for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("planned", "past", "held"),
    [
        (1000, [1000] * 3, False),
        (3000, [1000, 900, 10], False),
        (3001, [1000, 900, 10], True),
        (3001, [10, 900, 1000], True),
        (3001, [1000] * 2, False),
        (110, [10] * 3, False),
        (111, [10] * 3, True),
        (1, [1000] * 3, False),
        (3001, [1000] * 10 + [2000], True),
        (3001, [1000] * 9 + [2000], False),
    ],
)
def test_h1_the_size_of_a_job(planned: int, past: list[int], held: bool) -> None:
    """Three times the largest of the last ten runs, once there are three."""
    found = anomalies(Night(planned, 0.0), [Night(one, 0.0) for one in past])
    assert bool(found) is held
    assert all(f"holds {planned:,} IDs" in one for one in found)


@pytest.mark.parametrize(
    ("now", "past", "held"),
    [
        (0.5, [0.0] * 3, False),
        (0.51, [0.0] * 3, True),
        (0.75, [0.25, 0.0, 0.0], False),
        (0.76, [0.0, 0.25, 0.0], True),
        (5.0, [0.0, 0.0], False),
    ],
)
def test_i8_the_share_of_invalid_ids_of_a_job(now: float, past: list[float], held: bool) -> None:
    """Three times the worst, and half a point more."""
    assert bool(anomalies(Night(9, now), [Night(9, one) for one in past])) is held


def test_h1_the_list_before_instead_of_a_new_one() -> None:
    """A job that has a new list each night gets yesterday's again, or the other way round."""
    other = [Night(2000, 0.0, sketch(ids(first, 2000))) for first in (0, 2000, 4000)]
    assert anomalies(Night(2000, 0.0, sketch(ids(6000, 2000))), other) == []
    (found,) = anomalies(Night(2000, 0.0, sketch(ids(0, 2000))), other)
    assert "100% of its IDs were in the list before" in found
    same = [Night(2000, 0.0, sketch(ids(first, 2000))) for first in (0, 20, 40)]
    assert anomalies(Night(2000, 0.0, sketch(ids(60, 2000))), same) == []
    (found,) = anomalies(Night(2000, 0.0, sketch(ids(9000, 2000))), same)
    assert "only 0% of its IDs" in found
    between = [other[0], Night(2000, 0.0, sketch(ids(1000, 2000))), other[1]]
    assert anomalies(Night(2000, 0.0, sketch(ids(0, 2000))), between) == []


def test_without_sketches_the_lists_are_not_compared() -> None:
    """No extra, another key, too few: nothing is said."""
    there = sketch(ids(0, 2000))
    bare = [Night(2000, 0.0)] * LEAST_HISTORY
    with_one = [Night(2000, 0.0, there), Night(2000, 0.0), Night(2000, 0.0)]
    assert anomalies(Night(2000, 0.0, there), bare) == []
    assert anomalies(Night(2000, 0.0, there), with_one) == []
    assert there.overlap(sketch(ids(0, 2000), seed=8)) is None
    assert sketch(ids(0, LEAST_SAMPLE - 1)).overlap(there) is None
    few = sketch(ids(0, LEAST_SAMPLE))
    assert few.overlap(few) == 1.0


@pytest.mark.parametrize(("count", "before"), [(900, 900), (50_000, 3000), (3000, 50_000)])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_sketch_estimates_the_overlap(count: int, before: int, share: float) -> None:
    """Lists of different length are compared on the part that both kept."""
    common = int(min(count, before) * share)
    one = sketch(ids(0, count))
    other = sketch(ids(0, common) + ids(10**6, before - common))
    assert len(one.hashes) <= SKETCH_SIZE
    found = one.overlap(other)
    assert found is not None
    assert found == pytest.approx(common / count, abs=0.1)


def test_both_ways_to_deduplicate_make_the_same_sketch() -> None:
    """A job's list may grow past where the table of hashes is used."""
    names = [f"u{random.Random(n).getrandbits(60)}" for n in range(5000)]
    for make in (partial(SeenHashes, 7), SeenIds):
        sketcher = Sketcher(7, hashes, MADE_BY)
        seen = make(64 << 20, sketcher)
        for start in range(0, 5000, 700):
            some = names[start : start + 700]
            seen.repeated(some, Kind.IDENTITY, joined(some))
        assert sketcher.sketch() == sketch(names)


def test_an_anomaly_is_held_with_its_reasons() -> None:
    """Exit 4, all reasons, and how to go on."""
    counts = Counts(
        read=1000, planned=990, duplicate=0, protected=0, invalid=10, excluded=0,
        identities=990, guids=0, chunks=10,
    )  # fmt: skip
    night = Night.of(counts, None)
    assert (night.planned, night.invalid) == (990, 1.0)
    empty = Counts(**dict.fromkeys(Counts.__struct_fields__, 0))
    assert Night.of(empty, None).invalid == 0.0
    past = [Night(10, 0.0)] * 3
    with pytest.raises(GuardError, match=r"990 IDs.*1\.0 % of its IDs are invalid") as caught:
        check_anomaly(night, past)
    assert (caught.value.code, caught.value.exit) == ("anomaly", 4)
    check_anomaly(Night(20, 0.0), past)
