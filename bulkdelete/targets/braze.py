"""Braze: `POST /users/delete`, 50 IDs a request, 20,000 requests a minute (shared).

Success is a 2xx whose `message` is "success" and whose `deleted` says how many users are queued
for deletion. That number says nothing of any one ID: fewer than were asked for means that some
of them are nobody's, which is no failure; more than that cannot be an answer to this request.
Errors beside a success are not tied to an ID either, so such a request is in doubt.
"""

import email.utils
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from bulkdelete.core.columns import OWN, Meaning
from bulkdelete.core.model import Accepted, Ambiguous, Answer, Kind, Reply, Verdict
from bulkdelete.core.shapes import Shape
from bulkdelete.core.target import Target, check_ids, judged, wait_hint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 50
"""What the endpoint takes in one request (vendor's documentation)."""

_WORDS = {Kind.IDENTITY: "external_ids", Kind.GUID: "braze_ids"}


def encode(kind: Kind, ids: "Sequence[str]") -> bytes:
    """Return the JSON body for 1..50 IDs of one kind; ValueError on an empty or longer list."""
    check_ids(ids, MOST)
    return msgspec.json.encode({_WORDS[kind]: list(ids)})


def headers(workspace: str, key: str) -> dict[str, str]:
    """Return the headers that say who asks; the key alone says which workspace it is."""
    del workspace
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def decode(reply: Reply, kind: Kind, ids: "Sequence[str]", trusted: bool) -> Verdict:  # noqa: FBT001
    """Judge what came back for a request of `ids`; see `judged`."""
    del kind  # an answer means the same for both

    def success(answer: Any, _: Answer) -> Verdict:  # noqa: ANN401 - JSON
        if not isinstance(answer, dict):
            return Ambiguous("answer_not_json")
        if answer.get("message") != "success":
            return Ambiguous("unknown_message")
        deleted = answer.get("deleted")
        # A flag is an int to Python, not to JSON.
        if type(deleted) is not int or not 0 <= deleted <= len(ids):
            return Ambiguous("unknown_deleted")
        return Ambiguous("errors_unnamed") if answer.get("errors") else Accepted()

    return judged(reply, success, trusted=trusted, hint=_hint)


_EPOCH = re.compile(r"\d{9,11}")


def _hint(names: "Mapping[str, Sequence[str]]") -> float | None:
    """Return the seconds until the limit's window ends, by the server's own clock."""
    said = wait_hint(names)
    resets, dates = names.get("x-ratelimit-reset", ()), names.get("date", ())
    if said is not None or len(resets) != 1 or len(dates) != 1:
        return said
    if not _EPOCH.fullmatch(resets[0].strip()):
        return None
    try:
        date = email.utils.parsedate_to_datetime(dates[0])
    except (ValueError, OverflowError):
        return None
    # HTTP's dates are of Greenwich, also where one does not say so.
    now = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    seconds = int(resets[0]) - now
    return seconds if seconds > 0 else None


_DASHBOARD = re.compile(r"dashboard(?:-(\d\d)|\.([a-z]{2}-\d\d))\.braze\.(com|eu)")


def dashboard(host: str) -> str | None:
    """Return the instance that a dashboard's host name means, None when it is no dashboard's."""
    found = _DASHBOARD.fullmatch(host)
    if found is None:
        return None
    return found[2] or f"{'eu' if found[3] == 'eu' else 'us'}-{found[1]}"


BRAZE = Target(
    name="braze",
    title="Braze",
    regions={
        **{f"us-0{n}": f"https://rest.iad-0{n}.braze.com" for n in range(1, 9)},
        "us-10": "https://rest.us-10.braze.com",
        **{f"eu-0{n}": f"https://rest.fra-0{n}.braze.eu" for n in (1, 2)},
        **{f"{one}-01": f"https://rest.{one}-01.braze.com" for one in ("au", "id", "jp", "kr")},
    },
    dashboard=dashboard,
    kinds={Kind.IDENTITY: "external_id", Kind.GUID: "braze_id"},
    columns=(
        *OWN,
        ("externalid", Meaning(Kind.IDENTITY, is_list=False)),
        ("brazeid", Meaning(Kind.GUID, is_list=False)),
    ),
    unlike={Kind.GUID: (Shape.EMAIL, Shape.PHONE, Shape.INTEGER)},
    delete_path="/users/delete",
    in_flight=10,
    # 20,000 are allowed, by the server's clock: a few that left before its minute may arrive in it.
    per_minute=19_900,
    max_ids=MOST,
    account_variable="BRAZE_WORKSPACE",
    secret_variable="BRAZE_API_KEY",  # noqa: S106 - a name
    encode=encode,
    decode=decode,
    headers=headers,
    no_probe="its API answers no GET for one user",
    emulator="bulkdelete.emulator.braze:BRAZE",
)
