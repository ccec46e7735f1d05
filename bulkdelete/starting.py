"""One process start of a run: approval, replayed progress, canary, sender, seal or stop record.

It touches nothing itself. What it needs of the world (disk, network, clocks, chance, the
account's slots, signals, the input) is behind `World`, so that all of it runs as it is over a
simulated one. Whatever stops the run after the first record is on record before this returns.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from bulkdelete.core import checkpoint as log
from bulkdelete.core import guards
from bulkdelete.core import report as reports
from bulkdelete.core.gate import Gate
from bulkdelete.core.retry import RetryPolicy
from bulkdelete.dispatch import Dispatcher, Transport
from bulkdelete.errors import BulkdeleteError, IntegrityError, UsageError
from bulkdelete.io import snapshots
from bulkdelete.io.journal import Disk, Journal
from bulkdelete.io.pacing import Pacer
from bulkdelete.sending import Limits, Sender
from bulkdelete.steering import Steering
from bulkdelete.turns import Meter, Slots, Turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

    from bulkdelete.core import live
    from bulkdelete.core.index import ChunkEntry
    from bulkdelete.core.model import Chunk
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.settings import Credentials, Settings

    Approve = Callable[[Plan, Progress, float], log.Approval | None]
    """Asks for approval (plan, progress, now): None when the one on record is still good."""

    Watch = Callable[["View"], Coroutine[Any, Any, None]]
    """Shows progress until cancelled."""

    Hear = Callable[[log.Record], None]
    """Is told of each record of this start, once it is durable."""

OUTCOME_ROOM = 4096
"""Bytes on the disk that are held for the outcome of each request in flight."""

ABANDONED_SECONDS = 10.0
"""How long a request that we stopped waiting for is taken to hold its slot on the server."""


@dataclass(frozen=True, slots=True)
class View:
    """What a display may look at while a run goes on."""

    plan: "Plan"
    progress: "Progress"
    sender: Sender
    meter: Meter
    look: "Callable[[], live.Answer]"


class OpenTransport(Transport, AbstractAsyncContextManager[object], Protocol):
    """A transport that is opened and closed."""


class OpenSlots(Slots, AbstractAsyncContextManager[object], Protocol):
    """Slots that are opened and closed."""


class World(Protocol):
    """What a process start touches. Each is asked for once, and only when it is needed."""

    @property
    def pid(self) -> int:
        """This process's number."""
        ...

    @property
    def machine(self) -> str:
        """A keyed hash that names this machine."""
        ...

    def wall(self) -> float:
        """Return the time of day in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def draw(self) -> float:
        """Return a number, uniform in [0, 1)."""
        ...

    async def check_bound(self) -> None:
        """Check that input and protect lists are those of the plan; IntegrityError if not."""

    def disk(self) -> Disk:
        """Open the checkpoint log to write on."""
        ...

    def slots(self, host: str, account: str, count: int) -> OpenSlots:
        """Return the account's slots."""
        ...

    def client(self, host: str, credentials: "Credentials") -> OpenTransport:
        """Return what can send to one host, in the name of an account."""
        ...

    def chunks(self) -> "AsyncGenerator[Chunk, None]":
        """Read the input again, from the first chunk on that is not settled."""
        ...

    def listen(
        self, follow: "Callable[[bytes], Awaitable[bytes]]"
    ) -> AbstractAsyncContextManager[None]:
        """Hear what others say to this run, a line each; `follow` answers it."""
        ...

    def watch_signals(self, interrupt: "Callable[[int, str], None]") -> None:
        """Call `interrupt` (number, name) at the first signal that asks to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a process start knows when it begins: all that was read, replayed and chosen.

    `entry` gives the index's entry of a chunk, `key` is the run's key, `reader` has read the log.
    """

    plan: "Plan"
    progress: "Progress"
    reader: log.Reader
    key: bytes
    entry: "Callable[[int], ChunkEntry]"
    settings: "Settings"
    credentials: "Credentials | None"
    approve: "Approve"
    watch: "Watch"
    world: World
    hear: "Hear | None" = None

    async def run(self) -> str:
        """Send what is not settled; return the chain's head of a run that reached its end.

        Raises BulkdeleteError when something refused or stopped it.
        """
        await self._check()
        todo = self.progress.unsettled_chunks()
        # A clock that was set back must not make an approval live longer.
        wall = steady(self.world.wall, self.world.monotonic, self.progress.last_at)
        approval = self.approve(self.plan, self.progress, wall()) if todo else None
        reserve = max(log.MAX_LINE, OUTCOME_ROOM * self.settings.cap)
        take = partial(snapshots.take, self.progress)
        journal = Journal(self.world.disk(), self.reader, self._durable(), reserve, take)
        try:
            if approval is not None:
                await journal.append(approval)
            await journal.append(self._record(wall(), todo))
            meter = await self._send(journal, wall) if todo else Meter(self.settings.cap)
            await self._seal(journal, meter, wall())
        finally:
            await journal.close()
        return journal.head

    def _durable(self) -> "Hear":
        """Return what each durable record goes to: the progress, then who wants to hear of it."""
        apply, hear = self.progress.apply, self.hear
        if hear is None:
            return apply

        def both(record: log.Record) -> None:
            apply(record)
            hear(record)

        return both

    async def _check(self) -> None:
        """Refuse what must not be sent; nothing was written yet."""
        if self.plan.draft:
            raise UsageError(
                "draft",
                "this plan is a draft: it names no account or region; nothing was sent",
                "make a plan with --region and --account-id",
            )
        if self.progress.abandoned:
            raise UsageError("abandoned", "this run was abandoned; nothing was sent")
        if self.settings.target.name != self.plan.bound.target:
            raise other_target(self.plan.bound.target, "sent")
        if self.credentials and self.credentials.account != self.plan.bound.account:
            raise IntegrityError(
                "other_account",
                "the credentials are of another account than the plan's; nothing was sent",
                "use the plan's account, or make a new plan",
            )
        guards.check_account(self.plan.bound.account, self.plan.bound.host or "")
        await self.world.check_bound()
        settings = self.settings
        guards.check_size(self.plan.whole, settings.max_deletes, settings.expect_count)

    def _record(self, at: float, todo: int) -> log.Start:
        return log.Start(
            at=at,
            pid=self.world.pid,
            machine=self.world.machine,
            in_flight=self.settings.cap,
            todo=todo,
            torn=self.reader.torn,
            settings=self.settings.shown(),
        )

    async def _send(self, journal: Journal, wall: "Callable[[], float]") -> Meter:
        """Send; return what was measured of the slots."""
        settings, credentials, host = self.settings, self.credentials, self.plan.bound.host
        if credentials is None or host is None:
            raise UsageError("credentials", "without credentials nothing is sent")
        meter, pacer = Meter(settings.cap), Pacer(settings.rate)
        slots = self.world.slots(host, credentials.account, settings.cap)
        client = self.world.client(host, credentials)
        linger = min(settings.timeout, ABANDONED_SECONDS)
        turns = Turns(Gate(settings.cap), slots, self.world.draw, linger)
        sender = self._sender(
            partial(Dispatcher, settings.target, client, journal, turns, pacer, meter, wall)
        )
        steering = Steering(
            sender=sender,
            turns=turns,
            pacer=pacer,
            meter=meter,
            journal=journal,
            wall=wall,
            leave_free=settings.leave_free,
            fastest=settings.target.rate,
            counts=self.plan.counts,
            progress=self.progress,
        )
        display = asyncio.create_task(
            self.watch(View(self.plan, self.progress, sender, meter, steering.look))
        )
        try:
            self.world.watch_signals(sender.interrupt)
            listening = self.world.listen(steering.follow)
            async with slots, client, aclosing(self.world.chunks()) as chunks, listening:
                await sender.run(chunks)
                await journal.flush()  # the last that the display shows is all of it
        except BulkdeleteError as error:
            await _stop(journal, error, meter, wall())
            raise
        except Exception as error:
            await _stop(journal, _bug(error), meter, wall())
            raise
        finally:
            display.cancel()
            with suppress(asyncio.CancelledError, OSError):  # who watched may be gone
                await display
        return meter

    def _sender(self, dispatcher: "Callable[[Callable[[], bool]], Dispatcher]") -> Sender:
        if self.progress.approval is None:
            raise UsageError("approval", "without approval nothing is sent")
        return Sender(
            dispatcher=dispatcher,
            progress=self.progress,
            approval=self.progress.approval,
            entry=self.entry,
            key=self.key,
            limits=_limits(self.settings),
            draw=self.world.draw,
            cap=self.settings.cap,
            size=self.plan.bound.chunk_size,
        )

    async def _seal(self, journal: Journal, meter: Meter, at: float) -> None:
        # The balance is counted from what is durable, so wait until all outcomes are.
        await journal.flush()
        balance = reports.balance(self.plan.counts, self.progress)
        await journal.append(
            log.Seal(
                at=at,
                exit=reports.exit_code_of(balance),
                ids=reports.as_dict(balance),
                head=journal.head,
                utilisation=meter.utilisation,
                slots=meter.slots(),
            )
        )


def other_target(planned: str, done: str) -> IntegrityError:
    """Return the refusal to use a plan with another target than its own."""
    return IntegrityError(
        "other_target",
        f"the plan is for the target {planned}, not for the one named now; nothing was {done}",
        "leave --target out: the plan names its own",
    )


def steady(
    wall: "Callable[[], float]", monotonic: "Callable[[], float]", at_least: float
) -> "Callable[[], float]":
    """Return a time of day that never runs behind the time that really went by.

    It begins at `at_least`, the time of the last record.
    """
    offset = max(wall(), at_least) - monotonic()
    return lambda: max(wall(), monotonic() + offset)


def _limits(settings: "Settings") -> Limits:
    return Limits(
        policy=RetryPolicy(max_attempts=settings.max_attempts),
        hold_doubts=settings.on_ambiguous == "hold",
        max_failures=settings.max_failures,
        hold_after=settings.hold_after,
        grace=settings.grace,
        give_up_after=settings.give_up_after,
        max_duration=settings.max_duration,
        window=settings.window,
        killed=settings.kill_file.exists if settings.kill_file else None,
    )


def _bug(error: Exception) -> BulkdeleteError:
    return BulkdeleteError("bug", f"unexpected {type(error).__name__}; the run is resumable")


async def _stop(journal: Journal, error: BulkdeleteError, meter: Meter, at: float) -> None:
    """Put on record why it stopped; a disk that fails already has the last word."""
    with suppress(BulkdeleteError):
        await journal.append(
            log.Stop(
                at=at,
                code=error.code,
                exit=error.exit,
                message=str(error),
                hint=error.hint,
                utilisation=meter.utilisation,
                slots=meter.slots(),
            )
        )
