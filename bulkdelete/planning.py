"""The plan: one pass over the input that checks, de-duplicates, protects, counts and digests.

Opens no socket and holds no object that could send. Each ID read ends up planned, or out of the
plan, in this order of precedence: excluded, invalid, duplicate, protected.
"""

import hashlib
import random
import secrets
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING

from bulkdelete.census import Census
from bulkdelete.core import guards
from bulkdelete.core import index as codes
from bulkdelete.core import plan as plans
from bulkdelete.core.activity import ActivityColumn
from bulkdelete.core.columns import NAMES
from bulkdelete.core.damage import Detector, Finding
from bulkdelete.core.dedup import MemoryFullError, Seen, SeenIds
from bulkdelete.core.digests import FileHash, keyed
from bulkdelete.core.identities import ProtectRules, mask, shown
from bulkdelete.core.layout import Format, Layout, Reading
from bulkdelete.core.model import Batch, Kind, State
from bulkdelete.core.selection import EXCLUSIONS, Selection, Selector
from bulkdelete.core.shard import OTHER_SHARD
from bulkdelete.core.sieve import sift
from bulkdelete.core.sketch import Sketcher
from bulkdelete.errors import IntegrityError, UsageError
from bulkdelete.io import source
from bulkdelete.io.inflating import BLOCK
from bulkdelete.protecting import protect_rules
from bulkdelete.reading import (
    STDIN,
    MarkerWatch,
    Part,
    batches,
    layout_of,
    own_marks,
)
from bulkdelete.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bulkdelete.core.chunks import Leaf
    from bulkdelete.core.shard import Shard
    from bulkdelete.core.sieve import OfKind, Sifted
    from bulkdelete.core.sketch import Sketch
    from bulkdelete.core.target import Target

_LARGE = 4 << 20
"""Bytes of input from which on it pays to load numpy."""

_SHARE = 2
"""Half of the memory is for de-duplication; the program and the plan's index take the rest."""

_GUESS = 1 << 24
"""Most IDs to make room for on a guess."""

_AT_HAND = 8 << 20
"""Bytes of freed memory that the allocator may keep for the blocks to come."""

MEMORY = 512 << 20
"""Bytes that a plan may take, unless something else is said."""

EXAMPLES = 20
"""How many invalid records are kept to be shown."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to plan: the parts, how to read them, where it would go, what to leave out.

    `memory` in bytes is what the plan may take; what it needs beyond goes to the disk of `scratch`.
    """

    parts: "tuple[Part, ...]"
    inputs: tuple[str, ...]
    reading: Reading
    target: "Target"
    host: str | None
    account: str | None
    chunk_size: int
    protect: "tuple[Path, ...]" = ()
    environment: str = ""
    made_by: str = ""
    signatures: int = 0
    signers: "Path | None" = None
    last_seen: str | None = None
    exported_at: float | None = None
    sketch_seed: int | None = None
    selection: Selection = field(default_factory=Selection)
    shard: "Shard | None" = None
    memory: int = MEMORY
    scratch: "Path | None" = None


@dataclass(slots=True)
class Findings:
    """What a person wants to see of a plan, and plan.json must not hold: masked, in memory.

    `invalid` says of the first invalid IDs where and why, `masked` how each looks; `columns` are
    what holds the IDs, each once.
    """

    notes: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    first: str = ""
    last: str = ""
    examples: list[str] = field(default_factory=list)
    damage: list[Finding] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was made: the document (but for time and duration), its index, the findings."""

    plan: plans.Plan
    sections: tuple[bytes, ...]
    findings: Findings
    sketch: "Sketch | None" = None


async def make_plan(wish: Wish, key: bytes, *, tool: str, created: float) -> Planned:
    """Read the input and make the plan; UsageError or InputError when it cannot be.

    Read once, or twice when its IDs do not fit into memory. `key` is the run's; `created` a time of
    day in seconds.
    """
    rules, lists = await protect_rules(wish.protect, wish.reading.names)
    chosen = None if wish.selection.sample is None else await _sample(wish)
    sketcher = _sketcher(wish.sketch_seed)
    try:
        size = sum([(await source.facts(part.path)).size for part in wish.parts])
        seen = _seen(size, wish.memory // _SHARE, sketcher)
        survey = _Survey(wish, key, rules, seen, _selector(wish, chosen), created)
        await survey.read_all()
    except MemoryFullError:
        sketcher = _sketcher(wish.sketch_seed)
        census = Census(wish.memory // _SHARE, wish.scratch, wish.target.fault)
        seen = await census.take(wish.parts, wish.reading, _selector(wish, chosen), sketcher)
        survey = _Survey(wish, key, rules, seen, _selector(wish, chosen), created)
        await survey.read_all()
        survey.check_sums(census.sums)
    return survey.finish(lists, tool, sketcher.sketch() if sketcher else None)


def _selector(wish: Wish, chosen: frozenset[int] | None) -> Selector | None:
    """Return what selects, from the first record on; None when everything is meant."""
    return Selector(wish.selection, chosen) if wish.selection else None


async def _sample(wish: Wish) -> frozenset[int]:
    """Count what there is to take the sample of, in a pass of its own, and choose."""
    counting = Selector(replace(wish.selection, sample=None))
    for part in wish.parts:
        layout = await layout_of(part, wish.reading)
        if layout.empty:
            continue
        counting.begin(layout, part.name)
        keep_cells = bool(wish.selection.where)
        async with aclosing(batches(part, layout, keep_cells=keep_cells)) as stream:
            async for batch in stream:
                counting.excluded(batch)
    dice = random.Random(wish.selection.seed)  # noqa: S311 - the same seed, the same sample
    count = min(wish.selection.sample or 0, counting.passed)
    return frozenset(dice.sample(range(counting.passed), count))


class _Survey:
    """The pass itself: what was seen so far."""

    def __init__(
        self,
        wish: Wish,
        key: bytes,
        rules: list[ProtectRules],
        seen: Seen,
        selector: Selector | None,
        now: float,
    ) -> None:
        self._now = now
        self._wish = wish
        self._rules = rules
        self._held_back = [0] * len(rules)
        self._seen = seen
        self._index = codes.IndexBuilder()
        # Nothing here refers to itself: what was seen is let go at once, and not while it sends.
        self._own = Tally(wish.chunk_size, partial(_add_chunk, self._index, key))
        # All shards plan the whole: what is approved, and held against the guards, is the job.
        self._job = self._own if wish.shard is None else Tally(wish.chunk_size)
        self._layouts: list[Layout] = []
        self._parts: list[plans.PartFacts] = []
        self._reasons: dict[str, int] = {}
        self._findings = Findings()
        self._active: frozenset[int] = frozenset()
        self._selector = selector
        self._excluded = 0
        self._list_times: list[float] = []
        self._before = 0
        self._detectors = {kind: Detector(kind, wish.target.unlike) for kind in Kind}

    async def read_all(self) -> None:
        """Read the parts, one after the other."""
        for number, part in enumerate(self._wish.parts):
            await self._read(number, part)

    def check_sums(self, sums: "Sequence[str]") -> None:
        """Refuse parts that are not what they were when they were read before."""
        for part, before, now in zip(self._wish.parts, sums, self._parts, strict=True):
            if now.sha256 != before:
                raise IntegrityError(
                    "input_changed",
                    f"{part.name} changed while it was read; nothing was sent",
                    "plan it again when whoever writes it is done",
                )

    async def _read(self, number: int, part: Part) -> None:
        layout = await layout_of(part, self._wish.reading)
        self._list_times.append((await source.facts(part.path)).modified)
        if layout.empty:
            self._parts.append(await _empty_part(part))
            return
        self._check_kind(part, layout)
        if self._layouts and self._layouts[0].kind is not layout.kind:
            raise UsageError(
                "mixed_kinds",
                f"{part.name} holds another kind of ID than {self._wish.parts[0].name}",
                "plan them apart, or say --id-type",
            )
        watch = MarkerWatch() if layout.is_json else None
        if watch is None:
            await self._check_own(part, layout)
        self._layouts.append(layout)
        self._findings.notes.extend(f"{part.name}: {note}" for note in layout.notes)
        if layout.named and layout.named not in self._findings.columns:
            self._findings.columns.append(layout.named)
        hasher = FileHash()
        self._before = before = self._index.records
        activity = self._activity(part, layout)
        if self._selector is not None:
            self._selector.begin(layout, part.name)
        keep_cells = activity is not None or bool(self._wish.selection.where)
        stream = batches(
            part,
            layout,
            hasher=hasher,
            watch=watch,
            keep_cells=keep_cells,
            arrays=not isinstance(self._seen, SeenIds),
        )
        async with aclosing(stream):
            async for batch in stream:
                self._active = activity(batch) if activity else frozenset()
                if self._index.records == before:
                    await self._expect(part, batch)
                self._mark(number, batch)
                self._take(part, batch)
        if watch is not None and watch.found:
            await self._check_own(part, layout)
        self._parts.append(await _facts(part, hasher, self._index.records - before))

    def _check_kind(self, part: Part, layout: Layout) -> None:
        """Refuse a kind of ID that the target does not take."""
        target = self._wish.target
        for kind in Kind if layout.kind is None else (layout.kind,):
            if kind not in target.kinds:
                raise UsageError(
                    "kind_not_taken",
                    f"{part.name} holds IDs of the kind {kind}, and {target.title} takes none",
                    f"it takes: {' '.join(target.kinds)}",
                )

    async def _check_own(self, part: Part, layout: Layout) -> None:
        """Refuse an outcome file of our own that must not be sent, or not any more."""
        for state, until in sorted(await own_marks(part, layout), key=_gravest_first):
            guards.check_own_file(part.name, state, until, self._now)

    async def _expect(self, part: Part, batch: Batch) -> None:
        """Guess from the first batch how many IDs a part of one kind holds; an archive, fewer."""
        if isinstance(batch.kinds, Kind):
            blocks = (await source.facts(part.path)).size / BLOCK
            guess = self._job.planned[batch.kinds] + int(len(batch.ids) * max(1.0, blocks * 1.02))
            self._seen.expect(min(guess, _GUESS), batch.kinds)

    def _mark(self, part: int, batch: Batch) -> None:
        self._index.add_mark(
            codes.Mark(
                part=part,
                record=self._index.records,
                offset=batch.offset,
                line=batch.line,
                identities=self._own.planned[Kind.IDENTITY],
                guids=self._own.planned[Kind.GUID],
                reasons=len(self._index.reasons),
            )
        )

    def _take(self, part: Part, batch: Batch) -> None:
        sifted = sift(batch, self._selector, self._wish.target.fault)
        kinds = list(sifted.kinds())
        for position in sorted(sifted.out):
            self._leave_out(part, batch, position, sifted.out[position])
        row = codes.row(len(batch.ids), self._others(part, sifted, kinds))
        if self._wish.shard is not None:
            self._job.take(batch, row, sifted.even)
            row = _apart(self._wish.shard, kinds, row)
        self._note_reasons(sifted, row)
        self._index.add(row)
        self._own.take(batch, row, sifted.even)
        self._show(part, batch, row)

    def _others(self, part: Part, sifted: "Sifted", kinds: "Sequence[OfKind]") -> dict[int, int]:
        """Find what of the job is not planned: position -> code."""
        batch = sifted.batch
        others = dict.fromkeys(sifted.out, codes.OUT)
        for some in kinds:
            ids, kind, detector = some.ids, some.kind, self._detectors[some.kind]
            if sifted.shape and some.positions is None:
                detector.look_at(sifted.shape, ids, part.name, batch.lines)
            else:
                detector.look(ids, some.data, part.name, some.lines(batch))
            for place in self._seen.repeated(ids, kind, some.data):
                others[some.position(place)] = codes.DUPLICATE
            for number, rules in enumerate(self._rules):
                for place in rules.matches(ids, kind):
                    position = some.position(place)
                    if others.setdefault(position, codes.PROTECTED) == codes.PROTECTED:
                        self._held_back[number] += 1
        for place in self._active:
            others.setdefault(place, codes.PROTECTED)
        return others

    def _activity(self, part: Part, layout: Layout) -> "Callable[[Batch], frozenset[int]] | None":
        """Return what finds the IDs of a batch that were active after the list was made."""
        wish = self._wish
        if wish.last_seen is None or wish.exported_at is None:
            return None
        column = ActivityColumn(layout, part.name, wish.last_seen)
        return partial(column.active_after, moment=wish.exported_at)

    def _leave_out(self, part: Part, batch: Batch, position: int, reason: str) -> None:
        if reason in EXCLUSIONS:
            self._excluded += 1
            return
        counted = self._findings.reasons
        counted[reason] = counted.get(reason, 0) + 1
        if len(self._findings.invalid) < EXAMPLES:
            where = f"{part.name}:{batch.lines[position]}"
            if self._layouts[-1].format is Format.JSON:  # all of it may stand on one line
                where += f" (ID {self._index.records - self._before + position + 1:,})"
            self._findings.invalid.append(f"{where} {reason}")
            look = shown(batch.ids[position]) or guards.wanted(reason, self._layouts[-1])
            self._findings.masked.append(look)

    def _note_reasons(self, sifted: "Sifted", row: bytes | bytearray) -> None:
        """Note why the records of code `OUT` are out, in order."""
        known, out, shard = self._reasons, row.count(codes.OUT), self._wish.shard
        if out and shard is not None and (shard.index or not sifted.out):
            self._index.add_reasons([known.setdefault(OTHER_SHARD, len(known))] * out)
            return
        for at in sorted(sifted.out) if out == len(sifted.out) else _places(row, codes.OUT):
            reason = sifted.out.get(at, OTHER_SHARD)
            self._index.add_reasons([known.setdefault(reason, len(known))])

    def _show(self, part: Part, batch: Batch, row: bytes | bytearray) -> None:
        """Remember places and masked examples of the first and last planned IDs."""
        last = row.rfind(codes.PLANNED)
        if last < 0:
            return
        if not self._findings.first:
            first = _places(row, codes.PLANNED)[:3]
            self._findings.first = f"{part.name}:{batch.lines[first[0]]}"
            self._findings.examples = [_example(batch, one) for one in first]
        self._findings.last = f"{part.name}:{batch.lines[last]}"

    def finish(
        self, protect: "tuple[plans.Protected, ...]", tool: str, sketch: "Sketch | None"
    ) -> Planned:
        """Close the chunks that are open and put the plan together."""
        for tally in {self._own, self._job}:
            tally.close()
        for detector in self._detectors.values():
            self._findings.damage += detector.findings()
        shapes = sum((one.shapes for one in self._detectors.values()), Counter())
        self._findings.strangers = [
            str(path)
            for path, rules, held in zip(
                self._wish.protect, self._rules, self._held_back, strict=True
            )
            if not held and rules.unlike(shapes)
        ]
        sections = self._index.sections()
        counts, job = self._counts()
        bound = self._bound(protect)
        content = self._own.content
        whole = hashlib.sha256()
        for section in sections:
            whole.update(section)
        plan = plans.Plan(
            schema=plans.SCHEMA,
            tool=tool,
            created=self._now,
            digest=plans.digest(bound, content, counts, job),
            bound=bound,
            content=content,
            counts=counts,
            parts=tuple(self._parts),
            inputs=self._wish.inputs,
            protect=tuple(str(path.absolute()) for path in self._wish.protect),
            reading=said(self._wish.reading),
            reasons=tuple(self._reasons),
            index_sha256=whole.hexdigest(),
            seconds=0.0,
            warnings=tuple(map(str, self._findings.damage)),
            list_time=self._list_time(),
            held_back=tuple(self._held_back),
            made_by=self._wish.made_by,
            job=job,
        )
        return Planned(plan, sections, self._findings, sketch)

    def _list_time(self) -> float:
        """Return when the list was made: as said, or the oldest of its files' times."""
        said = self._wish.exported_at
        return min(self._list_times, default=self._now) if said is None else said

    def _counts(self) -> tuple[plans.Counts, plans.Job | None]:
        """Return what was counted of this plan, and of the job that it is a shard of."""
        whole, shard = self._job.counts(self._excluded), self._wish.shard
        if shard is None:
            return whole, None
        owned = whole.excluded + whole.invalid if shard.index == 0 else 0
        theirs = self._own.out - owned
        excluded = theirs + (whole.excluded if shard.index == 0 else 0)
        return self._own.counts(excluded), plans.Job(content=self._job.content, counts=whole)

    def _bound(self, protect: "tuple[plans.Protected, ...]") -> plans.Bound:
        wish, layouts = self._wish, self._layouts
        return plans.Bound(
            rules=plans.RULES_VERSION,
            target=wish.target.name,
            host=wish.host,
            account=wish.account,
            format=_once(layout.format.value for layout in layouts),
            delimiter=_once(layout.delimiter for layout in layouts),
            quote=wish.reading.quote or "",
            escape=wish.reading.escape or "",
            encoding=wish.reading.encoding,
            header=wish.reading.header,
            column=_once(_column(layout) for layout in layouts),
            kind=_kind(layouts, wish.reading),
            explode=wish.reading.explode,
            chunk_size=wish.chunk_size,
            protect=protect,
            environment=wish.environment,
            signatures=wish.signatures,
            signers=_sum(wish.signers),
            selection=wish.selection.words(),
            shard=str(wish.shard or ""),
            normal=wish.reading.normal,
            last_seen=None
            if wish.last_seen is None or wish.exported_at is None
            else (wish.last_seen, wish.exported_at),
        )


def _apart(shard: "Shard", kinds: "Sequence[OfKind]", row: bytearray) -> bytearray:
    """Leave out what is another shard's, too."""
    for some in kinds:
        others = shard.others(some.data)
        if some.positions is None:
            return codes.left_out(row, others)
        for position in compress(some.positions, others):
            row[position] = codes.OUT
    return row


def _places(row: bytes | bytearray, code: int) -> list[int]:
    """Return where a code stands."""
    return [at for at, one in enumerate(row) if one == code]


def _add_chunk(index: codes.IndexBuilder, key: bytes, leaf: "Leaf") -> None:
    index.add_chunk(leaf.kind, leaf.size, keyed(key, leaf.digest))


def said(reading: Reading) -> plans.Reading:
    """Return what was said about the input, as plan.json holds it."""
    return plans.Reading(
        format=reading.format.value,
        delimiter=reading.delimiter,
        quote=reading.quote,
        escape=reading.escape,
        encoding=reading.encoding,
        column=reading.column,
        header=reading.header,
        id_type=reading.id_type.value if reading.id_type else None,
        explode=reading.explode,
        normal=reading.normal,
        names=()
        if reading.names == NAMES
        else tuple((name, found.kind.value, found.is_list) for name, found in reading.names),
    )


def _sum(path: "Path | None") -> str:
    """Return the SHA-256 of a small file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


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


def _sketcher(seed: int | None) -> "Sketcher | None":
    """Return what makes the sketch: with the extra by the hashes that find repetitions, too."""
    if seed is None:
        return None
    try:
        from bulkdelete.core.hashtable import MADE_BY, hashes  # noqa: PLC0415 - an extra
    except ImportError:
        return Sketcher(seed)
    return Sketcher(seed, hashes, MADE_BY)


def _seen(size: int, memory: int, sketcher: "Sketcher | None") -> Seen:
    """Return the quick way to find repetitions if its extra is installed and it pays."""
    if size < _LARGE:
        return SeenIds(memory, sketcher)
    # glibc learns from the largest block that was freed. Else it gives the memory of each block of
    # text back to the system, and takes it again, page by page, for the next.
    bytes(_AT_HAND)
    try:
        from bulkdelete.core.hashtable import SeenHashes  # noqa: PLC0415 - an extra
    except ImportError:
        return SeenIds(memory, sketcher)
    seed = secrets.randbits(64) if sketcher is None else sketcher.seed
    return SeenHashes(seed, memory, sketcher)


def _once(values: "Iterable[str]") -> tuple[str, ...]:
    """Say it once when it is the same for all parts, else for each."""
    found = tuple(values)
    return found[:1] if len(set(found)) == 1 else found


def _kind(layouts: "Sequence[Layout]", reading: Reading) -> str:
    if not layouts:
        return reading.id_type.value if reading.id_type else ""
    return layouts[0].kind.value if layouts[0].kind else "typed"


def _column(layout: Layout) -> str:
    if layout.is_json:
        return ".".join(layout.path)
    if layout.is_table and layout.path:
        return ".".join(layout.path)
    return str(layout.column) if layout.has_columns else ""


def _example(batch: Batch, position: int) -> str:
    return f"{batch.kind(position).value} {mask(batch.ids[position])}"
