"""`bulkdelete report`: reports and outcome files, from checkpoint + input. Offline."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli import STDIN_PATH
from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags
from bulkdelete.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.cli.console import Console
    from bulkdelete.core.model import State
    from bulkdelete.core.plan import Plan
    from bulkdelete.io.rundir import RunDir

_OUT = OutputFlags()


def report(  # noqa: PLR0913 - its flags
    run_dir: Annotated[Path, Parameter(help="The run directory.")],
    /,
    *,
    outcomes: Annotated[
        str | None,
        Parameter(help="States to write files of, with commas; `all` for every one."),
    ] = None,
    outcome_format: Annotated[
        str, Parameter(help="csv (default), or jsonl or parquet (both exact).")
    ] = "csv",
    id: Annotated[  # noqa: A002 - the flag's name
        str | None, Parameter(help="Tell what happened to this ID (- reads it from stdin).")
    ] = None,
    input: Annotated[  # noqa: A002 - the flag's name
        tuple[str, ...], Parameter(help="Where the input is now, if it moved.")
    ] = (),
    receipt: Annotated[
        bool, Parameter(help="Make a receipt to give away: no ID, no file name is in it.")
    ] = False,
    sign: Annotated[
        Path | None, Parameter(help="Sign the receipt with this SSH key (or an agent's .pub).")
    ] = None,
    shred: Annotated[
        bool, Parameter(help="Destroy the key and all files of IDs of a finished run, for good.")
    ] = False,
    key_file: Annotated[Path | None, Parameter(help="Where the run's key is.")] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Write reports and outcome files of a run; tell what happened to one ID."""

    async def body(console: "Console") -> int:
        from bulkdelete import outcome_files, reporting, shredding, tracing
        from bulkdelete.cli import story
        from bulkdelete.cli.common import parts_of
        from bulkdelete.cli.console import report_lines
        from bulkdelete.cli.summary import step_summary
        from bulkdelete.io.rundir import RunDir
        from bulkdelete.reading import check_unchanged
        from bulkdelete.version import __version__

        form = _format(outcome_format)
        run = RunDir(run_dir, key_file)
        run.check()
        plan = run.plan()
        if shred:
            if outcomes is not None or id is not None or receipt:
                raise UsageError("shred", "--shred goes with no other flag")
            for path in await shredding.shred(run, plan, time.time()):
                console.note(f"  removed {path}")
        if receipt or sign is not None:
            return _receipt(console, run, plan, sign)
        progress, reader = run.progress(plan)
        found = reporting.summary(run, plan, progress, head=reader.head, busy=run.busy())
        wanted = _states(outcomes)
        if wanted or id is not None:
            parts = parts_of(run, plan, input)
            await check_unchanged(plan, parts)
        if id is not None:
            one = sys.stdin.readline().rstrip("\n") if id == STDIN_PATH else id
            entries = await tracing.story(run, plan, parts, progress, one)
            console.object({"schema": tracing.SCHEMA, "found": entries})
            for entry in entries:
                console.result("\n".join(story.lines(entry)))
            return 0
        examples = outcome_files.Examples() if wanted or shred else None
        if wanted:
            paths = await outcome_files.write_outcomes(
                run, plan, parts, progress, wanted, form, examples
            )
            for path in paths.values():
                console.note(f"  wrote {path}")
        if found.state not in reporting.ALIVE:
            kept = examples.found if examples is not None else None
            reporting.write(run, found, plan, progress, __version__, kept)
            step_summary(run)
        console.object(found)
        console.result("\n".join(report_lines(found)))
        console.note(f"  report       {run.path / 'report.html'}")
        return 0

    return execute(output, body)


def _receipt(console: "Console", run: "RunDir", plan: "Plan", key: Path | None) -> int:
    """Write the receipt, and sign it when a key is given."""
    from bulkdelete import receipting
    from bulkdelete.cli.common import who

    found = receipting.make(run, plan, time.time(), who())
    paths = receipting.write(run, found, key)
    console.object(found)
    console.result("\n".join(found.statement))
    console.result(f"chain head {found.evidence.chain_head}")
    for path in paths:
        console.note(f"  wrote {path}")
    return 0


def _states(names: str | None) -> "Sequence[State]":
    from bulkdelete.core.model import State

    if names is None:
        return []
    if names == "all":
        return list(State)
    try:
        return [State(name.strip()) for name in names.split(",")]
    except ValueError as error:
        allowed = ", ".join(State)
        raise UsageError("bad_value", f"--outcomes: some of {allowed} are wanted") from error


def _format(name: str) -> str:
    from bulkdelete.io.columnar import check_extra
    from bulkdelete.outcome_files import WRITERS

    if name not in WRITERS:
        raise UsageError("bad_value", f"--outcome-format: one of {', '.join(WRITERS)} is wanted")
    if name == "parquet":
        check_extra("--outcome-format parquet")
    return name
