"""Reports and outcome files of a run, and the story of one ID, as the library makes them. Offline.

Nothing that sends is loaded for it.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete import outcome_files, reporting, shredding, tracing
from bulkdelete.audience import NOBODY, Audience
from bulkdelete.core.job_report import JobReport
from bulkdelete.core.model import State
from bulkdelete.core.report import Report
from bulkdelete.errors import UsageError
from bulkdelete.events import Removed, Wrote
from bulkdelete.intake import parts_of
from bulkdelete.io.columnar import check_extra
from bulkdelete.options import Place, words
from bulkdelete.reading import check_unchanged
from bulkdelete.standing import job_status, named
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


async def job_report(run_dirs: "Sequence[Place]", *, audience: Audience = NOBODY) -> JobReport:
    """Write the report of a job, as JSON, HTML and Markdown, beside the first of its shards' runs.

    The shards' own reports stay as they are. Offline.
    """
    job = await job_status(run_dirs)
    for path in reporting.write_job(Path(run_dirs[0]).parent, job):
        audience.told(Wrote(path))
    return job


async def story(
    run_dir: Place,
    identifier: str,
    *,
    input: "Sequence[Place]" = (),  # noqa: A002 - the flag's name
    key_file: Place | None = None,
) -> list[tracing.Entry]:
    """Tell what happened to one ID: an entry for each time that it stands in the input."""
    found = named(run_dir, key_file)
    found.check()
    made = found.plan()
    progress, _ = found.progress(made)
    parts = parts_of(found, made, words(input))
    await check_unchanged(made, parts)
    return await tracing.story(found, made, parts, progress, identifier)


async def report(  # noqa: PLR0913 - its flags
    run_dir: Place,
    *,
    outcomes: "Sequence[str]" = (),
    outcome_format: str = "csv",
    shred: bool = False,
    input: "Sequence[Place]" = (),  # noqa: A002 - the flag's name
    key_file: Place | None = None,
    audience: Audience = NOBODY,
) -> Report:
    """Write the reports of a run anew, and outcome files of the states in `outcomes`. Offline."""
    found = named(run_dir, key_file)
    found.check()
    made = found.plan()
    states, form = _states(outcomes), _form(outcome_format)
    if shred:
        for path in await shredding.shred(found, made, time.time()):
            audience.told(Removed(path))
    progress, reader = found.progress(made)
    summary = reporting.summary(found, made, progress, head=reader.head, busy=found.busy())
    examples = outcome_files.Examples() if states or shred else None
    if states:
        parts = parts_of(found, made, words(input))
        await check_unchanged(made, parts)
        paths = await outcome_files.write_outcomes(
            found, made, parts, progress, states, form, examples
        )
        for path in paths.values():
            audience.told(Wrote(path))
    if summary.state not in reporting.ALIVE:
        kept = examples.found if examples is not None else None
        reporting.write(found, summary, made, progress, __version__, kept)
    return summary


def _states(outcomes: "Sequence[str]") -> list[State]:
    try:
        return list(State) if "all" in outcomes else [State(one) for one in outcomes]
    except ValueError as error:
        allowed = ", ".join(State)
        raise UsageError("bad_value", f"--outcomes: some of {allowed} are wanted") from error


def _form(name: str) -> str:
    if name not in outcome_files.WRITERS:
        known = ", ".join(outcome_files.WRITERS)
        raise UsageError("bad_value", f"--outcome-format: one of {known} is wanted")
    if name == "parquet":
        check_extra("--outcome-format parquet")
    return name
