"""A *sketch* of a list: a fixed share of the keyed hashes of its IDs, and no ID.

The same key makes the same choice, so two sketches tell how much two lists have in common.
"""

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Hasher = Callable[[bytes, int], Iterable[int]]
    """Gives, for IDs joined by line feeds and a seed, a uniform 64-bit number for each ID."""

SKETCH_SIZE = 1024
"""Hashes that a sketch holds at most."""

LEAST_SAMPLE = 20
"""Hashes from which on a share of them says something."""

_WORD = 64


class Sketch(msgspec.Struct, frozen=True):
    """The hashes below 2^(64 - level) of a list, under the key `seed`; `made_by` is their kind."""

    seed: int
    level: int
    hashes: frozenset[int]
    made_by: str = "xxh3"

    def overlap(self, before: "Sketch") -> float | None:
        """Return the share of this list that was in the one before; None when nothing can tell."""
        if (self.seed, self.made_by) != (before.seed, before.made_by):
            return None
        limit = 1 << (_WORD - max(self.level, before.level))
        mine = {one for one in self.hashes if one < limit}
        if len(mine) < LEAST_SAMPLE:
            return None
        return len(mine & before.hashes) / len(mine)


class Sketcher:
    """Collects a sketch; a list that grows halves the share that is kept."""

    def __init__(self, seed: int, hasher: "Hasher | None" = None, made_by: str = "blake2b") -> None:
        self.seed = seed
        self._hasher = hasher or hashes
        self._made_by = made_by
        self._level = 0
        self._kept: set[int] = set()

    @property
    def limit(self) -> int:
        """Hashes above this are not kept."""
        return (1 << (_WORD - self._level)) - 1

    def look(self, data: bytes) -> None:
        """Take IDs, joined by line feeds."""
        self.add(self._hasher(data, self.seed))

    def add(self, found: "Iterable[int]") -> None:
        """Take hashes of IDs, uniform 64-bit numbers."""
        limit = self.limit
        self._kept.update(one for one in found if one <= limit)
        self._halve()

    def join(self, other: Sketch) -> None:
        """Take what was collected of another stretch of the list, under the same seed."""
        self._level = max(self._level, other.level)
        limit = self.limit
        self._kept = {one for one in self._kept | other.hashes if one <= limit}
        self._halve()

    def _halve(self) -> None:
        while len(self._kept) > SKETCH_SIZE:
            self._level += 1
            limit = self.limit
            self._kept = {one for one in self._kept if one <= limit}

    def sketch(self) -> Sketch:
        """Return what was collected."""
        return Sketch(self.seed, self._level, frozenset(self._kept), self._made_by)


def hashes(data: bytes, seed: int) -> "Iterator[int]":
    """Yield the hash of each ID of `data`, where they are joined by line feeds."""
    key = seed.to_bytes(8, "little")
    for one in data.split(b"\n"):
        yield int.from_bytes(hashlib.blake2b(one, digest_size=8, key=key).digest(), "little")
