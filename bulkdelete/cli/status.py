"""`bulkdelete status`: one run, alive or dead, or the history of them all. Offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_OUT = OutputFlags()


def status(
    run_dir: Annotated[Path | None, Parameter(help="A run directory; none: all runs.")] = None,
    /,
    *,
    runs_dir: Annotated[str | None, Parameter(help="Where runs live.")] = None,
    keep: Annotated[
        str | None,
        Parameter(help="Remove runs that ended longer ago than this (30d), never unfinished ones."),
    ] = None,
    watch: Annotated[
        bool, Parameter(help="Show the progress of a run that goes on, until it ends.")
    ] = False,
    output: OutputFlags = _OUT,
) -> int:
    """Show what is known of one run, or of all. Exits 0 when the balance verifies."""

    async def body(console: "Console") -> int:
        from bulkdelete import library
        from bulkdelete.cli import history, watching
        from bulkdelete.cli.common import load_settings
        from bulkdelete.cli.console import report_lines

        if watch:
            await watching.watch(console, watching.named(run_dir))
        if run_dir is None:
            place = load_settings(output, {"runs_dir": runs_dir}).runs_dir
            return history.show(console, place, history.age(keep))
        history.refuse_keep(keep)
        report = await library.status(run_dir)
        console.object(report)
        console.result("\n".join(report_lines(report)))
        return 0

    return execute(output, body)
