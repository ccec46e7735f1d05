"""What a run tells while it goes on: small frozen facts, none of which holds an ID or a secret.

    planning   Looked -> Kept (-> Fleeting), or PassedOver / Resuming when there is an earlier run
    sending    Sending -> Answered, Settled, Tuned, Holding, in any order -> Ended
    afterwards Wrote, Removed

What follows from a record of the checkpoint is told once that record is durable, and not before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core.plan import Plan
from bulkdelete.core.report import Report
from bulkdelete.surveying import Findings

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTLING = frozenset({"accepted", "partial", "rejected"})
_NOT_SENT = frozenset({"withdrawn"})


@dataclass(frozen=True, slots=True)
class Looked:
    """The input was read and a plan of it made, in memory; no guard has spoken yet.

    What a person judges it by is in `findings`; IDs are masked there.
    """

    plan: Plan
    findings: Findings


@dataclass(frozen=True, slots=True)
class Kept:
    """The plan is on disk."""

    run_dir: Path
    plan: Plan


@dataclass(frozen=True, slots=True)
class Fleeting:
    """The run directory is on `what` looks as if it were soon gone: then nothing can be resumed."""

    run_dir: Path
    what: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An earlier plan of this input was never approved, and has other settings.

    Or it is `unreadable`, and was given up.
    """

    run_dir: Path
    unreadable: bool = False

    @property
    def why(self) -> str:
        """Say it in a few words."""
        return "it cannot be read" if self.unreadable else "other settings, and never approved"


@dataclass(frozen=True, slots=True)
class Resuming:
    """There is an earlier run of this input; it goes on. Counts of IDs."""

    run_dir: Path
    planned: int
    accepted: int
    ambiguous: int
    unsent: int


@dataclass(frozen=True, slots=True)
class Sending:
    """A process start is on record: `chunks` are to be sent, `in_flight` at once at most."""

    chunks: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one request of `ids` IDs; `status` is 0 without an answer.

    `verdict`: accepted, partial, rejected, refused (it is cut in two), throttled, failed (not a
    byte left), ambiguous (it may have acted) or abort.
    """

    chunk: int
    ids: int
    attempt: int
    verdict: str
    status: int
    seconds: float
    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """A chunk, or a piece of one, has its final answer: so many of its IDs were accepted."""

    chunk: int
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """A setting was changed while the run went on."""

    setting: str
    value: str


@dataclass(frozen=True, slots=True)
class Holding:
    """Nothing new is sent at present.

    `paused` by somebody; `window`: not at this hour; `outage`: the server is ill; `gate`: it asked
    for less; `slots`: other processes have them all; `slots_lost`: the Redis that keeps them does
    not answer; `slots_refused`: it refuses to work; `scheduler_lost`: the Dask
    scheduler that counts them does not answer; `slots_new`: it began anew, and what was in
    flight before must be over first.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that had a directory came to an end, was stopped, or refused: as the report says."""

    report: Report


@dataclass(frozen=True, slots=True)
class Wrote:
    """A file of outcomes was written."""

    path: Path


@dataclass(frozen=True, slots=True)
class Removed:
    """A file was destroyed, as was asked."""

    path: Path


Event = (
    Looked
    | Kept
    | Fleeting
    | PassedOver
    | Resuming
    | Sending
    | Answered
    | Settled
    | Tuned
    | Holding
    | Ended
    | Wrote
    | Removed
)
Tell = Callable[[Event], None]


def of_record(record: log.Record) -> "Iterator[Event]":
    """Yield what a record that is durable now has to tell."""
    match record:
        case log.Start():
            yield Sending(record.todo, record.in_flight)
        case log.Setting():
            yield Tuned(record.name, record.value)
        case log.Outcome() if record.verdict not in _NOT_SENT:
            yield Answered(
                chunk=record.chunk,
                ids=record.hi - record.lo,
                attempt=record.attempt,
                verdict=record.verdict,
                status=record.status,
                seconds=record.ms / 1000,
                at=record.at,
                reason=record.reason,
            )
            if record.verdict in _SETTLING:
                yield _settled(record)


def _settled(record: log.Outcome) -> Settled:
    ids = record.hi - record.lo
    rejected = ids if record.verdict == "rejected" else len(record.bad)
    return Settled(record.chunk, ids - rejected, rejected)
