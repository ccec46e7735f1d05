"""Outcome files: no cell runs, and undoing the escape is exact."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.model import State
from bulkdelete.core.outcomes import MARKER, escape, mark, read_mark, unescape

TRIGGERS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
CELLS = st.one_of(st.text(), st.text(f"'{TRIGGERS}a"), st.text("'=").map(lambda text: text + "x"))


@given(CELLS)
@example("")
@example("'")
@example("''")
@example("=1+1")
@example("'=1+1")
@example("''=1+1")
@example("'a")
@example("\n=1")
def test_z1_escaping_is_undone_exactly(cell: str) -> None:
    """Whatever the cell, it comes back as it was."""
    assert unescape(escape(cell)) == cell


@given(CELLS)
def test_z1_no_escaped_cell_starts_with_a_trigger(cell: str) -> None:
    """Nothing that a spreadsheet would run is at the front of any cell."""
    assert not escape(cell).startswith(tuple(TRIGGERS))


@given(CELLS, CELLS)
def test_z1_different_cells_stay_different(one: str, other: str) -> None:
    """No two cells are written alike."""
    assert (escape(one) == escape(other)) == (one == other)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_z1_each_trigger_is_escaped(trigger: str) -> None:
    """ASCII and full-width forms, with and without a quote before them."""
    assert escape(f"{trigger}x") == f"'{trigger}x"
    assert escape(f"'{trigger}x") == f"''{trigger}x"
    assert unescape(f"'{trigger}x") == f"{trigger}x"
    assert unescape(f"{trigger}x") == f"{trigger}x"


@pytest.mark.parametrize("cell", ["", "a", "a=b", "user-1", "'quoted'", "'", " =1", "1-2"])
def test_plain_cells_stay_as_they_are(cell: str) -> None:
    """Only what would run is touched, in both directions."""
    assert escape(cell) == unescape(cell) == cell


@pytest.mark.parametrize("state", State)
def test_marks_come_back(state: State) -> None:
    """A marker says which state, and until when, in whole seconds."""
    value = mark(state, 1_800_000_000.9)
    assert value == f"{state.value} until 1800000000"
    assert read_mark(value) == (state, 1_800_000_000.0)
    assert escape(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "accepted",
        "accepted until",
        "accepted until ",
        "accepted until soon",
        "accepted until -5",
        "accepted until 1.5",
        "accepted until 5 ",
        " accepted until 5",
        "accepted  until 5",
        "Accepted until 5",
        "deleted until 5",
        "accepted until 1234567890123",
        "accepted until 5\n",
    ],
)
def test_what_is_no_marker_of_ours(value: str) -> None:
    """Anything else is a cell like any other."""
    assert read_mark(value) is None


def test_the_marker_column_has_a_name_of_its_own() -> None:
    """It cannot be taken for a column of the input by accident."""
    assert MARKER == "bulkdelete_outcome"
