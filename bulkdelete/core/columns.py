"""Which column (or JSON key) holds the IDs, and of which kind they are.

A wrong column or a wrong kind deletes the wrong people, so nothing is guessed: a name is known
without doubt, or the user said it, or it is an error that shows what there is to choose from.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bulkdelete.core.model import Kind
from bulkdelete.errors import InputError, UsageError


class Meaning(NamedTuple):
    """What a known header name says: the kind of ID, and whether each cell is a list of them."""

    kind: Kind
    is_list: bool


Names = tuple[tuple[str, Meaning], ...]
"""Folded names of columns, and what each says."""

OWN: Names = (
    ("identity", Meaning(Kind.IDENTITY, is_list=False)),
    ("guid", Meaning(Kind.GUID, is_list=False)),
)
"""The program's own words, which its outcome files use, whoever the vendor is."""

NAMES: Names = (
    *OWN,
    ("objectid", Meaning(Kind.GUID, is_list=False)),
    ("clevertapid", Meaning(Kind.GUID, is_list=False)),
    ("allidentities", Meaning(Kind.IDENTITY, is_list=True)),
    ("clevertapids", Meaning(Kind.GUID, is_list=True)),
)
"""What is known where no vendor is named: the columns of CleverTap's lists and exports."""

_MAX_NAME = 64
_MANY_DIGITS = 3
_NUMBER_OR_HEX = re.compile(r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?|[0-9a-fA-F]{32}")


class Wish(NamedTuple):
    """What the user asked for: the column's name and the kind of ID; `name` is the part's.

    `names` are the names of columns that are known without doubt. `any_known`: of several of these
    the first will do.
    """

    name: str
    column: str | None
    kind: Kind | None
    names: Names = NAMES
    any_known: bool = False


def fold(header: str) -> str:
    """Fold a header name for comparison with the known ones: case, spaces, `_`, `-` are nothing."""
    return header.casefold().translate({ord(c): None for c in " _-"})


def known(header: str, names: Names = NAMES) -> Meaning | None:
    """Say what a header name means, when it is one of those known without doubt."""
    folded = fold(header)
    return next((meaning for name, meaning in names if name == folded), None)


def looks_like_id(header: str) -> bool:
    """Tell that a header cell is more likely the first ID of a file without header."""
    return (
        "@" in header
        or len(header) > _MAX_NAME
        or sum(map(str.isdigit, header)) >= _MANY_DIGITS
        or _NUMBER_OR_HEX.fullmatch(header) is not None
    )


def choose(headers: Sequence[str], wish: Wish) -> int:
    """Return the index of the ID column; UsageError or InputError when it is not beyond doubt."""
    if wish.column is not None:
        return _named(headers, wish.column, wish)
    if len(headers) == 1:
        return 0
    meanings = {
        index: found for index, one in enumerate(headers) if (found := known(one, wish.names))
    }
    if not meanings:
        raise UsageError(
            "column_needed",
            f"{wish.name}: none of the columns has a known name; there are: {_listed(headers)}",
            "say --column NAME (or --no-header, when the first line is not a header)",
        )
    return _beyond_doubt(headers, _of_kind(meanings, wish), wish)


def _of_kind(meanings: dict[int, Meaning], wish: Wish) -> dict[int, Meaning]:
    if wish.kind is None:
        return meanings
    fitting = {index: found for index, found in meanings.items() if found.kind is wish.kind}
    if not fitting:
        raise _against(wish.kind, wish)
    return fitting


def _beyond_doubt(headers: Sequence[str], meanings: dict[int, Meaning], wish: Wish) -> int:
    scalars = [index for index, found in meanings.items() if not found.is_list] or list(meanings)
    if len(scalars) == 1 and len({found.kind for found in meanings.values()}) == 1:
        return scalars[0]
    candidates = [headers[index] for index in meanings]
    if len(set(map(fold, candidates))) < len(candidates):
        raise _twice(headers, wish)
    if wish.any_known:
        return min(meanings)
    raise UsageError(
        "which_column",
        f"{wish.name}: more than one column could hold the IDs: {_listed(candidates)}",
        "say which with --column NAME, or --id-type when that decides it",
    )


def _named(headers: Sequence[str], column: str, wish: Wish) -> int:
    found = [index for index, one in enumerate(headers) if one == column] or [
        index for index, one in enumerate(headers) if one.casefold() == column.casefold()
    ]
    if not found:
        raise InputError(
            "missing_column",
            f"there is no column {column!r}; there are: {_listed(headers)}",
            "correct --column; a number counts only with --no-header",
            where=wish.name,
        )
    if len(found) > 1:
        raise _twice(headers, wish)
    return found[0]


def kind_of(header: str, wish: Wish) -> Kind:
    """Return the kind of ID under `header`; UsageError when unknown, or said to be another."""
    meaning = known(header, wish.names)
    if meaning is None:
        return needed_kind(wish)
    if wish.kind is not None and wish.kind is not meaning.kind:
        raise _against(wish.kind, wish)
    return meaning.kind


def needed_kind(wish: Wish) -> Kind:
    """Return the kind the user named; UsageError `id_type_needed` when they did not."""
    if wish.kind is None:
        raise UsageError(
            "id_type_needed",
            f"{wish.name}: nothing here says which kind of ID this is",
            "say --id-type identity or --id-type guid",
        )
    return wish.kind


def typed(headers: Sequence[str], wish: Wish) -> tuple[int, int] | None:
    """Return the indexes of `Type` and `Identity` in a list that names each ID's kind itself."""
    folded = [fold(header) for header in headers]
    if folded.count("type") != 1 or folded.count("identity") != 1:
        return None
    if wish.column is not None and fold(wish.column) != "identity":
        return None
    if wish.kind is not None:
        raise UsageError(
            "kind_against_header",
            f"{wish.name}: the column {headers[folded.index('type')]!r} gives the kind of each ID",
            "leave out --id-type",
        )
    return folded.index("type"), folded.index("identity")


def numbered(width: int, wish: Wish) -> int:
    """Return the index of the ID column of a file without header: `--column` is a number."""
    column = wish.column
    if column is None and width == 1:
        return 0
    if column is None or not (column.isascii() and column.isdigit() and int(column) < width):
        raise UsageError(
            "column_needed",
            f"{wish.name}: without a header, --column is a number from 0 to {width - 1}",
            "say --column NUMBER",
        )
    return int(column)


def _against(kind: Kind, wish: Wish) -> UsageError:
    return UsageError(
        "kind_against_header",
        f"{wish.name}: --id-type says {kind}, and the header says otherwise",
        "correct --id-type, or say with --column which column is meant",
    )


def _twice(headers: Sequence[str], wish: Wish) -> InputError:
    return InputError(
        "duplicate_column",
        f"the ID column is there more than once; the columns are: {_listed(headers)}",
        "rename one of them in the file",
        where=wish.name,
    )


def _listed(headers: Sequence[str]) -> str:
    # Without a header line these are data: an ID must not end up in a log.
    return ", ".join("(an ID?)" if looks_like_id(one) else repr(one) for one in headers)
