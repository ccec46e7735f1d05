"""A list in stretches, each gone through by another process, and put together as if by one.

A *stretch* is some parts in their order. Of its chunks it tells kind, length and leaf (`digests`),
in the order in which they were full. A chunk belongs to the stretch that it begins in, which reads
on where the next one begins until it is full: its *tail*. Where the chunk becomes full the other
stretch says only that one did, because its beginning was not there to be seen.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bulkdelete.core.chunks import Leaf
from bulkdelete.core.model import Kind

_CUT = struct.Struct("<32sBB")
_KINDS = tuple(Kind)
_NUMBER = {kind: number for number, kind in enumerate(_KINDS)}


@dataclass(frozen=True, slots=True)
class Cuts:
    """The chunks that are full at the end of a stretch, 34 bytes each, and those that are not."""

    chunks: bytes
    tails: tuple[Leaf, ...]


class Cutter:
    """Collects the chunks of a stretch."""

    def __init__(self) -> None:
        self._chunks = bytearray()
        self._tails: list[Leaf] = []
        self._over = False

    def add(self, leaf: Leaf) -> None:
        """Take the next chunk that is full; after `end`, one that was open there."""
        if self._over:
            self._tails.append(leaf)
        else:
            self._chunks += _CUT.pack(leaf.digest, _NUMBER[leaf.kind], leaf.size)

    def end(self) -> None:
        """Say that the stretch is over."""
        self._over = True

    def cuts(self) -> Cuts:
        """Return what was collected."""
        return Cuts(bytes(self._chunks), tuple(self._tails))


class Seams:
    """Puts the chunks of all stretches, in their order, as one list's."""

    def __init__(self) -> None:
        self._open: dict[Kind, Leaf] = {}

    def join(self, cuts: Cuts) -> Iterator[Leaf]:
        """Yield the chunks that are full with the next stretch."""
        for digest, number, size in _CUT.iter_unpack(cuts.chunks):
            kind = _KINDS[number]
            yield Leaf(kind, size, digest) if size else self._open.pop(kind)
        for tail in cuts.tails:
            if tail.kind in self._open:
                raise ValueError("a chunk begins while another of its kind is open")
            self._open[tail.kind] = tail

    def close(self) -> Iterator[Leaf]:
        """Yield what remains, identities before GUIDs."""
        for kind in Kind:
            if tail := self._open.pop(kind, None):
                yield tail


def cut(sizes: Sequence[int], count: int, least: int) -> list[range]:
    """Cut parts of these sizes into about `count` stretches, none smaller than `least`.

    The last may be smaller, and one part may be larger than all others together.
    """
    most = max(least, -(-sum(sizes) // count))
    found, start, size = [], 0, 0
    for number, one in enumerate(sizes):
        size += one
        if size >= most:
            found.append(range(start, number + 1))
            start, size = number + 1, 0
    return [*found, range(start, len(sizes))] if start < len(sizes) else found
