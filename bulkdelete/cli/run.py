"""`bulkdelete run`: plan, ask, send, report; the same command again resumes."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

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
    TellFlags,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bulkdelete.cli.common import Teller
    from bulkdelete.cli.console import Console
    from bulkdelete.core.report import Report
    from bulkdelete.options import SendOptions

_IN, _SELECT, _PLACE, _GUARD = InputFlags(), SelectFlags(), PlaceFlags(), GuardFlags()
_SEND, _TELL = SendFlags(), TellFlags()
_APPROVAL, _ACCEPT, _RUNS, _OUT = ApprovalFlags(), AcceptFlags(), RunsFlags(), OutputFlags()


def run(  # noqa: PLR0913 - one per group of flags
    *inputs: Annotated[
        str, Parameter(help="Files, globs, addresses (s3://, https://), or -: standard input.")
    ],
    reading: InputFlags = _IN,
    select: SelectFlags = _SELECT,
    place: PlaceFlags = _PLACE,
    guard: GuardFlags = _GUARD,
    accept: AcceptFlags = _ACCEPT,
    approval: ApprovalFlags = _APPROVAL,
    sending: SendFlags = _SEND,
    telling: TellFlags = _TELL,
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
        from bulkdelete import library
        from bulkdelete.cli.common import Teller, accepted, credentials_of, settings_of

        settings = settings_of(output, reading, select, place, guard, sending, telling, where)
        teller = Teller(console, settings)
        offline = dry_run or settings.host is None
        running = library.run(
            *inputs,
            settings=settings,
            credentials=None if offline else credentials_of(settings),
            audience=teller.audience,
            **accepted(accept),
            **approved(approval, dry_run=dry_run),
            again=again,
            abandon=abandon,
            must_resume=must_resume,
        )
        return await shown(console, teller, running, dry_run=dry_run)

    return execute(output, body)


def approved(flags: ApprovalFlags, *, dry_run: bool) -> "SendOptions":
    """Return what was said of approval, and whether it is meant in earnest."""
    options: SendOptions = {"yes": flags.yes, "renew": flags.renew, "dry_run": dry_run}
    if flags.approve is not None:
        options["approve"] = flags.approve
    return options


async def shown(
    console: "Console",
    teller: "Teller",
    running: "Coroutine[Any, Any, Report]",
    *,
    dry_run: bool,
) -> int:
    """Await a run, and print how it stands then; return the exit code."""
    from bulkdelete.cli.console import bug
    from bulkdelete.cli.summary import show
    from bulkdelete.errors import BulkdeleteError

    console.logging()
    stopped: BulkdeleteError | None = None
    try:
        report = await running
    except BulkdeleteError as error:
        if teller.report is None:
            raise
        stopped, report = error, teller.report
    except Exception as error:
        if teller.report is None:
            raise
        stopped, report = bug(error), teller.report
    return show(console, report, stopped, note="dry run: nothing was sent" if dry_run else "")
