"""Whose slots a process takes: the machine's alone, or with leases of a Redis, or of Dask, above.

Who names a Redis shares the machine with those that name none. So each lease has a kernel lock
under it: together they never have more in flight than one account may have. The lease comes first,
since to wait for one can take long, and nobody of the machine is to wait for that.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import structlog

from bulkdelete.core.keeper import Scheduler
from bulkdelete.io.counted import CountedSlots
from bulkdelete.io.leased import TERMS, LeasedSlots
from bulkdelete.io.slots import KernelSlots, Lease

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from bulkdelete.core.keeper import Keeper

_log = structlog.get_logger("bulkdelete")


class _Slots(Protocol):
    """Slots that are open."""

    async def acquire(self) -> Lease: ...

    def resize(self, count: int) -> None: ...

    def busy(self) -> tuple[str, float]: ...


def shared(
    keeper: "Keeper | Scheduler | None", host: str, account: str, count: int
) -> "Twofold | KernelSlots":
    """Return the account's slots: those of this machine, and of a Redis or a Dask cluster."""
    if keeper is None:
        return KernelSlots(host, account, count)
    if isinstance(keeper, Scheduler):
        return Twofold(CountedSlots(keeper, host, account), host, account, count)
    return Twofold(LeasedSlots(keeper, host, account, count, TERMS), host, account, count)


class Twofold:
    """Leases, each with a slot of this machine under it; an async context manager."""

    def __init__(
        self,
        leased: "AbstractAsyncContextManager[_Slots]",
        host: str,
        account: str,
        count: int,
        place: Path | None = None,
    ) -> None:
        self._stack = AsyncExitStack()
        self._opening = leased
        self._words = (host, account, count, place)
        self._waiting = 0

    async def __aenter__(self) -> Self:
        """Open both; where no lock can be made here, the leases alone count."""
        async with AsyncExitStack() as stack:
            self._leased = await stack.enter_async_context(self._opening)
            self._kernel: KernelSlots | None = None
            try:
                self._kernel = await stack.enter_async_context(KernelSlots(*self._words))
            except OSError as error:
                _log.warning("slots.not_of_the_machine", why=error.strerror)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Give all back, the machine's first."""
        await self._stack.__aexit__(kind, error, trace)

    async def acquire(self) -> Lease:
        """Wait for a lease and for a slot of the machine, and hold both."""
        while True:
            lease = await self._leased.acquire()
            if self._kernel is None:
                return lease
            self._waiting += 1
            try:
                under = await self._kernel.acquire()
            except BaseException:
                lease.release()
                raise
            finally:
                self._waiting -= 1
            both = _Both(lease, under)
            if lease.good():
                return both
            both.release()  # it went while the machine's slots were others'

    def resize(self, count: int) -> None:
        """Use so many of both from now on."""
        self._leased.resize(count)
        if self._kernel is not None:
            self._kernel.resize(count)

    def busy(self) -> tuple[str, float]:
        """Say why there is none: others of this machine have them, or what the leases say."""
        return KernelSlots.busy() if self._waiting else self._leased.busy()


class _Both:
    """A lease and the slot under it; given back twice is once."""

    def __init__(self, lease: Lease, under: Lease) -> None:
        self._lease = lease
        self._under = under

    def good(self) -> bool:
        """Tell whether a request may leave on it."""
        return self._lease.good() and self._under.good()

    def release(self) -> None:
        self._under.release()
        self._lease.release()
