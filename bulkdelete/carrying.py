"""How one job of a fleet is sent: in this process, or wherever another carrier has it done.

Whatever comes of it is told in its report: one job's trouble is not the others'.
"""

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from bulkdelete import library
from bulkdelete.audience import Audience
from bulkdelete.concluding import bug, concluded, disk_error, read, refusal
from bulkdelete.errors import BulkdeleteError
from bulkdelete.events import Ended, Event, Tell
from bulkdelete.intake import not_kept
from bulkdelete.io.orders import set_aside
from bulkdelete.io.rundir import runs_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from bulkdelete.core.live import Answer
    from bulkdelete.core.report import Report
    from bulkdelete.lake import Hire
    from bulkdelete.mustering import Job, Mustered
    from bulkdelete.running import Brake
    from bulkdelete.starting import View

    class Sight(Protocol):
        """What a display may look at while a job is sent."""

        def look(self) -> Answer:
            """Say how far it is."""
            ...

    Seen = Callable[[Sight], None]
    """Is given something to look at, once there is."""

    Carry = Callable[[Job, Tell, Seen, Brake], Awaitable[Report]]
    """Sends a job, tells of it, and ends in order when the brake is pulled; returns its report."""


LEFT_SECONDS = 60.0
"""How long what is still at work for an earlier driver, or a lost worker, may take to end."""

_POLL = 0.25


class Carriage(Protocol):
    """What has the jobs of a fleet sent: this process, or others."""

    async def clear(self, place: "Path") -> None:
        """See that nothing of an earlier start is still at work on a fleet."""

    def hire(self, jobs: "Sequence[Job]") -> "Hire | None":
        """Return how workers are come to that plan what is large; None where there are none."""
        ...

    def ready(
        self, place: "Path", jobs: "Sequence[Mustered]"
    ) -> "AbstractAsyncContextManager[Carry]":
        """Get ready to send; BulkdeleteError where that cannot be."""
        ...


class Here:
    """This process."""

    async def clear(self, place: "Path") -> None:
        """Nothing of ours outlives its process; but workers may have had the fleet before."""
        await cleared(place)

    def hire(self, jobs: "Sequence[Job]") -> None:
        """There is nobody else."""

    @asynccontextmanager
    async def ready(self, place: "Path", jobs: "Sequence[Mustered]") -> "AsyncIterator[Carry]":
        """Be ready."""
        del place, jobs
        yield here


async def cleared(place: "Path") -> bool:
    """Have what still works for a start of a fleet end, whose driver was lost; tell of any."""
    try:
        found = set_aside(place)
    except OSError as error:
        raise disk_error(error) from error
    loop = asyncio.get_running_loop()
    until = loop.time() + LEFT_SECONDS
    while found and loop.time() < until and _busy(place):  # noqa: ASYNC110 - elsewhere
        await asyncio.sleep(_POLL)
    return found


def _busy(place: "Path") -> bool:
    return any(one.busy() for one in runs_in(place))


async def here(job: "Job", tell: Tell, seen: "Seen", brake: "Brake") -> "Report":
    """Send a job in this process."""

    async def watch(view: "View") -> None:
        seen(_Here(view))
        await asyncio.Event().wait()

    return await library.apply(
        job.run.path,
        settings=job.settings,
        credentials=job.credentials,
        audience=Audience(tell=tell, watch=(watch,), brake=brake),
        input=not_kept(job.inputs),
    )


class _Here:
    """A run of this process."""

    def __init__(self, view: "View") -> None:
        self._view = view

    def look(self) -> "Answer":
        return self._view.look()


async def carried(carry: "Carry", job: "Job", tell: Tell, seen: "Seen", brake: "Brake") -> "Report":
    """Have a job sent, and return its report, whatever came of it."""
    structlog.contextvars.bind_contextvars(job=job.name)
    told: list[Report] = []

    def hear(event: Event) -> None:
        if isinstance(event, Ended):
            told.append(event.report)
        tell(event)

    try:
        return await carry(job, hear, seen, brake)
    except asyncio.CancelledError:
        return told[-1] if told else _read(job)
    except Exception as error:  # noqa: BLE001 - one job's trouble is not the others'
        return told[-1] if told else ended(job, _known(error))


def _known(error: Exception) -> BulkdeleteError:
    if isinstance(error, BulkdeleteError):
        return error
    return disk_error(error) if isinstance(error, OSError) else bug(error)


def _read(job: "Job") -> "Report":
    """Return the report of a job that was cut short before it began."""
    try:
        return read(job.run)
    except (BulkdeleteError, OSError) as error:
        return ended(job, _known(error))


def ended(job: "Job", error: BulkdeleteError) -> "Report":
    """Return the report of a job that could not begin."""
    try:
        return concluded(job.run, error)
    except (BulkdeleteError, OSError):
        return msgspec.structs.replace(refusal(error), run_id=job.name, run_dir=str(job.run.path))
