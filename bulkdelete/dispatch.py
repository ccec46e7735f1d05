"""One attempt to send one piece: turn, intent, request, verdict, outcome.

The intent is durable before the first byte of its request. The outcome is appended before the
slot is used again; since the journal is durable in order, the next intent on that slot carries it
along in the same commit, so that at most as many chunks are in doubt as there are slots.
"""

import asyncio
import hashlib
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import structlog

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import (
    Abort,
    Accepted,
    Ambiguous,
    Answer,
    Failed,
    Lost,
    Partial,
    Refused,
    Reply,
    Throttled,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkdelete.backlog import Job
    from bulkdelete.core.target import Target
    from bulkdelete.turns import Meter, Turn, Turns

_log = structlog.get_logger("bulkdelete")


class Transport(Protocol):
    """What can send. Never raises for the network: a failure is a `Lost`."""

    async def post(
        self,
        path: str,
        body: bytes,
        clear: "Callable[[], Awaitable[bool]]",
        departed: "Callable[[], None]",
    ) -> Reply:
        """POST `body` and return what came back.

        Asks `clear` when the connection stands and the first byte is the next thing to happen; on
        a no nothing leaves. Calls `departed` after the last byte left.
        """
        ...


class Ledger(Protocol):
    """What makes records durable, in the order of `append`."""

    def append(self, record: log.Record) -> "asyncio.Future[None]":
        """Queue a record; the future is done when it is durable."""
        ...


class Pace(Protocol):
    """How many requests may start in a second."""

    @property
    def rate(self) -> float | None:
        """How many; None for any number."""
        ...

    async def start(self) -> float:
        """Wait until one more may start; return until when on the loop's clock it may."""


_INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The attempt was called off before its first byte: the gate closed, or the run stopped."""


@dataclass(slots=True)
class Dispatcher:
    """Sends pieces.

    `may_send` is false when nothing may be sent any more; `wall` is the time of
    day in seconds; `trusted` becomes true with the first acceptance of this process start;
    `posting` are the tasks that have a request out.
    """

    target: "Target"
    transport: Transport
    ledger: Ledger
    turns: "Turns"
    pace: Pace
    meter: "Meter"
    wall: "Callable[[], float]"
    may_send: "Callable[[], bool]"
    trusted: bool = False
    posting: "set[asyncio.Task[object] | None]" = field(default_factory=set)

    async def attempt(self, job: "Job") -> Verdict | Withdrawn:
        """Make one attempt, with its intent and outcome on record.

        Cancelled while the request is out, it records that nobody knows what came of it, and ends.
        """
        # Before the turn: while a slot is free, nothing else is worth the time.
        body = self.target.encode(job.piece.kind, job.piece.ids)
        asked = self.turns.now()
        turn = await self.turns.take()
        self.meter.spend("gate", self.turns.now() - asked)
        abandoned = False
        try:
            if not await self._intend(job, turn):
                return Withdrawn()
            reply, seconds = await self._post(job, turn, body)
            if reply is None:
                self._withdraw(job)
                return Withdrawn()
            abandoned = isinstance(reply, Lost) and reply.abandoned
            verdict = self._judged(job, reply)
            self.trusted = self.trusted or _accepts(job, verdict)
            self.turns.observe(turn, verdict)
            self._record(job, verdict, reply, seconds)
            _note_hint(job, reply, verdict)
            if isinstance(reply, Lost) and reply.reason == _INTERRUPTED:
                # Whoever cancels wants no other try; to go on would also be to wait for the rest.
                raise asyncio.CancelledError
            return verdict
        finally:
            self.turns.give_back(turn, abandoned=abandoned)

    async def _intend(self, job: "Job", turn: "Turn") -> bool:
        """Make the intent durable; False when the attempt was called off after all."""
        if not self.may_send():
            return False
        span = job.piece.span
        intent = log.Intent(
            chunk=span.seq,
            lo=span.lo,
            hi=span.hi,
            attempt=job.attempts + 1,
            digest=job.digest,
            at=self.wall(),
        )
        try:
            began = self.turns.now()
            await self.ledger.append(intent)
            self.meter.spend("disk", self.turns.now() - began)
            if self.pace.rate is not None:
                turn.good_until = await self._paced()
        except asyncio.CancelledError:
            self._withdraw(job)
            raise
        if self.may_send() and self.turns.may_depart():
            return True
        self._withdraw(job)
        return False

    async def _paced(self) -> float:
        began = self.turns.now()
        good_until = await self.pace.start()
        self.meter.spend("pace", self.turns.now() - began)
        return good_until

    def _withdraw(self, job: "Job") -> None:
        self.ledger.append(self._outcome(job, "withdrawn"))

    async def _clear(self, turn: "Turn") -> bool:
        """Tell whether the request may leave now, which took a while to get a connection.

        What the pace let out once and left only now would leave together with the next.
        """
        while self.turns.now() > turn.good_until:
            turn.good_until = await self._paced()
        return self.may_send() and self.turns.depart(turn)

    async def _post(self, job: "Job", turn: "Turn", body: bytes) -> tuple[Reply | None, float]:
        """Send it; return what came back, and the seconds from its departure to the answer.

        None came back where it was called off with no byte of it on the way.
        """
        now = self.turns.now
        worker = asyncio.current_task()
        cleared: bool | None = None
        since: float | None = None

        async def clear() -> bool:
            nonlocal cleared
            cleared = await self._clear(turn)
            if cleared:
                self.posting.add(worker)
            return cleared

        def departed() -> None:
            nonlocal since
            since = now()
            self.meter.change(+1, since, fresh=not job.retry)

        try:
            reply = await self.transport.post(self.target.delete_path, body, clear, departed)
        except asyncio.CancelledError:
            if not cleared:
                self._withdraw(job)
                raise
            reply = Lost(_INTERRUPTED, sent=True, abandoned=True)
        finally:
            self.posting.discard(worker)
        if since is None:
            return (None if cleared is False else reply), 0.0
        ended = now()
        self.meter.change(-1, ended)
        self.meter.begin(ended)
        self.meter.spend("server", ended - since)
        return reply, ended - since

    def _judged(self, job: "Job", reply: Reply) -> Verdict:
        """Judge a reply; what a target cannot judge, or judges so that it cannot be, is in doubt.

        It may have been written by others, and the outcome has to come on record all the same.
        """
        piece = job.piece
        try:
            verdict = self.target.decode(reply, piece.kind, piece.ids, self.trusted)
            if _can_be(verdict, len(piece.ids)):
                return verdict
            wrong = type(verdict).__name__
        except Exception as error:  # noqa: BLE001 - its words may hold IDs
            wrong = type(error).__name__
        _log.warning("answer.unjudged", chunk=piece.span.seq, error=wrong)
        return Ambiguous("answer_unjudged")

    def _fingerprint(self, job: "Job", verdict: Verdict, answer: Answer) -> str:
        """Return the hash of an answer; "" for one that names IDs, which it could be tried for."""
        named = self.target.names_ids or isinstance(verdict, Partial)
        if not named and not isinstance(verdict, Accepted):
            text = answer.body.decode("utf-8", "replace")
            named = any(one in text for one in job.piece.ids)
        return "" if named else _hash(answer.body)

    def _record(self, job: "Job", verdict: Verdict, reply: Reply, seconds: float) -> None:
        name, reason, bad = _named(job, verdict)
        if name == "abort" and isinstance(reply, Lost):
            name = "failed"  # not a byte left: the other side could not prove who it is
        answer = reply if isinstance(reply, Answer) else None
        self.ledger.append(
            self._outcome(
                job,
                name,
                reason=reason,
                bad=bad,
                status=answer.status if answer else 0,
                body=self._fingerprint(job, verdict, answer) if answer else "",
                ms=round(seconds * 1000, 3),
            )
        )
        if name == "refused":
            span = job.piece.span
            self.ledger.append(log.Split(chunk=span.seq, lo=span.lo, hi=span.hi, at=self.wall()))

    def _outcome(  # noqa: PLR0913 - the record's own fields
        self,
        job: "Job",
        verdict: str,
        *,
        reason: str = "",
        bad: tuple[int, ...] = (),
        status: int = 0,
        body: str = "",
        ms: float = 0.0,
    ) -> log.Outcome:
        span = job.piece.span
        return log.Outcome(
            chunk=span.seq,
            lo=span.lo,
            hi=span.hi,
            attempt=job.attempts + 1,
            verdict=verdict,
            at=self.wall(),
            reason=reason,
            status=status,
            body=body,
            ms=ms,
            bad=bad,
        )


@lru_cache(maxsize=4)
def _hash(body: bytes) -> str:
    # Nearly all answers of a run are the same.
    return hashlib.sha256(body).hexdigest()[:16]


_LONGEST_REASON = 64


def _can_be(verdict: object, count: int) -> bool:
    """Tell whether that is a verdict on so many IDs, which can be put on record and acted on.

    Those that it rejects are some of them, once; a reason is a word, and a wait a time.
    """
    if not isinstance(verdict, Verdict):
        return False
    if isinstance(verdict, Accepted):
        return True
    if isinstance(verdict, Partial):
        named = set(verdict.rejected)
        if not named <= set(range(count)) or not 0 < len(named) == len(verdict.rejected):
            return False
    reason: object = verdict.reason
    wait = getattr(verdict, "wait", None)
    is_word = isinstance(reason, str) and len(reason) <= _LONGEST_REASON
    return is_word and (wait is None or 0.0 <= wait < math.inf)


def _note_hint(job: "Job", reply: Reply, verdict: Verdict) -> None:
    """Say that a hint to wait made no sense; not what it was, for it is the server's own text."""
    hinted = isinstance(reply, Answer) and "retry-after" in reply.headers
    if hinted and isinstance(verdict, Throttled | Ambiguous) and verdict.wait is None:
        _log.warning("hint.ignored", chunk=job.piece.span.seq, verdict=verdict.reason)


def _accepts(job: "Job", verdict: Verdict) -> bool:
    """Tell whether at least one ID was accepted: then the other side is the API."""
    match verdict:
        case Accepted():
            return True
        case Partial(rejected=rejected):
            return len(rejected) < len(job.piece.ids)
    return False


def _named(job: "Job", verdict: Verdict) -> tuple[str, str, tuple[int, ...]]:
    """Return a verdict's name in the checkpoint, its reason, and refused places in the chunk."""
    match verdict:
        case Accepted():
            return "accepted", "", ()
        case Partial(rejected=positions, reason=reason):
            return "partial", reason, tuple(job.piece.span.lo + one for one in positions)
        case Refused(reason=reason):
            return ("rejected" if len(job.piece.ids) == 1 else "refused"), reason, ()
        case Throttled(reason=reason):
            return "throttled", reason, ()
        case Failed(reason=reason):
            return "failed", reason, ()
        case Ambiguous(reason=reason):
            return "ambiguous", reason, ()
        case Abort(reason=reason, acted=acted):
            return ("ambiguous" if acted else "abort"), reason, ()
