"""The damage detector: what a whole list says about itself, when it is not the list one meant.

It looks at every valid ID while the plan is made, and changes none: an ID that is odd is sent
exactly, or the whole plan is refused. A *finding* is a rule of docs/damage.md, how many IDs it is
about, and where the first are. Above a rule's threshold the plan is refused, until the rule is
named by `--accept-damage`.
"""

import struct
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from bulkdelete.core.model import Kind
from bulkdelete.core.shapes import Mark, Shape, looked_at, uniform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PLACES = 3
"""How many places a finding names."""

_MANY_PERCENT = 1
_MANY = 10
"""So many IDs, and more than so many percent of all, are damage and not one odd ID."""

_COLUMN_OF = 10
"""A column is of one shape when at most one ID in so many has another."""

_EXACT_DIGITS = 15
"""As many digits of a number as a spreadsheet keeps; the rest become zeros."""

_BLOCK = 50
_MOST_BLOCKS = 4096

RULES = {
    Mark.SCIENTIFIC.value: "are numbers in scientific notation, as a spreadsheet writes them",
    Mark.TRAILING_ZERO.value: "are whole numbers that became decimals (12345.0)",
    "rounded": "are long numbers that end in zeros after the 15th digit, as a spreadsheet rounds",
    "lost_zeros": "are numbers shorter than the usual width of this zero-padded column",
    Mark.TWO_IDS.value: "hold more than one ID in a cell",
    Mark.HEADER.value: "are the name of a column: a header among the IDs",
    "emails_among_ids": "are e-mail addresses in a column of other IDs",
    "ids_among_emails": "are no e-mail addresses in a column of them",
    "guid_as_identity": "look like the vendor's own IDs (guid), and are planned as identities",
    "identity_as_guid": "look like no ID of the vendor's own (guid), and are planned as such",
    "changed_shape": "come after the place where the column changes its shape",
    Mark.DECOMPOSED.value: "are written with separate accents (not NFC); forms are kept distinct",
}
"""Each rule, and what it says of the IDs it counts."""


UNLIKE = {
    Kind.IDENTITY: (Shape.PREFIXED, Shape.HEX),
    Kind.GUID: (Shape.EMAIL, Shape.PHONE, Shape.INTEGER),
}
"""Shapes that are unmistakably of the other kind, where no vendor is named: CleverTap's."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`count` IDs fall under `rule`; `places` are the first ("file:line"); `refuse` the plan."""

    rule: str
    count: int
    of: int
    places: tuple[str, ...]
    refuse: bool

    def __str__(self) -> str:
        where = f" (the first: {', '.join(self.places)})" if self.places else ""
        return f"{self.rule}: {self.count:,} of {self.of:,} IDs {RULES[self.rule]}{where}"


@dataclass(slots=True)
class _Block:
    """Consecutive IDs: how many of each shape, and where the first is."""

    shapes: Counter[Shape]
    place: str


class _Blocks:
    """The blocks of a list; of a long one they are joined in pairs, so that they stay few."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []

    def __iter__(self) -> "Iterator[_Block]":
        return iter(self._blocks)

    def add(self, shape: Shape, count: int, name: str, line: int, *, joins: bool) -> None:
        """Take IDs of one shape, the first at a place: in a block of their own, or in the last."""
        if joins:
            self._blocks[-1].shapes[shape] += count
            return
        self._blocks.append(_Block(Counter({shape: count}), f"{name}:{line}"))
        if len(self._blocks) > _MOST_BLOCKS:
            self._blocks = _in_pairs(self._blocks)


class _Told:
    """What blocks would be told of a stretch of a list, for who joins them to those before it.

    Where blocks are joined depends on how many came before. So nothing is joined here.
    """

    def __init__(self) -> None:
        self.names: list[tuple[int, str]] = []
        self.told = bytearray()

    def __iter__(self) -> "Iterator[_Block]":
        raise TypeError("a stretch says nothing of a whole list")

    def add(self, shape: Shape, count: int, name: str, line: int, *, joins: bool) -> None:
        """Take IDs of one shape, the first at a place."""
        if not self.names or self.names[-1][1] != name:
            self.names.append((len(self.told), name))
        self.told += _TELLING.pack(_NUMBER[shape], joins, count, line)


_TELLING = struct.Struct("<B?IQ")
_SHAPES = tuple(Shape)
_NUMBER = {shape: number for number, shape in enumerate(_SHAPES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a detector saw in a stretch of a list: counts in their order, first places, blocks."""

    shapes: tuple[tuple[Shape, int], ...]
    marks: tuple[tuple[Mark, int], ...]
    lengths: tuple[tuple[int, int], ...]
    padded: tuple[tuple[int, int], ...]
    rounded: tuple[tuple[int, int], ...]
    places: tuple[tuple[str | int, tuple[str, ...]], ...]
    names: tuple[tuple[int, str], ...]
    told: bytes


@dataclass(slots=True)
class _Integers:
    """IDs that are digits only, by their length."""

    lengths: Counter[int] = field(default_factory=Counter)
    padded: Counter[int] = field(default_factory=Counter)
    rounded: Counter[int] = field(default_factory=Counter)


class Detector:
    """Looks at the IDs of one kind, in input order; `unlike`: shapes that no ID of a kind has.

    Of a `stretch` of a list it tells nothing by itself: it is joined to what was seen before.
    """

    def __init__(
        self,
        kind: Kind,
        unlike: "Mapping[Kind, tuple[Shape, ...]] | None" = None,
        *,
        stretch: bool = False,
    ) -> None:
        self._kind = kind
        self._unlike = (UNLIKE if unlike is None else unlike).get(kind, ())
        self._shapes: Counter[Shape] = Counter()
        self._marks: Counter[Mark] = Counter()
        self._integers = _Integers()
        self._places: dict[str | int, list[str]] = {}
        self._blocks: _Blocks | _Told = _Told() if stretch else _Blocks()

    def look(self, ids: "Sequence[str]", data: bytes, name: str, lines: "Sequence[int]") -> None:
        """Take the next valid IDs, the same joined by line feeds, and their lines in `name`."""
        if ids:
            self.look_at(uniform(ids, data), ids, name, lines)

    def look_at(
        self, shape: Shape | None, ids: "Sequence[str]", name: str, lines: "Sequence[int]"
    ) -> None:
        """Take IDs that are all of one shape and have no marks; None: of which nothing is known."""
        if shape is None:
            self._look_closely(ids, name, lines)
            return
        self._add_shape(shape, len(ids), name, lines[0])
        if shape is Shape.INTEGER:
            self._count_integers(ids, name, lines)

    def _look_closely(self, ids: "Sequence[str]", name: str, lines: "Sequence[int]") -> None:
        looks = list(map(looked_at, ids))
        shapes = [shape for shape, _ in looks]
        for position, (_, marks) in enumerate(looks):
            for mark in marks:
                self._marks[mark] += 1
                self._note(mark, name, lines[position])
        for start in range(0, len(ids), _BLOCK):
            for shape, count in Counter(shapes[start : start + _BLOCK]).items():
                at = shapes.index(shape, start)
                self._add_shape(shape, count, name, lines[at], joins=at != start)
        places = [place for place, shape in enumerate(shapes) if shape is Shape.INTEGER]
        if places:
            numbers = [ids[place] for place in places]
            self._count_integers(numbers, name, [lines[place] for place in places])

    def _add_shape(
        self, shape: Shape, count: int, name: str, line: int, *, joins: bool = False
    ) -> None:
        self._shapes[shape] += count
        self._note(shape, name, line)
        self._blocks.add(shape, count, name, int(line), joins=joins)

    def _note(self, what: str | int, name: str, line: int) -> None:
        noted = self._places.setdefault(what, [])
        if len(noted) < _PLACES:
            noted.append(f"{name}:{line}")

    def _count_integers(self, ids: "Sequence[str]", name: str, lines: "Sequence[int]") -> None:
        seen = self._integers
        lengths = Counter(map(len, ids))
        seen.lengths.update(lengths)
        seen.padded.update(len(one) for one in ids if one[0] == "0")
        if max(lengths) > _EXACT_DIGITS:
            for position, one in enumerate(ids):
                if len(one) > _EXACT_DIGITS and not one[_EXACT_DIGITS:].strip("0"):
                    seen.rounded[len(one)] += 1
                    self._note("rounded", name, lines[position])
        for length in lengths:
            if len(self._places.get(length, ())) < _PLACES:
                for position, one in enumerate(ids):
                    if len(one) == length and one[0] != "0":
                        self._note(length, name, lines[position])
                        break

    # --- stretches of one list ---

    def seen(self) -> Seen:
        """Return what was seen of a stretch."""
        told, numbers = self._blocks, self._integers
        if not isinstance(told, _Told):
            raise TypeError("this looked at a whole list")
        return Seen(
            shapes=tuple(self._shapes.items()),
            marks=tuple(self._marks.items()),
            lengths=tuple(numbers.lengths.items()),
            padded=tuple(numbers.padded.items()),
            rounded=tuple(numbers.rounded.items()),
            places=tuple((what, tuple(found)) for what, found in self._places.items()),
            names=tuple(told.names),
            told=bytes(told.told),
        )

    def join(self, seen: Seen) -> None:
        """Take what was seen of the next stretch, as if its IDs had come here."""
        self._shapes.update(dict(seen.shapes))
        self._marks.update(dict(seen.marks))
        numbers = self._integers
        numbers.lengths.update(dict(seen.lengths))
        numbers.padded.update(dict(seen.padded))
        numbers.rounded.update(dict(seen.rounded))
        for what, found in seen.places:
            noted = self._places.setdefault(what, [])
            noted += found[: _PLACES - len(noted)]
        names = [*seen.names, (len(seen.told), "")]
        for (start, name), (end, _) in pairwise(names):
            for number, joins, count, line in _TELLING.iter_unpack(seen.told[start:end]):
                self._blocks.add(_SHAPES[number], count, name, line, joins=joins)

    # --- the end ---

    def findings(self) -> list[Finding]:
        """Say what is wrong with the list, by the rules."""
        found = [self._marked(mark) for mark in Mark]
        found += [self._rounded(), self._lost_zeros(), self._emails(), self._kinds()]
        found.append(self._changed())
        return [one for one in found if one is not None]

    @property
    def shapes(self) -> Counter[Shape]:
        """Count the IDs by their shape."""
        return Counter(self._shapes)

    @property
    def _all(self) -> int:
        return self._shapes.total()

    def _finding(self, rule: str, count: int, places: "Iterable[str]", *, refuse: bool) -> Finding:
        return Finding(rule, count, self._all, tuple(places)[:_PLACES], refuse)

    def _marked(self, mark: Mark) -> Finding | None:
        count = self._marks[mark]
        if not count:
            return None
        # A header is never an ID; separate accents are no damage, but good to know.
        certain = mark is Mark.HEADER
        refuse = mark is not Mark.DECOMPOSED and (certain or _many(count, self._all))
        return self._finding(mark.value, count, self._places[mark], refuse=refuse)

    def _rounded(self) -> Finding | None:
        """One number in ten ends in a zero, one in a hundred in two: count only what is beyond."""
        seen = self._integers
        count = sum(
            number
            for length, number in seen.rounded.items()
            if number > 1 + 5 * seen.lengths[length] / 10 ** (length - _EXACT_DIGITS)
        )
        if not count:
            return None
        places = self._places["rounded"]
        return self._finding("rounded", count, places, refuse=_many(count, self._all))

    def _lost_zeros(self) -> Finding | None:
        """Only a column that shows zeros in front can have lost some."""
        seen = self._integers
        total = seen.lengths.total()
        if not seen.padded or total * 2 < self._all:
            return None
        width, usual = seen.lengths.most_common(1)[0]
        if not seen.padded[width] or usual * 2 < total:
            return None
        short = {
            length: seen.lengths[length] - seen.padded[length]
            for length in sorted(seen.lengths)
            if length < width and seen.lengths[length] > seen.padded[length]
        }
        count = sum(short.values())
        if not count:
            return None
        places = [place for length in short for place in self._places[length]]
        return self._finding("lost_zeros", count, places, refuse=_many(count, self._all))

    def _emails(self) -> Finding | None:
        """Count the minority: a column that is nearly all of one sort is meant to be so."""
        emails, total = self._shapes[Shape.EMAIL], self._all
        others = total - emails
        if self._kind is Kind.GUID or not emails or not others:
            return None
        count = min(emails, others)
        refuse = count * _COLUMN_OF <= total and _many(count, total)
        if emails <= others:
            places = self._places[Shape.EMAIL]
            return self._finding("emails_among_ids", emails, places, refuse=refuse)
        other = (shape for shape in self._shapes if shape is not Shape.EMAIL)
        places = [place for shape in other for place in self._places[shape]]
        return self._finding("ids_among_emails", others, places, refuse=refuse)

    def _kinds(self) -> Finding | None:
        """Count what is unmistakably of the other kind."""
        rule, wrong = _RULE[self._kind], self._unlike
        count = sum(self._shapes[shape] for shape in wrong)
        if not count:
            return None
        places = [place for shape in wrong for place in self._places.get(shape, ())]
        return self._finding(rule, count, places, refuse=_many(count, self._all))

    def _changed(self) -> Finding | None:
        """Find the one place before which nearly all IDs have one shape, and after it another."""
        after = Counter(self._shapes)
        before: Counter[Shape] = Counter()
        best, found = 0, None
        for block in self._blocks:
            alike = _most(before) + _most(after)
            if alike > best and self._turns(before, after):
                best, found = alike, (after.total(), block.place)
            before.update(block.shapes)
            after.subtract(block.shapes)
        if found is None:
            return None
        count, place = found
        refuse = _many(min(count, self._all - count), self._all)
        return self._finding("changed_shape", count, [place], refuse=refuse)

    def _turns(self, before: Counter[Shape], after: Counter[Shape]) -> bool:
        """Tell that two stretches are each of one shape, not the same, and long enough."""
        return (
            _pure(before, self._all)
            and _pure(after, self._all)
            and max(before, key=before.__getitem__) is not max(after, key=after.__getitem__)
        )


_RULE = {Kind.IDENTITY: "guid_as_identity", Kind.GUID: "identity_as_guid"}


def _many(count: int, of: int) -> bool:
    """Tell that so many are damage: more than a percent, and ten or half of all."""
    return count * 100 > of * _MANY_PERCENT and (count >= _MANY or count * 2 >= of)


def _most(shapes: Counter[Shape]) -> int:
    return max(shapes.values(), default=0)


def _pure(shapes: Counter[Shape], total: int) -> bool:
    """Tell that a stretch is of one shape, and long enough to say so."""
    count = shapes.total()
    return (
        count * _COLUMN_OF >= total
        and count >= _BLOCK
        and _most(shapes) * _COLUMN_OF >= count * (_COLUMN_OF - 1)
    )


def _in_pairs(blocks: list[_Block]) -> list[_Block]:
    """Join each two neighbours, so that the memory of a long list stays small."""
    return [
        _Block(sum((one.shapes for one in blocks[at : at + 2]), Counter()), blocks[at].place)
        for at in range(0, len(blocks), 2)
    ]
