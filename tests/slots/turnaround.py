"""How long a slot is idle between two requests: the kernel's slots, and leased ones.

    python -m tests.slots.turnaround [--rounds 5] [--turns 300]

Alone, and with two parties that both want more than there are; Redis as near as this machine, and a
millisecond away (half of it each way). Prints the median of the rounds, interleaved.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bulkdelete.core.keeper import Keeper
from bulkdelete.io.leased import TERMS, LeasedSlots
from bulkdelete.io.slots import KernelSlots
from tests.slots.conftest import Party
from tests.slots.relay import relay
from tests.slots.server import redis_server

SLOTS, WORK = 3, 0.02

Make = Callable[[], Party]


async def idle(make: Make, parties: int, turns: int) -> float:
    """Return the seconds that a slot was idle for each request, on an average."""
    async with AsyncExitStack() as stack:
        made: list[Party] = [await stack.enter_async_context(make()) for _ in range(parties)]
        loop, left, worked = asyncio.get_running_loop(), turns, 0.0

        async def work(party: Party) -> None:
            nonlocal left, worked
            while left > 0:
                left -= 1
                lease = await party.acquire()
                began = loop.time()
                await asyncio.sleep(WORK)
                worked += loop.time() - began
                lease.release()

        (await made[0].acquire()).release()  # all that is new is over
        began = loop.time()
        await asyncio.gather(*(work(party) for party in made for _ in range(SLOTS)))
        return (SLOTS * (loop.time() - began) - worked) / turns


async def measure(place: Path, rounds: int, turns: int) -> dict[str, list[float]]:
    """Measure all, round by round."""
    found: dict[str, list[float]] = {}
    with redis_server(place) as server:
        server.known("h", "a")
        async with relay(server.port, 0.0005) as way:

            def leased(keeper: Keeper) -> Make:
                return lambda: LeasedSlots(keeper, "h", "a", SLOTS, TERMS)

            makes: dict[str, Make] = {
                "kernel": lambda: KernelSlots("h", "a", SLOTS, place),
                "Redis": leased(server.keeper),
                "Redis at 1 ms": leased(way.keeper),
            }
            for _ in range(rounds):
                for parties in (1, 2):
                    for name, make in makes.items():
                        seconds = await idle(make, parties, turns)
                        found.setdefault(f"{name}, {parties}", []).append(seconds)
    return found


def main() -> None:
    """Measure, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=300)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulkdelete-turnaround-") as name:
        found = asyncio.run(measure(Path(name), said.rounds, said.turns))
    for name, seconds in found.items():
        low, high = min(seconds) * 1000, max(seconds) * 1000
        middle = statistics.median(seconds) * 1000
        sys.stdout.write(
            f"{name} at work: {middle:6.3f} ms idle a request ({low:.3f} to {high:.3f})\n"
        )


if __name__ == "__main__":
    main()
