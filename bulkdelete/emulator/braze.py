"""What Braze's API understands and says of `/users/delete`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from bulkdelete.emulator.dialect import Dialect, Order, Refusal, decoded

_Many = Annotated[list[str], msgspec.Meta(min_length=1, max_length=50)]


class _Body(msgspec.Struct):
    external_ids: _Many | msgspec.UnsetType = msgspec.UNSET
    braze_ids: _Many | msgspec.UnsetType = msgspec.UNSET


_DECODER: Final = msgspec.json.Decoder(_Body)


def read(body: bytes) -> Order | Refusal:
    """Return what `body` asks for: one kind of ID, up to 50."""
    asked = decoded(_DECODER, body)
    if isinstance(asked, Refusal):
        return asked
    theirs, ours = asked.external_ids, asked.braze_ids
    if isinstance(theirs, msgspec.UnsetType) == isinstance(ours, msgspec.UnsetType):
        return Refusal("Give external_ids or braze_ids")
    if not isinstance(theirs, msgspec.UnsetType):
        return Order("identity", theirs)
    return Order("guid", list(ours or ()))


def _authorised(headers: Mapping[str, str], account: str, key: str) -> bool:
    del account  # the key says which workspace it is
    return headers.get("Authorization") == f"Bearer {key}"


def _success(order: Order, unknown: Sequence[str]) -> bytes:
    deleted = len(order.ids) - len(unknown)
    return msgspec.json.encode({"deleted": deleted, "message": "success"})


def _failure(error: str, status: int) -> bytes:
    del status
    return msgspec.json.encode({"message": error})


def _told(limit: int, left: int, seconds: float) -> Mapping[str, str]:
    """Return the headers of the limit; `seconds` is when it is full again, since the epoch."""
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(int(seconds)),
    }


BRAZE: Final = Dialect(
    path="/users/delete",
    authorised=_authorised,
    read=read,
    success=_success,
    failure=_failure,
    created=201,
    limit=1000,
    window=(20_000, 60.0),
    told=_told,
)
