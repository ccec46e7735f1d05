"""`--rate`: how many requests may start in a second, with aiolimiter.

A leaky bucket of capacity 1 paces evenly. Above 100 a second its waits become shorter than the
loop's clock can hit, so starts are let out in lots of a fortieth of a second: used late and
followed at once by the next, two lots are still within a twentieth.

What may start does not always start then: a connection has to be made, or the process is frozen.
So a start is good for a while only: as long as it could not, together with those after it, make
more in any second than `most`. Below one a second it is good for half as long: two starts are then
more than a second apart, by what the network may take of it.
"""

import asyncio
import math

from aiolimiter import AsyncLimiter

_EVEN_UP_TO = 100.0
_LOT_SECONDS = 0.025
_LEAST_SECONDS = 0.005
"""A start is good for that long at least: the loop needs a moment."""


def most(rate: float) -> int:
    """Return how many requests may start in any second."""
    return math.floor(rate + max(1.0, rate / 20))


class Pacer:
    """Lets at most `rate` starts a second out, or any number when `rate` is None."""

    def __init__(self, rate: float | None) -> None:
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Future[float] | None = None
        self._last = -math.inf
        self._set(rate)

    def tune(self, rate: float | None) -> None:
        """Keep another rate from now on; whoever waits for the old one waits anew."""
        if rate != self.rate:
            self._set(rate)

    def _set(self, rate: float | None) -> None:
        self.rate = rate
        self._lot = 1 if rate is None or rate <= _EVEN_UP_TO else int(rate * _LOT_SECONDS)
        self._limiter = None
        self._good_for = math.inf
        self._not_before = self._last
        if rate is not None:
            # A hair below a whole number there is no room for being late: then a hair slower.
            even = min(rate, most(rate) / (1.0 + _LEAST_SECONDS))
            self._limiter = AsyncLimiter(self._lot, self._lot / even)
            # A new bucket is empty: what the old one let out last is not in it.
            self._not_before = self._last + self._lot / even
            self._good_for = _LOT_SECONDS if self._lot > 1 else most(rate) / even - 1.0
            if rate < 1.0:
                self._good_for = max(_LEAST_SECONDS, self._good_for / 2)
        self._left = 0
        self._stale_at = 0.0
        if self._waiting is not None:
            self._waiting.cancel()

    async def start(self) -> float:
        """Wait until one more request may start; return until when on the loop's clock it may."""
        if self._limiter is None:
            return math.inf
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if not self._left or now >= self._stale_at:
                # What an idle time left over is not saved up: it would come out as a burst.
                self._stale_at = await self._next_lot() + self._good_for
            self._left -= 1
            return self._stale_at

    async def _next_lot(self) -> float:
        """Wait for the next lot, at the rate of that time; return when it was let out."""
        let_out = asyncio.get_running_loop().time()
        while (limiter := self._limiter) is not None:
            out = _let_out(limiter, self._lot, self._not_before)
            self._waiting = asyncio.ensure_future(out)
            try:
                await asyncio.wait((self._waiting,))
            finally:
                done = self._waiting
                self._waiting = None
                done.cancel()
            if not done.cancelled():
                let_out = done.result()
                break
        self._left = self._lot
        self._last = let_out
        return let_out


async def _let_out(limiter: AsyncLimiter, lot: int, not_before: float) -> float:
    """Wait for so many; return the time in the same breath, for the limiter counts from there."""
    loop = asyncio.get_running_loop()
    if (early := not_before - loop.time()) > 0:
        await asyncio.sleep(early)
    await limiter.acquire(lot)
    return loop.time()
