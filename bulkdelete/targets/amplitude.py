"""Amplitude: deletion jobs, `POST /api/2/deletions/users`, 100 IDs and one request a second.

What is accepted is *queued*: a job of the day, which runs 10 to 13 days later, and out of which
somebody can still take it. `ignore_invalid_id` is asked for, so that one unknown user does not
refuse a hundred others: the answer then names those that are not found in the project, and they
are rejected, for nothing was queued for them. The project alone is meant, never the organisation.
"""

import base64
import re
from typing import TYPE_CHECKING, Any

import msgspec

from bulkdelete.core.columns import OWN, Meaning
from bulkdelete.core.model import (
    MAX_IDS_PER_CHUNK,
    Accepted,
    Ambiguous,
    Answer,
    Kind,
    Partial,
    Reply,
    Verdict,
)
from bulkdelete.core.shapes import Shape
from bulkdelete.core.target import Target, check_ids, judged

if TYPE_CHECKING:
    from collections.abc import Sequence

_THEIRS = re.compile(r"[1-9][0-9]{0,17}")


def fault(kind: Kind, identifier: str) -> str | None:
    """Say why an ID cannot be of its kind: an Amplitude ID is a whole number."""
    if kind is Kind.GUID and not _THEIRS.fullmatch(identifier):
        return "not_an_amplitude_id"
    return None


def encode(kind: Kind, ids: "Sequence[str]") -> bytes:
    """Return the JSON body for 1..100 IDs of one kind; ValueError for what cannot be sent.

    Amplitude IDs go as numbers, with the same digits.
    """
    check_ids(ids, MAX_IDS_PER_CHUNK)
    if any(fault(kind, one) for one in ids):
        raise ValueError("an Amplitude ID is a whole number")
    body: dict[str, Any] = {"requester": "bulkdelete", "ignore_invalid_id": "True"}
    if kind is Kind.IDENTITY:
        return msgspec.json.encode({"user_ids": list(ids), **body})
    return msgspec.json.encode({"amplitude_ids": list(map(int, ids)), **body})


def headers(key: str, secret: str) -> dict[str, str]:
    """Return the headers that say who asks: the project's API key, and its secret key."""
    words = base64.b64encode(f"{key}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {words}", "Content-Type": "application/json"}


def decode(reply: Reply, ids: "Sequence[str]", trusted: bool) -> Verdict:  # noqa: FBT001
    """Judge what came back for a request of `ids`; see `judged`."""

    def success(answer: Any, _: Answer) -> Verdict:  # noqa: ANN401 - JSON
        return _queued(answer if isinstance(answer, list) else [answer], ids)

    return judged(reply, success, trusted=trusted)


_STATUSES = frozenset({"staging", "submitted"})


def _queued(jobs: "Sequence[Any]", ids: "Sequence[str]") -> Verdict:
    """Judge a list of jobs; those that are not found may stand beside a job, or alone."""
    if not jobs or not all(isinstance(job, dict) for job in jobs):
        return Ambiguous("unknown_job")
    unknown: set[str] = set()
    for job in jobs:
        named = _named(job.get("invalid_ids", []))
        if named is None:
            return Ambiguous("unknown_invalid_ids")
        unknown |= named
    if not unknown <= set(ids):
        return Ambiguous("unknown_invalid_ids")
    bad = tuple(position for position, one in enumerate(ids) if one in unknown)
    if len(bad) < len(ids) and not all(_is_job(job) for job in jobs):
        return Ambiguous("unknown_job")
    return Partial(bad, "not_found") if bad else Accepted()


def _is_job(job: "dict[str, Any]") -> bool:
    return job.get("status") in _STATUSES and isinstance(job.get("day"), str)


def _named(found: object) -> set[str] | None:
    """Return the IDs in a list of texts and whole numbers; None when it is not such a list."""
    if not isinstance(found, list) or any(type(one) not in {int, str} for one in found):
        return None
    return set(map(str, found))


AMPLITUDE = Target(
    name="amplitude",
    title="Amplitude",
    regions={"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"},
    kinds={Kind.IDENTITY: "user_id", Kind.GUID: "amplitude_id"},
    columns=(
        *OWN,
        ("userid", Meaning(Kind.IDENTITY, is_list=False)),
        ("amplitudeid", Meaning(Kind.GUID, is_list=False)),
    ),
    unlike={Kind.GUID: (Shape.EMAIL, Shape.PHONE, Shape.UUID, Shape.HEX, Shape.PREFIXED)},
    fault=fault,
    delete_path="/api/2/deletions/users",
    in_flight=2,
    # One a second is allowed. The network may bring two closer together than they left.
    per_minute=57,
    max_ids=MAX_IDS_PER_CHUNK,
    account_variable="AMPLITUDE_API_KEY",
    secret_variable="AMPLITUDE_SECRET_KEY",  # noqa: S106 - a name
    encode=encode,
    decode=decode,
    headers=headers,
    no_probe="its API lists jobs by day, and does not say of a user whether any is left",
    emulator="bulkdelete.emulator.amplitude:AMPLITUDE",
)
