"""The first of two passes over a list whose IDs do not fit into memory: which of them repeat.

Nothing is decided here but that. The second pass is `planning`'s own, and asks what was found.
"""

import asyncio
import secrets
from contextlib import ExitStack, aclosing
from typing import TYPE_CHECKING

from bulkdelete.core.digests import FileHash
from bulkdelete.core.model import Kind
from bulkdelete.core.sieve import sift
from bulkdelete.core.sketch import Sketcher
from bulkdelete.core.spills import Bits, PlainEntries, Repeats
from bulkdelete.io import source
from bulkdelete.io.spill import Spill
from bulkdelete.reading import batches, layout_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bulkdelete.core.layout import Reading
    from bulkdelete.core.selection import Selector
    from bulkdelete.core.sieve import Fault
    from bulkdelete.core.spills import Entries
    from bulkdelete.reading import Part


class Census:
    """What a first pass finds: `repeats`, and the hash of each part as it was then."""

    def __init__(self, memory: int, place: "Path | None", fault: "Fault | None" = None) -> None:
        self._fault = fault
        self._memory = memory
        self._place = place
        self.sums: list[str] = []

    async def take(
        self,
        parts: "Sequence[Part]",
        reading: "Reading",
        selector: "Selector | None",
        sketcher: "Sketcher | None",
    ) -> Repeats:
        """Read it all, and tell a sketcher of it; each kind has half of the memory."""
        with ExitStack() as stack:
            spills: dict[Kind, Spill] = {}
            for kind in Kind:
                entries = entries_of(secrets.randbits(64), sketcher)
                spills[kind] = Spill(entries, self._place, self._memory // len(Kind))
                stack.callback(spills[kind].close)
            for part in parts:
                await self._read(part, reading, selector, spills)
            return Repeats({kind: await _settled(spill) for kind, spill in spills.items()})

    async def _read(
        self,
        part: "Part",
        reading: "Reading",
        selector: "Selector | None",
        spills: dict[Kind, Spill],
    ) -> None:
        layout = await layout_of(part, reading)
        if layout.empty:
            self.sums.append((await source.fingerprint(part.path)).sha256)
            return
        if selector is not None:
            selector.begin(layout, part.name)
        hasher = FileHash()
        stream = batches(part, layout, hasher=hasher, keep_cells=selector is not None, arrays=True)
        async with aclosing(stream):
            async for batch in stream:
                for one in sift(batch, selector, self._fault).kinds():
                    spills[one.kind].add(one.data, len(one.ids))
        self.sums.append(hasher.hexdigest())


async def _settled(spill: Spill) -> Bits:
    bits = Bits(spill.count)
    for _ in spill.settle(bits):
        await asyncio.sleep(0)  # a signal is heard in between
    return bits


def entries_of(seed: int, sketcher: "Sketcher | None") -> "Entries":
    """Return the quick way if its extra is installed; the seed is kept nowhere beside them."""
    try:
        from bulkdelete.core.spill_arrays import ArrayEntries  # noqa: PLC0415 - an extra
    except ImportError:
        return PlainEntries(seed, sketcher)
    return ArrayEntries(seed, sketcher)


def sketcher_of(seed: int | None) -> "Sketcher | None":
    """Return what makes the sketch: with the extra by the hashes that find repetitions, too."""
    if seed is None:
        return None
    try:
        from bulkdelete.core.hashtable import MADE_BY, hashes  # noqa: PLC0415 - an extra
    except ImportError:
        return Sketcher(seed)
    return Sketcher(seed, hashes, MADE_BY)
