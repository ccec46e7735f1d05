"""Asking for one profile: the request, and what its answer means. No answer is ever an act.

A profile that exists is answered with a 200 that holds its `record`; for one that does not, the
vendor's pages and those who integrated say 404, or 400, or a 200 without `record`. But a 400 is
also what a request gets that cannot be understood: so it counts as *gone* only as long as the API
does not say it otherwise of a profile that nobody has. Everything else says nothing: *unknown*.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from bulkdelete.core.model import (
    Abort,
    Accepted,
    Ambiguous,
    Answer,
    Failed,
    Kind,
    Lost,
    Reply,
    Throttled,
    Verdict,
)
from bulkdelete.core.target import failure_code, json_object, wait_hint

if TYPE_CHECKING:
    from collections.abc import Mapping


class Presence(StrEnum):
    """What is known of a profile."""

    GONE = "gone"
    THERE = "still there"
    UNKNOWN = "unknown"


NO_RECORD = "no_record"
NOT_FOUND = "http_404"
BAD_REQUEST = "http_400"
"""The ways in which the API may say that there is no such profile."""


@dataclass(frozen=True, slots=True)
class Look:
    """One answer: what it says of the profile, how it said so, and what the gate makes of it."""

    presence: Presence
    how: str
    verdict: Verdict


_PARAMETERS = {Kind.IDENTITY: "identity", Kind.GUID: "objectId"}


def query(path: str, kind: Kind, identifier: str) -> str:
    """Return the path and query that ask for one profile; every byte of the ID is escaped."""
    return f"{path}?{_PARAMETERS[kind]}={quote(identifier, safe='')}"


def judge(reply: Reply, nobody: str | None = None) -> Look:
    """Judge an answer; `nobody` is how the API speaks of a profile that certainly is not there."""
    if isinstance(reply, Lost):
        return _lost(reply)
    body = json_object(reply)
    failed = body is not None and body.get("status") == "fail"
    if reply.status in _SUCCESSES and not failed:
        return _success(body)
    status = reply.status
    if status in _SUCCESSES and body is not None:
        status = failure_code(body) or 0
    if failed and f"http_{status}" in {NOT_FOUND, BAD_REQUEST}:
        return _not_there(f"http_{status}", nobody)
    return Look(Presence.UNKNOWN, f"http_{status}", _by_status(status, reply))


def _not_there(how: str, nobody: str | None) -> Look:
    unsure = how == BAD_REQUEST and nobody not in {None, BAD_REQUEST}
    return Look(Presence.UNKNOWN if unsure else Presence.GONE, how, Accepted())


_SUCCESSES = range(200, 300)
_FAULTS = range(500, 600)
_LATER = frozenset({0, 408})
"""A request timeout; and a failure that does not say of what kind."""


def _lost(reply: Lost) -> Look:
    verdict: Verdict = Ambiguous(reply.reason) if reply.sent else Failed(reply.reason)
    if reply.untrusted:
        verdict = Abort(reply.reason)
    return Look(Presence.UNKNOWN, reply.reason, verdict)


def _success(body: "Mapping[str, object] | None") -> Look:
    if body is None or body.get("status") != "success":
        return Look(Presence.UNKNOWN, "answer_unreadable", Ambiguous("answer_unreadable"))
    if "record" not in body:
        return Look(Presence.GONE, NO_RECORD, Accepted())
    if isinstance(body["record"], dict):
        return Look(Presence.THERE, "record", Accepted())
    return Look(Presence.UNKNOWN, "answer_unreadable", Accepted())


def _by_status(status: int, reply: Answer) -> Verdict:
    reason = f"http_{status}"
    if status == 429:  # noqa: PLR2004 - too many requests
        return Throttled(reason, wait_hint(reply.headers))
    if status in _FAULTS or status in _LATER:
        return Ambiguous(reason, wait_hint(reply.headers))
    return Abort(reason)
