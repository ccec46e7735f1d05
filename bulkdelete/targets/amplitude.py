"""Amplitude: deletion jobs, `POST /api/2/deletions/users`, 100 IDs and one request a second.

What is accepted is *queued*: in the job of a day, which runs 10 to 13 days later, and out of which
somebody can still take it. An ID is accepted when a job lists it, and only then: an Amplitude ID as
the `amplitude_id` of an entry of its `amplitude_ids`; a user ID as the `user_id` of such an entry
(for which `include_mapped_user_ids` is asked: it changes the answer alone), or in its `user_ids`.

`ignore_invalid_id` is asked for, so that one unknown user does not refuse a hundred others: the
answer then names those that are not found in the project as `invalid_ids`, in a job or in an object
of its own, and they are rejected, for nothing was queued for them. What is neither listed nor named
is in doubt, and with it the request; so is an answer that says `error` anywhere. The project alone
is meant, never the organisation.
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
        body["include_mapped_user_ids"] = "True"
        return msgspec.json.encode({"user_ids": list(ids), **body})
    return msgspec.json.encode({"amplitude_ids": list(map(int, ids)), **body})


def headers(key: str, secret: str) -> dict[str, str]:
    """Return the headers that say who asks: the project's API key, and its secret key."""
    words = base64.b64encode(f"{key}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {words}", "Content-Type": "application/json"}


MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that are read: it may list all that is in the job of a day."""


def decode(reply: Reply, kind: Kind, ids: "Sequence[str]", trusted: bool) -> Verdict:  # noqa: FBT001
    """Judge what came back for a request of `ids`; see `judged`."""

    def success(answer: Any, _: Answer) -> Verdict:  # noqa: ANN401 - JSON
        return _queued(answer if isinstance(answer, list) else [answer], kind, ids)

    return judged(reply, success, trusted=trusted, most=MAX_ANSWER)


_STATUSES = ("staging", "submitted")
_ERRORS = ("error", "errors")


def _queued(jobs: "Sequence[Any]", kind: Kind, ids: "Sequence[str]") -> Verdict:
    """Judge a list of jobs, and of objects that only name those that are not found."""
    listed: set[str] = set()
    unknown: set[str] = set()
    for job in jobs:
        if not isinstance(job, dict) or not (_is_job(job) or set(job) == {"invalid_ids"}):
            return Ambiguous("unknown_job")
        theirs, named = _listed(job, kind), _texts(job.get("invalid_ids", []))
        if theirs is None:
            return Ambiguous("unknown_job")
        if named is None:
            return Ambiguous("unknown_invalid_ids")
        listed |= theirs
        unknown |= named
    if not unknown <= set(ids) or unknown & listed:
        return Ambiguous("unknown_invalid_ids")
    if not set(ids) <= listed | unknown:
        return Ambiguous("not_listed")
    bad = tuple(position for position, one in enumerate(ids) if one in unknown)
    return Partial(bad, "not_found") if bad else Accepted()


def _is_job(job: "dict[str, Any]") -> bool:
    """Tell whether that is a job that will run, without a word of an error."""
    said = job.get("status") in _STATUSES and isinstance(job.get("day"), str)
    return said and not _errs(job)


def _errs(found: "dict[str, Any]") -> bool:
    return any(found.get(word) is not None for word in _ERRORS)


def _listed(job: "dict[str, Any]", kind: Kind) -> set[str] | None:
    """Return the IDs of a kind that a job lists; None when its lists are of another form."""
    entries = job.get("amplitude_ids", [])
    if not isinstance(entries, list) or any(
        not isinstance(entry, dict) or _errs(entry) for entry in entries
    ):
        return None
    word = "amplitude_id" if kind is Kind.GUID else "user_id"
    found = _texts([entry[word] for entry in entries if entry.get(word) is not None])
    users = _texts(job.get("user_ids", []) if kind is Kind.IDENTITY else [])
    return None if found is None or users is None else found | users


def _texts(found: object) -> set[str] | None:
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
    # One a second is allowed. However late one leaves (see `io.pacing`), the next leaves 45 ms more
    # than a second after it at least: the network may bring them closer together by that.
    per_minute=55,
    max_answer=MAX_ANSWER,
    names_ids=True,
    max_ids=MAX_IDS_PER_CHUNK,
    account_variable="AMPLITUDE_API_KEY",
    secret_variable="AMPLITUDE_SECRET_KEY",  # noqa: S106 - a name
    encode=encode,
    decode=decode,
    headers=headers,
    no_probe="its API lists jobs by day, and does not say of a user whether any is left",
    emulator="bulkdelete.emulator.amplitude:AMPLITUDE",
)
