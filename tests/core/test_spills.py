"""Repetitions found in two passes, by entries that were put by: what a plain set would say."""

from collections.abc import Callable
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.core.hashtable import MADE_BY, hashes
from bulkdelete.core.identities import joined
from bulkdelete.core.model import Kind
from bulkdelete.core.sketch import Sketch, Sketcher
from bulkdelete.core.spill_arrays import ArrayEntries
from bulkdelete.core.spills import (
    ENTRY,
    RANGES,
    Bits,
    Entries,
    PlainEntries,
    Repeats,
    Run,
    together,
)

WAYS: list[Callable[[], Entries]] = [lambda: PlainEntries(42), lambda: ArrayEntries(42)]
both_ways = pytest.mark.parametrize("make", WAYS, ids=["plain", "arrays"])
IDS = st.lists(st.sampled_from("abcdefghijklé"), max_size=40)
BATCHES = st.lists(st.lists(st.sampled_from("abcdefghé"), min_size=1, max_size=6), max_size=9)


def again(ids: list[str]) -> set[int]:
    """Return the places of what was there before, by a set."""
    seen: set[str] = set()
    return {place for place, one in enumerate(ids) if one in seen or seen.add(one)}  # type: ignore[func-returns-value]


def found(entries: Entries, runs: list[Run], most: int) -> list[int]:
    """Look through runs as the second half of a first pass does, so many entries at a time."""
    numbers: list[int] = []
    totals = [sum(one) for one in zip(*(run.counts for run in runs), strict=True)]
    for ranges in together(totals, most):
        finder = entries.finder(sum(totals[ranges.start : ranges.stop]))
        for run in runs:
            starts = [*accumulate(run.counts, initial=0)]
            start, end = starts[ranges.start], starts[ranges.stop]
            numbers += finder.repeats(run.content[start * ENTRY.size : end * ENTRY.size])
    return numbers


@both_ways
@given(BATCHES, st.integers(1, 12), st.integers(1, 30))
@settings(max_examples=25)
def test_i11_any_runs_and_any_memory_give_the_answer_of_a_set(
    make: Callable[[], Entries], batches: list[list[str]], longest: int, most: int
) -> None:
    """However many entries a run holds, and however many are looked at together."""
    entries, runs, count = make(), [], 0
    for batch in batches:
        entries.add(joined(batch), count)
        count += len(batch)
        if len(entries) >= longest:
            runs.append(entries.cut())
            assert len(entries) == 0
    runs.append(entries.cut())
    numbers = found(entries, runs, most)
    assert sorted(numbers) == sorted(again([one for batch in batches for one in batch]))
    assert sum(sum(run.counts) for run in runs) == count


@both_ways
def test_entries_lie_in_the_range_of_their_hash(make: Callable[[], Entries]) -> None:
    """All over the ranges, in the order of their numbers in each."""
    entries = make()
    ids = [f"u-{number}" for number in range(20_000)]
    entries.add(joined(ids), 5)
    run = entries.cut()
    assert len(run.counts) == RANGES
    assert sum(run.counts) == len(ids)
    assert max(run.counts) < 30
    numbers = [number for _, number in ENTRY.iter_unpack(run.content)]
    assert sorted(numbers) == [*range(5, 20_005)]
    bounds = pairwise(accumulate(run.counts, initial=0))
    assert all(numbers[lo:hi] == sorted(numbers[lo:hi]) for lo, hi in bounds)


@pytest.mark.parametrize(
    ("counts", "most", "expected"),
    [
        ([], 5, []),
        ([0, 0, 0], 5, []),
        ([1, 2, 2, 1], 5, [range(3), range(3, 4)]),
        ([1, 2, 2, 1], 6, [range(4)]),
        ([9, 1, 9], 5, [range(1), range(1, 2), range(2, 3)]),
        ([0, 3, 0, 2, 0, 1], 5, [range(1, 5), range(5, 6)]),
    ],
)
def test_ranges_that_fit_are_looked_at_together(
    counts: list[int], most: int, expected: list[range]
) -> None:
    """Neighbours, as many as fit; one that is too large goes alone."""
    assert list(together(counts, most)) == expected


@given(IDS, st.lists(st.integers(1, 9), max_size=20))
def test_i11_the_second_pass_is_told_what_the_first_one_found(
    ids: list[str], sizes: list[int]
) -> None:
    """By kind and number, whatever the batches are now."""
    bits = {kind: Bits(len(ids)) for kind in Kind}
    bits[Kind.GUID].mark(again(ids))
    repeats = Repeats(bits)
    repeats.expect(10, Kind.GUID)
    places, start = set(), 0
    for size in [*sizes, len(ids)]:
        batch = ids[start : start + size]
        assert repeats.repeated(batch, Kind.IDENTITY, b"") == []
        places |= {start + one for one in repeats.repeated(batch, Kind.GUID, b"")}
        start += len(batch)
    assert places == again(ids)


def test_bits_beyond_what_was_counted_are_none() -> None:
    """A list that grew between the passes is refused later, not here."""
    assert Bits(3).positions(2, 100) == []


def sketched(make: Callable[[Sketcher], Entries], sketcher: Sketcher) -> Sketch:
    """Let entries tell a sketcher."""
    entries = make(sketcher)
    ids = [f"u-{number}" for number in range(3000)]
    for start in range(0, 3000, 700):
        entries.add(joined(ids[start : start + 700]), start)
    return sketcher.sketch()


def test_the_first_pass_makes_the_sketch() -> None:
    """The same one as a pass over a list that fits into memory."""
    plain, quick = Sketcher(7), Sketcher(7, hashes, MADE_BY)
    ids = joined([f"u-{number}" for number in range(3000)])
    plain.look(ids)
    quick.look(ids)
    assert sketched(lambda one: PlainEntries(42, one), Sketcher(7)) == plain.sketch()
    mine = sketched(lambda one: ArrayEntries(42, one), Sketcher(7, hashes, MADE_BY))
    assert mine == quick.sketch()
