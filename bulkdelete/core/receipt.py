"""The receipt of a run, as data: for a regulator or a customer. It ties to no person in the list.

What was asked, by whom, who said yes and how, what the server answered, what was looked up
afterwards, and the hashes that hold it all together. It says nothing that is not on record:
*accepted* is the server's answer, and *gone* is what a later question found.
"""

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core.checkpoint import Approval
from bulkdelete.core.model import State
from bulkdelete.core.plan import Counts
from bulkdelete.core.stamps import BLANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.core.report import Report
    from bulkdelete.core.verification import Verification

SCHEMA = "bulkdelete.receipt/1"
MOST_FILES = 1000
"""Fingerprints that a receipt lists at most; the plan's digest covers all of them."""

PROVES = (
    "The digests bind it to one list, one account and one host; the chain head binds it to the "
    "record of each request and each answer. Who has the run directory can show both: bulkdelete "
    "audit RUN_DIR --head CHAIN_HEAD."
)
DOES_NOT_PROVE = (
    "That the server did what it accepted, beyond what was looked up afterwards; that a profile "
    "existed; that nobody with access to the machine wrote all of it anew, unless this receipt is "
    "signed or its chain head was noted elsewhere; and whoever knows a short list can try guesses "
    "against its fingerprints."
)


class File(msgspec.Struct, frozen=True, kw_only=True):
    """An input file or a protect list, without its name: SHA-256 of its bytes; `ids` in it.

    That of a list of one ID is left out (""): whoever guesses the ID can test it with that.
    Of a protect list `ids` are its entries, and `held_back` how many IDs it kept from being sent.
    """

    sha256: str
    ids: int
    held_back: int | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The plan: what was to be sent where, who made it, and when."""

    plan_digest: str
    content: str
    made: float
    made_by: str
    account: str | None
    host: str | None
    environment: str
    counts: Counts
    files: tuple[File, ...]
    files_left_out: int
    protect_lists: tuple[File, ...]


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that lies with the plan: the fingerprint of its key, as ssh-keygen shows it."""

    key: str


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """Every yes on record, the last of which counts.

    `demanded` others had to sign, out of a file of signers with the SHA-256 `signers`.
    """

    approvals: tuple[Approval, ...]
    demanded: int
    signers: str
    signatures: tuple[Signature, ...]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered: requests by verdict, chunks and IDs by state, and when."""

    began: float | None
    ended: float | None
    starts: int
    requests: dict[str, int]
    chunks: dict[str, int]
    ids: dict[str, int]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The hashes: of the log's last record, of the one before the seal, and of the plan's index."""

    chain_head: str
    sealed: float | None
    sealed_head: str
    index_sha256: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One round of looking up afterwards: of whom, how many, what was found, what that means."""

    began: float
    concluded: float
    scope: str
    way: str
    population: int
    asked: int
    gone: int
    still_there: int
    came_back: int
    unknown: int
    not_gone_at_most: int
    confidence: float
    sentence: str
    chain_head: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """receipt.json. `checksum`: SHA-256 of the file, with zeros in its place."""

    schema: str = SCHEMA
    made: float
    made_by: str
    tool: str
    state: str
    statement: tuple[str, ...]
    asked: Asked
    approved: Approved
    answered: Answered
    verified: tuple[Checked, ...]
    evidence: Evidence
    shredded: bool
    proves: str = PROVES
    does_not_prove: str = DOES_NOT_PROVE
    checksum: str = BLANK


def receipt(  # noqa: PLR0913 - what a receipt is made of
    *,
    plan: "Plan",
    progress: "Progress",
    report: "Report",
    rounds: "Sequence[Verification]",
    signatures: "Sequence[bytes]",
    made: float,
    made_by: str,
    tool: str,
) -> Receipt:
    """Put the receipt together; `rounds` are the concluded ones, `report` the run's summary."""
    checked = tuple(_checked(one) for one in rounds)
    return Receipt(
        made=made,
        made_by=made_by,
        tool=tool,
        state=report.state,
        statement=statement(report, checked),
        asked=_asked(plan),
        approved=_approved(plan, progress, signatures),
        answered=Answered(
            began=progress.starts[0].at if progress.starts else None,
            ended=progress.last_at if progress.starts else None,
            starts=len(progress.starts),
            requests=report.requests,
            chunks=report.chunks,
            ids=report.ids,
        ),
        verified=checked,
        evidence=Evidence(
            chain_head=report.chain_head,
            sealed=progress.seal.at if progress.seal else None,
            sealed_head=progress.seal.head if progress.seal else "",
            index_sha256=plan.index_sha256,
        ),
        shredded=progress.shredded,
    )


def _asked(plan: "Plan") -> Asked:
    bound = plan.bound
    held = (*plan.held_back, *(None for _ in bound.protect[len(plan.held_back) :]))
    return Asked(
        plan_digest=plan.digest,
        content=plan.content,
        made=plan.created,
        made_by=plan.made_by,
        account=bound.account,
        host=bound.host,
        environment=bound.environment,
        counts=plan.counts,
        files=tuple(
            File(sha256=_shown(one.sha256, one.records), ids=one.records)
            for one in plan.parts[:MOST_FILES]
        ),
        files_left_out=max(0, len(plan.parts) - MOST_FILES),
        protect_lists=tuple(
            File(sha256=_shown(one.sha256, one.entries), ids=one.entries, held_back=number)
            for one, number in zip(bound.protect, held, strict=True)
        ),
    )


def _shown(sha256: str, ids: int) -> str:
    return sha256 if ids > 1 else ""


def _approved(plan: "Plan", progress: "Progress", signatures: "Sequence[bytes]") -> Approved:
    return Approved(
        approvals=tuple(progress.approvals),
        demanded=plan.bound.signatures,
        signers=plan.bound.signers,
        signatures=tuple(Signature(key=fingerprint(one)) for one in signatures),
    )


def _checked(found: "Verification") -> Checked:
    return Checked(
        way="full" if found.asked == found.population else "sample",
        **{name: getattr(found, name) for name in Checked.__struct_fields__ if name != "way"},
    )


# --- words ---


def statement(report: "Report", rounds: "Sequence[Checked]") -> tuple[str, ...]:
    """Say in sentences what is known: what was answered, what is open, what was looked up."""
    ids = report.ids
    planned = sum(ids[one] for one in (*_SENT, State.UNSENT))
    if not report.requests["sent"] or not planned:
        return (f"Nothing was sent: {planned:,} of {ids['read']:,} IDs read are planned.",)
    said = [
        (
            f"Deletion was requested for {planned - ids['unsent']:,} IDs; the server answered "
            f"success for {ids['accepted']:,} of them."
        )
    ]
    said += [text.format(number=f"{ids[one]:,}") for one, text in _REST.items() if ids[one]]
    if report.state != "finished":
        said.append(f"The run has not reached its end: it is {report.state}.")
    last = next((one for one in reversed(rounds) if one.scope == State.ACCEPTED), None)
    if last is None:
        said.append(
            "Success means that the server took the request; nobody has looked up yet whether the "
            "profiles are gone."
        )
    else:
        said.append(f"Looked up afterwards: {last.sentence}")
    return tuple(said)


_SENT = (State.ACCEPTED, State.REJECTED, State.AMBIGUOUS)
_REST = {
    State.REJECTED: "The server refused {number}.",
    State.AMBIGUOUS: "Of {number} it is not known whether the server acted on them.",
    State.UNSENT: "{number} were planned and not sent, or not acted on.",
}


# --- signatures ---

_ARMOR = (b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----")
_MAGIC = b"SSHSIG"
_KEY_AT = len(_MAGIC) + 4
"""Where the public key begins in a signature's bytes: behind the magic and the version."""


def fingerprint(signature: bytes) -> str:
    """Return the fingerprint of the key that made an SSH signature; "" for what is none."""
    try:
        blob = base64.b64decode(b"".join(signature.split(_ARMOR[0])[1].split(_ARMOR[1])[0].split()))
    except (IndexError, binascii.Error):
        return ""
    size = int.from_bytes(blob[_KEY_AT : _KEY_AT + 4], "big")
    key = blob[_KEY_AT + 4 : _KEY_AT + 4 + size]
    if not blob.startswith(_MAGIC) or len(key) != size or not size:
        return ""
    digest = base64.b64encode(hashlib.sha256(key).digest()).rstrip(b"=")
    return f"SHA256:{digest.decode()}"
