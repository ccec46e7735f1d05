"""The plan's digest binds what must not change, and nothing else."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from bulkdelete.core import plan as plans
from bulkdelete.core.plan import Bound, Counts, Job, PartFacts, Plan, Protected, Reading
from bulkdelete.core.shard import Shard
from tests.plans import ONE_COLUMN

BOUND = replace(ONE_COLUMN, account="W9R-XXX", protect=(Protected("aa", 3),))
COUNTS = Counts(
    read=10,
    planned=6,
    duplicate=1,
    protected=1,
    invalid=1,
    excluded=1,
    identities=4,
    guids=2,
    chunks=2,
)
PLAN = Plan(
    schema=plans.SCHEMA,
    tool="0.1.0",
    created=1.5,
    digest=plans.digest(BOUND, "c0ffee", COUNTS),
    bound=BOUND,
    content="c0ffee",
    counts=COUNTS,
    parts=(PartFacts(path="/in/a.csv", sha256="11", size=5, records=10),),
    inputs=("/in/*.csv",),
    protect=("vip.txt",),
    reading=Reading(
        format="auto",
        delimiter=None,
        encoding="utf-8",
        column=None,
        header=True,
        id_type=None,
        explode=False,
    ),
    reasons=("empty",),
    index_sha256="22",
    seconds=0.1,
)
OTHER_BOUND: dict[str, Any] = {
    "rules": 2,
    "target": "other",
    "host": "https://in1.api.clevertap.com",
    "account": "W9R-YYY",
    "format": ("lines",),
    "delimiter": (";",),
    "encoding": "latin-1",
    "header": False,
    "column": ("1",),
    "kind": "guid",
    "explode": True,
    "chunk_size": 99,
    "protect": (Protected("aa", 4),),
    "environment": "production",
    "last_seen": ("seen", 1.0),
    "signatures": 1,
    "signers": "bb",
    "quote": "'",
    "escape": "\\",
    "selection": ("--limit 2",),
    "normal": ("trim",),
    "shard": "0/4",
}


def test_a_digest_is_sha256_in_hex() -> None:
    """A person approves it whole, or by its first 12 digits."""
    name, _, digits = PLAN.digest.partition(":")
    assert name == "sha256"
    assert len(bytes.fromhex(digits)) == 32
    assert plans.SHORT_DIGEST == 12


def test_every_bound_setting_is_tried() -> None:
    """A setting that is added to the plan must be added to these tables."""
    assert set(OTHER_BOUND) == set(Bound.__struct_fields__)


@pytest.mark.parametrize("name", OTHER_BOUND)
def test_c1_each_bound_setting_changes_the_digest(name: str) -> None:
    """A plan for another host, kind or chunk size is another plan."""
    other = msgspec.structs.replace(BOUND, **{name: OTHER_BOUND[name]})
    assert plans.digest(other, "c0ffee", COUNTS) != PLAN.digest


@pytest.mark.parametrize("name", Counts.__struct_fields__)
def test_h3_each_count_changes_the_digest(name: str) -> None:
    """The numbers that were approved are bound as well."""
    other = msgspec.structs.replace(COUNTS, **{name: getattr(COUNTS, name) + 1})
    assert plans.digest(BOUND, "c0ffee", other) != PLAN.digest


def test_h3_the_content_changes_the_digest() -> None:
    """Other IDs are another plan."""
    assert plans.digest(BOUND, "c0ffef", COUNTS) != PLAN.digest


def test_the_digest_depends_on_no_path_and_no_clock() -> None:
    """Where the input lies, when it was planned and by which version does not count."""
    moved = msgspec.structs.replace(
        PLAN,
        created=9e9,
        tool="9.9.9",
        inputs=("/elsewhere",),
        parts=(PartFacts(path="/elsewhere/b.csv", sha256="11", size=5, records=10),),
        seconds=7.0,
    )
    assert plans.decode(moved.encode()).digest == PLAN.digest


def test_c5_plans_from_before_a_setting_existed_keep_their_digest() -> None:
    """What is at its default is not in the digest: an upgrade does not orphan a run half-way."""
    assert PLAN.digest == "sha256:3ca798731a3afbec282a08de7b8b9ad3db3aae8c19569e83c20865cdfccccd52"


def test_a_plan_comes_back_as_it_was_written() -> None:
    """plan.json is JSON that a person can read, with a line feed at its end."""
    data = PLAN.encode()
    assert plans.decode(data) == PLAN
    assert data.endswith(b"\n}\n")
    assert json.loads(data)["counts"]["planned"] == 6


@pytest.mark.parametrize(
    ("host", "account", "draft"),
    [("h", "a", False), (None, "a", True), ("h", None, True), (None, None, True)],
)
def test_a_plan_without_host_or_account_is_a_draft(
    host: str | None, account: str | None, draft: bool
) -> None:
    """A draft can be looked at, not applied."""
    bound = msgspec.structs.replace(BOUND, host=host, account=account)
    assert msgspec.structs.replace(PLAN, bound=bound).draft is draft


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff", b'{"schema": 5}'])
def test_z3_what_is_no_plan_is_refused(data: bytes) -> None:
    """Half a file or another file is no plan."""
    with pytest.raises(ValueError, match="cannot be read"):
        plans.decode(data)


def test_c5_a_plan_of_another_schema_is_refused() -> None:
    """A newer tool's plan is not guessed at."""
    with pytest.raises(ValueError, match=r"bulkdelete\.plan/2"):
        plans.decode(msgspec.structs.replace(PLAN, schema="bulkdelete.plan/2").encode())


@pytest.mark.parametrize(
    "change",
    [
        {"content": "c0ffef"},
        {"digest": "sha256:" + "0" * 64},
        {"counts": msgspec.structs.replace(COUNTS, planned=7)},
        {"bound": msgspec.structs.replace(BOUND, host="https://evil.example")},
    ],
)
def test_g4_h3_z3_a_plan_that_was_edited_is_refused(change: dict[str, Any]) -> None:
    """What the digest binds cannot be changed behind its back."""
    with pytest.raises(ValueError, match="own digest"):
        plans.decode(msgspec.structs.replace(PLAN, **change).encode())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rules", "the planning rules (another version of the tool)"),
        ("target", "the target"),
        ("host", "the region or endpoint"),
        ("account", "the account"),
        ("format", "the input's format"),
        ("delimiter", "the delimiter"),
        ("encoding", "encoding"),
        ("header", "the header setting"),
        ("column", "the ID column"),
        ("kind", "the kind of ID"),
        ("explode", "explode"),
        ("chunk_size", "the chunk size"),
        ("protect", "a protect list"),
    ],
)
def test_c1_changes_are_named(name: str, said: str) -> None:
    """Each setting has a name that a person can act on."""
    bound = msgspec.structs.replace(BOUND, **{name: OTHER_BOUND[name]})
    new = msgspec.structs.replace(PLAN, bound=bound)
    assert plans.changes(PLAN, new) == [said]


def test_i14_changed_content_is_named() -> None:
    """Other bytes, or other IDs from the same bytes, once."""
    bytes_changed = (PartFacts(path="/in/a.csv", sha256="12", size=5, records=10),)
    new = msgspec.structs.replace(PLAN, parts=bytes_changed, content="c0ffef")
    assert plans.changes(PLAN, new) == ["the input's content"]
    assert plans.changes(PLAN, msgspec.structs.replace(PLAN, content="00")) == [
        "the input's content"
    ]


def test_nothing_changed_is_nothing_named() -> None:
    """A moved input is no change."""
    moved = (PartFacts(path="/moved/a.csv", sha256="11", size=5, records=10),)
    assert plans.changes(PLAN, msgspec.structs.replace(PLAN, parts=moved)) == []


def test_h2_another_kind_is_not_another_input() -> None:
    """The same bytes read otherwise: only what was said otherwise is named."""
    other = msgspec.structs.replace(
        PLAN, content="00", bound=msgspec.structs.replace(BOUND, kind="guid")
    )
    assert plans.changes(PLAN, other) == ["the kind of ID"]


def test_h3_what_is_signed_names_the_plan_the_run_and_the_place() -> None:
    """One line each; another run of the same plan is another text."""
    text = PLAN.to_sign().decode()
    assert text.splitlines()[0] == "bulkdelete approval 1"
    for part in (PLAN.digest, "run 22", "made 1.5 by ", "W9R-XXX at https://eu1", "ids 6"):
        assert part in text
    other = msgspec.structs.replace(PLAN, index_sha256="23")
    assert other.to_sign() != PLAN.to_sign()


def test_h3_another_input_and_another_kind_are_both_named() -> None:
    """One change does not hide the other; and plan.json is laid out for a person."""
    parts = (msgspec.structs.replace(PLAN.parts[0], sha256="other"),)
    other = msgspec.structs.replace(
        PLAN, parts=parts, bound=msgspec.structs.replace(BOUND, kind="guid")
    )
    assert plans.changes(PLAN, other) == ["the kind of ID", "the input's content"]
    assert PLAN.encode().startswith(b'{\n  "schema": "bulkdelete.plan/1",\n')
    forged = PLAN.encode().replace(b'"planned": 6', b'"planned": 7')
    with pytest.raises(ValueError, match="digest") as caught:
        plans.decode(forged)
    assert str(caught.value) == "plan.json does not fit its own digest"


JOB = Job(content="beef", counts=replace(COUNTS, read=40))
SHARD = replace(BOUND, shard="1/4")
PART = replace(
    PLAN, bound=SHARD, job=JOB, digest=plans.digest(SHARD, PLAN.content, PLAN.counts, JOB)
)


def test_a_shard_knows_its_job_by_the_digest_of_the_plan_without_shards() -> None:
    """All shards are approved by it, and it is bound in each one's own."""
    assert PART.shard == Shard(1, 4)
    assert PART.job_digest == plans.digest(BOUND, "beef", JOB.counts)
    assert PART.whole == JOB.counts
    assert (PLAN.shard, PLAN.job_digest, PLAN.whole) == (None, PLAN.digest, PLAN.counts)
    assert plans.decode(PART.encode()) == PART
    for other in (replace(JOB, content="beee"), replace(JOB, counts=COUNTS)):
        with pytest.raises(ValueError, match="own digest"):
            plans.decode(replace(PART, job=other).encode())


@pytest.mark.parametrize(("shard", "job"), [("", JOB), ("1/4", None), ("4/4", JOB), ("x", JOB)])
def test_a_shard_without_its_job_is_refused(shard: str, job: Job | None) -> None:
    """Else there would be nothing to hold against the guards."""
    bound = replace(BOUND, shard=shard)
    digest = plans.digest(bound, PLAN.content, PLAN.counts, job)
    with pytest.raises(ValueError, match=r"without its job|I/N is wanted"):
        plans.decode(replace(PLAN, bound=bound, job=job, digest=digest).encode())
