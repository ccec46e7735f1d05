"""`core.spills` with numpy and xxhash: as many entries at once as there are (extra `speed`)."""

from typing import TYPE_CHECKING

import numpy as np

from bulkdelete.core.hashtable import HashTable, keys_of, tell
from bulkdelete.core.spills import ENTRY, RANGES, Finder, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bulkdelete.core.sketch import Sketcher

_TOP = np.uint64(64 - 12)
_WORDS = ENTRY.size // 8


class ArrayEntries:
    """Entries in arrays; `seed` is random and secret, 64 bits."""

    weight = 72

    def __init__(self, seed: int, sketcher: "Sketcher | None" = None) -> None:
        self._seed = seed
        self._sketcher = sketcher
        self._count = 0
        self._taken: list[NDArray[np.uint64]] = []

    def __len__(self) -> int:
        return self._count

    def add(self, data: bytes, first: int) -> None:
        """Take IDs, joined by line feeds and numbered from `first` on."""
        if self._sketcher is not None:
            # Under a key of its own, which is kept: that of these entries is not.
            tell(self._sketcher, keys_of(data, self._sketcher.seed))
        keys = keys_of(data, self._seed)
        made = np.empty((len(keys), _WORDS), np.uint64)
        made[:, :2] = keys
        made[:, 2] = np.arange(first, first + len(keys), dtype=np.uint64)
        self._taken.append(made)
        self._count += len(keys)

    def cut(self) -> Run:
        """Return the run of what was taken; nothing is left."""
        none = np.empty((0, _WORDS), np.uint64)
        made = np.concatenate([none, *self._taken])
        self._taken.clear()
        self._count = 0
        # Numbers this small are sorted without comparing them, and what is equal keeps its order.
        ranges = (made[:, 0] >> _TOP).astype(np.uint16)
        made = made[np.argsort(ranges, kind="stable")]
        return Run(made.tobytes(), np.bincount(ranges, minlength=RANGES).tolist())

    def finder(self, count: int) -> Finder:
        """Return what looks for repetitions in ranges of so many entries, run by run."""
        return _TableFinder(count)


class _TableFinder:
    def __init__(self, count: int) -> None:
        self._table = HashTable()
        self._table.reserve(count)

    def repeats(self, entries: bytes) -> "Sequence[int]":
        """Take entries; return the numbers of those whose hash was there before."""
        made = np.frombuffer(entries, np.uint64).reshape(-1, _WORDS)
        known = self._table.add(made[:, :2].copy())
        found: list[int] = made[known, 2].tolist()
        return found
