"""Verification as values: rounds of asking replayed from verify.log, what to do next, and words.

A round asks for a sample of the accepted profiles, or for all, or for those in doubt. It names an
ID by chunk and position, never by itself. What counts is what was concluded: `gone`, `there`,
`unknown` and `back` (gone in an earlier round, and there again: somebody new) add up to the sample.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import MAX_IDS_PER_CHUNK
from bulkdelete.core.profiles import Presence
from bulkdelete.core.sampling import CONFIDENCE, at_most, sample_size

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "bulkdelete.verification/1"
SETTLED_AFTER = 48 * 3600.0
"""Seconds within which the vendor removes what it accepted; before that a read says nothing."""

DAY = 86_400.0
RETURN_DAYS = (0, 7, 30)
"""When to look who came back, in days from the first conclusion."""


class Scope(StrEnum):
    """Whose profiles are asked for."""

    ACCEPTED = "accepted"
    AMBIGUOUS = "ambiguous"


_CODES = {Presence.GONE: 1, Presence.THERE: 2, Presence.UNKNOWN: 3}
_PRESENCES = {code: presence for presence, code in _CODES.items()}


@dataclass(slots=True)
class Asked:
    """One round: a byte for each ID of the chunks that were asked about."""

    opened: log.Round
    concluded: log.Conclusion | None = None
    looks: dict[int, bytearray] = field(default_factory=dict)

    def note(self, look: log.Look) -> None:
        """Note an answer; a later one about the same ID counts."""
        chunk = self.looks.setdefault(look.chunk, bytearray(MAX_IDS_PER_CHUNK))
        chunk[look.position] = _CODES[Presence(look.presence)]

    def presence(self, chunk: int, position: int) -> Presence | None:
        """Return what was found of one ID; None when it was not asked about."""
        codes = self.looks.get(chunk)
        return None if codes is None else _PRESENCES.get(codes[position])

    def found(self, presence: Presence) -> "Iterator[tuple[int, int]]":
        """Yield chunk and position of the IDs of which this was found."""
        code = _CODES[presence]
        for chunk, codes in self.looks.items():
            for position, one in enumerate(codes):
                if one == code:
                    yield chunk, position


@dataclass(slots=True)
class Rounds:
    """verify.log of the run with this plan digest, replayed."""

    plan: str
    every: list[Asked] = field(default_factory=list)

    def apply(self, record: log.Record) -> None:
        """Apply one durable record; IntegrityError when it contradicts what came before."""
        last = self.every[-1] if self.every else None
        is_open = last is not None and last.concluded is None
        match record:
            case log.Round() if record.plan == self.plan:
                self.every.append(Asked(record))
            case log.Look() if last is not None and is_open:
                try:
                    last.note(record)
                except (ValueError, IndexError) as error:
                    raise log.corrupt("a record holds what cannot be") from error
            case log.Conclusion() if last is not None and is_open:
                last.concluded = record
            case _:
                raise log.corrupt("it holds a record that does not belong there")

    def concluded(self, scope: Scope | None = None) -> list[Asked]:
        """Return the rounds that were concluded, in order; of one scope, or of all."""
        return [
            one
            for one in self.every
            if one.concluded is not None and scope in {None, one.opened.scope}
        ]

    def came_back(self, asked: Asked, chunk: int, position: int) -> bool:
        """Tell whether a round before this one had found this ID gone."""
        for earlier in self.concluded():
            if earlier is asked:
                break
            if earlier.presence(chunk, position) is Presence.GONE:
                return True
        return False

    def tally(self, asked: Asked) -> "dict[str, int]":
        """Count what a round found: gone, there, unknown, back."""
        counts = Counter({one: sum(1 for _ in asked.found(one)) for one in Presence})
        there = asked.found(Presence.THERE)
        back = sum(1 for place in there if self.came_back(asked, *place))
        return {
            "gone": counts[Presence.GONE],
            "there": counts[Presence.THERE] - back,
            "unknown": counts[Presence.UNKNOWN],
            "back": back,
        }


# --- what to do next ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for. `sample` None: the default size; `seed` None: any.

    `watch`: look who came back, too. `at_once`: do not wait for the vendor's 48 hours.
    """

    scope: Scope = Scope.ACCEPTED
    full: bool = False
    sample: int | None = None
    seed: int | None = None
    watch: bool = False
    at_once: bool = False

    def size(self, population: int) -> int:
        """Return how many to ask."""
        if self.full or self.scope is Scope.AMBIGUOUS:
            return population
        return min(population, sample_size(population) if self.sample is None else self.sample)


@dataclass(frozen=True, slots=True)
class GoOn:
    """The last round was not concluded, and is what is wished for."""

    asked: Asked


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin this round."""

    opened: log.Round


@dataclass(frozen=True, slots=True)
class TooEarly:
    """Not before `due`, in seconds since the epoch."""

    due: float


@dataclass(frozen=True, slots=True)
class AllDone:
    """Every look for who came back was taken; this was the last."""

    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """How things stand: the run's chain head, how many IDs are in scope, when sending ended."""

    tool: str
    plan: str
    head: str
    population: int
    ended: float
    at: float
    draw: int


def course(rounds: Rounds, wish: Wish, now: Now) -> GoOn | Begin | TooEarly | AllDone:
    """Decide what to do; `now.draw` is the seed of a new round where none was wished for."""
    size, seed = wish.size(now.population), wish.seed
    day, due = 0, now.ended + SETTLED_AFTER
    earlier = rounds.concluded(wish.scope) if wish.watch else []
    if earlier:
        first = earlier[0]
        left = [one for one in RETURN_DAYS if one not in {asked.opened.day for asked in earlier}]
        if not left:
            return AllDone(earlier[-1])
        day, size, seed = left[0], first.opened.sample, first.opened.seed
        due = (first.concluded.at if first.concluded else now.ended) + day * DAY
    if now.at < due and not wish.at_once:
        return TooEarly(due)
    last = rounds.every[-1] if rounds.every else None
    opened = log.Round(
        at=now.at,
        tool=now.tool,
        plan=now.plan,
        head=now.head,
        scope=wish.scope.value,
        population=now.population,
        sample=size,
        seed=now.draw if seed is None else seed,
        day=day,
    )
    if last is not None and last.concluded is None and _same(last.opened, opened, seed):
        return GoOn(last)
    return Begin(opened)


def _same(old: log.Round, new: log.Round, seed: int | None) -> bool:
    if seed is None:
        new = msgspec.structs.replace(new, seed=old.seed)
    return old == msgspec.structs.replace(new, at=old.at, tool=old.tool)


# --- what it says ---


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The conclusion of a round. `not_gone_at_most` holds for all, at `confidence`.

    `chain_head` is that of verify.log before the record of this conclusion.
    """

    schema: str = SCHEMA
    run_id: str
    run_dir: str
    plan_digest: str
    exit_code: int
    scope: str
    day: int
    began: float
    concluded: float
    seed: int
    population: int
    asked: int
    gone: int
    still_there: int
    unknown: int
    came_back: int
    not_gone_at_most: int
    confidence: float
    sentence: str
    chain_head: str
    files: tuple[str, ...] = ()


def conclude(rounds: Rounds, at: float, head: str) -> log.Conclusion:
    """Return the record that ends the last round."""
    asked = rounds.every[-1]
    counts = rounds.tally(asked)
    good = counts["gone"] == asked.opened.sample
    return log.Conclusion(at=at, exit=0 if good else 3, head=head, **counts)


def says(asked: Asked, run_id: str, run_dir: str, ended: float) -> Verification:
    """Return what a concluded round says, for the run that ended sending at `ended`.

    ValueError for one that is not concluded.
    """
    opened, end = asked.opened, asked.concluded
    if end is None:
        raise ValueError("nothing can be said before all were asked")
    bound = at_most(opened.population, opened.sample, opened.sample - end.gone)
    early = opened.at < ended + SETTLED_AFTER
    return Verification(
        run_id=run_id,
        run_dir=run_dir,
        plan_digest=opened.plan,
        exit_code=end.exit,
        scope=opened.scope,
        day=opened.day,
        began=opened.at,
        concluded=end.at,
        seed=opened.seed,
        population=opened.population,
        asked=opened.sample,
        gone=end.gone,
        still_there=end.there,
        unknown=end.unknown,
        came_back=end.back,
        not_gone_at_most=bound,
        confidence=1.0 if opened.sample == opened.population else CONFIDENCE,
        sentence=_sentence(opened, end, bound, early=early),
        chain_head=end.head,
    )


def nothing(plan: str, scope: Scope, run_id: str, run_dir: str) -> Verification:
    """Return what there is to say when there is nobody to ask for."""
    return Verification(
        run_id=run_id,
        run_dir=run_dir,
        plan_digest=plan,
        exit_code=0,
        scope=scope.value,
        day=0,
        began=0.0,
        concluded=0.0,
        seed=0,
        population=0,
        asked=0,
        gone=0,
        still_there=0,
        unknown=0,
        came_back=0,
        not_gone_at_most=0,
        confidence=1.0,
        sentence=f"There was nothing to ask for: no ID of this run is {scope}.",
        chain_head="",
    )


def _sentence(opened: log.Round, end: log.Conclusion, bound: int, *, early: bool) -> str:
    what = f"{opened.population:,} {opened.scope} IDs"
    rest = {"still there": end.there, "came back": end.back, "unknown": end.unknown}
    left = "".join(f", {number:,} {name}" for name, number in rest.items() if number)
    if opened.sample == opened.population:
        text = f"All {what} were asked for: {end.gone:,} gone{left or ', none left'}."
    else:
        share = 100 * bound / opened.population
        text = (
            f"{opened.sample:,} of {what}, chosen at random, were asked for: {end.gone:,} gone"
            f"{left or ', none left'}. With {100 * CONFIDENCE:g} % confidence at most {bound:,} "
            f"of all ({share:.2g} %) are not gone."
        )
    if early:
        text += " Asked before 48 hours had passed: an accepted profile may still have answered."
    return text
