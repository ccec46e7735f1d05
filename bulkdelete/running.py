"""One process start of a run, wired: lock, replay, checks, approval, client, sender, seal.

Everything that can refuse does so before the first request; whatever stops the run afterwards is
on record before this returns.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from bulkdelete import outcome_files, reporting
from bulkdelete.core import checkpoint as log
from bulkdelete.core import guards
from bulkdelete.core import report as reports
from bulkdelete.core.gate import Gate
from bulkdelete.core.model import State
from bulkdelete.core.retry import RetryPolicy
from bulkdelete.dispatch import Dispatcher
from bulkdelete.errors import BulkdeleteError, IntegrityError, Stopped, UsageError
from bulkdelete.io.client import Client
from bulkdelete.io.journal import Journal
from bulkdelete.io.pacing import Pacer
from bulkdelete.io.rundir import machine_tag
from bulkdelete.io.slots import KernelSlots
from bulkdelete.io.source import fingerprint
from bulkdelete.reading import check_unchanged, planned_chunks, starting_mark
from bulkdelete.sending import Limits, Sender
from bulkdelete.turns import Meter, Turns
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import IndexFile, RunDir
    from bulkdelete.reading import Part
    from bulkdelete.settings import Credentials, Settings

_log = structlog.get_logger("bulkdelete")

ABANDONED_SECONDS = 10.0
"""How long a request that we stopped waiting for is taken to hold its slot on the server."""


@dataclass(frozen=True, slots=True)
class View:
    """What a display may look at while a run goes on."""

    plan: "Plan"
    progress: "Progress"
    sender: Sender
    meter: Meter
    cap: int


Approve = Callable[["Plan", "Progress", float], log.Approval | None]
"""Asks for approval (plan, progress, now): None when the one on record is still good."""

Watch = Callable[[View], Coroutine[Any, Any, None]]
"""Shows progress until cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to send: a run directory and the input it was planned from."""

    run: "RunDir"
    parts: "tuple[Part, ...]"
    protect: "tuple[Path, ...]"
    settings: "Settings"
    credentials: "Credentials | None"


async def send(
    job: Job, approve: Approve, watch: Watch, wall: Callable[[], float] = time.time
) -> reports.Report:
    """Send what is not settled; return the summary of a run that reached its end.

    Raises BulkdeleteError when something refused or stopped it; the checkpoint then says so, and
    `summary` of reporting tells the state.
    """
    with job.run.lock():
        plan = job.run.plan()
        index = job.run.index(plan)
        try:
            return await _send(job, plan, index, approve, watch, wall)
        finally:
            index.close()


async def _send(
    job: Job,
    plan: "Plan",
    index: "IndexFile",
    approve: Approve,
    watch: Watch,
    wall: Callable[[], float],
) -> reports.Report:
    key = job.run.key()
    progress, reader = job.run.progress(plan)
    if plan.draft:
        raise UsageError(
            "draft",
            "this plan is a draft: it names no account or region; nothing was sent",
            "make a plan with --region and --account-id",
        )
    if progress.abandoned:
        raise UsageError("abandoned", "this run was abandoned; nothing was sent")
    await _check_bound(job, plan)
    guards.check_size(plan.counts, job.settings.max_deletes, job.settings.expect_count)
    todo = progress.unsettled_chunks()
    # A clock that was set back must not make an approval live longer.
    wall = steady(wall, progress.last_at)
    approval = approve(plan, progress, wall()) if todo else None
    journal = Journal(job.run.log_path, reader, progress.apply)
    try:
        if approval is not None:
            await journal.append(approval)
        await journal.append(
            log.Start(
                at=wall(),
                pid=os.getpid(),
                machine=machine_tag(key),
                in_flight=job.settings.cap,
                todo=todo,
                torn=reader.torn,
            )
        )
        utilisation = 0.0
        if todo:
            utilisation = await _process(job, plan, index, progress, journal, key, watch, wall)
        await _seal(journal, plan, progress, utilisation, wall())
    finally:
        await journal.close()
    try:
        return await finish(job, plan, progress, journal.head)
    except OSError as error:
        raise Stopped(
            "reports",
            f"the run reached its end, but a report could not be written: {error.strerror}",
            f"make room, then: bulkdelete report {job.run.path}",
        ) from error


async def _check_bound(job: Job, plan: "Plan") -> None:
    """Check that account, input and protect lists are those of the plan."""
    credentials = job.credentials
    if credentials is not None and credentials.account != plan.bound.account:
        raise IntegrityError(
            "other_account",
            "the credentials are of another account than the plan's; nothing was sent",
            "use the plan's account, or make a new plan",
        )
    await check_unchanged(plan, job.parts)
    lists = [(await fingerprint(path)).sha256 for path in job.protect]
    if lists != [one.sha256 for one in plan.bound.protect]:
        raise IntegrityError(
            "protect_changed",
            "a protect list changed since the plan was made; nothing was sent",
            "make a new plan (with --abandon for an unfinished run)",
        )


async def _process(  # noqa: PLR0913, PLR0917 - the wiring itself
    job: Job,
    plan: "Plan",
    index: "IndexFile",
    progress: "Progress",
    journal: Journal,
    key: bytes,
    watch: Watch,
    wall: Callable[[], float],
) -> float:
    """Send; return the share of the slots that was in use."""
    settings, credentials = job.settings, job.credentials
    approval = progress.approval
    if credentials is None or approval is None or plan.bound.host is None:
        raise UsageError("credentials", "without credentials and approval nothing is sent")
    target = settings.target
    meter = Meter(settings.cap)
    slots = KernelSlots(plan.bound.host, credentials.account, settings.cap)
    turns = Turns(
        Gate(settings.cap), slots, random.random, min(settings.timeout, ABANDONED_SECONDS)
    )
    client = Client(
        plan.bound.host,
        target.headers(credentials.account, credentials.passcode),
        timeout=settings.timeout,
        connections=settings.cap,
    )
    sender = Sender(
        dispatcher=partial(
            Dispatcher, target, client, journal, turns, Pacer(settings.rate), meter, wall
        ),
        progress=progress,
        approval=approval,
        entry=index.chunk,
        key=key,
        limits=_limits(settings),
        draw=random.random,
        cap=settings.cap,
        size=plan.bound.chunk_size,
    )
    chunks = planned_chunks(
        plan,
        job.parts,
        index,
        starting_mark(index, progress, plan.bound.chunk_size),
        progress.first_unsettled(),
    )
    display = asyncio.create_task(watch(View(plan, progress, sender, meter, settings.cap)))
    try:
        _watch_signals(sender)
        async with client, aclosing(chunks):
            await sender.run(chunks)
    except BulkdeleteError as error:
        await _stop(journal, error, meter.utilisation, wall())
        raise
    except Exception as error:
        await _stop(journal, _bug(error), meter.utilisation, wall())
        raise
    finally:
        display.cancel()
        with suppress(asyncio.CancelledError, OSError):  # who watched may be gone
            await display
        slots.close()
    return meter.utilisation


def _limits(settings: "Settings") -> Limits:
    return Limits(
        policy=RetryPolicy(max_attempts=settings.max_attempts),
        hold_doubts=settings.on_ambiguous == "hold",
        max_failures=settings.max_failures,
        hold_after=settings.hold_after,
        grace=settings.grace,
        give_up_after=settings.give_up_after,
        max_duration=settings.max_duration,
    )


def steady(wall: Callable[[], float], at_least: float) -> Callable[[], float]:
    """Return a time of day that never runs behind the time that really went by.

    It begins at `at_least`, the time of the last record.
    """
    began, began_wall = time.monotonic(), max(wall(), at_least)
    return lambda: max(wall(), began_wall + time.monotonic() - began)


def _bug(error: Exception) -> BulkdeleteError:
    return BulkdeleteError("bug", f"unexpected {type(error).__name__}; the run is resumable")


async def _stop(journal: Journal, error: BulkdeleteError, utilisation: float, at: float) -> None:
    """Put on record why it stopped; a disk that fails already has the last word."""
    with suppress(BulkdeleteError):
        await journal.append(
            log.Stop(
                at=at,
                code=error.code,
                exit=error.exit,
                message=str(error),
                hint=error.hint,
                utilisation=utilisation,
            )
        )


async def _seal(
    journal: Journal, plan: "Plan", progress: "Progress", utilisation: float, at: float
) -> None:
    # The balance is counted from what is durable, so wait until all outcomes are.
    await journal.flush()
    balance = reports.balance(plan.counts, progress)
    await journal.append(
        log.Seal(
            at=at,
            exit=reports.exit_code_of(balance),
            ids=reports.as_dict(balance),
            head=journal.head,
            utilisation=utilisation,
        )
    )


async def finish(job: Job, plan: "Plan", progress: "Progress", head: str) -> reports.Report:
    """Write the reports, and the outcome files that a finished run has of itself."""
    report = reporting.summary(job.run, plan, progress, head=head)
    reporting.write(job.run, report, plan, progress, __version__)
    if report.state == "finished":
        states = [one for one in (State.REJECTED, State.AMBIGUOUS) if report.ids[one.value]]
        for old in {State.REJECTED, State.AMBIGUOUS} - set(states):
            (job.run.path / f"{old.value}.csv").unlink(missing_ok=True)
        if states:
            await outcome_files.write_outcomes(job.run, plan, job.parts, progress, states)
    return report


def _watch_signals(sender: Sender) -> None:
    """First signal: drain. Second: leave now, as the checkpoint allows at any instant.

    They stay for the reports that are written at the end: one signal does not spoil those.
    """
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def on_signal(number: signal.Signals) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        sender.interrupt(number, number.name)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)
