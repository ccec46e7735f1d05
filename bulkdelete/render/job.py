"""The report of a job that was sent in shards: as one HTML page, and as Markdown."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkdelete.core.job_report import owned
from bulkdelete.core.model import State
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.core.report import PLANNED
from bulkdelete.render.html import MEANINGS, mood, segments, template, verdict
from bulkdelete.render.markdown import table, text

if TYPE_CHECKING:
    from bulkdelete.core.job_report import JobReport
    from bulkdelete.core.report import Report


@dataclass(frozen=True, slots=True)
class Row:
    """A shard in the table of all; its balance is without what others own."""

    index: int
    state: str
    exit: str
    planned: int
    ids: dict[str, int]
    run: str
    reason: str


def page(job: "JobReport") -> str:
    """Return the HTML page of a job."""
    ids = job.ids
    return template("job.html.jinja").render(
        job=job,
        report=job,
        title=_title(job),
        verdict=verdict(_facts(job)),
        mood=mood(_facts(job)),
        missing=missing(job),
        states=[(state.value, ids[state], MEANINGS[state]) for state in State],
        segments=segments(ids),
        rows=[_row(one) for one in job.shards],
    )


def markdown(job: "JobReport") -> str:
    """Return a job's report as Markdown."""
    lines = [f"## {_title(job)}", "", f"**{text(verdict(_facts(job)))}**", ""]
    if job.missing:
        lines += [f"> {text(missing(job))}", ""]
    rows: list[tuple[object, ...]] = [
        (state.value, f"{job.ids[state]:,}", MEANINGS[state]) for state in State
    ]
    lines += table(("IDs", "", "it means"), [*rows, ("read", f"{job.ids['read']:,}", "the sum")])
    counted = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in job.requests.items())
    lines += [f"Requests: {counted}.", ""]
    head = ("shard", "exit", "planned", *PLANNED, "state, run")
    lines += table(head, [_cells(_row(one)) for one in job.shards])
    return "\n".join([*lines, f"- job `{job.job_digest}`", ""])


def missing(job: "JobReport") -> str:
    """Say which shards are not there; "" when all are."""
    if not job.missing:
        return ""
    shards = ", ".join(map(str, job.missing))
    return (
        f"Shards {shards} of {job.count} are not among these runs: of {job.missing_ids:,} IDs of"
        " the list nothing is known here."
    )


def _title(job: "JobReport") -> str:
    short = job.job_digest.removeprefix("sha256:")[:SHORT_DIGEST]
    return f"Job {short}, {job.count} shards"


def _facts(job: "JobReport") -> dict[str, Any]:
    return {"ids": job.ids, "state": job.state}


def _row(report: "Report") -> Row:
    ids = owned(report)
    return Row(
        index=report.job.index if report.job is not None else 0,
        state=report.state,
        exit="" if report.exit_code is None else str(report.exit_code),
        planned=sum(ids[name] for name in PLANNED),
        ids=ids,
        run=report.run_id,
        reason=report.reason.message if report.reason is not None else "",
    )


def _cells(row: Row) -> tuple[object, ...]:
    counts = [f"{row.ids[name]:,}" for name in PLANNED]
    why = f"; {text(row.reason)}" if row.reason else ""
    end = f"{row.state}, {text(row.run)}{why}"
    return (row.index, row.exit, f"{row.planned:,}", *counts, end)
