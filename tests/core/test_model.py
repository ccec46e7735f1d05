"""The nouns refuse impossible values."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.model import (
    MAX_IDS_PER_CHUNK,
    Balance,
    Batch,
    Chunk,
    Kind,
    Piece,
    Span,
    State,
    whole,
)


def names(count: int) -> tuple[str, ...]:
    """Return so many distinct IDs."""
    return tuple(f"u-{number}" for number in range(count))


@pytest.mark.parametrize("count", [1, 2, 99, 100])
def test_a_chunk_holds_1_to_100_ids(count: int) -> None:
    """Both ends of the range are allowed."""
    assert len(Chunk(0, Kind.GUID, names(count)).ids) == count


@pytest.mark.parametrize("count", [0, 101, 1000])
def test_a_chunk_of_another_size_is_refused(count: int) -> None:
    """S3: no request is empty or holds more than 100 IDs."""
    with pytest.raises(ValueError, match=r"1\.\.100"):
        Chunk(0, Kind.IDENTITY, names(count))


def test_a_chunk_with_a_negative_number_is_refused() -> None:
    """Chunks are numbered from 0."""
    with pytest.raises(ValueError, match="number"):
        Chunk(-1, Kind.IDENTITY, names(1))


def test_values_are_frozen() -> None:
    """A chunk cannot be changed after its digest was checked."""
    chunk = Chunk(0, Kind.IDENTITY, names(1))
    with pytest.raises(FrozenInstanceError):
        chunk.ids = ("other",)  # type: ignore[misc]


def test_a_batch_of_one_kind_and_of_several() -> None:
    """The kind of a position comes from the one kind, or from the column."""
    one = Batch(["a", "b"], Kind.GUID, range(2), 0, 1)
    mixed = Batch(["a", "b"], [Kind.GUID, Kind.IDENTITY], range(2), 0, 1)
    assert [one.kind(0), one.kind(1)] == [Kind.GUID, Kind.GUID]
    assert [mixed.kind(0), mixed.kind(1)] == [Kind.GUID, Kind.IDENTITY]
    assert one.faults == {}
    assert one.cells is None


@pytest.mark.parametrize(
    ("seq", "lo", "hi"),
    [(-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 1, 1), (0, 2, 1), (0, 0, 101), (0, 100, 101)],
)
def test_an_impossible_span_is_refused(seq: int, lo: int, hi: int) -> None:
    """A span lies inside a chunk and is not empty."""
    with pytest.raises(ValueError, match="no such span"):
        Span(seq, lo, hi)


SPANS = st.integers(0, MAX_IDS_PER_CHUNK - 1).flatmap(
    lambda lo: st.builds(Span, st.integers(0, 5), st.just(lo), st.integers(lo + 1, 100))
)


@given(SPANS)
def test_halves_cover_a_span_exactly(span: Span) -> None:
    """The halves touch, differ in size by at most one, and one ID cannot be cut."""
    if len(span) == 1:
        with pytest.raises(ValueError, match="no such span"):
            span.halves()
        return
    left, right = span.halves()
    assert (left.seq, left.lo, left.hi) == (span.seq, span.lo, right.lo)
    assert (right.seq, right.hi) == (span.seq, span.hi)
    assert 0 <= len(right) - len(left) <= 1


@given(st.integers(2, 100), st.sampled_from(Kind))
def test_cutting_a_piece_keeps_its_ids_in_order(count: int, kind: Kind) -> None:
    """V11: what is sent in two halves is what was refused in one."""
    piece = whole(Chunk(3, kind, names(count)))
    left, right = piece.cut()
    assert left.ids + right.ids == piece.ids == names(count)
    assert (left.span, right.span) == piece.span.halves()
    assert left.kind is right.kind is kind


def test_the_whole_of_a_chunk_is_a_piece() -> None:
    """It has the chunk's number, kind and IDs."""
    chunk = Chunk(7, Kind.GUID, names(3))
    assert whole(chunk) == Piece(Span(7, 0, 3), Kind.GUID, chunk.ids)


def test_a_piece_with_other_ids_than_its_span_is_refused() -> None:
    """S3: a piece is an exact part of its chunk."""
    with pytest.raises(ValueError, match="its span"):
        Piece(Span(0, 0, 2), Kind.GUID, names(3))


COUNTS = st.lists(st.integers(0, 1000), min_size=len(State), max_size=len(State))


@given(COUNTS)
def test_s6_a_balance_adds_up(counts: list[int]) -> None:
    """The eight states sum up to what was read, and the planned ones to the plan."""
    parts = {state.value: count for state, count in zip(State, counts, strict=True)}
    balance = Balance(read=sum(counts), **parts)
    assert balance.planned == sum(parts[s] for s in ("accepted", "rejected", "ambiguous", "unsent"))


@given(COUNTS, st.integers(-5, 5).filter(bool))
def test_s6_a_balance_that_does_not_add_up_is_refused(counts: list[int], off: int) -> None:
    """There is no balance with an ID too many or too few."""
    parts = {state.value: count for state, count in zip(State, counts, strict=True)}
    with pytest.raises(ValueError, match="add up"):
        Balance(read=sum(counts) + off, **parts)


def test_s6_a_negative_state_is_refused() -> None:
    """Adding up is not enough."""
    with pytest.raises(ValueError, match="add up"):
        Balance(read=0, accepted=1, unsent=-1)
