"""Turns, and the meter: what share of the slots was in use while there was work for them."""

import asyncio
from typing import Any

import pytest

from bulkdelete.core.gate import BREAKER_AFTER, Gate
from bulkdelete.turns import Meter, Turns


def test_nothing_is_measured_before_the_canarys_answer() -> None:
    """What was in flight before the first answer is not counted."""
    meter = Meter(cap=2)
    meter.change(+1, 0.0, fresh=True)
    assert meter.utilisation == 0.0


def test_the_share_ends_with_the_last_chunk_that_was_taken() -> None:
    """One of two slots for a second, both for a second; the tail without work does not count."""
    meter = Meter(cap=2)
    meter.begin(10.0)
    meter.change(+1, 10.0, fresh=True)
    meter.change(+1, 11.0, fresh=True)
    meter.change(-1, 12.0)
    meter.change(+1, 12.0, fresh=True)
    meter.change(-1, 30.0)
    meter.change(-1, 60.0)
    assert meter.utilisation == pytest.approx(0.75)


def test_more_in_flight_than_the_cap_counts_as_the_cap() -> None:
    """The share is never more than 1."""
    meter = Meter(cap=1)
    meter.begin(0.0)
    meter.change(+1, 0.0, fresh=True)
    meter.change(+1, 0.0, fresh=True)
    meter.change(-1, 5.0)
    meter.change(+1, 5.0, fresh=True)
    assert meter.utilisation == pytest.approx(1.0)


def test_an_outage_counts_as_idle_until_the_stop() -> None:
    """With the server gone no chunk is taken any more; the slots were idle until then."""
    meter = Meter(cap=1)
    meter.begin(0.0)
    meter.change(+1, 0.0, fresh=True)
    meter.change(-1, 10.0)
    meter.stop(40.0)
    assert meter.utilisation == pytest.approx(0.25)


class NoSlots:
    """Has none to give, for a reason."""

    def __init__(self, why: str = "slots", seconds: float = 0.0) -> None:
        self.why = why, seconds

    async def acquire(self) -> Any:  # noqa: ANN401 - never returns
        """Fail: nobody asks here."""
        raise NotImplementedError

    def resize(self, count: int) -> None:
        """Have as many as before."""

    def busy(self) -> tuple[str, float]:
        """Say why."""
        return self.why


@pytest.mark.parametrize(
    ("why", "code", "words"),
    [
        ("slots", "outage", "other processes hold all"),
        ("slots_new", "outage", "began anew"),
        ("slots_lost", "slots_lost", "did not answer for"),
        ("slots_refused", "slots_lost", "refused to work for"),
    ],
)
async def test_why_no_slot_was_to_be_had_is_told(why: str, code: str, words: str) -> None:
    """Also while the gate holds the turns for another reason: that is not what is lacking."""
    turns = Turns(Gate(3), NoSlots(why), lambda: 0.0, 1.0)
    turns.blocked_since = turns.now() - 900.0
    turns.gate.not_before = turns.now() + 60.0
    assert turns.held()[0] == "gate"
    stopped = turns.blocked()
    assert (stopped.code, stopped.exit) == (code, 75)
    assert words in str(stopped)


async def test_that_a_redis_began_anew_is_not_counted_as_being_blocked() -> None:
    """It is looked at again when that is over; not for ever, where it begins anew each time."""
    slots = NoSlots()
    turns = Turns(Gate(3), slots, lambda: 0.0, 1.0)
    now = turns.now()
    assert turns.blocked_until(30.0) >= now + 30.0
    turns.blocked_since = now - 20.0
    slots.why = "slots_new", 60.0
    assert turns.blocked_until(30.0) == pytest.approx(now + 10.0, abs=5.0)
    assert 60.0 < turns.blocked_until(15.0) - turns.now() < 70.0
    assert turns.blocked_until(-200.0) < now
    slots.why = "slots", 0.0
    assert turns.blocked_until(15.0) < now


async def test_what_holds_the_turns_is_named() -> None:
    """Who paused it first, then an outage, a hint to wait, and slots that others have."""
    turns = Turns(Gate(3), NoSlots(), lambda: 0.0, 1.0)
    assert turns.held() == ("", 0.0)
    turns.blocked_since = turns.now() - 5.0
    assert turns.held() == ("slots", 0.0)
    turns.gate.not_before = turns.now() + 0.5
    assert turns.held()[0] == "slots"
    turns.gate.not_before = turns.now() + 60.0
    held, seconds = turns.held()
    assert (held, 50.0 < seconds <= 60.0) == ("gate", True)
    for _ in range(BREAKER_AFTER):
        turns.gate.failed(turns.now(), None, 0.0)
    held, seconds = turns.held()
    assert (held, 50.0 < seconds <= 60.0) == ("outage", True)
    turns.pause()
    assert turns.held() == ("paused", 0.0)


class OneLease:
    """Gives the same lease to whoever asks, and counts how often it came back."""

    def __init__(self) -> None:
        self.released = 0
        self.held = True

    async def acquire(self) -> Any:  # noqa: ANN401 - stands for a lease
        """Give it."""
        return self

    def good(self) -> bool:
        """Say whether it is held still."""
        return self.held

    def release(self) -> None:
        """Take it back."""
        self.released += 1

    def resize(self, count: int) -> None:
        """Have as many as before."""

    def busy(self) -> tuple[str, float]:
        """Others have them."""
        return "slots", 0.0


@pytest.mark.parametrize("abandoned", [True, False])
async def test_r1_a_request_that_was_given_up_keeps_its_slot_for_a_while(
    abandoned: bool,
) -> None:
    """The server may be at work on it still; after that the slot is free."""
    slots = OneLease()
    turns = Turns(Gate(1), slots, lambda: 0.0, 60.0 if abandoned else 0.0)
    turns.give_back(await turns.take(), abandoned=abandoned)
    assert slots.released == (0 if abandoned else 1)
    if abandoned:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(turns.take(), 0.05)
        assert slots.released == 0


async def test_the_slot_of_a_request_that_was_given_up_is_free_again() -> None:
    """Its time over, the next turn is to be had."""
    slots = OneLease()
    turns = Turns(Gate(1), slots, lambda: 0.0, 0.02)
    turns.give_back(await turns.take(), abandoned=True)
    await asyncio.wait_for(turns.take(), 20.0)
    assert slots.released == 1


async def test_s13_nothing_leaves_on_a_lease_that_was_lost() -> None:
    """A turn is looked at again when its request is about to leave."""
    slots = OneLease()
    turns = Turns(Gate(1), slots, lambda: 0.0, 0.0)
    turn = await turns.take()
    slots.held = False
    assert not turns.depart(turn)
    assert turn.start is None
    slots.held = True
    assert turns.depart(turn)
