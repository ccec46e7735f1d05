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
    from bulkdelete.cli.console import Console
    from bulkdelete.events import Event

_OUT = OutputFlags()


def report(  # noqa: PLR0913 - its flags
    *run_dirs: Annotated[Path, Parameter(help="The run directory, or those of a job's shards.")],
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
        from bulkdelete import reporting, reviewing
        from bulkdelete.audience import Audience
        from bulkdelete.cli.common import Teller, load_settings
        from bulkdelete.cli.console import report_lines
        from bulkdelete.cli.job_words import show_job
        from bulkdelete.cli.summary import step_summary
        from bulkdelete.events import Wrote
        from bulkdelete.standing import job_status

        if shred and (outcomes is not None or id is not None or receipt):
            raise UsageError("shred", "--shred goes with no other flag")
        if receipt or sign is not None:
            return _receipt(console, _only(run_dirs), key_file, sign)
        if id is not None:
            return await _tell_of(console, run_dirs or (_only(run_dirs),), id, input, key_file)
        teller = Teller(console, load_settings(output, {}))
        wrote: list[Event] = []
        runs = run_dirs if len(run_dirs) > 1 else (_only(run_dirs),)
        if len(runs) > 1:
            await job_status(runs)  # what is no job is refused before anything is written
        for run_dir in runs:
            found = await reviewing.report(
                run_dir,
                outcomes=[one.strip() for one in outcomes.split(",")] if outcomes else [],
                outcome_format=outcome_format,
                shred=shred,
                input=input,
                key_file=key_file,
                audience=Audience(tell=teller.tell),
            )
            if len(runs) == 1 and found.state not in reporting.ALIVE:
                step_summary(run_dir / "report.md")
            console.note(f"  report       {run_dir / 'report.html'}")
        if len(runs) > 1:
            job = await reviewing.job_report(runs, audience=Audience(tell=wrote.append))
            _, page, text = [one.path for one in wrote if isinstance(one, Wrote)]
            step_summary(text)
            console.note(f"  report       {page}")
            return show_job(console, job)
        console.object(found)
        console.result("\n".join(report_lines(found)))
        return 0

    return execute(output, body)


def _only(run_dirs: tuple[Path, ...]) -> Path:
    """Return the run that is meant."""
    if len(run_dirs) != 1:
        raise UsageError(
            "run_dir", "this is about one run: name its directory", "bulkdelete report --help"
        )
    return run_dirs[0]


async def _tell_of(
    console: "Console",
    run_dirs: tuple[Path, ...],
    identifier: str,
    moved: tuple[str, ...],
    key_file: Path | None,
) -> int:
    """Print what happened to one ID; of several shards, in the one that owns it."""
    from bulkdelete import reviewing, tracing
    from bulkdelete.cli import story
    from bulkdelete.core.shard import OTHER_SHARD

    one = sys.stdin.readline().rstrip("\n") if identifier == STDIN_PATH else identifier
    entries = [
        entry
        for run_dir in run_dirs
        for entry in await reviewing.story(run_dir, one, input=moved, key_file=key_file)
        if len(run_dirs) == 1 or entry.reason != OTHER_SHARD
    ]
    console.object({"schema": tracing.SCHEMA, "found": entries})
    for entry in entries:
        console.result("\n".join(story.lines(entry)))
    return 0


def _receipt(console: "Console", run_dir: Path, key_file: Path | None, key: Path | None) -> int:
    """Write the receipt, and sign it when a key is given."""
    from bulkdelete import receipting
    from bulkdelete.intake import who
    from bulkdelete.io.rundir import RunDir

    run = RunDir(run_dir, key_file)
    run.check()
    found = receipting.make(run, run.plan(), time.time(), who())
    paths = receipting.write(run, found, key)
    console.object(found)
    console.result("\n".join(found.statement))
    console.result(f"chain head {found.evidence.chain_head}")
    for path in paths:
        console.note(f"  wrote {path}")
    return 0
