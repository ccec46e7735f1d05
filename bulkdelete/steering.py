"""A run is steered while it goes on: tuned, paused, stopped. What was said is on record first."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import structlog

from bulkdelete.core import checkpoint as log
from bulkdelete.core import live
from bulkdelete.core import report as reports
from bulkdelete.errors import BulkdeleteError, Stopped, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.core.plan import Counts
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.journal import Journal
    from bulkdelete.io.pacing import Pacer
    from bulkdelete.sending import Sender
    from bulkdelete.turns import Meter, Turns

_log = structlog.get_logger("bulkdelete")


@dataclass(slots=True, kw_only=True)
class Steering:
    """Follows commands. `leave_free` slots are left to others, whatever the number is tuned to.

    `fastest` is the rate that the target takes at most; None: any.
    """

    sender: "Sender"
    turns: "Turns"
    pacer: "Pacer"
    meter: "Meter"
    journal: "Journal"
    wall: "Callable[[], float]"
    leave_free: int
    fastest: float | None = None
    counts: "Counts"
    progress: "Progress"

    async def follow(self, line: bytes) -> bytes:
        """Follow the command of one line; return the line to answer."""
        try:
            await self._follow(live.command(line))
        except BulkdeleteError as error:
            return live.encode(self.look(str(error)))
        return live.encode(self.look())

    def look(self, error: str = "") -> live.Answer:
        """Say how the run stands."""
        held, seconds = self._held()
        state = "paused" if held in {"paused", "window"} else "running"
        balance = reports.balance(self.counts, self.progress)
        return live.Answer(
            ok=not error,
            error=error,
            state="stopping" if self.sender.stopping else state,
            max_in_flight=self.meter.cap + self.leave_free,
            rate=self.pacer.rate,
            in_flight=self.meter.in_flight,
            cap=self.meter.cap,
            done=balance.accepted + balance.rejected,
            planned=balance.planned,
            retries=self.sender.tally.retries,
            throttled=self.sender.tally.throttled,
            held=held,
            held_s=round(seconds, 1),
        )

    def _held(self) -> tuple[str, float]:
        if self.sender.stopping:
            return "", 0.0
        held, seconds = self.turns.held()
        closed = self.sender.closed_for()
        return ("window", closed) if closed and held != "paused" else (held, seconds)

    async def _follow(self, command: live.Command) -> None:
        match command:
            case live.Tune():
                await self._tune(command)
            case live.Pause():
                await self._note("paused", "yes")
                self.turns.pause()
            case live.Unpause():
                await self._note("paused", "no")
                self.turns.unpause()
            case live.Look():
                pass
            case live.Stop():
                self.sender.halt(
                    Stopped(
                        "live_stop",
                        "stopped by `bulkdelete live stop`; the rest is unsent",
                        "run the same command again to go on",
                    )
                )
            case _:
                assert_never(command)

    async def _tune(self, command: live.Tune) -> None:
        number, rate = command.max_in_flight, command.rate
        if rate and self.fastest is not None and rate > self.fastest:
            raise UsageError("rate", f"the vendor takes {self.fastest:g} requests a second at most")
        if number is not None:
            if number <= self.leave_free:
                raise UsageError("leave_free", "--leave-free leaves no slot of these to use")
            await self._note("max_in_flight", str(number))
            self._resize(number - self.leave_free)
        if rate is not None:
            rate = rate or self.fastest
            await self._note("rate", f"{rate:g}" if rate else "none")
            self.pacer.tune(rate)

    def _resize(self, cap: int) -> None:
        self.meter.resize(cap, self.turns.now())
        self.turns.resize(cap)
        self.sender.resize(cap)

    async def _note(self, name: str, value: str) -> None:
        _log.info("run.tuned", setting=name, value=value)
        await self.journal.append(log.Setting(name=name, value=value, at=self.wall()))
