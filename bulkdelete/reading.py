"""Reading the input, first and again: parts in order -> batches; and the planned chunks of a plan.

The same bytes and the same settings give the same batches' content, however the blocks are cut.
"""

import json
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING

from bulkdelete.core import index as codes
from bulkdelete.core import plan as plans
from bulkdelete.core.chunks import Chunker
from bulkdelete.core.columns import NAMES, Meaning
from bulkdelete.core.layout import Format, Layout, Reading, sniff
from bulkdelete.core.model import Kind, State
from bulkdelete.core.outcomes import MARKER, read_mark, unescape
from bulkdelete.core.records import open_parser
from bulkdelete.core.selection import normalised
from bulkdelete.core.tables import table_layout
from bulkdelete.errors import InputError, IntegrityError, Stopped, UsageError
from bulkdelete.io import source, tables

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from bulkdelete.core.digests import FileHash
    from bulkdelete.core.model import Batch, Chunk
    from bulkdelete.core.plan import PartFacts, Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import IndexFile


_MARK = MARKER.encode()
_RARE = b"_"

AT_ONCE = 64 * 1024
"""Bytes that are parsed at once when a list is read again: 20 requests or so, in little memory."""

_READ_AHEAD = 4
"""So many of these are read at once: each reading is a way to another thread and back."""

_HEAD = 512 * 1024
"""Bytes that tell, at most, how a part is laid out."""

STDIN = "-"
"""The name of standard input, which is spooled into the run directory before it is read."""


@dataclass(frozen=True, slots=True)
class Part:
    """One input file; `name` is how it is called in messages."""

    path: source.Place
    name: str


async def layout_of(part: Part, reading: Reading) -> Layout:
    """Look at the beginning of a part and find out how it is laid out."""
    head, complete = await head_of(part)
    chosen = tables.table_format(head)
    if chosen is not None and reading.format in {Format.AUTO, chosen}:
        return await _table_layout(part, reading, chosen)
    if reading.format in {Format.PARQUET, Format.ARROW}:
        raise InputError(
            "not_a_table",
            f"this is no {reading.format.value} file",
            "leave out --format, or check that this is the right file",
            where=part.name,
        )
    return sniff(head, part.name, reading, complete=complete)


async def _table_layout(part: Part, reading: Reading, chosen: Format) -> Layout:
    if packed := await source.compression_of(part.path):
        raise InputError(
            "archive_unsupported",
            f"this is a {chosen.value} file inside of {packed}; it has a compression of its own",
            "unpack it first",
            where=part.name,
        )
    names, leaves = await tables.schema(part.path)
    return table_layout(leaves, names, part.name, reading, chosen)


async def head_of(part: Part) -> tuple[bytes, bool]:
    """Return the beginning of a part's content, and whether that is all of it."""
    head = b""
    complete = True
    async with aclosing(source.blocks(part.path, step=_HEAD)) as blocks:
        async for block in blocks:
            if len(head) >= _HEAD:
                complete = False
                break
            head += block
    return head, complete


async def batches(  # noqa: PLR0913 - each is said by few
    part: Part,
    layout: Layout,
    *,
    offset: int = 0,
    line: int = 1,
    hasher: "FileHash | None" = None,
    watch: "MarkerWatch | None" = None,
    keep_cells: bool = False,
    at_once: int | None = None,
    arrays: bool = False,
) -> "AsyncGenerator[Batch, None]":
    """Yield a part's batches from a place on; an InputError names the part.

    A batch is of about `at_once` bytes of text at most (None: of a block), and little more is held;
    `arrays` as for `open_parser`. In the program's own outcome files the escape that keeps
    spreadsheets quiet is undone.
    """
    if layout.is_table:
        if hasher is not None:
            await source.take(part.path, hasher)
        rows = tables.batches(part.path, layout, first=offset, keep_cells=keep_cells)
        async with aclosing(rows):
            async for records in rows:
                yield _put(records, layout, own=False)
        return
    # A bracketed list is never escaped in them, and so the items of one are exact.
    own = layout.format is Format.CSV and MARKER in layout.header_names and not layout.is_list
    parser = open_parser(layout, offset=offset, line=line, keep_cells=keep_cells, arrays=arrays)
    try:
        step = None if at_once is None else _READ_AHEAD * at_once
        reader = source.blocks(part.path, skip=offset, hasher=hasher, step=step)
        async with aclosing(reader) as blocks:
            async for block in blocks:
                if watch is not None:
                    watch.look(block)
                for piece in _pieces(block, at_once or len(block)):
                    if (batch := parser.feed(piece)) is not None:
                        yield _put(batch, layout, own=own)
        if (batch := parser.close()) is not None:
            yield _put(batch, layout, own=own)
    except InputError as error:
        if part.name in str(error):
            raise
        raise InputError(error.code, str(error), error.hint, where=part.name) from error


def _pieces(block: bytes, size: int) -> "Iterator[bytes]":
    return (block[start : start + size] for start in range(0, len(block), size))


def _put(batch: "Batch", layout: Layout, *, own: bool) -> "Batch":
    """Undo our own escape, and put the IDs in the ways that were asked for."""
    if not own and not layout.normal:
        return batch
    ids = [unescape(one) for one in batch.ids] if own else batch.ids
    return replace(batch, ids=normalised(ids, layout.normal))


async def own_marks(part: Part, layout: Layout) -> set[tuple[State, float]]:
    """Return what the program's own outcome files say of themselves: states, until when.

    Each record says it, because such files are put together; an empty set: it is not our own.
    """
    if not layout.is_json and MARKER not in layout.header_names:
        return set()
    places = [place for place, name in enumerate(layout.header_names) if name == MARKER]
    found = set()
    async with aclosing(batches(part, layout, keep_cells=True)) as stream:
        async for batch in stream:
            for cells in batch.cells or ():
                if layout.is_json:
                    found.add(_json_marker(cells[0]))
                else:
                    found.update(cells[place] for place in places if place < len(cells))
    return {mark for mark in map(read_mark, found) if mark is not None}


class MarkerWatch:
    """Notices while a list is read, once, that our own outcome files are mentioned in it."""

    def __init__(self) -> None:
        self.found = False
        self._before = b""

    def look(self, block: bytes) -> None:
        """Look at the next bytes, also over where they were cut."""
        over = self._before + block[: len(_MARK)]
        # One byte is found, or found to be missing, in no time.
        self.found = self.found or (_RARE in block and _MARK in block) or _MARK in over
        self._before = (self._before + block[-len(_MARK) :])[-len(_MARK) :]


def _json_marker(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    value = record.get(MARKER) if isinstance(record, dict) else None
    return value if isinstance(value, str) else ""


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


def reading_of(said: plans.Reading) -> Reading:
    """Return what was said about the input when the plan was made."""
    return Reading(
        format=Format(said.format),
        delimiter=said.delimiter,
        quote=said.quote,
        escape=said.escape,
        encoding=said.encoding,
        column=said.column,
        header=said.header,
        id_type=Kind(said.id_type) if said.id_type else None,
        explode=said.explode,
        normal=said.normal,
        names=tuple((name, Meaning(Kind(kind), is_list)) for name, kind, is_list in said.names)
        or NAMES,
    )


async def check_unchanged(plan: "Plan", parts: "Sequence[Part]") -> None:
    """Hash the parts again; IntegrityError (`input_changed`) unless they are the plan's.

    What is elsewhere is not read again while its store says that it is still the same version.
    """
    if len(parts) != len(plan.parts):
        raise _changed(f"{len(parts)} files instead of {len(plan.parts)}")
    for part, facts in zip(parts, plan.parts, strict=True):
        if await sum_of(part, facts) != facts.sha256:
            raise _changed(f"{part.name} is not the file of the plan")


async def sum_of(part: Part, known: "PartFacts | None") -> str:
    """Return the SHA-256 of a part; read again, unless a store vouches that it is the known one."""
    if known is not None and known.version:
        found = await source.facts(part.path)
        if found.firm and (found.version, found.size) == (known.version, known.size):
            return known.sha256
    return (await source.fingerprint(part.path)).sha256


def _changed(what: str) -> IntegrityError:
    return IntegrityError(
        "input_changed",
        f"the input changed since the plan was made: {what}; nothing was sent",
        "restore the input, or start afresh with --abandon",
    )


def _changed_meanwhile(what: str) -> IntegrityError:
    return IntegrityError(
        "input_changed",
        f"the input changed while it was being sent: {what}; nothing more was sent",
        "restore the input, or start afresh with --abandon",
    )


def starting_mark(index: "IndexFile", progress: "Progress", size: int) -> "codes.Mark | None":
    """Return the last place from which reading meets every chunk that is not settled whole.

    Before that place, whole chunks are all settled; chunks that it cuts through are, too.
    """
    first = progress.first_unsettled()
    for mark in index.marks_backwards():
        done = mark.identities // size + mark.guids // size
        if done <= first and all(
            progress.all_settled(seq) for seq in _cut_through(mark, index, size, done)
        ):
            return mark
    return None


def _cut_through(mark: "codes.Mark", index: "IndexFile", size: int, done: int) -> "Iterator[int]":
    """Yield the numbers of the chunks that have IDs on both sides of the mark."""
    for kind, count in mark.before.items():
        if count % size:
            seq = done
            while index.chunk(seq).kind is not kind:
                seq += 1
            yield seq


async def planned_chunks(
    plan: "Plan",
    parts: "Sequence[Part]",
    index: "IndexFile",
    start: codes.Mark | None,
    skip_to: int = 0,
) -> "AsyncGenerator[Chunk, None]":
    """Read the input again from a mark on and yield the plan's chunks, from `skip_to` on.

    Which records are planned is the index's word; IntegrityError when the input has others.
    """
    reading = reading_of(plan.reading)
    chunker = Chunker(plan.bound.chunk_size, start.before if start else None)
    record = start.record if start else 0
    for number, part in enumerate(parts):
        if start is not None and number < start.part:
            continue
        at = start if start is not None and number == start.part else None
        async with aclosing(_again(part, reading, at)) as stream:
            async for batch in stream:
                if record + len(batch.ids) > plan.counts.read:
                    raise _changed_meanwhile(f"{part.name} has more records")
                row = index.codes(record, len(batch.ids))
                record += len(batch.ids)
                for kind, ids in picked(batch, codes.planned(row)):
                    for chunk in chunker.feed(ids, kind):
                        if chunk.seq >= skip_to:
                            yield chunk
    if record != plan.counts.read:
        raise _changed_meanwhile("it has fewer records")
    for chunk in chunker.close():
        if chunk.seq >= skip_to:
            yield chunk


OUT_OF_REACH = frozenset(
    {
        "input_forbidden",
        "input_missing",
        "input_moved",
        "input_store",
        "input_tls",
        "input_unreadable",
        "input_url",
        "not_a_file",
    }
)
"""Codes of what cannot be read now; what can, and was fit for a plan before, has changed."""


async def _again(
    part: Part, reading: Reading, at: "codes.Mark | None"
) -> "AsyncGenerator[Batch, None]":
    """Read a part that was read before: what is wrong with it now is no matter of usage any more.

    Stopped when it cannot be reached, which may pass; IntegrityError when it holds something else.
    """
    try:
        layout = await layout_of(part, reading)
        offset, line = (at.offset, at.line) if at else (0, 1)
        again = batches(part, layout, offset=offset, line=line, at_once=AT_ONCE)
        async with aclosing(again) as stream:
            async for batch in stream:
                yield batch
    except UsageError as error:
        if error.code not in OUT_OF_REACH:
            raise _changed_meanwhile(str(error)) from error
        raise Stopped(
            "input_withdrawn",
            f"{error}; nothing more was sent",
            f"{error.hint or 'put it back where it was'}; then: bulkdelete apply RUN_DIR, with "
            "--input for another place",
        ) from error


def picked(batch: "Batch", planned: bytes | bytearray) -> "Iterator[tuple[Kind, list[str]]]":
    """Yield runs of the IDs of a batch where `planned` is not 0, each of one kind."""
    ids = batch.ids
    if isinstance(batch.kinds, Kind):
        yield batch.kinds, list(compress(ids, planned)) if 0 in planned else ids
        return
    run: list[str] = []
    current = Kind.IDENTITY
    for position, one in enumerate(ids):
        if not planned[position]:
            continue
        kind = batch.kinds[position]
        if kind is not current and run:
            yield current, run
            run = []
        current = kind
        run.append(one)
    yield current, run
