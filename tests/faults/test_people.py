"""What people do to a run: panic, and a run directory that is carried to another machine."""

import asyncio
import csv
import shutil
import signal
import sys
from pathlib import Path

from tests.conftest import Emulate, Program, times_acted


async def test_h5_ctrl_c_in_panic_leaves_a_true_balance_and_the_list_of_what_was_sent(
    program: Program, emulate: Emulate
) -> None:
    """Ctrl-C while the second chunks are out: the states add up, and accepted.csv is the truth."""
    emulator = await emulate(latency=0.3)
    path, ids = program.ids(2_000)
    process = await program.start(*program.sending("run", path, "--json"))
    async with asyncio.timeout(60):
        while not (emulator.state.stats()["requests"] >= 2 and emulator.state.stats()["in_flight"]):
            assert process.returncode is None
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    stood = await program("status", program.run_dir(), "--json")
    counts = dict(stood.json["ids"])
    assert stood.code == 0
    assert counts.pop("read") == sum(counts.values()) == 2_000
    written = await program("report", program.run_dir(), "--outcomes", "accepted")
    assert written.code == 0, written.err
    with (program.run_dir() / "accepted.csv").open(encoding="utf-8", newline="") as file:
        told = [row["identity"] for row in csv.DictReader(file)]
    acted = times_acted(emulator)
    assert set(told) == set(acted)
    assert 0 < len(told) == counts["accepted"] < len(ids)
    assert set(acted.values()) == {1}


_ELSEWHERE = """
import sys, time
from bulkdelete import running
from bulkdelete.cli import main
then, tag = float(sys.argv.pop(1)), running.machine_tag
running.machine_tag = lambda key: "another-machine-" + tag(key)[:8]
now = time.time
time.time = lambda: now() + then
running.send.__defaults__ = (None, time.time)
main()
"""


async def _elsewhere(program: Program, later: float, *words: object) -> tuple[int, str, str]:
    """Run the program as another machine would, with a clock so many seconds ahead."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ELSEWHERE, str(later), *map(str, words)),
        cwd=program.place,
        env=program.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_c4_a_run_carried_to_two_machines_is_bounded_by_its_time_to_live(
    program: Program, emulate: Emulate
) -> None:
    """Each copy sends what was left, once, and says that there are two; later neither sends."""
    emulator = await emulate()
    path, ids = program.ids(1_000)
    held = await program.run(path, "--hold-after", 300)
    assert held.code == 75, held.err
    original = program.run_dir()
    late, copied = program.place / "late", program.place / "copied"
    for copy in (late, copied):
        shutil.copytree(original, copy, copy_function=_private)
        copy.chmod(0o700)
    here = await program("apply", original, "--yes", "--max-deletes", 1_000, "--json")
    assert (here.code, here.json["notes"]) == (0, [])
    words = ("--yes", "--max-deletes", 1_000, "--json")
    code, out, err = await _elsewhere(program, 0.0, "apply", copied, *words)
    assert code == 0, err
    assert "more than one machine" in out
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sorted(set(times.values())) == [1, 2]
    assert sum(count == 2 for count in times.values()) == 700
    before = emulator.state.stats()["requests"]
    code, out, _ = await _elsewhere(program, 2 * 86_400.0, "apply", late, *words)
    assert (code, '"expired"' in out) == (4, True)
    assert emulator.state.stats()["requests"] == before


def _private(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(0o600)
