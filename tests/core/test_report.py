"""The summary adds up."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import Balance, State
from bulkdelete.core.plan import SCHEMA, Counts, Job, Plan, Reading, digest
from bulkdelete.core.progress import Progress
from bulkdelete.core.report import (
    InFlight,
    JobFacts,
    Latency,
    Report,
    Timing,
    as_dict,
    balance,
    chunk_counts,
    exit_code_of,
    in_flight,
    job_facts,
    latency,
    request_counts,
)
from tests.plans import ONE_COLUMN

COUNTS = Counts(
    read=20,
    planned=10,
    duplicate=4,
    protected=3,
    invalid=2,
    excluded=1,
    identities=10,
    guids=0,
    chunks=4,
)

READING = Reading(
    format="csv",
    delimiter=None,
    encoding="utf-8",
    column=None,
    header=True,
    id_type=None,
    explode=False,
)


def attempt(
    seq: int, size: int, verdict: str, bad: tuple[int, ...] = ()
) -> tuple[log.Intent, log.Outcome]:
    """Return an attempt and its end."""
    intent = log.Intent(chunk=seq, lo=0, hi=size, attempt=1, digest="d", at=2.0)
    outcome = log.Outcome(
        chunk=seq, lo=0, hi=size, attempt=1, verdict=verdict, at=3.0, ms=20.0, bad=bad
    )
    return intent, outcome


def some_progress() -> Progress:
    """Return a run: 3 IDs accepted, 1 of 3 refused, 3 in doubt, 1 unsent."""
    return Progress(4).replay(
        [
            log.Start(at=1.0, pid=1, machine="m", in_flight=3, todo=4),
            *attempt(0, 3, "accepted"),
            *attempt(1, 3, "partial", (2,)),
            attempt(2, 3, "")[0],
        ]
    )


def test_what_is_in_flight_was_not_in_doubt_before() -> None:
    """An open attempt is in flight; an earlier doubt about the same IDs stays a doubt."""
    progress = some_progress()
    assert in_flight(progress) == InFlight(3, 1)
    progress.apply(log.Start(at=4.0, pid=2, machine="m", in_flight=3, todo=2))
    progress.apply(log.Intent(chunk=2, lo=0, hi=3, attempt=2, digest="d", at=5.0))
    progress.apply(log.Intent(chunk=3, lo=0, hi=1, attempt=1, digest="d", at=5.0))
    assert in_flight(progress) == InFlight(1, 2)


def test_s6_before_a_run_everything_planned_is_unsent() -> None:
    """A plan's own balance."""
    found = balance(COUNTS, None)
    assert as_dict(found) == {
        "read": 20,
        "accepted": 0,
        "rejected": 0,
        "ambiguous": 0,
        "unsent": 10,
        "protected": 3,
        "duplicate": 4,
        "invalid": 2,
        "excluded": 1,
    }
    assert balance(COUNTS, Progress(4)) == found


def test_s6_the_balance_of_a_run_adds_up() -> None:
    """Whole chunks, and those told piece by piece."""
    found = as_dict(balance(COUNTS, some_progress()))
    states = {name: found[name] for name in ("accepted", "rejected", "ambiguous", "unsent")}
    assert states == {"accepted": 5, "rejected": 1, "ambiguous": 3, "unsent": 1}
    assert list(found) == ["read", *(state.value for state in State)]
    assert found.pop("read") == sum(found.values()) == 20


def test_s6_a_log_of_more_ids_than_the_plan_has_no_balance() -> None:
    """It is refused, not shown with a negative number."""
    counts = msgspec.structs.replace(COUNTS, read=15, planned=5)
    with pytest.raises(ValueError, match="add up"):
        balance(counts, some_progress())


def test_chunks_by_state() -> None:
    """Each as its worst ID; all unsent before the run."""
    assert chunk_counts(COUNTS, None) == {
        "planned": 4,
        "accepted": 0,
        "rejected": 0,
        "ambiguous": 0,
        "unsent": 4,
    }
    assert chunk_counts(COUNTS, some_progress()) == {
        "planned": 4,
        "accepted": 1,
        "rejected": 1,
        "ambiguous": 1,
        "unsent": 1,
    }


def test_requests_by_what_came_of_them() -> None:
    """An attempt that is still open was sent, and is in doubt."""
    assert request_counts(None) == dict.fromkeys(
        ("sent", "accepted", "rejected", "throttled", "failed", "ambiguous", "resent_chunks"), 0
    )
    progress = some_progress()
    assert request_counts(progress) == {
        "sent": 3,
        "accepted": 2,
        "rejected": 0,
        "throttled": 0,
        "failed": 0,
        "ambiguous": 1,
        "resent_chunks": 0,
    }
    progress.apply(log.Start(at=5.0, pid=2, machine="m", in_flight=3, todo=2))
    again = log.Intent(chunk=2, lo=0, hi=3, attempt=2, digest="d", at=6.0)
    progress.apply(again)
    found = request_counts(progress)
    assert (found["sent"], found["ambiguous"], found["resent_chunks"]) == (4, 2, 1)


def with_latencies(values: list[int]) -> Progress:
    """Return a run whose requests took so many milliseconds."""
    progress = Progress(0)
    progress.latencies.update(values)
    return progress


def nearest_rank(values: list[int], percent: int) -> int:
    """Return a percentile the plain way, in whole numbers."""
    return sorted(values)[-(-percent * len(values) // 100) - 1]


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=250))
def test_latency_percentiles(values: list[int]) -> None:
    """The smallest value that so many percent of the answers do not exceed."""
    expected = {f"p{percent}": nearest_rank(values, percent) for percent in (50, 95, 99)}
    assert latency(with_latencies(values)) == Latency(**expected)


@pytest.mark.parametrize("count", [*range(1, 400), 1000, 9_900, 10**4, 12_345])
def test_latency_percentiles_of_all_ranks(count: int) -> None:
    """With every value once, the percentile is its rank: floats change none of them."""
    progress = with_latencies(list(range(1, count + 1)))
    expected = {f"p{p}": -(-p * count // 100) for p in (50, 95, 99)}
    assert latency(progress) == Latency(**expected)


def test_no_latency_without_answers() -> None:
    """Zeros stand for nothing measured."""
    assert latency(None) == latency(Progress(3)) == Latency(0, 0, 0)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Balance(), 0),
        (Balance(read=3, accepted=3), 0),
        (Balance(read=3, protected=1, duplicate=1, invalid=1), 0),
        (Balance(read=3, accepted=2, excluded=1), 0),
        (Balance(read=3, accepted=2, rejected=1), 3),
        (Balance(read=3, accepted=2, ambiguous=1), 3),
        (Balance(read=3, rejected=3), 3),
    ],
)
def test_s6_exit_codes_of_a_finished_run(found: Balance, code: int) -> None:
    """0 only when every planned ID was accepted, or there was none."""
    assert exit_code_of(found) == code


@pytest.mark.parametrize(
    "found", [Balance(read=3, unsent=3), Balance(read=3, accepted=2, unsent=1)]
)
def test_s6_nothing_unsent_is_ever_a_success(found: Balance) -> None:
    """Exit 0 means that every planned ID is accepted, whoever asks and when."""
    assert exit_code_of(found) != 0


def test_a_report_is_the_summary_as_json() -> None:
    """The names and their order are the promised ones."""
    report = Report(
        run_id="r",
        run_dir="/r",
        plan_digest="sha256:00",
        state="finished",
        exit_code=0,
        ids=as_dict(Balance()),
        chunks=chunk_counts(COUNTS, None),
        requests=request_counts(None),
        timing=Timing(),
    )
    found = msgspec.json.decode(msgspec.json.encode(report))
    promised = [
        *("schema", "run_id", "run_dir", "plan_digest", "state", "exit_code", "reason"),
        *("ids", "chunks", "requests", "timing"),
    ]
    assert list(found)[: len(promised)] == promised
    assert found["schema"] == "bulkdelete.report/1"
    assert found["reason"] is None
    assert found["timing"] == {
        "plan_s": 0.0,
        "send_s": 0.0,
        "in_flight_utilisation": 0.0,
        "latency_ms": {"p50": 0, "p95": 0, "p99": 0},
    }


def test_a_shard_says_which_job_it_is_of() -> None:
    """By the digest that approves all of it, and its counts; a whole job says nothing."""
    bound = replace(ONE_COLUMN, shard="1/4")
    job = Job(content="c0ffee", counts=replace(COUNTS, read=80, planned=70))
    plan = Plan(
        schema=SCHEMA,
        tool="0",
        created=0.0,
        digest=digest(bound, "c0", COUNTS, job),
        bound=bound,
        content="c0",
        counts=COUNTS,
        parts=(),
        inputs=(),
        protect=(),
        reading=READING,
        reasons=(),
        index_sha256="",
        seconds=0.0,
        job=job,
    )
    assert job_facts(plan) == JobFacts(
        1,
        4,
        digest(ONE_COLUMN, "c0ffee", job.counts),
        {"read": 80, "planned": 70, "duplicate": 4, "protected": 3, "invalid": 2, "excluded": 1},
    )
    assert job_facts(replace(plan, bound=ONE_COLUMN, job=None)) is None
