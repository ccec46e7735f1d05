"""The same IDs always give the same chunks."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.chunks import Chunker, Leaf, Leaves
from bulkdelete.core.digests import leaf
from bulkdelete.core.model import Chunk, Kind

Record = tuple[str, Kind]
KINDS = st.lists(st.sampled_from(Kind), max_size=40)


def records(kinds: list[Kind]) -> list[Record]:
    """Return distinct IDs of these kinds."""
    return [(f"u-{number}", kind) for number, kind in enumerate(kinds)]


def naive(found: list[Record], size: int) -> list[Chunk]:
    """Cut IDs into chunks the plain way: one ID after the other."""
    chunks: list[Chunk] = []
    still: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for one, kind in found:
        still[kind].append(one)
        if len(still[kind]) == size:
            chunks.append(Chunk(len(chunks), kind, tuple(still[kind])))
            still[kind] = []
    for kind in Kind:
        if still[kind]:
            chunks.append(Chunk(len(chunks), kind, tuple(still[kind])))
    return chunks


def fed(chunker: Chunker, found: list[Record], cuts: list[int]) -> list[Chunk]:
    """Feed runs of one kind, cut anywhere besides; close."""
    bounds = sorted({0, len(found), *(cut % (len(found) + 1) for cut in cuts)})
    chunks: list[Chunk] = []
    for start, end in pairwise(bounds):
        run: list[str] = []
        for place in range(start, end):
            run.append(found[place][0])
            last = place + 1 == end or found[place + 1][1] is not found[place][1]
            if last:
                chunks += chunker.feed(run, found[place][1])
                run = []
    return [*chunks, *chunker.close()]


@given(KINDS, st.integers(1, 7), st.lists(st.integers(0, 40), max_size=6))
def test_any_cut_of_the_feeds_gives_the_same_chunks(
    kinds: list[Kind], size: int, cuts: list[int]
) -> None:
    """No end of a block ever flushes a short chunk."""
    found = records(kinds)
    chunker = Chunker(size)
    chunks = fed(chunker, found, cuts)
    assert chunks == naive(found, size)
    assert chunker.next_seq == len(chunks)


@given(KINDS, st.integers(1, 7), st.integers(0, 40), st.lists(st.integers(0, 40), max_size=4))
@example([Kind.GUID] * 3, 2, 3, [])
@example([Kind.GUID] * 3 + [Kind.IDENTITY], 2, 3, [])
@example([Kind.IDENTITY] * 5, 3, 1, [1, 2])
def test_a_reading_resumed_in_the_middle_gives_the_tail(
    kinds: list[Kind], size: int, start: int, cuts: list[int]
) -> None:
    """Numbering goes on, chunks that began earlier are left out, and all others are the same."""
    found = records(kinds)
    start = min(start, len(found))
    before = {kind: sum(one is kind for _, one in found[:start]) for kind in Kind}
    chunker = Chunker(size, before)
    assert chunker.next_seq == sum(count // size for count in before.values())
    chunks = fed(chunker, found[start:], cuts)
    ahead = {one for one, _ in found[:start]}
    everything = naive(found, size)
    assert chunks == [chunk for chunk in everything if not ahead & set(chunk.ids)]
    assert chunker.next_seq == len(everything)


def test_remainders_come_at_the_end_identities_first() -> None:
    """Whatever came first in the input, the short identity chunk comes before the GUIDs'."""
    chunker = Chunker(2)
    assert list(chunker.feed(["g1"], Kind.GUID)) == []
    assert list(chunker.feed(["i1", "i2", "i3"], Kind.IDENTITY)) == [
        Chunk(0, Kind.IDENTITY, ("i1", "i2"))
    ]
    assert list(chunker.close()) == [
        Chunk(1, Kind.IDENTITY, ("i3",)),
        Chunk(2, Kind.GUID, ("g1",)),
    ]
    assert list(chunker.close()) == []


def test_i1_nothing_gives_no_chunks() -> None:
    """An empty list is an empty plan, never everything."""
    chunker = Chunker(100)
    assert list(chunker.feed([], Kind.GUID)) == []
    assert list(chunker.close()) == []
    assert chunker.next_seq == 0


@pytest.mark.parametrize("count", [99, 100, 101, 250])
def test_full_chunks_of_100(count: int) -> None:
    """At the vendor's size the cut falls exactly after 100."""
    chunks = fed(Chunker(100), records([Kind.GUID] * count), [])
    assert [len(chunk.ids) for chunk in chunks[:-1]] == [100] * ((count - 1) // 100)
    assert sum(len(chunk.ids) for chunk in chunks) == count


@given(
    st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 9), st.booleans()), max_size=8),
    st.integers(1, 7),
)
def test_leaves_are_those_of_the_chunks(runs: list[tuple[Kind, int, bool]], size: int) -> None:
    """Hashed in runs, cut anywhere, joined or not: the digests of the chunks that are sent."""
    chunker, leaves = Chunker(size), Leaves(size)
    chunks: list[Chunk] = []
    found: list[Leaf] = []
    for number, (kind, count, even) in enumerate(runs):
        ids = [f"{number}é{one}" for one in range(count)]
        chunks += chunker.feed(ids, kind)
        found += leaves.feed(ids, kind, "\n".join(ids).encode() if even else None)
    chunks += chunker.close()
    assert [*found, *leaves.close()] == [
        Leaf(one.kind, len(one.ids), leaf(one.kind, one.ids)) for one in chunks
    ]
    assert list(leaves.close()) == []
