"""A look at the head of a list: what is in it, and how it could be read.

`sniff` refuses whatever is not beyond doubt. A look goes on where it refuses, by the likeliest
guess, and says what it guessed: for a person to look at, who then says it with a flag.
"""

import codecs
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bulkdelete.core import columns
from bulkdelete.core.damage import Detector
from bulkdelete.core.identities import faults, joined, mask
from bulkdelete.core.layout import NUMBERS, Format, Layout, Reading, format_of, sniff
from bulkdelete.core.lists import items
from bulkdelete.core.model import Kind
from bulkdelete.core.records import open_parser
from bulkdelete.core.shapes import Shape, shape_of
from bulkdelete.core.sieve import faults_of
from bulkdelete.core.tables import table_layout
from bulkdelete.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bulkdelete.core.model import Batch
    from bulkdelete.core.tables import TableColumn
    from bulkdelete.core.target import Target

MOST_RECORDS = 1000
"""How many records of the head the columns are described by."""

_MOST_COLUMNS = 100
_EXAMPLES = 3
_STRONG = frozenset(Shape) - {Shape.OTHER}
_NEARLY_ALL = 0.9
_HINTS = ("identity", "guid", "user", "email", "mail", "customer", "id")


@dataclass(frozen=True, slots=True)
class Column:
    """A column or a JSON path: how many records fill it, what its values look like, masked ones.

    `is_list`: the values are lists. `distinct` is how many of them differ.
    """

    name: str
    filled: int
    distinct: int
    is_list: bool
    shapes: "Mapping[str, int]"
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What was found: how it is read (`reading` as it would have to be said), and what that gives.

    `ids` were read of the head, `invalid` counts those that cannot be sent by reason; `first` of
    them are line, reason, and what was there; `warnings` are what the damage detector says of the
    others.
    """

    reading: Reading
    layout: Layout
    guesses: tuple[str, ...]
    columns: tuple[Column, ...]
    ids: int
    invalid: "Mapping[str, int]"
    first: "tuple[int, str, str] | None"
    shapes: "Mapping[str, int]"
    examples: tuple[str, ...]
    warnings: tuple[str, ...]


class _Guess(NamedTuple):
    """A reading that says more, and what was guessed for it."""

    reading: Reading
    words: str


class Head(Protocol):
    """The beginning of a part, as text or as a table."""

    @property
    def name(self) -> str:
        """What the part is called."""
        ...

    def layout(self, reading: Reading) -> Layout:
        """Find out how it is laid out; UsageError or InputError as `sniff` says."""
        ...

    def table(self, reading: Reading) -> "list[Column]":
        """Describe its columns, whatever holds the IDs."""
        ...

    def batches(self, layout: Layout) -> "Iterable[Batch]":
        """Read its records."""
        ...


def look(head: Head, reading: Reading, target: "Target | None" = None) -> Look:
    """Look at a part; UsageError or InputError when there is nothing to go on with.

    `reading` is what was said; `target` says which IDs it takes, and what they look like.
    """
    guesses: list[str] = []
    while True:
        try:
            layout = head.layout(reading)
            break
        except UsageError as error:
            guess = _guess(error.code, head, reading)
            if guess is None:
                raise
            reading = guess.reading
            guesses.append(guess.words)
    found = _read(head, layout, target)
    for reason, guess in _cures(layout, reading):
        if found.invalid[reason]:
            again = _read(head, head.layout(guess.reading), target)
            if 2 * again.invalid[reason] < found.invalid[reason]:
                reading, layout, found = guess.reading, head.layout(guess.reading), again
                guesses.append(guess.words)
    return Look(
        reading=reading,
        layout=layout,
        guesses=tuple(guesses),
        columns=() if layout.empty else tuple(head.table(reading)),
        ids=found.count,
        invalid=_by_count(found.invalid),
        first=found.first,
        shapes=_by_count(sum((one.shapes for one in found.detectors.values()), Counter())),
        examples=tuple(found.examples),
        warnings=tuple(str(one) for each in found.detectors.values() for one in each.findings()),
    )


def _cures(layout: Layout, reading: Reading) -> "Iterator[tuple[str, _Guess]]":
    """Yield what could be said besides, each with the reason of invalid IDs that it may help."""
    if layout.is_json and NUMBERS not in reading.normal:
        words = "its IDs are whole numbers: taken by their digits"
        yield "not_a_string", _Guess(_numbered(reading), words)
    elif not layout.is_table and not layout.bom and reading.encoding == "utf-8":
        words = "some of its IDs are no UTF-8: taken for latin-1"
        yield "bad_encoding", _Guess(replace(reading, encoding="latin-1"), words)


def _numbered(reading: Reading) -> Reading:
    return replace(reading, normal=(NUMBERS, *reading.normal))


def _read(head: Head, layout: Layout, target: "Target | None") -> "_Found":
    found = _Found(head.name, target)
    for batch in () if layout.empty else head.batches(layout):
        found.add(batch)
    return found


def _guess(code: str, head: Head, reading: Reading) -> _Guess | None:
    """Answer what `sniff` asks for by its error, as far as the head can."""
    match code:
        case "ambiguous_format":
            words = "its first line holds a delimiter: taken for CSV, and not for one ID a line"
            return _Guess(replace(reading, format=Format.CSV), words)
        case "header_looks_like_id" if reading.header:
            words = "its first line looks like an ID: taken for a list without a header"
            return _Guess(replace(reading, header=False), words)
        case "bad_header" if reading.encoding == "utf-8":
            return _Guess(replace(reading, encoding="latin-1"), "it is no UTF-8: taken for latin-1")
        case "no_json_record" if NUMBERS not in reading.normal:
            words = "its elements may be whole numbers: taken for IDs by their digits"
            return _Guess(_numbered(reading), words)
        case "column_needed" | "which_column" if reading.column is None:
            return _column(head.table(reading), reading)
        case "id_type_needed":
            found = head.table(reading)
            if reading.column is None and any("." in one.name for one in found):
                return _column(found, reading)  # the only key is not where a value is
            return _kind(found, reading)
    return None


def _column(table: "Sequence[Column]", reading: Reading) -> _Guess | None:
    """Choose the column that is likeliest to hold the IDs."""
    fitting = [one for one in table if one.filled and _fits(one.name, reading)]
    if not fitting:
        return None
    best = max(fitting, key=partial(_likelihood, reading.names))
    if (
        reading.header
        and not _meaning(best.name, reading.names)
        and columns.looks_like_id(best.name)
    ):
        words = "its first line looks like a record: taken for a list without a header"
        return _Guess(replace(reading, header=False), words)
    others = ", ".join(
        repr(one.name) for one in fitting if one is not best and _meaning(one.name, reading.names)
    )
    words = f"the IDs are in the column {best.name!r}" + (f", not in {others}" if others else "")
    return _Guess(replace(reading, column=best.name), words)


def _fits(name: str, reading: Reading) -> bool:
    meaning, kind = _meaning(name, reading.names), reading.id_type
    return kind is None or meaning is None or meaning.kind is kind


def _meaning(name: str, names: columns.Names) -> columns.Meaning | None:
    return columns.known(name.rpartition(".")[2].removesuffix("[]"), names)


def _likelihood(names: columns.Names, one: Column) -> tuple[bool, ...]:
    """Say how likely a column holds the IDs: a known name, single IDs, all different, ID-like."""
    meaning = _meaning(one.name, names)
    strong = sum(count for shape, count in one.shapes.items() if shape in _STRONG)
    folded = columns.fold(one.name)
    return (
        meaning is not None,
        meaning is not None and meaning.kind is Kind.IDENTITY,
        not one.is_list,
        one.distinct >= _NEARLY_ALL * one.filled,
        any(hint in folded for hint in _HINTS),
        strong >= _NEARLY_ALL * one.filled,
    )


def _kind(table: "Sequence[Column]", reading: Reading) -> _Guess:
    """Guess the kind from what the IDs look like."""
    named = [one for one in table if one.name == reading.column] or list(table)
    shapes = Counter(named[0].shapes) if named else Counter[str]()
    guids = shapes[Shape.PREFIXED] + shapes[Shape.HEX]
    kind = Kind.GUID if guids * 2 > shapes.total() else Kind.IDENTITY
    words = f"nothing says which kind of ID it is: by what they look like, {kind}"
    return _Guess(replace(reading, id_type=kind), words)


# --- columns ---


class TextHead:
    """The beginning of text; `data` and `complete` are those of `sniff`."""

    def __init__(self, data: bytes, name: str, *, complete: bool) -> None:
        whole = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self.name = name
        self._data = data if complete else data[:whole] or data
        self._complete = complete

    def layout(self, reading: Reading) -> Layout:
        """Find out how it is laid out."""
        return sniff(self._data, self.name, reading, complete=self._complete)

    def table(self, reading: Reading) -> list[Column]:
        """Describe its columns."""
        chosen = format_of(self._data.removeprefix(codecs.BOM_UTF8), self.name, reading)
        trial = replace(reading, format=chosen, id_type=Kind.IDENTITY, column=None, explode=False)
        if chosen is Format.CSV:
            trial = replace(trial, header=False, column="0")
        elif chosen is not Format.LINES:
            trial = replace(trial, column="-")
        layout = self.layout(trial)
        records = islice(_cells(self._batches(layout, keep_cells=True)), MOST_RECORDS + 1)
        if layout.is_json:
            return _of_json(cells[0] for cells in records)
        return _of_cells(list(records), reading, lines=chosen is Format.LINES)

    def batches(self, layout: Layout) -> "Iterator[Batch]":
        """Read its records."""
        return self._batches(layout, keep_cells=False)

    def _batches(self, layout: Layout, *, keep_cells: bool) -> "Iterator[Batch]":
        parser = open_parser(layout, keep_cells=keep_cells)
        if (batch := parser.feed(self._data)) is not None:
            yield batch
        if self._complete and (batch := parser.close()) is not None:
            yield batch


@dataclass(frozen=True, slots=True)
class TableHead:
    """The beginning of a typed table; `read` gives its first batches."""

    name: str
    format: Format
    names: "Sequence[str]"
    leaves: "Sequence[TableColumn]"
    read: "Callable[[Layout, bool], Iterable[Batch]]"

    def layout(self, reading: Reading) -> Layout:
        """Choose the column of the IDs."""
        return table_layout(self.leaves, self.names, self.name, reading, self.format)

    def table(self, reading: Reading) -> list[Column]:  # noqa: ARG002 - it has its own names
        """Describe its columns; nested ones by the paths that lead into them."""
        plain = [leaf.place for leaf in self.leaves if leaf.path == self.names[leaf.place]]
        layout = Layout(
            self.format,
            has_header=True,
            width=len(self.names),
            column=next(iter(plain), 0),
            kind=Kind.IDENTITY,
            header_names=tuple(self.names),
        )
        rows = islice(_cells(self.read(layout, True)), MOST_RECORDS)  # noqa: FBT003 - keep_cells
        return _of_json(self._as_json(cells, plain) for cells in rows)

    def batches(self, layout: Layout) -> "Iterable[Batch]":
        """Read its first records."""
        return self.read(layout, False)  # noqa: FBT003 - keep_cells

    def _as_json(self, cells: "Sequence[str]", plain: list[int]) -> str:
        """Write a record as JSON: the cells of nested columns are that already."""
        found: dict[str, object] = dict(zip(self.names, cells, strict=True))
        for place, name in enumerate(self.names):
            if cells[place] and (place not in plain or cells[place].startswith("[")):
                with suppress(ValueError):
                    found[name] = json.loads(cells[place])
        return json.dumps(found)


def _cells(batches: "Iterable[Batch]") -> "Iterator[Sequence[str]]":
    for batch in batches:
        yield from batch.cells or ()


def _of_cells(rows: "list[Sequence[str]]", reading: Reading, *, lines: bool) -> list[Column]:
    names: Sequence[str] = [str(number) for number in range(len(rows[0]) if rows else 0)]
    if lines:
        names = [""]
    elif reading.header and rows:
        names, rows = rows[0], rows[1:]
    width = len(names)
    table = [row for row in rows if len(row) == width]
    return [
        _described_column(name, [row[place] for row in table])
        for place, name in enumerate(names[:_MOST_COLUMNS])
    ]


def _of_json(texts: "Iterator[str]") -> list[Column]:
    values: dict[str, list[str]] = {}
    lists: set[str] = set()
    for text in texts:
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            continue
        for path, value in _leaves(record, ""):
            name = path.removesuffix("[]")
            lists.update([name] if path.endswith("[]") else [])
            if name in values or len(values) < _MOST_COLUMNS:
                values.setdefault(name, []).append(value)
    return [_described_column(name, found, is_list=name in lists) for name, found in values.items()]


def _leaves(value: object, path: str) -> "Iterator[tuple[str, str]]":
    """Yield each path in a record and the text there; a number counts as its digits."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield path, str(value)


def _described_column(name: str, values: "Sequence[str]", *, is_list: bool = False) -> Column:
    filled = [one for one in values if one]
    listed = is_list or any(one.startswith("[") and one.endswith("]") for one in filled[:20])
    single = [item for one in filled for item in _items(one)] if listed else filled
    shapes = Counter(map(shape_of, single))
    examples = tuple(mask(one) for one in dict.fromkeys(single[:_EXAMPLES]))
    return Column(name, len(filled), len(set(filled)), listed, _by_count(shapes), examples)


# --- what it gives ---


class _Found:
    """The IDs of the head, looked at as a plan looks at them."""

    def __init__(self, name: str, target: "Target | None") -> None:
        self._name = name
        self._fault = None if target is None else target.fault
        unlike = None if target is None else target.unlike
        self.count = 0
        self.invalid: Counter[str] = Counter()
        self.first: tuple[int, str, str] | None = None
        self.detectors = {kind: Detector(kind, unlike) for kind in Kind}
        self.examples: list[str] = []

    def add(self, batch: "Batch") -> None:
        """Look at some more."""
        self.count += len(batch.ids)
        theirs = {} if self._fault is None else faults_of(batch, self._fault)
        wrong = theirs | faults(batch.ids) | dict(batch.faults)
        self.invalid.update(wrong.values())
        if wrong and self.first is None:
            at = min(wrong)
            self.first = batch.lines[at], wrong[at], batch.told.get(at, "")
        good = [at for at in range(len(batch.ids)) if at not in wrong]
        for kind in Kind:
            places = [at for at in good if batch.kind(at) is kind]
            ids = [batch.ids[at] for at in places]
            lines = [batch.lines[at] for at in places]
            self.detectors[kind].look(ids, joined(ids), self._name, lines)
            self.examples += [mask(one) for one in ids[: _EXAMPLES - len(self.examples)]]


def _items(value: str) -> list[str]:
    found = items(value)
    return [value] if found is None else found


def _by_count(found: "Counter[Shape] | Counter[str]") -> dict[str, int]:
    return {str(name): count for name, count in found.most_common()}


# --- what to say ---


def flags(reading: Reading) -> list[str]:
    """Return the words of a command line that say a reading."""
    said = {
        "--format": reading.format.value if reading.format is not Format.AUTO else None,
        "--delimiter": _spelled(reading.delimiter),
        "--quote": _spelled(reading.quote),
        "--escape": _spelled(reading.escape),
        "--encoding": reading.encoding if reading.encoding != "utf-8" else None,
        "--column": reading.column,
        "--id-type": reading.id_type.value if reading.id_type else None,
    }
    words = [f"{flag}={value}" for flag, value in said.items() if value is not None]
    words += ["--no-header"] * (not reading.header)
    words += [f"--{way}" for way in reading.normal]
    return words + ["--explode"] * reading.explode


def _spelled(character: str | None) -> str | None:
    if character is None or character.isprintable():
        return character
    return f"\\x{ord(character):02x}"
