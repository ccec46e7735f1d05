"""What happened: plan + checkpoint -> summary and reports.

All of it is derived; nothing here is believed by the sending side.
"""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import report as reports
from bulkdelete.core import stamps
from bulkdelete.core.full import FullReport, full
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.core.times import Window
from bulkdelete.core.verification import Verification, says
from bulkdelete.errors import IntegrityError
from bulkdelete.io import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bulkdelete.core.job_report import JobReport
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import RunDir


ALIVE = frozenset({"running", "paused"})
"""States of a run that a process holds."""


def state_of(plan: "Plan", progress: "Progress", *, busy: bool) -> str:
    """Name the state of a run, as the summary shows it."""
    if progress.abandoned:
        return "abandoned"
    if busy:
        return "paused" if progress.paused or _closed(progress) else "running"
    if progress.seal is not None:
        return "finished"
    if not progress.starts:
        return "draft" if plan.draft else "planned"
    stop = progress.stopped
    return "stopped" if stop is not None and stop.exit < 128 else "interrupted"  # noqa: PLR2004


def _closed(progress: "Progress") -> bool:
    """Tell whether a process that is alive waits for the hours of its --window."""
    window = progress.starts[-1].settings.get("window") if progress.starts else None
    if window is None:
        return False
    now = time.localtime()
    seconds = now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec
    return bool(Window.parse(window).closed_for(seconds))


def summary(
    run: "RunDir", plan: "Plan", progress: "Progress", *, head: str, busy: bool = False
) -> reports.Report:
    """Work the summary out, offline, from the plan and the replayed checkpoint."""
    stop, seal = progress.stopped, progress.seal
    last = seal or stop
    reason = None
    if seal is None and stop is not None:
        reason = reports.Reason(stop.code, stop.message, stop.hint)
    if seal is not None and seal.exit:
        reason = reports.Reason(
            "not_all_accepted",
            f"finished, but {seal.ids['rejected']:,} IDs were rejected and "
            f"{seal.ids['ambiguous']:,} are in doubt",
            f"look at rejected.csv and ambiguous.csv in {run.path}",
        )
    verified, notes = _verified(run, plan, progress)
    if len({start.machine for start in progress.starts}) > 1:
        notes += (
            (
                "sent from more than one machine: were the run directory copied, and not moved, "
                "each copy would send what is left"
            ),
        )
    notes += tuple(f"selected by {one}" for one in plan.bound.selection)
    notes += tuple(f"each ID was put as --{one} says" for one in plan.bound.normal)
    if progress.shredded:
        notes += ("shredded: the key and the files of IDs were destroyed",)
    return reports.Report(
        run_id=run.run_id,
        run_dir=str(run.path),
        plan_digest=plan.digest,
        state=state_of(plan, progress, busy=busy),
        exit_code=last.exit if last is not None else None,
        reason=reason,
        ids=reports.as_dict(reports.balance(plan.counts, progress)),
        chunks=reports.chunk_counts(plan.counts, progress),
        requests=reports.request_counts(progress),
        timing=reports.Timing(
            plan_s=round(plan.seconds, 3),
            send_s=round(progress.send_seconds, 3),
            in_flight_utilisation=round(last.utilisation if last is not None else 0.0, 4),
            latency_ms=reports.latency(progress),
        ),
        in_flight=reports.in_flight(progress) if busy else reports.InFlight(),
        verification=verified,
        chain_head=head,
        changes=tuple(reports.Change(one.name, one.value, one.at) for one in progress.settings),
        notes=notes,
        job=reports.job_facts(plan),
    )


def _verified(
    run: "RunDir", plan: "Plan", progress: "Progress"
) -> tuple[Verification | None, tuple[str, ...]]:
    """Return the last conclusion of a verification, and what is to be said if it is damaged."""
    try:
        rounds, _ = run.rounds(plan)
    except IntegrityError as error:
        return None, (str(error),)
    if not (concluded := rounds.concluded()):
        return None, ()
    found = says(concluded[-1], run.run_id, str(run.path), progress.last_at)
    return found, ()


def whole(
    run: "RunDir",
    report: reports.Report,
    plan: "Plan",
    progress: "Progress",
    version: str,
    examples: "Mapping[str, list[str]] | None" = None,
) -> FullReport:
    """Put the whole report together."""
    if examples is None:
        examples = _earlier_examples(run)
    return full(report, plan, progress, version, examples)


def _earlier_examples(run: "RunDir") -> "Mapping[str, list[str]]":
    """Return the examples of the report that is there: without the input there are no new ones."""
    try:
        earlier = msgspec.json.decode(run.report_path.read_bytes(), type=FullReport)
    except (OSError, ValueError, msgspec.MsgspecError):
        return {}
    return {one.reason: list(one.examples) for one in earlier.failures}


def write(
    run: "RunDir",
    report: reports.Report,
    plan: "Plan",
    progress: "Progress",
    version: str,
    examples: "Mapping[str, list[str]] | None" = None,
) -> None:
    """Write report.json, report.html and report.md."""
    from bulkdelete.render import html, markdown  # noqa: PLC0415 - jinja2 is slow to import

    found = whole(run, report, plan, progress, version, examples)
    text = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    files.replace(run.report_path, stamps.stamp(text))
    facts = msgspec.to_builtins(found, builtin_types=())
    for path, page in zip(run.pages, (html.render(facts), markdown.render(facts)), strict=True):
        stamped = stamps.stamp(f"{page}\n<!-- checksum: {stamps.BLANK} -->\n".encode())
        files.replace(path, stamped)


def write_job(place: "Path", job: "JobReport") -> tuple["Path", "Path", "Path"]:
    """Write the report of a job's shards: JSON, HTML and Markdown, by the job's digest."""
    from bulkdelete.render import job as pages  # noqa: PLC0415 - jinja2 is slow to import

    short = job.job_digest.removeprefix("sha256:")[:SHORT_DIGEST]
    stem = f"job-{short}-of-{job.count}"
    text = msgspec.json.format(msgspec.json.encode(job), indent=2) + b"\n"
    pieces = {".json": text, ".html": pages.page(job).encode(), ".md": pages.markdown(job).encode()}
    for ending, piece in pieces.items():
        files.replace(place / (stem + ending), piece)
    json, html, markdown = (place / (stem + ending) for ending in pieces)
    return json, html, markdown


def day(at: float) -> str:
    """Show a time to a person, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
