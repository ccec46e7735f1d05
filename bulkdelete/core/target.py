"""A target: which requests delete, and what an answer means. The only place with status codes.

A `Target` is a value found by name (`bulkdelete.targets`), so that another vendor is one more
value, in one file. `encode` makes the body of a request; `decode` turns what came back into a
verdict. What all vendors share of that is here: `judged` reads an answer by its status, and asks
the vendor only what a whole 2xx with a whole JSON body says. What is not documented is judged so
that nothing is believed that the server did not say: everything else than a success is a refusal,
a wait, or a doubt.
"""

import email.utils
import ipaddress
import json
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bulkdelete.core.columns import NAMES, Names
from bulkdelete.core.model import (
    HANDSHAKE_CUT,
    MAX_IDS_PER_CHUNK,
    Abort,
    Ambiguous,
    Answer,
    Failed,
    Kind,
    Lost,
    Refused,
    Reply,
    Throttled,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bulkdelete.core.profiles import Look
    from bulkdelete.core.shapes import Shape

MAX_ANSWER = 65_536
"""Bytes of an answer that are read, unless a target says more; a real one has about 25."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_SECONDS_A_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """How a vendor is asked for one profile, which deletes nothing.

    `query` gives the path and query to GET; `judge` says what the answer to it means, given how
    the API speaks of a profile that certainly is not there.
    """

    query: "Callable[[Kind, str], str]"
    judge: "Callable[[Reply, str | None], Look]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A vendor's delete endpoint.

    `regions` maps a region to its base URL, `dashboard` gives the region that a dashboard's host
    name means. `kinds` maps each kind of ID that it takes to the vendor's word for it; `columns`
    are the names of columns that say without doubt that they hold IDs. `in_flight` is the cap of
    requests in flight per account, and `per_minute` that of requests started in a minute, where
    there is one. `unlike` are shapes that no ID of a kind has; `fault` says in one word why an ID
    cannot be of its kind. `account_variable` and `secret_variable` are where the environment says
    who asks; `headers` makes the headers of these two. `max_answer` are the bytes of an answer that
    are read; `names_ids` says that its answers name IDs, so that not even their hash is kept.
    Without a `probe` nobody can ask it for a profile, for the reason `no_probe`. `emulator` names
    its look-alike (a `Dialect` of the emulator, or what makes one), as "module:name".
    """

    name: str
    title: str
    regions: "Mapping[str, str]"
    kinds: "Mapping[Kind, str]"
    delete_path: str
    in_flight: int
    max_ids: int
    account_variable: str
    secret_variable: str
    encode: "Callable[[Kind, Sequence[str]], bytes]"
    decode: "Callable[[Reply, Kind, Sequence[str], bool], Verdict]"
    headers: "Callable[[str, str], dict[str, str]]"
    columns: Names = NAMES
    per_minute: int | None = None
    max_answer: int = MAX_ANSWER
    names_ids: bool = False
    unlike: "Mapping[Kind, tuple[Shape, ...]]" = field(default_factory=dict)
    fault: "Callable[[Kind, str], str | None] | None" = None
    dashboard: "Callable[[str], str | None]" = lambda _: None
    probe: Probe | None = None
    no_probe: str = ""
    emulator: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("a target's name is of small letters, digits and dashes")
        if not 1 <= self.max_ids <= MAX_IDS_PER_CHUNK or self.in_flight < 1:
            raise ValueError(f"a target takes 1..{MAX_IDS_PER_CHUNK} IDs, one request at least")
        if self.per_minute is not None and self.per_minute < 1:
            raise ValueError("a target takes one request a minute at least, or any number")
        if self.max_answer < 1:
            raise ValueError("of an answer to a target one byte is read at least")
        if not self.kinds or not self.regions or not self.delete_path.startswith("/"):
            raise ValueError("a target has a kind of ID, a region, and a path from the root on")
        if any(not url.startswith("https://") for url in self.regions.values()):
            raise ValueError("the hosts of a target are https")
        if not all(map(_VARIABLE.fullmatch, (self.account_variable, self.secret_variable))):
            raise ValueError("a target names the variables with its credentials")
        if (self.probe is None) != bool(self.no_probe):
            raise ValueError("a target has a probe, or says why it has none")

    @property
    def rate(self) -> float | None:
        """How many requests may start in a second; None: any number."""
        return None if self.per_minute is None else self.per_minute / _SECONDS_A_MINUTE

    def kind_of(self, word: str) -> Kind | None:
        """Return the kind that a word means, the program's own or the vendor's; None: no such."""
        meant = {kind.value: kind for kind in self.kinds}
        return (meant | {name: kind for kind, name in self.kinds.items()}).get(word)


def check_ids(ids: "Sequence[str]", most: int) -> None:
    """Refuse to make a request without IDs, with too many, or with an empty one (ValueError)."""
    if not 1 <= len(ids) <= most or "" in ids:
        raise ValueError(f"a request holds 1..{most} IDs, none of them empty")


_REFUSES_CONTENT = frozenset({400, 409, 413, 422})
_REDIRECTS = range(300, 400)
_SUCCESSES = range(200, 300)
_FAULTS = range(500, 600)
_THROTTLED = 429
_NOT_FOUND = 404
_REQUEST_TIMEOUT = 408


def judged(
    reply: Reply,
    success: "Callable[[Any, Answer], Verdict]",
    *,
    trusted: bool,
    hint: "Callable[[Mapping[str, Sequence[str]]], float | None] | None" = None,
    most: int = MAX_ANSWER,
) -> Verdict:
    """Judge what came back; `success` judges the JSON value of a whole 2xx of `most` bytes.

    `trusted`: this process start already saw an acceptance, so the other side is the API; before
    that (the canary) HTML, a 404 or a connection cut in its handshake means that it is not. `hint`
    reads from the headers how long to wait, where that is not `Retry-After`.
    """
    if isinstance(reply, Lost):
        return _lost(reply, trusted=trusted)
    if reply.status in _SUCCESSES:
        return _success(reply, success, trusted=trusted, most=most)
    return by_status(reply.status, reply, trusted=trusted, hint=hint)


def _lost(reply: Lost, *, trusted: bool) -> Verdict:
    # Whoever hangs up in the first handshake may speak no TLS that is good enough; once it did,
    # it is the network, or a server that is being restarted.
    if reply.untrusted or (reply.reason == HANDSHAKE_CUT and not trusted):
        return Abort(reply.reason)
    return Ambiguous(reply.reason) if reply.sent else Failed(reply.reason)


def by_status(
    status: int,
    reply: Answer,
    *,
    trusted: bool,
    hint: "Callable[[Mapping[str, Sequence[str]]], float | None] | None" = None,
) -> Verdict:
    """Judge by a status that is no success: of HTTP, or one that a body gives instead."""
    reason = f"http_{status}"
    if status in _REFUSES_CONTENT:
        return Refused(reason)
    if status == _THROTTLED:
        return Throttled(reason, (hint or wait_hint)(reply.headers))
    if status in _FAULTS or status == _REQUEST_TIMEOUT:
        return Ambiguous(reason, wait_hint(reply.headers))
    if status == _NOT_FOUND and trusted and json_object(reply) is not None:
        return Refused(reason)
    if status in _REDIRECTS:
        return Abort("redirect")
    return Abort(reason)


def _success(
    reply: Answer, success: "Callable[[Any, Answer], Verdict]", *, trusted: bool, most: int
) -> Verdict:
    if not reply.complete:
        return Ambiguous("answer_cut")
    answer = json_value(reply, most)
    if answer is None:
        if not trusted and _is_html(reply):
            return Abort("not_the_api", acted=True)
        return Ambiguous("answer_not_json")
    return success(answer, reply)


def _is_html(reply: Answer) -> bool:
    kinds = reply.headers.get("content-type", ())
    return any("html" in kind.lower() for kind in kinds) or reply.body.lstrip()[:1] == b"<"


def json_value(reply: Answer, most: int = MAX_ANSWER) -> "Mapping[str, Any] | Sequence[Any] | None":
    """Return the whole body as a JSON object or array, None when it is not exactly one."""
    size = len(reply.body)
    if not reply.complete or size > most:
        return None
    return _kept_value(reply.body) if size <= _ALIKE else _value(reply.body)


def json_object(reply: Answer) -> "Mapping[str, Any] | None":
    """Return the whole body as a JSON object, None when it is not exactly one."""
    value = json_value(reply)
    return value if isinstance(value, dict) else None


_ALIKE = 1024
"""Bytes up to which nearly all answers of a run are the same; a longer one names what it is for."""


@lru_cache(maxsize=4)
def _kept_value(body: bytes) -> "Mapping[str, Any] | Sequence[Any] | None":
    return _value(body)


def _value(body: bytes) -> "Mapping[str, Any] | Sequence[Any] | None":
    try:
        value = _decoder.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


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
