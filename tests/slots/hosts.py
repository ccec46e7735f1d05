"""Hosts of their own, each a network namespace, on one bridge with a Redis: one account for all.

    python -m tests.slots.hosts [--count 400] [--latency 0.05]

Each runs the program on a list of its own and would use every slot. The emulator would take more,
and counts what is in flight. Prints what came of it; exits with 1 where the cap was exceeded, or
the fastest host was more than 1.3 times as fast as the slowest.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bulkdelete.emulator import EmulatorConfig, RunningEmulator, running
from bulkdelete.io.slots import directory
from tests.bench.share import ACCOUNT, FAIR, PASSCODE, Shared, shared
from tests.conftest import Program
from tests.faults.namespace import Enclosed, Namespace
from tests.slots.relay import Relay
from tests.slots.server import RedisServer

HUB = "10.77.0.1"
SLOTS = 3


@contextmanager
def bridge(count: int) -> Iterator[tuple[Namespace, list[Namespace]]]:
    """Make so many hosts, and a hub that all are wired to."""
    made = [Namespace() for _ in range(count + 1)]
    try:
        hub, *hosts = made
        hub.ip("link", "add", "bridge", "type", "bridge")
        hub.ip("address", "add", f"{HUB}/24", "dev", "bridge")
        hub.ip("link", "set", "bridge", "up")
        for number, host in enumerate(hosts):
            end = f"port{number}"
            hub.ip("link", "add", end, "type", "veth", "peer", "name", "wire", "netns", host.path)
            hub.ip("link", "set", end, "master", "bridge", "up")
            host.ip("address", "add", f"10.77.0.{number + 10}/24", "dev", "wire")
            host.ip("link", "set", "wire", "up")
        yield hub, hosts
    finally:
        for one in made:
            one.close()


@dataclass
class Sight:
    """Four hosts at work: their processes, the emulator's counts, the Redis."""

    hub: Namespace
    hosts: list[Namespace]
    redis: RedisServer
    emulator: RunningEmulator
    place: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)

    async def start(self, host: int, port: int, count: int, *words: str) -> None:
        """Run the program on a host, on a list of its own, an ID a request."""
        place = self.place / f"host-{host}"
        place.mkdir(exist_ok=True)
        locks = place / "locks"  # a machine has its own, and what is tried is what the Redis keeps
        locks.mkdir(exist_ok=True)
        program = Enclosed(place, network=self.hosts[host], files={str(directory()): locks})
        program.url = f"http://127.0.0.1:{port}"
        program.env |= {"CLEVERTAP_ACCOUNT_ID": ACCOUNT, "CLEVERTAP_PASSCODE": PASSCODE}
        program.env["BULKDELETE_SLOTS"] = self.redis.url
        rows = "".join(f"p{host}-{number}\n" for number in range(count))
        (place / "list.csv").write_text("identity\n" + rows, "utf-8")
        said = ("--chunk-size", 1, "--max-in-flight", SLOTS, "--quiet", *words)
        self.programs.append(program)
        self.processes.append(
            await program.start(*program.sending("run", place / "list.csv", *said))
        )

    async def ended(self, *hosts: int) -> list[int]:
        """Wait for hosts' programs; return their exit codes."""
        await asyncio.gather(*(self.processes[one].communicate() for one in hosts))
        return [self.processes[one].returncode or 0 for one in hosts]

    @property
    def most(self) -> int:
        """How many requests were in flight at once, by the server's own count."""
        return self.emulator.state.slots.max_in_flight

    def came(self) -> int:
        """How many requests came so far."""
        return len(self.emulator.state.log)


@asynccontextmanager
async def sight(
    place: Path, count: int, requests: int, latency: float, *words: tuple[str, ...]
) -> AsyncIterator[Sight]:
    """Start so many hosts on one account; each reaches the emulator by its own loopback.

    `words` are flags of each host's program.
    """
    config = EmulatorConfig(
        account_id=ACCOUNT, passcode=PASSCODE, limit=10 * count * SLOTS, latency=latency
    )
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(running(config))
        hub, hosts = stack.enter_context(bridge(count))
        redis = RedisServer(place, ("--protected-mode", "no"), hub.entering, HUB)
        stack.callback(redis.stop)
        await asyncio.to_thread(redis.start)
        redis.known(emulator.url, ACCOUNT)
        found = Sight(hub, hosts, redis, emulator, place)
        stack.push_async_callback(_end, found)
        for number, host in enumerate(hosts):
            way = Relay(int(emulator.url.rpartition(":")[2]))
            with host.inside():
                listening = await asyncio.start_server(way.meet, "127.0.0.1", way.target)
            stack.push_async_callback(way.close)
            stack.callback(listening.close)
            await found.start(number, way.target, requests, *(words[number] if words else ()))
        yield found


async def _end(found: Sight) -> None:
    for process in found.processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def measure(place: Path, hosts: int, count: int, latency: float) -> Shared:
    """Run them all to their end."""
    async with sight(place, hosts, count, latency) as found:
        codes = await found.ended(*range(hosts))
        if any(codes):
            raise AssertionError(f"the programs ended with {codes}")
        return shared(found.emulator, hosts, count)


def main() -> None:
    """Measure, say what came of it, and fail where it is not fair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--count", type=int, default=400, help="requests of each")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a request takes")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulkdelete-hosts-") as name:
        found = asyncio.run(measure(Path(name), said.hosts, said.count, said.latency))
    total = sum(found.turns)
    use = total * said.latency / (SLOTS * found.seconds)
    sys.stdout.write(
        f"{said.hosts} hosts, {SLOTS} slots: at most {found.most} in flight;"
        f" {min(found.turns)} to {max(found.turns)} requests each in {found.seconds:.1f} s,"
        f" slots in use {use:.1%}: the fastest {found.ratio:.2f} times the slowest\n"
    )
    if found.most > SLOTS or found.ratio > FAIR:
        sys.exit(1)


if __name__ == "__main__":
    main()
