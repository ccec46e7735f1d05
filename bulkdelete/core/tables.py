"""Which column of a typed table (Parquet, Arrow) holds the IDs, and whether it can hold any.

Digits are exact in text and in whole numbers. In floating point they are not: an ID that went
through it may have become another one, so such a column is refused.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from bulkdelete.core import columns
from bulkdelete.core.layout import Format, Layout
from bulkdelete.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.layout import Reading


class Holds(Enum):
    """What a column holds, as far as it matters for IDs."""

    TEXT = auto()
    INTEGER = auto()
    FLOAT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A leaf of the schema: `path` leads to it from column number `place`, as a JSON path does."""

    path: str
    place: int
    holds: Holds
    type_name: str
    is_list: bool = False


def table_layout(
    found: "Sequence[TableColumn]",
    names: "Sequence[str]",
    name: str,
    reading: "Reading",
    chosen: Format,
) -> Layout:
    """Choose the ID column of a table whose columns are `names`, with the leaves `found`."""
    if len(set(names)) < len(names):
        raise InputError(
            "duplicate_column",
            "two of its columns have the same name",
            "rename one of them",
            where=name,
        )
    wish = columns.Wish(name, reading.column, reading.id_type, reading.names, reading.any_known)
    paths = [one.path for one in found]
    base = Layout(
        chosen,
        has_header=True,
        width=len(names),
        normal=reading.normal,
        header_names=tuple(names),
        notes=(f"{chosen.value.capitalize()} with {len(names)} column(s); places are records",),
    )
    if places := columns.typed(paths, wish):
        for place in places:
            _check(found[place], name)
        note = f"each ID's kind is read from the column {paths[places[0]]!r}"
        return _with(base, found[places[1]], note, type_column=found[places[0]].place)
    column = found[columns.choose(paths, wish)]
    _check(column, name)
    last = column.path.rpartition(".")[2]
    meaning = columns.known(last, reading.names)
    kind = columns.kind_of(last, wish)
    is_list = column.is_list or reading.explode or (meaning is not None and meaning.is_list)
    note = f"the IDs are read from the column {column.path!r} ({column.type_name}), as {kind}"
    return _with(base, column, note, kind=kind, is_list=is_list)


def _with(base: Layout, column: TableColumn, note: str, **more: Any) -> Layout:  # noqa: ANN401
    path = tuple(column.path.split(".")) if column.path != base.header_names[column.place] else ()
    return replace(base, column=column.place, path=path, notes=(*base.notes, note), **more)


def _check(column: TableColumn, name: str) -> None:
    if column.holds is Holds.FLOAT:
        raise InputError(
            "float_ids",
            f"the column {column.path!r} holds floating-point numbers ({column.type_name}): an ID"
            " that went through them may have lost digits",
            "export it again as text or as whole numbers, from where the IDs are exact",
            where=name,
        )
    if column.holds is Holds.OTHER:
        raise InputError(
            "no_id_type",
            f"the column {column.path!r} is of the type {column.type_name}, which holds no IDs",
            "name another column, or export it as text",
            where=name,
        )
