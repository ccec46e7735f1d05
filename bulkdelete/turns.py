"""Turns: the gate's number, the account's slots and the pace, as one thing to wait for.

Also the meter: what share of the slots was in use while there was work for them.
"""

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bulkdelete.core.model import Accepted, Ambiguous, Failed, Partial, Refused, Throttled, Verdict
from bulkdelete.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.core.gate import Gate, Start
    from bulkdelete.io.slots import Lease


_WORTH_SAYING = 1.0
"""Seconds from which on being held back is told."""

_AFTER_NEW = 5.0
"""Seconds after which who waited for a Redis that began anew must have been given a slot."""

_MOST_NEW = 100.0
"""Seconds that such a wait may last beyond the patience: a lease, and a little."""

_LOST = {
    "slots_lost": "the Redis that keeps the account's slots did not answer",
    "slots_refused": "the Redis that keeps the account's slots refused to work",
    "scheduler_lost": "the Dask scheduler, which counts the account's slots, did not answer",
}


class Slots(Protocol):
    """Who keeps the account's slots."""

    async def acquire(self) -> "Lease":
        """Wait for a free one."""
        ...

    def resize(self, count: int) -> None:
        """Use so many from now on."""

    def busy(self) -> tuple[str, float]:
        """Say why there is none, and for how long (0: open).

        slots: others have them; slots_lost, scheduler_lost, slots_refused: who keeps them does
        not answer, or refuses; slots_new: who keeps them began anew.
        """
        ...


@dataclass(slots=True)
class Meter:
    """Mean of min(in flight, cap)/cap, from the first answer until the last chunk was taken.

    Where a stop came before the last chunk was taken, until the stop. `spent` is where the slots'
    time went, in seconds.
    """

    cap: int
    in_flight: int = 0
    spent: dict[str, float] = field(default_factory=dict)
    _since: float | None = None
    _at: float = 0.0
    _area: float = 0.0
    _last: tuple[float, float] = (0.0, 0.0)

    def change(self, by: int, now: float, *, fresh: bool = False) -> None:
        """One more or one less is in flight; `fresh`: a chunk that was not sent before."""
        if self._since is not None:
            self._area += min(self.in_flight, self.cap) / self.cap * (now - self._at)
        self._at = now
        self.in_flight += by
        if fresh and self._since is not None:
            self._last = (self._area, now - self._since)

    def begin(self, now: float) -> None:
        """Measure from here: the canary was answered."""
        if self._since is None:
            self._since = self._at = now

    def resize(self, cap: int, now: float) -> None:
        """Measure against another number from here on."""
        self.change(0, now)
        self.cap = cap

    def spend(self, what: str, seconds: float) -> None:
        """Note what a slot spent its time on."""
        self.spent[what] = self.spent.get(what, 0.0) + seconds

    def slots(self) -> dict[str, float]:
        """Return the seconds that all slots together spent, by what for."""
        return {name: round(seconds, 3) for name, seconds in self.spent.items()}

    def stop(self, now: float) -> None:
        """Measure to here: there is work left that no slot will take."""
        self.change(0, now, fresh=True)

    @property
    def utilisation(self) -> float:
        """The share, 0.0..1.0; 0.0 when nothing was measured."""
        area, seconds = self._last
        return area / seconds if seconds > 0 else 0.0


@dataclass(slots=True)
class Turn:
    """The right to have one request in flight; `start` is how it left, once it did.

    `good_until`: until when on the loop's clock the pace lets it leave.
    """

    lease: "Lease"
    good_until: float = math.inf
    start: "Start | None" = None


class Turns:
    """Hands out turns.

    `draw` is uniform in [0, 1); `linger` is how long an abandoned request is taken to hold its
    slot on the server, in seconds. `blocked_since`: from when on no slot was to be had.
    """

    def __init__(
        self, gate: "Gate", slots: Slots, draw: "Callable[[], float]", linger: float
    ) -> None:
        self.gate = gate
        self._slots = slots
        self._draw = draw
        self._linger = linger
        self._out = 0
        self.blocked_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._waiters: dict[asyncio.Future[None], None] = {}  # in the order of their coming
        self.paused = False

    def pause(self) -> None:
        """Hand out no turn, and let none leave that was handed out."""
        self.paused = True

    def unpause(self) -> None:
        """Go on handing out turns."""
        self.paused = False
        self._wake()

    def resize(self, cap: int) -> None:
        """Let at most so many be in flight from now on."""
        self.gate.resize(cap)
        self._slots.resize(cap)
        self._wake()

    async def take(self) -> Turn:
        """Wait until one more may be in flight, and hold a slot for it."""
        while (seconds := self._seconds()) != 0.0:
            await self._wait(seconds)
        self._out += 1
        now = self.now()
        self.gate.taken(self._out, now)
        if self.blocked_since is None:
            self.blocked_since = now
        try:
            lease = await self._slots.acquire()
        except BaseException:
            self._leave()
            raise
        self.blocked_since = None
        return Turn(lease)

    def _seconds(self) -> float | None:
        return None if self.paused else self.gate.wait(self._out, self.now())

    def held(self) -> tuple[str, float]:
        """Name what keeps turns from being handed out ("": nothing), and for how long (0: open).

        Waiting for an answer, or for less than a second, is no holding.
        """
        now = self.now()
        wait = max(0.0, self.gate.not_before - now)
        if self.paused:
            return "paused", 0.0
        if self.gate.broken:
            return "outage", wait
        if wait >= _WORTH_SAYING:
            return "gate", wait
        if self.blocked_since is not None and now - self.blocked_since >= _WORTH_SAYING:
            return self._slots.busy()
        return "", 0.0

    def blocked_until(self, patience: float) -> float:
        """Return when it is too long that no slot is to be had, if none will be by then.

        That who keeps them began anew is nobody's fault, and ends by itself: that time, at most
        what it can be once, is not counted.
        """
        now = self.now()
        since = now if self.blocked_since is None else self.blocked_since
        why, seconds = self._slots.busy()
        due = since + patience
        if why != "slots_new" or now < due:
            return due
        return min(now + seconds + _AFTER_NEW, due + _MOST_NEW)

    def blocked(self) -> Stopped:
        """Return why a run that finds no slot stops, however it is held else."""
        since = self.now() if self.blocked_since is None else self.blocked_since
        seconds, (why, _) = self.now() - since, self._slots.busy()
        if (lost := _LOST.get(why)) is not None:
            return Stopped(
                "slots_lost",
                f"{lost} for {seconds:,.0f} s; nothing new was started, the rest is unsent",
                "see that it is well (bulkdelete doctor); then run the same command again",
            )
        new = "its Redis began anew, and what was in flight had to be over first"
        return Stopped(
            "outage",
            f"no slot was to be had for {seconds:,.0f} s "
            f"({new if why == 'slots_new' else 'other processes hold all of them'}); "
            "the rest is unsent",
            "see that the service is well, then run the same command again",
        )

    def depart(self, turn: Turn) -> bool:
        """Leave with a turn that was taken; False when it may not be used any more."""
        if not (self.may_depart() and turn.lease.good()):
            return False
        turn.start = self.gate.started(self._out, self.now())
        return True

    def may_depart(self) -> bool:
        """Tell whether one of the turns that were taken may be used now."""
        return not self.paused and self.gate.is_open(self._out - 1, self.now())

    def give_back(self, turn: Turn, *, abandoned: bool = False) -> None:
        """End a turn; that of an abandoned request ends a while later."""
        if abandoned:
            self._loop.call_later(self._linger, self._end, turn)
        else:
            self._end(turn)

    def observe(self, turn: Turn, verdict: Verdict) -> None:
        """Tell the gate what came of a request, before its turn ends."""
        now, start = self.now(), turn.start
        match verdict:
            case Accepted() | Partial() | Refused() if start is not None:
                self.gate.accepted(start, now)
            case Throttled(wait=wait) if start is not None:
                self.gate.throttled(start, self._out, now, wait, self._draw())
            case Ambiguous(wait=wait):
                self.gate.failed(now, wait, self._draw())
            case Failed():
                self.gate.failed(now, None, self._draw())

    def _end(self, turn: Turn) -> None:
        turn.lease.release()
        self._leave()

    def _leave(self) -> None:
        self._out -= 1
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for future in waiters:
            _ring(future)

    async def _wait(self, seconds: float | None) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiters[future] = None
        timer = None if seconds is None else self._loop.call_later(seconds, _ring, future)
        try:
            await future
        finally:
            self._waiters.pop(future, None)
            if timer is not None:
                timer.cancel()


def _ring(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
