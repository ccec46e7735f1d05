"""When the next request may start: what no second may hold, whatever is late."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkdelete.core.pace import Schedule, most

RATES = (0.01, 0.5, 0.99, 1, 1.5, 1.999, 5, 7.9999, 19, 19.99, 20, 50, 99.5, 100, 119, 190, 1000)

Step = tuple[float, float, bool, float | None]
"""How late the loop comes, how late it leaves (a share of what it may), whether it leaves at all,
and the rate from then on, if it is another."""

LATENESS = st.one_of(st.just(0.0), st.floats(0.0, 0.002), st.floats(0.0, 0.03), st.floats(0.0, 1.5))
SHARES = st.one_of(st.just(0.0), st.just(1.0), st.floats(0.0, 1.0))
RATE = st.one_of(st.sampled_from(RATES), st.floats(0.2, 300.0))


def steps(rates: "st.SearchStrategy[float | None]") -> "st.SearchStrategy[list[Step]]":
    """Return what may befall some starts, the rate being tuned now and then."""
    alive = st.integers(0, 9).map(bool)
    return st.lists(st.tuples(LATENESS, SHARES, alive, rates), min_size=2, max_size=60)


def played(rate: float, befalls: Sequence[Step]) -> list[tuple[float, int]]:
    """Return when starts left, in order, each with how many a second may hold at its rate."""
    schedule, now, left = Schedule(rate), 1000.0, []
    for late, share, alive, rate_then in befalls:
        now = max(now, schedule.due) + late
        until = schedule.let_out(now)
        if alive:  # the others were cancelled, or found their connection too late
            left.append((now + share * (until - now), most(schedule.rate)))
        if rate_then is not None:
            schedule = schedule.then(rate_then)
    return sorted(left)


def fullest(left: Sequence[tuple[float, int]]) -> int:
    """Return by how many the fullest second has more than it may hold: 0 or less is well."""
    worst, first = -1, 0
    for last, (at, _) in enumerate(left):
        while at - left[first][0] >= 1.0:
            first += 1
        within = left[first : last + 1]
        worst = max(worst, len(within) - max(bound for _, bound in within))
    return worst


@given(RATE, steps(st.none()), st.integers(1, 4))
@settings(max_examples=150)
@example(1.999, [(0.0, 1.0, True, None), (0.0, 0.0, True, None)] * 3, 1)
@example(100, [(0.02, 1.0, True, None)] + [(0.0, 0.0, True, None)] * 120, 1)
def test_s13_no_second_holds_more_however_late_the_loop_is(
    rate: float, befalls: list[Step], times: int
) -> None:
    """Late timers, late departures, and starts that never leave: never more than it may hold."""
    assert fullest(played(rate, befalls * times)) <= 0


@given(RATE, steps(st.one_of(st.none(), st.none(), RATE)), st.integers(1, 4))
@settings(max_examples=150)
@example(1, [(0.4, 1.0, True, 1.999), (0.0, 0.0, True, None), (0.0, 0.0, True, None)], 1)
@example(5, [(0.2, 1.0, True, 6), (0.2, 1.0, True, 5)] * 6, 2)
def test_s13_another_rate_midway_makes_no_burst(
    rate: float, befalls: list[Step], times: int
) -> None:
    """A second in which the rate is tuned holds no more than the faster of its rates allows."""
    assert fullest(played(rate, befalls * times)) <= 0


def test_s13_the_check_sees_one_start_too_many() -> None:
    """A few that leave by the slack later than they may meet the next ones, and are found."""
    schedule = Schedule(100)
    share = 1 + schedule.slack / schedule.good_for
    on_time, rest = (0.0, 1.0, True, None), [(0.0, 0.0, True, None)] * 110
    assert fullest(played(100, [on_time] * 7 + rest)) <= 0
    assert fullest(played(100, [(0.0, share, True, None)] * 7 + rest)) > 0


@pytest.mark.parametrize("rate", [1, 10, 100, 1000, 5000])
def test_what_is_late_is_made_good(rate: float) -> None:
    """Each timer late by up to a hundredth of a second: a minute brings the rate all the same."""
    late = (0.0, 0.001, 0.0004, 0.009)
    count = int(rate * 10)
    schedule, now, times = Schedule(rate), 0.0, []
    for number in range(count):
        if now < schedule.due:
            now += schedule.wait(now) + late[number % 4]
        schedule.let_out(now)
        times.append(now)
    share = (count - 1) / (times[-1] - times[0]) / rate
    assert 0.995 <= share <= 1.005


def test_what_is_later_than_that_is_lost() -> None:
    """After a minute in which nobody asked there is no burst, and half a percent at most."""
    schedule = Schedule(100)
    schedule.let_out(0.0)
    assert schedule.wait(0.0) == schedule.step, "nothing was late before the first"
    at_once = 0
    while schedule.wait(60.0) == 0.0:
        schedule.let_out(60.0)
        at_once += 1
    assert at_once == 3
    assert (Schedule(1).late, Schedule(0.5).late) == (0.25, 0.0)


@pytest.mark.parametrize("rate", RATES)
def test_nearly_all_of_the_rate_is_let_out(rate: float) -> None:
    """A hair less where the rate is a hair below a whole number."""
    assert 0.989 * rate <= 1.0 / Schedule(rate).step <= rate * (1 + 1e-12)


def test_a_wait_ends_when_a_few_are_due() -> None:
    """At a high rate several go together: no timer is worth less than five milliseconds."""
    slow, fast = Schedule(100), Schedule(1000)
    for schedule in (slow, fast):
        schedule.let_out(0.0)
        while schedule.wait(0.0) == 0.0:
            schedule.let_out(0.0)
    assert slow.wait(slow.due - 0.003) == pytest.approx(0.003)
    assert fast.wait(fast.due - 0.003) == pytest.approx(0.007)


def test_what_is_refused() -> None:
    """No rate at all, and a start that is not due."""
    for rate in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            Schedule(rate)
    schedule = Schedule(2)
    schedule.let_out(0.0)
    with pytest.raises(ValueError, match="due"):
        schedule.let_out(0.1)
