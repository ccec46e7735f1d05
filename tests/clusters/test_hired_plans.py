"""The plan of a list of many parts on real Dask workers, one of which is killed over it."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkdelete import errands
from bulkdelete.core.cluster import Address
from bulkdelete.hiring import hire
from bulkdelete.io.cluster import reached
from bulkdelete.lake import Hands, Hire
from tests.clusters.test_reached import threads
from tests.runs.test_lakes import check_same, left, listed, wished


async def test_the_workers_of_a_cluster_make_the_plan_of_one_process(tmp_path: Path) -> None:
    """By its address alone; the cluster is left when they are done."""
    async with threads(2) as address:
        hired = replace(hire(address), least=0)
        await check_same(wished(listed(tmp_path)), hired)


@pytest.mark.dask
@pytest.mark.parametrize("errand", [errands.take, errands.survey])
async def test_a_worker_that_is_killed_over_a_plan_costs_time_only(
    tmp_path: Path, errand: Callable[..., object]
) -> None:
    """What it was at is done again by the others, and the plan is the same to the byte."""
    killed: list[int] = []

    @asynccontextmanager
    async def hands() -> AsyncIterator[Hands]:
        async with reached(Address(), workers=2) as cluster:
            found = await cluster.each(await cluster.workers(), os.getpid)
            victim = next(iter(found.values()))

            def submit(function: Callable[..., object], *words: object) -> Awaitable[Any]:
                done: Awaitable[Any] = cluster.submit(function, *words)
                if function is errand and not killed:
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)
                return done

            yield Hands(submit, 2, stretch=1)

    await check_same(wished(listed(tmp_path, parts=12, each=4000)), Hire(hands, least=0))
    assert len(killed) == 1
    assert not left(tmp_path)
