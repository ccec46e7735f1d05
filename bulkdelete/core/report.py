"""The summary of a run, as data: what `--json` prints and report.json holds."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core.model import Balance, State
from bulkdelete.core.verification import Verification

if TYPE_CHECKING:
    from bulkdelete.core.plan import Counts, Plan
    from bulkdelete.core.progress import Progress

SCHEMA = "bulkdelete.report/1"

PLANNED = ("accepted", "rejected", "ambiguous", "unsent")
"""The states of what a plan would send."""


class Reason(msgspec.Struct, frozen=True):
    """Why a run did not finish cleanly; `code` is stable."""

    code: str
    message: str
    hint: str = ""


class Latency(msgspec.Struct, frozen=True):
    """Percentiles of the time from a request's start to its answer, in ms."""

    p50: int = 0
    p95: int = 0
    p99: int = 0


class Timing(msgspec.Struct, frozen=True):
    """Seconds spent planning and sending; the share of slots in use while there was work."""

    plan_s: float = 0.0
    send_s: float = 0.0
    in_flight_utilisation: float = 0.0
    latency_ms: Latency = Latency()


class InFlight(msgspec.Struct, frozen=True):
    """What a running process has out at this moment; `ids` and `requests` count it ambiguous."""

    ids: int = 0
    requests: int = 0


class Change(msgspec.Struct, frozen=True):
    """A setting that was changed by `live` while a process was at work, and when (epoch)."""

    name: str
    value: str
    at: float


class JobFacts(msgspec.Struct, frozen=True):
    """The job that a run is a shard of (`index` from 0, of `count`).

    `digest` is the one that approves all of its shards, `ids` are the counts of its whole plan.
    """

    index: int
    count: int
    digest: str
    ids: dict[str, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The summary. `ids` always add up: `read` is the sum of the other eight."""

    schema: str = SCHEMA
    run_id: str
    run_dir: str
    plan_digest: str
    state: str
    exit_code: int | None = None
    reason: Reason | None = None
    ids: dict[str, int]
    chunks: dict[str, int]
    requests: dict[str, int]
    timing: Timing
    in_flight: InFlight = InFlight()
    verification: Verification | None = None
    chain_head: str = ""
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    job: JobFacts | None = None


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs stand as one: their state, and their balance and counts added up."""

    schema: str
    state: str
    exit_code: int | None = None
    ids: dict[str, int]
    chunks: dict[str, int]
    requests: dict[str, int]


def added(parts: Iterable[dict[str, int]], names: Iterable[str]) -> dict[str, int]:
    """Add counts up, by name; a part that does not know a name has none of it."""
    found: Counter[str] = Counter()
    for part in parts:
        found.update(part)
    return {name: found[name] for name in names}


def balance(counts: "Counts", progress: "Progress | None") -> Balance:
    """Work out the eight states from the plan's counts and the replayed checkpoint."""
    if progress is None:
        details, accepted = dict.fromkeys(State, 0), 0
    else:
        details, accepted = dict(progress.ids_of_details()), progress.accepted_ids
    known = accepted + sum(details.values())
    return Balance(
        read=counts.read,
        accepted=accepted + details[State.ACCEPTED],
        rejected=details[State.REJECTED],
        ambiguous=details[State.AMBIGUOUS],
        unsent=counts.planned - known + details[State.UNSENT],
        protected=counts.protected,
        duplicate=counts.duplicate,
        invalid=counts.invalid,
        excluded=counts.excluded,
    )


def job_facts(plan: "Plan") -> JobFacts | None:
    """Say which job a plan is a shard of, None where it is all of one."""
    if plan.shard is None:
        return None
    names = ("read", "planned", "duplicate", "protected", "invalid", "excluded")
    ids = {name: getattr(plan.whole, name) for name in names}
    return JobFacts(plan.shard.index, plan.shard.count, plan.job_digest, ids)


def chunk_counts(counts: "Counts", progress: "Progress | None") -> dict[str, int]:
    """Count the chunks by state."""
    names = (State.ACCEPTED, State.REJECTED, State.AMBIGUOUS, State.UNSENT)
    found = {State.UNSENT: counts.chunks} if progress is None else dict(progress.chunk_states())
    return {"planned": counts.chunks} | {name.value: found.get(name, 0) for name in names}


def request_counts(progress: "Progress | None") -> dict[str, int]:
    """Count the requests by what came of them; open attempts are in doubt."""
    names = ("sent", "accepted", "rejected", "throttled", "failed", "ambiguous")
    if progress is None:
        return dict.fromkeys((*names, "resent_chunks"), 0)
    found = {name: getattr(progress.requests, name) for name in names}
    found["ambiguous"] += progress.open_attempts()
    return found | {"resent_chunks": len(progress.resent)}


def in_flight(progress: "Progress") -> InFlight:
    """Count what a process that is alive has out, and what was not in doubt before."""
    spans = [span for span, piece in progress.open_pieces() if piece.doubt is None]
    return InFlight(sum(map(len, spans)), progress.open_attempts())


def latency(progress: "Progress | None") -> Latency:
    """Return the percentiles over all answered requests."""
    if progress is None or not progress.latencies:
        return Latency()
    total = sum(progress.latencies.values())
    wanted = [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)]
    found: dict[str, int] = {}
    seen = 0
    for ms, times in sorted(progress.latencies.items()):
        seen += times
        while wanted and seen >= wanted[0][1] * total:
            found[wanted.pop(0)[0]] = ms
    return Latency(**found)


def as_dict(of: Balance) -> dict[str, int]:
    """Return the balance as the summary shows it, `read` first."""
    return {"read": of.read} | {state.value: getattr(of, state.value) for state in State}


def exit_code_of(of: Balance) -> int:
    """Return the code of a run that reached its end: 0 when all that was planned is accepted."""
    if of.unsent:
        return 75
    return 3 if of.rejected or of.ambiguous else 0
