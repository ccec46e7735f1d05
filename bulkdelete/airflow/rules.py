"""What an outcome of the library means to Airflow, and what may be told there; without Airflow."""

from enum import Enum, auto
from typing import TYPE_CHECKING

from bulkdelete.errors import BulkdeleteError, BusyError, Interrupted, Stopped

if TYPE_CHECKING:
    from bulkdelete.core.report import Report
    from bulkdelete.core.verification import Verification

Counts = dict[str, int | dict[str, int]]


class Ending(Enum):
    """How a try ends."""

    DONE = auto()
    SKIP = auto()  # nothing was sent, and nothing is wrong: there is nothing to verify, either
    AGAIN = auto()  # Airflow's retries go on with the run
    FAIL = auto()  # a retry would end the same way: a person decides


def of_error(error: BulkdeleteError) -> Ending:
    """Say whether a retry can help: after a stop, or when another process is at work."""
    return Ending.AGAIN if isinstance(error, Stopped | Interrupted | BusyError) else Ending.FAIL


def of_report(report: "Report", *, dry_run: bool = False) -> Ending:
    """Say what a run that reached its end means: done, nothing to do, or not all accepted."""
    if report.exit_code:
        return Ending.FAIL
    earlier = report.reason is not None and report.reason.code == "already_finished"
    if dry_run or earlier or not report.chunks["planned"]:
        return Ending.SKIP
    return Ending.DONE


def summed_up(report: "Report", *, dry_run: bool = False) -> str:
    """Say in one line how a run ended."""
    if report.reason is not None:
        return sentence(report.reason.code, report.reason.message, report.reason.hint)
    ids = report.ids
    if dry_run:
        return f"a dry run: {ids['unsent']:,} IDs would be sent, and nothing was"
    return (
        f"{report.state}: {ids['accepted']:,} accepted, {ids['rejected']:,} rejected, "
        f"{ids['ambiguous']:,} in doubt; the report is in {report.run_dir}"
    )


def counts(report: "Report") -> Counts:
    """Return what Airflow may keep of a run: numbers."""
    code = {} if report.exit_code is None else {"exit_code": report.exit_code}
    return {
        **code,
        "ids": dict(report.ids),
        "chunks": dict(report.chunks),
        "requests": dict(report.requests),
    }


def counts_of(answer: "Verification") -> Counts:
    """Return what Airflow may keep of a verification: numbers."""
    return {
        "exit_code": answer.exit_code,
        "population": answer.population,
        "asked": answer.asked,
        "gone": answer.gone,
        "still_there": answer.still_there,
        "unknown": answer.unknown,
        "came_back": answer.came_back,
        "not_gone_at_most": answer.not_gone_at_most,
    }


def sentence(code: str, message: str, hint: str = "") -> str:
    """Say in one line what happened, and what to do next."""
    return f"{code}: {message}" + (f" (next: {hint})" if hint else "")
