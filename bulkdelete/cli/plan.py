"""`bulkdelete plan`."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

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
    *inputs: Annotated[
        str, Parameter(help="Files, globs, addresses (s3://, https://), or -: standard input.")
    ],
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
        from bulkdelete import library
        from bulkdelete.audience import Audience
        from bulkdelete.cli.common import Teller, accepted, settings_of

        settings = settings_of(output, reading, select, place, guard, where)
        audience = Audience(tell=Teller(console, settings).tell)
        report = await library.plan(
            *inputs, settings=settings, audience=audience, **accepted(accept)
        )
        planned = sum(report.ids[name] for name in ("unsent", "accepted", "rejected", "ambiguous"))
        console.object(report)
        console.result(f"planned {planned:,} IDs: {report.run_dir}")
        if report.state != "draft":
            if settings.signatures:
                console.note(
                    f"  next, somebody else: bulkdelete approve {report.run_dir} --sign KEY"
                )
            console.note(f"  next: bulkdelete apply {report.run_dir}")
        return 0

    return execute(output, body)
