"""The longer proofs: a million IDs, a full account for half a minute, twenty-five hard kills."""

import asyncio
import json
import random
import signal
import sys
import uuid
from pathlib import Path

import pytest

from bulkdelete.emulator import Faults
from tests.bench import lists
from tests.bench.clients import HERE as CLIENTS
from tests.conftest import Emulate, Program, times_acted

pytestmark = pytest.mark.slow


def three_columns(path: Path, count: int) -> list[str]:
    """Write a three-column list of so many UUIDs and return them."""
    dice = random.Random(count)
    ids = [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(count)]
    with path.open("w", encoding="utf-8") as file:
        file.write("name,identity,reason\n")
        file.writelines(f"Person {n},{one},closed account\n" for n, one in enumerate(ids))
    return ids


_MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdin=0, stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024)
"""


async def peak_mb(program: Program, *words: object) -> tuple[int, int]:
    """Run the program to its end; return its exit code and the peak of its memory in MB.

    A small process in between starts it: a child's peak begins with that of its parent.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _MEASURE, *program.words(*words)),
        cwd=program.place,
        env=program.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    code, peak = out.split()
    return int(code), int(peak)


async def test_a_million_ids_once_each_in_flat_memory(program: Program, emulate: Emulate) -> None:
    """1,000,000 IDs of three columns: planned under 220 MB, each sent once, sending flat."""
    emulator = await emulate(latency=0.0, record_requests=False)
    peaks = {}
    for count in (100_000, 1_000_000):
        path = program.place / f"list-{count}.csv"
        ids = three_columns(path, count)
        place = ("--endpoint", program.url, "--run-dir", program.place / f"run-{count}")
        code, planning = await peak_mb(program, "plan", path, *place)
        assert code == 0
        assert planning < 220, planning
        words = ("apply", program.place / f"run-{count}", "--yes", "--max-deletes", count)
        code, peaks[count] = await peak_mb(program, *words)
        assert code == 0
        times = times_acted(emulator)
        assert all(times[one] == 1 for one in ids)
    assert len(times) == 1_100_000
    assert abs(peaks[1_000_000] - peaks[100_000]) <= 20, peaks


async def test_every_slot_is_used_and_none_too_many(program: Program, emulate: Emulate) -> None:
    """1,020 chunks at 100 ms and a limit of 3: no 429, >= 97 % in use, as the emulator agrees.

    What else a shared machine does can only lower the share, so the best of three rounds counts;
    and where not even a bare loop comes near 100 % in the same minutes, to be near it is enough.
    """
    path, ids = program.ids(102_000)
    ours, bare = [], []
    for _ in range(3):
        emulator = await emulate(latency=0.1)
        ended = await program.run(path, "--again", seconds=120)
        assert ended.code == 0, ended.err
        stats = emulator.state.stats()
        assert stats["throttled"] == 0
        assert stats["max_in_flight"] <= 3
        assert times_acted(emulator) == dict.fromkeys(ids, 1)
        said = ended.json["timing"]["in_flight_utilisation"]
        ours.append(stats["utilisation"])
        if said >= 0.97 and abs(said - ours[-1]) <= 0.01:
            return
        bare.append(await _bare_utilisation(emulate, program.place / "bare.csv", 1_020))
    assert max(ours) >= max(bare) - 0.02, (ours, bare)


async def _bare_utilisation(emulate: Emulate, path: Path, requests: int) -> float:
    """Return what three bare workers reach that only post and read, as the emulator sees it."""
    emulator = await emulate(latency=0.1, account_id="BENCH", passcode="bench")
    lists.one_column(path, requests * 100, seed=1)
    words = (sys.executable, str(CLIENTS / "bare.py"), emulator.url, str(path), "3")
    process = await asyncio.create_subprocess_exec(*words)
    assert await process.wait() == 0
    utilisation: float = emulator.state.stats()["utilisation"]
    return utilisation


async def test_twenty_five_hard_kills_in_bad_weather(program: Program, emulate: Emulate) -> None:
    """25 SIGKILLs with requests in flight, 5 % dropped answers, 5 % 5xx: nothing lost (S8, S9)."""
    faults = Faults(drop_after=0.05, error_5xx=0.05, seed=25)
    emulator = await emulate(latency=0.06, latency_spread=0.5, faults=faults)
    path, ids = program.ids(40_000)
    dice = random.Random(25)
    kills = starts = 0
    while True:
        starts += 1
        assert starts < 80
        process = await program.start(*program.sending("run", path, "--json"))
        before = emulator.state.stats()["requests"]
        wait = dice.randrange(4, 20)
        while process.returncode is None and kills < 25:
            stats = emulator.state.stats()
            if stats["requests"] >= before + wait and stats["in_flight"]:
                process.kill()
                kills += 1
                break
            await asyncio.sleep(0.002)
        out, err = await process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode in {-signal.SIGKILL, 75}, err
    report = json.loads(out)
    times = times_acted(emulator)
    assert kills == 25
    assert times.keys() == set(ids)
    assert report["ids"]["accepted"] == report["ids"]["read"] == 40_000
    chunks_again = sum(count - 1 for count in times.values()) / 100
    # Requests in doubt: those out at a kill (at most 3 each), and one per ambiguous answer.
    answers = report["requests"]["ambiguous"]
    assert chunks_again <= answers
    assert report["requests"]["resent_chunks"] <= kills * 3 + answers
    audit = await program("audit", program.run_dir(), "--json")
    assert audit.code == 0
