"""The account's slots, counted by the semaphore of a Dask scheduler for all machines of a cluster.

What is spoken is the protocol of `distributed.Semaphore`; this end of it is stricter. Dask's own
would take a lease back that timed out at the scheduler, though another has it meanwhile, and does
not know until when one surely holds. Here a lease holds until a time that is counted from before
it was last confirmed, is not refreshed when it may be over, and nothing leaves on one that could
end before the request does.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import structlog

from bulkdelete.core.leases import Terms
from bulkdelete.errors import Stopped, UsageError
from bulkdelete.io.leased import key_of, now

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from distributed import Worker

    from bulkdelete.core.keeper import Scheduler
    from bulkdelete.io.slots import Lease

TERMS = Terms()

ANSWER_SECONDS = 5.0
"""How long the scheduler may take to answer before it counts as lost."""

WAIT_SECONDS = 1.0
"""How long it is asked to wait for a free slot, at a time."""

RETRY_SECONDS = 0.25
"""Between two tries while it is lost."""

IDLE_SECONDS = 0.02
"""How long a slot is kept for the next request."""

LAST_CHANCE = 2 * ANSWER_SECONDS
"""What must be left of a lease to refresh it: it is not to be heard when that is over."""

FAILURES = (OSError, TimeoutError, RuntimeError, KeyError)
"""What says that the scheduler is lost: it does not answer, knows nothing, or the worker ended."""

_log = structlog.get_logger("bulkdelete")


def name_of(host: str, account: str) -> str:
    """Name an account's semaphore: host and account are hashed, and the terms are in it."""
    return f"{key_of(host, account)}:{TERMS.lease:g}s"


def counted_by(scheduler: str, name: str) -> str:
    """Name it as one start of a scheduler counts it: another start knows none of its leases."""
    return f"{name}:{scheduler}"


async def register(scheduler: Any, name: str, most: int) -> None:  # noqa: ANN401 - a proxy of Dask's
    """Have the scheduler count so many; ValueError where it counts another number."""
    await scheduler.semaphore_register(name=name, max_leases=most, lease_timeout=TERMS.lease)


@dataclass(slots=True, eq=False)
class _Hold:
    """A lease that is ours: until when at least, and since when it is used."""

    lease: str
    till: float
    since: float


class CountedSlots:
    """Slots of one account at one host; an async context manager, on a worker's thread."""

    def __init__(self, scheduler: "Scheduler", host: str, account: str) -> None:
        self._most = scheduler.most
        self._scheduler = scheduler.identity
        self._name = counted_by(scheduler.identity, name_of(host, account))
        self._held: set[_Hold] = set()
        self._kept: list[_Hold] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lost = self._closing = False

    async def __aenter__(self) -> Self:
        """Have the scheduler count; Stopped when it does not answer."""
        from distributed import get_worker  # noqa: PLC0415 - an extra

        self._worker: Worker = get_worker()
        try:
            identity = (await self._said(self._worker.scheduler.identity()))["id"]
            if identity != self._scheduler:
                raise Stopped(
                    "slots_lost",
                    "the Dask scheduler is another than the driver's, and counts no slot that may "
                    "be in use; nothing was sent",
                    "run the same command again",
                )
            await self._said(register(self._worker.scheduler, self._name, self._most))
        except ValueError as error:
            raise UsageError(
                "slots_differ",
                "the Dask scheduler counts another number of slots of this account; "
                "nothing was sent",
            ) from error
        except FAILURES as error:
            raise Stopped(
                "slots_lost",
                "the Dask scheduler, which counts the account's slots, does not answer; "
                "nothing was sent",
                "see that it is well; then run the same command again",
            ) from error
        self._refreshing = asyncio.create_task(self._refresh(), name="slots")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Give back what is not in use. The rest ends by itself: its request may go on there."""
        self._closing = True
        self._refreshing.cancel()
        while self._kept:
            self._give_back(self._kept.pop())
        await asyncio.gather(self._refreshing, return_exceptions=True)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def acquire(self) -> "Lease":
        """Wait for a free slot and hold it."""
        return _Counted(self, await self._hold())

    def resize(self, count: int) -> None:
        """Have it as it is: the scheduler counts, and who asks for more than is free waits."""

    def busy(self) -> tuple[str, float]:
        """Say why there is none: the scheduler is lost, or others have them."""
        return ("scheduler_lost" if self._lost else "slots"), 0.0

    def good(self, hold: _Hold) -> bool:
        """Tell whether a request may leave: it is over before the lease can be."""
        return hold in self._held and hold.till - now() >= TERMS.needed

    def release(self, hold: _Hold) -> None:
        """Use it no more: it is kept a moment for the next request, if its turn lasts."""
        if self._closing or now() - hold.since >= TERMS.turn or not self.good(hold):
            self._give_back(hold)
            return
        self._kept.append(hold)
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._if_idle, hold)

    # --- leases ---

    async def _hold(self) -> _Hold:
        while self._kept:
            if self.good(hold := self._kept.pop()):
                return hold
            self._give_back(hold)
        asking = self._begin(self._ask())
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._unwanted)
            raise

    def _unwanted(self, asking: "asyncio.Task[_Hold]") -> None:
        if not asking.cancelled() and asking.exception() is None:
            self._give_back(asking.result())

    async def _ask(self) -> _Hold:
        """Ask until there is one; each time under another name, as an answer may be lost."""
        while not self._closing:
            lease, sent = secrets.token_hex(16), now()
            try:
                got = await self._said(
                    self._worker.scheduler.semaphore_acquire(
                        name=self._name, timeout=WAIT_SECONDS, lease_id=lease
                    )
                )
            except FAILURES as error:
                self._lose(error)
                self._begin(self._release(lease))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._found()
            if got:
                hold = _Hold(lease, sent + TERMS.lease, now())
                self._held.add(hold)
                return hold
        raise asyncio.CancelledError

    async def _refresh(self) -> None:
        """Have the leases confirmed, those that are surely ours still; the others are not used."""
        while True:
            await asyncio.sleep(RETRY_SECONDS if self._lost else TERMS.renew)
            sent = now()
            self._held = {one for one in self._held if one.till - sent > LAST_CHANCE}
            if not (said := list(self._held)):
                continue
            try:
                await self._said(
                    self._worker.scheduler.semaphore_refresh_leases(
                        name=self._name, lease_ids=[one.lease for one in said]
                    )
                )
            except FAILURES as error:
                self._lose(error)
                continue
            self._found()
            for one in said:
                one.till = sent + TERMS.lease

    def _if_idle(self, hold: _Hold) -> None:
        if hold in self._kept:
            self._kept.remove(hold)
            self._give_back(hold)

    def _give_back(self, hold: _Hold) -> None:
        self._held.discard(hold)
        self._begin(self._release(hold.lease))

    async def _release(self, lease: str) -> None:
        """Give one back; where that is not heard it ends by itself."""
        scheduler = self._worker.scheduler
        try:
            await self._said(scheduler.semaphore_release(name=self._name, lease_id=lease))
        except FAILURES as error:
            self._lose(error)

    # --- the scheduler ---

    def _begin(self, work: "Coroutine[Any, Any, Any]") -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _said(self, asked: "Coroutine[Any, Any, Any]") -> Any:  # noqa: ANN401 - its answer
        """Say it from the worker's own loop, which has the connection."""
        loop = self._worker.loop.asyncio_loop  # type: ignore[attr-defined]
        try:
            future = asyncio.run_coroutine_threadsafe(asked, loop)
        except RuntimeError:  # the worker has ended
            asked.close()
            raise
        async with asyncio.timeout(ANSWER_SECONDS + WAIT_SECONDS):
            return await asyncio.wrap_future(future)

    def _lose(self, error: BaseException) -> None:
        if not self._lost:
            _log.warning("slots.lost", keeper="dask", why=type(error).__name__)
        self._lost = True

    def _found(self) -> None:
        if self._lost:
            _log.info("slots.back", keeper="dask")
        self._lost = False


class _Counted:
    """A slot that is held; giving it back twice is once."""

    def __init__(self, slots: CountedSlots, hold: _Hold) -> None:
        self._slots = slots
        self._hold = hold
        self._released = False

    def good(self) -> bool:
        """Tell whether it is held for longer than a request can take."""
        return self._slots.good(self._hold)

    def release(self) -> None:
        if not self._released:
            self._released = True
            self._slots.release(self._hold)
