"""The time of day is wrong: the program under `faketime`, from the first request to the last."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Emulate, Program, times_acted
from tests.faults.injectors import program as injector

pytestmark = pytest.mark.faults


@dataclass
class Elsewhen(Program):
    """The program at another time of day, as `faketime` reads it."""

    cold: bool = True
    when: str = ""

    def words(self, *words: object) -> list[str]:
        """Return the command line."""
        return [injector("faketime"), "-f", self.when, *super().words(*words)]


@pytest.fixture
async def begun(program: Program, emulate: Emulate) -> tuple[Elsewhen, Any, list[str]]:
    """Begin a run at the true time; return the program for another, the emulator, the IDs."""
    emulator = await emulate()
    path, ids = program.ids(400)
    assert (await program.run(path, "--hold-after", 200)).code == 75
    assert len(times_acted(emulator)) == 200
    return Elsewhen(program.place, program.url), emulator, ids


async def now(program: Program) -> float:
    """Return the time of day that a process sees there."""
    words = program.words()
    start = words.index("-m")
    asked = await asyncio.create_subprocess_exec(
        *words[:start], "-c", "import time; print(time.time())", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asked.communicate()
    return float(out)


async def true_now() -> float:
    """Return the time of day here."""
    asked = await asyncio.create_subprocess_exec("date", "+%s", stdout=asyncio.subprocess.PIPE)
    out, _ = await asked.communicate()
    return float(out)


@pytest.mark.parametrize("when", ["+30d", "+1y"])
async def test_c3_k1_much_later(begun: tuple[Elsewhen, Any, list[str]], when: str) -> None:
    """Exit 4 and no request; with fresh approval the rest is sent, once."""
    program, emulator, ids = begun
    program.when = when
    assert await now(program) - await true_now() > 29 * 86400, "faketime did nothing"
    path = program.place / "list.csv"
    late = await program.run(path)
    assert (late.code, late.json["reason"]["code"]) == (4, "expired"), late.err
    assert len(times_acted(emulator)) == 200
    renewed = await program.run(path, "--renew")
    assert renewed.code == 0, renewed.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_k1_a_year_back(begun: tuple[Elsewhen, Any, list[str]]) -> None:
    """A clock that was set back makes no approval live longer, and breaks no order."""
    program, emulator, ids = begun
    program.when = "-1y"
    assert await true_now() - await now(program) > 364 * 86400, "faketime did nothing"
    path = program.place / "list.csv"
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    program.when = "+0"
    told = await program("audit", program.run_dir(), "--json")
    assert told.code == 0, told.err


@pytest.mark.parametrize(
    "when", ["@2038-01-19 03:14:04", "@2026-03-29 01:59:58", "@2026-10-25 02:59:58"]
)
async def test_k1_over_an_edge_of_time(program: Program, emulate: Emulate, when: str) -> None:
    """The end of 32 bits, and both nights in which Berlin changes its clocks."""
    emulator = await emulate(latency=0.3)
    there = Elsewhen(program.place, program.url, {"TZ": "Europe/Berlin"}, when=when)
    assert abs(await now(there) - await true_now()) > 86400, "faketime did nothing"
    path, ids = there.ids(5000)
    ended = await there.run(path)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert ended.json["timing"]["send_s"] < 60
    there.when = "+0"
    assert (await there("audit", there.run_dir(), "--json")).code == 0
