"""A fleet as data: its file, its digest, whose turn it is, and how it stands."""

import hashlib
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulkdelete.core import fleet as f
from bulkdelete.core import fleet_report as r
from bulkdelete.core import plan as planning
from bulkdelete.core.model import Balance, State
from bulkdelete.core.plan import Plan
from bulkdelete.core.report import Reason, Report, Timing, as_dict
from bulkdelete.errors import GuardError, UsageError
from tests.core.test_plan import PLAN

KNOWN = (
    *("region", "endpoint", "account_id", "passcode_file", "protect", "max_deletes"),
    *("metrics_port", "heartbeat", "run_dir", "runs_dir", "rate"),
)
SHOP: dict[str, Any] = {
    "name": "shop",
    "inputs": ["a.csv", "b/*.csv"],
    "region": "eu1",
    "account-id": "AAA",
}


def read(document: dict[str, Any], file: str = "night.toml") -> f.Fleet:
    """Read a file, as TOML gives it."""
    return f.read(document, file, KNOWN)


def shop(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any TOML
    """Return one job that is whole, but for what is said."""
    changed = {name.replace("_", "-"): value for name, value in more.items()}
    return {key: value for key, value in (SHOP | changed).items() if value is not None}


def test_a_job_takes_the_defaults_and_says_otherwise() -> None:
    """A job's own word counts; protect lists add up; dashes and underscores are one."""
    fleet = read(
        {
            "defaults": {
                "region": "eu1",
                "max-deletes": 5,
                "protect": "vip.txt",
                "passcode-env": "ALL",
            },
            "job": [
                {"name": "one", "inputs": "a.csv", "account_id": "A", "protect": ["more.txt"]},
                {
                    "name": "two",
                    "inputs": ["b.csv"],
                    "account-id": "B",
                    "endpoint": "http://localhost:1",
                    "passcode-file": "two.secret",
                    "max-deletes": 7,
                },
            ],
        }
    )
    one, two = fleet.jobs
    assert fleet.name == "night"
    assert one == f.Job(
        "one",
        ("a.csv",),
        {
            "region": "eu1",
            "max_deletes": 5,
            "protect": ["vip.txt", "more.txt"],
            "account_id": "A",
        },
        "ALL",
    )
    assert two == f.Job(
        "two",
        ("b.csv",),
        {
            "endpoint": "http://localhost:1",
            "max_deletes": 7,
            "protect": "vip.txt",
            "account_id": "B",
            "passcode_file": "two.secret",
        },
        None,
    )


def test_a_fleet_says_its_name_or_has_its_files() -> None:
    """The name in the file counts before the file's own."""
    assert read({"job": [shop()]}).name == "night"
    assert read({"name": "day", "job": [shop()]}, "no name.toml").name == "day"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "night.toml: job: a fleet has one job at least"),
    ({"job": []}, "night.toml: job: a fleet has one job at least"),
    ({"job": {"shop": {}}}, "night.toml: job: tables are wanted"),
    ({"job": ["shop"]}, "night.toml: job: tables are wanted"),
    ({"jobs": [shop()]}, "night.toml: jobs: a fleet's file holds"),
    ({"defaults": [], "job": [shop()]}, "night.toml: defaults: one table is wanted"),
    ({"name": "../up", "job": [shop()]}, "night.toml: name: a name of letters"),
    ({"job": [shop(name=None)]}, "night.toml: job number 1: name: a name of letters"),
    ({"job": [shop(), shop(name="a.1")]}, "night.toml: job 'a.1': name: a name of letters"),
    ({"job": [shop(name=7)]}, "night.toml: job 7: name: a name of letters"),
    ({"job": [shop(), shop()]}, "night.toml: job 'shop': there are two jobs of this name"),
    ({"job": [shop(inputs=None)]}, "job 'shop': inputs: files, globs"),
    ({"job": [shop(inputs=[])]}, "job 'shop': inputs: files, globs"),
    ({"job": [shop(inputs=["a.csv", ""])]}, "job 'shop': inputs: files, globs"),
    ({"job": [shop(inputs=[" "])]}, "job 'shop': inputs: files, globs"),
    ({"job": [shop(inputs=[7])]}, "job 'shop': inputs: files, globs"),
    ({"job": [shop(inputs="-")]}, "job 'shop': inputs: standard input"),
    ({"job": [shop(account_id=None)]}, "job 'shop': it names no account-id"),
    ({"job": [shop(account_id=" ")]}, "job 'shop': account-id: text is wanted"),
    ({"job": [shop(account_id=7)]}, "job 'shop': account-id: text is wanted"),
    ({"job": [shop(region=None)]}, "job 'shop': it names no region or endpoint"),
    ({"job": [shop(endpoint="http://x")]}, "job 'shop': endpoint: region is said, too"),
    (
        {"job": [shop(passcode_env="A", passcode_file="b")]},
        "job 'shop': passcode-file: passcode-env is said, too",
    ),
    ({"job": [shop(passcode_env="s3cret!")]}, "job 'shop': passcode-env: the name of an"),
    ({"job": [shop(passcode_env=7)]}, "job 'shop': passcode-env: the name of an"),
    ({"job": [shop(passcode="x")]}, "job 'shop': passcode: a passcode is in no file"),
    ({"job": [shop(yes=True)]}, "job 'shop': yes: this is said by a flag"),
    ({"defaults": {"approve": "x"}, "job": [shop()]}, "defaults: approve: this is said by a flag"),
    ({"job": [shop(accept_damage=["x"])]}, "job 'shop': accept-damage: this is said by a flag"),
    ({"job": [shop(run_dir="x")]}, "job 'shop': run-dir: jobs live in"),
    ({"defaults": {"inputs": ["x"]}, "job": [shop()]}, "defaults: inputs: this is said by a job"),
    ({"defaults": {"heartbeat": "x"}, "job": [shop()]}, "defaults: heartbeat: this is said by a"),
    ({"job": [shop(max_delete=3)]}, "job 'shop': max-delete: there is no such setting"),
    ({"job": [shop(zzzzzzzz=3)]}, "job 'shop': zzzzzzzz: there is no such setting"),
    ({"job": [shop() | {"account_id": "B"}]}, "job 'shop': a key stands there twice"),
]


@pytest.mark.parametrize(("document", "words"), WRONG)
def test_what_is_wrong_is_told_with_job_and_key(document: dict[str, Any], words: str) -> None:
    """Each refusal is of usage, names where it is, and says that nothing was sent."""
    with pytest.raises(UsageError) as caught:
        read(document)
    assert words in str(caught.value)
    assert str(caught.value).endswith("; nothing was sent")
    assert caught.value.code == "fleet_file"


def test_a_key_that_is_spelled_almost_so_is_named() -> None:
    """The nearest setting is asked for; a passcode is not repeated."""
    with pytest.raises(UsageError) as caught:
        read({"job": [shop(max_delete=3)]})
    assert caught.value.hint == "max-deletes?"
    with pytest.raises(UsageError) as caught:
        read({"job": [shop(passcode_env="s3cret!")]})
    assert "s3cret" not in str(caught.value)


def test_what_is_no_fleet_cannot_be_made() -> None:
    """The nouns refuse impossible values by themselves."""
    job = f.Job("a", ("x",), {}, None)
    inputs: tuple[str, ...]
    for name, inputs in (("a.1", ("x",)), ("", ("x",)), ("a", ())):
        with pytest.raises(ValueError, match="is no job"):
            f.Job(name, inputs, {}, None)
    for name, jobs in (("a/b", (job,)), ("a", ()), ("a", (job, job))):
        with pytest.raises(ValueError, match="is no fleet"):
            f.Fleet(name, jobs)


# --- its plans ---


@given(st.dictionaries(st.text(), st.text(), min_size=1), st.randoms(use_true_random=False))
def test_the_digest_is_of_all_names_and_plans(plans: dict[str, str], dice: Any) -> None:  # noqa: ANN401
    """In any order the same; with any name or plan changed, or one more, another."""
    pairs = list(plans.items())
    dice.shuffle(pairs)
    whole = f.digest(plans)
    assert f.digest(dict(pairs)) == whole
    name, plan = pairs[0]
    assert f.digest({**plans, name: plan + "x"}) != whole
    assert f.digest({**plans, "x".join(plans) + "y": plan}) != whole
    assert whole.startswith("sha256:")
    assert len(whole) == 7 + 64


def test_anybody_can_work_the_digest_out() -> None:
    """What was approved yesterday, elsewhere, is what is approved today."""
    text = '["bulkdelete.fleet/1",[["a","sha256:1"],["b","sha256:2"]]]'
    expected = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert f.digest({"b": "sha256:2", "a": "sha256:1"}) == expected


def planned(content: str, *sums: str, ids: int = 6, **bound: Any) -> Plan:  # noqa: ANN401
    """Return the plan of files with these bytes; with a shard, of one."""
    part = PLAN.parts[0]
    parts = [replace(part, sha256=one, records=0 if one == "empty" else 10) for one in sums]
    whole = planning.Job(content=content, counts=PLAN.counts) if "shard" in bound else None
    return replace(
        PLAN,
        content=content + bound.get("shard", ""),
        parts=tuple(parts),
        bound=replace(PLAN.bound, **bound),
        counts=replace(PLAN.counts, planned=ids),
        job=whole,
    )


LIST = planned("x", "1")


@pytest.mark.parametrize(
    "other",
    [
        LIST,
        planned("y", "1", chunk_size=50),
        planned("y", "1", kind="guid", environment="production", protect=()),
        planned("x", "1", shard="0/2"),
        planned("y", "2", "1"),
        planned("x", "2"),  # the same IDs in a file with other bytes
        planned("y", "1", column=("0", "3")),
    ],
)
def test_a_list_is_there_once_for_one_account(other: Plan) -> None:
    """However it is cut, packed or guarded in the other job, in any order."""
    for pair in ({"a": LIST, "b": planned("z", "9"), "c": other}, {"a": other, "c": LIST}):
        with pytest.raises(UsageError, match=r"'a' and 'c'.*nothing was sent") as caught:
            f.check_distinct(pair)
        assert caught.value.code == "fleet_twice"


def test_lists_that_are_not_the_same() -> None:
    """Another account, place, target or column; what holds nothing; shards of so many."""
    others = [
        planned("x", "1", account="other"),
        planned("x", "1", host="https://in1.api.clevertap.com"),
        planned("x", "1", target="other"),
        planned("v", "1", column=("3",)),
        planned("y", "empty", "2"),
        planned("w", "empty", "3"),
        planned("x", "1", ids=0),
    ]
    f.check_distinct({str(number): one for number, one in enumerate([LIST, *others])})
    thirds = {str(number): planned("x", "1", shard=f"{number}/3") for number in range(3)}
    f.check_distinct(thirds)
    for wrong in ("1/3", "0/2", "1/2"):
        with pytest.raises(UsageError, match="and 'more'"):
            f.check_distinct({**thirds, "more": planned("x", "1", shard=wrong)})


def test_a_fleet_has_a_ceiling_of_its_own() -> None:
    """It is reached, and not passed; without one there is none."""
    f.check_ceiling(10, 10)
    f.check_ceiling(10, None)
    with pytest.raises(GuardError, match="11 IDs together, more than the 10 ") as caught:
        f.check_ceiling(11, 10)
    assert caught.value.code == "max_deletes"


@pytest.mark.parametrize(
    ("waiting", "running", "paced", "turn"),
    [
        ("a", "", "", 0),
        ("ab", "", "", 0),
        ("aab", "a", "", 2),
        ("aab", "ab", "", 0),
        ("abc", "aab", "", 2),
        ("ab", "aab", "", 1),
        ("aa", "aaa", "", 0),
        ("aa", "", "a", 0),
        ("aa", "a", "a", None),
        ("aab", "abb", "a", 2),
        ("ab", "b", "a", 0),
    ],
)
def test_accounts_take_turns(waiting: str, running: str, paced: str, turn: int | None) -> None:
    """The account with the fewest running is next; else the file's order; a paced one alone."""
    assert f.turn(list(waiting), list(running), set(paced)) == turn


# --- how it stands ---


def report(state: str = "finished", code: int | None = 0, **more: Any) -> Report:  # noqa: ANN401
    """Return the report of a job: one ID read and accepted."""
    whole: dict[str, Any] = {
        "run_id": "shop",
        "run_dir": "",
        "plan_digest": "",
        "state": state,
        "exit_code": code,
        "ids": as_dict(Balance(read=1, accepted=1)),
        "chunks": {"planned": 1, "accepted": 1, "rejected": 0, "ambiguous": 0, "unsent": 0},
        "requests": dict.fromkeys(
            (
                *("sent", "accepted", "rejected", "throttled", "failed"),
                *("ambiguous", "resent_chunks"),
            ),
            2,
        ),
        "timing": Timing(),
    }
    return Report(**whole | more)


def summed(jobs: list[Report], **more: Any) -> r.FleetReport:  # noqa: ANN401
    """Put reports together."""
    named: dict[str, Any] = {"fleet": "n", "fleet_dir": "d", "fleet_digest": "", "exit_code": 0}
    return r.summed(jobs=jobs, **named | more)


balances = st.lists(st.integers(0, 10**9), min_size=8, max_size=8).map(
    lambda counts: as_dict(
        Balance(read=sum(counts), **dict(zip((one.value for one in State), counts, strict=True)))
    )
)


@given(st.lists(balances, max_size=5))
def test_the_balance_of_a_fleet_is_the_sum_and_adds_up(ids: list[dict[str, int]]) -> None:
    """S6 holds for the sum, state by state."""
    whole = summed([report(ids=one) for one in ids])
    assert whole.ids == {
        name: sum(one[name] for one in ids) for name in ("read", *(one.value for one in State))
    }
    assert whole.ids["read"] == sum(whole.ids[one.value] for one in State)
    assert whole.chunks["planned"] == whole.chunks["accepted"] == len(ids)
    assert set(whole.requests.values()) == {2 * len(ids)}


def test_a_balance_that_does_not_add_up_is_no_report() -> None:
    """A job's report that lost an ID is not summed away."""
    with pytest.raises(ValueError, match="does not add up"):
        summed([report(ids=as_dict(Balance(read=1, accepted=1)) | {"read": 2})])


def test_a_fleets_report_is_one_object() -> None:
    """It names its schema, and holds the report of each job."""
    found = msgspec.json.decode(msgspec.json.encode(summed([report(), report()])))
    assert found["schema"] == "bulkdelete.fleet/1"
    assert [job["schema"] for job in found["jobs"]] == ["bulkdelete.report/1"] * 2


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 3], 3),
        ([3, 75], 75),
        ([75, 143, 3], 143),
        ([130, 143], 130),
        ([7, 130], 7),
        ([2, 7], 2),
        ([4, 2, 75], 4),
        ([5, 4, 143], 5),
        ([6, 5], 6),
        ([1, 6], 1),
        ([0, 99], 1),
        ([-9, 75], 1),
    ],
)
def test_the_worst_code_is_the_fleets(codes: list[int], code: int) -> None:
    """What needs a person before what is mended by repeating, before what is merely told."""
    for order in itertools.permutations(codes):
        assert r.worst(order) == code


@pytest.mark.parametrize(
    ("states", "code", "state"),
    [
        (["finished", "finished"], 3, "finished"),
        (["finished", "running", "planned"], None, "running"),
        (["paused"], None, "running"),
        (["finished", "planned"], 143, "interrupted"),
        (["interrupted", "planned"], 130, "interrupted"),
        (["finished", "planned"], 75, "stopped"),
        (["stopped", "finished"], 5, "stopped"),
        (["interrupted", "stopped"], 5, "stopped"),
        (["planned", "refused"], 4, "refused"),
        (["planned", "planned"], None, "planned"),
    ],
)
def test_the_state_of_a_fleet(states: list[str], code: int | None, state: str) -> None:
    """One word for all of its jobs; what was refused as a whole says so."""
    assert r.state_of(states, code) == state
    unsent = as_dict(Balance(read=1, unsent=1))
    jobs = [report(one, ids=unsent) for one in states]
    assert summed(jobs, exit_code=code).state == state
    assert summed(jobs, exit_code=code, refused=True).state == "refused"


@pytest.mark.parametrize("sent", ["accepted", "rejected", "ambiguous"])
def test_what_was_sent_before_is_not_called_refused(sent: str) -> None:
    """The word says that nothing was sent: a fleet that did send something is stopped."""
    unsent = as_dict(Balance(read=1, unsent=1))
    jobs = [
        report("refused", 6, ids=unsent),
        report("stopped", 75, ids=unsent | {sent: 1, "unsent": 0}),
    ]
    assert summed(jobs, exit_code=6, refused=True).state == "stopped"


def test_why_a_fleet_ended_so() -> None:
    """The first job with the fleet's code says it, and how many more there are."""
    why = Reason("http_401", "no", "ask")
    jobs = [report(code=0), report(code=5, reason=why, run_id="a"), report(code=5, reason=why)]
    assert r.reason_of(jobs, 5) == Reason(
        "http_401", "job 'a': no (and 1 more jobs with the exit code 5)", "ask"
    )
    assert r.reason_of(jobs[:2], 5) == Reason("http_401", "job 'a': no", "ask")
    assert r.reason_of(jobs, 75) is None
    assert r.reason_of([report(reason=why)], 0) is None
