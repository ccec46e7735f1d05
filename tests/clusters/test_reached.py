"""Coming to a Dask cluster, having it work, and leaving it."""

import asyncio
import operator
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from distributed import LocalCluster

from bulkdelete.core.cluster import Address
from bulkdelete.errors import Stopped, UsageError
from bulkdelete.io.cluster import reached


@asynccontextmanager
async def threads(workers: int) -> AsyncIterator[Address]:
    """Make a cluster in this process, that listens on loopback."""
    async with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address="127.0.0.1:0",
        asynchronous=True,
    ) as cluster:
        yield Address.parse(cluster.scheduler_address)


async def test_a_cluster_is_reached_by_its_address() -> None:
    """Functions are given to any worker, or to this one; what they raise comes back."""
    async with threads(2) as address, reached(address) as cluster:
        first, second = await cluster.workers()
        assert await cluster.submit(operator.add, 2, 3) == 5
        assert await cluster.submit(operator.add, 2, 3, worker=second) == 5
        with pytest.raises(ZeroDivisionError):
            await cluster.submit(operator.truediv, 1, 0)
        found = await cluster.each([first, second], operator.truediv, 1, 0)
        assert [type(one) for one in found.values()] == [ZeroDivisionError, ZeroDivisionError]
        assert await cluster.each([first], os.getpid) == {first: os.getpid()}


async def test_no_scheduler_and_no_worker_are_told(unused_tcp_port: int) -> None:
    """Nothing is waited for longer than was asked."""
    nobody = Address.parse(f"tcp://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Stopped, match="does not answer") as caught:
        await _reach(nobody, 0.3)
    assert caught.value.exit == 75
    async with threads(0) as address:
        with pytest.raises(Stopped, match="has no worker, and none came"):
            await _reach(address, 0.3)


async def test_certificates_that_are_missing_are_asked_for(unused_tcp_port: int) -> None:
    """A tls:// address is not spoken to in the open."""
    with pytest.raises(UsageError, match="wants certificates"):
        await _reach(Address.parse(f"tls://127.0.0.1:{unused_tcp_port}"), 1.0)


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is what is to be installed."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="needs the extra `dask`"):
        await _reach(Address(), 1.0)


async def _reach(address: Address, patience: float) -> None:
    async with reached(address, patience=patience):
        pass


@pytest.mark.dask
async def test_the_embedded_cluster_is_of_processes_and_speaks_tls() -> None:
    """It ends with who made it, and nobody else comes to its scheduler."""
    async with reached(Address(), workers=2) as cluster:
        workers = await cluster.workers()
        found = await cluster.each(workers, os.getpid)
        assert os.getpid() not in found.values()
        assert len(set(found.values())) == 2
        assert all(one.startswith("tls://127.0.0.1:") for one in workers)
    for process in found.values():
        await _gone(process)


async def _gone(process: int) -> None:
    async with asyncio.timeout(30):
        while _alive(process):
            await asyncio.sleep(0.05)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
