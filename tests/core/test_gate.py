"""How many may be in flight, and when the next may start."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.ceiling import (
    EXPLORE,
    FIRST_ROUND,
    FLAP_ROUNDS,
    HOPE,
    LASTS,
    PROOF,
    REGAIN,
    SHORTEST,
    Ceiling,
    Patience,
)
from bulkdelete.core.gate import (
    BREAKER_AFTER,
    FIRST_COOL_OFF,
    LONGEST_COOL_OFF,
    TEMPO_PATIENCE,
    Gate,
    Start,
)
from bulkdelete.core.tempo import FIRST_TRY, LATER, NEXT_TRY, SAMPLE, SHORTER, WINDOWED_AFTER, Tempo


def opened(cap: int, seconds: float = 1.0, at: float = 0.0) -> Gate:
    """Return a gate that has seen its first answer, after so many seconds, at a time."""
    gate = Gate(cap)
    leave(gate, 1, at - seconds, answered=at)
    return gate


def leave(gate: Gate, out: int, now: float, *, answered: float | None = None) -> Start:
    """Start a request, with which `out` are in flight; have it answered, perhaps."""
    gate.taken(out, now)
    start = gate.started(out, now)
    if answered is not None:
        gate.accepted(start, answered)
    return start


def steady(gate: Gate, out: int, now: float, answers: int, seconds: float = 1.0) -> float:
    """Have requests taken, `out` in flight all the time; return when that was over."""
    for _ in range(answers):
        now += seconds / out
        leave(gate, out, now - seconds, answered=now)
    return now


@pytest.mark.parametrize("cap", [0, -1])
def test_g3_a_cap_below_one_is_refused(cap: int) -> None:
    """0 is not "unlimited"."""
    with pytest.raises(ValueError, match="at least 1"):
        Gate(cap)


def test_s13_the_first_goes_alone_and_then_the_cap_is_open() -> None:
    """As many as the cap once one was answered, and no more; a little apart."""
    gate = Gate(3)
    assert gate.wait(0, 0.0) == 0.0
    start = leave(gate, 1, 0.0)
    assert gate.wait(1, 0.5) is None
    gate.accepted(start, 1.0)
    assert [gate.wait(out, 9.0) for out in range(5)] == [0.0, 0.0, 0.0, None, None]
    assert (gate.limit, gate.broken, gate.latency) == (3, False, 1.0)
    leave(gate, 1, 10.0)
    assert gate.wait(1, 10.0) == 0.0
    leave(gate, 2, 10.0)
    assert gate.wait(2, 10.0) == pytest.approx(0.25 / 3), "so that one refusal says no"
    leave(gate, 3, 10.1)
    assert gate.wait(2, 11.0) == 0.0


def test_a_very_high_cap_is_opened_in_rounds() -> None:
    """A cap that is no more than a guess would end in a storm of refusals."""
    ceiling = Ceiling(100)
    seen = [ceiling.level]
    for _ in range(5):
        ceiling.accepted(ceiling.level, 0)
        seen.append(ceiling.level)
    assert seen == [1, FIRST_ROUND, 32, 64, 100, 100]


@pytest.mark.parametrize(("number", "limit"), [(3, 2), (2, 1)])
def test_r1_a_refusal_steps_down_to_one_less_than_were_out(number: int, limit: int) -> None:
    """Never below 1, and never up."""
    gate = opened(3)
    gate.throttled(gate.started(number, 1.0), number, 1.1, None, 0.5)
    assert gate.limit == limit


def test_r1_a_refusal_of_many_at_once_is_found_out_by_the_first() -> None:
    """Nine of fifteen are refused: the level is six, whatever order the refusals come in."""
    for order in (range(7, 16), range(15, 6, -1)):
        gate = opened(15)
        starts = {number: gate.started(number, 1.0) for number in range(1, 16)}
        for out, number in enumerate(order):
            gate.throttled(starts[number], 15 - out, 1.1, None, 0.5)
        assert gate.limit == 6


def test_r1_a_fall_from_high_up_takes_few_refusals() -> None:
    """One less, and half of it each time when that is refused, too."""
    gate = opened(15)
    now = steady(gate, 15, 0.0, 30)
    seen = []
    for _ in range(5):
        now = gate.not_before + 0.001
        level = gate.limit
        gate.throttled(gate.started(level, now), level, now + 0.05, None, 0.5)
        seen.append(gate.limit)
    assert seen == [14, 7, 4, 2, 1]
    leave(gate, 1, now + 1.0, answered=now + 2.0)
    gate.throttled(gate.started(3, now + 2), 3, now + 2.1, None, 0.5)
    assert gate.limit == 1, "one that was taken begins it anew"


def test_r1_a_fall_that_went_too_far_is_made_good_at_once() -> None:
    """What lies between the new level and the refused number is tried in the next round."""
    ceiling = Ceiling(15, level=11, best=15)
    for number in (11, 10):
        ceiling.refused(number, number, 0.5)
    assert ceiling.level == 5
    for level in (5, 6, 7):
        for _ in range(level):
            ceiling.look(level, settled=False)
            assert ceiling.allowed == level
            ceiling.accepted(level, ceiling.epoch)
        ceiling.look(level, settled=False)
        assert ceiling.allowed == level + 1
        if level < 7:
            ceiling.accepted(level + 1, ceiling.epoch)
    ceiling.refused(8, 8, 0.5)
    for _ in range(20):
        ceiling.accepted(7, ceiling.epoch)
    ceiling.look(7, settled=False)
    assert ceiling.allowed == 7, "now it is known"


def test_r1_a_fall_that_went_too_far_is_made_good_sooner_where_refusals_are_quick() -> None:
    """What was not refused in time lets the next follow, up to what was refused before."""
    ceiling = Ceiling(15, level=15, best=15)
    for number in (12, 11):
        ceiling.refused(number, number, 0.5)
    assert ceiling.level == 6
    seen = []
    for out in (5, 6, 7, 9, 10):
        ceiling.look(out, settled=False)
        ceiling.look(out, settled=True)
        seen.append((ceiling.allowed, ceiling.falling))
    assert seen[0] == (6, True), "not all that may be out are out"
    assert seen[1:] == [(7, False), (9, False), (10, False), (10, False)], "11 was refused"
    ceiling.accepted(10, ceiling.epoch)
    assert ceiling.level == 10
    ceiling.look(10, settled=True)
    assert ceiling.allowed == 10


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 0.125), (0.5, 0.1875), (1.0, 0.25)])
def test_r1_a_refusal_holds_everything(draw: float, seconds: float) -> None:
    """Half of the cool-off is sure, half is drawn; also a turn that was taken is closed."""
    gate = Gate(3)
    gate.throttled(gate.started(1, 99.0), 1, 100.0, None, draw)
    assert gate.wait(0, 100.0) == pytest.approx(seconds)
    assert not gate.is_open(0, 100.0)
    assert gate.wait(0, 100.0 + seconds) == 0.0
    assert gate.is_open(0, 100.0 + seconds)
    assert not gate.is_open(1, 100.0 + seconds)


@pytest.mark.parametrize(
    ("seconds", "cap", "hold"), [(8.0, 1, 0.25), (0.3, 3, 0.025), (0, 3, 0.25)]
)
def test_r1_a_cool_off_is_short_where_answers_come_quickly(
    seconds: float, cap: int, hold: float
) -> None:
    """A quarter of the time between two answers, and never more than a quarter of a second."""
    gate = opened(cap, seconds)
    gate.throttled(gate.started(cap + 1, 1.0), cap + 1, 1.1, None, 1.0)
    assert gate.not_before - 1.1 == pytest.approx(hold)


def test_r4_the_cool_off_grows_while_refusals_go_on() -> None:
    """It doubles up to its longest; only an answer to something sent later makes it short again."""
    gate = Gate(3)
    old = gate.started(2, -1.0)
    holds = []
    for number in range(9):
        now = 1000.0 * number
        gate.throttled(gate.started(1, now), 1, now, None, 1.0)
        holds.append(gate.not_before - now)
    assert holds == pytest.approx([0.25, 0.5, 1, 2, 4, 8, 16, 30, 30])
    assert LONGEST_COOL_OFF == 30
    gate.accepted(old, 8500.0)
    gate.throttled(gate.started(1, 9000.0), 1, 9000.0, None, 1.0)
    assert gate.not_before == pytest.approx(9030.0)
    gate.accepted(gate.started(1, 9499.0), 9500.0)
    gate.throttled(gate.started(2, 9501.0), 2, 9501.0, None, 1.0)
    assert gate.not_before == pytest.approx(9501.25)


def test_r4_several_refusals_at_once_are_one() -> None:
    """What left before a refusal came back does not make the cool-off longer."""
    gate = opened(3)
    starts = [gate.started(number, 1.0) for number in (2, 3)]
    for start in starts:
        gate.throttled(start, 3, 1.1, None, 1.0)
    assert gate.not_before == pytest.approx(1.1 + FIRST_COOL_OFF)


@pytest.mark.parametrize("hint", [0.01, 5.0, 1e6])
def test_r2_nothing_starts_before_the_hint(hint: float) -> None:
    """A hint of the server is a floor, for a refusal and for a failure."""
    gate = Gate(3)
    gate.throttled(gate.started(3, 9.0), 3, 10.0, hint, 0.0)
    assert gate.not_before == max(10.0 + hint, 10.125)
    failing = Gate(3)
    failing.failed(10.0, hint, 0.0)
    assert failing.not_before == max(10.0 + hint, 10.125)
    assert failing.wait(0, 10.0 + hint / 2) == pytest.approx(failing.not_before - 10 - hint / 2)


def test_r2_a_later_shorter_hold_takes_nothing_away() -> None:
    """The farthest hold stands."""
    gate = Gate(3)
    gate.throttled(gate.started(3, 0.0), 3, 0.0, 60.0, 0.0)
    gate.throttled(gate.started(2, 0.0), 2, 1.0, 1.0, 0.0)
    assert gate.not_before == 60.0
    leave(gate, 1, 1.0, answered=2.0)
    assert gate.wait(0, 2.0) == pytest.approx(58.0)


def answers_until_a_try(gate: Gate, now: float) -> tuple[int, float]:
    """Keep the level full until one more is tried; return after how many answers, and when."""
    level, answers = gate.ceiling.level, 0
    while gate.limit == level:
        now = steady(gate, level, now, 1)
        answers += 1
        gate.wait(level, now)
        assert answers < 10_000
    return answers, now


def test_r5_a_level_that_worked_is_tried_again_one_by_one() -> None:
    """After some answers one more is tried; when that is taken, the next follows in a round."""
    gate = opened(3)
    now = steady(gate, 3, 0.0, 30)
    for number in (3, 2):
        now = gate.not_before + 0.01
        gate.throttled(gate.started(number, now), number, now + 0.05, None, 0.5)
    assert gate.limit == 1
    answers, now = answers_until_a_try(gate, now + 1)
    assert answers == math.ceil(REGAIN.answers(1, 2, 0))
    leave(gate, 1, now, answered=now + 1)
    assert gate.ceiling.level == 1, "the try was not filled, so it proved nothing"
    leave(gate, 2, now + 1, answered=now + 2)
    assert (gate.ceiling.level, gate.limit) == (2, 2)
    answers, now = answers_until_a_try(gate, now + 2)
    assert answers == 1, "what once worked is climbed to at once"
    leave(gate, 3, now, answered=now + 1)
    assert (gate.ceiling.level, gate.limit) == (3, 3)
    now = steady(gate, 3, now + 1, 5000)
    gate.wait(3, now)
    assert gate.limit == 3, "never above the cap"


def test_r5_a_try_stands_midway_between_two_others() -> None:
    """There it meets others in the middle of their work; a pace would let it pass."""
    gate = opened(2)
    gate.throttled(gate.started(2, 1.0), 2, 1.1, None, 0.5)
    _, now = answers_until_a_try(gate, 2.0)
    leave(gate, 1, now)
    assert gate.wait(1, now) == pytest.approx(gate.latency / 2)
    assert gate.wait(1, now + gate.latency) == 0.0


@pytest.mark.parametrize("worked", [False, True])
def test_r5_each_failed_try_makes_the_next_one_later(worked: bool) -> None:
    """Rarely where one more never worked; sooner where it did."""
    gate = opened(2)
    now = 1.0
    if worked:
        now = steady(gate, 2, now, 30)
    gate.throttled(gate.started(2, now), 2, now + 0.1, None, 0.5)
    waits = []
    for _ in range(4):
        answers, now = answers_until_a_try(gate, now + 1)
        waits.append(answers)
        gate.throttled(gate.started(2, now), 2, now + 0.1, None, 0.5)
        assert gate.limit == 1
    patience = REGAIN if worked else EXPLORE
    assert waits == [math.ceil(patience.answers(1, 1, failed)) for failed in range(4)]


def test_r5_a_climb_to_what_once_worked_takes_longer_steps() -> None:
    """One more, then half of the way each time: as far as it worked, and one by one beyond."""
    gate = opened(20)
    now = steady(gate, 15, 0.0, 50)
    gate.throttled(gate.started(7, now), 7, now + 0.1, None, 0.5)
    seen, now = [gate.limit], now + 1
    while gate.limit < 20:
        _, now = answers_until_a_try(gate, now)
        for number in range(gate.ceiling.level + 1, gate.limit + 1):
            leave(gate, number, now, answered=now + 1)
        now += 1
        seen.append(gate.limit)
    assert seen == [6, 7, 11, 13, 14, 15, 16, 17, 18, 19, 20]


def falls_to(level: int, *, seconds: float = 0.05) -> tuple[Gate, float]:
    """Return a gate of 15 that is refused at once down to a level, so many seconds each time."""
    gate = opened(15)
    now = steady(gate, 15, 0.0, FLAP_ROUNDS * 15)
    gate.throttled(gate.started(level + 1, now), level + 1, now + seconds, None, 0.5)
    assert gate.limit == level
    return gate, now + 1


def test_r5_what_was_not_refused_in_time_lets_the_next_follow() -> None:
    """A refusal takes 0.05 s, an answer 1 s: half of the way each time, up to what once worked."""
    gate, now = falls_to(6)
    _, now = answers_until_a_try(gate, now)
    seen = []
    for out in range(7, 16):
        leave(gate, out, now)
        if gate.limit == out:
            assert gate.wait(out, now) == (pytest.approx(0.1) if out < 15 else None)
            seen.append(out)
        now += 0.1
        gate.wait(out, now)
    assert seen == [7, 11, 13, 14, 15]
    assert gate.ceiling.level == 6, "only an answer proves it"
    gate.throttled(gate.started(13, now), 13, now + 0.05, None, 0.5)
    assert gate.limit == 12


def test_r5_slow_refusals_tell_nothing_before_an_answer() -> None:
    """Where a refusal takes as long as an answer, or may be for the pace, the answer is awaited."""
    for slow in (True, False):
        gate, now = falls_to(6, seconds=0.9 if slow else 0.05)
        _, now = answers_until_a_try(gate, now + 1)
        if not slow:
            gate.tempo.suspect(now, 1.0, flaps=True, alone=False)
        leave(gate, 7, now)
        assert gate.wait(7, now) is None
        gate.wait(7, now + 0.5)
        assert gate.limit == 7


def test_r5_what_has_not_left_yet_says_nothing() -> None:
    """A turn was taken, and its request is still being made ready: no refusal can be back."""
    gate, now = falls_to(6)
    _, now = answers_until_a_try(gate, now)
    gate.started(6, now)
    gate.taken(7, now + 0.01)
    assert gate.wait(7, now + 0.5) is None
    assert gate.limit == 7


def test_r1_while_the_level_falls_one_refusal_tells() -> None:
    """Starts are as far apart as a refusal takes, and never more than half of a request."""
    for seconds, distance in ((0.05, 0.05), (0.9, 0.5)):
        gate, now = falls_to(6, seconds=seconds)
        leave(gate, 5, now)
        assert gate.wait(5, now) == pytest.approx(distance)


def test_r1_the_first_starts_are_a_little_apart_and_never_for_rounds() -> None:
    """5 ms each where requests are long; half of a request's time for all of them otherwise."""
    for seconds, distance in ((3.0, 0.05), (1.0, 1 / 60), (0.2, 0.005), (0.04, 0.04 / 30)):
        gate = opened(15, seconds)
        leave(gate, 2, 1.0)
        assert gate.wait(2, 1.0) == pytest.approx(distance)


def test_r5_only_a_try_that_was_waited_for_says_that_it_is_no_matter_of_pace() -> None:
    """Just after a fall a bucket is as empty as it was: one more is refused there, too."""
    gate, now = falls_to(6)
    gate.ceiling._maybe = 8
    gate.tempo.suspect(now, 1.0, flaps=True, alone=False)
    for doubted in (True, False):
        answers, now = answers_until_a_try(gate, now)
        assert (answers < 10) == doubted
        gate.throttled(gate.started(7, now), 7, now + 0.05, None, 0.5)
        assert gate.tempo.doubted == doubted
        now += 1


def test_r1_a_fall_far_from_the_server_ends() -> None:
    """Held is only what makes one more than left since: else the level would never be reached."""
    gate, now = falls_to(11, seconds=0.4)
    answers: list[tuple[float, Start]] = []
    most = 0
    for _ in range(200):
        while gate.wait(len(answers), now) == 0.0:
            answers.append((now + 1.0, leave(gate, len(answers) + 1, now)))
        most = max(most, len(answers))
        now += 0.05
        while answers and answers[0][0] <= now:
            gate.accepted(answers.pop(0)[1], now)
    assert most == 11
    assert not gate.ceiling.falling


def test_r5_a_long_step_that_fails_keeps_what_was_taken() -> None:
    """Of four more two were taken: that is the level now."""
    ceiling = Ceiling(15, level=6, best=15, trial=10)
    ceiling.accepted(7, 0)
    assert (ceiling.level, ceiling.trial) == (7, 10)
    ceiling.refused(9, 9, 0.5)
    assert (ceiling.level, ceiling.trial) == (8, 0)


def test_r5_a_try_that_slipped_in_before_another_is_still_a_try() -> None:
    """The other is refused in its stead: the level is what it was."""
    ceiling = Ceiling(3, level=2, best=2, trial=3)
    ceiling.refused(2, 3, 0.5)
    assert (ceiling.level, ceiling.trial) == (2, 0)
    ceiling.accepted(3, 0)
    assert ceiling.level == 2, "what left before a refusal proves nothing after it"


def test_r5_a_try_that_slipped_in_between_two_others_is_no_level_that_worked() -> None:
    """It counts when it has held for some rounds; refused before, the next try comes later."""
    gate = opened(3)
    gate.throttled(gate.started(3, 1.0), 3, 1.4, None, 0.5)
    now, waits = 2.0, []
    for slips in (True, False, True):
        answers, now = answers_until_a_try(gate, now)
        waits.append(answers)
        if slips:
            leave(gate, 3, now, answered=now + 1)
            assert (gate.limit, gate.ceiling.best) == (3, 2)
        gate.throttled(gate.started(3, now + 1), 3, now + 1.4, None, 0.5)
        assert gate.limit == 2
        now += 2
    first = EXPLORE.answers(2, 1, 0)
    assert waits == [math.ceil(first * (1 + failed)) for failed in range(3)]
    _, now = answers_until_a_try(gate, now)
    leave(gate, 3, now, answered=now + 1)
    steady(gate, 3, now + 1, PROOF * 3)
    assert gate.ceiling.best == 3
    assert gate.ceiling._failed == 0


@pytest.mark.parametrize(("draw", "share"), [(0.0, 0.75), (0.5, 1.0), (1.0, 1.25)])
def test_r5_those_who_were_refused_together_try_again_apart(draw: float, share: float) -> None:
    """The waits are drawn: a quarter less to a quarter more."""
    gate = opened(2)
    gate.throttled(gate.started(2, 1.0), 2, 1.1, None, draw)
    answers, _ = answers_until_a_try(gate, 2.0)
    assert answers == math.ceil(share * EXPLORE.first)


def test_r1_an_answer_to_what_left_before_a_refusal_ends_no_fall() -> None:
    """It was taken under the limit of before: the fall goes on as fast."""
    ceiling = Ceiling(15, level=15, best=15)
    ceiling.refused(15, 15, 0.5)
    ceiling.accepted(15, 0)
    ceiling.refused(14, 14, 0.5)
    assert ceiling.level == 7
    ceiling.accepted(7, ceiling.epoch)
    ceiling.refused(7, 7, 0.5)
    assert ceiling.level == 6, "one to what left after it does"


def test_s13_another_cap_holds_at_once() -> None:
    """What was learned stays; who was at the old one is at the new one; no try is above it."""
    gate = opened(3)
    gate.resize(2)
    assert gate.limit == 2
    gate.resize(5)
    assert gate.limit == 5
    gate.throttled(gate.started(3, 1.0), 3, 1.1, None, 0.5)
    gate.resize(4)
    assert gate.limit == 2
    gate, now = falls_to(6)
    _, now = answers_until_a_try(gate, now)
    leave(gate, 7, now, answered=now + 1)
    gate.resize(8)
    _, now = answers_until_a_try(gate, now + 1)
    assert gate.limit == 8, "and not half of the way to fifteen"
    gate.resize(7)
    assert gate.limit == 7


@given(
    st.lists(st.tuples(st.sampled_from("arlc"), st.integers(1, 8), st.booleans()), max_size=60),
)
@example(
    [
        *(("a", 8, True), ("r", 8, False), ("r", 7, False)),
        *(("c", 5, True), ("l", 4, True), ("l", 5, True)),
    ]
)
def test_s13_whatever_happened_no_more_than_the_cap_is_allowed(
    story: list[tuple[str, int, bool]],
) -> None:
    """Also not what was only hoped for under a higher one."""
    ceiling = Ceiling(8)
    for what, number, told in story:
        match what:
            case "a":
                ceiling.accepted(number, ceiling.epoch)
            case "r":
                ceiling.refused(number, number, 0.5, known=told)
            case "l":
                ceiling.look(number, settled=told)
            case _:
                ceiling.resize(number)
        assert 1 <= ceiling.allowed <= ceiling.cap


def test_patience_grows_by_the_same_each_time() -> None:
    """So it grows as the root of the time; with the level, it grows as that one's root."""
    assert [Patience(10, 1).answers(1, 1, failed) for failed in range(4)] == [10, 20, 30, 40]
    assert [Patience(10, 0.5).answers(4, 1, failed) for failed in range(3)] == [20, 30, 40]


def waits_for_a_try(ceiling: Ceiling, number: int) -> int:
    """Have a level refused; return after how many answers at the new one it is tried again."""
    ceiling.refused(number, number, 0.5)
    for answers in range(1000):
        ceiling.look(ceiling.level, settled=False)
        if ceiling.trial:
            return answers
        ceiling.accepted(ceiling.level, ceiling.epoch)
    raise AssertionError("it was never tried")


def test_r5_what_came_back_soon_before_is_tried_again_sooner() -> None:
    """A neighbour in bursts: waits go with the root of how long the last ones lasted."""
    ceiling = Ceiling(3, level=3, best=3)
    waits = []
    for _ in range(8):
        waits.append(waits_for_a_try(ceiling, 3))
        ceiling.accepted(3, ceiling.epoch)
        assert ceiling.level == 3
        for _ in range(500):  # what lies between two losses counts for neither
            ceiling.accepted(3, ceiling.epoch)
    assert waits == sorted(waits, reverse=True)
    first = REGAIN.answers(2, 1, 0)
    assert waits[0] == math.ceil(first)
    assert waits[-1] == math.ceil(first * math.sqrt(SHORTEST / LASTS)), "and never sooner"


def test_r5_what_stayed_lost_for_long_is_tried_no_later_than_at_first() -> None:
    """How long it lasted makes waits shorter only; they grow with each failed try already."""
    ceiling = Ceiling(3, level=3, best=3)
    first = waits_for_a_try(ceiling, 3)
    ceiling.trial = 0
    for _ in range(5000):
        ceiling.accepted(2, ceiling.epoch)
    ceiling.look(2, settled=False)
    ceiling.accepted(3, ceiling.epoch)
    assert waits_for_a_try(ceiling, 3) == first


def test_patience_is_shorter_where_more_is_to_be_regained() -> None:
    """What eight idle slots lose until a try is more than what one does."""
    one, eight = (Patience(10, 1).answers(6, more, 0) for more in (1, 8))
    assert one / eight == pytest.approx(8**HOPE)
    assert one > eight


def flap(gate: Gate, now: float) -> float:
    """Have a level regained, taken for a round, and lost again."""
    level = gate.ceiling.level
    _, now = answers_until_a_try(gate, now)
    now += 2
    leave(gate, level + 1, now - 1, answered=now)
    now = steady(gate, level + 1, now, 3)
    gate.throttled(gate.started(level + 1, now), level + 1, now + 0.05, None, 0.5)
    return gate.not_before + 1


def paced(rate: float = 1.5) -> tuple[Gate, float]:
    """Return a gate that found out the pace, and when."""
    gate = opened(3)
    now = steady(gate, 2, 0.0, FLAP_ROUNDS * 3)
    gate.throttled(gate.started(2, now), 2, now + 0.05, None, 0.5)
    seen: list[bool] = []
    for _ in range(2):
        now = flap(gate, now + 1)
        seen.append(gate.tempo.active)
    assert seen == [False, True]
    assert gate.ceiling.level == 2, "the level is not what was wrong"
    began = gate._last_refusal
    for number in range(SAMPLE):
        now = began + (number + 0.9) / rate
        leave(gate, 2, now - 1, answered=now)
    gate.throttled(gate.started(2, now), 2, began + SAMPLE / rate, None, 0.5)
    return gate, gate.not_before


def test_a_level_lost_again_and_again_is_a_matter_of_pace() -> None:
    """Too many per second: the pace is measured between two refusals, and kept."""
    gate, now = paced(1.5)
    assert gate.tempo.spacing == pytest.approx(1.02 / 1.5, rel=0.1)
    assert gate.ceiling.level == 2
    leave(gate, 1, now)
    assert gate.wait(1, now) == pytest.approx(gate.tempo.spacing)
    assert gate.is_open(1, now), "a turn that was taken keeps its place"


@pytest.mark.parametrize(("seconds", "doubted"), [(0.05, True), (0.4, False)])
def test_a_climb_that_is_refused_far_from_the_server_is_no_matter_of_pace(
    seconds: float, doubted: bool
) -> None:
    """One more slips in there between two others, and the next is refused: it is the number."""
    gate, now = falls_to(6, seconds=seconds)
    _, now = answers_until_a_try(gate, now + 1)
    leave(gate, 7, now, answered=now + 1)
    _, now = answers_until_a_try(gate, now + 1)
    assert gate.limit > 8
    gate.throttled(gate.started(8, now), 8, now + seconds, None, 0.5)
    assert (gate.limit, gate.tempo.doubted) == (7, doubted)


@pytest.mark.parametrize(
    ("rounds", "number", "seconds", "doubted"),
    [
        (10, 3, 0.05, True),
        (FLAP_ROUNDS, 3, 0.05, False),
        (10, 4, 0.05, True),
        (10, 3, 0.4, False),
    ],
)
def test_a_first_refusal_that_comes_soon_may_be_a_matter_of_pace(
    rounds: int, number: int, seconds: float, doubted: bool
) -> None:
    """Not late, and not from afar, where a refusal says little of what is at work there."""
    gate = opened(4)
    now = steady(gate, 3, 0.0, rounds * 4)
    gate.throttled(gate.started(number, now), number, now + seconds, None, 0.5)
    assert gate.tempo.doubted == doubted
    assert not gate.tempo.active


def test_after_a_first_refusal_that_came_soon_one_more_tells_the_pace() -> None:
    """A level that was regained and lost once: a bucket; a try that fails: no bucket after all."""
    for fails in (False, True):
        gate = opened(3)
        now = steady(gate, 3, 0.0, 30)
        gate.throttled(gate.started(3, now), 3, now + 0.05, None, 0.5)
        if fails:
            _, now = answers_until_a_try(gate, now + 1)
            _, now = answers_until_a_try(gate, now + 1)
            gate.throttled(gate.started(3, now), 3, now + 0.05, None, 0.5)
            assert not gate.tempo.doubted
        flap(gate, now + 1)
        assert gate.tempo.active != fails


def test_a_refusal_with_nothing_else_out_is_a_matter_of_pace() -> None:
    """Nothing of ours can have been too many at once."""
    gate = opened(3)
    gate.throttled(gate.started(1, 1.0), 1, 1.1, None, 0.5)
    assert gate.tempo.active
    gate.throttled(gate.started(1, 2.0), 1, 2.1, None, 0.5)
    assert gate.tempo.spacing == 0.0, "nothing was measured yet"


def test_a_pace_is_tried_to_be_shorter_rarely_and_later_each_time() -> None:
    """What was refused is taken back; what worked goes on until it does not bind."""
    gate, now = paced(1.5)
    sure = gate.tempo.spacing
    waits = []
    for _ in range(3):
        count = 0
        while gate.tempo.spacing == sure:
            now += sure
            leave(gate, 2, now - 1, answered=now)
            count += 1
        waits.append(count)
        assert gate.tempo.spacing == pytest.approx(sure * SHORTER)
        gate.throttled(gate.started(2, now), 2, now + 0.1, None, 0.5)
        assert gate.tempo.spacing == sure
        now = gate.not_before
    assert waits == [NEXT_TRY, FIRST_TRY, FIRST_TRY * LATER]
    leave(gate, 2, now + 1, answered=now + 2)
    gate.throttled(gate.started(2, now + 2), 2, now + 3, None, 0.5)
    assert gate.tempo.spacing == sure, "one alone says nothing"
    began = gate.not_before
    for number in range(SAMPLE):
        leave(gate, 2, began + number, answered=began + number + 1)
    now = began + SAMPLE
    gate.throttled(gate.started(2, now), 2, now, None, 0.5)
    assert gate.tempo.spacing > sure * 1.3, "the server became slower"
    while gate.tempo.spacing:
        now += 1
        leave(gate, 2, now - 1, answered=now)
    assert not gate.tempo.active
    assert not gate.tempo.doubted, "and what led to it is forgotten"


def test_a_pace_that_does_not_explain_it_is_dropped() -> None:
    """A try of one more that fails at once: too many after all."""
    tempo = Tempo()
    assert not tempo.suspect(0.0, 1.0, flaps=True, alone=False)
    tempo.contradict()
    assert not tempo.suspect(0.0, 1.0, flaps=True, alone=False)
    assert not tempo.suspect(0.0, 1.0, flaps=False, alone=False)
    assert tempo.suspect(0.0, 1.0, flaps=True, alone=False)
    assert tempo.distance(0.3) == 0.3, "while it is measured, they come as they would"
    assert not tempo.suspect(0.0, 1.0, flaps=True, alone=False), "it is being measured already"
    tempo.contradict()
    assert not tempo.active


def taken(tempo: Tempo, now: float, count: int, distance: float) -> float:
    """Have so many accepted, one every `distance` seconds; return when the last was."""
    for _ in range(count):
        now += distance
        tempo.accepted(0.4, now)
    return now


def convicted(natural: float = 0.4) -> tuple[Tempo, float]:
    """Return a tempo that saw 30 accepted between two refusals, every half second, and when."""
    tempo = Tempo()
    tempo.noted(0.0)
    now = taken(tempo, 0.0, 30, 0.5)
    tempo.suspect(now, natural, flaps=True, alone=False)
    assert not tempo.active
    assert tempo.suspect(now, natural, flaps=True, alone=False)
    tempo.noted(now)
    return tempo, now


def test_a_pace_is_taken_from_the_refusals_that_were() -> None:
    """No further one is needed, where they tell it; else it is measured."""
    tempo, _ = convicted()
    assert tempo.spacing == pytest.approx(0.51)
    tempo, _ = convicted(natural=0.3)
    assert (tempo.spacing, tempo.active) == (0.0, True)


def test_what_was_saved_up_misleads_only_once() -> None:
    """A bucket that had filled lets shorter distances pass: all of them are taken back."""
    tempo, now = convicted()
    sure = tempo.spacing
    now = taken(tempo, now, 3 * NEXT_TRY, 0.51)
    last = tempo.spacing
    assert last == pytest.approx(sure * SHORTER**3)
    tempo.refused(now, 1)
    assert tempo.spacing == pytest.approx(sure * SHORTER**2), "one step back"
    tempo.noted(now)
    tempo.refused(now + 0.5, 1)
    assert tempo.spacing == sure, "and all, when that is refused too"
    now = taken(tempo, now + 0.5, round(FIRST_TRY * LATER) + NEXT_TRY, 0.51)
    assert tempo.spacing < sure
    tempo.refused(now, 1)
    assert tempo.spacing == sure, "now it is known"


def test_a_pace_that_was_too_slow_is_corrected_by_what_was_taken() -> None:
    """What was accepted between two refusals counts, if it is more than what was kept."""
    tempo, now = convicted()
    now = taken(tempo, now, 3 * NEXT_TRY, 0.46)
    tempo.refused(now, 1)
    tempo.noted(now)
    now = taken(tempo, now, 3, 0.46)
    tempo.refused(now, 1)
    assert tempo.spacing == pytest.approx(1.02 * 0.46)
    now = taken(tempo, now, NEXT_TRY, 0.47)
    assert tempo.spacing < 0.46, "which is worth going on"


def test_under_a_pace_the_number_can_be_too_large_all_the_same() -> None:
    """Refused again and again while others are out: one less."""
    gate, now = paced(1.5)
    level = gate.ceiling.level
    for _ in range(TEMPO_PATIENCE + 1):
        now = gate.not_before
        gate.throttled(gate.started(2, now), 2, now + 0.1, None, 0.5)
    assert gate.ceiling.level == level - 1
    assert gate.tempo.active


def test_windows_of_time_are_told_from_a_bucket() -> None:
    """Refused alone for long: the measure is from the end of one window to that of the next."""
    gate = opened(3)
    now = steady(gate, 3, 0.0, 30)
    gate.throttled(gate.started(1, now), 1, now + 0.1, None, 0.5)
    began = now + 0.1
    for _ in range(WINDOWED_AFTER):
        now = gate.not_before
        gate.throttled(gate.started(1, now), 1, now, None, 0.5)
    now = gate.not_before + 10
    for _ in range(40):
        now += 0.3
        leave(gate, 3, now - 1, answered=now)
    gate.throttled(gate.started(3, now), 3, now, None, 0.5)
    assert gate.tempo.spacing == pytest.approx(1.02 * (now - began) / 40)
    before = gate.tempo.spacing
    for _ in range(39):
        now += 1
        leave(gate, 3, now - 1, answered=now)
    assert gate.tempo.spacing == before, "it is kept for a whole window before it is shorter"
    leave(gate, 3, now, answered=now + 1)
    assert gate.tempo.spacing < before


def test_v14_the_breaker_opens_after_five_failures_in_a_row() -> None:
    """Then single probes only, however many slots there are."""
    gate = opened(3)
    seen = []
    for _ in range(BREAKER_AFTER):
        seen.append((gate.broken, gate.wait(2, 9.0)))
        gate.failed(9.0, None, 0.0)
    assert seen == [(False, 0.0)] * BREAKER_AFTER
    assert BREAKER_AFTER == 5
    assert gate.broken
    assert gate.wait(1, 1e9) is None
    assert gate.wait(0, 9.0) == pytest.approx(0.5)
    assert gate.wait(0, 9.5) == 0.0


def test_v14_an_answer_closes_the_breaker() -> None:
    """One acceptance and the row starts from nothing, so alternating answers never open it."""
    gate = opened(3)
    for _ in range(BREAKER_AFTER + 3):
        gate.failed(1.0, None, 0.0)
    leave(gate, 1, 49.0, answered=50.0)
    assert not gate.broken
    assert gate.wait(2, 60.0) == 0.0
    for now in range(100):
        gate.failed(now, None, 1.0)
        leave(gate, 3, now, answered=now)
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
    gate, now, floor, failures = Gate(cap), 0.0, 0.0, 0
    out: list[Start] = []
    for name, seconds, hint, draw in steps:
        now += seconds
        while gate.wait(len(out), now) == 0.0:
            assert now >= floor
            assert len(out) < (1 if failures >= BREAKER_AFTER else cap)
            out.append(leave(gate, len(out) + 1, now))
        if not out:
            waiting = gate.wait(0, now)
            assert waiting is not None
            now += waiting + 1e-6
            assert gate.wait(0, now) == 0.0
            out.append(leave(gate, 1, now))
        start = out.pop(0)
        if name == "accepted":
            gate.accepted(start, now)
            failures = 0
        elif name == "throttled":
            gate.throttled(start, len(out) + 1, now, hint, draw)
            floor = max(floor, now + (hint or 0.0))
            assert gate.not_before > now
        else:
            gate.failed(now, hint, draw)
            floor = max(floor, now + (hint or 0.0))
            failures += 1
        assert 1 <= gate.limit <= cap
        assert gate.broken == (failures >= BREAKER_AFTER)
        assert gate.not_before <= now + max(60.0, LONGEST_COOL_OFF)
