"""What a list comes to, batch by batch: index, counts, chunks, and what a person wants to see.

A list is surveyed as one, or in stretches that are joined in their order. Both come to the same.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Protocol

from bulkdelete.core import guards
from bulkdelete.core import index as codes
from bulkdelete.core import plan as plans
from bulkdelete.core.damage import Detector, Finding
from bulkdelete.core.damage import Seen as Looked
from bulkdelete.core.digests import keyed
from bulkdelete.core.identities import mask, shown
from bulkdelete.core.layout import Format
from bulkdelete.core.model import Kind
from bulkdelete.core.selection import EXCLUSIONS
from bulkdelete.core.shard import OTHER_SHARD
from bulkdelete.core.sieve import sift
from bulkdelete.tally import Counted, StretchTally, Tally
from bulkdelete.walking import Met

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bulkdelete.core.chunks import Leaf
    from bulkdelete.core.dedup import Seen
    from bulkdelete.core.model import Batch
    from bulkdelete.core.selection import Selector
    from bulkdelete.core.shapes import Shape
    from bulkdelete.core.shard import Shard
    from bulkdelete.core.sieve import OfKind, Sifted
    from bulkdelete.walking import Step
    from bulkdelete.wish import Wish

EXAMPLES = 20
"""How many invalid records are kept to be shown."""


class Rules(Protocol):
    """A protect list, as far as a pass asks it."""

    def matches(self, ids: "Sequence[str]", kind: Kind) -> "Iterator[int]":
        """Yield the positions in `ids` (all of `kind`) that are protected."""
        ...


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

    def join(self, later: "Findings") -> None:
        """Take what was found in the next stretch of the list."""
        self.invalid = (self.invalid + later.invalid)[:EXAMPLES]
        self.masked = (self.masked + later.masked)[:EXAMPLES]
        for reason, count in later.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        if not self.first:
            self.first, self.examples = later.first, later.examples
        self.last = later.last or self.last


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a stretch of a list came to, for who joins it to those before it."""

    index: codes.Piece
    reasons: tuple[str, ...]
    own: Counted
    job: Counted | None
    excluded: int
    met: tuple[Met, ...]
    findings: Findings
    held_back: tuple[int, ...]
    looked: dict[Kind, Looked]


class Judge:
    """Says what of a batch is planned: it repeats nothing, is not protected, and of this shard."""

    def __init__(self, wish: "Wish", seen: "Seen", rules: "Sequence[Rules]") -> None:
        self.held_back = [0] * len(rules)
        self._shard = wish.shard
        self._seen = seen
        self._rules = rules

    def of_job(self, step: "Step", sifted: "Sifted", kinds: "Sequence[OfKind]") -> bytearray:
        """Return the codes of a batch, whoever's shard it is."""
        others = dict.fromkeys(sifted.out, codes.OUT)
        for some in kinds:
            ids, kind = some.ids, some.kind
            for place in self._seen.repeated(ids, kind, some.data):
                others[some.position(place)] = codes.DUPLICATE
            for number, rules in enumerate(self._rules):
                for place in rules.matches(ids, kind):
                    position = some.position(place)
                    if others.setdefault(position, codes.PROTECTED) == codes.PROTECTED:
                        self.held_back[number] += 1
        for place in step.active:
            others.setdefault(place, codes.PROTECTED)
        return codes.row(len(step.batch.ids), others)

    def of_own(self, kinds: "Sequence[OfKind]", row: bytearray) -> bytearray:
        """Return the codes of a batch, where those of another shard are out, too."""
        return row if self._shard is None else _apart(self._shard, kinds, row)


class Survey:
    """What was seen so far: of a list, or of a stretch of one."""

    def __init__(
        self,
        wish: "Wish",
        key: bytes = b"",
        before: "tuple[Mapping[Kind, int], Mapping[Kind, int]] | None" = None,
    ) -> None:
        self._wish = wish
        self._index = codes.IndexBuilder()
        size, sharded = wish.chunk_size, wish.shard is not None
        # All shards plan the whole: what is approved, and held against the guards, is the job.
        # Nothing here refers to itself: what was seen is let go at once, and not while it sends.
        self._own: Tally
        self._job: Tally
        if before is None:
            self._own = Tally(size, partial(_add_chunk, self._index, key))
            self._job = Tally(size) if sharded else self._own
        else:
            self._own = StretchTally(size, before[0])
            self._job = StretchTally(size, before[1]) if sharded else self._own
        self._reasons: dict[str, int] = {}
        self._findings = Findings()
        self._excluded = 0
        self._begun = 0
        self._held_back = [0] * len(wish.protect)
        self.met: list[Met] = []
        self._detectors = {
            kind: Detector(kind, wish.target.unlike, stretch=before is not None) for kind in Kind
        }

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What counts: of this shard, and of the job, where these are two."""
        return (self._own,) if self._own is self._job else (self._own, self._job)

    def planned(self, kind: Kind) -> int:
        """Return how many IDs of a kind the job has so far."""
        return self._job.planned[kind]

    def take(self, step: "Step", selector: "Selector | None", judge: Judge) -> None:
        """Take the next batch."""
        part, batch = step.part, step.batch
        if step.begins:
            self._begun = self._index.records
        self._mark(step.number, batch)
        sifted = sift(batch, selector, self._wish.target.fault)
        kinds = list(sifted.kinds())
        for position in sorted(sifted.out):
            self._leave_out(step, position, sifted.out[position])
        for some in kinds:
            detector = self._detectors[some.kind]
            if sifted.shape and some.positions is None:
                detector.look_at(sifted.shape, some.ids, part.name, batch.lines)
            else:
                detector.look(some.ids, some.data, part.name, some.lines(batch))
        row = judge.of_job(step, sifted, kinds)
        if self._own is not self._job:
            self._job.take(batch, row, sifted.even)
            row = judge.of_own(kinds, row)
        self._note_reasons(sifted, row)
        self._index.add(row)
        self._own.take(batch, row, sifted.even)
        self._show(step, row)

    def _mark(self, part: int, batch: "Batch") -> None:
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

    def _leave_out(self, step: "Step", position: int, reason: str) -> None:
        if reason in EXCLUSIONS:
            self._excluded += 1
            return
        counted = self._findings.reasons
        counted[reason] = counted.get(reason, 0) + 1
        if len(self._findings.invalid) < EXAMPLES:
            batch = step.batch
            where = f"{step.part.name}:{batch.lines[position]}"
            if step.layout.format is Format.JSON:  # all of it may stand on one line
                where += f" (ID {self._index.records - self._begun + position + 1:,})"
            self._findings.invalid.append(f"{where} {reason}")
            told = batch.told.get(position, "")
            look = shown(batch.ids[position]) or guards.wanted(reason, step.layout, told)
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

    def _show(self, step: "Step", row: bytes | bytearray) -> None:
        """Remember places and masked examples of the first and last planned IDs."""
        last = row.rfind(codes.PLANNED)
        if last < 0:
            return
        name, batch = step.part.name, step.batch
        if not self._findings.first:
            first = _places(row, codes.PLANNED)[:3]
            self._findings.first = f"{name}:{batch.lines[first[0]]}"
            self._findings.examples = [_example(batch, one) for one in first]
        self._findings.last = f"{name}:{batch.lines[last]}"

    def hold_back(self, counts: "Sequence[int]") -> None:
        """Note how many IDs each protect list held back."""
        self._held_back = [sum(two) for two in zip(self._held_back, counts, strict=True)]

    # --- stretches of one list ---

    def stretch(self) -> Stretch:
        """Return what a stretch came to; its tallies are closed."""
        own, job = self._own, self._job
        if not isinstance(own, StretchTally) or not isinstance(job, StretchTally):
            raise TypeError("this is a whole list")
        return Stretch(
            index=self._index.piece(),
            reasons=tuple(self._reasons),
            own=own.counted(),
            job=None if job is own else job.counted(),
            excluded=self._excluded,
            met=tuple(self.met),
            findings=self._findings,
            held_back=tuple(self._held_back),
            looked={kind: one.seen() for kind, one in self._detectors.items()},
        )

    def join(self, stretch: Stretch) -> None:
        """Take the next stretch, as if it had been gone through here."""
        known = self._reasons
        numbers = bytes(known.setdefault(reason, len(known)) for reason in stretch.reasons)
        self._index.join(stretch.index, self._own.planned, numbers.ljust(256, b"\0"))
        self._own.join(stretch.own)
        if stretch.job is not None:
            self._job.join(stretch.job)
        self._excluded += stretch.excluded
        self.met += stretch.met
        self._findings.join(stretch.findings)
        self.hold_back(stretch.held_back)
        for kind, looked in stretch.looked.items():
            self._detectors[kind].join(looked)

    # --- the end ---

    def close(self) -> None:
        """There is no more to come."""
        for tally in self.tallies:
            tally.close()

    @property
    def shapes(self) -> "Counter[Shape]":
        """Count all IDs by their shape."""
        return sum((one.shapes for one in self._detectors.values()), Counter())

    @property
    def held_back(self) -> tuple[int, ...]:
        """How many IDs each protect list held back."""
        return tuple(self._held_back)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why records are out, as the index numbers it."""
        return tuple(self._reasons)

    @property
    def content(self) -> str:
        """The digest of all chunks."""
        return self._own.content

    def sections(self) -> tuple[bytes, ...]:
        """Return the index's content."""
        return self._index.sections()

    def findings(self) -> Findings:
        """Return what a person wants to see."""
        found = self._findings
        for one in self.met:
            found.notes += one.notes
            if one.named and one.named not in found.columns:
                found.columns.append(one.named)
        for detector in self._detectors.values():
            found.damage += detector.findings()
        return found

    def counts(self) -> tuple[plans.Counts, plans.Job | None]:
        """Return what was counted of this plan, and of the job that it is a shard of."""
        whole, shard = self._job.counts(self._excluded), self._wish.shard
        if shard is None:
            return whole, None
        owned = whole.excluded + whole.invalid if shard.index == 0 else 0
        theirs = self._own.out - owned
        excluded = theirs + (whole.excluded if shard.index == 0 else 0)
        return self._own.counts(excluded), plans.Job(content=self._job.content, counts=whole)


def digest_of(sections: "Sequence[bytes]") -> str:
    """Return the SHA-256 of an index, in hex."""
    whole = hashlib.sha256()
    for section in sections:
        whole.update(section)
    return whole.hexdigest()


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


def _example(batch: "Batch", position: int) -> str:
    return f"{batch.kind(position).value} {mask(batch.ids[position])}"
