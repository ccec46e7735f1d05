"""`--rate`: how many requests may start in a second.

The schedule (`core.pace`) says when the next one is due; aiolimiter's leaky bucket beside it holds
what the schedule lets out at once, and a hair more, so that it stops nobody who keeps to it.
"""

import asyncio
import math

from aiolimiter import AsyncLimiter

from bulkdelete.core.pace import Schedule

_LEAST_WAIT = 0.001
"""Seconds: the loop's timers are not finer, and what is late by that is made good."""

_HAIR = 0.1
"""The share of the slack by which the bucket is larger than what the schedule lets out at once."""


class Pacer:
    """Lets at most `rate` starts a second out, or any number when `rate` is None."""

    def __init__(self, rate: float | None) -> None:
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Future[None] | None = None
        self._schedule = None if rate is None else Schedule(rate)
        self._before = self._schedule
        self._limiter = _bucket(self._schedule)

    @property
    def rate(self) -> float | None:
        """How many may start in a second; None for any number."""
        return None if self._schedule is None else self._schedule.rate

    def tune(self, rate: float | None) -> None:
        """Keep another rate from now on; whoever waits for the old one waits anew."""
        if rate == self.rate:
            return
        if rate is None:
            self._schedule = None
        else:
            self._schedule = Schedule(rate) if self._before is None else self._before.then(rate)
            self._before = self._schedule
        self._limiter = _bucket(self._schedule)
        if self._waiting is not None:
            _ring(self._waiting)

    async def start(self) -> float:
        """Wait until one more request may start; return until when on the loop's clock it may."""
        now = asyncio.get_running_loop().time
        async with self._turn:
            while (schedule := self._schedule) is not None:
                if seconds := schedule.wait(now()):
                    await self._wait(max(_LEAST_WAIT, seconds))
                    continue
                await self._limiter.acquire()
                if schedule is self._schedule:
                    return schedule.let_out(now())
        return math.inf

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(seconds, _ring, self._waiting)
        try:
            await self._waiting
        finally:
            self._waiting = None
            timer.cancel()


def _bucket(schedule: Schedule | None) -> AsyncLimiter:
    if schedule is None:
        return AsyncLimiter(1)
    at_once = 1.0 + (schedule.late + _HAIR * schedule.slack) / schedule.step
    return AsyncLimiter(at_once, at_once * schedule.step)


def _ring(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
