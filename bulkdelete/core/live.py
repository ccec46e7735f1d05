"""What can be said to a run while it goes on, and what it answers: one JSON line each way."""

from typing import Annotated

import msgspec

from bulkdelete.errors import UsageError

MOST_IN_FLIGHT = 256
FASTEST, SLOWEST = 100_000.0, 0.001
"""Requests per second that a rate may be."""

MAX_LINE = 4096


class _Command(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """Base of the commands."""


class Tune(_Command, frozen=True, tag="tune"):
    """Change how many may be in flight, or how many start a second (0: any number)."""

    max_in_flight: Annotated[int, msgspec.Meta(ge=1, le=MOST_IN_FLIGHT)] | None = None
    rate: Annotated[float, msgspec.Meta(ge=0, le=FASTEST)] | None = None

    def __post_init__(self) -> None:
        if self.max_in_flight is None and self.rate is None:
            raise ValueError("there is nothing to change")
        if self.rate is not None and 0 < self.rate < SLOWEST:
            raise ValueError(f"a rate is 0, or {SLOWEST:g} and more")


class Pause(_Command, frozen=True, tag="pause"):
    """Start no new request until `Unpause`; those in flight finish."""


class Unpause(_Command, frozen=True, tag="unpause"):
    """Go on."""


class Stop(_Command, frozen=True, tag="stop"):
    """End it in order, resumable: those in flight finish, nothing new starts."""


class Look(_Command, frozen=True, tag="look"):
    """Change nothing; say how it stands."""


Command = Tune | Pause | Unpause | Stop | Look


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How the run stands after a command; `error` says why it was not followed.

    `cap` is `max_in_flight` less what is left to others; `done` of the `planned` IDs are accepted
    or rejected. `held` names what keeps requests from starting ("": nothing does): paused, window,
    outage, gate, slots (others have them all), slots_lost (the Redis that keeps them does not
    answer), slots_refused (it refuses to work), scheduler_lost (nor does the Dask
    scheduler that counts them) or slots_new (it began anew); for `held_s` more
    seconds, where that is known.
    """

    ok: bool = True
    error: str = ""
    state: str = "running"
    max_in_flight: int = 0
    rate: float | None = None
    in_flight: int = 0
    cap: int = 0
    done: int = 0
    planned: int = 0
    retries: int = 0
    throttled: int = 0
    held: str = ""
    held_s: float = 0.0


_command = msgspec.json.Decoder(Command)
_answer = msgspec.json.Decoder(Answer)


def encode(what: Command | Answer) -> bytes:
    """Return one line, with its line feed."""
    return msgspec.json.encode(what) + b"\n"


def command(line: bytes) -> Command:
    """Read a command; UsageError when the line is none."""
    try:
        found: Command = _command.decode(line)
    except msgspec.MsgspecError as error:
        raise UsageError("live_command", f"that is no command: {error}") from error
    return found


def answer(line: bytes) -> Answer:
    """Read an answer; UsageError when the line is none."""
    try:
        return _answer.decode(line)
    except msgspec.MsgspecError as error:
        raise UsageError("live_answer", "what answered is not a run") from error
