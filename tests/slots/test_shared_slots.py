"""What slots promise, whoever keeps them: the same tests for the kernel's and for Redis's."""

import asyncio

import pytest

from bulkdelete.io.slots import Lease
from tests.slots.conftest import Make, Party

SECONDS = 20.0


async def soon(one: Party) -> Lease:
    """Acquire without a long wait."""
    lease = await asyncio.wait_for(one.acquire(), SECONDS)
    assert lease.good()
    return lease


async def full(one: Party) -> bool:
    """Tell that no slot is to be had for a while."""
    try:
        lease = await asyncio.wait_for(one.acquire(), 0.05)
    except TimeoutError:
        return True
    lease.release()
    return False


async def test_s13_there_are_just_so_many(make: Make) -> None:
    """The next has to wait until one is given back."""
    mine = await make(3)
    leases = [await soon(mine) for _ in range(3)]
    assert await full(mine)
    leases[1].release()
    await soon(mine)
    assert await full(mine)


async def test_s13_two_parties_share_them(make: Make) -> None:
    """Whoever holds them: together never more than there are."""
    mine, yours = await make(3), await make(3)
    held = [await soon(mine), await soon(yours), await soon(mine)]
    assert await full(mine)
    assert await full(yours)
    held[1].release()
    await soon(mine)
    assert await full(yours)


async def test_other_accounts_and_hosts_have_slots_of_their_own(make: Make) -> None:
    """The cap is an account's at a host."""
    await soon(await make(1))
    await soon(await make(1, account="b"))
    await soon(await make(1, host="i"))
    assert await full(await make(1))


async def test_a_lease_given_back_twice_is_given_back_once(make: Make) -> None:
    """A second release cannot free somebody else's slot."""
    mine, yours = await make(1), await make(1)
    lease = await soon(mine)
    lease.release()
    other = await soon(yours)
    lease.release()
    assert await full(mine)
    other.release()
    await soon(mine)


async def test_waiting_can_be_cancelled(make: Make) -> None:
    """Whoever gives up waiting takes no slot and holds nobody back."""
    mine, yours = await make(1), await make(1)
    lease = await soon(mine)
    waiters = [asyncio.create_task(yours.acquire()) for _ in range(3)]
    await asyncio.sleep(0.02)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    lease.release()
    again = await soon(mine)
    again.release()
    await soon(yours)


async def turns_of(parties: list[Party], workers: int, most: int) -> list[int]:
    """Let greedy workers of each party take turns for a while; return how many each got."""
    turns = [0] * len(parties)
    end = asyncio.get_running_loop().time() + 0.6
    out = 0

    async def work(number: int) -> None:
        nonlocal out
        while asyncio.get_running_loop().time() < end:
            lease = await parties[number].acquire()
            out += 1
            assert out <= most
            await asyncio.sleep(0.002)
            out -= 1
            turns[number] += 1
            lease.release()

    tasks = [work(number) for number in range(len(parties)) for _ in range(workers)]
    await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)
    return turns


@pytest.mark.parametrize("parties", [2, 3, 4])
async def test_x3_r5_greedy_parties_all_come_round_on_one_slot(make: Make, parties: int) -> None:
    """Nobody takes the slot twice while another waits for ever."""
    turns = await turns_of([await make(1) for _ in range(parties)], 1, 1)
    assert min(turns) >= 4
    assert min(turns) * 5 >= max(turns)


@pytest.mark.parametrize("count", [2, 3])
async def test_x3_r5_two_greedy_parties_come_round_on_several_slots(make: Make, count: int) -> None:
    """As many workers as slots in each party: the usual way to run two jobs on one account."""
    turns = await turns_of([await make(count), await make(count)], count, count)
    assert min(turns) * 5 >= max(turns)


async def test_x3_r5_a_third_party_comes_round(make: Make) -> None:
    """Even when each of two busy parties has a worker of its own that waits."""
    busy, third = [await make(2), await make(2)], await make(2)
    ended = asyncio.Event()

    async def work(party: Party) -> None:
        while not ended.is_set():
            lease = await party.acquire()
            await asyncio.sleep(0.002)
            lease.release()

    tasks = [asyncio.create_task(work(party)) for _ in range(2) for party in busy]
    try:
        await asyncio.sleep(0.1)
        for _ in range(5):
            lease = await asyncio.wait_for(third.acquire(), SECONDS)
            await asyncio.sleep(0.002)
            lease.release()
    finally:
        ended.set()
        await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)


async def test_r5_who_may_use_fewer_slots_does_not_hold_up_the_others(make: Make) -> None:
    """The others take the highest first, and leave the lower ones to it."""
    many, few = await make(3), await make(2)
    first = await soon(many)
    await soon(few)
    await soon(few)
    assert await full(many)
    first.release()
    assert await full(few)
    await soon(many)


async def test_a_number_of_slots_can_be_changed(make: Make) -> None:
    """More at once; fewer as those that are held are given back."""
    mine = await make(1)
    held = [await soon(mine)]
    mine.resize(3)
    held += [await soon(mine), await soon(mine)]
    assert await full(mine)
    mine.resize(1)
    for lease in held:
        lease.release()
    await soon(mine)
    assert await full(mine)


async def test_closing_frees_what_is_idle(make: Make) -> None:
    """As the end of the process would; a slot that is used again is another's by then."""
    async with await make(2) as other:
        (await soon(other)).release()
        (await soon(other)).release()
    mine = await make(2)
    await soon(mine)
    await soon(mine)


async def test_why_there_is_none_is_told(make: Make) -> None:
    """Others have them, for nobody knows how long."""
    mine = await make(1)
    await soon(mine)
    assert await full(mine)
    assert mine.busy() == ("slots", 0.0)
