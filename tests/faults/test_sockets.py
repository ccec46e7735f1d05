"""The nth send or recv of the program fails: an error, an interruption, half of it, a kill."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Emulate, Ended, Program, times_acted
from tests.faults.injectors import program as injector

pytestmark = pytest.mark.faults

SOURCE = Path(__file__).with_name("failing_sockets.c")
CHUNKS, SIZE, CAP = 12, 5, 3


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what is laid before the C library."""
    made = tmp_path_factory.mktemp("sockets") / "failing_sockets.so"
    words = ("-shared", "-fPIC", "-Wall", "-Werror", "-o", str(made), str(SOURCE), "-ldl")
    subprocess.run([injector("cc"), *words], check=True)
    return made


@pytest.fixture
def failing(program: Program, library: Path) -> Program:
    """Return the program on asyncio's own loop (uvloop makes no such calls), with the library."""
    stub = program.place / "stub"
    stub.mkdir()
    (stub / "uvloop.py").write_text("raise ImportError('not for this test')\n")
    program.env |= {
        "LD_PRELOAD": str(library),
        "PYTHONPATH": f"{stub}:{Path(__file__).parents[2]}",
        "FAIL_LOG": str(program.place / "fired"),
    }
    return program


async def meets(program: Program, call: str, how: str, nth: int) -> tuple[Ended, list[str]]:
    """Send a list through the fault, which must happen."""
    ids = [f"user-{number}" for number in range(CHUNKS * SIZE)]
    path = program.write("list.csv", "identity", *ids)
    program.env |= {"FAIL_CALL": call, "FAIL_HOW": how, "FAIL_WHEN": str(nth)}
    ended = await program.run(path, "--chunk-size", SIZE)
    assert (program.place / "fired").read_text() == "fired\n", "nothing failed"
    program.env["FAIL_WHEN"] = "0"
    return ended, ids


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("how", ["EINTR", "SHORT"])
@pytest.mark.parametrize("call", ["send", "recv"])
async def test_n16_what_is_done_in_part_is_gone_on_with(
    failing: Program, emulate: Emulate, call: str, how: str, nth: int
) -> None:
    """Nothing of it is seen: each ID once, no doubt, no retry."""
    emulator = await emulate()
    ended, ids = await meets(failing, call, how, nth)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert ended.json["requests"]["sent"] == CHUNKS


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("how", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["send", "recv"])
async def test_n3_n11_a_socket_that_fails_is_a_doubt(
    failing: Program, emulate: Emulate, call: str, how: str, nth: int
) -> None:
    """The chunk is sent again, once; nothing is lost, and nothing else is repeated."""
    emulator = await emulate()
    ended, ids = await meets(failing, call, how, nth)
    assert ended.code == 0, ended.err
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times[one] - 1 for one in ids[::SIZE]) <= 1
    assert ended.json["requests"]["ambiguous"] == 1
    assert ended.json["requests"]["resent_chunks"] == 1


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("call", ["send", "recv"])
async def test_p2_p3_p5_killed_at_a_call_of_a_socket(
    failing: Program, emulate: Emulate, call: str, nth: int
) -> None:
    """Before its first byte, or before its answer is read: sent again at most once."""
    emulator = await emulate()
    ended, ids = await meets(failing, call, "KILL", nth)
    assert ended.code == -signal.SIGKILL
    told = await failing("status", failing.run_dir(), "--json")
    assert told.code == 0, told.err
    assert told.json["ids"]["ambiguous"] <= CAP * SIZE
    again = await failing.run(failing.place / "list.csv", "--chunk-size", SIZE)
    assert again.code == 0, again.err
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times[one] - 1 for one in ids[::SIZE]) <= CAP
