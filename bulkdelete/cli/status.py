"""`bulkdelete status`: one run, the shards of a job, or the history of all runs. Offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_OUT = OutputFlags()


def status(
    *run_dirs: Annotated[
        Path, Parameter(help="A run directory, or those of a job's shards; none: all runs.")
    ],
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
    """Show what is known of one run, a job's shards, or all runs. Exits 0 when it adds up."""

    async def body(console: "Console") -> int:
        from bulkdelete import library
        from bulkdelete.cli import history, watching
        from bulkdelete.cli.common import load_settings
        from bulkdelete.cli.console import report_lines
        from bulkdelete.cli.job_words import show_job

        if watch:
            await watching.watch(console, watching.named(run_dirs))
        if not run_dirs:
            place = load_settings(output, {"runs_dir": runs_dir}).runs_dir
            return history.show(console, place, history.age(keep))
        history.refuse_keep(keep)
        if len(run_dirs) > 1:
            return show_job(console, await library.job_status(run_dirs))
        report = await library.status(*run_dirs)
        console.object(report)
        console.result("\n".join(report_lines(report)))
        return 0

    return execute(output, body)
