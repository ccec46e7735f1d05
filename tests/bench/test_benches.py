"""What is measured is told right: also what fails, what grows too fast, what is measured anew."""

import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench import clients, kept
from tests.bench.clients import FailedError, cost
from tests.bench.figures import Figure, missed
from tests.bench.growth import Line
from tests.bench.input_table import table
from tests.bench.tables import filled, group_tables, soak_table

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("ours", "target", "met"),
    [
        ((1.0, 9.0, 2.0), "<= 2.0", True),
        ((1.0, 9.0, 2.1), "<= 2.0", False),
        ((99.0,), ">= 98, <= 100.5", True),
        ((101.0,), ">= 98, <= 100.5", False),
        ((101.0,), "", None),
    ],
)
def test_the_middle_must_be_within_all_bounds(
    ours: tuple[float, ...], target: str, met: bool | None
) -> None:
    """The median decides, against one bound or two."""
    assert Figure("group", "what", "s", ours, target=target).met is met


def test_what_was_not_measured_is_told_and_never_counts_as_met(tmp_path: "Path") -> None:
    """It fails the bench, and the page says why."""
    absent = Figure("sending", "against a peer", "s", target="<= 1", why="it `sent` nothing")
    fine = Figure("sending", "against another", "s", (1.0,), (2.0,), "<= 1")
    assert absent.met is None
    assert missed([absent, fine]) == 1
    assert missed([fine]) == 0
    kept.write(tmp_path / "kept.json", "sending", [absent, fine], (10, 1, 1.0))
    page = group_tables(kept.read(tmp_path / "kept.json"))
    assert "| against a peer | s |  |  |  | <= 1 | not measured |" in page
    assert "Not measured: against a peer: `it 'sent' nothing`" in page
    assert "| against another | s | 1 | 2 | 0.50 | <= 1 | ok |" in page


def test_the_table_of_formats_tells_what_is_missed() -> None:
    """By the CPU of the same run, rounded as little as can be read."""
    took = {"ours": {"cpu": 0.5}, "python": {"cpu": 1.4}, "pandas": {"cpu": 1.0}}
    facts = {
        "rows": 500_000,
        "rounds": 7,
        "cores": 2,
        "load": [0.4, 9.06],
        "targets": {"jsonl": 3.0, "csv": 2.8},
        "medians": {"jsonl": took, "csv": took, "parquet": {"ours": {"cpu": 0.25}}},
    }
    found = table(facts).split("\n")
    assert found[0] == "500,000 rows, medians of 7 rounds; load 0.4 to 9.1 on 2 cores."
    shared = "1,000,000 | 357,000 | 500,000 |  | 2.80 | 2.00 |  |"
    assert found[4:] == [
        f"| JSON lines, three fields | {shared} 3.0, missed |",
        f"| CSV, one column | {shared} 2.8 |",
        "| Parquet | 2,000,000 |  |  |  |  |  |  |  |",
        "",
    ]


def test_a_group_that_is_measured_again_leaves_the_others(tmp_path: "Path") -> None:
    """Its figures take the place of its old ones, in the old order."""
    path = tmp_path / "kept.json"
    for name, value in (("a", 1.0), ("b", 2.0), ("a", 3.0)):
        kept.write(path, name, [Figure(name, "what", "s", (value,))], (10, 1, 1.0))
    found = kept.read(path)
    assert {name: one["figures"][0]["ours"] for name, one in found.items()} == {
        "a": [3.0],
        "b": [2.0],
    }
    assert list(found) == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["/no/such/program"], "does not start"),
        ([sys.executable, "-c", "raise SystemExit('it said why')"], "ended with 1: it said why"),
    ],
)
def test_a_program_that_fails_is_told_of(words: list[str], why: str) -> None:
    """Another can be measured all the same."""
    with pytest.raises(FailedError, match=why):
        cost(words, "the program")


def test_a_program_that_hangs_is_ended_with_what_it_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its group is killed when the time is over."""
    monkeypatch.setattr(clients, "PATIENCE", 0.3)
    with pytest.raises(FailedError, match="ended with -9"):
        cost(["sh", "-c", "sleep 600 & wait"], "the program")


@pytest.mark.parametrize(("power", "worse"), [(1.0, False), (1.1, False), (1.5, True), (2.0, True)])
def test_what_grows_faster_than_the_work_is_named(power: float, *, worse: bool) -> None:
    """Start-up hides nothing, and makes nothing up."""
    sizes = (1, 10, 100, 1000)
    line = Line("IDs", "plan", "cpu", sizes, tuple(0.3 + 0.01 * n**power for n in sizes))
    assert bool(line.worse()) is worse


def test_only_what_is_between_the_marks_is_written() -> None:
    """The words around it stay; a page without the marks is refused."""
    page = "before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n"
    made = filled(page, "figures", "new\n")
    assert made == page.replace("old", "new")
    with pytest.raises(ValueError, match="growth 0 times"):
        filled(page, "growth", "new\n")


def test_a_long_run_is_told_of_in_a_table() -> None:
    """Both runs beside each other, and what was out of bounds."""
    soak = {"at_real_pace": {"ids": 36_000, "once": True}, "scaled": {"ids": 9, "once": False}}
    page = soak_table(soak | {"wrong": ["scaled: once"]})
    assert "| | at real pace | scaled |" in page
    assert "| ids | 36,000 | 9 |\n| once | yes | **no** |" in page
    assert page.endswith("Out of bounds: scaled: once.\n")
