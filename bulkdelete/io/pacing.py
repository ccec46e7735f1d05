"""`--rate`: how many requests may start in a second, with aiolimiter.

A leaky bucket of capacity 1 paces evenly. Above 100 a second its waits become shorter than the
loop's clock can hit, so starts are let out in lots of a fortieth of a second: used late and
followed at once by the next, two lots are still within a twentieth.
"""

import asyncio

from aiolimiter import AsyncLimiter

_EVEN_UP_TO = 100.0
_LOT_SECONDS = 0.025


class Pacer:
    """Lets at most `rate` starts a second out, or any number when `rate` is None."""

    def __init__(self, rate: float | None) -> None:
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Future[None] | None = None
        self.tune(rate)

    def tune(self, rate: float | None) -> None:
        """Keep another rate from now on; whoever waits for the old one waits anew."""
        self.rate = rate
        self._lot = 1 if rate is None or rate <= _EVEN_UP_TO else int(rate * _LOT_SECONDS)
        self._limiter = AsyncLimiter(self._lot, self._lot / rate) if rate is not None else None
        self._left = 0
        self._stale_at = 0.0
        if self._waiting is not None:
            self._waiting.cancel()

    async def start(self) -> None:
        """Wait until one more request may start."""
        if self._limiter is None:
            return
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if not self._left or now >= self._stale_at:
                # What an idle time left over is not saved up: it would come out as a burst.
                await self._next_lot()
                self._stale_at = asyncio.get_running_loop().time() + _LOT_SECONDS
            self._left -= 1

    async def _next_lot(self) -> None:
        """Wait for the next lot, at the rate of that time."""
        while (limiter := self._limiter) is not None:
            self._waiting = asyncio.ensure_future(limiter.acquire(self._lot))
            try:
                await asyncio.wait((self._waiting,))
            finally:
                done = self._waiting
                self._waiting = None
                done.cancel()
            if not done.cancelled():
                break
        self._left = self._lot
