"""A set of 128-bit hashes in numpy arrays, filled a batch at a time (extra `speed`).

Open addressing with linear probing, at most three quarters full. All keys of a batch probe at
once, round by round; who finds an empty place claims it, and where several claim the same the
first in input order gets it.
"""

from typing import TYPE_CHECKING

import numpy as np
import xxhash

from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

_SMALLEST = 1 << 16


class SeenHashes:
    """Remembers a seeded 128-bit hash of each ID; `seed` is random, 64 bits."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tables = {kind: HashTable() for kind in Kind}

    def expect(self, count: int, kind: Kind) -> None:
        """Make room for `count` IDs of a kind at once, which is cheaper than growing."""
        self._tables[kind].reserve(count)

    def repeated(self, ids: "Sequence[str]", kind: Kind) -> list[int]:
        """Add valid `ids`; return the positions of those seen before, here or earlier."""
        if not ids:
            return []
        digest, seed = xxhash.xxh3_128_digest, self._seed
        # Valid IDs hold no line feed, so this takes them apart as they were put together.
        data = b"".join([digest(one, seed) for one in "\n".join(ids).encode().split(b"\n")])
        words = np.frombuffer(data, np.uint64).reshape(-1, 2)
        found: list[int] = np.flatnonzero(self._tables[kind].add(words)).tolist()
        return found


class HashTable:
    """The table: 16 bytes a place, at most three of four places taken."""

    def __init__(self) -> None:
        self._count = 0
        self._low = np.zeros(_SMALLEST, np.uint64)
        self._high = np.zeros(_SMALLEST, np.uint64)

    def add(self, keys: "Words") -> "NDArray[np.bool_]":
        """Add keys of shape (n, 2); tell for each whether it was there before, or earlier here."""
        self.reserve(self._count + len(keys))
        # Zero marks an empty place, so a key's first word is never zero.
        low, high = np.maximum(keys[:, 0], np.uint64(1)), keys[:, 1]
        known = self._insert(low, high)
        self._count += len(keys) - int(np.count_nonzero(known))
        return known

    def _insert(self, low: "Words", high: "Words") -> "NDArray[np.bool_]":
        known = np.zeros(len(low), np.bool_)
        mask = len(self._low) - 1
        place = (low & np.uint64(mask)).view(np.int64)
        left = np.arange(len(low))
        while len(left):
            there = self._low[place]
            empty = there == 0
            done = there == low
            if done.any():
                done[done] = self._high[place[done]] == high[done]
                known[left[done]] = True
            done |= self._claim(empty, place, low, high)
            # Who lost a claim looks again at the same place: it may hold the same key now.
            place += ~empty
            place &= mask
            rest = np.flatnonzero(~done)
            place, low, high, left = place[rest], low[rest], high[rest], left[rest]
        return known

    def _claim(
        self, empty: "NDArray[np.bool_]", place: "NDArray[np.int64]", low: "Words", high: "Words"
    ) -> "NDArray[np.bool_]":
        """Put a key into each empty place; tell who got one."""
        who = np.flatnonzero(empty)
        at = place[who]
        # Of several assignments to one place the last stands: so the first in order goes last.
        self._low[at[::-1]] = who[::-1]
        first = self._low[at] == who.astype(np.uint64)
        who, at = who[first], at[first]
        self._low[at] = low[who]
        self._high[at] = high[who]
        won = np.zeros(len(place), np.bool_)
        won[who] = True
        return won

    def reserve(self, count: int) -> None:
        """Make room for `count` keys in all."""
        size = len(self._low)
        while 3 * size < 4 * count:
            size *= 2
        if size == len(self._low):
            return
        taken = np.flatnonzero(self._low)
        low, high = self._low[taken], self._high[taken]
        self._low, self._high = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
        self._insert(low, high)
