"""How many slots an account has on a Dask scheduler: agreed upon by all fleets that use it there.

A fleet has a claim on each number as long as it lives, a lease of another semaphore: that nobody
has a slot at this instant does not say that nobody will have one in the next.
"""

import asyncio
import re
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from bulkdelete.errors import Stopped, UsageError
from bulkdelete.io.counted import ANSWER_SECONDS, FAILURES, TERMS, register

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

USERS = ":users"
"""What a number's claims are named by, behind its own name."""

_MANY = 1 << 20
_DOOR_SECONDS = 20
"""How long one at a time has to agree; who dies over it is waited for that long, and a beat."""

_DOOR_WAIT = 60.0


@asynccontextmanager
async def agreed(scheduler: Any, most: "Mapping[str, int]") -> "AsyncIterator[None]":  # noqa: ANN401 - a proxy of Dask's
    """Have the scheduler count slots by these names, so many, until this is left.

    UsageError where another fleet uses another number.
    """
    claim = f"driver-{secrets.token_hex(8)}"
    made: list[str] = []
    keeping = asyncio.create_task(_keep(scheduler, claim, made), name="claims")
    try:
        for name, number in most.items():
            await _agree(scheduler, name, number, claim, made)
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        with suppress(*FAILURES):  # else it ends by itself
            async with asyncio.timeout(ANSWER_SECONDS):
                for name in made:
                    await scheduler.semaphore_release(name=name + USERS, lease_id=claim)


async def _keep(scheduler: Any, claim: str, made: "list[str]") -> None:  # noqa: ANN401 - the same
    while True:
        await asyncio.sleep(TERMS.renew)
        with suppress(*FAILURES):  # who looks after the cluster sees that it is lost
            for name in list(made):
                await scheduler.semaphore_refresh_leases(name=name + USERS, lease_ids=[claim])


async def _agree(
    scheduler: Any,  # noqa: ANN401 - the same
    name: str,
    most: int,
    claim: str,
    made: "list[str]",
) -> None:
    users = name + USERS
    await register(scheduler, users, _MANY)
    async with _alone(scheduler, name):
        await scheduler.semaphore_acquire(name=users, timeout=0, lease_id=claim)
        made.append(name)
        try:
            await register(scheduler, name, most)
        except ValueError as error:
            if await scheduler.semaphore_value(name=users) > 1:
                raise _differs(error, most) from None
            await _anew(scheduler, name, most, error)


async def _anew(scheduler: Any, name: str, most: int, error: ValueError) -> None:  # noqa: ANN401 - the same
    """Make it anew, once all of its leases are ours: what a fleet left behind may be in flight."""
    mine = []
    while await scheduler.semaphore_acquire(
        name=name, timeout=0, lease_id=(lease := f"driver-{secrets.token_hex(8)}")
    ):
        mine.append(lease)
    if len(mine) < await scheduler.semaphore_value(name=name):
        for lease in mine:
            await scheduler.semaphore_release(name=name, lease_id=lease)
        raise _differs(error, most)
    await scheduler.semaphore_close(name=name)
    await register(scheduler, name, most)


def _differs(error: ValueError, most: int) -> UsageError:
    """Say so, with the number at work, which Dask says last."""
    found = re.search(r"(\d+)\D*$", str(error))
    number = found[1] if found else "another number of"
    return UsageError(
        "slots_differ",
        f"another fleet uses one of these accounts on this Dask cluster with {number} slots, and "
        f"this one would with {most}; nothing was sent",
        "say the same max-in-flight, or wait until it has ended (one that was killed: 100 s)",
    )


@asynccontextmanager
async def _alone(scheduler: Any, name: str) -> "AsyncIterator[None]":  # noqa: ANN401 - the same
    """Be the only one that agrees on a number: what one looks at the other would change."""
    door, lease = name + ":door", secrets.token_hex(8)
    await scheduler.semaphore_register(name=door, max_leases=1, lease_timeout=_DOOR_SECONDS)
    if not await scheduler.semaphore_acquire(name=door, timeout=_DOOR_WAIT, lease_id=lease):
        raise Stopped(
            "slots_lost",
            "others on this Dask cluster do not end to agree on an account's slots; "
            "nothing was sent",
            "run the same command again",
        )
    try:
        yield
    finally:
        await scheduler.semaphore_release(name=door, lease_id=lease)
