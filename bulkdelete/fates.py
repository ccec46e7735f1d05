"""Every ID of a run again, in input order, with what became of it: input + index + checkpoint."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.core import index as codes
from bulkdelete.core.model import Kind, State
from bulkdelete.core.selection import EXCLUSIONS
from bulkdelete.reading import AT_ONCE, batches, layout_of, picked, reading_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from bulkdelete.core.layout import Layout
    from bulkdelete.core.model import Batch
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import IndexFile
    from bulkdelete.reading import Part


@dataclass(frozen=True, slots=True)
class Fate:
    """One ID read: where, its original cells, and what became of it.

    A planned one is ID `position` of chunk `chunk`; of the others both are None.
    """

    place: str
    kind: Kind
    identifier: str
    cells: "Sequence[str]"
    state: State
    reason: str
    chunk: int | None
    position: int | None
    layout: "Layout"


class _Places:
    """Finds the chunk of the n-th planned ID of a kind, n growing."""

    def __init__(self, index: "IndexFile", size: int) -> None:
        self._index = index
        self._size = size
        self._count = dict.fromkeys(Kind, 0)
        self._seq = dict.fromkeys(Kind, -1)

    def next(self, kind: Kind) -> tuple[int, int]:
        """Return chunk number and position of the next planned ID of this kind."""
        position = self._count[kind] % self._size
        self._count[kind] += 1
        if not position:
            self._seq[kind] += 1
            while self._index.chunk(self._seq[kind]).kind is not kind:
                self._seq[kind] += 1
        return self._seq[kind], position

    def skip(self, kind: Kind, count: int) -> None:
        """Go past so many planned IDs of this kind."""
        while count:
            step = min(count, self._size - self._count[kind] % self._size)
            self.next(kind)
            self._count[kind] += step - 1
            count -= step


async def fates(
    plan: "Plan",
    parts: "Sequence[Part]",
    index: "IndexFile",
    progress: "Progress",
    only: str | None = None,
) -> "AsyncGenerator[list[Fate], None]":
    """Read the input again and yield, batch by batch, what became of each ID.

    With `only`, the batches that do not hold this ID are passed over, and cells are not kept.
    """
    reading = reading_of(plan.reading)
    places = _Places(index, plan.bound.chunk_size)
    record = out = 0
    for part in parts:
        layout = await layout_of(part, reading)
        again = batches(part, layout, keep_cells=only is None, at_once=AT_ONCE)
        async with aclosing(again) as stream:
            async for batch in stream:
                row = index.codes(record, len(batch.ids))
                left_out = row.count(codes.OUT)
                if only is None or only in batch.ids:
                    numbers = iter(index.reasons(out, left_out))
                    yield list(_fates(part, layout, batch, row, places, progress, plan, numbers))
                else:
                    for kind, ids in picked(batch, codes.planned(row)):
                        places.skip(kind, len(ids))
                record += len(batch.ids)
                out += left_out


def _fates(  # noqa: PLR0913, PLR0917 - one step of the walk above
    part: "Part",
    layout: "Layout",
    batch: "Batch",
    row: bytes,
    places: _Places,
    progress: "Progress",
    plan: "Plan",
    numbers: "Iterator[int]",
) -> "Iterator[Fate]":
    for position, identifier in enumerate(batch.ids):
        chunk = place = None
        match row[position]:
            case codes.PLANNED:
                chunk, place = places.next(batch.kind(position))
                state, reason = progress.state_of(chunk, place)
            case codes.DUPLICATE:
                state, reason = State.DUPLICATE, "read_before"
            case codes.PROTECTED:
                state, reason = State.PROTECTED, "protect_list"
            case _:
                reason = plan.reasons[next(numbers)]
                state = State.EXCLUDED if reason in EXCLUSIONS else State.INVALID
        cells = batch.cells[position] if batch.cells is not None else ()
        yield Fate(
            f"{part.name}:{batch.lines[position]}",
            batch.kind(position),
            identifier,
            cells,
            state,
            reason,
            chunk,
            place,
            layout,
        )
