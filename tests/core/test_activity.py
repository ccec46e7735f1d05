"""Who was seen after the list was made is found, and what cannot be judged is refused."""

import json

import pytest

from bulkdelete.core.activity import ActivityColumn
from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import Batch, Kind
from bulkdelete.errors import InputError, UsageError

CSV = Layout(Format.CSV, header_names=("identity", "last_seen"), width=2)
JSONL = Layout(Format.JSONL, path=("identity",))


def batch(cells: list[list[str]], faults: dict[int, str] | None = None) -> Batch:
    """Return records with cells."""
    count = len(cells)
    return Batch(["u"] * count, Kind.IDENTITY, range(2, 2 + count), 0, 2, faults or {}, cells)


def test_who_was_seen_after_the_moment_of_a_csv() -> None:
    """Later only; at the moment itself, or never, is not after."""
    column = ActivityColumn(CSV, "l.csv", "last_seen")
    rows = [["a", "1970-01-02"], ["b", "86401"], ["c", ""], ["d", "1970-01-02T00:00:01Z"]]
    rows[1][1] = "1700000000"
    assert column.active_after(batch(rows), 86400.0) == {1, 3}
    assert column.active_after(batch([["a", "x"]], {0: "ragged"}), 0.0) == frozenset()
    later = batch([["a", "x"], ["b", "1970-01-03"]], {0: "ragged"})
    assert column.active_after(later, 0.0) == {1}
    assert column.active_after(Batch(["u"], Kind.IDENTITY, [1], 0, 1), 0.0) == frozenset()


def test_who_was_seen_after_the_moment_of_jsonl() -> None:
    """Dots reach inside; null and absent mean never; numbers are epochs."""
    column = ActivityColumn(JSONL, "l.jsonl", "p.seen")
    lines = [{"p": {"seen": 1_700_000_000}}, {"p": {}}, {"p": {"seen": None}}]
    lines.append({"p": {"seen": "2030-01-01"}})
    assert column.active_after(batch([[json.dumps(one)] for one in lines]), 1e9) == {0, 3}


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (ActivityColumn(CSV, "l", "last_seen"), ["a", "yesterday"]),
        (ActivityColumn(JSONL, "l", "p.seen"), ['{"p": 1}']),
        (ActivityColumn(JSONL, "l", "p"), ['{"p": true}']),
    ],
)
def test_who_cannot_be_judged_is_not_deleted(column: ActivityColumn, cells: list[str]) -> None:
    """What is no time stops the plan, by file and line, and without its text."""
    with pytest.raises(InputError, match="l:2: the column that --last-seen names") as caught:
        column.active_after(batch([cells]), 0.0)
    assert caught.value.code == "last_seen"
    assert cells[-1] not in str(caught.value)


@pytest.mark.parametrize("name", ["Last_Seen", "identit"])
def test_i7_a_column_that_is_not_there_is_refused(name: str) -> None:
    """By its exact name, once."""
    with pytest.raises(UsageError):
        ActivityColumn(CSV, "l.csv", name)
    twice = Layout(Format.CSV, header_names=("a", "a"), width=2)
    with pytest.raises(UsageError):
        ActivityColumn(twice, "l.csv", "a")
