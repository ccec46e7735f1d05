"""A large fleet, killed twice and resumed: `python -m tests.large_fleet [IDS_PER_JOB]`.

200 jobs of 10 accounts, each account an emulator; what the servers saw is held against S8, the cap
and the lists. Prints one line a start, and exits 1 when anything does not fit.
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

JOBS, ACCOUNTS, KILLS, CAP = 200, 10, 2, 3
CHUNK = 100


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write(place: Path, emulators: list[RunningEmulator], ids: int) -> None:
    """Write the lists and the fleet's file."""
    lines = ["[defaults]", "max-deletes = 1000000", 'passcode-env = "PASS"']
    for number in range(JOBS):
        names = "".join(f"u-{number}-{one:06d}\n" for one in range(ids))
        (place / f"list-{number}.csv").write_text(f"identity\n{names}", "utf-8")
        account = number % ACCOUNTS
        lines += ["[[job]]", f'name = "job-{number}"', f'inputs = ["list-{number}.csv"]']
        lines += [f'account-id = "A{account}"', f'endpoint = "{emulators[account].url}"']
    (place / "fleet.toml").write_text("\n".join(lines), "utf-8")


def requests(emulators: list[RunningEmulator]) -> int:
    """Return how many requests all servers have seen."""
    return sum(one.state.requests for one in emulators)


async def start(
    place: Path, emulators: list[RunningEmulator], *more: str, until: int | None = None
) -> dict[str, Any]:
    """Run the fleet to its end, or kill it when the servers have seen so many more requests."""
    before, began = requests(emulators), time.monotonic()
    words = [word for one in emulators for word in ("--endpoint", one.url)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bulkdelete", "fleet", "fleet.toml", "--jobs", "20", "--json"),
        *("--quiet", *words, *more),
        cwd=place,
        env={**os.environ, "PASS": "emulator"},
        stdout=asyncio.subprocess.PIPE,
    )
    if until is not None:
        while requests(emulators) < before + until and process.returncode is None:
            await asyncio.sleep(0.02)
        process.kill()
    out, _ = await process.communicate()
    seconds = time.monotonic() - began
    found: dict[str, Any] = json.loads(out) if out else {}
    accepted = found.get("ids", {}).get("accepted")
    say(f"{more[0]}: exit {process.returncode}, {seconds:.1f} s, accepted {accepted}")
    return found


def wrong(
    emulators: list[RunningEmulator], ids: int, found: dict[str, Any], kills: int
) -> list[str]:
    """Say what does not fit, after so many deaths that may leave chunks in doubt."""
    faults = [] if found["ids"]["accepted"] == JOBS * ids else ["not all were accepted"]
    stats: list[dict[str, Any]] = [one.state.stats() for one in emulators]
    acted = sum(one["ids_acted"]["identity"] for one in stats)
    twice = [one["ids_acted_total"]["identity"] - one["ids_acted"]["identity"] for one in stats]
    most = max(one["max_live_in_flight"] for one in stats)
    throttled = sum(one["throttled"] for one in stats)
    say(f"acted on {acted}, twice {sum(twice)} (at most {max(twice)} of an account)")
    say(f"in flight at most {most} an account, throttled {throttled}")
    faults += [] if acted == JOBS * ids else ["IDs were lost, or invented"]
    faults += [] if max(twice) <= kills * CAP * CHUNK else ["more were sent twice than S8 allows"]
    return faults + ([] if most <= CAP else ["an account's cap was passed"])


async def main(ids: int) -> int:
    """Plan it, kill it twice, and let it end."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as name:
        place = Path(name)
        async with AsyncExitStack() as stack:
            configs = [
                EmulatorConfig(account_id=f"A{one}", latency=0.02) for one in range(ACCOUNTS)
            ]
            emulators = [await stack.enter_async_context(running(one)) for one in configs]
            write(place, emulators, ids)
            await start(place, emulators, "--dry-run")
            for _ in range(KILLS):
                await start(place, emulators, "--yes", until=JOBS * ids // CHUNK // 3)
            found = await start(place, emulators, "--yes")
            faults = wrong(emulators, ids, found, KILLS)
    say("; ".join(faults) or "all of it fits")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)))
