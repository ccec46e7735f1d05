"""The flow: a plan's chunks, read again from the input, to requests, to the checkpoint.

A feeder reads the input, keeps what the plan kept, cuts it into the same chunks, checks each
against its digest, and offers those that are not settled. `cap` workers take jobs and make
attempts. What follows from a verdict is decided here: settled, cut in two, tried again, or stop.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import structlog

from bulkdelete.backlog import Backlog, Job
from bulkdelete.core import guards
from bulkdelete.core.digests import chunk_digest
from bulkdelete.core.model import (
    Abort,
    Accepted,
    Ambiguous,
    Chunk,
    Failed,
    Partial,
    Piece,
    Refused,
    State,
    Throttled,
    Verdict,
)
from bulkdelete.core.retry import RetryPolicy, budget
from bulkdelete.dispatch import Withdrawn
from bulkdelete.errors import (
    BulkdeleteError,
    GuardError,
    IntegrityError,
    Interrupted,
    ServerError,
    Stopped,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bulkdelete.core.checkpoint import Approval
    from bulkdelete.core.index import ChunkEntry
    from bulkdelete.core.progress import PieceState, Progress
    from bulkdelete.core.times import Window
    from bulkdelete.dispatch import Dispatcher

_LOOK_AT_CLOCK = 5.0
"""Seconds after which who waits for a window looks at the clock again: it may have been set."""

_log = structlog.get_logger("bulkdelete")


KILL_FILE_SECONDS = 1.0
"""Seconds between two looks for a kill file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The free settings of one process start; times in seconds."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    hold_doubts: bool = False
    max_failures: float = 5.0
    hold_after: int | None = None
    grace: float = 10.0
    give_up_after: float = 900.0
    max_duration: float | None = None
    window: "Window | None" = None
    killed: "Callable[[], bool] | None" = None


@dataclass(slots=True)
class Tally:
    """What the progress display shows, beyond what the checkpoint says."""

    retries: int = 0
    throttled: int = 0
    settled_ids: int = 0
    failed_ids: int = 0


class Sender:
    """One process start of one run.

    `dispatcher` makes the dispatcher, given the check to ask before anything is sent. `entry`
    gives the index's entry of a chunk, `key` is the run's key, `draw` is uniform in [0, 1).
    """

    def __init__(  # noqa: PLR0913 - the parts of the house meet here
        self,
        *,
        dispatcher: "Callable[[Callable[[], bool]], Dispatcher]",
        progress: "Progress",
        approval: "Approval",
        entry: "Callable[[int], ChunkEntry]",
        key: bytes,
        limits: Limits,
        draw: "Callable[[], float]",
        cap: int,
        size: int,
    ) -> None:
        self._dispatcher = dispatcher(self._may_send)
        self._progress = progress
        self._approval = approval
        self._entry = entry
        self._key = key
        self._limits = limits
        self._draw = draw
        self._cap = cap
        self._size = size
        self._backlog = Backlog(room=2 * cap)
        self._todo = progress.unsettled_chunks()
        self._budget = budget(self._todo)
        self._ramp_ends = guards.ramp(self._todo)
        self._workers: list[asyncio.Task[None]] = []
        self._error: BaseException | None = None
        # Pieces of a chunk that an earlier start saw refused say nothing about this start's list.
        self._cut_before = {seq for seq, pieces in progress.pieces.items() if len(pieces) > 1}
        self._requests = 0
        self._offered = 0
        self._jobs_offered = 0
        self._held_back = False
        self._complete = False
        self._trouble_since: float | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # What earlier starts saw counts: starting again is no way round --max-failures.
        rejected = progress.ids_of_details()[State.REJECTED]
        accepted = progress.accepted_ids + progress.ids_of_details()[State.ACCEPTED]
        self.tally = Tally(settled_ids=accepted + rejected, failed_ids=rejected)

    async def run(self, chunks: "AsyncGenerator[Chunk, None]") -> None:
        """Send until the end or a stop. Raises what stopped it; returns when all was tried."""
        loop = asyncio.get_running_loop()
        self._check_failures()
        self._patrol()
        if self._limits.max_duration is not None:
            after = self._limits.max_duration
            self._timers["max_duration"] = loop.call_later(after, self._time_is_up)
        feeder = asyncio.create_task(self._feed(chunks), name="feeder")
        self._hire()
        try:
            while working := [worker for worker in self._workers if not worker.done()]:
                await asyncio.wait(working)
        finally:
            await _dismiss(feeder, *self._workers)
            for timer in self._timers.values():
                timer.cancel()
        if self._error is not None:
            raise self._error
        self._check_held_back()

    def _hire(self) -> None:
        """Have as many workers as there may be requests in flight; who is idle does no harm."""
        for number in range(len(self._workers), self._cap):
            worker = asyncio.create_task(self._work(), name=f"worker-{number}")
            self._workers.append(worker)

    def resize(self, cap: int) -> None:
        """Work for so many requests in flight from now on."""
        self._cap = cap
        self._backlog.resize(2 * cap)
        if not self.stopping:
            self._hire()

    @property
    def stopping(self) -> bool:
        """Whether nothing new will start."""
        return self._error is not None

    def halt(self, reason: Stopped) -> None:
        """Start no new request; let those in flight finish within the grace."""
        self._stop(reason)

    def _check_held_back(self) -> None:
        if self._held_back:
            raise Stopped(
                "hold_after",
                f"held after {self._offered:,} IDs, as --hold-after asked",
                "look at the result, then run the same command again to go on",
            )

    def interrupt(self, signal_number: int, name: str) -> None:
        """Start no new request; let those in flight finish within the grace."""
        self._stop(
            Interrupted(
                signal_number,
                f"stopped by {name}; all that was answered is on record",
                "run the same command again to go on",
            )
        )

    # --- the feeder ---

    async def _feed(self, chunks: "AsyncGenerator[Chunk, None]") -> None:
        try:
            async for chunk in chunks:
                for job in self._jobs(chunk):
                    await self._backlog.offer(job)
                    self._offered += len(job.piece.ids)
                    await self._ramp()
                hold = self._limits.hold_after
                if hold is not None and self._offered >= hold:
                    self._held_back = chunk.seq + 1 < self._progress.chunks
                    break
            self._backlog.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must stop
            self._stop(error)

    async def _ramp(self) -> None:
        """Hold the rest back until the first percent has ended, and its failures are few."""
        self._jobs_offered += 1
        if self._jobs_offered == self._ramp_ends:
            await self._backlog.all_ended()
            self._check_failures()
            _log.info("ramp.passed", ids=self._offered, failed=self.tally.failed_ids)

    def _jobs(self, chunk: Chunk) -> "list[Job]":
        if self._progress.all_settled(chunk.seq):
            return []  # nothing of it is sent, so that nothing need be compared
        entry = self._entry(chunk.seq)
        digest = chunk_digest(self._key, chunk)
        if (digest, chunk.kind, len(chunk.ids)) != (entry.digest, entry.kind, entry.count):
            raise IntegrityError(
                "input_changed",
                f"the input changed: chunk {chunk.seq} is not the one of the plan; "
                "nothing more was sent",
                "restore the input, or start afresh with --abandon",
            )
        return [
            Job(
                Piece(span, chunk.kind, chunk.ids[span.lo : span.hi]),
                digest.hex(),
                attempts=state.attempts,
            )
            for span, state in self._progress.todo(chunk.seq, len(chunk.ids))
            if not self._held(state)
        ]

    def _doubt_too_old(self, job: Job) -> bool:
        """Tell whether a piece waited so long for its next try that it must be left alone."""
        pieces = self._progress.pieces.get(job.piece.span.seq, {})
        state = pieces.get(job.piece.span)
        return state is not None and self._held(state)

    def _held(self, state: "PieceState") -> bool:
        """Tell whether a piece in doubt is to be left alone."""
        if state.doubt_since is None:
            return False
        renewed = self._approval.at if self._approval.renewed else None
        old = guards.doubt_too_old(state.doubt_since, self._dispatcher.wall(), renewed)
        return self._limits.hold_doubts or old

    # --- the workers ---

    async def _work(self) -> None:
        try:
            while (job := await self._take()) is not None:
                await self._deliver(job)
                self._backlog.ended()
        except Exception as error:  # noqa: BLE001 - a bug in one worker stops the whole run
            self._stop(error)

    async def _take(self) -> Job | None:
        """Take a job; note what the slot waited for, if it did."""
        if (job := self._backlog.pick()) is not None:
            return job
        now = self._dispatcher.turns.now
        began, trusted = now(), self._dispatcher.trusted
        job = await self._backlog.take()
        what = "end" if job is None else "retry" if job.retry else "input"
        if job is not None and not trusted:
            what = "canary"
        self._dispatcher.meter.spend(what, now() - began)
        return job

    async def _deliver(self, job: Job) -> None:
        while closed := self.closed_for():  # noqa: ASYNC110 - a clock tells nobody
            await asyncio.sleep(min(closed, _LOOK_AT_CLOCK))
        if job.retry and self._doubt_too_old(job):
            self._give_up_on(job)
            return
        verdict = await self._dispatcher.attempt(job)
        if isinstance(verdict, Withdrawn):
            self._backlog.put_back(job.attempted())
            return
        self._requests += job.piece.span.seq not in self._cut_before
        self._follow(job, verdict)

    def _follow(self, job: Job, verdict: Verdict) -> None:
        """Decide what follows from the verdict of one more attempt at a job."""
        match verdict:
            case Accepted():
                self._good()
                self._settle(job, failed=0)
            case Partial(rejected=rejected) if len(rejected) < len(job.piece.ids):
                self._good()
                self._settle(job, failed=len(rejected))
            case Partial():
                self._well()
                self._settle(job, failed=len(job.piece.ids))
                self._check_canary(job)
            case Refused():
                self._refused(job)
            case Throttled() | Failed() | Ambiguous():
                self._try_again(job, verdict)
            case Abort(reason=reason):
                self._stop(_refused_us(reason))
            case _:
                assert_never(verdict)

    def _good(self) -> None:
        self._well()
        self._backlog.open_up()

    def _well(self) -> None:
        """Note that the server answers as a server should."""
        self._trouble_since = None

    def _settle(self, job: Job, *, failed: int) -> None:
        self.tally.settled_ids += len(job.piece.ids)
        self.tally.failed_ids += failed
        _log.debug("chunk.settled", chunk=job.piece.span.seq, ids=len(job.piece.ids), failed=failed)
        self._check_failures()

    def _check_failures(self) -> None:
        chunks = self.tally.settled_ids // self._size
        if guards.too_many_failures(
            self.tally.failed_ids, self.tally.settled_ids, chunks, self._limits.max_failures
        ):
            self._stop(
                GuardError(
                    "max_failures",
                    f"{self.tally.failed_ids:,} of {self.tally.settled_ids:,} IDs were rejected "
                    "or are in doubt, more than --max-failures allows",
                    "look at the report; run again with a higher --max-failures if it is right",
                )
            )

    def _refused(self, job: Job) -> None:
        self._well()
        if len(job.piece.ids) > 1:
            self._backlog.put_back(*job.halves())
        else:
            self._settle(job, failed=1)
        self._check_canary(job)

    def _check_canary(self, job: Job) -> None:
        """Stop when the first chunk was tried to its end without one acceptance."""
        if self._dispatcher.trusted or job.piece.span.seq in self._cut_before:
            return
        used_up = self._backlog.nothing_follows(job.piece.span.seq) and self._todo > 1
        if self._requests >= guards.CANARY_REQUESTS or used_up:
            self._stop(_canary_refused(self._requests))

    def _try_again(self, job: Job, verdict: Throttled | Failed | Ambiguous) -> None:
        if isinstance(verdict, Ambiguous) and self._limits.hold_doubts:
            self._give_up_on(job)
            return
        loop = asyncio.get_running_loop()
        if self._outage(verdict, loop.time()):
            return
        # While the breaker is open the trouble is the server's, not this chunk's.
        spent = isinstance(verdict, Ambiguous) and not self._dispatcher.turns.gate.broken
        again = job.attempted().again(spent=spent)
        delay = self._limits.policy.delay(verdict, again.tries, self._draw())
        if delay is None:
            self._give_up_on(job)
            return
        if self.tally.retries >= self._budget:
            self._stop(_out_of_retries(self._budget))
            return
        self.tally.retries += 1
        self.tally.throttled += isinstance(verdict, Throttled)
        _log.debug("retry.scheduled", chunk=job.piece.span.seq, seconds=round(delay, 3))
        self._backlog.delay(again, loop.time() + delay)

    def _give_up_on(self, job: Job) -> None:
        if not self._dispatcher.trusted:
            self._stop(
                Stopped(
                    "canary_ambiguous",
                    "the first chunk got no clear answer: it may have been acted on, or not",
                    "see that the service is well, then run the same command again",
                )
            )
            return
        self._settle(job, failed=len(job.piece.ids))

    def _outage(self, verdict: Throttled | Failed | Ambiguous, now: float) -> bool:
        hint = None if isinstance(verdict, Failed) else verdict.wait
        if hint is not None and hint > self._limits.give_up_after:
            self._stop(
                Stopped(
                    "wait_hint",
                    f"the server asked to wait {hint:,.0f} s, longer than --give-up-after",
                    "run the same command again after that time",
                )
            )
            return True
        if self._trouble_since is None:
            self._trouble_since = now
        if now - self._trouble_since < self._limits.give_up_after:
            return False
        self._stop(_outage(now - self._trouble_since, verdict.reason))
        return True

    def _patrol(self) -> None:
        """Look whether there is a kill file, or others have held all the slots for too long."""
        loop = asyncio.get_running_loop()
        killed = self._limits.killed
        if killed is not None and killed():
            self._stop(_kill_file())
            return
        now, turns = loop.time(), self._dispatcher.turns
        # Before that nothing can be too long; a file, though, can be there at any time.
        due = turns.blocked_until(self._limits.give_up_after)
        if now >= due:
            self._stop(turns.blocked())
            return
        after = due if killed is None else min(due, now + KILL_FILE_SECONDS)
        self._timers["patrol"] = loop.call_at(after, self._patrol)

    def closed_for(self) -> int:
        """Return how many seconds it is until the window of --window opens."""
        window = self._limits.window
        if window is None:
            return 0
        now = time.localtime(self._dispatcher.wall())
        return window.closed_for(now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec)

    # --- stopping ---

    def _may_send(self) -> bool:
        if self._error is not None or self.closed_for():
            return False
        try:
            guards.check_alive(self._approval, self._dispatcher.wall())
        except GuardError as error:
            self._stop(error)
            return False
        return True

    def _time_is_up(self) -> None:
        self._stop(
            Stopped(
                "max_duration",
                "stopped after --max-duration; the rest is unsent",
                "run the same command again to go on",
            )
        )

    def _stop(self, error: BaseException) -> None:
        """Start nothing more; the first reason counts."""
        if self._error is not None:
            return
        self._error = error
        self._backlog.stop()
        current = asyncio.current_task()
        for worker in self._workers:
            if worker is not current and worker not in self._dispatcher.posting:
                worker.cancel()
        loop = asyncio.get_running_loop()
        self._dispatcher.meter.stop(loop.time())
        self._timers["grace"] = loop.call_later(self._limits.grace, self._cut_off)
        code = error.code if isinstance(error, BulkdeleteError) else type(error).__name__
        _log.info("run.stopping", reason=code, in_flight=self._dispatcher.meter.in_flight)

    def _cut_off(self) -> None:
        for worker in self._workers:
            worker.cancel()


async def _dismiss(*tasks: "asyncio.Task[None]") -> None:
    """End tasks; who has a request out puts on record that nobody knows what came of it."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _refused_us(reason: str) -> ServerError:
    messages = {
        "http_401": "the server refused the credentials (401); a wrong region answers so, too",
        "http_403": "the server does not allow this account to delete (403)",
        "redirect": "the server redirected the request elsewhere; it was not followed",
        "not_the_api": "what answered is not the API (HTML instead of JSON)",
        "tls": "the server could not prove who it is (TLS)",
        "private_address": "the server's name leads to private addresses only, which are refused",
        "handshake_cut": "the server hung up before it had proved who it is (TLS)",
    }
    return ServerError(
        reason,
        messages.get(reason, f"the server refused the request ({reason})") + "; the run stopped",
        "check region, account and passcode with: bulkdelete doctor",
    )


def _canary_refused(requests: int) -> GuardError:
    return GuardError(
        "canary",
        f"the first chunk was refused, without one acceptance in {requests} requests; "
        "the rest was not sent",
        "see whether this is the right list, column and kind of ID",
    )


def _outage(seconds: float, reason: str) -> Stopped:
    return Stopped(
        "outage",
        f"no request was accepted for {seconds:,.0f} s ({reason}); the rest is unsent",
        "see that the service is well, then run the same command again",
    )


def _kill_file() -> Stopped:
    return Stopped(
        "kill_file",
        "stopped, because the kill file is there; all that was answered is on record",
        "remove the file, then run the same command again to go on",
    )


def _out_of_retries(retries: int) -> Stopped:
    return Stopped(
        "retry_budget",
        f"{retries} retries are used up; the server is ill, or others use the account",
        "run the same command again later",
    )
