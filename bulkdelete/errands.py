"""What workers do for the plan of a lake: each does it to one stretch of the list, or some hashes.

A worker is told a directory that all see, a key of this one time, and numbers; what it needs beyond
is in that directory, and so is what it found. No ID is in it, and what could tell of one is veiled
under the key or hashed under a seed that is. Nothing but those words, counts and refusals goes over
a network. Whatever is done again comes out the same: what was lost is done again elsewhere.
"""

import asyncio
import pickle
from array import array
from collections.abc import Callable
from contextlib import ExitStack, aclosing, closing
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec

from bulkdelete import targets
from bulkdelete.census import entries_of, sketcher_of
from bulkdelete.core import plan as plans
from bulkdelete.core.model import Kind
from bulkdelete.core.selection import Selection, Selector
from bulkdelete.core.shard import Shard
from bulkdelete.core.sieve import sift
from bulkdelete.core.sketch import Sketch
from bulkdelete.core.spills import Bits, Repeats
from bulkdelete.core.urls import url_of
from bulkdelete.errors import IntegrityError, UsageError
from bulkdelete.io import source
from bulkdelete.io.spill import Kept, NamedSpill, put, unveiled, veiled
from bulkdelete.protecting import protect_rules
from bulkdelete.reading import Part, reading_of
from bulkdelete.surveying import Judge, Stretch, Survey
from bulkdelete.tally import StretchTally
from bulkdelete.version import __version__
from bulkdelete.walking import Laid, Walk, count, sample
from bulkdelete.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bulkdelete.core.identities import ProtectRules
    from bulkdelete.surveying import Rules
    from bulkdelete.walking import Met, Step

    Number = Mapping[Kind, int]

T = TypeVar("T")
P = ParamSpec("P")

SHARE = 2
"""Half of the memory is for de-duplication; the program and the plan's index take the rest."""


class ApartError(Exception):
    """The workers do not see what they would have to: so it is planned by one process."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What is said to all: the list, how it is cut, and the seed of the hashes of this one time.

    `first` is how the first part that holds anything is laid out; `lists` are the protect lists as
    they were read by who binds the plan to them.
    """

    parts: tuple[tuple[str, str], ...]
    stretches: tuple[tuple[int, int], ...]
    reading: plans.Reading
    target: str
    chunk_size: int
    protect: tuple[str, ...]
    lists: tuple[plans.Protected, ...]
    last_seen: str | None
    exported_at: float | None
    selection: Selection
    shard: Shard | None
    memory: int
    now: float
    seed: int
    sketch_seed: int | None
    first: Laid | None

    def wish(self) -> Wish:
        """Return what is to be planned; where it goes does not matter here."""
        return Wish(
            parts=tuple(Part(_place(where), name) for where, name in self.parts),
            inputs=(),
            reading=reading_of(self.reading),
            target=targets.find(self.target),
            host=None,
            account=None,
            chunk_size=self.chunk_size,
            protect=tuple(map(Path, self.protect)),
            last_seen=self.last_seen,
            exported_at=self.exported_at,
            selection=self.selection,
            shard=self.shard,
            memory=self.memory,
        )

    def stretch(self, number: int) -> range:
        """Return the parts of a stretch."""
        return range(*self.stretches[number])

    def stretch_of(self, part: int) -> int:
        """Return the stretch that a part is in."""
        return next(n for n, (_, stop) in enumerate(self.stretches) if part < stop)


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What a first pass counted of a stretch; per part in `sums` and `numbers`.

    `numbers`: so many IDs of each kind could be sent, if nothing else is known of them. `held` are
    those that are protected, one for each list, and those of other shards: bits by their number
    within the stretch. `made_by` says by which version and which hash.
    """

    made_by: str
    sums: tuple[str, ...]
    numbers: tuple[dict[Kind, int], ...]
    protected: tuple[dict[Kind, bytes], ...]
    active: dict[Kind, bytes]
    theirs: dict[Kind, bytes]
    sketch: Sketch | None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of each part after all first passes, for those who read on, too.

    `met`: how many records met the conditions before it; `own` and `job`: planned IDs of it.
    """

    met: tuple[int, ...]
    passed: int
    numbers: tuple[dict[Kind, int], ...]
    own: tuple[dict[Kind, int], ...]
    job: tuple[dict[Kind, int], ...]

    def before(self, planned: "Sequence[dict[Kind, int]]", part: int) -> dict[Kind, int]:
        """Return how many come before a part."""
        return summed(planned[:part])


def summed(counts: "Sequence[Mapping[Kind, int]]") -> dict[Kind, int]:
    """Add up what was counted of each kind."""
    return {kind: sum(one[kind] for one in counts) for kind in Kind}


# --- where what is ---


def orders_at(place: Path) -> Path:
    """Return the file of what is said to all."""
    return place / "orders"


def census_at(place: Path, number: int) -> Path:
    """Return the file of what a first pass counted."""
    return place / f"census-{number}"


def runs_at(place: Path, number: int, kind: Kind) -> Path:
    """Return the file of hashes of a stretch."""
    return place / f"runs-{number}-{kind}"


def found_at(place: Path, kind: Kind, start: int) -> Path:
    """Return the file of what repeats among the hashes of some ranges."""
    return place / f"found-{kind}-{start}"


def repeats_at(place: Path, number: int) -> Path:
    """Return the file of what repeats in a stretch."""
    return place / f"repeats-{number}"


def totals_at(place: Path) -> Path:
    """Return the file of what is known of all parts."""
    return place / "totals"


def stretch_at(place: Path, number: int) -> Path:
    """Return the file of what a stretch came to."""
    return place / f"stretch-{number}"


def write(path: Path, found: object, key: bytes) -> None:
    """Write down a value, veiled."""
    put(path, veiled(msgspec.msgpack.encode(found), key))


def read(path: Path, kind: type[T], key: bytes) -> T:
    """Read one."""
    return msgspec.msgpack.decode(unveiled(path.read_bytes(), key), type=kind)


def place_of(part: Part) -> str:
    """Return where a part is, for whoever reads it from another place.

    ApartError where the address is itself a right to read: it is neither kept nor passed on.
    """
    if isinstance(part.path, Path):
        return str(part.path.absolute())
    if part.path.url.secret:
        raise ApartError(f"{part.name} is a signed address")
    return part.path.url.text


def _place(where: str) -> source.Place:
    url = url_of(where)
    return Path(where) if url is None else source.remote(url)


# --- the errands ---


@dataclass(frozen=True, slots=True)
class Failed:
    """What an errand itself raised: no loss of the worker that was at it."""

    error: Exception


def _told(errand: Callable[P, T]) -> Callable[P, T | Failed]:
    """Have it say what it raises, instead of raising it: what carries errands raises, too."""

    @wraps(errand)
    def told(*args: P.args, **words: P.kwargs) -> T | Failed:
        try:
            return errand(*args, **words)
        except Exception as error:  # noqa: BLE001 - each is for who sent for it to judge
            return Failed(_carried(error))

    return told


def _carried(error: Exception) -> Exception:
    """Return an error that comes whole to another process: else one that names it."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of the line itself
    except Exception:  # noqa: BLE001 - each may fail in a way of its own
        return RuntimeError(f"{type(error).__qualname__} in a worker")
    return error


@_told
def meet(place: str, key: bytes, number: int) -> list[int]:
    """Count what meets the conditions in each part of a stretch.

    ApartError when a part is refused: it is not for a count to say what is wrong first of all.
    """
    try:
        return asyncio.run(_meet(read(orders_at(Path(place)), Orders, key), number))
    except UsageError as error:
        raise ApartError(f"for a worker, {error}") from error


async def _meet(orders: Orders, number: int) -> list[int]:
    wish = orders.wish()
    found = []
    for part in orders.stretch(number):
        counting = Selector(Selection(where=wish.selection.where))
        await count(wish.parts[part], wish, counting)
        found.append(counting.passed)
    return found


@_told
def take(place: str, key: bytes, number: int, met: int, passed: int) -> None:
    """Go through a stretch for the first time: its hashes by ranges, and what is held back.

    `met` records met the conditions before it, of `passed` that count for a sample.
    """
    orders = read(orders_at(Path(place)), Orders, key)
    found = asyncio.run(_First(orders, Path(place), number).take(met, passed))
    write(census_at(Path(place), number), found, key)


class _First:
    """A first pass over a stretch."""

    def __init__(self, orders: Orders, place: Path, number: int) -> None:
        self._orders = orders
        self._wish = orders.wish()
        self._place = place
        self._number = number
        self._active = {kind: array("Q") for kind in Kind}
        self._theirs = {kind: bytearray() for kind in Kind}
        self._spills: dict[Kind, NamedSpill] = {}

    async def take(self, met: int, passed: int) -> Census:
        """Go through it."""
        wish, orders = self._wish, self._orders
        rules = await self._rules()
        protected = [{kind: array("Q") for kind in Kind} for _ in rules]
        sketcher = sketcher_of(orders.sketch_seed)
        selector = selector_of(orders, met, passed)
        walk = Walk(wish, selector, orders.now, orders.first)
        numbers: dict[int, dict[Kind, int]] = {}
        with ExitStack() as stack:
            for kind in Kind:
                entries = entries_of(orders.seed, sketcher)
                runs = runs_at(self._place, self._number, kind)
                self._spills[kind] = NamedSpill(entries, runs, wish.memory // SHARE // len(Kind))
                stack.callback(self._spills[kind].close)
            parts = orders.stretch(self._number)
            async with aclosing(walk.steps(parts, arrays=True)) as steps:
                async for step in steps:
                    counts = numbers.setdefault(step.number, dict.fromkeys(Kind, 0))
                    self._put(step, selector, counts, list(zip(rules, protected, strict=True)))
            for spill in self._spills.values():
                spill.keep()
        return Census(
            made_by=made_by(),
            sums=tuple(one.facts.sha256 for one in walk.met),
            numbers=tuple(numbers.get(part, dict.fromkeys(Kind, 0)) for part in parts),
            protected=tuple(map(self._bits, protected)),
            active=self._bits(self._active),
            theirs={kind: bytes(Bits.of(one)) for kind, one in self._theirs.items()},
            sketch=sketcher.sketch() if sketcher else None,
        )

    async def _rules(self) -> "list[ProtectRules]":
        """Read the protect lists; ApartError unless they are those that the plan is bound to."""
        wish = self._wish
        try:
            rules, lists = await protect_rules(wish.protect, wish.reading.names)
        except UsageError as error:
            raise ApartError(f"a worker cannot read a protect list: {error}") from error
        if lists != self._orders.lists:
            raise ApartError("a worker sees another protect list")
        return rules

    def _put(
        self,
        step: "Step",
        selector: Selector | None,
        counts: dict[Kind, int],
        lists: "Sequence[tuple[Rules, dict[Kind, array[int]]]]",
    ) -> None:
        sifted = sift(step.batch, selector, self._wish.target.fault)
        for some in sifted.kinds():
            spill, kind = self._spills[some.kind], some.kind
            first = spill.count
            spill.add(some.data, len(some.ids))
            counts[kind] += len(some.ids)
            for rules, protected in lists:
                protected[kind].extend(first + at for at in rules.matches(some.ids, kind))
            if step.active:
                places = range(len(some.ids))
                found = (at for at in places if some.position(at) in step.active)
                self._active[kind].extend(first + at for at in found)
            if self._wish.shard is not None:
                self._theirs[kind] += self._wish.shard.others(some.data)

    def _bits(self, marked: "Mapping[Kind, array[int]]") -> dict[Kind, bytes]:
        found = {}
        for kind, numbers in marked.items():
            bits = Bits(self._spills[kind].count)
            bits.mark(numbers)
            found[kind] = bytes(bits)
        return found


def made_by() -> str:
    """Say by which version and which hash entries are made here."""
    return f"{__version__} {type(entries_of(0, None)).__name__}"


def selector_of(orders: Orders, met: int, passed: int) -> Selector | None:
    """Return what selects, for who begins behind so many records that met the conditions."""
    selection = orders.selection
    if not selection:
        return None
    return Selector(selection, None if selection.sample is None else sample(selection, passed), met)


@_told
def find(place: str, key: bytes, kind: str, start: int, stop: int) -> None:
    """Look through some ranges of hashes of all stretches: which IDs repeat an earlier one."""
    where = Path(place)
    stretches = range(len(read(orders_at(where), Orders, key).stretches))
    # One at a time: there may be more of them than files that a process may open.
    paths = [runs_at(where, number, Kind(kind)) for number in stretches]
    ranges, total, found = range(start, stop), 0, []
    for path in paths:
        with closing(Kept(path)) as kept:
            total += kept.count(ranges)
    # The seed is not needed any more: what looks for repetitions only compares.
    finder = entries_of(0, None).finder(total)
    for path in paths:
        numbers = array("Q")
        with closing(Kept(path)) as kept:
            for piece in kept.pieces(ranges):
                numbers.extend(finder.repeats(piece))
        found.append(numbers.tobytes())
    write(found_at(where, Kind(kind), start), found, key)


@_told
def survey(place: str, key: bytes, number: int) -> None:
    """Go through a stretch for the second time: what it comes to, now that repetitions are known.

    Its last chunks are finished with what comes after it.
    """
    orders = read(orders_at(Path(place)), Orders, key)
    found = asyncio.run(_Second(orders, Path(place), key).survey(number))
    write(stretch_at(Path(place), number), found, key)


class _Second:
    """A second pass over a stretch."""

    def __init__(self, orders: Orders, place: Path, key: bytes) -> None:
        self._orders = orders
        self._wish = orders.wish()
        self._place = place
        self._one_time = key
        self._totals = read(totals_at(place), Totals, key)
        self._known: tuple[int, Census, dict[Kind, Bits]] | None = None

    async def survey(self, number: int) -> Stretch:
        """Go through it, and on until its last chunks are full."""
        wish, totals, parts = self._wish, self._totals, self._orders.stretch(number)
        before = totals.before(totals.own, parts.start), totals.before(totals.job, parts.start)
        survey, judge = Survey(wish, before=before), self._judge(parts.start)
        walk, selector = self._walk(parts.start)
        async with aclosing(walk.steps(parts, arrays=True)) as steps:
            async for step in steps:
                survey.take(step, selector, judge)
        survey.met += walk.met
        survey.hold_back(judge.held_back)
        check_sums([wish.parts[part] for part in parts], walk.met, self._of(parts.start)[1].sums)
        tallies = [one for one in survey.tallies if isinstance(one, StretchTally)]
        for tally in tallies:
            tally.end()
        for part in range(parts.stop, len(wish.parts)):
            if not any(one.lacking() for one in tallies):
                break
            if self._serves(part, tallies):
                await self._read_on(part, tallies)
        survey.close()
        return survey.stretch()

    def _walk(self, part: int) -> tuple[Walk, Selector | None]:
        """Return the way from a part on, and what selects there."""
        orders, totals = self._orders, self._totals
        selector = selector_of(orders, totals.met[part], totals.passed)
        return Walk(self._wish, selector, orders.now, orders.first), selector

    def _of(self, part: int) -> tuple[int, Census, dict[Kind, Bits]]:
        """Return what is known of the stretch of a part: its number, and what repeats in it."""
        number = self._orders.stretch_of(part)
        if self._known is None or self._known[0] != number:
            census = read(census_at(self._place, number), Census, self._one_time)
            repeats = read(repeats_at(self._place, number), dict[Kind, bytes], self._one_time)
            self._known = number, census, _marks(repeats)
        return self._known

    def _judge(self, part: int) -> Judge:
        """Return what judges the IDs from a part on."""
        number, census, repeats = self._of(part)
        start = self._orders.stretch(number).start
        before = summed(self._totals.numbers[start:part])
        rules = [Repeats(_marks(one), before) for one in census.protected]
        return Judge(self._wish, Repeats(repeats, before), rules)

    def _serves(self, part: int, tallies: "Sequence[StretchTally]") -> bool:
        """Tell whether a part holds what a chunk that is open lacks."""
        planned = (self._totals.own[part], self._totals.job[part])
        return any(
            counts[kind]
            for tally, counts in zip(tallies, planned, strict=False)
            for kind in tally.lacking()
        )

    async def _read_on(self, part: int, tallies: "Sequence[StretchTally]") -> None:
        walk, selector = self._walk(part)
        judge = self._judge(part)
        async with aclosing(walk.head(part)) as steps:
            async for step in steps:
                sifted = sift(step.batch, selector, self._wish.target.fault)
                kinds = list(sifted.kinds())
                row = judge.of_job(step, sifted, kinds)
                rows = judge.of_own(kinds, bytearray(row)), row
                for tally, codes in zip(tallies, rows, strict=False):
                    tally.read_on(step.batch, codes)
                if not self._serves(part, tallies):
                    return


def _marks(found: "Mapping[Kind, bytes]") -> dict[Kind, Bits]:
    return {kind: Bits(0, bits) for kind, bits in found.items()}


def check_sums(parts: "Sequence[Part]", met: "Sequence[Met]", sums: "Sequence[str]") -> None:
    """Refuse parts that are not what they were when they were read before."""
    for part, before, now in zip(parts, sums, met, strict=True):
        if now.facts.sha256 != before:
            raise IntegrityError(
                "input_changed",
                f"{part.name} changed while it was read; nothing was sent",
                "plan it again when whoever writes it is done",
            )


def numbers_in(found: bytes) -> "Iterator[int]":
    """Yield the numbers that `find` wrote down."""
    numbers = array("Q")
    numbers.frombytes(found)
    return iter(numbers)
