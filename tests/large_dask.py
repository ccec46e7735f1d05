"""A large fleet on Dask, with kills: `python -m tests.large_dask [IDS_PER_JOB]`.

200 jobs of 10 accounts, each account an emulator; a scheduler and three workers, of which two are
killed with SIGKILL in turn, each replaced by a new one, and then the driver. The same command
resumes. What the servers saw is held against S8, the caps and the lists; exits 1 where it fails.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bulkdelete.emulator import EmulatorConfig, RunningEmulator, running
from tests.clusters.cluster import Dask
from tests.clusters.cluster import running as cluster
from tests.large_fleet import ACCOUNTS, CHUNK, JOBS, requests, say, write, wrong

_WORKERS = 3
_PORT = 18786
_KILLED_WORKERS = 2


async def start(
    place: Path, emulators: list[RunningEmulator], dask: Dask
) -> asyncio.subprocess.Process:
    """Start the fleet; it has no passcode, as its workers have."""
    words = [word for one in emulators for word in ("--endpoint", one.url)]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bulkdelete", "fleet", "fleet.toml", "--jobs", "20", "--json"),
        *("--quiet", "--yes", "--dask", dask.address, *words),
        cwd=place,
        env={name: value for name, value in os.environ.items() if name != "PASS"},
        stdout=asyncio.subprocess.PIPE,
    )


async def seen(
    emulators: list[RunningEmulator], share: float, ids: int, driver: asyncio.subprocess.Process
) -> None:
    """Wait until the servers have seen this share of all requests."""
    while requests(emulators) < share * JOBS * ids / CHUNK:
        assert driver.returncode is None, f"the driver ended with {driver.returncode}"
        await asyncio.sleep(0.02)


async def story(place: Path, emulators: list[RunningEmulator], dask: Dask, ids: int) -> Any:  # noqa: ANN401 - a report
    """Kill two workers in turn, then the driver; have the same command end it."""
    began = time.monotonic()
    driver = await start(place, emulators, dask)
    for number in range(_KILLED_WORKERS):
        await seen(emulators, 0.2 * (number + 1), ids, driver)
        dask.workers[number].kill()
        at = time.monotonic() - began
        say(f"{at:.0f} s: worker killed after {requests(emulators)} requests")
        await dask.worker()
    await seen(emulators, 0.6, ids, driver)
    driver.kill()
    await driver.communicate()
    say(f"{time.monotonic() - began:.0f} s: driver killed after {requests(emulators)} requests")
    driver = await start(place, emulators, dask)
    out, _ = await driver.communicate()
    say(f"{time.monotonic() - began:.0f} s: the same command ended with {driver.returncode}")
    return json.loads(out)


async def main(ids: int) -> int:
    """Tell the story, and hold it against what is promised."""
    with tempfile.TemporaryDirectory(prefix="dask-") as name:
        place = Path(name)
        async with AsyncExitStack() as stack:
            configs = [
                EmulatorConfig(account_id=f"A{one}", latency=0.02) for one in range(ACCOUNTS)
            ]
            emulators = [await stack.enter_async_context(running(one)) for one in configs]
            write(place, emulators, ids)
            passcode = {"PASS": "emulator"}
            dask = await stack.enter_async_context(cluster(place, _PORT, _WORKERS, passcode))
            found = await story(place, emulators, dask, ids)
            # What a driver's death leaves behind ends in order: only the workers' deaths count.
            faults = wrong(emulators, ids, found, _KILLED_WORKERS)
    say("; ".join(faults) or "all of it fits")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)))
