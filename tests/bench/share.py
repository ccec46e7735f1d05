"""`make bench-share`: eight processes on one account, against an emulator that would take more.

Each has a list of its own and would use every slot. Counted is what came of each while all of them
had work, by the emulator's log: never more in flight than the account allows, and the fastest at
most `FAIR` times the slowest. Exits with 1 where that does not hold. `--page` writes it down there.
"""

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bulkdelete.core.model import Kind
from bulkdelete.emulator import EmulatorConfig, RunningEmulator, running
from bulkdelete.targets.clevertap import CLEVERTAP
from tests.bench.gate import page

FAIR = 1.3
ACCOUNT, PASSCODE = "SHARE", "share"


@dataclass(frozen=True, slots=True)
class Shared:
    """How many requests of each process came while all had work, and the most at once."""

    turns: Sequence[int]
    seconds: float
    most: int

    @property
    def ratio(self) -> float:
        """How much faster the fastest was than the slowest."""
        return max(self.turns) / max(1, min(self.turns))


def body_digest(process: int, number: int) -> bytes:
    """Return what the emulator remembers of one request: the hash of its body."""
    return hashlib.sha256(CLEVERTAP.encode(Kind.IDENTITY, [f"p{process}-{number}"])).digest()


async def program(process: int, count: int, slots: int, url: str, place: Path) -> None:
    """Run the program on a list of its own, an ID a request."""
    path = place / f"{process}.csv"
    lines = "".join(f"p{process}-{number}\n" for number in range(count))
    path.write_text("identity\n" + lines, "utf-8")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bulkdelete", "run", str(path), "--endpoint", url),
        *("--chunk-size", "1", "--max-in-flight", str(slots), "--yes", "--quiet"),
        *("--max-deletes", str(count), "--runs-dir", str(place / f"runs-{process}")),
        env=os.environ | {"CLEVERTAP_ACCOUNT_ID": ACCOUNT, "CLEVERTAP_PASSCODE": PASSCODE},
        stdout=asyncio.subprocess.DEVNULL,
    )
    if code := await child.wait():
        raise AssertionError(f"process {process} ended with {code}")


def shared(emulator: RunningEmulator, processes: int, count: int) -> Shared:
    """Read the emulator's log: who came when, while all had work."""
    whose = {body_digest(one, number): one for one in range(processes) for number in range(count)}
    came: list[list[float]] = [[] for _ in range(processes)]
    for attempt in emulator.state.log:
        came[whose[attempt.digest]].append(attempt.arrived)
    if any(len(one) != count for one in came):
        raise AssertionError(f"{count} requests of each were due, {[*map(len, came)]} came")
    begin, end = max(one[0] for one in came), min(one[-1] for one in came)
    turns = [sum(begin <= at < end for at in one) for one in came]
    return Shared(turns, end - begin, emulator.state.slots.max_in_flight)


async def measure(processes: int, count: int, slots: int, latency: float) -> Shared:
    """Run them all at once."""
    config = EmulatorConfig(
        account_id=ACCOUNT, passcode=PASSCODE, limit=10 * processes * slots, latency=latency
    )
    with tempfile.TemporaryDirectory(prefix="bulkdelete-share-") as name:
        async with running(config) as emulator, asyncio.TaskGroup() as group:
            for process in range(processes):
                group.create_task(program(process, count, slots, emulator.url, Path(name)))
    return shared(emulator, processes, count)


def main() -> None:
    """Measure, say what came of it, and fail where it is not fair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--count", type=int, default=300, help="requests of each")
    parser.add_argument("--slots", type=int, default=3, help="of the account")
    parser.add_argument("--latency", type=float, default=0.04, help="seconds a request takes")
    parser.add_argument("--page", type=Path, help="renew what this page says of it")
    said = parser.parse_args()
    found = asyncio.run(measure(said.processes, said.count, said.slots, said.latency))
    text = (
        f"{said.processes} processes, {said.slots} slots: at most {found.most} in flight;\n"
        f"{min(found.turns)} to {max(found.turns)} requests each in {found.seconds:.1f} s:"
        f" the fastest {found.ratio:.2f} times the slowest"
    )
    sys.stdout.write(text + "\n")
    if said.page:
        when = datetime.now(UTC).date().isoformat()
        page.renew(said.page, share=f"{text} ({when}, `make bench-share`).\n")
    if found.most > said.slots or found.ratio > FAIR:
        sys.exit(1)


if __name__ == "__main__":
    main()
