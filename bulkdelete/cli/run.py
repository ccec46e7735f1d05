"""`bulkdelete run`: plan, ask, send, report; the same command again resumes."""

import dataclasses
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.common import (
    Intake,
    check,
    check_limits,
    check_usual,
    check_yes,
    parts_of,
    refuse_emulator,
    settings_of,
    show_plan,
)
from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import (
    AcceptFlags,
    ApprovalFlags,
    GuardFlags,
    InputFlags,
    OutputFlags,
    PlaceFlags,
    RunsFlags,
    SelectFlags,
    SendFlags,
)
from bulkdelete.errors import BusyError, IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.cli.console import Console
    from bulkdelete.core.plan import Plan
    from bulkdelete.io.rundir import RunDir
    from bulkdelete.planning import Wish
    from bulkdelete.runs import Found
    from bulkdelete.settings import Credentials, Settings

_IN, _SELECT, _PLACE, _GUARD = InputFlags(), SelectFlags(), PlaceFlags(), GuardFlags()
_SEND = SendFlags()
_APPROVAL, _ACCEPT, _RUNS, _OUT = ApprovalFlags(), AcceptFlags(), RunsFlags(), OutputFlags()


def run(  # noqa: PLR0913 - one per group of flags
    *inputs: Annotated[str, Parameter(help="Files, globs, or - for standard input.")],
    reading: InputFlags = _IN,
    select: SelectFlags = _SELECT,
    place: PlaceFlags = _PLACE,
    guard: GuardFlags = _GUARD,
    accept: AcceptFlags = _ACCEPT,
    approval: ApprovalFlags = _APPROVAL,
    sending: SendFlags = _SEND,
    where: RunsFlags = _RUNS,
    again: Annotated[
        bool, Parameter(help="Make a new run of a list that was finished before.")
    ] = False,
    abandon: Annotated[
        bool, Parameter(help="Give up the unfinished run of this input and start afresh.")
    ] = False,
    must_resume: Annotated[
        bool, Parameter(help="Refuse (6) when there is no earlier run to resume.")
    ] = False,
    dry_run: Annotated[bool, Parameter(help="Do everything but sending.")] = False,
    output: OutputFlags = _OUT,
) -> int:
    """Plan, ask for approval, send, report. The same command again resumes."""

    async def body(console: "Console") -> int:
        settings = settings_of(output, reading, select, place, guard, sending, where)
        check_yes(approval.yes, settings)
        refuse_emulator(settings)
        if dry_run and (abandon or again):
            raise UsageError("dry_run", "--dry-run gives up nothing: leave --abandon, --again out")
        credentials = None if dry_run else credentials_of(settings)
        intake = Intake(inputs, settings, accept)
        chosen = await _choose(
            console,
            intake,
            again=again,
            abandon=abandon,
            must_resume=must_resume,
        )
        if isinstance(chosen, int):
            return chosen
        return await deliver(
            console,
            chosen,
            settings,
            credentials,
            approval,
            dry_run=dry_run,
            shown=intake.planned,
        )

    return execute(output, body)


def credentials_of(settings: "Settings") -> "Credentials":
    """Return who asks; UsageError when region or credentials are missing."""
    from bulkdelete.settings import credentials

    if settings.host is None:
        raise UsageError(
            "region_missing",
            "the region is not named, and there is no default; nothing was sent",
            "read it off your dashboard's address and give --region",
        )
    return credentials(settings, os.environ)


async def _choose(
    console: "Console", intake: Intake, *, again: bool, abandon: bool, must_resume: bool
) -> "RunDir | int":
    """Return the run to go on with (made now, if need be), or the exit code of a finished one."""
    from bulkdelete import runs

    try:
        wish = await intake.wish()
        while (earlier := await intake.earlier(wish)) is not None:
            found = runs.load(earlier)
            course = await runs.course(
                found,
                partial(intake.same, wish, found),
                intake.settings,
                time.time(),
                again=again,
                abandon=abandon,
            )
            if course is runs.Course.PASS_OVER:
                # Behind it there may be a run that did send.
                intake.passed.append(earlier.path)
                console.note(f"Passing over {earlier.path}: other settings, and never approved")
                continue
            if course is runs.Course.RESUME:
                _say_resuming(console, found)
                return earlier
            if course is runs.Course.FINISHED:
                return _already_finished(console, found)
            if must_resume and found.progress.abandoned:
                raise _no_earlier_run()
            return await _make(console, intake, wish, found)
        if must_resume:
            raise _no_earlier_run()
        return await _make(console, intake, wish, None)
    finally:
        intake.draft.discard()


def _say_resuming(console: "Console", found: "Found") -> None:
    from bulkdelete.core.report import balance

    counts = balance(found.plan.counts, found.progress)
    console.note(
        f"Going on with {found.run.path}: {counts.accepted:,} of {counts.planned:,} IDs accepted,"
        f" {counts.ambiguous:,} in doubt, {counts.unsent:,} unsent"
    )


def _no_earlier_run() -> IntegrityError:
    return IntegrityError(
        "no_earlier_run",
        "--must-resume: there is no earlier run of this input here; nothing was sent",
        "see that --runs-dir is the disk of the earlier run, or leave --must-resume out",
    )


async def _make(
    console: "Console", intake: Intake, wish: "Wish", before: "Found | None"
) -> "RunDir | int":
    """Make a new run, and give up an unfinished one before it, when nothing speaks against it.

    The same command, started twice at once, makes one run: who comes second goes on with it.
    """
    from bulkdelete import runs

    seen = before.run.identity if before is not None else None
    made = await intake.plan(wish)
    show_plan(console, made, intake.settings)
    check(made, intake.settings, intake.accept)
    check_usual(made, intake)
    with intake.alone():
        now = await intake.earlier(wish)
        if now is None or now.identity == seen:
            if before is not None and before.unfinished:
                await runs.abandon(before, time.time())
            if intake.settings.run_dir is not None:
                runs.set_aside(intake.settings.run_dir)
            return intake.keep(made)
    return await _made_meanwhile(console, intake, wish, now)


async def _made_meanwhile(
    console: "Console", intake: Intake, wish: "Wish", run: "RunDir"
) -> "RunDir | int":
    """Go on with the run that another process made while this one was planning the same."""
    from bulkdelete import runs

    found = runs.load(run)
    same = partial(intake.same, wish, found)
    now = time.time()
    course = await runs.course(found, same, intake.settings, now, again=False, abandon=False)
    if course is runs.Course.FINISHED:
        return _already_finished(console, found)
    if course is runs.Course.NEW:
        raise BusyError(
            "busy",
            f"another process made a run of this input just now ({run.path}); "
            "nothing was sent by this one",
            "run the same command again if it is meant once more",
        )
    return run


def _already_finished(console: "Console", found: "Found") -> int:
    import msgspec

    from bulkdelete import reporting
    from bulkdelete.core.report import Reason

    report = reporting.summary(found.run, found.plan, found.progress, head="")
    report = msgspec.structs.replace(
        report,
        reason=Reason(
            "already_finished",
            f"this list was sent and finished before ({found.run.path}); nothing was sent now",
            "make a new run with --again, if it is meant once more",
        ),
    )
    console.object(report)
    console.result(f"already finished, nothing was sent: {found.run.path}")
    return report.exit_code or 0


async def deliver(  # noqa: PLR0913 - what apply and run have in common
    console: "Console",
    run: "RunDir",
    settings: "Settings",
    credentials: "Credentials | None",
    flags: ApprovalFlags,
    *,
    moved: "Sequence[str]" = (),
    dry_run: bool,
    shown: bool = False,
) -> int:
    """Send what is not settled of a run, and report."""
    from bulkdelete import running
    from bulkdelete.cli.approval import Approver
    from bulkdelete.cli.console import bug, disk_error
    from bulkdelete.cli.progress import watch
    from bulkdelete.cli.summary import show
    from bulkdelete.errors import BulkdeleteError
    from bulkdelete.io.rundir import KILL_FILE

    console.logging()
    run.check()
    plan = run.plan()
    parts = parts_of(run, plan, moved)
    if dry_run:
        check_limits(plan, settings)
        return show(console, run, None, note="dry run: nothing was sent")
    if settings.kill_file is None:
        settings = dataclasses.replace(settings, kill_file=run.path / KILL_FILE)
    job = running.Job(
        run=run,
        parts=parts,
        protect=settings.protect,
        settings=settings,
        credentials=credentials,
    )
    cap = settings.cap
    try:
        approver = Approver(
            run, flags, settings, _no_show if shown else partial(_show, console, cap)
        )
        check_limits(plan, settings)
        await running.send(job, approver, partial(watch, console))
    except BulkdeleteError as error:
        return show(console, run, error)
    except OSError as error:
        return show(console, run, disk_error(error))
    except Exception as error:  # noqa: BLE001 - a bug: the balance is told all the same
        return show(console, run, bug(error))
    return show(console, run, None)


def _no_show(_: "Plan") -> None:
    """Show nothing: the plan was shown just now."""


def _show(console: "Console", cap: int, plan: "Plan") -> None:
    from bulkdelete.cli.console import plan_lines

    for line in plan_lines(plan, None, cap):
        console.note(line)
