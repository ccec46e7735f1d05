"""What one vendor's API understands and says: all that makes an emulator its look-alike. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

T = TypeVar("T")

Kind = Literal["identity", "guid"]
"""The customer's own IDs, and those that the vendor gives."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a well-formed body asks for: IDs of one kind."""

    kind: Kind
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a body is refused, and what that is called in the log."""

    error: str
    verdict: str = "bad_request"
    status: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A vendor's API, as far as a client that deletes meets it.

    `path` takes the POST. `authorised` judges the headers of a request, given account and secret;
    `read` says what a body asks for; `success` and `failure` make the bodies of answers, the
    second from a sentence and a status; the first is told which of the IDs nobody ever had, and
    goes with the status `created`. `limit` is of requests in flight; `window` lets so
    many start in so many seconds, and `told` are the headers that say how many are left of how
    many, and in how many seconds there are more. `reads`: it can be asked for one profile.
    """

    path: str
    authorised: Callable[[Mapping[str, str], str, str], bool]
    read: Callable[[bytes], Order | Refusal]
    success: Callable[[Order, Sequence[str]], bytes]
    failure: Callable[[str, int], bytes]
    created: int = 200
    limit: int = 3
    window: tuple[int, float] | None = None
    told: Callable[[int, int, float], Mapping[str, str]] = lambda *_: {}
    reads: bool = False


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T | Refusal:
    """Return what a body holds, or what is wrong with it; that never repeats an ID."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        return Refusal(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal("The body is not JSON")
