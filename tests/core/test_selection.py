"""Which records are meant: conditions, windows and samples; and how IDs are put when asked to."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.outcomes import MARKER
from bulkdelete.core.selection import EXCLUSIONS, NORMAL, Condition, Selection, Selector, normalised
from bulkdelete.errors import InputError, UsageError

NAMES = ("identity", "Country", "seen")
TABLE = Layout(Format.CSV, width=3, has_header=True, header_names=NAMES, kind=Kind.IDENTITY)


def batch(rows: Sequence[Sequence[str]], faults: dict[int, str] | None = None) -> Batch:
    """Make a batch of records; the first cell is the ID."""
    ids = [row[0] for row in rows]
    return Batch(ids, Kind.IDENTITY, range(7, 7 + len(ids)), 0, 7, faults or {}, rows)


def records(*values: object) -> Batch:
    """Make a batch of JSON records."""
    return batch([(json.dumps(one),) for one in values])


def left(selection: Selection, *batches: Batch, layout: Layout = TABLE) -> list[int]:
    """Return the places that are selected, counted through all batches."""
    selector = Selector(selection)
    selector.begin(layout, "x.csv")
    found, first = [], 0
    for one in batches:
        out = selector.excluded(one)
        assert set(out.values()) <= EXCLUSIONS
        found += [first + at for at in range(len(one.ids)) if at not in out]
        first += len(one.ids)
    return found


@pytest.mark.parametrize(
    ("text", "cells", "expected"),
    [
        ("Country=IN", ["IN", "in", "", "IN "], [0]),
        ("country=IN", ["IN"], [0]),
        ("Country!=IN", ["IN", "in", ""], [1, 2]),
        ("Country~^I", ["IN", "xI", "I"], [0, 2]),
        ("Country~I$|^$", ["IN", "xI", ""], [1, 2]),
        ("Country=", ["", "x"], [0]),
        ("Country=a=b", ["a=b", "a"], [0]),
        ("Country<5", ["4.9", "5", "10", "", "-1", " 3 "], [0, 4, 5]),
        ("Country>=5", ["4.99999999999999999999", "5", "10", "  ", "5.0"], [1, 2, 4]),
        ("Country<=2026-01-01", ["2025-12-31", "2026-01-01", "2026-01-01T00:00:01"], [0, 1]),
        ("Country>2026-01-01T00:00:00Z", ["2026-01-02", "1767225601", "20251231", ""], [0, 1]),
    ],
)
def test_conditions(text: str, cells: list[str], expected: list[int]) -> None:
    """Text is compared exactly; numbers as numbers, times as times; a blank is neither."""
    rows = [["u", cell, ""] for cell in cells]
    condition = Condition.parse(text)
    assert left(Selection(where=(condition,)), batch(rows)) == expected
    assert str(condition) == text


@pytest.mark.parametrize("text", ["", "x", "=", "=x", "a<", "a<b", "a>2026-13-01", "a~(", "a<NaN"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    """Before anything is read."""
    with pytest.raises(ValueError, match="wanted"):
        Condition.parse(text)


@pytest.mark.parametrize(
    ("text", "cell"), [("seen<5", "x"), ("seen<5", "NaN"), ("seen>2026-01-01", "1/2/2026")]
)
def test_a_cell_that_cannot_be_compared_stops_it(text: str, cell: str) -> None:
    """Who cannot be judged is not deleted; and the place is named."""
    with pytest.raises(InputError, match="'seen'") as caught:
        left(Selection(where=(Condition.parse(text),)), batch([["u", "", ""], ["u", "", cell]]))
    assert (caught.value.code, caught.value.where) == ("where", "x.csv:8")


def test_all_conditions_hold() -> None:
    """Several are one: and."""
    where = (Condition.parse("Country=IN"), Condition.parse("seen<3"))
    rows = [["u", "IN", "1"], ["u", "IN", "4"], ["u", "DE", "1"]]
    assert left(Selection(where=where), batch(rows)) == [0]


def test_a_record_that_cannot_be_read_stays() -> None:
    """It is invalid, and told as such; its cells say nothing."""
    where = (Condition.parse("Country=IN"),)
    rows: list[list[str]] = [["u", "IN", "1"], ["u"], ["u", "DE", "1"]]
    assert left(Selection(where=where), batch(rows, {1: "ragged"})) == [0, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=x", [0]),
        ("a=1", [1]),
        ("a=true", [2]),
        ("a=", [3, 4, 5, 6]),
        ("a=1.5", [7]),
        ("b.c=y", [6]),
        ("a!=x", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_keys_of_json(text: str, expected: list[int]) -> None:
    """Dots reach inside; what is not there, or null, is blank; numbers as JSON writes them."""
    layout = Layout(Format.JSONL, path=("id",), kind=Kind.IDENTITY)
    found = records(
        {"a": "x"}, {"a": 1}, {"a": True}, {"a": None}, {}, [1], {"b": {"c": "y"}}, {"a": 1.5}
    )
    assert left(Selection(where=(Condition.parse(text),)), found, layout=layout) == expected
    with pytest.raises(InputError, match="'a'"):
        left(Selection(where=(Condition.parse("a=x"),)), records({"a": ["x"]}), layout=layout)


@pytest.mark.parametrize(
    ("layout", "text", "code"),
    [
        (TABLE, "gone=x", "missing_column"),
        (Layout(Format.CSV, width=2, column=1), "x=1", "column_needed"),
        (Layout(Format.LINES, width=1), "x=1", "where"),
        (TABLE, "identity=u", "where_id"),
        (TABLE, "identity!=u", "where_id"),
        (Layout(Format.JSON, path=("a", "b")), "a.b=u", "where_id"),
    ],
)
def test_a_column_that_cannot_be_meant_is_refused(layout: Layout, text: str, code: str) -> None:
    """One that is not there; and an ID on the command line."""
    with pytest.raises(UsageError) as caught:
        Selector(Selection(where=(Condition.parse(text),))).begin(layout, "x")
    assert caught.value.code == code
    assert "--column" not in caught.value.hint or code == "column_needed"


def test_a_blank_is_no_id() -> None:
    """Records without an ID can be left out by the column of the IDs."""
    some = Selection(where=(Condition.parse("identity!="),))
    Selector(some).begin(TABLE, "x")


def test_columns_without_a_header_are_numbers() -> None:
    """As with --column; and the column of the IDs may be matched by a pattern."""
    layout = Layout(Format.CSV, width=3, column=0)
    rows = [["u", "IN", ""], ["v", "DE", ""]]
    assert left(Selection(where=(Condition.parse("1=DE"),)), batch(rows), layout=layout) == [1]
    assert left(Selection(where=(Condition.parse("0~^u"),)), batch(rows), layout=layout) == [0]


def test_our_own_escape_is_undone() -> None:
    """In an outcome file a cell may have a quote in front that was not there."""
    names = (*NAMES[:2], MARKER)
    layout = Layout(Format.CSV, width=3, has_header=True, header_names=names)
    rows = [["u", "'=x", ""], ["u", "=x", ""]]
    assert left(Selection(where=(Condition.parse("Country==x"),)), batch(rows), layout=layout) == [
        0,
        1,
    ]


@given(
    st.lists(st.integers(0, 6), max_size=6),
    st.integers(0, 20),
    st.one_of(st.none(), st.integers(1, 20)),
    st.booleans(),
)
def test_windows_are_those_of_a_slice(
    sizes: list[int], skip: int, limit: int | None, conditional: bool
) -> None:
    """Skip and limit count what passed the conditions, wherever the batches end."""
    rows = [["u", str(number % 3), ""] for number in range(sum(sizes))]
    batches, at = [], 0
    for size in sizes:
        batches.append(batch(rows[at : at + size]))
        at += size
    where = (Condition.parse("Country!=1"),) if conditional else ()
    passing = [at for at, row in enumerate(rows) if not conditional or row[1] != "1"]
    wanted = passing[skip:] if limit is None else passing[skip : skip + limit]
    assert left(Selection(where=where, skip=skip, limit=limit), *batches) == wanted


def test_a_sample_is_what_was_chosen() -> None:
    """The places are counted after the conditions and the skip."""
    counting = Selector(Selection(skip=2))
    counting.excluded(batch([["u", "", ""]] * 5))
    assert counting.passed == 3
    selector = Selector(Selection(skip=2, sample=2), frozenset({0, 2}))
    out = selector.excluded(batch([["u", "", ""]] * 3)) | {
        3 + at: reason for at, reason in selector.excluded(batch([["u", "", ""]] * 2)).items()
    }
    assert out == {0: "skip", 1: "skip", 3: "sample"}
    assert Selector(Selection(skip=9)).passed == 0


def test_a_selection_is_said_in_words() -> None:
    """As the plan binds it; nothing selected is nothing said."""
    assert not Selection()
    assert Selection().words() == ()
    where = (Condition.parse("a=b"), Condition.parse("c<1"))
    assert Selection(where, 3, limit=4).words() == (
        "--where a=b",
        "--where c<1",
        "--skip 3",
        "--limit 4",
    )
    assert Selection(sample=5).words() == ("--sample 5 --seed 0",)
    assert all(map(bool, [Selection(where), Selection(skip=1), Selection(limit=1)]))
    assert Selection(sample=1)
    with pytest.raises(UsageError):
        Selection(limit=1, sample=1)


def test_ids_are_put_only_as_asked() -> None:
    """Each way by itself, and together in one order."""
    odd = "\u00a0Zoe\u0308 "
    assert normalised([odd], ()) == [odd]
    assert normalised([odd], ("trim",)) == ["Zoe\u0308"]
    assert normalised([odd], ("lower",)) == ["\u00a0zoe\u0308 "]
    assert normalised([odd], ("nfc",)) == ["\u00a0Zoë "]
    assert normalised([odd], tuple(NORMAL)) == ["zoë"]
