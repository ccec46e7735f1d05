"""The shards of a job as one: each record of the list counted once, whatever became of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulkdelete.core.job_report import JobReport, merged, owned
from bulkdelete.core.model import Balance, State
from bulkdelete.core.report import JobFacts, Report, Timing, as_dict
from bulkdelete.errors import IntegrityError, UsageError

SENT = (State.ACCEPTED, State.REJECTED, State.AMBIGUOUS, State.UNSENT)
ELSE = (State.DUPLICATE, State.PROTECTED)
FATES = st.sampled_from([*SENT, *ELSE, State.INVALID, State.EXCLUDED])


def shards(fates: list[tuple[State, int]], count: int) -> list[Report]:
    """Return the reports of `count` shards of a list, whose records each have a fate and a hash."""
    whole = {name.value: 0 for name in State} | {"read": len(fates)}
    own = [dict(whole) for _ in range(count)]
    for fate, number in fates:
        whole[fate.value] += 1
        sendable = fate in {*SENT, *ELSE}
        mine = number % count if sendable else 0
        for index, one in enumerate(own):
            one[fate.value if index == mine else "excluded"] += 1
    planned = sum(whole[name] for name in SENT)
    names = ("read", "duplicate", "protected", "invalid", "excluded")
    ids = {name: whole[name] for name in names} | {"planned": planned}
    return [report(index, count, one, ids) for index, one in enumerate(own)]


def report(
    index: int, count: int, ids: dict[str, int], job: dict[str, int], digest: str = "sha256:aa"
) -> Report:
    """Return a shard's report."""
    return Report(
        run_id=f"x-{index}",
        run_dir=f"runs/x-{index}",
        plan_digest=f"sha256:{index}",
        state="finished",
        exit_code=0,
        ids=ids,
        chunks={"planned": 2, "accepted": 2, "rejected": 0, "ambiguous": 0, "unsent": 0},
        requests={"sent": 3, "accepted": 2, "rejected": 1},
        timing=Timing(),
        job=JobFacts(index, count, digest, job),
    )


@given(st.lists(st.tuples(FATES, st.integers(0, 99)), max_size=50), st.integers(1, 6))
def test_the_shards_together_are_the_whole_balance(
    fates: list[tuple[State, int]], count: int
) -> None:
    """Read, and each of the eight states: as one run of the whole list would count them."""
    (alone,) = shards(fates, 1)
    found = merged(shards(fates, count)[::-1])
    assert found.ids == alone.ids
    assert (found.missing, found.missing_ids, found.state) == ((), 0, "finished")
    assert found.chunks["planned"] == found.requests["accepted"] == 2 * count
    assert [one.run_id for one in found.shards] == [f"x-{index}" for index in range(count)]


@given(
    st.lists(st.tuples(FATES, st.integers(0, 99)), max_size=50),
    st.sets(st.integers(0, 4), max_size=4),
)
def test_of_what_is_missing_nothing_is_said(
    fates: list[tuple[State, int]], there: set[int]
) -> None:
    """The balance of those that are there adds up, and says how many records it leaves open."""
    reports = shards(fates, 6)
    found = merged([reports[index] for index in {*there, 5}])
    assert found.missing == tuple(sorted(set(range(6)) - there - {5}))
    assert (found.state, found.exit_code) == ("incomplete", None)
    Balance(**found.ids)
    assert found.ids["read"] + found.missing_ids == len(fates)
    theirs = [owned(reports[index])["read"] for index in found.missing]
    assert found.missing_ids == sum(theirs)


MIXED = [(state, number) for state in (*SENT, *ELSE, State.INVALID) for number in range(5)]


def some() -> list[Report]:
    """Return three shards of a list."""
    return shards(MIXED, 3)


@pytest.mark.parametrize(
    ("states", "codes", "state", "code"),
    [
        (("finished", "finished", "finished"), (0, 3, 0), "finished", 3),
        (("finished", "running", "finished"), (0, None, 0), "running", None),
        (("finished", "stopped", "planned"), (0, 75, None), "stopped", None),
        (("finished", "stopped", "finished"), (3, 75, 0), "stopped", 75),
    ],
)
def test_the_state_of_the_worst(
    states: tuple[str, ...], codes: tuple[int | None, ...], state: str, code: int | None
) -> None:
    """A job has an exit code when all of its shards have."""
    reports = [
        replace(one, state=its, exit_code=exit_code)
        for one, its, exit_code in zip(some(), states, codes, strict=True)
    ]
    found = merged(reports)
    assert (found.state, found.exit_code) == (state, code)


def refusal(*reports: Report) -> str:
    """Return the code with which these are refused."""
    with pytest.raises((UsageError, IntegrityError)) as caught:
        merged(reports)
    return caught.value.code


def test_what_is_not_one_job_is_refused() -> None:
    """A run of a whole list, another job, another cut, a shard twice, and what does not add up."""
    one, two, three = some()
    assert refusal(one, replace(two, job=None)) == "no_shard"
    for other in ("digest", "count"):
        values = {"digest": "sha256:bb", "count": 4}
        assert refusal(one, replace(two, job=with_(two, other, values[other]))) == "other_job"
    assert refusal(one, two, three, replace(two, run_dir="runs/again")) == "shard_twice"
    more = two.ids | {"accepted": two.ids["accepted"] + 1, "read": two.ids["read"] + 1}
    assert refusal(one, replace(two, ids=more), three) == "job_balance"


def with_(report: Report, name: str, value: object) -> JobFacts:
    """Return what a report says of its job, with something else in it."""
    assert report.job is not None
    return replace(report.job, **{name: value})


def test_an_abandoned_run_gives_way() -> None:
    """Of two runs of a shard the one that was not given up counts; alone, it counts."""
    one, two, three = some()
    given_up = replace(two, state="abandoned", run_dir="runs/old")
    for reports in ((given_up, one, two, three), (one, two, three, given_up)):
        found = merged(reports)
        assert [shard.run_dir for shard in found.shards] == [f"runs/x-{n}" for n in range(3)]
    assert merged([one, given_up, three]).shards[1].run_dir == "runs/old"


def test_the_balance_of_a_shard_alone() -> None:
    """What others own is not in it; what holds no ID to send is the first one's."""
    one, two, _ = some()
    assert owned(one)["invalid"] == 5
    assert owned(two)["invalid"] == owned(two)["excluded"] == 0
    assert owned(two)["read"] == sum(owned(two)[state.value] for state in State)
    assert isinstance(merged(some()), JobReport)
    assert as_dict(Balance(**merged(some()).ids)) == merged(some()).ids
