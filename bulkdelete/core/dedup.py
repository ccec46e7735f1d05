"""Exact de-duplication by kind; the first in input order stays.

Two ways, one answer. `SeenIds` compares the IDs themselves and keeps them all, about 130 bytes
for an ID of 36 characters. `SeenHashes` (with the extra `speed`) keeps a 128-bit hash of each, 16
to 64 bytes, under a random seed that nobody knows in advance: among 100 million IDs the odds that
any two different ones are taken for the same are about 1 in 7 x 10^22.
"""

from typing import TYPE_CHECKING, Protocol

from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence


class Seen(Protocol):
    """The IDs seen so far."""

    def expect(self, count: int, kind: Kind) -> None:
        """Prepare for about `count` IDs of a kind."""
        ...

    def repeated(self, ids: "Sequence[str]", kind: Kind, data: bytes | None = None) -> list[int]:
        """Add `ids`; return the positions of those seen before, here or earlier.

        `data` are the IDs joined by line feeds, when the caller has it.
        """
        ...


class SeenIds:
    """Remembers the IDs themselves."""

    def __init__(self) -> None:
        self._ids: dict[Kind, set[str]] = {kind: set() for kind in Kind}

    def expect(self, count: int, kind: Kind) -> None:
        """Nothing to prepare: a set grows by itself."""

    def repeated(self, ids: "Sequence[str]", kind: Kind, data: bytes | None = None) -> list[int]:
        """Add `ids`; return the positions of those seen before, here or earlier."""
        del data  # they are compared one by one
        seen = self._ids[kind]
        if seen.isdisjoint(ids):
            before = len(seen)
            seen.update(ids)
            if len(seen) - before == len(ids):
                return []
            seen = set()
        return _repeated(ids, seen, self._ids[kind])


def _repeated(ids: "Sequence[str]", seen: set[str], all_ids: set[str]) -> list[int]:
    """Walk through a batch that does hold a repetition; `seen` are the IDs before it."""
    positions = []
    for position, one in enumerate(ids):
        if one in seen:
            positions.append(position)
        else:
            seen.add(one)
    if seen is not all_ids:
        all_ids.update(seen)
    return positions
