"""Leased slots as one process knows them: used while they are held, and kept from nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.leases import Ask, Book, Terms, Told

TERMS = Terms(lease=90.0, needed=70.0, renew=5.0, patience=4.0, beat=1.0, parting=10.0)


def book(count: int = 3, **told: int) -> Book:
    """Return a book of slots that were granted at 0: number (as a word) to stamp."""
    found = Book(TERMS, count)
    ask = found.ask(0.0, len(told))
    found.hear(ask, Told(0.0, 0, {int(name[1:]): stamp for name, stamp in told.items()}), 0.0, 0.0)
    return found


@pytest.mark.parametrize(
    "said",
    [
        {"beat": 4.0},
        {"beat": 0.0},
        {"patience": 0.5},
        {"renew": 20.0},
        {"renew": 0.0},
        {"needed": 86.0},
        {"lease": 74.0},
    ],
)
def test_terms_leave_time_for_a_second_try(said: dict[str, float]) -> None:
    """A renewal or a sign of life that comes once too late must not lose anything."""
    with pytest.raises(ValueError, match="second try"):
        Terms(**said)


def test_the_usual_lease_outlives_a_request_and_what_lingers_after_it() -> None:
    """60 s until its deadline, and 10 that the server may still be at work on it."""
    usual = Terms()
    assert usual.needed == 60.0 + 10.0
    assert usual.lease - usual.needed >= 3 * usual.renew


def test_what_is_said_in_an_exchange() -> None:
    """Times in whole milliseconds, slots with the stamp of their holding, in order."""
    ask = Ask(7, 3, 2, 10.0, {2: 5, 0: 6}, {1: 4})
    words = ["me", 7, 90_000, 4_000, 10_000, 3, 2, "0:6,2:5", "1:4"]
    assert ask.words("me", TERMS) == words
    assert Ask(1, 1, 0, 90.0, {}, {}).words("me", TERMS)[-2:] == ["", ""]


def test_what_is_answered() -> None:
    """Milliseconds until slots are handed out, others in line, then slots and stamps."""
    assert Told.of([0, 0]) == Told(0.0, 0, {})
    assert Told.of([1500, 2, 2, 9, 0, 4]) == Told(1.5, 2, {2: 9, 0: 4})


@pytest.mark.parametrize("answer", [[], [1], [0, 0, 1], [-1, 0], [0, 0, -1, 2], ["a", 0]])
def test_what_is_no_answer(answer: list[int]) -> None:
    """An answer of something else is not taken for one."""
    with pytest.raises(ValueError, match=r"answer|unpack|invalid literal"):
        Told.of(answer)


def test_the_highest_is_taken_first_and_none_twice() -> None:
    """Another process may be allowed only the lower ones."""
    mine = book(s0=1, s1=1, s2=1)
    assert [mine.take(0.0) for _ in range(4)] == [(2, 1), (1, 1), (0, 1), None]
    mine.release(1, 50.0)
    assert mine.take(0.0) == (1, 1)


def test_s13_a_lease_is_good_only_while_enough_is_left_of_it() -> None:
    """Counted from before it was asked for; a request that leaves at the last moment can end."""
    mine = Book(TERMS, 1)
    mine.hear(mine.ask(100.0, 1), Told(0.0, 0, {0: 1}), 100.0, 108.0)
    assert mine.take(120.0) == (0, 1)
    assert mine.good(0, 1, 120.0)
    assert not mine.good(0, 1, 120.1)
    assert not mine.good(0, 2, 110.0)
    assert not mine.good(1, 1, 110.0)
    mine.release(0, 50.0)
    assert mine.take(120.1) is None


def test_s13_a_slot_that_was_lost_is_not_used_twice() -> None:
    """It was lost while a request is out on it, and comes again: not before that has ended."""
    mine = book(s0=1)
    assert mine.take(0.0) == (0, 1)
    mine.hear(mine.ask(1.0, 1), Told(0.0, 0, {}), 1.0, 1.0)
    assert not mine.good(0, 1, 1.0)
    ask = mine.ask(2.0, 1)
    mine.hear(ask, Told(0.0, 0, {0: ask.exchange}), 2.0, 2.0)
    assert mine.take(2.0) is None
    mine.release(0, 50.0)
    assert mine.take(2.0) == (0, ask.exchange)


def test_what_was_lost_does_not_go_back() -> None:
    """A slot above those that are used now, which was lost while a request was out on it."""
    mine = book(s0=1, s1=1)
    assert mine.take(0.0) == (1, 1)
    mine.hear(mine.ask(1.0, 0), Told(0.0, 0, {0: 1}), 1.0, 1.0)
    mine.resize(1)
    mine.release(1, 2.0)
    ask = mine.ask(2.0, 0)
    assert (ask.held, ask.given) == ({0: 1}, {})


def test_what_may_be_over_is_not_claimed() -> None:
    """Somebody else may have it; one that is surely held is named with its stamp."""
    mine = book(s1=3)
    assert mine.ask(89.9, 0).held == {1: 3}
    assert mine.ask(90.0, 0).held == {}


def test_while_nobody_waits_slots_are_kept() -> None:
    """From one request to the next without a word; only renewed in time."""
    mine = book(s2=1)
    assert mine.due(0.0, 0) == 5.0
    assert mine.take(0.0) == (2, 1)
    mine.release(2, 50.0)
    assert mine.due(1.0, 0) == 4.0
    assert mine.due(9.0, 0) == 0.0
    assert Book(TERMS, 3).due(0.0, 0) is None


def test_when_others_wait_slots_go_back() -> None:
    """What is idle at once, what is in use when it is released."""
    mine = book(s0=1, s1=1)
    assert mine.take(0.0) == (1, 1)
    mine.make_way()
    assert mine.due(0.0, 0) == 5.0
    mine.others = True
    mine.make_way()
    assert mine.due(0.0, 0) == 0.0
    assert mine.ask(0.0, 0).given == {0: 1}
    mine.release(1, 50.0)
    assert mine.ask(0.0, 0).given == {0: 1, 1: 1}


def test_while_its_turn_lasts_a_slot_is_used_for_one_request_after_the_other() -> None:
    """Also where others wait; then it goes back, and at once where nothing here wants it."""
    mine = book(s0=1)
    mine.others_came()
    ask = mine.ask(10.0, 1)
    mine.hear(ask, Told(0.0, 1, {0: ask.exchange}), 10.0, 10.5)
    assert mine.take(10.5) == (0, ask.exchange)
    mine.release(0, 10.7)
    assert mine.take(10.7) == (0, ask.exchange)
    mine.hear(mine.ask(10.71, 0), Told(0.0, 1, {0: ask.exchange}), 10.71, 10.72)
    mine.release(0, 10.75)
    assert mine.take(10.75) is None
    assert mine.ask(10.75, 0).given == {0: ask.exchange}
    again = mine.ask(11.0, 1)
    mine.hear(again, Told(0.0, 1, {0: again.exchange}), 11.0, 11.0)
    assert mine.take(11.0) == (0, again.exchange)
    mine.release(0, 11.01)
    mine.make_way()
    assert mine.ask(11.02, 0).given == {0: again.exchange}


def test_a_word_that_others_wait_is_not_forgotten() -> None:
    """An exchange that was on its way then was answered before they came."""
    mine = book(s0=1)
    assert mine.take(0.0) == (0, 1)
    ask, known = mine.ask(1.0, 0), list[bool]()
    mine.others_came()
    mine.hear(ask, Told(0.0, 0, {0: 1}), 1.0, 1.0)
    known.append(mine.others)
    mine.hear(mine.ask(2.0, 0), Told(0.0, 0, {0: 1}), 2.0, 2.0)
    known.append(mine.others)
    mine.others_came()
    known.append(mine.others)
    mine.hear(mine.ask(3.0, 0), Told(0.0, 0, {0: 1}), 3.0, 3.0)
    known.append(mine.others)
    assert known == [True, False, True, False]
    mine.release(0, 50.0)
    mine.others_came()
    assert mine.ask(4.0, 0).given == {0: 1}


def test_what_was_released_during_an_exchange_stays_released() -> None:
    """The answer names it as ours, for it was when that was said; it goes back with the next."""
    mine = book(s0=1, s1=1)
    assert mine.take(0.0) == (1, 1)
    assert mine.take(0.0) == (0, 1)
    mine.others = True
    mine.release(0, 50.0)
    ask = mine.ask(1.0, 0)
    mine.release(1, 50.0)
    mine.hear(ask, Told(0.0, 1, {1: 1}), 1.0, 1.0)
    assert mine.take(1.0) is None
    assert mine.ask(1.0, 0).given == {1: 1}


def test_a_slot_that_was_lost_and_came_again_goes_back_as_what_it_is_now() -> None:
    """Both holdings of it are on their way back at once; one is not taken for the other."""
    mine = book(s0=1)
    mine.others = True
    assert mine.take(0.0) == (0, 1)
    ask = mine.ask(1.0, 1)
    mine.release(0, 50.0)
    mine.hear(ask, Told(0.0, 1, {0: ask.exchange}), 1.0, 1.0)
    assert mine.take(1.0) == (0, ask.exchange)
    again = mine.ask(2.0, 0)
    assert again.given == {0: 1}
    mine.release(0, 50.0)
    mine.hear(again, Told(0.0, 1, {0: ask.exchange}), 2.0, 2.0)
    assert mine.ask(3.0, 0).given == {0: ask.exchange}


def test_what_was_lost_need_not_go_back() -> None:
    """It is another's, or nobody's."""
    mine = book(s0=1)
    assert mine.take(0.0) == (0, 1)
    mine.hear(mine.ask(1.0, 0), Told(0.0, 1, {}), 1.0, 1.0)
    mine.release(0, 50.0)
    assert mine.ask(2.0, 0).given == {}


def test_a_lost_answer_is_asked_for_again() -> None:
    """What goes back is said until it was heard; what a lost answer granted is found later."""
    mine = book(s0=1)
    mine.others = True
    mine.make_way()
    assert mine.ask(1.0, 1).given == {0: 1}
    ask = mine.ask(2.0, 1)
    assert ask.given == {0: 1}
    mine.hear(ask, Told(0.0, 0, {0: ask.exchange - 1}), 2.0, 2.0)
    assert mine.take(2.0) == (0, ask.exchange - 1)
    assert mine.due(2.0, 0) == 0.0  # it is not wanted any more, and that is not known there


def test_a_change_of_what_is_wanted_is_said_at_once() -> None:
    """Then a sign of life every beat, while it waits."""
    mine = Book(TERMS, 3)
    assert mine.due(0.0, 2) == 0.0
    mine.hear(mine.ask(0.0, 2), Told(0.0, 1, {}), 0.0, 0.25)
    assert mine.due(0.25, 2) == 1.0
    assert mine.due(2.0, 2) == 0.0
    assert mine.due(0.25, 1) == 0.0
    ask = mine.ask(1.25, 2)
    mine.hear(ask, Told(0.0, 1, {2: ask.exchange}), 1.25, 1.25)
    assert mine.due(1.25, 1) == 1.0


def test_a_call_is_answered_at_once() -> None:
    """A slot is kept ready, and not for long."""
    mine = Book(TERMS, 3)
    mine.hear(mine.ask(0.0, 1), Told(0.0, 1, {}), 0.0, 0.0)
    mine.called()
    assert mine.due(0.0, 1) == 0.0
    mine.ask(0.0, 1)
    assert mine.due(0.0, 1) == 1.0


def test_the_end_of_a_hold_is_waited_for() -> None:
    """Nothing is handed out before; who waits asks again just then."""
    mine = Book(TERMS, 3)
    mine.hear(mine.ask(0.0, 1), Told(0.5, 0, {}), 0.0, 10.0)
    assert mine.hold == 10.5
    assert mine.due(10.0, 1) == 0.5
    mine.hear(mine.ask(10.5, 1), Told(30.0, 0, {}), 10.5, 10.5)
    assert mine.due(10.5, 1) == 1.0
    mine.hear(mine.ask(40.0, 1), Told(0.0, 0, {}), 40.0, 40.0)
    assert mine.hold == 0.0


def test_fewer_slots_go_back_in_time() -> None:
    """Idle ones at once, those in use when they are released; the lower ones stay."""
    mine = book(s0=1, s1=1, s2=1)
    assert mine.take(0.0) == (2, 1)
    mine.resize(1)
    assert mine.ask(0.0, 0).given == {1: 1}
    mine.release(2, 50.0)
    assert mine.ask(0.0, 0).given == {1: 1, 2: 1}
    assert mine.take(0.0) == (0, 1)
    mine.resize(3)
    assert mine.ask(0.0, 0).count == 3


def test_at_the_end_all_goes_back() -> None:
    """What is in use a while later: its request was cut off, and the server may be at it."""
    mine = book(s0=1, s1=1)
    assert mine.take(0.0) == (1, 1)
    last = mine.part(1.0)
    assert (last.wanted, last.count, last.lasts) == (0, 0, 10.0)
    assert (last.held, last.given) == ({1: 1}, {0: 1})
    mine.release(1, 50.0)
    mine.release(1, 50.0)
    assert mine.take(1.0) == (1, 1)


def test_s13_a_claim_that_comes_late_to_a_redis_that_forgot_is_given_back() -> None:
    """What was given back before is another's by now, though the server takes it for ours."""
    mine = book(s0=1, s1=1)
    mine.ask(1.0, 0)  # it claims both, and is held up on its way
    mine.others = True
    mine.make_way()
    again = mine.ask(2.0, 0)
    assert again.given == {0: 1, 1: 1}
    mine.hear(again, Told(0.0, 0, {}), 2.0, 2.0)
    mine.hear(mine.ask(3.0, 1), Told(89.0, 0, {0: 1, 1: 1}), 3.0, 3.0)
    assert mine.take(3.0) is None
    assert mine.due(3.0, 1) == 0.0
    last = mine.ask(4.0, 1)
    assert (last.held, last.given) == ({}, {0: 1, 1: 1})
    mine.hear(last, Told(0.0, 0, {0: last.exchange}), 4.0, 4.0)
    assert mine.take(4.0) == (0, last.exchange)


def test_what_a_lost_answer_granted_is_taken_also_after_a_later_one() -> None:
    """Nobody heard of it here, so nobody gave it back: it is ours."""
    mine = book(s0=1)
    lost = mine.ask(1.0, 2)
    ask = mine.ask(2.0, 1)
    mine.hear(ask, Told(0.0, 0, {0: 1, 1: lost.exchange}), 2.0, 2.0)
    assert [mine.take(2.0), mine.take(2.0)] == [(1, lost.exchange), (0, 1)]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.just(0)),
            st.tuples(st.just("release"), st.integers(0, 3)),
            st.tuples(st.just("hear"), st.integers(0, 15)),
            st.tuples(st.just("resize"), st.integers(1, 4)),
            st.tuples(st.just("others"), st.integers(0, 1)),
            st.tuples(st.just("later"), st.integers(1, 40)),
        ),
        max_size=40,
    )
)
def test_s13_no_slot_is_used_twice_or_beyond_what_is_held(steps: list[tuple[str, int]]) -> None:
    """Whatever is told and done in whatever order: one user a slot, held for long enough."""
    mine, out, now, told_at = Book(TERMS, 3), set[int](), 0.0, dict[int, float]()
    for name, number in steps:
        if name == "take" and (taken := mine.take(now)) is not None:
            slot, stamp = taken
            assert slot not in out
            assert mine.good(slot, stamp, now)
            assert now - told_at[slot] <= TERMS.lease - TERMS.needed
            assert slot < mine.count
            out.add(slot)
        elif name == "release" and number in out:
            mine.release(number, 50.0)
            out.discard(number)
        elif name == "hear":
            ask = mine.ask(now, 1)
            held = {one: ask.exchange for one in range(4) if number >> one & 1}
            mine.hear(ask, Told(0.0, int(mine.others), held), now, now)
            told_at = dict.fromkeys(held, now)
        elif name == "resize":
            mine.resize(number)
        elif name == "others":
            mine.others = bool(number)
            mine.make_way()
        elif name == "later":
            now += number
