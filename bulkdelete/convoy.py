"""The jobs of a fleet on their way: so many at once, each a run of its own; signals drain all.

One that stops, whatever stops it, is told of in its report and does not stop the others.
"""

import asyncio
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkdelete.carrying import carried, here
from bulkdelete.core import fleet as fleets
from bulkdelete.events import Ended, Event
from bulkdelete.running import Brake

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from bulkdelete.carrying import Carry, Sight
    from bulkdelete.core.live import Answer
    from bulkdelete.core.report import Report
    from bulkdelete.mustering import Job, Mustered

    Watch = Callable[["Sequence[Berth]"], Coroutine[Any, Any, None]]
    """Shows the progress of all until cancelled."""

    Tell = Callable[[str, Event], None]
    """Is told of a job, by its name, what a run tells."""


@dataclass(slots=True)
class Berth:
    """Where one job stands: not begun, sending while there is a `sight`, or over for this time."""

    job: "Job"
    report: "Report"
    over: bool
    sight: "Sight | None" = None

    @property
    def account(self) -> str:
        """Name the account that it goes to."""
        return f"{self.job.settings.host} {self.job.settings.account}"

    @property
    def state(self) -> str:
        """Name it in a word."""
        if self.over:
            return self.report.state
        return "waiting" if self.sight is None else self.sight.look().state

    def look(self) -> "Answer | None":
        """Say how far it is while it sends."""
        return None if self.over or self.sight is None else self.sight.look()


class Convoy:
    """Sends what is to be sent, `at_once` jobs at a time; `carry` sends one."""

    def __init__(
        self, jobs: "Sequence[Mustered]", at_once: int, tell: "Tell", carry: "Carry" = here
    ) -> None:
        self.berths = [Berth(one.job, one.report, one.over) for one in jobs]
        self.signal: int | None = None
        self._at_once = at_once
        self._tell = tell
        self._carry = carry
        self._brakes: dict[asyncio.Task[None], Brake] = {}

    async def sail(self, *, signals: bool) -> None:
        """Send until all have ended; the first signal drains all, the second leaves now.

        Cancelled, it lets what is in flight end in order before the cancellation goes on.
        """
        if signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._on_signal, number)
        waiting = [one for one in self.berths if not one.over]
        paced = {one.account for one in waiting if one.job.settings.rate is not None}
        sending: dict[asyncio.Task[None], Berth] = {}
        cancelled = False
        while sending or (waiting and self.signal is None):
            while waiting and self.signal is None and len(sending) < self._at_once:
                running = [one.account for one in sending.values()]
                turn = fleets.turn([one.account for one in waiting], running, paced)
                if turn is None:
                    break
                berth = waiting.pop(turn)
                sending[self._begin(berth)] = berth
            try:
                ended, _ = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                cancelled = True
                self.stop(signal.SIGTERM, "its caller")
                continue
            for task in ended:
                del sending[task], self._brakes[task]
                if not task.cancelled():  # else before its first step: it was not begun
                    task.result()
        if cancelled:
            raise asyncio.CancelledError

    def stop(self, number: int, who: str) -> None:
        """Start no new request, nor another job; a second time, wait for no answer."""
        again = self.signal is not None
        self.signal = self.signal or number
        for task, brake in self._brakes.items():
            # A brake that was pulled is not pulled again by who is cancelled: that waits no more.
            if again or not brake.pull(number, who):
                task.cancel()

    def _on_signal(self, number: signal.Signals) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.stop(number, number.name)

    def _begin(self, berth: Berth) -> "asyncio.Task[None]":
        brake = Brake()
        task = asyncio.create_task(self._send(berth, brake), name=berth.job.name)
        self._brakes[task] = brake
        return task

    async def _send(self, berth: Berth, brake: Brake) -> None:
        """Send one job; whatever comes of it is in its report."""

        def tell(event: Event) -> None:
            if isinstance(event, Ended):
                berth.report = event.report
            self._tell(berth.job.name, event)

        def seen(sight: "Sight") -> None:
            berth.sight = sight

        try:
            berth.report = await carried(self._carry, berth.job, tell, seen, brake)
        finally:
            berth.over = True
