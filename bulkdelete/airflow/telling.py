"""What a task's log tells of a run: counts and places, never an ID; without Airflow."""

import time
from typing import TYPE_CHECKING

from bulkdelete.events import (
    Event,
    Fleeting,
    Holding,
    Kept,
    Looked,
    PassedOver,
    Resuming,
    Sending,
    Settled,
    Wrote,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bulkdelete.core.plan import Plan

_LINE_SECONDS = 10.0


class Narrator:
    """Puts events into lines; `found` is told of the run's directory before anything is sent."""

    def __init__(
        self,
        say: "Callable[[str], None]",
        found: "Callable[[Path], None]",
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self._say = say
        self._found = found
        self._clock = clock
        self._said_at = clock()
        self._accepted = self._rejected = 0

    def tell(self, event: Event) -> None:
        """Say what somebody who reads the log wants to know of an event."""
        match event:
            case Looked():
                self._say(_plan_line(event.plan))
                for warning in event.plan.warnings:
                    self._say(f"WARNING: {warning}")
            case Kept():
                self._found(event.run_dir)
                self._say(f"the run's directory is {event.run_dir}")
            case Resuming():
                self._found(event.run_dir)
                self._say(
                    f"going on with {event.run_dir}: {event.accepted:,} of {event.planned:,} IDs "
                    f"accepted, {event.ambiguous:,} in doubt, {event.unsent:,} unsent"
                )
            case Fleeting():
                self._say(f"WARNING: the runs are on {event.what}: a retry may find nothing")
            case PassedOver():
                self._say(f"passing over {event.run_dir}: {event.why}")
            case Sending():
                self._say(f"sending {event.chunks:,} chunks, {event.in_flight} at once at most")
            case Settled():
                self._settled(event)
            case Holding():
                self._say(f"nothing is sent at present: {event.reason}")
            case Wrote():
                self._say(f"wrote {event.path}")
            case _:
                pass  # each answer is more than a log should hold

    def _settled(self, event: Settled) -> None:
        """Count, and say so every ten seconds."""
        self._accepted += event.accepted
        self._rejected += event.rejected
        if self._clock() - self._said_at >= _LINE_SECONDS:
            self._said_at = self._clock()
            self._say(f"so far {self._accepted:,} accepted, {self._rejected:,} rejected")


def _plan_line(plan: "Plan") -> str:
    counts = plan.counts
    return (
        f"plan {plan.digest} for {plan.bound.account} at {plan.bound.host}: "
        f"{counts.read:,} IDs read, {counts.planned:,} planned, "
        f"{counts.duplicate:,} duplicate, {counts.protected:,} protected, "
        f"{counts.invalid:,} invalid, {counts.excluded:,} excluded"
    )
