"""How a fleet stands, as data: one balance over its jobs, one state, one exit code."""

from collections.abc import Iterable, Sequence

from bulkdelete.core.fleet import SCHEMA
from bulkdelete.core.model import Balance
from bulkdelete.core.report import PLANNED, Reason, Report, Sums, added, as_dict, request_counts

WORST_LAST = (0, 3, 75, 129, 143, 130, 7, 2, 4, 5, 6, 1)
"""Exit codes, each worse than those before it.

First what needs a person who looks (1, 6, 5, 4, 2, 7): to repeat the command would not mend it.
Then what is mended by that (a signal, 75): it must not hide behind a 3, or nobody would repeat it.
"""

_ALIVE = frozenset({"running", "paused"})
_BEGUN = frozenset({"finished", "stopped", "interrupted"})
_SIGNALS = 128
_SENT = ("accepted", "rejected", "ambiguous")


class FleetReport(Sums, frozen=True, kw_only=True):
    """The summary of a fleet; `ids`, `chunks` and `requests` are the sums over its jobs."""

    schema: str = SCHEMA
    fleet: str
    fleet_dir: str
    fleet_digest: str
    reason: Reason | None = None
    jobs: tuple[Report, ...]


def summed(  # noqa: PLR0913 - what it is of
    *,
    fleet: str,
    fleet_dir: str,
    fleet_digest: str,
    jobs: Sequence[Report],
    exit_code: int | None,
    reason: Reason | None = None,
    refused: bool = False,
) -> FleetReport:
    """Put the reports of all jobs together; ValueError when the balance does not add up."""
    ids = added((job.ids for job in jobs), as_dict(Balance()))
    Balance(**ids)
    if refused:  # but not by that word where something was sent before
        state = "stopped" if any(ids[name] for name in _SENT) else "refused"
    else:
        state = state_of([job.state for job in jobs], exit_code)
    return FleetReport(
        fleet=fleet,
        fleet_dir=fleet_dir,
        fleet_digest=fleet_digest,
        state=state,
        exit_code=exit_code,
        reason=reason,
        ids=ids,
        chunks=added((job.chunks for job in jobs), _CHUNKS),
        requests=added((job.requests for job in jobs), request_counts(None)),
        jobs=tuple(jobs),
    )


def reason_of(jobs: Sequence[Report], exit_code: int) -> Reason | None:
    """Return why a fleet ends with this code: what the first job with it says."""
    found = [job for job in jobs if job.exit_code == exit_code and job.reason is not None]
    if not exit_code or not found or found[0].reason is None:
        return None
    first, others = found[0].reason, len(found) - 1
    more = f" (and {others} more jobs with the exit code {exit_code})" if others else ""
    return Reason(first.code, f"job {found[0].run_id!r}: {first.message}{more}", first.hint)


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of a fleet whose jobs had these; one that is not known is a bug's."""
    return max(
        (code if code in WORST_LAST else 1 for code in codes), key=WORST_LAST.index, default=0
    )


def state_of(states: Sequence[str], exit_code: int | None) -> str:
    """Name the state of a fleet, by the states of its jobs."""
    if all(one == "finished" for one in states):
        return "finished"
    if not _ALIVE.isdisjoint(states):
        return "running"
    if exit_code is not None and exit_code >= _SIGNALS:
        return "interrupted"
    if not _BEGUN.isdisjoint(states):
        return "stopped"
    return "refused" if "refused" in states else "planned"


_CHUNKS = ("planned", *PLANNED)
