"""Fleets whose jobs lease their slots from a real Redis: many lists, one account, one cap."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from bulkdelete.io.slots import directory
from tests.conftest import PASSCODE, Emulate, Program, times_acted
from tests.slots.server import RedisServer

pytestmark = pytest.mark.redis

ACCOUNT = "ONE"
JOBS = 3
SLOTS = 3


@dataclass
class Machine(Program):
    """The program where kernel locks are its own, as on another machine."""

    locks: Path = Path()

    def words(self, *words: object) -> list[str]:
        """Return the command line."""
        lay = f"mount --bind '{self.locks}' {directory()} && exec \"$@\""
        return ["unshare", "--mount", "sh", "-c", lay, "sh", *super().words(*words)]


class Fleets:
    """Two fleets on one account, as on two machines: what they share is the Redis."""

    def __init__(self, program: Program, server: RedisServer) -> None:
        self.ids: list[str] = []
        self._program = program
        self._server = server
        program.env["PASS"] = PASSCODE

    def write(self, name: str, count: int) -> None:
        """Write a fleet's file and its lists."""
        lines = [
            "[defaults]",
            f'endpoint = "{self._program.url}"',
            f'account-id = "{ACCOUNT}"',
            'passcode-env = "PASS"',
            f'slots = "{self._server.url}"',
            'give-up-after = "3s"',
            "max-deletes = 100000",
        ]
        for number in range(JOBS):
            ids = [f"{name}-{number}-{one:06d}-{one * 7919 % 10007}" for one in range(count)]
            self.ids += ids
            self._program.write(f"{name}-{number}.csv", "identity", *ids)
            lines += ["[[job]]", f'name = "job-{number}"', f'inputs = ["{name}-{number}.csv"]']
        self._program.write(f"{name}.toml", *lines)

    async def start(self, name: str) -> asyncio.subprocess.Process:
        """Send one, from a machine of its own."""
        program = self._program
        locks = program.place / f"{name}-locks"
        locks.mkdir(exist_ok=True)
        machine = Machine(program.place, program.url, program.env, cold=True, locks=locks)
        said = ("--endpoint", program.url, "--yes", "--json")
        return await machine.start("fleet", f"{name}.toml", *said)

    async def ended(self, process: asyncio.subprocess.Process) -> tuple[int | None, str]:
        """Wait for its end; return its code and all that it said."""
        out, err = await asyncio.wait_for(process.communicate(), 240)
        return process.returncode, out.decode() + err.decode()


async def test_s13_two_fleets_lease_the_slots_of_one_account(
    program: Program, emulate: Emulate, server: RedisServer
) -> None:
    """Six jobs in two processes: within the cap; Redis killed: 75 for both; then both go on."""
    emulator = await emulate(account_id=ACCOUNT, limit=20, latency=0.05)
    server.known(emulator.url, ACCOUNT)
    fleets = Fleets(program, server)
    names = ("north", "south")
    for name in names:
        fleets.write(name, 6000)
    processes = [await fleets.start(name) for name in names]
    async with asyncio.timeout(60):
        while not all(sends(program, name) for name in names):
            await asyncio.sleep(0.05)
        while len(emulator.state.log) < 40:
            await asyncio.sleep(0.05)
    server.kill()
    for code, said in await asyncio.gather(*map(fleets.ended, processes)):
        assert code == 75, said
        assert "slots_lost" in said
    came = times_acted(emulator)
    assert 0 < len(came) < len(fleets.ids)
    server.start()
    server.known(emulator.url, ACCOUNT)
    for code, said in await asyncio.gather(
        *[fleets.ended(await fleets.start(name)) for name in names]
    ):
        assert code == 0, said
    assert times_acted(emulator) == dict.fromkeys(fleets.ids, 1)
    assert emulator.state.slots.max_in_flight == SLOTS


def sends(program: Program, name: str) -> bool:
    """Tell that a fleet's first job had an answer."""
    place = Path(program.place, "bulkdelete-runs", name, "job-0", "checkpoint.log")
    return place.exists() and b'"type":"outcome"' in place.read_bytes()
