"""How a job stands that was sent in shards: one balance, each record of the list counted once.

A record is the shard's that its ID falls to; for the others it is excluded, as `other_shard`, and
that is taken out here. Of a shard whose run is not among these nothing is known: what it owns is
not in the balance, and the job is incomplete.
"""

from collections import Counter
from collections.abc import Sequence

from bulkdelete.core.fleet_report import state_of, worst
from bulkdelete.core.model import Balance
from bulkdelete.core.report import PLANNED, JobFacts, Report, Sums, added
from bulkdelete.errors import IntegrityError, UsageError

SCHEMA = "bulkdelete.job/1"


class JobReport(Sums, frozen=True, kw_only=True):
    """The summary of a job; `ids` always add up: `read` is the sum of the other eight.

    `whole` are the counts of the job's plan; `missing` the shards whose runs are not among
    `shards`, and `missing_ids` how many of the IDs read are theirs. `state` is `incomplete` then.
    """

    schema: str = SCHEMA
    job_digest: str
    count: int
    missing: tuple[int, ...]
    missing_ids: int
    whole: dict[str, int]
    shards: tuple[Report, ...]


def merged(reports: Sequence[Report]) -> JobReport:
    """Put the shards of one job together.

    UsageError when they are not that; IntegrityError when they do not add up to the job.
    """
    shards = [_facts(report) for report in reports]
    first = shards[0][0]
    for job, report in shards:
        if (job.digest, job.count) != (first.digest, first.count):
            raise UsageError(
                "other_job",
                f"{report.run_dir} is a shard of another job than {shards[0][1].run_dir}",
                "name the runs of one job, cut into one number of shards",
            )
    found = _each_once(shards)
    present = [found[index] for index in sorted(found)]
    missing = tuple(index for index in range(first.count) if index not in found)
    ids = added((owned(report) for report in present), present[0].ids)
    Balance(**ids)
    if not missing:
        _check(ids, first)
    codes = [report.exit_code for report in present]
    known = [code for code in codes if code is not None]
    code = worst(known) if len(known) == first.count else None
    return JobReport(
        job_digest=first.digest,
        count=first.count,
        state="incomplete" if missing else state_of([one.state for one in present], code),
        exit_code=code,
        missing=missing,
        missing_ids=first.ids["read"] - ids["read"],
        whole=first.ids,
        ids=ids,
        chunks=added((one.chunks for one in present), present[0].chunks),
        requests=added((one.requests for one in present), present[0].requests),
        shards=tuple(present),
    )


def owned(report: Report) -> dict[str, int]:
    """Return a shard's balance without what other shards own."""
    job, _ = _facts(report)
    # What holds no ID to send is the first shard's; what else is excluded, others own.
    excluded = job.ids["excluded"] if job.index == 0 else 0
    ids = report.ids
    others = ids["excluded"] - excluded
    return ids | {"read": ids["read"] - others, "excluded": excluded}


def _facts(report: Report) -> tuple[JobFacts, Report]:
    if report.job is None:
        raise UsageError(
            "no_shard",
            f"{report.run_dir} is a run of a whole list, and no shard of a job",
            "name one run, or the shards of one job",
        )
    return report.job, report


def _each_once(shards: Sequence[tuple[JobFacts, Report]]) -> dict[int, Report]:
    """Return the run of each shard; an abandoned one counts only where there is no other."""
    found: dict[int, Report] = {}
    for job, report in sorted(shards, key=lambda one: one[1].state != "abandoned"):
        other = found.get(job.index)
        if other is not None and other.state != "abandoned":
            raise UsageError(
                "shard_twice",
                f"{other.run_dir} and {report.run_dir} are both runs of shard {job.index}",
                "name one of them",
            )
        found[job.index] = report
    return found


def _check(ids: dict[str, int], job: JobFacts) -> None:
    """Hold the sum of all shards against what the job's plan counted."""
    counted = Counter(ids) + Counter(planned=sum(ids[name] for name in PLANNED))
    if any(counted[name] != number for name, number in job.ids.items()):
        raise IntegrityError(
            "job_balance",
            "the shards do not add up to the job that each of them planned",
            "bulkdelete audit RUN_DIR looks at each",
        )
