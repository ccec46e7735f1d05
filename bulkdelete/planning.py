"""The plan: one pass over the input that checks, de-duplicates, protects, counts and digests.

Opens no socket and holds no object that could send. Each ID read ends up planned, or out of the
plan, in this order of precedence: excluded, invalid, duplicate, protected.
"""

import hashlib
import secrets
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkdelete import lake
from bulkdelete.census import Census, sketcher_of
from bulkdelete.core import plan as plans
from bulkdelete.core.dedup import MemoryFullError, Seen, SeenIds
from bulkdelete.core.model import Kind
from bulkdelete.core.selection import Selector
from bulkdelete.errands import SHARE, ApartError, check_sums
from bulkdelete.io import source
from bulkdelete.io.inflating import BLOCK
from bulkdelete.protecting import protect_rules
from bulkdelete.reading import said
from bulkdelete.surveying import Findings, Judge, Survey, digest_of
from bulkdelete.walking import Walk, count, sample
from bulkdelete.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bulkdelete.core.identities import ProtectRules
    from bulkdelete.core.layout import Reading
    from bulkdelete.core.sketch import Sketch, Sketcher
    from bulkdelete.lake import Hire
    from bulkdelete.walking import Laid, Met, Step

_LARGE = 4 << 20
"""Bytes of input from which on it pays to load numpy."""

_GUESS = 1 << 24
"""Most IDs to make room for on a guess."""

_AT_HAND = 8 << 20
"""Bytes of freed memory that the allocator may keep for the blocks to come."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was made: the document (but for time and duration), its index, the findings."""

    plan: plans.Plan
    sections: tuple[bytes, ...]
    findings: Findings
    sketch: "Sketch | None" = None


@dataclass(frozen=True, slots=True)
class _Order:
    """What a plan is made of besides the list, and the time and tool that make it."""

    wish: Wish
    key: bytes
    rules: "list[ProtectRules]"
    lists: tuple[plans.Protected, ...]
    tool: str
    now: float


async def make_plan(
    wish: Wish, key: bytes, *, tool: str, created: float, hire: "Hire | None" = None
) -> Planned:
    """Read the input and make the plan; UsageError or InputError when it cannot be.

    Read once, or twice when its IDs do not fit into memory. `key` is the run's; `created` a time of
    day in seconds. `hire` brings workers, who go through a list of many parts where that pays.
    """
    order = _Order(wish, key, *await protect_rules(wish.protect, wish.reading.names), tool, created)
    found = await lake.sizes(wish)
    if hire is None or not lake.pays(hire, found):
        return await _planned_here(order, sum(found))
    sketcher = sketcher_of(wish.sketch_seed)
    try:
        survey = await lake.surveyed(wish, order.lists, key, created, found, hire, sketcher)
    except ApartError as error:
        made = await _planned_here(order, sum(found))
        made.findings.notes.append(f"this was planned by one process: {error}")
        return made
    return _finished(order, survey, sketcher)


async def _planned_here(order: _Order, size: int) -> Planned:
    """Make the plan of a list of so many bytes in this process."""
    wish = order.wish
    chosen = None if wish.selection.sample is None else await _sample(wish)
    sketcher = sketcher_of(wish.sketch_seed)
    memory = wish.memory // SHARE
    try:
        seen = _seen(size, memory, sketcher)
        survey = await _surveyed(order, seen, chosen)
    except MemoryFullError:
        sketcher = sketcher_of(wish.sketch_seed)
        census = Census(memory, wish.scratch, wish.target.fault)
        seen = await census.take(wish.parts, wish.reading, _selector(wish, chosen), sketcher)
        survey = await _surveyed(order, seen, chosen)
        check_sums(wish.parts, survey.met, census.sums)
    return _finished(order, survey, sketcher)


async def _surveyed(order: _Order, seen: Seen, chosen: frozenset[int] | None) -> Survey:
    """Go through the whole list, part after part."""
    wish = order.wish
    selector = _selector(wish, chosen)
    survey, judge = Survey(wish, order.key), Judge(wish, seen, order.rules)
    walk = Walk(wish, selector, order.now)
    steps = walk.steps(range(len(wish.parts)), arrays=not isinstance(seen, SeenIds))
    async with aclosing(steps):
        async for step in steps:
            if step.begins:
                await _expect(step, survey, seen)
            survey.take(step, selector, judge)
    survey.met += walk.met
    survey.hold_back(judge.held_back)
    survey.close()
    return survey


async def _expect(step: "Step", survey: Survey, seen: Seen) -> None:
    """Guess from the first batch how many IDs a part of one kind holds; an archive, fewer."""
    batch = step.batch
    if isinstance(batch.kinds, Kind):
        blocks = (await source.facts(step.part.path)).size / BLOCK
        guess = survey.planned(batch.kinds) + int(len(batch.ids) * max(1.0, blocks * 1.02))
        seen.expect(min(guess, _GUESS), batch.kinds)


def _selector(wish: Wish, chosen: frozenset[int] | None) -> Selector | None:
    """Return what selects, from the first record on; None when everything is meant."""
    return Selector(wish.selection, chosen) if wish.selection else None


async def _sample(wish: Wish) -> frozenset[int]:
    """Count what there is to take the sample of, in a pass of its own, and choose."""
    counting = Selector(replace(wish.selection, sample=None))
    for part in wish.parts:
        await count(part, wish, counting)
    return sample(wish.selection, counting.passed)


def _finished(order: _Order, survey: Survey, sketcher: "Sketcher | None") -> Planned:
    """Put the plan together."""
    wish = order.wish
    findings = survey.findings()
    shapes = survey.shapes
    findings.strangers = [
        str(path)
        for path, one, held in zip(wish.protect, order.rules, survey.held_back, strict=True)
        if not held and one.unlike(shapes)
    ]
    sections = survey.sections()
    counts, job = survey.counts()
    bound = _bound(wish, [one.laid for one in survey.met if one.laid is not None], order.lists)
    plan = plans.Plan(
        schema=plans.SCHEMA,
        tool=order.tool,
        created=order.now,
        digest=plans.digest(bound, survey.content, counts, job),
        bound=bound,
        content=survey.content,
        counts=counts,
        parts=tuple(one.facts for one in survey.met),
        inputs=wish.inputs,
        protect=tuple(str(path.absolute()) for path in wish.protect),
        reading=said(wish.reading),
        reasons=survey.reasons,
        index_sha256=digest_of(sections),
        seconds=0.0,
        warnings=tuple(map(str, findings.damage)),
        list_time=_list_time(wish, survey.met, order.now),
        held_back=survey.held_back,
        made_by=wish.made_by,
        job=job,
    )
    return Planned(plan, sections, findings, sketcher.sketch() if sketcher else None)


def _list_time(wish: Wish, met: "Sequence[Met]", now: float) -> float:
    """Return when the list was made: as said, or the oldest of its files' times."""
    said = wish.exported_at
    return min((one.modified for one in met), default=now) if said is None else said


def _bound(
    wish: Wish, laid: "Sequence[Laid]", protect: "tuple[plans.Protected, ...]"
) -> plans.Bound:
    return plans.Bound(
        rules=plans.RULES_VERSION,
        target=wish.target.name,
        host=wish.host,
        account=wish.account,
        format=_once(one.format for one in laid),
        delimiter=_once(one.delimiter for one in laid),
        quote=wish.reading.quote or "",
        escape=wish.reading.escape or "",
        encoding=wish.reading.encoding,
        header=wish.reading.header,
        column=_once(one.column for one in laid),
        kind=_kind(laid, wish.reading),
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


def _sum(path: "Path | None") -> str:
    """Return the SHA-256 of a small file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


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


def _kind(laid: "Sequence[Laid]", reading: "Reading") -> str:
    if not laid:
        return reading.id_type.value if reading.id_type else ""
    return laid[0].kind.value if laid[0].kind else "typed"
