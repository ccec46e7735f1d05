"""A set of 128-bit hashes in numpy arrays, filled a batch at a time (extra `speed`).

Open addressing with linear probing, at most three quarters full. All keys of a batch probe at
once, round by round; who finds an empty place claims it, and where several claim the same the
first in input order gets it.
"""

from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bulkdelete.core.sketch import Sketcher

    Keys = NDArray[np.complex128]

_SMALLEST = 1 << 16

MADE_BY = "xxh3"
"""What a sketch of these hashes says that it is made by."""


def hashes(data: bytes, seed: int) -> "Iterator[int]":
    """Yield the first word of the hash of each ID of `data`, where line feeds join them."""
    for digest in map(xxhash.xxh3_128_digest, data.split(b"\n"), repeat(seed)):
        yield int.from_bytes(digest[:8], "little")


class SeenHashes:
    """Remembers a seeded 128-bit hash of each ID; `seed` is random and secret, 64 bits.

    A sketcher is told the first words of the hashes that it may want to keep.
    """

    def __init__(self, seed: int, sketcher: "Sketcher | None" = None) -> None:
        self._seed = seed
        self._sketcher = sketcher
        self._tables = {kind: HashTable() for kind in Kind}

    def expect(self, count: int, kind: Kind) -> None:
        """Make room for `count` IDs of a kind at once, which is cheaper than growing."""
        self._tables[kind].reserve(count)

    def repeated(self, ids: "Sequence[str]", kind: Kind, data: bytes | None = None) -> list[int]:
        """Add valid `ids`; return the positions of those seen before, here or earlier."""
        if not ids:
            return []
        digest = xxhash.xxh3_128_digest
        # Valid IDs hold no line feed, so this takes them apart as they were put together.
        parts = ("\n".join(ids).encode() if data is None else data).split(b"\n")
        digests = b"".join(map(digest, parts, repeat(self._seed)))
        words = np.frombuffer(bytearray(digests), np.uint64).reshape(-1, 2)
        if self._sketcher is not None:
            low = words[:, 0]
            self._sketcher.add(low[low <= np.uint64(self._sketcher.limit)].tolist())
        found: list[int] = np.flatnonzero(self._tables[kind].add(words)).tolist()
        return found


class HashTable:
    """The table: 16 bytes a place, at most three of four places taken."""

    def __init__(self) -> None:
        self._count = 0
        self._lay_out(_SMALLEST)

    def _lay_out(self, size: int) -> None:
        # A place is one item of 16 bytes, so that it is moved at once and lies in one cache line.
        self._keys = np.zeros(size, np.complex128)
        self._low, self._high = self._keys.view(np.uint64).reshape(-1, 2).T

    def add(self, keys: "NDArray[np.uint64]") -> "NDArray[np.bool_]":
        """Add keys of shape (n, 2); tell for each whether it was there before, or earlier here."""
        self.reserve(self._count + len(keys))
        # Zero marks an empty place, so a key's first word is never zero.
        keys[:, 0] |= keys[:, 0] == 0
        known = self._insert(keys.view(np.complex128)[:, 0])
        self._count += len(keys) - int(np.count_nonzero(known))
        return known

    def _insert(self, keys: "Keys") -> "NDArray[np.bool_]":
        known = np.zeros(len(keys), np.bool_)
        mask = len(self._keys) - 1
        low, high = keys.view(np.uint64).reshape(-1, 2).T
        place = (low & np.uint64(mask)).view(np.int64)
        left = np.arange(len(keys))
        while len(left):
            there = self._low[place]
            empty = there == 0
            done = there == low[left]
            if done.any():
                done[done] = self._high[place[done]] == high[left[done]]
                known[left[done]] = True
            self._claim(np.flatnonzero(empty), place, left, keys, done)
            # Who lost a claim looks again at the same place: it may hold the same key now.
            place += ~empty
            place &= mask
            rest = np.flatnonzero(~done)
            place, left = place[rest], left[rest]
        return known

    def _claim(
        self,
        who: "NDArray[np.int64]",
        place: "NDArray[np.int64]",
        left: "NDArray[np.int64]",
        keys: "Keys",
        done: "NDArray[np.bool_]",
    ) -> None:
        """Put a key into each empty place, and mark those who got one as done."""
        at = place[who]
        # Of several assignments to one place the last stands: so the first in order goes last.
        self._low[at[::-1]] = who[::-1]
        first = np.flatnonzero(self._low[at] == who.view(np.uint64))
        who = who[first]
        self._keys[at[first]] = keys[left[who]]
        done[who] = True

    def reserve(self, count: int) -> None:
        """Make room for `count` keys in all."""
        size = len(self._keys)
        while 3 * size < 4 * count:
            size *= 2
        if size != len(self._keys):
            old = self._keys[np.flatnonzero(self._low)]
            self._lay_out(size)
            self._insert(old)
