"""The program as a library: what the command line does, awaited, with typed options and events.

    planned = await plan("users.csv", region="eu1", account_id="XXX", id_type="identity")
    report = await apply(planned.run_dir, approve=planned.plan_digest, credentials=who)

Whatever refuses or stops a run is a `BulkdeleteError`; its `exit` is what the program would exit
with. A run that reached its end returns its report, whose `exit_code` is 0 or 3. Who cancels a
task that sends lets what is in flight finish, within `grace`; cancelled again, it ends at once.
"""

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import structlog

from bulkdelete import choosing, running, verifying
from bulkdelete.approving import Approver
from bulkdelete.audience import NOBODY, Audience
from bulkdelete.concluding import bug, concluded, disk_error, read, rewrite
from bulkdelete.core.report import Report
from bulkdelete.core.verification import Scope, Verification, Wish
from bulkdelete.errors import BulkdeleteError, IntegrityError, Interrupted, UsageError
from bulkdelete.events import Ended, Wrote
from bulkdelete.intake import (
    Intake,
    check_limits,
    check_region,
    not_kept,
    parts_of,
    refuse_emulator,
    target_of,
)
from bulkdelete.io.rundir import KILL_FILE, RunDir
from bulkdelete.options import (
    ApplyOptions,
    Place,
    PlanOptions,
    RunOptions,
    VerifyOptions,
    check_names,
    chosen,
    consent,
    how_to_ask,
    meant,
    words,
)
from bulkdelete.outlets import Outlets
from bulkdelete.settings import Credentials, Settings, checked
from bulkdelete.settings import credentials as credentials_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bulkdelete.core.plan import Plan


async def plan(
    *inputs: Place,
    settings: Settings | None = None,
    audience: Audience = NOBODY,
    **options: Unpack[PlanOptions],
) -> Report:
    """Read and check a list, count it, and write a run directory. Sends nothing.

    Without account and region it is a draft. Returns its report, in the state `planned`.
    """
    check_names(options, PlanOptions)
    chose = chosen(settings, options)
    refuse_emulator(chose)
    intake = Intake(words(inputs), chose, meant(options))
    run = await choosing.made(intake, audience.told)
    return read(run)


async def run(
    *inputs: Place,
    settings: Settings | None = None,
    credentials: Credentials | None = None,
    audience: Audience = NOBODY,
    **options: Unpack[RunOptions],
) -> Report:
    """Plan, have it approved, send, report; the same call again resumes an unfinished run."""
    check_names(options, RunOptions)
    chose = chosen(settings, options, credentials)
    consent(options).check(chose)
    refuse_emulator(chose)
    dry_run, again = options.get("dry_run", False), options.get("again", False)
    abandon = options.get("abandon", False)
    if dry_run and (abandon or again):
        raise UsageError("dry_run", "--dry-run gives up nothing: leave --abandon, --again out")
    if not dry_run:
        check_region(chose)
    asked = None if dry_run else credentials or credentials_of(chose, {})

    async def body(told: Audience) -> Report:
        found = await choosing.choose(
            Intake(words(inputs), chose, meant(options)),
            told.told,
            again=again,
            abandon=abandon,
            must_resume=options.get("must_resume", False),
        )
        if isinstance(found, Report):
            told.told(Ended(found))
            return found
        made = found.plan()
        _check_meant(made, chose)
        job = _job(found, made, chose, asked, not_kept(words(inputs)))
        return await _deliver(job, Approver(found, consent(options), chose, told.ask), told)

    return await _told_besides(chose, audience, body, dry_run=dry_run)


async def apply(
    run_dir: Place,
    *,
    settings: Settings | None = None,
    credentials: Credentials | None = None,
    audience: Audience = NOBODY,
    **options: Unpack[ApplyOptions],
) -> Report:
    """Send (or resume) a plan that was made earlier: exactly that plan."""
    check_names(options, ApplyOptions)
    chose = chosen(settings, options, credentials, target_of(Path(run_dir)))
    consent(options).check(chose)
    dry_run = options.get("dry_run", False)

    async def body(told: Audience) -> Report:
        found = RunDir(Path(run_dir), chose.key_file)
        found.check()
        made = found.plan()
        _check_same_place(made, chose)
        # The plan's own lists; an option says where they are, a profile adds none to a plan.
        lists = words(options.get("protect", ())) or made.protect
        settings = replace(chose, protect=tuple(map(Path, lists)))
        if made.draft:
            raise UsageError(
                "draft",
                "this plan is a draft: it names no account or region; nothing was sent",
                "make a plan with --region and --account-id",
            )
        asked = None if dry_run else credentials or credentials_of(settings, {})
        job = _job(found, made, settings, asked, words(options.get("input", ())))
        again = options.get("again", False)
        done = await choosing.sent_meanwhile(found, made, settings, again=again)
        if done is not None:
            told.told(Ended(done))
            return done
        return await _deliver(job, Approver(found, consent(options), settings, told.ask), told)

    return await _told_besides(chose, audience, body, dry_run=dry_run)


async def verify(
    run_dir: Place,
    *,
    settings: Settings | None = None,
    credentials: Credentials | None = None,
    audience: Audience = NOBODY,
    **options: Unpack[VerifyOptions],
) -> Verification:
    """Ask, 48 hours later, whether the profiles are gone; Stopped (75) when it is too early."""
    _quiet()
    check_names(options, VerifyOptions)
    wish = _wish(options)
    chose = chosen(settings, how_to_ask(options), credentials, target_of(Path(run_dir)))
    found = RunDir(Path(run_dir), chose.key_file)
    found.check()
    made = found.plan()
    if made.draft:
        raise UsageError("draft", "this plan is a draft: nothing of it was sent")
    _check_same_host(made, chose, "asked")
    job = verifying.Job(
        run=found,
        parts=parts_of(found, made, words(options.get("input", ()))),
        settings=chose,
        credentials=credentials or credentials_of(chose, {}),
        wish=wish,
    )
    answer = await verifying.verify(job, time.time)
    if not found.busy():
        rewrite(found)
    for path in map(Path, answer.files):
        audience.told(Wrote(path))
    return answer


# --- what they share ---


async def _told_besides(
    settings: Settings,
    audience: Audience,
    body: "Callable[[Audience], Coroutine[Any, Any, Report]]",
    *,
    dry_run: bool,
) -> Report:
    """Do it, and tell metrics, notices and telemetry of it, where they are asked for."""
    _quiet()
    if dry_run or not (outlets := Outlets(settings)).any:
        return await body(audience)
    try:
        return await body(audience.joined(outlets))
    except asyncio.CancelledError:
        outlets.failed(Interrupted(signal.SIGTERM, "it was asked to stop, and did"))
        raise
    except Exception as error:
        outlets.failed(error)
        raise
    finally:
        await outlets.close(signals=audience.signals)


def _quiet() -> None:
    """Leave the log to `logging`, where nobody configured structlog: it would go to stdout."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.processors.KeyValueRenderer(key_order=["event"]),
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )


def _wish(options: VerifyOptions) -> Wish:
    sample, ambiguous = _whole("sample", options), options.get("ambiguous", False)
    if sample is not None and (options.get("full") or ambiguous):
        raise UsageError("sample", "--full and --ambiguous ask for each ID: leave --sample out")
    return Wish(
        scope=Scope.AMBIGUOUS if ambiguous else Scope.ACCEPTED,
        full=options.get("full", False),
        sample=sample,
        seed=_whole("seed", options),
        watch=options.get("watch_return", False),
        at_once=options.get("now", False),
    )


def _whole(name: str, options: VerifyOptions) -> int | None:
    """Return a number that says what is asked; text will do, as for what is a setting."""
    value = options.get(name)
    return None if value is None else int(checked(name, str(value)))


def _check_same_host(made: "Plan", settings: Settings, done: str) -> None:
    if settings.host is not None and settings.host != made.bound.host:
        raise IntegrityError(
            "other_host",
            f"the plan is for another host than the one named now; nothing was {done}",
            "leave --region and --endpoint out: the plan names its own",
        )


def _check_same_place(made: "Plan", settings: Settings) -> None:
    _check_same_host(made, settings, "sent")
    if settings.environment and settings.environment != made.bound.environment:
        raise IntegrityError(
            "other_environment",
            "the plan was made for another environment than this profile's; nothing was sent",
            "use the profile that the plan was made with, or make a new plan",
        )


def _check_meant(made: "Plan", settings: Settings) -> None:
    """Refuse a plan that is not of what was asked for: its run may have changed since chosen."""
    _check_same_place(made, settings)
    bound, shard = made.bound, str(settings.shard or "")
    meant = (shard, settings.selection.words(), settings.chunk_size)
    if meant != (bound.shard, bound.selection, bound.chunk_size):
        raise IntegrityError(
            "other_plan",
            "the run's plan is of another part of the list than is asked for; nothing was sent",
            "run the same command again: it looks anew which run is its own",
        )


def _job(
    found: RunDir,
    made: "Plan",
    settings: Settings,
    credentials: Credentials | None,
    moved: tuple[str, ...] = (),
) -> running.Job:
    found.check()
    if settings.kill_file is None:
        settings = replace(settings, kill_file=found.path / KILL_FILE)
    return running.Job(
        run=found,
        parts=parts_of(found, made, moved),
        protect=settings.protect,
        settings=settings,
        credentials=credentials,
    )


async def _deliver(job: running.Job, approver: Approver, audience: Audience) -> Report:
    """Send what is not settled, and tell how it ended; without credentials: a dry run."""
    made = job.run.plan()
    if job.credentials is None:
        check_limits(made, job.settings)
        return read(job.run)
    if audience.outlets is not None:
        audience.outlets.goes_to(made.bound.host, job.settings.target.delete_path)
    try:
        check_limits(made, job.settings)
        return await _sent(job, approver, audience)
    except BulkdeleteError as error:
        audience.told(Ended(concluded(job.run, error)))
        raise
    except OSError as error:
        known = disk_error(error)
        audience.told(Ended(concluded(job.run, known)))
        raise known from error
    except Exception as error:
        audience.told(Ended(concluded(job.run, bug(error))))
        raise


async def _sent(job: running.Job, approver: Approver, audience: Audience) -> Report:
    hear = audience.heard if audience.listens else None
    if audience.signals:
        found = await running.send(job, approver, audience.watched, hear)
    else:
        brake = audience.brake or running.Brake()
        sending = running.send(replace(job, brake=brake), approver, audience.watched, hear)
        found = await _cancellable(job.run, sending, brake, audience)
    audience.told(Ended(found))
    return found


async def _cancellable(
    found: RunDir, sending: "Coroutine[Any, Any, Report]", brake: running.Brake, audience: Audience
) -> Report:
    """Await the sending; cancelled, let it end in order before the cancellation goes on."""
    task = asyncio.create_task(sending)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not brake.pull():
            task.cancel()
        await _over(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BulkdeleteError):
            audience.told(Ended(concluded(found, error)))
        raise


async def _over(task: "asyncio.Task[Any]") -> None:
    """Wait until a task is over; cancelled while that lasts, cut it short."""
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
