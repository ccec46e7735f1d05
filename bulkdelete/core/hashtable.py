"""A set of 128-bit hashes in numpy arrays, filled a batch at a time (extra `speed`).

Open addressing with linear probing, at most three quarters full. All keys of a batch probe at
once, round by round; who finds an empty place claims it, and where several claim the same the
first in input order gets it.
"""

from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from bulkdelete.core.dedup import MemoryFullError
from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bulkdelete.core.sketch import Sketcher

    Keys = NDArray[np.complex128]

_SMALLEST = 1 << 16
_PLACE = 16
_FEW = 32
"""So many keys are put in one by one sooner than all at once, in round after round."""

MADE_BY = "xxh3"
"""What a sketch of these hashes says that it is made by."""


def hashes(data: bytes, seed: int) -> "Iterator[int]":
    """Yield the first word of the hash of each ID of `data`, where line feeds join them."""
    for digest in map(xxhash.xxh3_128_digest, data.split(b"\n"), repeat(seed)):
        yield int.from_bytes(digest[:8], "little")


def keys_of(data: bytes, seed: int) -> "NDArray[np.uint64]":
    """Return the hash of each ID of `data`, where line feeds join them, in two words: (n, 2).

    Valid IDs hold no line feed, so this takes them apart as they were put together.
    """
    digests = b"".join(map(xxhash.xxh3_128_digest, data.split(b"\n"), repeat(seed)))
    return np.frombuffer(bytearray(digests), np.uint64).reshape(-1, 2)


def tell(sketcher: "Sketcher", keys: "NDArray[np.uint64]") -> None:
    """Tell a sketcher the first words of the hashes that it may want to keep."""
    low = keys[:, 0]
    sketcher.add(low[low <= np.uint64(sketcher.limit)].tolist())


class SeenHashes:
    """Remembers a seeded 128-bit hash of each ID; `seed` is random and secret, 64 bits.

    The tables take no more than `memory` bytes in all, or as little as they can.
    """

    def __init__(self, seed: int, memory: int, sketcher: "Sketcher | None" = None) -> None:
        self._seed = seed
        self._memory = memory
        self._sketcher = sketcher
        # Made when the first ID of a kind comes: a list of one kind has all of the memory.
        self._tables: dict[Kind, HashTable] = {}

    def expect(self, count: int, kind: Kind) -> None:
        """Make room for `count` IDs of a kind at once, which is cheaper than growing."""
        while count and not self._fits(count, kind):
            count //= 2
        if count:
            self._table(kind).reserve(count)

    def _table(self, kind: Kind) -> "HashTable":
        table = self._tables.get(kind)
        if table is None:
            table = self._tables[kind] = HashTable()
        return table

    def _fits(self, count: int, kind: Kind) -> bool:
        """Tell whether there may be `count` IDs of a kind beside what the other has."""
        others = sum(table.nbytes for one, table in self._tables.items() if one is not kind)
        return others + bytes_for(count) <= self._memory

    def repeated(self, ids: "Sequence[str]", kind: Kind, data: bytes) -> list[int]:
        """Add valid `ids`; return the positions of those seen before, here or earlier."""
        if not ids:
            return []
        before = self._tables[kind].count if kind in self._tables else 0
        if not self._fits(before + len(ids), kind):
            raise MemoryFullError
        keys = keys_of(data, self._seed)
        if self._sketcher is not None:
            tell(self._sketcher, keys)
        found: list[int] = np.flatnonzero(self._table(kind).add(keys)).tolist()
        return found


def bytes_for(count: int) -> int:
    """Return how much memory a table of so many keys takes."""
    size = _SMALLEST
    while 3 * size < 4 * count:
        size *= 2
    return size * _PLACE


class HashTable:
    """The table: 16 bytes a place, at most three of four places taken."""

    def __init__(self) -> None:
        self.count = 0
        self._lay_out(_SMALLEST)

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self._keys.nbytes

    def _lay_out(self, size: int) -> None:
        # A place is one item of 16 bytes, so that it is moved at once and lies in one cache line.
        self._keys = np.zeros(size, np.complex128)
        self._low, self._high = self._keys.view(np.uint64).reshape(-1, 2).T

    def add(self, keys: "NDArray[np.uint64]") -> "NDArray[np.bool_]":
        """Add keys of shape (n, 2); tell for each whether it was there before, or earlier here."""
        self.reserve(self.count + len(keys))
        # Zero marks an empty place, so a key's first word is never zero.
        keys[:, 0] |= keys[:, 0] == 0
        known = self._insert(keys.view(np.complex128)[:, 0])
        self.count += len(keys) - int(np.count_nonzero(known))
        return known

    def _insert(self, keys: "Keys") -> "NDArray[np.bool_]":
        known = np.zeros(len(keys), np.bool_)
        mask = len(self._keys) - 1
        low, high = keys.view(np.uint64).reshape(-1, 2).T
        place = (low & np.uint64(mask)).view(np.int64)
        left = np.arange(len(keys))
        while len(left) > _FEW:
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
        for at, who in zip(place.tolist(), left.tolist(), strict=True):
            known[who] = self._insert_one(at, low.item(who), high.item(who))
        return known

    def _insert_one(self, at: int, low: int, high: int) -> bool:
        """Walk from a place on until the key is met, or an empty place to put it in."""
        mask = len(self._keys) - 1
        while there := self._low.item(at):
            if there == low and self._high.item(at) == high:
                return True
            at = (at + 1) & mask
        self._low[at], self._high[at] = low, high
        return False

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
        size = bytes_for(count) // _PLACE
        if size > len(self._keys):
            keys, low = self._keys, self._low
            self._lay_out(size)
            # Some at a time: what goes in at once takes several times its own memory meanwhile.
            for start in range(0, len(keys), _SMALLEST):
                some = slice(start, start + _SMALLEST)
                self._insert(keys[some][np.flatnonzero(low[some])])
