"""Exact de-duplication by kind; the first in input order stays.

Two ways, one answer. `SeenIds` compares the IDs themselves and keeps them all, about 130 bytes
for an ID of 36 characters. `SeenHashes` (with the extra `speed`) keeps a 128-bit hash of each, 16
to 64 bytes, under a random seed that nobody knows in advance: among 100 million IDs the odds that
any two different ones are taken for the same are about 1 in 7 x 10^22.

Both know how much memory they may take. What does not fit is found in two passes (`core.spills`).
"""

from typing import TYPE_CHECKING, Protocol

from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.sketch import Sketcher

_EACH = 100
"""Bytes that an ID takes in a set besides its own: an object, and a place that is half used."""


class MemoryFullError(Exception):
    """More IDs than there is memory for; what was answered so far holds."""


class Seen(Protocol):
    """The IDs seen so far."""

    def expect(self, count: int, kind: Kind) -> None:
        """Prepare for about `count` IDs of a kind."""
        ...

    def repeated(self, ids: "Sequence[str]", kind: Kind, data: bytes) -> list[int]:
        """Add `ids`; return the positions of those seen before, here or earlier.

        `data` are the IDs joined by line feeds. MemoryFullError when they do not fit.
        """
        ...


class SeenIds:
    """Remembers the IDs themselves, in about so many bytes of memory; tells a sketcher of them."""

    def __init__(self, memory: int, sketcher: "Sketcher | None" = None) -> None:
        self._left = float(memory)
        self._sketcher = sketcher
        self._ids: dict[Kind, set[str]] = {kind: set() for kind in Kind}

    def expect(self, count: int, kind: Kind) -> None:
        """Nothing to prepare: a set grows by itself."""

    def repeated(self, ids: "Sequence[str]", kind: Kind, data: bytes) -> list[int]:
        """Add `ids`; return the positions of those seen before, here or earlier."""
        if not ids:
            return []
        if self._left < 0:
            raise MemoryFullError
        if self._sketcher is not None:
            self._sketcher.look(data)
        found = self._add(ids, self._ids[kind])
        self._left -= (len(ids) - len(found)) * (_EACH + len(data) / len(ids))
        return found

    def _add(self, ids: "Sequence[str]", seen: set[str]) -> list[int]:
        if seen.isdisjoint(ids):
            before = len(seen)
            seen.update(ids)
            if len(seen) - before == len(ids):
                return []
            return _repeated(ids, set())
        return _repeated(ids, seen)


def _repeated(ids: "Sequence[str]", seen: set[str]) -> list[int]:
    """Walk through a batch that does hold a repetition, and add it to `seen`, what was before."""
    positions = []
    for position, one in enumerate(ids):
        if one in seen:
            positions.append(position)
        else:
            seen.add(one)
    return positions
