"""`bulkdelete plan`."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.common import (
    Intake,
    check,
    check_usual,
    refuse_emulator,
    settings_of,
    show_plan,
)
from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import (
    AcceptFlags,
    GuardFlags,
    InputFlags,
    OutputFlags,
    PlaceFlags,
    RunsFlags,
    SelectFlags,
)

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_IN, _SELECT, _PLACE, _GUARD = InputFlags(), SelectFlags(), PlaceFlags(), GuardFlags()
_RUNS, _OUT, _ACCEPT = RunsFlags(), OutputFlags(), AcceptFlags()


def plan(  # noqa: PLR0913 - one per group of flags
    *inputs: Annotated[str, Parameter(help="Files, globs, or - for standard input.")],
    reading: InputFlags = _IN,
    select: SelectFlags = _SELECT,
    place: PlaceFlags = _PLACE,
    guard: GuardFlags = _GUARD,
    accept: AcceptFlags = _ACCEPT,
    where: RunsFlags = _RUNS,
    output: OutputFlags = _OUT,
) -> int:
    """Read and check a list, count it, and write a run directory. Sends nothing."""

    async def body(console: "Console") -> int:
        from bulkdelete import reporting

        settings = settings_of(output, reading, select, place, guard, where)
        refuse_emulator(settings)
        intake = Intake(inputs, settings, accept)
        try:
            made = await intake.plan(await intake.wish())
            show_plan(console, made, settings)
            check(made, settings, accept)
            check_usual(made, intake)
            with intake.alone():
                run = intake.keep(made)
        finally:
            intake.draft.discard()
        progress, reader = run.progress(made.plan)
        report = reporting.summary(run, made.plan, progress, head=reader.head)
        console.object(report)
        console.result(f"planned {made.plan.counts.planned:,} IDs: {run.path}")
        if not made.plan.draft:
            console.note(f"  next: bulkdelete apply {run.path}")
        return 0

    return execute(output, body)
