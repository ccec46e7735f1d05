"""Parties that share the slots of an account, through the kernel or through a real Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bulkdelete.core.leases import Terms
from bulkdelete.io.leased import LeasedSlots
from bulkdelete.io.slots import KernelSlots
from tests.slots.server import RedisServer, redis_server

TERMS = Terms(lease=4.0, needed=2.0, renew=0.3, patience=1.5, beat=0.2, parting=0.3, turn=0.002)
"""A lease that a test can wait for."""

Party = KernelSlots | LeasedSlots
Make = Callable[..., Awaitable[Party]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis of this test's own."""
    with redis_server(tmp_path) as found:
        yield found


@pytest.fixture(params=["kernel", pytest.param("redis", marks=pytest.mark.redis)])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Return a maker of parties that share the slots of one account."""
    server = request.getfixturevalue("server") if request.param == "redis" else None
    async with AsyncExitStack() as stack:

        async def party(count: int, *, host: str = "h", account: str = "a") -> Party:
            if server is None:
                return await stack.enter_async_context(KernelSlots(host, account, count, tmp_path))
            if server.command("EXISTS", key := "known:" + host + account) == b"0\n":
                server.known(host, account)
                server.command("SET", key, "1")
            made = LeasedSlots(server.keeper, host, account, count, TERMS)
            return await stack.enter_async_context(made)

        yield party


@pytest.fixture
async def leased(server: RedisServer) -> AsyncIterator[Callable[..., Awaitable[LeasedSlots]]]:
    """Return a maker of parties that lease slots of one account from a Redis that is known."""
    server.known("h", "a")
    async with AsyncExitStack() as stack:

        async def party(count: int, terms: Terms = TERMS) -> LeasedSlots:
            made = LeasedSlots(server.keeper, "h", "a", count, terms)
            return await stack.enter_async_context(made)

        yield party
