"""Rates, words of a script, dials: the pure part."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.emulator.dials import Dials, Tuning
from bulkdelete.emulator.faults import RATES, Faults, Manner, draw, scripted


@pytest.mark.parametrize(
    "wrong",
    [
        {"throttle": -0.1},
        {"throttle": 1.1},
        {"throttle": float("nan")},
        {"throttle": 0.6, "drip": 0.6},
        {"drip_interval": -1.0},
        {"retry_after": "1\r\nX-Evil: 1"},
    ],
)
def test_impossible_faults_are_refused(wrong: dict[str, object]) -> None:
    """A rate outside 0..1, a sum above 1 or a header that breaks out is a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        Faults(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RATES)
def test_a_rate_of_one_always_draws_that_fault(name: str) -> None:
    """With one rate at 1 there is no other outcome."""
    rng = Random(1)
    faults = msgspec.convert({name: 1.0}, Faults)
    assert {draw(faults, rng.random(), rng.random()).name for _ in range(50)} == {name}


def test_half_of_the_5xx_act_and_all_four_statuses_come() -> None:
    """Every pair of status and acting is drawn, equally often."""
    faults = Faults(error_5xx=1.0)
    drawn = [draw(faults, 0.0, index / 8) for index in range(8)]
    assert len({(one.status, one.acts) for one in drawn}) == 8
    assert {one.status for one in drawn} == {500, 502, 503, 504}


@given(which=st.floats(0, 1, exclude_max=True), variant=st.floats(0, 1, exclude_max=True))
def test_no_rates_no_faults(which: float, variant: float) -> None:
    """Without rates every draw is a success that acts."""
    decision = draw(Faults(), which, variant)
    assert decision.is_success
    assert decision.acts


@pytest.mark.parametrize(
    ("word", "acts", "status", "manner"),
    [
        ("ok", True, 200, Manner.WHOLE),
        ("401", False, 401, Manner.WHOLE),
        ("307", False, 307, Manner.WHOLE),
        ("503", False, 503, Manner.WHOLE),
        ("+503", True, 503, Manner.WHOLE),
        ("429", False, 429, Manner.THROTTLE),
        ("html_200", False, 200, Manner.WHOLE),
        ("+empty_200", True, 200, Manner.WHOLE),
        ("+hang", True, 200, Manner.HANG),
        ("drop_before", False, 200, Manner.DROP),
        ("drop_after", True, 200, Manner.DROP),
        ("cut_body", True, 200, Manner.CUT),
    ],
)
def test_words_of_a_script(word: str, acts: bool, status: int, manner: Manner) -> None:
    """Each word says whether it acts, with which status, and how it is delivered."""
    decision = scripted(word, Faults(), 0.0)
    assert (decision.acts, decision.status, decision.manner) == (acts, status, manner)


def test_a_word_may_bring_its_own_body() -> None:
    """What follows the status is the body, byte for byte."""
    assert scripted("+200 null", Faults(), 0.0).body == b"null"


@pytest.mark.parametrize("word", ["", "oops", "600", "99", "+ok", "+429", "+drop_before", "200x"])
def test_unknown_words_are_refused(word: str) -> None:
    """A script that cannot be played is refused when it is given, not when it is reached."""
    with pytest.raises(ValueError, match=r".+"):
        Dials(Faults(), Tuning(), [word])


def _sequence(seed: int, **rates: float) -> list[tuple[str, float]]:
    faults = msgspec.convert({"seed": seed, **rates}, Faults)
    dials = Dials(faults, Tuning(latency=1.0, latency_spread=0.5))
    return [
        (decision.name, seconds) for decision, seconds in (dials.next_delete() for _ in "x" * 99)
    ]


def test_the_same_seed_gives_the_same_faults() -> None:
    """The sequence depends on the seed and on nothing else."""
    assert _sequence(7, drip=0.3) == _sequence(7, drip=0.3)
    assert _sequence(7, drip=0.3) != _sequence(8, drip=0.3)


def test_another_rate_does_not_shift_the_latencies() -> None:
    """Each request takes the same number of draws, so one knob does not stir the others."""
    assert [s for _, s in _sequence(7)] == [s for _, s in _sequence(7, error_5xx=0.5)]
    assert all(0.5 <= seconds <= 1.5 for _, seconds in _sequence(7))


def test_a_wrong_turn_changes_nothing() -> None:
    """A patch is merged as a whole or not at all."""
    dials = Dials(Faults(drip=0.5), Tuning(), ["401"])
    before = dials.snapshot()
    for patch in (
        {"latency": 0.0, "throttle": 2},
        {"latency": 0.0, "limit": 0},
        {"latency": 0.0, "script": ["oops"]},
        {"latency": 0.0, "script": "ok"},
        {"latency": 0.0, "nonsense": 1},
    ):
        with pytest.raises(ValueError, match=r".+"):
            dials.turn(patch)
    assert dials.snapshot() == before


def test_a_turn_merges_and_a_snapshot_can_be_turned_back() -> None:
    """What is not named stays; a snapshot is a valid patch."""
    dials = Dials(Faults(drip=0.5), Tuning(limit=2), ["401"])
    before = dials.snapshot()
    dials.turn({"drop_after": 0.25, "latency": 0, "script": []})
    assert (dials.faults.drip, dials.faults.drop_after) == (0.5, 0.25)
    assert (dials.tuning.limit, dials.tuning.latency) == (2, 0.0)
    dials.turn(before)
    assert dials.snapshot() == before
