"""A Dask cluster as one has it: a scheduler and workers, processes that can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = 60


@dataclass
class Dask:
    """A scheduler, and workers of one process each."""

    place: Path
    environment: Mapping[str, str]
    address: str = ""
    workers: list[asyncio.subprocess.Process] = field(default_factory=list)
    scheduler: asyncio.subprocess.Process | None = None

    async def begin(self, port: int) -> None:
        """Start the scheduler."""
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = await self._process(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )
        async with asyncio.timeout(_SECONDS):
            while not await _listens(port):
                await asyncio.sleep(0.1)

    async def worker(self, **more: str) -> asyncio.subprocess.Process:
        """Start a worker."""
        words = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--memory-limit", "0")
        process = await self._process("worker", self.address, "--host", "127.0.0.1", *words, **more)
        self.workers.append(process)
        return process

    async def _process(self, *words: str, **more: str) -> asyncio.subprocess.Process:
        with (self.place / "dask.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]),
                cwd=self.place,
                env={**os.environ, **self.environment, **more},
                stdout=log,
                stderr=log,
            )

    async def end(self) -> None:
        """End all that is left."""
        every = [*self.workers, *([self.scheduler] if self.scheduler else [])]
        for one in every:
            if one.returncode is None:
                with suppress(ProcessLookupError):
                    one.send_signal(signal.SIGKILL)
            await one.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@asynccontextmanager
async def running(
    place: Path, port: int, workers: int, environment: Mapping[str, str]
) -> AsyncIterator[Dask]:
    """Have a cluster of so many workers, and end it."""
    dask = Dask(place, environment)
    try:
        await dask.begin(port)
        for _ in range(workers):
            await dask.worker()
        yield dask
    finally:
        await dask.end()
