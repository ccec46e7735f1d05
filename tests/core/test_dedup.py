"""The first of equal IDs stays, by kind, however the input is cut."""

import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.dedup import MemoryFullError, Seen, SeenIds
from bulkdelete.core.hashtable import HashTable, SeenHashes, bytes_for
from bulkdelete.core.identities import joined
from bulkdelete.core.model import Kind

ROOM = 64 << 20
WAYS: list[Callable[[], Seen]] = [lambda: SeenIds(ROOM), lambda: SeenHashes(42, ROOM)]

both_ways = pytest.mark.parametrize("make", WAYS, ids=["IDs", "hashes"])
RECORDS = st.lists(st.tuples(st.sampled_from("abcdé"), st.sampled_from(Kind)), max_size=30)


def repeated(seen: Seen, ids: list[str], kind: Kind = Kind.IDENTITY) -> list[int]:
    """Add IDs as the survey does."""
    return seen.repeated(ids, kind, joined(ids))


def naive(records: list[tuple[str, Kind]]) -> list[int]:
    """Return the places of what was there before, the slow and plain way."""
    return [place for place, one in enumerate(records) if one in records[:place]]


@both_ways
@given(RECORDS, st.lists(st.integers(0, 30), max_size=5))
def test_i11_any_cut_gives_the_naive_answer(
    make: Callable[[], Seen], records: list[tuple[str, Kind]], cuts: list[int]
) -> None:
    """Batches of any size, and of one kind at a time, find exactly the later ones."""
    seen = make()
    bounds = sorted({0, len(records), *(cut % (len(records) + 1) for cut in cuts)})
    found = []
    for start, end in pairwise(bounds):
        for kind in Kind:
            places = [place for place in range(start, end) if records[place][1] is kind]
            again = repeated(seen, [records[place][0] for place in places], kind)
            found += [places[position] for position in again]
    assert sorted(found) == naive(records)


@both_ways
@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), max_size=6))
def test_i11_positions_come_in_order(make: Callable[[], Seen], batches: list[list[str]]) -> None:
    """The positions of a batch rise, and fit in it."""
    seen = make()
    for batch in batches:
        again = repeated(seen, batch, Kind.GUID)
        assert again == sorted(set(again))
        assert all(0 <= position < len(batch) for position in again)


@both_ways
@pytest.mark.parametrize(
    ("ids", "again"),
    [
        ([], []),
        (["a", "b"], []),
        (["a", "a", "a"], [1, 2]),
        (["Zoë", "Zoe\u0308"], []),
        (["a", "A", " a"], []),
    ],
)
def test_i11_what_is_equal(make: Callable[[], Seen], ids: list[str], again: list[int]) -> None:
    """Only byte-equal IDs are equal: forms and cases are kept distinct."""
    assert repeated(make(), ids) == again


@both_ways
def test_i11_kinds_are_apart(make: Callable[[], Seen]) -> None:
    """An identity and a GUID that read the same are two IDs."""
    seen = make()
    assert repeated(seen, ["x"], Kind.IDENTITY) == []
    assert repeated(seen, ["x"], Kind.GUID) == []
    assert repeated(seen, ["x"], Kind.IDENTITY) == [0]


@both_ways
def test_i11_duplicates_far_apart(make: Callable[[], Seen]) -> None:
    """The last ID of many batches is found to repeat the first."""
    seen = make()
    for start in range(0, 5000, 500):
        assert repeated(seen, [str(n) for n in range(start, start + 500)], Kind.GUID) == []
    assert repeated(seen, ["4999", "5000", "0", "5000"], Kind.GUID) == [0, 2, 3]
    assert repeated(seen, ["5000"], Kind.GUID) == [0]


@both_ways
@pytest.mark.parametrize("expected", [0, 100, 10**6])
def test_what_was_expected_changes_nothing(make: Callable[[], Seen], expected: int) -> None:
    """A wrong guess of the number of IDs, at any time, gives the same answer."""
    seen = make()
    seen.expect(expected, Kind.GUID)
    ids = [f"u-{number}" for number in range(50_000)]
    assert repeated(seen, ids, Kind.GUID) == []
    seen.expect(expected, Kind.GUID)
    assert repeated(seen, [*ids[::-1], "new", "new"], Kind.GUID) == [*range(50_000), 50_001]


def test_a_set_takes_about_the_memory_it_may() -> None:
    """Each new ID counts, repetitions do not; full is said before anything more is taken."""
    seen = SeenIds(300)
    assert repeated(seen, ["a", "b"]) == []
    for _ in range(9):
        assert repeated(seen, ["a", "b"]) == [0, 1]
    assert repeated(seen, ["c"]) == []
    for _ in range(2):
        with pytest.raises(MemoryFullError):
            repeated(seen, ["a"])
    assert repeated(seen, []) == []


def test_the_tables_take_no_more_than_the_memory_they_may() -> None:
    """Both kinds together, also where more IDs were expected; what was said before holds."""
    seen = SeenHashes(42, 3 << 20)
    seen.expect(10**9, Kind.IDENTITY)
    seen.expect(10**9, Kind.GUID)
    ids = [f"u-{number}" for number in range(3 << 15)]
    assert repeated(seen, ids) == []
    with pytest.raises(MemoryFullError):
        repeated(seen, ["one more"])
    assert repeated(seen, ids[: 3 << 14], Kind.GUID) == []
    with pytest.raises(MemoryFullError):
        repeated(seen, ["one more"], Kind.GUID)
    assert repeated(seen, []) == []


def test_a_table_that_grows_takes_little_but_its_old_and_its_new_place() -> None:
    """Its keys move some at a time: all of them at once took three times as much again."""
    table = HashTable()
    keys = np.random.default_rng(1).integers(1, 1 << 63, (3 << 17, 2), np.uint64)
    assert not table.add(keys).any()
    before = table.nbytes
    tracemalloc.start()
    table.reserve(table.count + 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.nbytes == 2 * before
    assert peak - table.nbytes < before
    assert table.add(keys).all()


@pytest.mark.parametrize("expected", [0, 3 << 14, 10**9])
def test_a_list_of_one_kind_has_all_of_the_memory(expected: int) -> None:
    """What fits into a table of that size fits: nothing is kept for the kind that never comes."""
    seen = SeenHashes(42, bytes_for(3 << 15))
    seen.expect(expected, Kind.IDENTITY)
    assert repeated(seen, [f"u-{number}" for number in range(3 << 15)]) == []
    for kind in Kind:
        with pytest.raises(MemoryFullError):
            repeated(seen, ["one more"], kind)


@pytest.mark.parametrize(
    ("count", "places"), [(0, 1 << 16), (3 << 14, 1 << 16), ((3 << 14) + 1, 1 << 17)]
)
def test_a_table_is_three_quarters_full(count: int, places: int) -> None:
    """Sixteen bytes a place, and places by powers of two."""
    assert bytes_for(count) == 16 * places
