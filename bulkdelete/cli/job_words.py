"""What is said of a job that was sent in shards."""

from typing import TYPE_CHECKING

from bulkdelete.core.job_report import owned
from bulkdelete.core.report import PLANNED

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.core.job_report import JobReport
    from bulkdelete.core.report import Report


def show_job(console: "Console", job: "JobReport") -> int:
    """Print how a job stands."""
    console.object(job)
    console.result("\n".join(report_lines(job)))
    return 0


def report_lines(job: "JobReport") -> list[str]:
    """Describe how a job stands: the balance of all shards, then each, then what is missing."""
    ids, requests = job.ids, job.requests
    out = sum(one.in_flight.ids for one in job.shards)
    code = "" if job.exit_code is None else f", exit {job.exit_code}"
    lines = [
        f"Job {job.job_digest} in {job.count} shards: {job.state}{code}",
        (
            f"  accepted {ids['accepted']:,} of {job.whole['planned']:,} planned IDs; rejected"
            f" {ids['rejected']:,}, ambiguous {ids['ambiguous'] - out:,},"
            f" unsent {ids['unsent']:,}" + (f"; in flight now {out:,}" if out else "")
        ),
        (
            f"  read {ids['read']:,}: duplicate {ids['duplicate']:,}, protected"
            f" {ids['protected']:,}, invalid {ids['invalid']:,}, excluded {ids['excluded']:,}"
        ),
        (
            f"  requests {requests['sent']:,}: accepted {requests['accepted']:,}, rejected"
            f" {requests['rejected']:,}, throttled {requests['throttled']:,};"
            f" chunks sent again {requests['resent_chunks']:,}"
        ),
    ]
    lines += map(_line, job.shards)
    if job.missing:
        shards = ", ".join(map(str, job.missing))
        lines.append(
            f"  MISSING      shards {shards} of {job.count}: of {job.missing_ids:,} IDs of the list"
            " nothing is known here"
        )
    return lines


def _line(report: "Report") -> str:
    """Say in a line how a shard stands."""
    ids = owned(report)
    planned = sum(ids[name] for name in PLANNED)
    code = "" if report.exit_code is None else f", exit {report.exit_code}"
    index = "" if report.job is None else report.job.index
    return (
        f"  shard {index:<6} {report.state}{code}: {ids['accepted']:,} of {planned:,} accepted;"
        f" {report.run_dir}"
    )
