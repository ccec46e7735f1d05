"""Which column of a typed table holds the IDs, and which cannot."""

from dataclasses import replace

import pytest

from bulkdelete.core.layout import Format, Layout, Reading
from bulkdelete.core.model import Kind
from bulkdelete.core.tables import Holds, TableColumn, table_layout
from bulkdelete.errors import UsageError

NAMES = ("identity", "score", "seen", "p")
COLUMNS = (
    TableColumn("identity", 0, Holds.TEXT, "string"),
    TableColumn("score", 1, Holds.FLOAT, "double"),
    TableColumn("seen", 2, Holds.OTHER, "timestamp[ms]"),
    TableColumn("p[].objectId", 3, Holds.TEXT, "string", is_list=True),
    TableColumn("p[].n", 3, Holds.INTEGER, "int64", is_list=True),
)


def look(**said: object) -> Layout:
    """Choose of the table above."""
    reading = replace(Reading(), **said)  # type: ignore[arg-type]
    return table_layout(COLUMNS, NAMES, "x.parquet", reading, Format.PARQUET)


def test_columns_are_chosen_as_in_any_list() -> None:
    """By a known name, or the one that was named; dots and brackets reach inside."""
    found = look()
    assert (found.column, found.path, found.kind, found.is_list) == (0, (), Kind.IDENTITY, False)
    assert (found.width, found.header_names, found.has_header) == (4, NAMES, True)
    assert found.is_table
    assert found.has_columns
    assert not found.is_json
    assert "(string), as identity" in found.notes[1]
    inside = look(column="p[].objectId", normal=("trim",))
    assert (inside.column, inside.path, inside.kind) == (3, ("p[]", "objectId"), Kind.GUID)
    assert inside.is_list
    assert inside.normal == ("trim",)
    assert look(explode=True).is_list
    assert look(column="p[].n", id_type=Kind.IDENTITY).column == 3


@pytest.mark.parametrize(
    ("column", "code"),
    [("score", "float_ids"), ("seen", "no_id_type"), ("gone", "missing_column")],
)
def test_i9_a_column_that_can_hold_no_ids_is_refused(column: str, code: str) -> None:
    """Digits are lost in floating point; a time is no ID."""
    with pytest.raises(UsageError, match=r"x\.parquet") as caught:
        look(column=column, id_type=Kind.IDENTITY)
    assert caught.value.code == code


def test_typed_lists_are_known() -> None:
    """`Type` and `Identity`, as in CSV; both have to hold text."""
    names = ("Identity", "Type")
    columns = [TableColumn(name, at, Holds.TEXT, "string") for at, name in enumerate(names)]
    found = table_layout(columns, names, "x", Reading(), Format.ARROW)
    assert (found.column, found.type_column, found.kind) == (0, 1, None)
    columns[1] = replace(columns[1], holds=Holds.FLOAT)
    with pytest.raises(UsageError, match="floating"):
        table_layout(columns, names, "x", Reading(), Format.ARROW)


def test_i7_two_columns_of_one_name_are_refused() -> None:
    """Which is meant cannot be said."""
    with pytest.raises(UsageError) as caught:
        table_layout(COLUMNS, (*NAMES, "seen"), "x", Reading(), Format.PARQUET)
    assert caught.value.code == "duplicate_column"


def test_a_list_column_of_a_known_name() -> None:
    """Text in brackets, under the name that says so."""
    columns = [TableColumn("clevertapIds", 0, Holds.TEXT, "string")]
    found = table_layout(columns, ("clevertapIds",), "x", Reading(), Format.PARQUET)
    assert (found.is_list, found.kind) == (True, Kind.GUID)
