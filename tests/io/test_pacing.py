"""`--rate`: how many requests may start in any second."""

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkdelete.core.pace import most
from bulkdelete.io.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Coroutine

LEAST_STEP = 1e-6
"""Seconds by which the clock moves each turn of the loop: waits of float residue must end."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        selector = self._selector  # type: ignore[attr-defined]
        real = selector.select

        def select(timeout: float | None) -> object:
            assert timeout is not None, "everything waits, and no timer is set"
            self.now += max(timeout, LEAST_STEP)
            return real(0)

        selector.select = select

    def time(self) -> float:
        """Return the virtual time."""
        return self.now


def run(main: "Coroutine[object, object, list[float]]") -> list[float]:
    """Run on a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def worst_second(times: Sequence[float]) -> int:
    """Return the largest number of starts in any window of one second."""
    first = worst = 0
    for last, now in enumerate(times):
        while now - times[first] >= 1.0 - 1e-4:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


async def starts(rate: float, idle: Sequence[tuple[int, float]]) -> list[float]:
    """Start so many requests at a time, with so many seconds of idleness after each lot."""
    pacer, times = Pacer(rate), []
    loop = asyncio.get_running_loop()
    for count, seconds in idle:
        for _ in range(count):
            await pacer.start()
            times.append(loop.time())
        await asyncio.sleep(seconds)
    return times


async def from_workers(rate: float, workers: int, each: int) -> list[float]:
    """Start requests from several workers at once, as fast as the pacer lets them."""
    pacer, times = Pacer(rate), []
    loop = asyncio.get_running_loop()

    async def work() -> None:
        for _ in range(each):
            await pacer.start()
            times.append(loop.time())

    await asyncio.gather(*(work() for _ in range(workers)))
    return times


RATES = [0.5, 1, 1.5, 1.999, 5, 7.9999, 19, 50, 99.5, 100, 101, 119, 150, 190, 200, 333, 1000, 5000]


@pytest.mark.parametrize("rate", RATES)
def test_s13_no_second_holds_more_than_the_rate_allows(rate: float) -> None:
    """R + max(1, R/20) in any window of a second, and nearly R of them are used."""
    count = max(5, int(rate * 3.2))
    times = run(starts(rate, [(count, 0.0)]))
    assert worst_second(times) <= most(rate)
    assert (count - 1) / (times[-1] - times[0]) >= 0.98 * rate


@pytest.mark.parametrize("rate", [5, 200, 1000])
def test_s13_workers_share_the_pace(rate: float) -> None:
    """However many ask at once."""
    times = run(from_workers(rate, 10, max(2, int(rate / 5))))
    assert worst_second(times) <= most(rate)
    assert times == sorted(times)


@pytest.mark.parametrize("rate", RATES)
def test_s13_an_idle_time_is_not_saved_up(rate: float) -> None:
    """After a long pause no burst comes out."""
    half = max(2, int(rate * 1.5))
    times = run(starts(rate, [(half, 60.0), (1, 30.0), (half, 0.0)]))
    assert worst_second(times) <= most(rate)


def trickle(rate: float) -> list[tuple[int, float]]:
    """Return a demand that leaves most of a lot to its very end, and then wants everything."""
    return [(1, 0.0499), (int(rate * 1.5), 0.0)]


@pytest.mark.parametrize("rate", RATES)
def test_s13_what_is_left_of_a_lot_does_not_make_a_burst(rate: float) -> None:
    """A start now, and a rush just before the lot goes stale."""
    assert worst_second(run(starts(rate, trickle(rate)))) <= most(rate)


DEMANDS = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from([0.0, 0.001, 0.01, 0.0249, 0.0499, 0.3, 2.0])),
    min_size=1,
    max_size=12,
)


@given(st.one_of(st.sampled_from(RATES[3:]), st.integers(2, 2000)), DEMANDS)
@settings(max_examples=40)
@example(190, trickle(190))
def test_s13_any_demand_stays_within_the_rate(rate: float, demand: list[tuple[int, float]]) -> None:
    """Bursts and pauses of every kind."""
    assert worst_second(run(starts(rate, demand))) <= most(rate)


@pytest.mark.parametrize("rate", [5, 50, 200, 1000])
async def test_s13_on_the_real_clock(rate: float) -> None:
    """The same with the loop's own timers; a hiccup of the machine may shift one lot."""
    times = await starts(rate, [(int(rate * 1.3) + 1, 0.0)])
    assert worst_second(times) <= most(rate) + rate / 20
    assert times[-1] - times[0] < 1.9


async def tuned(rates: Sequence[float | None]) -> list[float]:
    """Start as much as each rate lets out in a while, one rate after the other."""
    pacer, times = Pacer(rates[0]), []
    loop = asyncio.get_running_loop()
    for rate in rates:
        pacer.tune(rate)
        for _ in range(1 if rate is None else max(1, int(rate * 0.3))):
            await pacer.start()
            times.append(loop.time())
    return times


@pytest.mark.parametrize("rate", [0.5, 0.95, 5, 50, 200, 1000])
def test_s13_to_tune_lets_nothing_out_at_once(rate: float) -> None:
    """The same rate again, or another one by a hair: no second holds more than it allows."""
    again = run(tuned([rate] * 12))
    assert worst_second(again) <= most(rate)
    hairs = run(tuned([rate - 0.0001 * number for number in range(12)]))
    assert worst_second(hairs) <= most(rate)


def test_s13_a_rate_that_was_off_begins_at_its_own_pace() -> None:
    """And what is turned off holds nobody."""
    assert len(run(tuned([5.0, None, 5.0, None]))) == 4


@pytest.mark.parametrize("rate", [100.0, None])
def test_who_waits_hears_of_another_rate(rate: float | None) -> None:
    """Who waits for a start of an hour hence has it as soon as the new rate lets it."""

    async def waited() -> list[float]:
        pacer, loop = Pacer(1 / 3600), asyncio.get_running_loop()
        began = loop.time()
        await pacer.start()
        waiter = asyncio.create_task(pacer.start())
        await asyncio.sleep(60.0)
        pacer.tune(rate)
        await waiter
        return [loop.time() - began]

    assert run(waited()) == pytest.approx([60.0], abs=0.1)


async def test_no_rate_is_no_pace() -> None:
    """Without --rate nothing waits."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert len(await starts(1e9, [(1, 0.0)])) == 1
    pacer = Pacer(None)
    for _ in range(1000):
        await pacer.start()
    assert loop.time() - began < 5


async def test_p9_waiting_for_a_start_can_be_cancelled() -> None:
    """A slow pace does not hold up a stop, and the next one waits its time all the same."""
    pacer = Pacer(0.5)
    await pacer.start()
    waiter = asyncio.create_task(pacer.start())
    await asyncio.sleep(0.01)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pacer.start(), 0.05)


async def late_starts(rate: float, delays: Sequence[float]) -> list[float]:
    """Start from three workers that each need some time for a connection; ask anew when late."""
    pacer, times = Pacer(rate), []
    loop = asyncio.get_running_loop()
    left = list(delays)

    async def work() -> None:
        while left:
            delay = left.pop()
            good_until = await pacer.start()
            await asyncio.sleep(delay)
            while loop.time() > good_until:
                good_until = await pacer.start()
            times.append(loop.time())

    await asyncio.gather(work(), work(), work())
    return times


DELAYS = st.lists(
    st.one_of(st.just(0.0), st.floats(0.0, 0.02), st.floats(0.0, 12.0)), min_size=3, max_size=60
)


@given(st.one_of(st.sampled_from(RATES), st.floats(0.2, 400.0)), DELAYS)
@settings(max_examples=60)
@example(0.5, [0.0, 3.9, 1.9, 0.0])
@example(1.999, [0.0, 0.0, 0.0009, 0.0, 0.0])
def test_s13_starts_that_are_late_do_not_meet(rate: float, delays: list[float]) -> None:
    """A connection that took long, or a frozen process: it leaves when there is room again."""
    times = run(late_starts(rate, delays))
    assert len(times) == len(delays)
    assert worst_second(sorted(times)) <= most(rate)


@pytest.mark.parametrize("per_minute", [15, 30, 55, 59])
def test_s13_below_one_a_second_there_is_slack_for_the_network(per_minute: int) -> None:
    """One leaves as late as it may, the next at once: they are more than a second apart."""

    async def late() -> list[float]:
        pacer, loop = Pacer(per_minute / 60), asyncio.get_running_loop()
        await asyncio.sleep(await pacer.start() - loop.time())
        first = loop.time()
        await pacer.start()
        return [first, loop.time()]

    first, second = run(late())
    assert second - first >= 1.0 + (60 / per_minute - 1) / 2 - 0.001


def test_what_may_start_is_good_for_a_while_only() -> None:
    """So long that it could not bunch with the next: at a low rate generous, at a high one not."""

    async def good_for(rate: float | None) -> float:
        return await Pacer(rate).start() - asyncio.get_running_loop().time()

    found = [run(good_for(rate)) for rate in (0.5, 1.0, 20.0, 1000.0)]  # type: ignore[arg-type]
    assert found == pytest.approx([0.4, 0.4, 0.02, 0.02], abs=0.001)
    assert math.isinf(run(good_for(None)))  # type: ignore[arg-type]
