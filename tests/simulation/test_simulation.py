"""A sample of the simulation: some hundred seeds in each mode, and that a seed is one run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import proof
from tests.simulation.play import MODES
from tests.simulation.ranges import Tally, play_range

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [0, 100, 200])
def test_every_promise_holds(mode: str, first: int) -> None:
    """S1 to S9 and S11 to S13, whatever happens; and once nothing happens any more, the end."""
    tally = play_range(mode, range(first, first + 100))
    assert tally.violations == []
    assert tally.runs == 100
    assert tally.requests > 500
    assert sum(map(bool, tally.fired.values())) > 60


def trace(seed: int, hash_seed: str) -> str:
    """Play a seed in a process of its own."""
    words = ["-m", "tests.simulation", "--mode", "calming", "--seed", str(seed), "--trace"]
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("seed", [5, 6])
def test_a_seed_is_one_run(seed: int) -> None:
    """To the byte, in any process."""
    first = trace(seed, "1")
    assert "all promises held" in first
    assert first.count("\n") > 5
    assert trace(seed, "2") == first


def test_a_fault_that_never_happened_is_told() -> None:
    """A range in which some fault never fired proves nothing about it."""
    tally = Tally()
    tally.fired.update({"killed": 3})
    assert "killed" not in tally.never_fired()
    assert "power_torn" in tally.never_fired()


def test_the_ledger_goes_on_where_it_ends(tmp_path: Path) -> None:
    """Each range is played once, and each line says what was really run."""
    ledger = tmp_path / "ledger.jsonl"
    assert proof.prove(12, 1, ledger) == 0
    assert proof.prove(8, 1, ledger) == 0
    lines = [json.loads(one) for one in ledger.read_text().splitlines()]
    assert [(one["from"], one["to"], one["runs"]) for one in lines] == [
        (proof.FIRST, proof.FIRST + 5, 12),
        (proof.FIRST + 6, proof.FIRST + 9, 8),
    ]
    assert {one["violations"] for one in lines} == {0}
    assert all(one["requests"] > 0 and one["commit"] and one["never_fired"] for one in lines)


def test_a_long_proof_is_written_down_piece_by_piece() -> None:
    """What was run counts, though it is stopped early."""
    found = proof.pieces(5, 2 * proof.PIECE + 2 * proof.PIECE + 2)
    assert [(one.start, one.stop) for one in found] == [
        (5, 5 + proof.PIECE),
        (5 + proof.PIECE, 5 + 2 * proof.PIECE),
        (5 + 2 * proof.PIECE, 6 + 2 * proof.PIECE),
    ]
