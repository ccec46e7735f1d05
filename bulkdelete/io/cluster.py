"""A Dask cluster: come to it or made here, given functions to work at, and left (extra `dask`).

    async with reached(Address.parse("tcp://scheduler:8786")) as cluster:
        found = await cluster.submit(count, "part-1.csv")

What is given must be a function of a module that the workers have, too. It and its words travel
in the open unless the address is tls://; whoever can reach a scheduler can run code on all of it.
"""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from bulkdelete.errors import Stopped, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from distributed import Client, Future

    from bulkdelete.core.cluster import Address

PATIENCE = 30.0
"""Seconds in which a scheduler must answer, and the first worker be there."""

ASK_SECONDS = 20.0
"""Seconds in which a worker must answer what it is asked between its tasks."""

WORKERS = 2
"""How many an embedded cluster has where nothing else is said."""

_POLL = 0.2


def check_extra() -> None:
    """UsageError when the extra is missing."""
    try:
        import cryptography  # noqa: F401, PLC0415 - an extra
        import distributed  # noqa: F401, PLC0415 - the same
    except ImportError as error:
        raise UsageError(
            "missing_extra",
            "--dask needs the extra `dask`; nothing was sent",
            "pip install 'bulkdelete[dask]'",
        ) from error


@asynccontextmanager
async def reached(
    address: "Address", workers: int = WORKERS, patience: float = PATIENCE
) -> "AsyncIterator[Cluster]":
    """Come to a cluster that has a worker at least, or make one of so many; and leave it.

    UsageError when the extra is missing, or a certificate for tls://; Stopped when no scheduler or
    no worker answers in time. The embedded one speaks TLS with a certificate that is in memory
    only: other users of this machine could run code on it otherwise.
    """
    check_extra()
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(patience + 1.0):
                client = await stack.enter_async_context(_client(address, workers, patience))
        except TypeError as error:  # that is how Dask says it
            raise UsageError(
                "cluster_tls",
                f"{address} wants certificates, and Dask's configuration names none; "
                "nothing was sent",
                "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__TLS__CLIENT__CERT and ..__KEY",
            ) from error
        except (OSError, TimeoutError) as error:
            raise lost(address, "does not answer") from error
        cluster = Cluster(client, address)
        await cluster.wait_for_a_worker(patience)
        yield cluster


@asynccontextmanager
async def _client(address: "Address", workers: int, patience: float) -> "AsyncIterator[Client]":
    from distributed import Client, LocalCluster, Security  # noqa: PLC0415 - an extra

    async with AsyncExitStack() as stack:
        where: Any = str(address)
        if address.local:
            where = await stack.enter_async_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,
                    dashboard_address="127.0.0.1:0",
                    security=Security.temporary(),
                    asynchronous=True,
                )
            )
        client = Client(where, asynchronous=True, timeout=patience, set_as_default=False)
        stack.push_async_callback(client.close)
        await client
        yield client


def lost(address: "Address", how: str) -> Stopped:
    """Return why nothing more is done on a cluster."""
    return Stopped(
        "cluster_lost",
        f"the Dask cluster {address} {how}",
        "see that its scheduler and its workers are well; then run the same command again",
    )


class Cluster:
    """A cluster that was come to; its client lives on this process's own loop."""

    def __init__(self, client: "Client", address: "Address") -> None:
        self._client = client
        self.address = address

    @property
    def scheduler(self) -> Any:  # noqa: ANN401 - a proxy of Dask's
        """What passes on a call to the scheduler."""
        return self._client.scheduler

    async def identity(self) -> "dict[str, Any]":
        """Ask the scheduler who it is, and who works for it; Stopped when it is lost."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                found: dict[str, Any] = await self.scheduler.identity()
        except (OSError, TimeoutError) as error:
            raise lost(self.address, "is lost: its scheduler does not answer") from error
        return found

    async def present(self, scheduler: str | None = None) -> "dict[str, str]":
        """Return all workers there are, with what they do at present: running, for example.

        Stopped when their scheduler is not the one that is meant: that one was restarted.
        """
        found = await self.identity()
        if scheduler not in {None, found["id"]}:
            raise lost(self.address, "has another scheduler than before")
        return {name: one["status"] for name, one in found["workers"].items()}

    async def workers(self) -> "tuple[str, ...]":
        """Return the addresses of the workers that can be given work."""
        there = await self.present()
        return tuple(sorted(name for name, status in there.items() if status == "running"))

    async def wait_for_a_worker(self, patience: float) -> "tuple[str, ...]":
        """Wait until there is one; Stopped when none came in so many seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while not (found := await self.workers()):
            if loop.time() >= until:
                raise lost(self.address, f"has no worker, and none came in {patience:g} s")
            await asyncio.sleep(_POLL)
        return found

    async def each(
        self,
        workers: "Sequence[str]",
        function: "Callable[..., object]",
        *words: object,
        seconds: float = ASK_SECONDS,
    ) -> "dict[str, Any]":
        """Call a function in each of these workers, between their tasks; an error is an answer."""
        asked = (self._ask(one, function, words, seconds) for one in workers)
        return dict(zip(workers, await asyncio.gather(*asked), strict=True))

    async def _ask(
        self,
        worker: str,
        function: "Callable[..., object]",
        words: "Sequence[object]",
        limit: float,
    ) -> object:
        try:
            async with asyncio.timeout(limit):
                asked = self._client.run(function, *words, workers=[worker], on_error="return")
                return (await asked)[worker]
        except Exception as error:  # noqa: BLE001 - whatever it is: that is what came of asking
            return error

    def submit(
        self, function: "Callable[..., object]", *words: object, worker: str | None = None
    ) -> "Future[Any]":
        """Have a worker do it, this one or whichever has time; awaited, it is what comes of it.

        It is not tried again by Dask where it fails. Who lets the future go does not want it.
        """
        return self._client.submit(
            function,
            *words,
            workers=None if worker is None else [worker],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )

    def hear(self, topic: str, told: "Callable[[Any], None]") -> None:
        """Be told of what tasks say on a topic, from now on."""
        self._client.subscribe_topic(topic, lambda event: told(event[1]))

    def hear_no_more(self, topic: str) -> None:
        """End that."""
        self._client.unsubscribe_topic(topic)
