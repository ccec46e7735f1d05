"""`bulkdelete status`: one run, the shards of a job, or the history of all runs. Offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags
from bulkdelete.errors import UsageError

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
        from bulkdelete import standing
        from bulkdelete.cli.console import report_lines

        # Each way loads what it needs: of all commands this one is asked the most often.
        if watch:
            from bulkdelete.cli import watching

            await watching.watch(console, watching.named(run_dirs))
        if not run_dirs:
            return _history(console, output, runs_dir, keep)
        _refuse_keep(keep)
        if len(run_dirs) > 1:
            from bulkdelete.cli.job_words import show_job

            return show_job(console, await standing.job_status(run_dirs))
        report = await standing.status(*run_dirs)
        console.object(report)
        console.result("\n".join(report_lines(report)))
        return 0

    return execute(output, body)


def _history(
    console: "Console", output: OutputFlags, runs_dir: str | None, keep: str | None
) -> int:
    """Print what is known of all runs, and remove those that are too old."""
    from bulkdelete.cli import history
    from bulkdelete.cli.common import load_settings

    place = load_settings(output, {"runs_dir": runs_dir}).runs_dir
    return history.show(console, place, history.age(keep))


def _refuse_keep(keep: str | None) -> None:
    """Refuse `--keep` for one run: it is about all of them."""
    if keep is not None:
        raise UsageError("keep", "--keep is for the whole runs directory: name no run with it")
