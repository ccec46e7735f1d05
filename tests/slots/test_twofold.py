"""Leases with slots of the machine under them: who names no Redis is counted, too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bulkdelete.io import shared as sharing
from bulkdelete.io.shared import Twofold, shared
from bulkdelete.io.slots import KernelSlots, Lease
from tests.conftest import ACCOUNT, Emulate, Program, times_acted
from tests.logs import heard_of
from tests.slots.server import RedisServer

SECONDS = 30.0


class Fading(KernelSlots):
    """Leases of which the first is lost while its holder waits."""

    def __init__(self, count: int, place: Path) -> None:
        super().__init__("redis", "a", count, place)
        self.given: list[Fades] = []

    async def acquire(self) -> Lease:
        """Give one; the first is not good any more."""
        found = Fades(await super().acquire(), well=bool(self.given))
        self.given.append(found)
        return found


class Fades:
    """A lease that may be lost."""

    def __init__(self, lease: Lease, *, well: bool) -> None:
        self._lease = lease
        self._well = well
        self.released = 0

    def good(self) -> bool:
        """Tell whether it is still held."""
        return self._well

    def release(self) -> None:
        """Give it back."""
        self.released += 1
        self._lease.release()


Make = Callable[..., Awaitable[Twofold]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Return a maker of parties, whose leases are kernel locks of another name."""
    async with AsyncExitStack() as stack:

        async def party(count: int, leased: KernelSlots | None = None) -> Twofold:
            leased = leased or KernelSlots("redis", "a", count, tmp_path)
            return await stack.enter_async_context(Twofold(leased, "h", "a", count, tmp_path))

        yield party


async def soon(one: Twofold | KernelSlots) -> Lease:
    """Acquire without a long wait."""
    return await asyncio.wait_for(one.acquire(), SECONDS)


async def waits(task: "asyncio.Task[Lease]") -> bool:
    """Tell that it does not get one."""
    return not (await asyncio.wait((task,), timeout=0.05))[0]


async def test_s13_who_names_no_redis_is_counted_on_the_same_machine(
    make: Make, tmp_path: Path
) -> None:
    """Three together, whoever has them; who waits says for whom, and gets what is given back."""
    mine = await make(3)
    async with KernelSlots("h", "a", 3, tmp_path) as others:
        held = [await soon(mine), await soon(others), await soon(others)]
        task = asyncio.create_task(mine.acquire())
        assert await waits(task)
        assert mine.busy() == ("slots", 0.0)
        held.pop().release()
        last = await asyncio.wait_for(task, SECONDS)
        assert last.good()
        more = asyncio.create_task(others.acquire())
        assert await waits(more)
        last.release()
        held.append(await asyncio.wait_for(more, SECONDS))
        for one in held:
            one.release()


async def test_who_gives_up_waiting_holds_nothing(make: Make, tmp_path: Path) -> None:
    """Cancelled between the two: the lease goes back, and others get it."""
    mine = await make(1)
    async with KernelSlots("h", "a", 1, tmp_path) as others:
        held = await soon(others)
        task = asyncio.create_task(mine.acquire())
        assert await waits(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with KernelSlots("redis", "a", 1, tmp_path) as leases:
            (await soon(leases)).release()
        held.release()
        (await soon(mine)).release()


async def test_a_lease_that_is_lost_meanwhile_is_not_handed_out(make: Make, tmp_path: Path) -> None:
    """It is given back, with the slot under it, and another is waited for."""
    fading = Fading(2, tmp_path)
    mine = await make(2, fading)
    lease = await soon(mine)
    assert lease.good()
    assert [one.released for one in fading.given] == [1, 0]
    for _ in range(2):
        held = [await soon(mine)]  # two at most: what was lost holds nothing
        held[0].release()
    lease.release()
    assert fading.given[1].released == 1


async def test_fewer_and_more_of_both(make: Make) -> None:
    """What is resized is resized in both."""
    mine = await make(1)
    mine.resize(2)
    held = [await soon(mine), await soon(mine)]
    mine.resize(1)
    for one in held:
        one.release()
    only = await soon(mine)
    task = asyncio.create_task(mine.acquire())
    assert await waits(task)
    only.release()
    (await asyncio.wait_for(task, SECONDS)).release()


async def test_without_a_place_for_locks_the_leases_alone_count(tmp_path: Path) -> None:
    """It is said, and stops nothing."""
    leased = KernelSlots("redis", "a", 1, tmp_path)
    with heard_of(sharing) as logs:
        async with Twofold(leased, "h", "a", 1, tmp_path / "none") as mine:
            lease = await soon(mine)
            assert mine.busy() == ("slots", 0.0)
            mine.resize(1)
            lease.release()
    assert [one["event"] for one in logs] == ["slots.not_of_the_machine"]


def test_who_names_no_redis_has_those_of_the_machine_only() -> None:
    """As ever: nothing else is opened."""
    found = shared(None, "h", "a", 1)
    assert isinstance(found, KernelSlots)
    found.close()


@pytest.mark.redis
async def test_s13_two_runs_of_which_one_names_a_redis(
    program: Program, emulate: Emulate, server: RedisServer
) -> None:
    """One machine, one account: within the cap, and each ID once."""
    emulator = await emulate(limit=20, latency=0.05)
    server.known(emulator.url, ACCOUNT)
    path, ids = program.ids(6000, "one.csv")
    others = [f"other-{one:06d}" for one in range(6000)]
    other = program.write("two.csv", "identity", *others)
    for ended in await asyncio.gather(program.run(path, "--slots", server.url), program.run(other)):
        assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys((*ids, *others), 1)
    assert emulator.state.slots.max_in_flight == 3
