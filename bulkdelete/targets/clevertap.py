"""CleverTap: `POST /1/delete/profiles.json`, 100 IDs a request, 3 requests in flight.

Success is a 2xx with a whole JSON object whose `status` is "success": no count, no result per ID,
no job. This family of calls also answers 200 with `"status": "fail"` and the `code` of a failure.
"""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from bulkdelete.core.damage import UNLIKE
from bulkdelete.core.model import (
    MAX_IDS_PER_CHUNK,
    Abort,
    Accepted,
    Ambiguous,
    Answer,
    Failed,
    Kind,
    Lost,
    Partial,
    Refused,
    Reply,
    Throttled,
    Verdict,
)
from bulkdelete.core.profiles import BAD_REQUEST, NO_RECORD, NOT_FOUND, Look, Presence
from bulkdelete.core.target import (
    Probe,
    Target,
    by_status,
    check_ids,
    json_object,
    judged,
    wait_hint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def encode(kind: Kind, ids: "Sequence[str]") -> bytes:
    """Return the JSON body for 1..100 IDs of one kind; ValueError on an empty or longer list."""
    check_ids(ids, MAX_IDS_PER_CHUNK)
    return msgspec.json.encode({kind.value: list(ids)})


def headers(account: str, passcode: str) -> dict[str, str]:
    """Return the headers that say who asks."""
    return {
        "X-CleverTap-Account-Id": account,
        "X-CleverTap-Passcode": passcode,
        "Content-Type": "application/json; charset=utf-8",
    }


def decode(reply: Reply, kind: Kind, ids: "Sequence[str]", trusted: bool) -> Verdict:  # noqa: FBT001
    """Judge what came back for a request of `ids`; see `judged`."""
    del kind  # an answer means the same for both

    def success(answer: Any, whole: Answer) -> Verdict:  # noqa: ANN401 - JSON
        if not isinstance(answer, dict):
            return Ambiguous("answer_not_json")
        match answer.get("status"):
            case "success" | "partial":
                return _processed(answer, ids)
            case "fail":
                return _failure(answer, whole, trusted=trusted)
        return Ambiguous("unknown_status")

    return judged(reply, success, trusted=trusted)


def _failure(answer: "Mapping[str, Any]", reply: Answer, *, trusted: bool) -> Verdict:
    code = failure_code(answer)
    return Refused("status_fail") if code is None else by_status(code, reply, trusted=trusted)


def failure_code(answer: "Mapping[str, Any]") -> int | None:
    """Return the `code` of a 200 that says `fail`, when it is the code of a failure."""
    code = answer.get("code")
    if isinstance(code, str) and re.fullmatch(r"\d{3}", code):
        code = int(code)
    # A flag is an int to Python, not to JSON.
    failed = type(code) is int and not 200 <= code < 300 and 100 <= code < 600  # noqa: PLR2004
    return code if failed else None


def _processed(answer: "Mapping[str, Any]", ids: "Sequence[str]") -> Verdict:
    """Judge a success; sister endpoints name those they did not process, so this one might."""
    unprocessed = answer.get("unprocessed", [])
    if unprocessed == [] and answer["status"] == "success":
        return Accepted()
    named = _named(unprocessed)
    if named is None or not named <= set(ids):
        return Ambiguous("unknown_unprocessed")
    bad = tuple(position for position, one in enumerate(ids) if one in named)
    if not bad:
        return Ambiguous("partial_unnamed")
    return Partial(bad, "unprocessed")


def _named(unprocessed: object) -> set[str] | None:
    """Return the IDs in a list of IDs, or of objects that hold one; None when it is neither."""
    if not isinstance(unprocessed, list):
        return None
    named = set()
    for one in unprocessed:
        value = next((one[k] for k in _ID_KEYS if k in one), None) if isinstance(one, dict) else one
        if not isinstance(value, str):
            return None
        named.add(value)
    return named


_ID_KEYS = ("identity", "guid", "objectId")


# --- asking for one profile ---

_PARAMETERS = {Kind.IDENTITY: "identity", Kind.GUID: "objectId"}


def query(kind: Kind, identifier: str) -> str:
    """Return the path and query that ask for one profile; every byte of the ID is escaped."""
    return f"/1/profile.json?{_PARAMETERS[kind]}={quote(identifier, safe='')}"


def judge(reply: Reply, nobody: str | None = None) -> Look:
    """Judge an answer; `nobody` is how the API speaks of a profile that certainly is not there.

    A profile that exists is answered with a 200 that holds its `record`; for one that does not, the
    vendor's pages and those who integrated say 404, or 400, or a 200 without `record`. But a 400
    is also what a request gets that cannot be understood: so it counts as *gone* only as long as
    the API does not say it otherwise of a profile that nobody has.
    """
    if isinstance(reply, Lost):
        return _lost(reply)
    body = json_object(reply)
    failed = body is not None and body.get("status") == "fail"
    if reply.status in _SUCCESSES and not failed:
        return _found(body)
    status = reply.status
    if status in _SUCCESSES and body is not None:
        status = failure_code(body) or 0
    if failed and f"http_{status}" in {NOT_FOUND, BAD_REQUEST}:
        return _not_there(f"http_{status}", nobody)
    return Look(Presence.UNKNOWN, f"http_{status}", _look_by_status(status, reply))


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


def _found(body: "Mapping[str, object] | None") -> Look:
    if body is None or body.get("status") != "success":
        return Look(Presence.UNKNOWN, "answer_unreadable", Ambiguous("answer_unreadable"))
    if "record" not in body:
        return Look(Presence.GONE, NO_RECORD, Accepted())
    if isinstance(body["record"], dict):
        return Look(Presence.THERE, "record", Accepted())
    return Look(Presence.UNKNOWN, "answer_unreadable", Accepted())


def _look_by_status(status: int, reply: Answer) -> Verdict:
    reason = f"http_{status}"
    if status == 429:  # noqa: PLR2004 - too many requests
        return Throttled(reason, wait_hint(reply.headers))
    if status in _FAULTS or status in _LATER:
        return Ambiguous(reason, wait_hint(reply.headers))
    return Abort(reason)


_DASHBOARD = re.compile(r"(?:([a-z0-9]+)\.)?dashboard\.clevertap\.com")


def dashboard(host: str) -> str | None:
    """Return the region that a dashboard's host name means, None when it is no dashboard's."""
    found = _DASHBOARD.fullmatch(host)
    return None if found is None else found[1] or "eu1"


CLEVERTAP = Target(
    name="clevertap",
    title="CleverTap",
    regions={
        region: f"https://{region}.api.clevertap.com"
        for region in ("in1", "us1", "sg1", "aps3", "mec1", "eu1")
    },
    dashboard=dashboard,
    kinds={Kind.IDENTITY: "identity", Kind.GUID: "guid"},
    unlike=UNLIKE,
    delete_path="/1/delete/profiles.json",
    in_flight=3,
    max_ids=MAX_IDS_PER_CHUNK,
    account_variable="CLEVERTAP_ACCOUNT_ID",
    secret_variable="CLEVERTAP_PASSCODE",  # noqa: S106 - a name
    encode=encode,
    decode=decode,
    headers=headers,
    probe=Probe(query, judge),
    emulator="bulkdelete.emulator.clevertap:CLEVERTAP",
)
