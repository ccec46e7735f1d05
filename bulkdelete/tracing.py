"""One ID's story: where it stands in the input, what became of it, and every attempt it was in."""

from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core.trail import Trail, Try
from bulkdelete.errors import UsageError
from bulkdelete.fates import fates
from bulkdelete.io import journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.fates import Fate
    from bulkdelete.io.rundir import RunDir
    from bulkdelete.reading import Part

SCHEMA = "bulkdelete.story/1"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One place in the input. A planned ID is number `number` (from 1) of `of` in its chunk.

    `piece` says which IDs of the chunk, first and last by number, it was sent with in the end,
    where the chunk was refused and cut; None where it was not. The ID itself is not in it.
    """

    where: str
    kind: str
    state: str
    reason: str | None
    chunk: int | None = None
    number: int | None = None
    of: int | None = None
    piece: tuple[int, int] | None = None
    attempts: tuple[Try, ...] = ()


async def story(
    run: "RunDir", plan: "Plan", parts: "Sequence[Part]", progress: "Progress", identifier: str
) -> list[Entry]:
    """Tell what happened to one ID: one entry for each time that it stands in the input.

    UsageError when it does not. A place is read off the input, the attempts off the log.
    """
    index = run.index(plan)
    try:
        found: list[Fate] = []
        async with aclosing(fates(plan, parts, index, progress, only=identifier)) as stream:
            async for fated in stream:
                found.extend(one for one in fated if one.identifier == identifier)
        sizes = {one.chunk: index.chunk(one.chunk).count for one in found if one.chunk is not None}
    finally:
        index.close()
    if not found:
        raise UsageError("unknown_id", "this ID is not in the input of the run")
    trail = Trail(_places(found))
    if sizes:
        journal.read(run.log_path, trail.apply)
    return [_entry(fate, sizes, trail, progress) for fate in found]


def _places(found: "Sequence[Fate]") -> list[tuple[int, int]]:
    return [
        (one.chunk, one.position)
        for one in found
        if one.chunk is not None and one.position is not None
    ]


def _entry(fate: "Fate", sizes: dict[int, int], trail: Trail, progress: "Progress") -> Entry:
    told = Entry(
        where=fate.place, kind=fate.kind.value, state=fate.state.value, reason=fate.reason or None
    )
    if fate.chunk is None or fate.position is None:
        return told
    spans = progress.pieces.get(fate.chunk, {})
    pieces = [(one.lo + 1, one.hi) for one in spans if one.lo <= fate.position < one.hi]
    return msgspec.structs.replace(
        told,
        chunk=fate.chunk,
        number=fate.position + 1,
        of=sizes[fate.chunk],
        piece=pieces[0] if len(spans) > 1 else None,
        attempts=tuple(trail.tries(fate.chunk, fate.position)),
    )
