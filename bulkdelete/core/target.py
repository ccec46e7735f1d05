"""A target: which requests delete, and what an answer means. The only place with status codes.

A `Target` is a value found by name, so that another vendor is one more value. `encode` makes the
body of a request; `decode` turns what came back into a verdict. What is not documented is judged
so that nothing is believed that the server did not say: success is a 2xx with a whole JSON object
whose `status` is "success", everything else is a refusal, a wait, or a doubt.
"""

import email.utils
import ipaddress
import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from bulkdelete.core.model import (
    HANDSHAKE_CUT,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_ANSWER = 65_536
"""Bytes of an answer that are read; a real one has about 25."""


@dataclass(frozen=True, slots=True)
class Target:
    """A vendor's delete endpoint.

    `regions` maps a region to its base URL, `in_flight` is the documented cap of requests in
    flight per account.
    """

    name: str
    regions: "Mapping[str, str]"
    delete_path: str
    probe_path: str
    in_flight: int
    max_ids: int
    encode: "Callable[[Kind, Sequence[str]], bytes]"
    decode: "Callable[[Reply, Sequence[str], bool], Verdict]"
    headers: "Callable[[str, str], dict[str, str]]"


def encode(kind: Kind, ids: "Sequence[str]") -> bytes:
    """Return the JSON body for 1..100 IDs of one kind; ValueError on an empty or longer list."""
    if not 1 <= len(ids) <= MAX_IDS_PER_CHUNK or "" in ids:
        raise ValueError("a request holds 1..100 IDs, none of them empty")
    return msgspec.json.encode({kind.value: list(ids)})


def headers(account: str, passcode: str) -> dict[str, str]:
    """Return the headers that say who asks."""
    return {
        "X-CleverTap-Account-Id": account,
        "X-CleverTap-Passcode": passcode,
        "Content-Type": "application/json; charset=utf-8",
    }


_REFUSES_CONTENT = frozenset({400, 409, 413, 422})
_REDIRECTS = range(300, 400)
_SUCCESSES = range(200, 300)
_FAULTS = range(500, 600)
_THROTTLED = 429
_NOT_FOUND = 404
_REQUEST_TIMEOUT = 408


def decode(reply: Reply, ids: "Sequence[str]", trusted: bool) -> Verdict:  # noqa: FBT001
    """Judge what came back for a request of `ids`.

    `trusted`: this process start already saw an acceptance, so the other side is the API; before
    that (the canary) HTML, a 404 or a connection cut in its handshake means that it is not.
    """
    if isinstance(reply, Lost):
        return _lost(reply, trusted=trusted)
    if reply.status in _SUCCESSES:
        return _success(reply, ids, trusted=trusted)
    return _by_status(reply.status, reply, trusted=trusted)


def _lost(reply: Lost, *, trusted: bool) -> Verdict:
    # Whoever hangs up in the first handshake may speak no TLS that is good enough; once it did,
    # it is the network, or a server that is being restarted.
    if reply.untrusted or (reply.reason == HANDSHAKE_CUT and not trusted):
        return Abort(reply.reason)
    return Ambiguous(reply.reason) if reply.sent else Failed(reply.reason)


def _by_status(status: int, reply: Answer, *, trusted: bool) -> Verdict:
    """Judge by a status: of HTTP, or the `code` of a 200 that says `fail`."""
    reason = f"http_{status}"
    if status in _REFUSES_CONTENT:
        return Refused(reason)
    if status == _THROTTLED:
        return Throttled(reason, wait_hint(reply.headers))
    if status in _FAULTS or status == _REQUEST_TIMEOUT:
        return Ambiguous(reason, wait_hint(reply.headers))
    if status == _NOT_FOUND and trusted and json_object(reply) is not None:
        return Refused(reason)
    if status in _REDIRECTS:
        return Abort("redirect")
    return Abort(reason)


def _success(reply: Answer, ids: "Sequence[str]", *, trusted: bool) -> Verdict:
    if not reply.complete:
        return Ambiguous("answer_cut")
    answer = json_object(reply)
    if answer is None:
        if not trusted and _is_html(reply):
            return Abort("not_the_api", acted=True)
        return Ambiguous("answer_not_json")
    match answer.get("status"):
        case "success" | "partial":
            return _processed(answer, ids)
        case "fail":
            return _failure(answer, reply, trusted=trusted)
    return Ambiguous("unknown_status")


def _failure(answer: "Mapping[str, Any]", reply: Answer, *, trusted: bool) -> Verdict:
    code = failure_code(answer)
    return Refused("status_fail") if code is None else _by_status(code, reply, trusted=trusted)


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


def _is_html(reply: Answer) -> bool:
    kinds = reply.headers.get("content-type", ())
    return any("html" in kind.lower() for kind in kinds) or reply.body.lstrip()[:1] == b"<"


def json_object(reply: Answer) -> "Mapping[str, Any] | None":
    """Return the whole body as a JSON object, None when it is not exactly one."""
    if not reply.complete or len(reply.body) > MAX_ANSWER:
        return None
    return _object(reply.body)


@lru_cache(maxsize=4)
def _object(body: bytes) -> "Mapping[str, Any] | None":
    # Nearly all answers of a run are the same.
    try:
        value = _decoder.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _once(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)

_SECONDS = re.compile(r"\d{1,15}(?:\.\d{1,9})?(?:e\d{1,2})?")


def wait_hint(names: "Mapping[str, Sequence[str]]") -> float | None:
    """Return the seconds that a Retry-After asks for; None when there is none, or none sane.

    A date is taken relative to the server's own Date, so that skewed clocks do no harm. Zero,
    negative, past, doubled and unreadable values are ignored.
    """
    values = names.get("retry-after", ())
    if len(values) != 1:
        return None
    value = values[0].strip()
    if _SECONDS.fullmatch(value.lower()):
        seconds = float(value)
    else:
        seconds = _until(value, names.get("date", ()))
    return seconds if seconds > 0 and math.isfinite(seconds) else None


def _until(value: str, dates: "Sequence[str]") -> float:
    try:
        then = email.utils.parsedate_to_datetime(value)
        now = email.utils.parsedate_to_datetime(dates[0])
        return (then - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Tell whether a host is an address that is neither public nor this machine's own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (address.is_global or address.is_loopback)


CLEVERTAP = Target(
    name="clevertap",
    regions={
        region: f"https://{region}.api.clevertap.com"
        for region in ("in1", "us1", "sg1", "aps3", "mec1", "eu1")
    },
    delete_path="/1/delete/profiles.json",
    probe_path="/1/profile.json",
    in_flight=3,
    max_ids=MAX_IDS_PER_CHUNK,
    encode=encode,
    decode=decode,
    headers=headers,
)
