"""plan.index holds two bits a record, and gives them back for any window."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.index import (
    CHUNK,
    COUNTS,
    DUPLICATE,
    MAGIC,
    MARK,
    OUT,
    PROTECTED,
    ChunkEntry,
    IndexBuilder,
    IndexShape,
    Mark,
    left_out,
    planned,
    row,
    unpacked,
)
from bulkdelete.core.model import Kind

CODES = st.lists(st.integers(0, 3), max_size=40)


def built(codes: list[int], cuts: list[int]) -> IndexBuilder:
    """Build an index of these codes, fed in any pieces."""
    builder = IndexBuilder()
    bounds = sorted({0, len(codes), *(cut % (len(codes) + 1) for cut in cuts)})
    for start, end in pairwise(bounds):
        window = codes[start:end]
        builder.add(row(len(window), {place: code for place, code in enumerate(window) if code}))
    return builder


@given(CODES, st.lists(st.integers(0, 40), max_size=5), st.integers(0, 40), st.integers(0, 40))
def test_codes_come_back_for_any_window(
    codes: list[int], cuts: list[int], one: int, other: int
) -> None:
    """Whatever the feeds and whatever the window, each record keeps its code."""
    first, end = sorted((one % (len(codes) + 1), other % (len(codes) + 1)))
    packed = built(codes, cuts).sections()[1]
    window = packed[first >> 2 : (end + 3) >> 2]
    expected = codes[first:end]
    assert list(unpacked(window, first, end - first)) == expected
    assert list(unpacked(packed[first >> 2 :], first, end - first)) == expected


def test_the_bits_are_where_the_layout_says() -> None:
    """Four records a byte, the first in the lowest bits."""
    builder = built([DUPLICATE, 0, PROTECTED, OUT, OUT], [])
    assert builder.sections()[1] == bytes([0b11_10_00_01, 0b11])
    assert builder.records == 5


def test_a_long_stretch_of_planned_records() -> None:
    """Whole bytes without an exception between two that have one."""
    packed = built([DUPLICATE, *[0] * 20, OUT], []).sections()[1]
    assert unpacked(packed, 0, 22) == bytes([DUPLICATE, *[0] * 20, OUT])
    assert unpacked(packed[1:], 4, 12) == bytes(12)


@given(CODES)
def test_an_index_is_read_as_it_was_built(codes: list[int]) -> None:
    """Head, codes, reasons, chunks and marks lie where the shape says."""
    builder = built(codes, [])
    for number in range(codes.count(OUT)):
        builder.add_reasons([number % 7])
    builder.add_chunk(Kind.GUID, 3, b"d" * 16)
    builder.add_chunk(Kind.IDENTITY, 1, b"e" * 16)
    mark = Mark(part=2, record=3, offset=10**12, line=5, identities=6, guids=7, reasons=8)
    builder.add_mark(mark)
    sections = builder.sections()
    data = b"".join(sections)
    shape = IndexShape.unpack(data[: COUNTS.size])
    assert (shape.records, shape.reasons, shape.chunks, shape.marks) == (
        len(codes),
        codes.count(OUT),
        2,
        1,
    )
    assert shape.size == len(data)
    assert data[shape.codes_at : shape.reasons_at] == sections[1]
    assert list(data[shape.reasons_at : shape.chunks_at]) == list(builder.reasons)
    entries = [
        ChunkEntry.unpack(data[at : at + CHUNK.size])
        for at in range(shape.chunks_at, shape.marks_at, CHUNK.size)
    ]
    assert entries == [
        ChunkEntry(b"d" * 16, Kind.GUID, 3),
        ChunkEntry(b"e" * 16, Kind.IDENTITY, 1),
    ]
    assert Mark.unpack(data[shape.marks_at :]) == mark


def test_i1_an_empty_index() -> None:
    """No record, no chunk: a head and nothing else."""
    data = b"".join(IndexBuilder().sections())
    assert data == MAGIC + bytes(32)
    assert IndexShape.unpack(data).size == len(data)
    assert unpacked(b"", 0, 0) == b""


@pytest.mark.parametrize(
    "head", [b"", MAGIC, b"BDINDEX2" + bytes(32), MAGIC + bytes(31), MAGIC + bytes(33)]
)
def test_d17_another_file_is_no_index(head: bytes) -> None:
    """C5: a head of another version or length is refused."""
    with pytest.raises(ValueError, match=r"not a plan\.index"):
        IndexShape.unpack(head)


def test_a_kind_that_does_not_exist_is_refused() -> None:
    """A damaged entry is no chunk of some kind."""
    with pytest.raises(ValueError, match="kind 2"):
        ChunkEntry.unpack(CHUNK.pack(b"d" * 16, 2, 1))


@given(st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6), st.integers(0, 2**32 - 1))
def test_marks_come_back(numbers: list[int], part: int) -> None:
    """Any place to seek by is read as it was written, in 52 bytes."""
    mark = Mark(part, *numbers)
    assert len(mark.pack()) == MARK.size == 52
    assert Mark.unpack(mark.pack()) == mark
    assert mark.before == {Kind.IDENTITY: mark.identities, Kind.GUID: mark.guids}


def test_numbers_that_do_not_fit_are_refused() -> None:
    """Nothing is cut off in silence."""
    with pytest.raises(struct.error):
        Mark(2**32, 0, 0, 1, 0, 0, 0).pack()


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=70))
def test_what_is_left_out_besides_replaces_any_code(rows: list[tuple[int, bool]]) -> None:
    """And what is planned is what has no code."""
    codes = bytes(code for code, _ in rows)
    found = left_out(codes, bytes(out for _, out in rows))
    assert list(found) == [OUT if out else code for code, out in rows]
    assert list(planned(found)) == [not out and not code for code, out in rows]
