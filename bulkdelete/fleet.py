"""Many jobs side by side: all planned and guarded, approved as one, sent, told of as one.

    read the file -> plan each job, or find its run again -> one is refused: nothing is sent
    -> approve the fleet: on record in each job's checkpoint -> send -> one report

Each job is a run like any other, with a directory, gate and checkpoint of its own, in the fleet's
directory; what can be done with a run can be done with it.
"""

import asyncio
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from bulkdelete import runs
from bulkdelete.approving import Approver, Consent
from bulkdelete.archive import FLEET_LOCK
from bulkdelete.carrying import Here
from bulkdelete.concluding import disk_error
from bulkdelete.convoy import Convoy
from bulkdelete.core import fleet as fleets
from bulkdelete.core import fleet_report as reports
from bulkdelete.core import guards
from bulkdelete.core.fleet_report import FleetReport
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.core.report import Reason
from bulkdelete.errors import BulkdeleteError, BusyError, GuardError, UsageError
from bulkdelete.io import files
from bulkdelete.io.orders import remove_left
from bulkdelete.io.rundir import RunDir
from bulkdelete.mustering import Mustered, Order, crew, muster, naming, read_file
from bulkdelete.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping, Sequence
    from pathlib import Path

    from bulkdelete.carrying import Carriage
    from bulkdelete.convoy import Tell, Watch
    from bulkdelete.core import checkpoint as log
    from bulkdelete.core.plan import Plan

    Ask = Callable[[Sequence[Mustered], str], None]
    """Shows all plans and the fleet's digest to a person and asks; GuardError for a no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Who is told of the jobs, who looks on, who is asked for approval, and what sends them."""

    tell: "Tell"
    watch: "Watch"
    ask: "Ask"
    signals: bool = False
    carriage: "Carriage" = field(default_factory=Here)
    ready: "Callable[[Sequence[Mustered]], None]" = lambda _: None


async def run(
    file: "Path",
    order: Order,
    company: Company,
    environment: "MutableMapping[str, str]",
    *,
    at_once: int,
    runs_dir: str | None = None,
) -> FleetReport:
    """Plan, guard, approve and send a fleet, or go on with it; return how it stands then.

    Raises BulkdeleteError where there is no fleet to tell of: a file that is wrong, a missing
    passcode, another process that holds it.
    """
    if order.dry_run and (order.again or order.abandon):
        raise UsageError("dry_run", "--dry-run gives up nothing: leave --abandon, --again out")
    fleet = read_file(file)
    place = resolve({"runs_dir": runs_dir}, _plain(environment), {}).runs_dir / fleet.name
    if order.elsewhere:  # where the working directory is another one
        place = place.absolute()
    jobs = crew(fleet, file, place, order, environment)
    with _alone(place):
        await company.carriage.clear(place)
        ready = await muster(jobs, place, order, company.tell, company.carriage.hire(jobs))
        made = _Fleet(fleet.name, place, tuple(ready))
        found = await _run(made, order, company, at_once)
        with suppress(OSError):  # a full disk: how it stands is told all the same
            _write(place, found)
        if found.state == "finished":  # no worker can be at anything of it
            remove_left(place)
        return found


@dataclass(frozen=True, slots=True)
class _Fleet:
    """A fleet that was looked at; `digest` is "" while there is a job without a plan."""

    name: str
    place: "Path"
    jobs: tuple[Mustered, ...]

    @property
    def digest(self) -> str:
        if any(one.error for one in self.jobs):
            return ""
        return fleets.digest({one.job.name: one.plan.digest for one in self.jobs})

    def report(self, **more: object) -> FleetReport:
        """Put it all together."""
        return reports.summed(
            fleet=self.name,
            fleet_dir=str(self.place),
            fleet_digest=self.digest,
            **{"jobs": [one.report for one in self.jobs], **more},  # type: ignore[arg-type]
        )

    def refused(self, error: BulkdeleteError | None = None) -> FleetReport:
        """Say that nothing was sent, and why: by `error`, or by what the jobs say."""
        if error is not None:
            said = Reason(error.code, str(error), error.hint)
            return self.report(exit_code=error.exit, reason=said, refused=True)
        code = reports.worst(one.error.exit for one in self.jobs if one.error)
        reason = reports.reason_of([one.report for one in self.jobs if one.error], code)
        return self.report(exit_code=code, reason=reason, refused=True)


async def _run(fleet: _Fleet, order: Order, company: Company, at_once: int) -> FleetReport:
    if any(one.error for one in fleet.jobs):
        return fleet.refused()
    company.ready(fleet.jobs)
    async with AsyncExitStack() as stack:
        try:
            _check(fleet, order)
            if order.dry_run:
                return fleet.report(exit_code=None)
            idle = all(one.over for one in fleet.jobs)
            carriage = Here() if idle else company.carriage
            carry = await stack.enter_async_context(carriage.ready(fleet.place, fleet.jobs))
            await _approve(fleet, order, company.ask)
        except BulkdeleteError as error:
            return fleet.refused(error)
        return await _send(fleet, company, Convoy(fleet.jobs, at_once, company.tell, carry))


def _check(fleet: _Fleet, order: Order) -> None:
    """Refuse what the jobs are together."""
    fleets.check_distinct({one.job.name: one.plan for one in fleet.jobs})
    todo = (one.plan.counts.planned for one in fleet.jobs if not one.over)
    fleets.check_ceiling(sum(todo), order.max_deletes)
    if order.consent.approve is not None:
        guards.check_digest([fleet.digest], order.consent.approve, "fleet")


async def _send(fleet: _Fleet, company: Company, convoy: Convoy) -> FleetReport:
    display = asyncio.create_task(company.watch(convoy.berths))
    try:
        await convoy.sail(signals=company.signals)
    finally:
        display.cancel()
        await asyncio.gather(display, return_exceptions=True)
    jobs = [one.report for one in convoy.berths]
    # What another start left behind in a job that this one did not begin is not how this one ends.
    ended = [one.report for one in convoy.berths if one.over]
    codes = [job.exit_code for job in ended if job.exit_code is not None]
    if convoy.signal and not all(
        one.over and one.report.state == "finished" for one in convoy.berths
    ):
        codes.append(128 + convoy.signal)
    code = reports.worst(codes)
    return fleet.report(jobs=jobs, exit_code=code, reason=reports.reason_of(ended, code))


# --- approval ---


async def _approve(fleet: _Fleet, order: Order, ask: "Ask") -> None:
    """Have all jobs approved that are not; on record in each only when none is refused."""
    consent = order.consent
    open_ones: list[Plan] = []
    for _ in _approvals(fleet.jobs, consent, open_ones.append):
        pass
    if open_ones:
        ask(fleet.jobs, fleet.digest)
    for one, _ in _approvals(fleet.jobs, consent, lambda _: None):
        if one.found is not None and one.found.untouched:
            with naming(one.job.name):
                one.job.past.check_alone(one.plan, abandon=order.abandon)
    recorded: list[str] = []
    try:
        for one, approval in _approvals(fleet.jobs, consent, lambda _: None):
            if one.found is not None:
                with naming(one.job.name):
                    await _record(one.found, approval)
                recorded.append(one.job.name)
    except BulkdeleteError as error:
        if recorded:  # they bind the fleet
            names = ", ".join(recorded)
            error.args = (f"{error}; but the approval is on record already in: {names}",)
            error.hint = error.hint or "run the same command again, or give it up with --abandon"
        raise


async def _record(found: runs.Found, approval: "log.Approval") -> None:
    try:
        await runs.record(found, approval)
    except OSError as error:
        raise disk_error(error) from error


def _approvals(
    jobs: "Sequence[Mustered]", consent: Consent, ask: "Callable[[Plan], None]"
) -> "Iterator[tuple[Mustered, log.Approval]]":
    """Yield the approvals that are wanting; GuardError names the job that cannot have one."""
    for one in jobs:
        if one.found is None or one.over or not one.found.progress.unsettled_chunks():
            continue
        said = Consent(
            yes=consent.yes,
            approve=one.plan.digest if consent.approve is not None else None,
            renew=consent.renew,
        )
        progress = one.found.progress
        approver = Approver(one.job.run, said, one.job.settings, ask)
        with naming(one.job.name):
            approval = approver(one.plan, progress, max(time.time(), progress.last_at))
        if approval is not None:
            yield one, approval


def missing(digest: str, why: str) -> GuardError:
    """Say that a fleet is not approved, and how that is done."""
    short = digest.removeprefix("sha256:")[:SHORT_DIGEST]
    return GuardError(
        "approval_missing",
        f"this fleet is not approved, and {why}; nothing was sent",
        f"look at its plans, then give --approve {short}, or --yes where each job has max-deletes",
    )


# --- its directory ---


@contextmanager
def _alone(place: "Path") -> "Iterator[None]":
    """Be the only process at work on a fleet, in a directory that is ours."""
    if RunDir(place).exists():
        raise UsageError(
            "fleet_dir",
            f"{place} is a run, and no fleet; nothing was sent",
            "give the fleet another name, or name another --runs-dir",
        )
    with suppress(FileExistsError):
        files.make_private(place)
    files.check_private(place)
    with ExitStack() as stack:
        try:
            stack.enter_context(RunDir(place).lock(name=FLEET_LOCK))
        except BusyError as error:
            raise BusyError(
                "busy",
                f"another process holds the fleet {place}; nothing was sent by this one",
                f"look at its jobs with: bulkdelete status --runs-dir {place}",
            ) from error
        yield


def _write(place: "Path", report: FleetReport) -> None:
    """Write fleet.json and fleet.html."""
    from bulkdelete.render import fleet as page  # noqa: PLC0415 - jinja2 is slow to import

    text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    files.replace(place / "fleet.json", text)
    facts = msgspec.to_builtins(report, builtin_types=())
    files.replace(place / "fleet.html", page.render(facts).encode())


def _plain(environment: "MutableMapping[str, str]") -> dict[str, str]:
    return {k: v for k, v in environment.items() if k == "BULKDELETE_RUNS_DIR"}
