"""What Amplitude's API understands and says of `/api/2/deletions/users`."""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from bulkdelete.emulator.dialect import Dialect, Order, Refusal, decoded

_User = Annotated[list[Annotated[str, msgspec.Meta(min_length=1)]], msgspec.Meta(min_length=1)]
_Theirs = Annotated[list[int], msgspec.Meta(min_length=1)]
_MOST: Final = 100


class _Body(msgspec.Struct):
    user_ids: _User | msgspec.UnsetType = msgspec.UNSET
    amplitude_ids: _Theirs | msgspec.UnsetType = msgspec.UNSET
    ignore_invalid_id: str | bool = False
    include_mapped_user_ids: str | bool = False


_DECODER: Final = msgspec.json.Decoder(_Body)


def read(body: bytes) -> Order | Refusal:
    """Return what `body` asks for; the real API takes both kinds at once, this one does not."""
    asked = decoded(_DECODER, body)
    if isinstance(asked, Refusal):
        return asked
    users, theirs = asked.user_ids, asked.amplitude_ids
    if isinstance(users, msgspec.UnsetType) == isinstance(theirs, msgspec.UnsetType):
        return Refusal("Give user_ids or amplitude_ids")
    if not isinstance(users, msgspec.UnsetType):
        order = Order("identity", users)
    else:
        order = Order("guid", [str(one) for one in theirs or ()])
    if len(order.ids) > _MOST or not _is_true(asked.ignore_invalid_id):
        return Refusal("Too many IDs, or ignore_invalid_id is not true")
    if order.kind == "identity" and not _is_true(asked.include_mapped_user_ids):
        return Refusal("include_mapped_user_ids is not true, and nobody would be named")
    return order


def _is_true(said: str | bool) -> bool:  # noqa: FBT001 - as it is in JSON
    return str(said).lower() == "true"


def _authorised(headers: Mapping[str, str], account: str, secret: str) -> bool:
    words = base64.b64encode(f"{account}:{secret}".encode()).decode()
    return headers.get("Authorization") == f"Basic {words}"


def _success(order: Order, unknown: Sequence[str]) -> bytes:
    """Return the job of the day; with those that are not there, where there are such."""
    gone = set(unknown)
    job: dict[str, Any] = {
        "day": "2026-12-08",
        "status": "staging",
        "amplitude_ids": [
            _whose(order.kind, number, one)
            | {"requested_on_day": "2026-11-25", "requester": "bulkdelete"}
            for number, one in enumerate(order.ids, _FIRST)
            if one not in gone
        ],
    }
    if unknown:
        job["invalid_ids"] = list(unknown)
    return msgspec.json.encode([job])


_FIRST: Final = 356_896_327_000
"""The Amplitude ID of the first user, where one is asked for by the ID of a user."""


def _whose(kind: str, number: int, one: str) -> dict[str, Any]:
    if kind == "guid":
        return {"amplitude_id": int(one)}
    return {"amplitude_id": number, "user_id": one}


def _failure(error: str, status: int) -> bytes:
    return msgspec.json.encode({"error": {"http_code": status, "message": error}})


AMPLITUDE: Final = Dialect(
    path="/api/2/deletions/users",
    authorised=_authorised,
    read=read,
    success=_success,
    failure=_failure,
    limit=1000,
    window=(1, 1.0),
)
