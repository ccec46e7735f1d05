"""`bulkdelete verify`: later, are the profiles gone? By sample or in full; deletes nothing."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags, PlaceFlags, given
from bulkdelete.errors import BulkdeleteError, IntegrityError, UsageError

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.core.verification import Wish
    from bulkdelete.verifying import Job

_PLACE, _OUT = PlaceFlags(), OutputFlags()
_WHAT = Group("What is asked", sort_key=1)
_HOW = Group("Asking", sort_key=3)


def verify(  # noqa: PLR0913 - its flags
    run_dir: Annotated[Path, Parameter(help="The run directory.")],
    /,
    *,
    full: Annotated[bool, Parameter(group=_WHAT, help="Ask for every accepted ID.")] = False,
    sample: Annotated[
        int | None,
        Parameter(
            group=_WHAT,
            help="Ask for so many, at random (default: so many that finding all gone means"
            " fewer than 1 in 1,000 are left, with 95 % confidence).",
        ),
    ] = None,
    seed: Annotated[
        int | None, Parameter(group=_WHAT, help="Choose the sample by this number, again.")
    ] = None,
    ambiguous: Annotated[
        bool, Parameter(group=_WHAT, help="Ask for the IDs in doubt instead, each of them.")
    ] = False,
    watch_return: Annotated[
        bool,
        Parameter(group=_WHAT, help="Ask for the same again after 7 and 30 days: who came back?"),
    ] = False,
    now: Annotated[
        bool, Parameter(group=_WHAT, help="Do not wait for the 48 hours (or 7, or 30 days).")
    ] = False,
    input: Annotated[  # noqa: A002 - the flag's name
        tuple[str, ...], Parameter(help="Where the input is now, if it moved.")
    ] = (),
    key_file: Annotated[str | None, Parameter(help="Where the run's key is.")] = None,
    place: PlaceFlags = _PLACE,
    max_in_flight: Annotated[
        str | None, Parameter(group=_HOW, help="Requests in flight at most (3).")
    ] = None,
    leave_free: Annotated[
        str | None, Parameter(group=_HOW, help="Of these, slots to leave to others (0).")
    ] = None,
    rate: Annotated[
        str | None, Parameter(group=_HOW, help="Requests started per second at most.")
    ] = None,
    max_attempts: Annotated[
        str | None, Parameter(group=_HOW, help="Attempts for an ID before it is unknown (5).")
    ] = None,
    timeout: Annotated[
        str | None, Parameter(group=_HOW, help="Seconds for a request, in all (60).")
    ] = None,
    give_up_after: Annotated[
        str | None, Parameter(group=_HOW, help="How long an outage may last (15m).")
    ] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Ask whether the profiles are gone: 48 hours after the run, by sample or in full."""
    flags = {
        "key_file": key_file,
        "max_in_flight": max_in_flight,
        "leave_free": leave_free,
        "rate": rate,
        "max_attempts": max_attempts,
        "timeout": timeout,
        "give_up_after": give_up_after,
    }

    async def body(console: "Console") -> int:
        from bulkdelete.core.verification import Scope, Wish

        _check(sample, full=full, ambiguous=ambiguous)
        wish = Wish(
            scope=Scope.AMBIGUOUS if ambiguous else Scope.ACCEPTED,
            full=full,
            sample=sample,
            seed=seed,
            watch=watch_return,
            at_once=now,
        )
        console.logging()
        return await _verify(console, _job(run_dir, input, output, flags | given(place), wish))

    return execute(output, body)


def _check(sample: int | None, *, full: bool, ambiguous: bool) -> None:
    if sample is not None and (full or ambiguous):
        raise UsageError("sample", "--full and --ambiguous ask for each ID: leave --sample out")
    if sample is not None and sample < 1:
        raise UsageError("bad_value", "--sample: 1 or more is wanted")


def _job(
    run_dir: Path,
    moved: tuple[str, ...],
    output: OutputFlags,
    flags: dict[str, object],
    wish: "Wish",
) -> "Job":
    from bulkdelete.cli.common import load_settings, parts_of
    from bulkdelete.io.rundir import RunDir
    from bulkdelete.settings import credentials
    from bulkdelete.verifying import Job

    settings = load_settings(output, flags)
    run = RunDir(run_dir, settings.key_file)
    run.check()
    plan = run.plan()
    if plan.draft:
        raise UsageError("draft", "this plan is a draft: nothing of it was sent")
    if settings.host is not None and settings.host != plan.bound.host:
        raise IntegrityError(
            "other_host",
            "the run was sent to another host than the one named now; nothing was asked",
            "leave --region and --endpoint out: the plan names its own",
        )
    return Job(
        run=run,
        parts=parts_of(run, plan, moved),
        settings=settings,
        credentials=credentials(settings, os.environ),
        wish=wish,
    )


async def _verify(console: "Console", job: "Job") -> int:
    from bulkdelete.verifying import verify as ask

    try:
        found = await ask(job, time.time)
    except BulkdeleteError as error:
        console.failure(error)
        console.object(_refused(job, error))
        return error.exit
    _rewrite(job)
    console.object(found)
    console.result(found.sentence)
    for path in found.files:
        console.note(f"  wrote {path}")
    return found.exit_code


def _refused(job: "Job", error: BulkdeleteError) -> dict[str, object]:
    from bulkdelete.core.verification import SCHEMA

    return {
        "schema": SCHEMA,
        "run_id": job.run.run_id,
        "run_dir": str(job.run.path),
        "exit_code": error.exit,
        "reason": {"code": error.code, "message": str(error), "hint": error.hint},
    }


def _rewrite(job: "Job") -> None:
    """Put the conclusion into the run's reports."""
    from bulkdelete import reporting
    from bulkdelete.cli.summary import step_summary
    from bulkdelete.version import __version__

    run = job.run
    plan = run.plan()
    progress, reader = run.progress(plan)
    if run.busy():
        return
    report = reporting.summary(run, plan, progress, head=reader.head)
    reporting.write(run, report, plan, progress, __version__)
    step_summary(run)
