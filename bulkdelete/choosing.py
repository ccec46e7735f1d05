"""Which run a list belongs to: the unfinished one that goes on, or a new one that is made now."""

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bulkdelete import reporting, runs
from bulkdelete.core.report import Reason, Report, balance
from bulkdelete.errors import BulkdeleteError, BusyError, IntegrityError
from bulkdelete.events import Fleeting, Kept, Looked, PassedOver, Resuming
from bulkdelete.io.places import fleeting
from bulkdelete.io.rundir import RunDir
from bulkdelete.past import Past

if TYPE_CHECKING:
    from bulkdelete.core.plan import Plan
    from bulkdelete.events import Tell
    from bulkdelete.intake import Intake
    from bulkdelete.planning import Planned
    from bulkdelete.runs import Found
    from bulkdelete.settings import Settings
    from bulkdelete.wish import Wish


async def choose(
    intake: "Intake", tell: "Tell", *, again: bool, abandon: bool, must_resume: bool
) -> "RunDir | Report":
    """Return the run to go on with (made now, if need be), or the report of a finished one."""
    try:
        wish = await intake.wish()
        while (earlier := await intake.earlier(wish)) is not None:
            found = await _loaded(intake, earlier, tell, abandon=abandon)
            if found is None:
                continue
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
                tell(PassedOver(earlier.path))
                continue
            if course is runs.Course.RESUME:
                done = await _sent_before(intake, found, tell, again=again)
                if done is not None:
                    return already_finished(done)
                tell(_resuming(found))
                return earlier
            if course is runs.Course.FINISHED:
                return already_finished(found)
            if must_resume and found.progress.abandoned:
                raise _no_earlier_run()
            return await _make(intake, tell, wish, found, again=again, abandon=abandon)
        if must_resume:
            raise _no_earlier_run()
        return await _make(intake, tell, wish, None, again=again, abandon=abandon)
    finally:
        intake.draft.discard()


async def _loaded(
    intake: "Intake", earlier: "RunDir", tell: "Tell", *, abandon: bool
) -> "Found | None":
    """Read an earlier run; one that cannot be read is passed over where it is given up."""
    try:
        return await asyncio.to_thread(runs.load, earlier)
    except BulkdeleteError as error:
        if not abandon:
            raise runs.unreadable(earlier, error) from None
    intake.passed.append(earlier.path)
    intake.unreadable.append(earlier.path)
    tell(PassedOver(earlier.path, unreadable=True))
    return None


async def made(intake: "Intake", tell: "Tell") -> "RunDir":
    """Make a plan and keep it, when nothing speaks against it; whatever else there is."""
    try:
        found = await _planned(intake, tell, await intake.wish())
        with intake.alone():
            return _kept(intake, tell, found)
    finally:
        intake.draft.discard()


async def sent_meanwhile(
    run: "RunDir", plan: "Plan", settings: "Settings", *, again: bool
) -> "Report | None":
    """Look, before a plan that was only made so far is sent, who sent it since: as `run` does.

    Return the report of that, while its approval lives. GuardError (`already_done`) when that is
    over, IntegrityError where the list is begun elsewhere and not finished.
    """
    try:
        found = await asyncio.to_thread(runs.load, run)
    except BulkdeleteError:
        return None  # who reads it next says why
    if not found.untouched:
        return None
    past = Past.of(run, settings)
    await asyncio.to_thread(past.check_alone, plan)
    done = None if again else await asyncio.to_thread(past.sent, plan)
    return None if done is None else already_finished(done)


async def _planned(intake: "Intake", tell: "Tell", wish: "Wish") -> "Planned":
    found = await intake.plan(wish)
    tell(Looked(found.plan, found.findings))
    intake.check(found)
    return found


def _kept(intake: "Intake", tell: "Tell", found: "Planned") -> "RunDir":
    run = intake.keep(found)
    tell(Kept(run.path, found.plan))
    if what := fleeting(run.path):
        tell(Fleeting(run.path, what))
    return run


async def _make(
    intake: "Intake",
    tell: "Tell",
    wish: "Wish",
    before: "Found | None",
    *,
    again: bool,
    abandon: bool,
) -> "RunDir | Report":
    """Make a new run, and give up an unfinished one before it, when nothing speaks against it.

    The same command, started twice at once, makes one run: who comes second goes on with it.
    """
    seen = before.run.identity if before is not None else None
    found = await _planned(intake, tell, wish)
    with intake.alone():
        now = await intake.earlier(wish)
        if now is None or now.identity == seen:
            await asyncio.to_thread(_check_passed, intake)
            done = await _elsewhere(intake, found.plan, tell, again=again, abandon=abandon)
            if done is not None:
                return already_finished(done)
            if before is not None and before.unfinished:
                await runs.abandon(before, time.time())
            if intake.settings.run_dir is not None:
                runs.set_aside(intake.settings.run_dir)
            return _kept(intake, tell, found)
    return await _made_meanwhile(intake, wish, now, tell, again=again)


async def _made_meanwhile(
    intake: "Intake", wish: "Wish", run: "RunDir", tell: "Tell", *, again: bool
) -> "RunDir | Report":
    """Go on with the run that another process made while this one was planning the same.

    Any other run is not sent: what was said to this command, as its approval, is not said of that.
    """
    found = await asyncio.to_thread(runs.load, run)
    same = partial(intake.same, wish, found)
    now = time.time()
    course = await runs.course(found, same, intake.settings, now, again=False, abandon=False)
    if course is runs.Course.FINISHED:
        return already_finished(found)
    if course is runs.Course.RESUME:
        done = await _sent_before(intake, found, tell, again=again)
        return run if done is None else already_finished(done)
    raise BusyError(
        "busy",
        f"another process made a run of this input just now ({run.path}), and not the one that "
        "is meant here; nothing was sent by this one",
        "run the same command again if it is meant all the same",
    )


def _check_passed(intake: "Intake") -> None:
    """Refuse a new run where one that was passed over is not left alone any more: both would send.

    It is held by a process while that asks for its approval, too.
    """
    for run in map(RunDir, intake.passed):
        given_up = run.path in intake.unreadable
        if run.exists() and (run.busy() or not (given_up or runs.load(run).untouched)):
            raise BusyError(
                "busy",
                f"another process has begun with the run {run.path} of this input, which has "
                "another plan; nothing was sent by this one",
                f"watch it with: bulkdelete status {run.path}",
            )


async def _sent_before(
    intake: "Intake", found: "Found", tell: "Tell", *, again: bool
) -> "Found | None":
    """Look for another run that sent a plan that was only made so far; it may refuse that, too."""
    if not found.untouched:
        return None
    return await _elsewhere(intake, found.plan, tell, again=again, abandon=False)


async def _elsewhere(
    intake: "Intake", plan: "Plan", tell: "Tell", *, again: bool, abandon: bool
) -> "Found | None":
    """Return the run that sent this plan, in another place; give up what is not finished there."""
    past, passed = intake.past, list[Path]()
    if not abandon:
        await asyncio.to_thread(past.check_alone, plan)
    looked = passed if abandon else None
    done = None if again else await asyncio.to_thread(past.sent, plan, looked)
    if abandon and done is None:
        for found in await asyncio.to_thread(lambda: list(past.unfinished(plan, passed))):
            await runs.abandon(found, time.time())
    for path in dict.fromkeys(passed):
        tell(PassedOver(path, unreadable=True))
    return done


def _resuming(found: "Found") -> Resuming:
    counts = balance(found.plan.counts, found.progress)
    return Resuming(
        found.run.path, counts.planned, counts.accepted, counts.ambiguous, counts.unsent
    )


def _no_earlier_run() -> IntegrityError:
    return IntegrityError(
        "no_earlier_run",
        "--must-resume: there is no earlier run of this input here; nothing was sent",
        "see that --runs-dir is the disk of the earlier run, or leave --must-resume out",
    )


def already_finished(found: "Found") -> Report:
    """Return the report of a run that sent a list before, saying so."""
    report = reporting.summary(found.run, found.plan, found.progress, head="")
    return msgspec.structs.replace(
        report,
        reason=Reason(
            "already_finished",
            f"this list was sent and finished before ({found.run.path}); nothing was sent now",
            "make a new run with --again, if it is meant once more",
        ),
    )
