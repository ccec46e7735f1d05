"""The simulation sees: bugs put into the program by hand are caught within a few seeds."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from bulkdelete import dispatch, sending
from bulkdelete.backlog import Backlog, Job
from bulkdelete.core import checkpoint as log
from bulkdelete.core import guards, target
from bulkdelete.core.model import Abort, Accepted, Chunk, Piece, Verdict
from bulkdelete.core.progress import Progress
from bulkdelete.dispatch import Dispatcher
from bulkdelete.errors import IntegrityError
from bulkdelete.io.journal import Journal
from bulkdelete.io.pacing import Pacer
from bulkdelete.sending import Sender
from bulkdelete.turns import Turn, Turns
from tests.simulation.play import play
from tests.simulation.ranges import quiet

Plant = Callable[[pytest.MonkeyPatch], None]

SEEDS = 400
"""In so many seeds of each mode a planted bug must show."""


def intent_after_send(patch: pytest.MonkeyPatch) -> None:
    """The request leaves while its intent is on its way to the disk."""

    async def intend(self: Dispatcher, job: Job, turn: Turn) -> bool:
        span = job.piece.span
        self.ledger.append(
            log.Intent(
                chunk=span.seq,
                lo=span.lo,
                hi=span.hi,
                attempt=job.attempts + 1,
                digest=job.digest,
                at=self.wall(),
            )
        )
        await asyncio.sleep(0)
        return self.may_send() and self.turns.depart(turn)

    patch.setattr(Dispatcher, "_intend", intend)


def no_wait_for_the_disk(patch: pytest.MonkeyPatch) -> None:
    """A write counts as durable at once."""

    def commit(self: Journal) -> None:
        self._group, self._waiting = self._waiting, []
        self._write(self._writer.group([record for record, _ in self._group]))
        self._loop.call_soon(self._synced, None)

    patch.setattr(Journal, "_commit", commit)


def believed_before_durable(patch: pytest.MonkeyPatch) -> None:
    """What is known moves on when a record is appended."""
    real = Journal.append

    def append(self: Journal, record: log.Record) -> "asyncio.Future[None]":
        if self._error is None:
            self._durable(record)
        durable, self._durable = self._durable, lambda _: None
        future = real(self, record)
        self._durable = durable
        return future

    def synced(self: Journal, error: OSError | None) -> None:
        durable, self._durable = self._durable, lambda _: None
        real_synced(self, error)
        self._durable = durable

    real_synced = Journal._synced
    patch.setattr(Journal, "append", append)
    patch.setattr(Journal, "_synced", synced)


def failed_sync_ignored(patch: pytest.MonkeyPatch) -> None:
    """A sync that failed passes for one that did not."""
    real = Journal._synced
    patch.setattr(Journal, "_synced", lambda self, _: real(self, None))


def last_group_not_mended(patch: pytest.MonkeyPatch) -> None:
    """What was read is believed, though a sync over it failed."""
    patch.setattr(log.Reader, "tail", property(lambda _: b""))


def server_errors_accepted(patch: pytest.MonkeyPatch) -> None:
    """A 5xx counts as success."""
    real = target.by_status

    def by_status(status: int, *words: Any, **more: Any) -> Verdict:  # noqa: ANN401 - passed on
        return Accepted() if status >= 500 else real(status, *words, **more)

    patch.setattr(target, "by_status", by_status)


def cut_answers_accepted(patch: pytest.MonkeyPatch) -> None:
    """Whatever comes with a 200 is a success."""
    patch.setattr(target, "_success", lambda *_, **__: Accepted())


def acceptance_forgotten(patch: pytest.MonkeyPatch) -> None:
    """An acceptance is not recorded, and so is sent again by the next start."""
    real = Dispatcher._record

    def record(self: Dispatcher, job: Job, verdict: Verdict, *words: Any) -> None:  # noqa: ANN401
        if not isinstance(verdict, Accepted):
            real(self, job, verdict, *words)

    patch.setattr(Dispatcher, "_record", record)


def accepted_sent_again(patch: pytest.MonkeyPatch) -> None:
    """What was accepted is put back into the queue."""
    real = Sender._follow

    def follow(self: Sender, job: Job, verdict: Verdict) -> None:
        real(self, job, verdict)
        if isinstance(verdict, Accepted):
            self._backlog.put_back(job)

    patch.setattr(Sender, "_follow", follow)
    real_intend = Progress._intend

    def intend(self: Progress, record: log.Intent) -> None:
        with suppress(IntegrityError):  # it would notice, and stop
            real_intend(self, record)

    patch.setattr(Progress, "_intend", intend)


def canary_skipped(patch: pytest.MonkeyPatch) -> None:
    """The first chunk does not go alone."""
    patch.setattr(Backlog, "_full", property(lambda _: False))


def cap_ignored(patch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a turn, and there are more workers than slots."""

    class NoLease:
        def good(self) -> bool:
            """As if it were held."""
            return True

        def release(self) -> None:
            """Give nothing back."""

    async def take(_: Turns) -> Turn:
        return Turn(NoLease())

    real = Sender.__init__

    def init(self: Sender, **words: Any) -> None:  # noqa: ANN401 - passed on
        real(self, **words | {"cap": words["cap"] + 3})

    patch.setattr(Turns, "take", take)
    patch.setattr(Turns, "depart", lambda *_: True)
    patch.setattr(Turns, "observe", lambda *_: None)
    patch.setattr(Sender, "__init__", init)


def budget_ignored(patch: pytest.MonkeyPatch) -> None:
    """Retries never end."""
    patch.setattr(sending, "budget", lambda _: 10**9)


def wait_hint_ignored(patch: pytest.MonkeyPatch) -> None:
    """What the server asks to wait is not waited."""
    patch.setattr(target, "wait_hint", lambda _: None)


def digest_not_checked(patch: pytest.MonkeyPatch) -> None:
    """Whatever the input says now is sent."""

    def jobs(self: Sender, chunk: Chunk) -> list[Job]:
        digest = self._entry(chunk.seq).digest.hex()
        found = self._progress.todo(chunk.seq, len(chunk.ids))
        return [
            Job(Piece(span, chunk.kind, chunk.ids[span.lo : span.hi]), digest, state.attempts)
            for span, state in found
            if not self._held(state)
        ]

    patch.setattr(Sender, "_jobs", jobs)


def expiry_not_checked(patch: pytest.MonkeyPatch) -> None:
    """An approval lives for ever."""
    patch.setattr(guards, "check_alive", lambda *_: None)


def doubts_not_held(patch: pytest.MonkeyPatch) -> None:
    """What is in doubt is sent again whatever was asked, and however old it is."""
    patch.setattr(Sender, "_held", lambda *_: False)


def refusal_of_us_ignored(patch: pytest.MonkeyPatch) -> None:
    """After a 401 or a redirect the others go on."""
    real = Sender._follow

    def follow(self: Sender, job: Job, verdict: Verdict) -> None:
        if not isinstance(verdict, Abort):
            real(self, job, verdict)

    patch.setattr(Sender, "_follow", follow)


def failure_share_ignored(patch: pytest.MonkeyPatch) -> None:
    """However many fail, it goes on."""
    patch.setattr(guards, "too_many_failures", lambda *_: False)


def pace_ignored(patch: pytest.MonkeyPatch) -> None:
    """`--rate` means nothing."""

    async def start(_: Pacer) -> float:
        return math.inf

    patch.setattr(Pacer, "start", start)


def late_start_let_through(patch: pytest.MonkeyPatch) -> None:
    """What the pace let out may wait for its connection as long as it likes."""
    real = Pacer.start

    async def start(self: Pacer) -> float:
        await real(self)
        return math.inf

    patch.setattr(Pacer, "start", start)


def whole_chunk_written_off(patch: pytest.MonkeyPatch) -> None:
    """For one bad ID all of its chunk counts as rejected."""
    real = dispatch._named

    def named(job: Job, verdict: Verdict) -> tuple[str, str, tuple[int, ...]]:
        name, reason, bad = real(job, verdict)
        return ("rejected" if name == "refused" else name), reason, bad

    patch.setattr(dispatch, "_named", named)


def wrong_ids_blamed(patch: pytest.MonkeyPatch) -> None:
    """The IDs of a partial answer are counted from the wrong end."""
    real = dispatch._named

    def named(job: Job, verdict: Verdict) -> tuple[str, str, tuple[int, ...]]:
        name, reason, bad = real(job, verdict)
        span = job.piece.span
        return name, reason, tuple(sorted(span.lo + span.hi - 1 - one for one in bad))

    patch.setattr(dispatch, "_named", named)


def checksums_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A line of the log is believed for its looks."""
    patch.setattr(log, "_verify", lambda line: log._decoder.decode(line[9:-10]))


def an_end_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A worker does not say that its job ended: the others wait for ever."""
    patch.setattr(Backlog, "ended", lambda _: None)


def signals_ignored(patch: pytest.MonkeyPatch) -> None:
    """A signal is noted and nothing else."""
    patch.setattr(Sender, "interrupt", lambda *_: None)


def cancelled_and_goes_on(patch: pytest.MonkeyPatch) -> None:
    """A worker that is cancelled while its request is out records it, and takes the next."""
    patch.setattr(dispatch, "_INTERRUPTED", "interrupted ")
    real = Dispatcher.attempt

    async def attempt(self: Dispatcher, job: Job) -> Verdict | dispatch.Withdrawn:
        try:
            return await real(self, job)
        except asyncio.CancelledError:
            return dispatch.Withdrawn()

    patch.setattr(Dispatcher, "attempt", attempt)


PLANTED: list[tuple[Plant, set[str]]] = [
    (intent_after_send, {"S4"}),
    (no_wait_for_the_disk, {"S4", "S5"}),
    (believed_before_durable, {"S5"}),
    (failed_sync_ignored, {"S3", "S4", "S5"}),
    (last_group_not_mended, {"S4", "S5", "bug"}),
    (server_errors_accepted, {"S5"}),
    (cut_answers_accepted, {"S5"}),
    (acceptance_forgotten, {"S6", "S8", "S9"}),
    (accepted_sent_again, {"S7"}),
    (canary_skipped, {"S12"}),
    (cap_ignored, {"S13", "S12"}),
    (budget_ignored, {"S13"}),
    (wait_hint_ignored, {"S13"}),
    (digest_not_checked, {"S1"}),
    (expiry_not_checked, {"S11"}),
    (doubts_not_held, {"hold", "S11"}),
    (refusal_of_us_ignored, {"stop"}),
    (failure_share_ignored, {"S12"}),
    (pace_ignored, {"S13"}),
    (late_start_let_through, {"S13"}),
    (whole_chunk_written_off, {"S5"}),
    (wrong_ids_blamed, {"S5"}),
    (checksums_not_checked, {"S10", "S5", "bug"}),
    (an_end_is_forgotten, {"bug", "S9"}),
    (signals_ignored, {"stop"}),
    (cancelled_and_goes_on, {"stop"}),
]


def first_violation(seeds: int = SEEDS) -> str | None:
    """Play seeds until one shows something."""
    for seed in range(seeds):
        for mode in ("storm", "calming"):
            if (violation := play(seed, mode).violation) is not None:
                return violation
    return None


@pytest.mark.parametrize(
    ("plant", "promises"), PLANTED, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_planted_bug_is_caught(
    monkeypatch: pytest.MonkeyPatch, plant: Plant, promises: set[str]
) -> None:
    """Some seed shows it, as a breach of the promise that it breaks."""
    quiet()
    plant(monkeypatch)
    violation = first_violation()
    assert violation is not None
    assert violation.partition(":")[0] in promises, violation


def test_without_a_planted_bug_nothing_is_caught() -> None:
    """The first of these seeds, which catch most of them, hold all promises."""
    quiet()
    assert first_violation(50) is None
