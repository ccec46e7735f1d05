"""The first of equal IDs stays, by kind, however the input is cut."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.dedup import Seen, SeenIds
from bulkdelete.core.model import Kind

try:
    from bulkdelete.core.hashtable import SeenHashes
except ImportError:  # the extra is not installed
    WAYS: list[Callable[[], Seen]] = [SeenIds]
else:
    WAYS = [SeenIds, lambda: SeenHashes(42)]

both_ways = pytest.mark.parametrize("make", WAYS, ids=["IDs", "hashes"][: len(WAYS)])
RECORDS = st.lists(st.tuples(st.sampled_from("abcdé"), st.sampled_from(Kind)), max_size=30)


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
            again = seen.repeated([records[place][0] for place in places], kind)
            found += [places[position] for position in again]
    assert sorted(found) == naive(records)


@both_ways
@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), max_size=6))
def test_i11_positions_come_in_order(make: Callable[[], Seen], batches: list[list[str]]) -> None:
    """The positions of a batch rise, and fit in it."""
    seen = make()
    for batch in batches:
        again = seen.repeated(batch, Kind.GUID)
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
    assert make().repeated(ids, Kind.IDENTITY) == again


@both_ways
def test_i11_kinds_are_apart(make: Callable[[], Seen]) -> None:
    """An identity and a GUID that read the same are two IDs."""
    seen = make()
    assert seen.repeated(["x"], Kind.IDENTITY) == []
    assert seen.repeated(["x"], Kind.GUID) == []
    assert seen.repeated(["x"], Kind.IDENTITY) == [0]


@both_ways
def test_i11_duplicates_far_apart(make: Callable[[], Seen]) -> None:
    """The last ID of many batches is found to repeat the first."""
    seen = make()
    for start in range(0, 5000, 500):
        assert seen.repeated([str(n) for n in range(start, start + 500)], Kind.GUID) == []
    assert seen.repeated(["4999", "5000", "0", "5000"], Kind.GUID) == [0, 2, 3]
    assert seen.repeated(["5000"], Kind.GUID) == [0]


@both_ways
@pytest.mark.parametrize("expected", [0, 100, 10**6])
def test_what_was_expected_changes_nothing(make: Callable[[], Seen], expected: int) -> None:
    """A wrong guess of the number of IDs, at any time, gives the same answer."""
    seen = make()
    seen.expect(expected, Kind.GUID)
    ids = [f"u-{number}" for number in range(50_000)]
    assert seen.repeated(ids, Kind.GUID) == []
    seen.expect(expected, Kind.GUID)
    assert seen.repeated([*ids[::-1], "new", "new"], Kind.GUID) == [*range(50_000), 50_001]
