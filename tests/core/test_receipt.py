"""The receipt as data: its sentences claim nothing that is not on record."""

import base64
import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulkdelete.core import checkpoint as log
from bulkdelete.core import plan as plans
from bulkdelete.core import report as reports
from bulkdelete.core.model import State
from bulkdelete.core.progress import Progress
from bulkdelete.core.receipt import MOST_FILES, Receipt, fingerprint, receipt
from bulkdelete.core.verification import Verification
from tests.plans import ONE_COLUMN

COUNTS = plans.Counts(
    read=10,
    planned=8,
    duplicate=1,
    protected=1,
    invalid=0,
    excluded=0,
    identities=8,
    guids=0,
    chunks=2,
)
PLAN = plans.Plan(
    schema=plans.SCHEMA,
    tool="1",
    created=100.0,
    digest="sha256:" + "a" * 64,
    bound=replace(
        ONE_COLUMN,
        host="https://h",
        chunk_size=4,
        protect=(plans.Protected("d" * 64, 3),),
        signatures=2,
        signers="e" * 64,
    ),
    content="b" * 64,
    counts=COUNTS,
    parts=(plans.PartFacts(path="/home/ana/secret.csv", sha256="c" * 64, size=9, records=10),),
    inputs=("/home/ana/secret.csv",),
    protect=("/home/ana/vip.txt",),
    reading=plans.Reading(
        format="auto",
        delimiter=None,
        encoding="utf-8",
        column=None,
        header=True,
        id_type=None,
        explode=False,
    ),
    reasons=(),
    index_sha256="f" * 64,
    seconds=1.0,
    held_back=(1,),
    made_by="bo",
)
APPROVAL = log.Approval(how="signed", who="ana@x.org", ids=8, at=101.0, expires=900.0)
START = log.Start(at=102.0, pid=1, machine="m", in_flight=3, todo=2)


def verification(scope: str = "accepted", asked: int = 8) -> Verification:
    """Return what a round found."""
    return Verification(
        run_id="",
        run_dir="",
        plan_digest=PLAN.digest,
        exit_code=0,
        scope=scope,
        day=0,
        began=300.0,
        concluded=400.0,
        seed=1,
        unknown=0,
        came_back=0,
        not_gone_at_most=0,
        confidence=1.0,
        sentence=f"The sentence of {scope}.",
        chain_head="9" * 64,
        population=8,
        asked=asked,
        gone=asked,
        still_there=0,
    )


def made(
    ids: dict[str, int],
    *rounds: Verification,
    records: tuple[log.Record, ...] = (APPROVAL, START),
    sent: int = 2,
    plan: plans.Plan = PLAN,
    state: str = "finished",
    signatures: tuple[bytes, ...] = (),
) -> Receipt:
    """Put a receipt together for a run with this balance."""
    balance = dict.fromkeys(State, 0) | {"protected": 1, "duplicate": 1} | ids
    summary = reports.Report(
        run_id="secret.csv-aaa",
        run_dir="/home/ana/runs/secret.csv-aaa",
        plan_digest=plan.digest,
        state=state,
        ids={"read": sum(balance.values())} | {str(k): v for k, v in balance.items()},
        chunks={"planned": 2},
        requests=reports.request_counts(None) | {"sent": sent},
        timing=reports.Timing(),
        chain_head="7" * 64,
    )
    return receipt(
        plan=plan,
        progress=Progress(COUNTS.chunks).replay(records),
        report=summary,
        rounds=rounds,
        signatures=signatures,
        made=500.0,
        made_by="cy",
        tool="bulkdelete 1",
    )


def test_everything_that_was_asked_approved_and_answered() -> None:
    """With times and hashes, and every yes; a seal when there is one."""
    seal = log.Seal(at=200.0, exit=0, ids={}, head="8" * 64)
    renewed = msgspec.structs.replace(APPROVAL, how="typed", renewed=True)
    found = made({"accepted": 8}, verification(), records=(APPROVAL, renewed, START, seal))
    assert found.asked.protect_lists[0].held_back == 1
    assert (found.asked.made_by, found.made_by) == ("bo", "cy")
    assert found.approved.approvals == (APPROVAL, renewed)
    assert (found.approved.demanded, found.approved.signers) == (2, "e" * 64)
    assert (found.answered.began, found.answered.ended, found.answered.starts) == (102.0, 200.0, 1)
    assert (found.evidence.sealed, found.evidence.sealed_head) == (200.0, "8" * 64)
    assert (found.verified[0].way, found.verified[0].chain_head) == ("full", "9" * 64)
    assert not found.shredded


def test_a_sample_is_called_so() -> None:
    """Fewer than all of them were asked for."""
    assert made({"accepted": 8}, verification(asked=3)).verified[0].way == "sample"


def test_no_path_and_no_name_of_a_file_is_in_it() -> None:
    """A file may be called after a person; its fingerprint is enough."""
    text = msgspec.json.encode(made({"accepted": 8}))
    assert b"c" * 64 in text
    assert b"secret" not in text
    assert b"home" not in text
    assert b"vip" not in text


def test_the_fingerprint_of_one_id_alone_is_left_out() -> None:
    """It could be the plain hash of that ID."""
    part = msgspec.structs.replace(PLAN.parts[0], records=1)
    bound = msgspec.structs.replace(PLAN.bound, protect=(plans.Protected("d" * 64, 1),))
    plan = msgspec.structs.replace(PLAN, parts=(part, PLAN.parts[0]), bound=bound)
    asked = made({"accepted": 8}, plan=plan).asked
    assert [one.sha256 for one in asked.files] == ["", "c" * 64]
    assert [one.sha256 for one in asked.protect_lists] == [""]


def test_a_plan_from_before_lists_were_counted_has_no_count() -> None:
    """Then nobody knows how many a list held back."""
    plan = msgspec.structs.replace(PLAN, held_back=())
    assert made({"accepted": 8}, plan=plan).asked.protect_lists[0].held_back is None


def test_of_very_many_files_not_all_are_listed() -> None:
    """And how many were left out is said."""
    plan = msgspec.structs.replace(PLAN, parts=PLAN.parts * (MOST_FILES + 5))
    found = made({"accepted": 8}, plan=plan)
    assert (len(found.asked.files), found.asked.files_left_out) == (MOST_FILES, 5)


SENTENCES: list[tuple[dict[str, int], tuple[Verification, ...], str, list[str]]] = [
    ({"accepted": 8}, (), "finished", ["for 8 IDs", "success for 8", "nobody has looked up yet"]),
    ({"accepted": 8}, (verification(),), "finished", ["Looked up afterwards: The sentence of acc"]),
    ({"accepted": 8}, (verification("ambiguous"),), "finished", ["nobody has looked up yet"]),
    ({"accepted": 5, "rejected": 3}, (), "finished", ["success for 5", "refused 3."]),
    ({"accepted": 5, "ambiguous": 3}, (), "finished", ["Of 3 it is not known whether"]),
    ({"accepted": 5, "unsent": 3}, (), "stopped", ["for 5 IDs", "3 were planned and not sent"]),
    ({"accepted": 5, "unsent": 3}, (), "stopped", ["has not reached its end: it is stopped."]),
]


@pytest.mark.parametrize(("ids", "rounds", "state", "wanted"), SENTENCES)
def test_the_sentences(
    ids: dict[str, int], rounds: tuple[Verification, ...], state: str, wanted: list[str]
) -> None:
    """Each state that has IDs is named, and what is not known is said."""
    text = " ".join(made(ids, *rounds, state=state).statement)
    assert [one for one in wanted if one not in text] == []


def test_where_nothing_was_sent_that_is_all_there_is_to_say() -> None:
    """A plan that nobody applied, and a list of which nothing is planned."""
    for ids, sent, records in (({"unsent": 8}, 0, ()), ({}, 0, (APPROVAL, START))):
        found = made(ids, sent=sent, records=records)
        assert len(found.statement) == 1
        assert found.statement[0].startswith("Nothing was sent")
    assert made({"unsent": 8}, sent=0, records=()).answered.began is None


@given(
    st.dictionaries(st.sampled_from([str(one) for one in State]), st.integers(0, 9**9)),
    st.integers(0, 99),
    st.sampled_from(["finished", "stopped", "interrupted", "planned", "abandoned"]),
)
def test_s5_it_never_says_deleted(ids: dict[str, int], sent: int, state: str) -> None:
    """Not even of what was looked up: gone is what was found, by whom it was asked."""
    text = msgspec.json.encode(made(ids, sent=sent, state=state)).lower()
    assert b"deleted" not in text
    assert b"gone." not in text or b"nobody has looked up yet" in text


def signature(key: bytes, magic: bytes = b"SSHSIG", size: int | None = None) -> bytes:
    """Return the armor of a signature by a key."""
    length = len(key) if size is None else size
    blob = magic + (1).to_bytes(4, "big") + length.to_bytes(4, "big") + key + b"rest"
    text = base64.encodebytes(blob)
    return b"-----BEGIN SSH SIGNATURE-----\n" + text + b"-----END SSH SIGNATURE-----\n"


def test_a_signature_names_its_key() -> None:
    """As ssh-keygen shows it; what is no signature names none."""
    digest = base64.b64encode(hashlib.sha256(b"a key").digest()).decode().rstrip("=")
    found = made({"accepted": 8}, signatures=(signature(b"a key"), b"x"))
    assert [one.key for one in found.approved.signatures] == [f"SHA256:{digest}", ""]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"-----BEGIN SSH SIGNATURE-----\nAA=A=\n-----END SSH SIGNATURE-----\n",
        signature(b"a key", magic=b"SSHSIX"),
        signature(b"a key", size=999),
        signature(b""),
    ],
)
def test_what_is_no_signature_names_no_key(broken: bytes) -> None:
    """Empty, not base64, of another kind, cut off, or without a key."""
    assert not fingerprint(broken)
