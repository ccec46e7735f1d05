"""Workers of a Dask cluster for the plan of a lake: come to when a list is large enough, and left.

They must see the fleet's directory and the parts of the list under the same names as this process;
where one does not, this process plans the list itself.
"""

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from bulkdelete.io.cluster import WORKERS, reached
from bulkdelete.lake import Hands, Hire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkdelete.core.cluster import Address


def hire(address: "Address", workers: int = WORKERS) -> Hire:
    """Return how the workers of a cluster are come to; an embedded one has so many."""
    return Hire(partial(_hands, address, workers))


@asynccontextmanager
async def _hands(address: "Address", workers: int) -> "AsyncIterator[Hands]":
    async with reached(address, workers) as cluster:
        yield Hands(cluster.submit, len(await cluster.workers()))
