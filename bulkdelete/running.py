"""This machine as a process start needs it: lock, files, network, clocks, signals; and reports.

Everything that can refuse does so before the first request; the start itself is in `starting`.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bulkdelete import outcome_files, reporting
from bulkdelete.core.live import MOST_IN_FLIGHT
from bulkdelete.core.model import Chunk, State
from bulkdelete.errors import IntegrityError, Stopped
from bulkdelete.io import live
from bulkdelete.io.client import Client
from bulkdelete.io.journal import LogFile
from bulkdelete.io.rundir import machine_tag
from bulkdelete.io.shared import shared
from bulkdelete.io.source import fingerprint
from bulkdelete.protecting import expanded
from bulkdelete.reading import check_unchanged, planned_chunks, starting_mark
from bulkdelete.starting import Start
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from bulkdelete.core import report as reports
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import IndexFile, RunDir
    from bulkdelete.reading import Part
    from bulkdelete.settings import Credentials, Settings
    from bulkdelete.starting import Approve, Hear, OpenSlots, Watch

_log = structlog.get_logger("bulkdelete")


class Brake:
    """Ends the sending in order from within the program, as a signal does from outside."""

    def __init__(self) -> None:
        self._interrupt: Callable[[int, str], None] | None = None
        self._pulled = False

    def attach(self, interrupt: Callable[[int, str], None]) -> None:
        """Call `interrupt` when it is pulled."""
        self._interrupt = interrupt

    def pull(self, number: int = signal.SIGTERM, who: str = "its caller") -> bool:
        """Start no new request.

        False when there is nothing yet that could send, or it was pulled before: then who pulls
        does not want to wait any more, and cancels.
        """
        if self._interrupt is None or self._pulled:
            return False
        self._pulled = True
        self._interrupt(number, who)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to send: a run directory and the input it was planned from.

    Signals end it, or its `brake`, in a program that has more to do than this.
    """

    run: "RunDir"
    parts: "tuple[Part, ...]"
    protect: "tuple[Path, ...]"
    settings: "Settings"
    credentials: "Credentials | None"
    brake: Brake | None = None


async def send(
    job: Job,
    approve: "Approve",
    watch: "Watch",
    hear: "Hear | None" = None,
    wall: Callable[[], float] = time.time,
) -> "reports.Report":
    """Send what is not settled; return the summary of a run that reached its end.

    `hear` is told of each record once it is durable.
    Raises BulkdeleteError when something refused or stopped it; the checkpoint then says so, and
    `summary` of reporting tells the state.
    """
    with job.run.lock():
        plan = job.run.plan()
        index = job.run.index(plan)
        try:
            return await _send(job, plan, index, approve, watch, hear, wall)
        finally:
            index.close()


async def _send(  # noqa: PLR0913, PLR0917 - what a start is made of
    job: Job,
    plan: "Plan",
    index: "IndexFile",
    approve: "Approve",
    watch: "Watch",
    hear: "Hear | None",
    wall: Callable[[], float],
) -> "reports.Report":
    # In a thread: a signal need not wait until a long log is read.
    progress, reader = await asyncio.to_thread(job.run.progress, plan)
    key = job.run.own_key(plan, progress.header)
    start = Start(
        plan=plan,
        progress=progress,
        reader=reader,
        key=key,
        entry=index.chunk,
        settings=job.settings,
        credentials=job.credentials,
        approve=approve,
        watch=watch,
        hear=hear,
        world=ThisMachine(job, plan, index, progress, wall, machine_tag(key)),
    )
    head = await start.run()
    try:
        return await finish(job, plan, progress, head)
    except OSError as error:
        raise Stopped(
            "reports",
            f"the run reached its end, but a report could not be written: {error.strerror}",
            f"make room, then: bulkdelete report {job.run.path}",
        ) from error


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """The real `starting.World` of one process start."""

    job: Job
    plan: "Plan"
    index: "IndexFile"
    progress: "Progress"
    wall: Callable[[], float]
    machine: str

    @property
    def pid(self) -> int:
        """This process's number."""
        return os.getpid()

    @staticmethod
    def monotonic() -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    @staticmethod
    def draw() -> float:
        """Return a number, uniform in [0, 1)."""
        return random.random()  # noqa: S311 - jitter, no secret

    async def check_bound(self) -> None:
        """Hash input and protect lists again."""
        await check_unchanged(self.plan, self.job.parts)
        lists = [(await fingerprint(one)).sha256 for one in await expanded(self.job.protect)]
        if lists != [one.sha256 for one in self.plan.bound.protect]:
            raise IntegrityError(
                "protect_changed",
                "a protect list changed since the plan was made; nothing was sent",
                "make a new plan (with --abandon for an unfinished run)",
            )

    def disk(self) -> LogFile:
        """Open the checkpoint log."""
        return LogFile(self.job.run.log_path)

    def slots(self, host: str, account: str, count: int) -> "OpenSlots":
        """Share the account's slots with all processes of this machine, or of many."""
        return shared(self.job.settings.slots, host, account, count)

    def client(self, host: str, credentials: "Credentials") -> Client:
        """Make the one thing that can send."""
        settings = self.job.settings
        return Client(
            host,
            settings.target.headers(credentials.account, credentials.passcode),
            account=credentials.account,
            timeout=settings.timeout,
            connections=MOST_IN_FLIGHT,  # how many of them are used is the gate's to say
            max_answer=settings.target.max_answer,
        )

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Read the input again, from a place before which all is settled."""
        start = starting_mark(self.index, self.progress, self.plan.bound.chunk_size)
        first = self.progress.first_unsettled()
        return planned_chunks(self.plan, self.job.parts, self.index, start, first)

    @asynccontextmanager
    async def listen(
        self, follow: "Callable[[bytes], Awaitable[bytes]]"
    ) -> AsyncGenerator[None, None]:
        """Listen on the run's socket; a file system without sockets is no reason not to send."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(live.listening(self.job.run.path, follow))
            except OSError as error:
                _log.warning("live.unavailable", error=error.strerror)
            yield

    def watch_signals(self, interrupt: Callable[[int, str], None]) -> None:
        """First signal: drain. Second: leave now, as the checkpoint allows at any instant.

        They stay for the reports that are written at the end: one signal does not spoil those.
        """
        if self.job.brake is not None:
            self.job.brake.attach(interrupt)
            return
        loop = asyncio.get_running_loop()
        seen: list[int] = []

        def on_signal(number: signal.Signals) -> None:
            if seen:
                os._exit(128 + number)
            seen.append(number)
            interrupt(number, number.name)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, on_signal, number)


async def finish(job: Job, plan: "Plan", progress: "Progress", head: str) -> "reports.Report":
    """Write the reports, and the outcome files that a finished run has of itself."""
    report = reporting.summary(job.run, plan, progress, head=head)
    examples = outcome_files.Examples()
    if report.state == "finished":
        states = [one for one in (State.REJECTED, State.AMBIGUOUS) if report.ids[one.value]]
        for old in {State.REJECTED, State.AMBIGUOUS} - set(states):
            (job.run.path / f"{old.value}.csv").unlink(missing_ok=True)
        if states:
            await outcome_files.write_outcomes(
                job.run, plan, job.parts, progress, states, examples=examples
            )
    reporting.write(job.run, report, plan, progress, __version__, examples.found)
    return report
