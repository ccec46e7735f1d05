"""Slots that a Dask scheduler counts: never more than there are, and none that may be lost."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from distributed import get_worker

from bulkdelete.core.keeper import Scheduler
from bulkdelete.errors import Stopped, UsageError
from bulkdelete.io import counted
from bulkdelete.io.agreeing import USERS, agreed
from bulkdelete.io.cluster import reached
from bulkdelete.io.counted import CountedSlots, counted_by, name_of
from tests.clusters.test_reached import threads

_out: list[int] = []
_most: list[int] = []


def work(times: int, account: str, identity: str) -> None:
    """Use slots on a worker, as a job does."""

    async def one(slots: CountedSlots) -> None:
        for _ in range(times):
            lease = await slots.acquire()
            assert lease.good()
            _out.append(1)
            _most.append(len(_out))
            await asyncio.sleep(0.005)
            _out.pop()
            lease.release()

    async def all_of_it() -> None:
        async with CountedSlots(Scheduler("tcp://h", 2, identity), "https://h", account) as slots:
            await asyncio.gather(*(one(slots) for _ in range(3)))

    asyncio.run(all_of_it())


async def test_two_workers_share_what_there_is() -> None:
    """Each would use three at once; the scheduler counts two."""
    _most.clear()
    async with threads(2) as address, reached(address) as cluster:
        first, second = await cluster.workers()
        identity = (await cluster.identity())["id"]
        words = (10, "shared", identity)
        both = [cluster.submit(work, *words, worker=one) for one in (first, second)]
        for one in both:
            await one
        assert max(_most) == 2
        assert len(_most) == 60
        name = counted_by(identity, name_of("https://h", "shared"))
        assert await cluster.scheduler.semaphore_value(name=name) == 0


async def test_a_scheduler_that_was_restarted_counts_no_more() -> None:
    """It knows none of the leases that may be in use: nobody begins, and the driver stops."""
    async with threads(1) as address, reached(address) as cluster:
        with pytest.raises(Stopped, match="another than the driver's"):
            await cluster.submit(work, 1, "restarted", "of-before")
        assert list(await cluster.present((await cluster.identity())["id"])) != []
        with pytest.raises(Stopped, match="has another scheduler") as caught:
            await cluster.present("of-before")
        assert (caught.value.code, caught.value.exit) == ("cluster_lost", 75)


async def take(scheduler: Any, name: str, *leases: str) -> list[bool]:  # noqa: ANN401 - a proxy
    """Take slots, as workers do; return which there were."""
    return [await scheduler.semaphore_acquire(name=name, timeout=0, lease_id=one) for one in leases]


@pytest.mark.filterwarnings("ignore:Closing semaphore")  # its leases are all ours
async def test_another_number_is_agreed_upon_only_when_nobody_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor will: a fleet that is between two requests, or whose workers are at work still."""
    monkeypatch.setattr("bulkdelete.io.agreeing.TERMS", replace(counted.TERMS, renew=0.01))
    name = name_of("https://h", "agreed")
    async with threads(1) as address, reached(address) as cluster:
        scheduler = cluster.scheduler
        async with agreed(scheduler, {name: 3}):
            async with agreed(scheduler, {name: 3}):
                pass
            assert await scheduler.semaphore_value(name=name + USERS) == 1
            with pytest.raises(UsageError, match="with 3 slots, and this one would with 2"):
                await agreed(scheduler, {name: 2}).__aenter__()
            assert await scheduler.semaphore_value(name=name + USERS) == 1
            assert await take(scheduler, name, "other") == [True]
        with pytest.raises(UsageError, match="with 3 slots"):
            await agreed(scheduler, {name: 2}).__aenter__()
        assert await scheduler.semaphore_value(name=name) == 1
        await scheduler.semaphore_release(name=name, lease_id="other")
        async with agreed(scheduler, {name: 2}):
            assert await take(scheduler, name, *"abc") == [True, True, False]


@pytest.mark.filterwarnings("ignore:Closing semaphore")
async def test_a_claim_is_held_as_long_as_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is renewed all the time; else it would be over while its fleet sends."""
    monkeypatch.setattr("bulkdelete.io.agreeing.TERMS", replace(counted.TERMS, renew=0.01))
    name = name_of("https://h", "claimed")
    async with threads(1) as address, reached(address) as cluster:
        scheduler = cluster.scheduler
        async with agreed(scheduler, {name: 3}):
            await scheduler.semaphore_close(name=name + USERS)  # as if it were over
            async with asyncio.timeout(30):
                while not await scheduler.semaphore_value(name=name + USERS):
                    await asyncio.sleep(0.01)


def lose(account: str, identity: str) -> list[Any]:
    """Hold a lease while the scheduler does not answer; return what is said of it."""

    async def silent(asked: Any) -> Any:  # noqa: ANN401 - in the place of what speaks
        asked.close()
        raise TimeoutError

    async def story() -> list[Any]:
        async with CountedSlots(Scheduler("tcp://h", 2, identity), "https://h", account) as slots:
            lease = await slots.acquire()
            found: list[Any] = [lease.good(), slots.busy()[0]]
            speak, slots._said = slots._said, silent  # type: ignore[method-assign]
            waiting = asyncio.create_task(slots.acquire())
            await asyncio.sleep(0.1)
            found += [waiting.done(), slots.busy()[0], lease.good()]
            (hold,) = slots._held
            hold.till -= 21.0  # so much later, and nothing was confirmed
            found.append(lease.good())
            slots._said = speak  # type: ignore[method-assign]
            other = await waiting
            found += [other.good(), slots.busy()[0]]
            other.release()
            lease.release()
            return found

    get_worker()
    return asyncio.run(story())


async def test_nothing_leaves_on_what_cannot_be_known_to_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the scheduler is silent none is handed out, and one that was is good for 20 s."""
    monkeypatch.setattr(counted, "TERMS", replace(counted.TERMS, renew=15.0))
    async with threads(1) as address, reached(address) as cluster:
        found = await cluster.submit(lose, "lost", (await cluster.identity())["id"])
    assert found == [True, "slots", False, "scheduler_lost", True, False, True, "slots"]
