"""The plan of a list of many parts, by many workers: the same, to the byte, that one process makes.

    cut into stretches -> take: hashes of each, by ranges -> find: what repeats, range by range
    -> survey: each stretch as ever, with that known -> joined in their order

Workers see one directory, 0700, beside the plan in the making, and the parts of the list. A key of
this one time, which is told in words, is what they read it by. Who does the work is a seam:
whatever takes a function with its words and gives what comes of it.
"""

import asyncio
import errno
import secrets
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bulkdelete import errands
from bulkdelete.census import entries_of
from bulkdelete.core.model import Kind
from bulkdelete.core.selection import Selection
from bulkdelete.core.spills import RANGES, Bits, together
from bulkdelete.core.stretches import cut
from bulkdelete.errands import SHARE, ApartError, Census, Failed, Orders, Totals
from bulkdelete.errors import BulkdeleteError, Stopped, UsageError
from bulkdelete.io import files, source
from bulkdelete.io.spill import Kept
from bulkdelete.reading import OUT_OF_REACH, layout_of, said
from bulkdelete.surveying import Stretch, Survey
from bulkdelete.walking import Laid, laid_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.plan import Protected
    from bulkdelete.core.sketch import Sketcher
    from bulkdelete.wish import Wish

T = TypeVar("T")

Submit = Callable[..., Awaitable[Any]]

LEAST = 256 << 20
"""Bytes of a list from which on it pays to have workers plan it."""

_STRETCH = 8 << 20
"""Bytes of a stretch, at least: each costs some files and a way to a worker, three times."""

_EACH = 4
"""So many stretches are for each worker: who is quicker does more of them."""

_TRIES = 3
"""How often a thing is given to workers that are lost over it."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_AT_ONCE = 32
"""So many facts are asked for at once of parts that are elsewhere."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Who does the work: `submit` gives a function and its words to one of `width` workers."""

    submit: Submit
    width: int
    stretch: int = _STRETCH


@dataclass(frozen=True, slots=True)
class Hire:
    """How workers are come to, who are not asked for less than a list of `least` bytes."""

    hands: Callable[[], AbstractAsyncContextManager[Hands]]
    least: int = LEAST


async def sizes(wish: "Wish") -> list[int]:
    """Return the size of each part, in bytes; raise what is wrong with the first of them."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def size(place: source.Place) -> int:
        async with few:
            return (await source.facts(place)).size

    asked = (size(part.path) for part in wish.parts)
    found = []
    for one in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found


def pays(hire: Hire, found: "Sequence[int]") -> bool:
    """Tell whether a list of parts of these sizes is for workers."""
    return len(found) > 1 and sum(found) >= hire.least


async def surveyed(  # noqa: PLR0913, PLR0917 - what a plan is made of, and who makes it
    wish: "Wish",
    lists: "tuple[Protected, ...]",
    key: bytes,
    now: float,
    found: "Sequence[int]",
    hire: Hire,
    told: "Sketcher | None",
) -> Survey:
    """Have the list surveyed, in stretches; tell a sketcher of it.

    `lists` are its protect lists as they were read here.

    ApartError when it cannot be done there; what refuses the list is raised as ever.
    """
    if wish.scratch is None:
        raise ApartError("there is no directory for it")
    place = wish.scratch / "lake"
    async with hire.hands() as hands:
        if hands.width == 1:
            raise ApartError("there is one worker only")
        files.make_private(place)
        try:
            return await _Lake(wish, lists, key, now, found, hands, place).surveyed(told)
        except OSError as error:
            raise _meant(error) from error
        finally:
            _remove(place)


def _meant(error: Exception) -> Exception:
    """Return what is to be raised of an error that was met over the list or in the directory."""
    if isinstance(error, UsageError) and (error.code in OUT_OF_REACH | {"missing_extra"}):
        # Perhaps it is out of their reach only; else this process says so itself.
        return ApartError(f"for a worker, {error}")
    if isinstance(error, OSError) and error.errno not in _NO_ROOM:
        return ApartError(f"the directory of the plan cannot be shared ({error.strerror})")
    return error


def _remove(place: Path) -> None:
    """Remove a directory that workers may be at: under another name, they put nothing there."""
    shutil.rmtree(place.rename(place.with_name(f"{place.name}-over")), ignore_errors=True)


class _Lake:
    """A list that is planned by many, from its first pass to its survey."""

    def __init__(  # noqa: PLR0913, PLR0917 - the same
        self,
        wish: "Wish",
        lists: "tuple[Protected, ...]",
        key: bytes,
        now: float,
        found: "Sequence[int]",
        hands: Hands,
        place: Path,
    ) -> None:
        self._wish = wish
        self._lists = lists
        self._key = key
        self._now = now
        self._hands = hands
        self._one_time = secrets.token_bytes(32)
        self._place = place
        self._stretches = cut(found, hands.width * _EACH, hands.stretch)

    async def surveyed(self, told: "Sketcher | None") -> Survey:
        first = await self._first_laid()
        self._write(errands.orders_at(self._place), self._orders(first, told))
        met, passed = await self._met()
        await self._all(errands.take, [(n, met[one.start], passed) for n, one in self._each()])
        censuses = [
            self._read(errands.census_at(self._place, number), Census) for number, _ in self._each()
        ]
        _check_alike(censuses)
        for census in censuses:
            if told is not None and census.sketch is not None:
                told.join(census.sketch)
        groups = await asyncio.to_thread(self._groups)
        await self._all(errands.find, groups)
        await asyncio.to_thread(self._settle, censuses, groups, met, passed)
        await self._all(errands.survey, [(number,) for number, _ in self._each()])
        return await asyncio.to_thread(self._joined)

    def _write(self, path: Path, found: object) -> None:
        errands.write(path, found, self._one_time)

    def _read(self, path: Path, kind: type[T]) -> T:
        return errands.read(path, kind, self._one_time)

    def _each(self) -> "Sequence[tuple[int, range]]":
        return list(enumerate(self._stretches))

    async def _first_laid(self) -> Laid | None:
        """Return how the first part is laid out that is not empty."""
        for part in self._wish.parts:
            layout = await layout_of(part, self._wish.reading)
            if not layout.empty:
                return laid_out(layout)
        return None

    def _orders(self, first: Laid | None, told: "Sketcher | None") -> Orders:
        wish = self._wish
        return Orders(
            parts=tuple((errands.place_of(part), part.name) for part in wish.parts),
            stretches=tuple((one.start, one.stop) for one in self._stretches),
            reading=said(wish.reading),
            target=wish.target.name,
            chunk_size=wish.chunk_size,
            protect=tuple(str(path.absolute()) for path in wish.protect),
            lists=self._lists,
            last_seen=wish.last_seen,
            exported_at=wish.exported_at,
            selection=wish.selection,
            shard=wish.shard,
            memory=wish.memory,
            now=self._now,
            seed=secrets.randbits(64),
            sketch_seed=None if told is None else told.seed,
            first=first,
        )

    async def _met(self) -> tuple[list[int], int]:
        """Return how many records meet the conditions before each part, and what is sampled of."""
        selection = self._wish.selection
        if selection == Selection(where=selection.where):
            return [0] * len(self._wish.parts), 0  # nobody asks
        found = await self._all(errands.meet, [(number,) for number, _ in self._each()])
        met, before = [], 0
        for count in (count for counts in found for count in counts):
            met.append(before)
            before += count
        return met, max(0, before - selection.skip)

    async def _all(
        self, errand: Callable[..., object], words: "Sequence[tuple[object, ...]]"
    ) -> list[Any]:
        """Have an errand done with all these words; raise what refuses the first of them."""
        tasks = [asyncio.create_task(self._done(errand, one)) for one in words]
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _done(self, errand: Callable[..., object], words: tuple[object, ...]) -> object:
        """Have one done; when its worker is lost, by another."""
        for _ in range(_TRIES):
            try:
                given = self._hands.submit(errand, str(self._place), self._one_time, *words)
                found = await given
            except BulkdeleteError:
                raise
            except Exception as error:  # noqa: BLE001 - each executor loses workers in its own way
                lost = error
                continue
            if not isinstance(found, Failed):
                return found
            if not isinstance(found.error, MemoryError):
                raise _meant(found.error)
            lost = found.error
        raise Stopped(
            "workers_lost",
            f"workers were lost over the plan, {_TRIES} times ({type(lost).__name__}); nothing was "
            "sent",
            "see what ends them (memory, perhaps); then run the same command again",
        ) from lost

    # --- between the passes ---

    def _groups(self) -> list[tuple[str, int, int]]:
        """Cut the hashes of each kind into ranges that a worker holds in memory."""
        most = self._wish.memory // SHARE // entries_of(0, None).weight
        found = []
        for kind in Kind:
            totals = [0] * RANGES
            for number, _ in self._each():
                with closing(Kept(errands.runs_at(self._place, number, kind))) as kept:
                    totals = [sum(two) for two in zip(totals, kept.counts(), strict=True)]
            share = -(-sum(totals) // (self._hands.width * _EACH))
            groups = together(totals, max(1, min(most, share)))
            found += [(kind.value, one.start, one.stop) for one in groups]
        return found

    def _settle(
        self,
        censuses: "Sequence[Census]",
        groups: "Sequence[tuple[str, int, int]]",
        met: "Sequence[int]",
        passed: int,
    ) -> None:
        """Put together what repeats in each stretch, and what is planned of each part."""
        numbers = [one for census in censuses for one in census.numbers]
        repeats = [
            {kind: Bits(sum(one[kind] for one in census.numbers)) for kind in Kind}
            for census in censuses
        ]
        for kind, start, _ in groups:
            path = errands.found_at(self._place, Kind(kind), start)
            for bits, found in zip(repeats, self._read(path, list[bytes]), strict=True):
                bits[Kind(kind)].mark(errands.numbers_in(found))
        own: list[dict[Kind, int]] = []
        job: list[dict[Kind, int]] = []
        for number, (census, bits) in enumerate(zip(censuses, repeats, strict=True)):
            marked = {kind: bytes(one) for kind, one in bits.items()}
            self._write(errands.repeats_at(self._place, number), marked)
            out = {kind: _all_marked(bits[kind], kind, census) for kind in Kind}
            job += _planned(census, out)
            if self._wish.shard is not None:
                theirs = {kind: Bits(0, census.theirs[kind]) for kind in Kind}
                out = {kind: out[kind] | theirs[kind] for kind in Kind}
            own += _planned(census, out)
        totals = Totals(
            met=tuple(met), passed=passed, numbers=tuple(numbers), own=tuple(own), job=tuple(job)
        )
        self._write(errands.totals_at(self._place), totals)

    def _joined(self) -> Survey:
        survey = Survey(self._wish, self._key)
        for number, _ in self._each():
            survey.join(self._read(errands.stretch_at(self._place, number), Stretch))
        survey.close()
        return survey


def _all_marked(repeats: Bits, kind: Kind, census: Census) -> Bits:
    """Return the IDs of a kind that are not planned of a stretch, whoever's shard they are."""
    for one in (*census.protected, census.active):
        repeats |= Bits(0, one[kind])
    return repeats


def _planned(census: Census, out: "dict[Kind, Bits]") -> list[dict[Kind, int]]:
    """Return how many IDs of each kind are planned of each part of a stretch."""
    found, before = [], dict.fromkeys(Kind, 0)
    for numbers in census.numbers:
        end = {kind: before[kind] + numbers[kind] for kind in Kind}
        found.append(
            {kind: numbers[kind] - out[kind].count(before[kind], end[kind]) for kind in Kind}
        )
        before = end
    return found


def _check_alike(censuses: "Sequence[Census]") -> None:
    """Refuse hashes of two sorts: equal IDs would not meet."""
    if {census.made_by for census in censuses} != {errands.made_by()}:
        raise UsageError(
            "workers_differ",
            "a worker has another version of bulkdelete than this process, or not the same extras; "
            "nothing was sent",
            "install the same everywhere (with the extra `speed`, or without it)",
        )
