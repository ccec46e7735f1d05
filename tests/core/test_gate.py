"""How many may be in flight, and when the next may start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.gate import BREAKER_AFTER, Gate


def test_s13_the_cap_is_open_at_first() -> None:
    """As many as the cap may start at once, and no more."""
    gate = Gate(3)
    assert [gate.wait(out, 0.0) for out in range(5)] == [0.0, 0.0, 0.0, None, None]
    assert gate.limit == 3
    assert not gate.broken


@pytest.mark.parametrize("cap", [0, -1])
def test_g3_a_cap_below_one_is_refused(cap: int) -> None:
    """0 is not "unlimited"."""
    with pytest.raises(ValueError, match="at least 1"):
        Gate(cap)


@pytest.mark.parametrize(("in_flight", "limit"), [(3, 2), (2, 1), (1, 1), (0, 1), (5, 3)])
def test_r1_a_refusal_steps_down_to_one_less_than_were_out(in_flight: int, limit: int) -> None:
    """Never below 1, and never up."""
    gate = Gate(3)
    gate.throttled(in_flight, 0.0, None, 0.5)
    assert gate.limit == limit


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 0.125), (0.5, 0.1875), (1.0, 0.25)])
def test_r1_a_refusal_holds_everything(draw: float, seconds: float) -> None:
    """Half of the cool-off is sure, half is drawn."""
    gate = Gate(3)
    gate.throttled(3, 100.0, None, draw)
    assert gate.wait(0, 100.0) == pytest.approx(seconds)
    assert gate.wait(0, 100.0 + seconds) == 0.0


def test_r4_the_cool_off_grows_while_refusals_go_on() -> None:
    """It doubles up to its longest, and is short again after an acceptance."""
    gate = Gate(3, longest_cool_off=4.0)
    holds = []
    for number in range(8):
        now = 1000.0 * number
        gate.throttled(1, now, None, 1.0)
        holds.append(gate.not_before - now)
    assert holds == pytest.approx([0.25, 0.5, 1, 2, 4, 4, 4, 4])
    gate.accepted(1, 9000.0)
    gate.throttled(1, 9000.0, None, 1.0)
    assert gate.not_before == pytest.approx(9000.25)


@pytest.mark.parametrize("hint", [0.01, 5.0, 1e6])
def test_r2_nothing_starts_before_the_hint(hint: float) -> None:
    """A hint of the server is a floor, for a refusal and for a failure."""
    gate = Gate(3)
    gate.throttled(3, 10.0, hint, 0.0)
    assert gate.not_before >= 10.0 + hint
    assert gate.not_before == max(10.0 + hint, 10.125)
    failing = Gate(3)
    failing.failed(10.0, hint, 0.0)
    assert failing.not_before == max(10.0 + hint, 10.125)
    assert failing.wait(0, 10.0 + hint / 2) == pytest.approx(failing.not_before - 10 - hint / 2)


def test_r2_a_later_shorter_hold_takes_nothing_away() -> None:
    """The farthest hold stands."""
    gate = Gate(3)
    gate.throttled(3, 0.0, 60.0, 0.0)
    gate.throttled(2, 1.0, 1.0, 0.0)
    assert gate.not_before == 60.0
    gate.accepted(1, 2.0)
    assert gate.wait(0, 2.0) == 58.0


def test_r5_it_comes_back_one_by_one() -> None:
    """After a quiet time one more is tried; when that is taken, the next follows."""
    gate = Gate(3, first_quiet=10.0)
    gate.throttled(3, 0.0, None, 0.0)
    gate.throttled(2, 0.0, None, 0.0)
    assert gate.allowed(9.9) == 1
    assert gate.allowed(10.0) == 2
    gate.accepted(1, 10.1)
    assert gate.allowed(1000.0) == 2, "the probe was not filled, so it proved nothing"
    gate.accepted(2, 1000.0)
    assert gate.allowed(1009.9) == 2
    assert gate.allowed(1010.0) == 3
    gate.accepted(3, 1010.1)
    assert gate.allowed(9999.0) == 3


def test_r5_each_failed_try_doubles_the_quiet_time() -> None:
    """A server that goes on refusing is asked ever less often, up to the longest."""
    gate = Gate(2, first_quiet=10.0, longest_quiet=35.0)
    gate.throttled(2, 0.0, None, 0.0)
    now, waits = 0.0, []
    for _ in range(4):
        began = now
        while gate.allowed(now) < 2:
            now += 0.5
        waits.append(now - began)
        gate.throttled(2, now, None, 0.0)
        assert gate.limit == 1
    assert waits == [10.0, 20.0, 35.0, 35.0]
    while gate.allowed(now) < 2:
        now += 0.5
    gate.accepted(2, now)
    gate.throttled(2, now, None, 0.0)
    assert gate.allowed(now + 9.5) == 1
    assert gate.allowed(now + 10.0) == 2, "a try that was taken makes the next quiet time short"


def test_v14_the_breaker_opens_after_five_failures_in_a_row() -> None:
    """Then single probes only, however many slots there are."""
    gate = Gate(3)
    seen = []
    for _ in range(BREAKER_AFTER):
        seen.append((gate.broken, gate.wait(2, 0.0)))
        gate.failed(0.0, None, 0.0)
    assert seen == [(False, 0.0)] * BREAKER_AFTER
    assert BREAKER_AFTER == 5
    assert gate.broken
    assert gate.wait(1, 1e9) is None
    assert gate.wait(0, 0.0) == pytest.approx(0.5)
    assert gate.wait(0, 0.5) == 0.0


def test_v14_an_answer_closes_the_breaker() -> None:
    """One acceptance and the row starts from nothing, so alternating answers never open it."""
    gate = Gate(3)
    for _ in range(BREAKER_AFTER + 3):
        gate.failed(0.0, None, 0.0)
    gate.accepted(1, 50.0)
    assert not gate.broken
    assert gate.wait(2, 50.0) == 0.0
    for now in range(100):
        gate.failed(now, None, 1.0)
        gate.accepted(3, now)
        assert not gate.broken


def test_n15_probes_grow_ever_further_apart() -> None:
    """1, 2, 4 ... seconds, up to the longest cool-off."""
    gate = Gate(3)
    holds = []
    for number in range(12):
        now = 1000.0 * number
        gate.failed(now, None, 1.0)
        holds.append(max(0.0, gate.not_before - now))
    assert holds == pytest.approx([0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["accepted", "throttled", "failed"]),
        st.floats(0, 30),
        st.one_of(st.none(), st.floats(0, 60)),
        st.floats(0, 1),
    ),
    max_size=50,
)


@given(st.integers(1, 5), STEPS)
def test_s13_whatever_comes_the_gate_holds(
    cap: int, steps: list[tuple[str, float, float | None, float]]
) -> None:
    """Never above the cap, never before a hint, single probes when broken; never stuck."""
    gate, now, out, floor, failures = Gate(cap), 0.0, 0, 0.0, 0
    for name, seconds, hint, draw in steps:
        now += seconds
        while gate.wait(out, now) == 0.0:
            assert now >= floor
            assert out < (1 if failures >= BREAKER_AFTER else cap)
            out += 1
        if not out:
            now = max(now, gate.not_before)
            assert gate.wait(0, now) == 0.0
            out = 1
        if name == "accepted":
            gate.accepted(out, now)
            failures = 0
        elif name == "throttled":
            gate.throttled(out, now, hint, draw)
            floor = max(floor, now + (hint or 0.0))
            assert gate.limit <= max(1, out - 1)
            assert gate.not_before > now
        else:
            gate.failed(now, hint, draw)
            floor = max(floor, now + (hint or 0.0))
            failures += 1
        out -= 1
        assert 1 <= gate.limit <= cap
        assert gate.broken == (failures >= BREAKER_AFTER)
        assert gate.not_before <= now + max(60.0, gate.longest_cool_off)


@given(st.integers(1, 5), st.integers(1, 5))
def test_r5_it_settles_at_what_the_server_takes(cap: int, takes: int) -> None:
    """Against a server that takes so many at once, it finishes, and rarely asks for more."""
    gate, now, refused = Gate(cap), 0.0, 0
    for _ in range(600):
        now = max(now, gate.not_before)
        out = 0
        while gate.wait(out, now) == 0.0:
            out += 1
        for order in range(out, 0, -1):
            if order > takes:
                gate.throttled(order, now, None, 0.5)
                refused += 1
            else:
                gate.accepted(order, now)
        now += 0.1
    assert gate.limit >= min(cap, takes)
    assert refused <= 6 * cap
