"""A list gone through in stretches comes to what it comes to as one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core import index as codes
from bulkdelete.core.chunks import Leaf, Leaves
from bulkdelete.core.damage import Detector
from bulkdelete.core.identities import joined
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.selection import Selection, Selector
from bulkdelete.core.sketch import Sketch, Sketcher
from bulkdelete.core.spills import Bits, Repeats
from bulkdelete.core.stretches import Cuts, Cutter, Seams, cut

KINDS = st.lists(st.sampled_from(Kind), max_size=40)
BOUNDS = st.lists(st.integers(0, 40), max_size=5)


def records(count: int) -> Batch:
    """Make a batch of so many records."""
    ids = [f"user-{number}" for number in range(count)]
    return Batch(ids, Kind.IDENTITY, range(count), 0, 1)


def bounds(length: int, cuts: list[int]) -> list[int]:
    """Return where stretches begin and end; some hold nothing."""
    return sorted([0, length, *(one % (length + 1) for one in cuts)])


@given(KINDS, st.integers(1, 7), BOUNDS)
def test_chunks_over_any_seams_are_those_of_one_list(
    kinds: list[Kind], size: int, cuts: list[int]
) -> None:
    """Each is told by the stretch that it begins in, and stands where it became full."""
    whole, seams = Leaves(size), Seams()
    expected = [leaf for n, kind in enumerate(kinds) for leaf in whole.feed([f"u{n}"], kind)]
    expected += whole.close()
    found: list[Leaf] = []
    for start, end in pairwise(bounds(len(kinds), cuts)):
        leaves = Leaves(size, {kind: kinds[:start].count(kind) for kind in Kind})
        cutter = Cutter()
        for number in range(start, len(kinds)):
            kind = kinds[number]
            if number == end:
                cutter.end()
            if number < end or leaves.lacking().get(kind):
                for leaf in leaves.feed([f"u{number}"], kind):
                    cutter.add(leaf)
        if end == len(kinds):
            cutter.end()
        for leaf in leaves.close():
            cutter.add(leaf)
        found += seams.join(cutter.cuts())
    assert [*found, *seams.close()] == expected


def test_seams_that_do_not_fit_are_no_plan() -> None:
    """Chunks of two lists are not put together."""
    cutter = Cutter()
    cutter.add(Leaf(Kind.GUID, 0, b""))
    with pytest.raises(KeyError):
        list(Seams().join(cutter.cuts()))
    seams = Seams()
    tail = Cuts(b"", (Leaf(Kind.GUID, 1, b"x" * 32),))
    assert list(seams.join(tail)) == []
    with pytest.raises(ValueError, match="another of its kind"):
        list(seams.join(tail))


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 5), st.integers(1, 40))
def test_stretches_hold_all_parts_in_order(sizes: list[int], count: int, least: int) -> None:
    """Each part once, none of the stretches empty, and only the last smaller than it may be."""
    found = cut(sizes, count, least)
    assert [part for one in found for part in one] == list(range(len(sizes)))
    assert all(found)
    for one in found[:-1]:
        assert sum(sizes[part] for part in one) >= max(least, sum(sizes) / count)


ODD = [
    "user-1",
    "42",
    "0042",
    "1234567890123450",
    "1.0",
    "a;1",
    "ana@example.com",
    "guid",
    "e\u0301",
]
BATCHES = st.lists(
    st.one_of(
        st.lists(st.sampled_from(ODD), min_size=1, max_size=120),
        st.sampled_from([["user-1"] * 60, ["42"] * 60, ["0042"] * 60]),
    ),
    max_size=9,
)


@given(BATCHES, BOUNDS)
def test_damage_is_found_in_stretches_as_in_one_list(
    batches: list[list[str]], cuts: list[int]
) -> None:
    """By count, by place and by the block in which a column changes."""
    one, joined_up = Detector(Kind.IDENTITY), Detector(Kind.IDENTITY)
    for number, ids in enumerate(batches):
        one.look(ids, joined(ids), f"{number // 3}.csv", range(2, 2 + len(ids)))
    for start, end in pairwise(bounds(len(batches), cuts)):
        part = Detector(Kind.IDENTITY, stretch=True)
        for number, ids in enumerate(batches[start:end], start):
            part.look(ids, joined(ids), f"{number // 3}.csv", range(2, 2 + len(ids)))
        joined_up.join(part.seen())
    assert joined_up.findings() == one.findings()
    assert joined_up.shapes == one.shapes
    assert list(joined_up._blocks) == list(one._blocks)


def test_blocks_of_a_long_list_are_joined_where_one_list_joins_them() -> None:
    """How many came before decides it, whoever looked at them."""
    ids = ["user-1", "42"]
    one, joined_up = Detector(Kind.IDENTITY), Detector(Kind.IDENTITY)
    for start in (0, 3000, 6001):
        part = Detector(Kind.IDENTITY, stretch=True)
        for number in range(start, start + 3000):
            for looking in (one, part):
                looking.look(ids, joined(ids), "a.csv", [number, number])
        joined_up.join(part.seen())
    assert list(joined_up._blocks) == list(one._blocks)


def test_a_list_and_a_stretch_are_two_things() -> None:
    """One has findings, and the other what it saw."""
    with pytest.raises(TypeError):
        Detector(Kind.GUID, stretch=True).findings()
    with pytest.raises(TypeError):
        Detector(Kind.GUID).seen()


@given(st.lists(st.integers(0, 3), max_size=40), BOUNDS)
def test_an_index_is_joined_at_any_record(row: list[int], cuts: list[int]) -> None:
    """Codes, reasons and marks are where they were, and numbered as they were."""
    one, many = codes.IndexBuilder(), codes.IndexBuilder()
    before = dict.fromkeys(Kind, 0)
    for number, (start, end) in enumerate(pairwise(bounds(len(row), cuts))):
        piece = codes.IndexBuilder()
        planned = row[:start].count(codes.PLANNED)
        reasons = [at % 3 for at in range(start, end) if row[at] == codes.OUT]
        mark = codes.Mark(number, start, 5, 6, planned, planned, len(one.reasons))
        one.add_mark(mark)
        piece.add_mark(codes.Mark(number, 0, 5, 6, 0, 0, 0))
        one.add(bytes(row[start:end]))
        piece.add(bytes(row[start:end]))
        one.add_reasons(2 - reason for reason in reasons)
        piece.add_reasons(reasons)
        many.join(piece.piece(), before, bytes([2, 1, 0]).ljust(256, b"\0"))
        before = dict.fromkeys(Kind, row[:end].count(codes.PLANNED))
    assert many.sections() == one.sections()


@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=3000, unique=True), BOUNDS)
def test_sketches_are_joined_to_that_of_one_list(hashes: list[int], cuts: list[int]) -> None:
    """Whatever share of its hashes each kept."""
    one, many = Sketcher(7), Sketcher(7)
    one.add(hashes)
    for start, end in pairwise(bounds(len(hashes), cuts)):
        part = Sketcher(7)
        part.add(hashes[start:end])
        many.join(part.sketch())
    assert many.sketch() == one.sketch()


def test_a_long_sketch_halves_the_one_that_it_joins() -> None:
    """The share is that of the whole, and so is what is kept of it."""
    step = (1 << 64) // 3000
    one, many = Sketcher(7), Sketcher(7)
    for start in (0, 1):
        part = Sketcher(7)
        part.add(range(start * step // 2, 1 << 64, step))
        many.join(part.sketch())
        one.add(range(start * step // 2, 1 << 64, step))
    assert many.sketch() == one.sketch()
    assert isinstance(one.sketch(), Sketch)


@given(st.lists(st.booleans(), max_size=40), st.lists(st.booleans(), max_size=40), BOUNDS)
def test_bits_are_counted_and_put_together(
    one: list[bool], other: list[bool], cuts: list[int]
) -> None:
    """Of any numbers, as a list of flags says it."""
    length = min(len(one), len(other))
    one, other = one[:length], other[:length]
    either = [a or b for a, b in zip(one, other, strict=True)]
    bits = Bits.of(bytes(one)) | Bits.of(bytes(other))
    assert bytes(bits) == bytes(Bits.of(bytes(either)))
    marked = Bits(length)
    marked.mark(at for at, flag in enumerate(either) if flag)
    assert bytes(marked) == bytes(bits)
    for start, end in pairwise(bounds(length, cuts)):
        assert bits.count(start, end) == sum(either[start:end])


def test_what_was_marked_is_asked_from_anywhere_on() -> None:
    """Each kind by its own numbers."""
    bits = {kind: Bits.of(bytes([0, 1, 0, 1])) for kind in Kind}
    asked = Repeats(bits, {Kind.GUID: 2})
    assert list(asked.matches(["a", "b"], Kind.IDENTITY)) == [1]
    assert list(asked.matches(["a", "b"], Kind.IDENTITY)) == [1]
    assert list(asked.matches(["a", "b"], Kind.GUID)) == [1]
    assert list(asked.matches([], Kind.GUID)) == []


@given(st.integers(0, 12), st.integers(0, 5), st.integers(0, 5))
def test_a_selection_goes_on_in_the_middle(start: int, skip: int, limit: int) -> None:
    """Who begins behind some records selects as if it had met them."""
    whole = Selector(Selection(skip=skip, limit=limit)).excluded(records(12))
    rest = Selector(Selection(skip=skip, limit=limit), met=start).excluded(records(12 - start))
    assert rest == {at - start: why for at, why in whole.items() if at >= start}
