"""Which records of a list are meant, and how their IDs are to be put: both said, both bound.

Selection comes before everything else: what is not selected is *excluded*, and nobody looks at its
ID. First `--where` (all conditions hold), then `--skip`, then `--limit` or `--sample`. A record
that cannot be read meets no condition and fails none: it stays, as invalid.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bulkdelete.core import columns
from bulkdelete.core.layout import NUMBERS, Format
from bulkdelete.core.outcomes import MARKER, unescape
from bulkdelete.core.shard import OTHER_SHARD
from bulkdelete.core.times import instant
from bulkdelete.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from bulkdelete.core.layout import Layout
    from bulkdelete.core.model import Batch

WHERE, SKIP, LIMIT, SAMPLE = "where", "skip", "limit", "sample"
EXCLUSIONS = frozenset({WHERE, SKIP, LIMIT, SAMPLE, OTHER_SHARD})
"""The reasons of records that were not selected; what else is out is invalid."""

_CONDITION = re.compile(r"(.+?)(!=|<=|>=|=|<|>|~)(.*)", re.DOTALL)
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One `--where`: a column (or JSON key; dots reach inside), a comparison, a value."""

    column: str
    sign: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read `COLUMN=VALUE`, or with `!=`, `<`, `>`, `<=`, `>=`, `~`; ValueError otherwise."""
        found = _CONDITION.fullmatch(text)
        if not found:
            raise ValueError("COLUMN=VALUE is wanted (or !=, <, >, <=, >=, ~REGEX)")
        condition = cls(*found.groups())
        condition.test()
        return condition

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.value}"

    def test(self) -> Callable[[str], bool]:
        """Return what judges a cell; it raises ValueError for one that cannot be judged.

        A blank is smaller and larger than nothing.
        """
        value = self.value
        if self.sign == "~":
            return _matching(value)
        if self.sign == "=":
            return lambda cell: cell == value
        if self.sign == "!=":
            return lambda cell: cell != value
        read, compare = _reader(value), _COMPARE[self.sign]
        bound = read(value)
        return lambda cell: bool(cell.strip()) and compare(read(cell), bound)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}


def _matching(pattern: str) -> Callable[[str], bool]:
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"a regular expression is wanted: {error}") from error
    return lambda cell: found.search(cell) is not None


def _reader(value: str) -> Callable[[str], Any]:
    """Return what reads the cells that are compared with `value`: as numbers, or as times."""
    if _NUMBER.fullmatch(value.strip()):
        return _number
    try:
        instant(value)
    except ValueError as error:
        raise ValueError("a number or an ISO date or time is wanted after < and >") from error
    return instant


def _number(cell: str) -> Decimal:
    try:
        found = Decimal(cell.strip())
    except InvalidOperation as error:
        raise ValueError("no number") from error
    if not found.is_finite():
        raise ValueError("no number")
    return found


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a list is meant; `sample` IDs at random under `seed`."""

    where: tuple[Condition, ...] = ()
    skip: int = 0
    limit: int | None = None
    sample: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.limit is not None and self.sample is not None:
            raise UsageError("selection", "--limit and --sample are two ways to say how many")

    def __bool__(self) -> bool:
        return bool(self.where or self.skip) or self.limit is not None or self.sample is not None

    def words(self) -> tuple[str, ...]:
        """Say it as flags."""
        said = [f"--where {one}" for one in self.where]
        said += [f"--skip {self.skip}"] if self.skip else []
        said += [f"--limit {self.limit}"] if self.limit is not None else []
        if self.sample is not None:
            said.append(f"--sample {self.sample} --seed {self.seed}")
        return tuple(said)


class Selector:
    """Goes through all batches of all parts, in order. `chosen` are the places of the sample.

    `passed` counts the records that passed the conditions and come after those skipped. Who begins
    in the middle says how many `met` the conditions before.
    """

    def __init__(
        self, selection: Selection, chosen: "Container[int] | None" = None, met: int = 0
    ) -> None:
        self._selection = selection
        self._chosen = chosen
        self._met = met
        self._judges: list[_Judge] = []

    @property
    def passed(self) -> int:
        """How many records there are to take a sample of."""
        return max(0, self._met - self._selection.skip)

    def begin(self, layout: "Layout", name: str) -> None:
        """Begin with the next part, called `name`."""
        self._judges = [_Judge(one, layout, name) for one in self._selection.where]

    def excluded(self, batch: "Batch") -> dict[int, str]:
        """Return the positions that are not selected, each with the reason."""
        selection = self._selection
        out: dict[int, str] = {}
        places: Sequence[int] = range(len(batch.ids))
        if self._judges:
            out = {
                at: WHERE
                for at in places
                if at not in batch.faults and not all(one.meets(batch, at) for one in self._judges)
            }
            places = [at for at in places if at not in out]
        first, self._met = self._met - selection.skip, self._met + len(places)
        # Numbered from the first one that is not skipped: place number `at` is `first + at`.
        out.update(dict.fromkeys(places[: max(0, -first)], SKIP))
        if self._chosen is not None:
            for at in range(max(0, -first), len(places)):
                if first + at not in self._chosen:
                    out[places[at]] = SAMPLE
        elif selection.limit is not None:
            out.update(dict.fromkeys(places[max(0, -first, selection.limit - first) :], LIMIT))
        return out


class _Judge:
    """Finds one condition's cell in the records of a part, and judges it."""

    def __init__(self, condition: Condition, layout: "Layout", name: str) -> None:
        self._condition = condition
        self._test = condition.test()
        self._name = name
        self._path = tuple(condition.column.split(".")) if layout.is_json else ()
        self._own = MARKER in layout.header_names and not layout.is_json
        self._place = -1 if layout.is_json else self._find(layout)
        if condition.sign in {"=", "!="} and condition.value and self._is_id(layout):
            raise UsageError(
                "where_id",
                "--where names the column of the IDs: an ID is not said on a command line",
                "put it into a file of its own; one to be left out, into a --protect list",
            )

    def _find(self, layout: "Layout") -> int:
        if layout.format is Format.LINES:
            raise UsageError(
                "where", f"{self._name}: one ID per line has no columns", "leave out --where"
            )
        wish = columns.Wish(self._name, self._condition.column, None)
        if layout.has_header:
            try:
                return columns.choose(layout.header_names, wish)
            except InputError as error:
                raise InputError(error.code, str(error), "correct --where, or the file") from error
        return columns.numbered(layout.width, wish)

    def _is_id(self, layout: "Layout") -> bool:
        return self._path == layout.path if layout.is_json else self._place == layout.column

    def meets(self, batch: "Batch", at: int) -> bool:
        """Tell whether a record meets the condition; InputError when its cell cannot be judged."""
        cells = (batch.cells or ())[at]
        try:
            return self._test(self._in_json(cells[0]) if self._path else self._cell(cells))
        except (ValueError, OverflowError) as error:
            raise InputError(
                "where",
                f"the column {self._condition.column!r} that --where names cannot be compared here",
                f"{self._condition.sign} wants numbers or times, and any other one text; a blank is"
                " neither smaller nor larger",
                where=f"{self._name}:{batch.lines[at]}",
            ) from error

    def _cell(self, cells: "Sequence[str]") -> str:
        return unescape(cells[self._place]) if self._own else cells[self._place]

    def _in_json(self, text: str) -> str:
        """Return the text at the path; what is not there is blank."""
        value = json.loads(text)
        for key in self._path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, dict | list):
            raise ValueError("no text")  # noqa: TRY004 - a fault of the list
        return json.dumps(value)


# --- how IDs are put ---

TRIM, LOWER, NFC = "trim", "lower", "nfc"
NORMAL: dict[str, Callable[[str], str]] = {
    NUMBERS: str,  # the parser has done it: here they are text
    TRIM: str.strip,
    LOWER: str.lower,
    NFC: lambda one: unicodedata.normalize("NFC", one),
}
"""The ways to put an ID that can be asked for, in the order in which they are done."""


def normalised(ids: list[str], ways: "Sequence[str]") -> list[str]:
    """Return the IDs as they were asked to be put; nothing is done that was not asked for."""
    for way in ways:
        ids = list(map(NORMAL[way], ids))
    return ids
