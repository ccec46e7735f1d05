"""The way through a list: its parts in their order, batch by batch, with all that refuses a part.

Whoever walks it, here or beside others, meets the same batches and the same refusals.
"""

import random
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bulkdelete.core import guards
from bulkdelete.core import plan as plans
from bulkdelete.core.activity import ActivityColumn
from bulkdelete.core.digests import FileHash
from bulkdelete.core.model import Batch, Kind, State
from bulkdelete.errors import UsageError
from bulkdelete.io import source
from bulkdelete.reading import AT_ONCE, STDIN, MarkerWatch, Part, batches, layout_of, own_marks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bulkdelete.core.layout import Layout
    from bulkdelete.core.selection import Selection, Selector
    from bulkdelete.wish import Wish

    Activity = Callable[[Batch], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Step:
    """The next batch: of which part, how that is laid out, and who of it was active since."""

    number: int
    part: Part
    layout: "Layout"
    batch: Batch
    active: frozenset[int]
    begins: bool
    """It is the first of its part."""


@dataclass(frozen=True, slots=True)
class Laid:
    """How a part was laid out, as a plan tells it: `kind` None where each record says its own."""

    format: str
    delimiter: str
    column: str
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class Met:
    """A part that was gone through."""

    facts: plans.PartFacts
    modified: float
    laid: Laid | None
    """None of a part that holds nothing."""
    notes: tuple[str, ...] = ()
    named: str = ""


class Walk:
    """Goes through parts; `met` are those that it is through with.

    `first` is how the first part that is not empty is laid out, where that is not walked through
    here.
    """

    def __init__(
        self, wish: "Wish", selector: "Selector | None", now: float, first: Laid | None = None
    ) -> None:
        self._wish = wish
        self._selector = selector
        self._now = now
        self._first = first
        self.met: list[Met] = []

    async def steps(self, numbers: range, *, arrays: bool) -> "AsyncGenerator[Step, None]":
        """Yield the batches of the parts of these numbers; `arrays` as for `open_parser`."""
        for number in numbers:
            async with aclosing(self._part(number, self._wish.parts[number], arrays)) as steps:
                async for step in steps:
                    yield step

    async def _part(
        self,
        number: int,
        part: Part,
        arrays: bool,  # noqa: FBT001
    ) -> "AsyncGenerator[Step, None]":
        layout = await layout_of(part, self._wish.reading)
        modified = (await source.facts(part.path)).modified
        if layout.empty:
            self.met.append(Met(await _empty_part(part), modified, None))
            return
        laid = laid_out(layout)
        self._check_kind(part, layout)
        watch = MarkerWatch() if layout.is_json else None
        if watch is None:
            await self._check_own(part, layout)
        hasher = FileHash()
        records = 0
        activity = activity_of(self._wish, layout, part.name)
        if self._selector is not None:
            self._selector.begin(layout, part.name)
        keep_cells = activity is not None or bool(self._wish.selection.where)
        stream = batches(
            part, layout, hasher=hasher, watch=watch, keep_cells=keep_cells, arrays=arrays
        )
        async with aclosing(stream):
            async for batch in stream:
                active = activity(batch) if activity else frozenset()
                yield Step(number, part, layout, batch, active, begins=not records)
                records += len(batch.ids)
        if watch is not None and watch.found:
            await self._check_own(part, layout)
        notes = tuple(f"{part.name}: {note}" for note in layout.notes)
        facts = await _facts(part, hasher, records)
        self.met.append(Met(facts, modified, laid, notes, layout.named))

    async def head(self, number: int) -> "AsyncGenerator[Step, None]":
        """Yield a part in small batches, for who reads on a little; nothing is held against it."""
        part = self._wish.parts[number]
        layout = await layout_of(part, self._wish.reading)
        activity = activity_of(self._wish, layout, part.name)
        if self._selector is not None:
            self._selector.begin(layout, part.name)
        keep_cells = activity is not None or bool(self._wish.selection.where)
        stream = batches(part, layout, keep_cells=keep_cells, at_once=AT_ONCE)
        async with aclosing(stream):
            async for batch in stream:
                active = activity(batch) if activity else frozenset()
                yield Step(number, part, layout, batch, active, begins=False)

    def _check_kind(self, part: Part, layout: "Layout") -> None:
        """Refuse a kind of ID that the target does not take, or that the list has not so far."""
        target = self._wish.target
        for kind in Kind if layout.kind is None else (layout.kind,):
            if kind not in target.kinds:
                raise UsageError(
                    "kind_not_taken",
                    f"{part.name} holds IDs of the kind {kind}, and {target.title} takes none",
                    f"it takes: {' '.join(target.kinds)}",
                )
        self._first = self._first or laid_out(layout)
        if self._first.kind is not layout.kind:
            raise UsageError(
                "mixed_kinds",
                f"{part.name} holds another kind of ID than {self._wish.parts[0].name}",
                "plan them apart, or say --id-type",
            )

    async def _check_own(self, part: Part, layout: "Layout") -> None:
        """Refuse an outcome file of our own that must not be sent, or not any more."""
        for state, until in sorted(await own_marks(part, layout), key=_gravest_first):
            guards.check_own_file(part.name, state, until, self._now)


async def count(part: Part, wish: "Wish", counting: "Selector") -> None:
    """Go through a part only to count what meets the conditions."""
    layout = await layout_of(part, wish.reading)
    if layout.empty:
        return
    counting.begin(layout, part.name)
    keep_cells = bool(wish.selection.where)
    async with aclosing(batches(part, layout, keep_cells=keep_cells)) as stream:
        async for batch in stream:
            counting.excluded(batch)


def sample(selection: "Selection", passed: int) -> frozenset[int]:
    """Choose of so many records that passed the conditions."""
    dice = random.Random(selection.seed)  # noqa: S311 - the same seed, the same sample
    return frozenset(dice.sample(range(passed), min(selection.sample or 0, passed)))


def activity_of(wish: "Wish", layout: "Layout", name: str) -> "Activity | None":
    """Return what finds the IDs of a batch that were active after the list was made."""
    if wish.last_seen is None or wish.exported_at is None:
        return None
    column = ActivityColumn(layout, name, wish.last_seen)
    return partial(column.active_after, moment=wish.exported_at)


def laid_out(layout: "Layout") -> Laid:
    """Return how a part is laid out, as a plan tells it."""
    return Laid(layout.format.value, layout.delimiter, _column(layout), layout.kind)


def _column(layout: "Layout") -> str:
    if layout.is_json:
        return ".".join(layout.path)
    if layout.is_table and layout.path:
        return ".".join(layout.path)
    return str(layout.column) if layout.has_columns else ""


async def _empty_part(part: Part) -> plans.PartFacts:
    hasher = FileHash()
    await source.take(part.path, hasher)
    return await _facts(part, hasher, 0)


async def _facts(part: Part, hasher: FileHash, records: int) -> plans.PartFacts:
    found = await source.facts(part.path)
    return plans.PartFacts(
        path=STDIN if part.name == STDIN else source.kept_as(part.path),
        sha256=hasher.hexdigest(),
        size=found.size,
        records=records,
        version=found.version,
    )


def _gravest_first(mark: tuple[State, float]) -> bool:
    return mark[0] is not State.PROTECTED
