"""What CleverTap's API understands and says."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from bulkdelete.emulator.dialect import Dialect, Order, Refusal, decoded
from bulkdelete.emulator.faults import SUCCESS, fail_body

_One = Annotated[str, msgspec.Meta(min_length=1)]
_Many = Annotated[list[_One], msgspec.Meta(min_length=1, max_length=100)]


class _Body(msgspec.Struct):
    identity: _One | _Many | msgspec.UnsetType = msgspec.UNSET
    guid: _One | _Many | msgspec.UnsetType = msgspec.UNSET


_DECODER: Final = msgspec.json.Decoder(_Body)


def read(body: bytes) -> Order | Refusal:
    """Return what `body` asks for. The error says what is wrong and never repeats an ID."""
    asked = decoded(_DECODER, body)
    if isinstance(asked, Refusal):
        return asked
    if asked.identity is not msgspec.UNSET and asked.guid is not msgspec.UNSET:
        return Refusal("Give identity or guid, not both")
    if asked.identity is not msgspec.UNSET:
        return Order("identity", _listed(asked.identity))
    if asked.guid is not msgspec.UNSET:
        return Order("guid", _listed(asked.guid))
    return Refusal("Give identity or guid")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _authorised(headers: Mapping[str, str], account: str, passcode: str) -> bool:
    return (
        headers.get("X-CleverTap-Account-Id") == account
        and headers.get("X-CleverTap-Passcode") == passcode
    )


CLEVERTAP: Final = Dialect(
    path="/1/delete/profiles.json",
    authorised=_authorised,
    read=read,
    success=lambda _order, _unknown: SUCCESS,
    failure=fail_body,
    reads=True,
)
