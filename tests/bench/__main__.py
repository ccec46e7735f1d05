"""`make bench`: ratios against what a person would write instead, on the same work, interleaved.

Wall clock of shared machines swings, so each figure is the median of rounds that take turns, and
only ratios within one run mean anything. CPU seconds are those of the process that does the work.
"""

import argparse
import gc
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.bench import peers

COUNT = 1_000_000
ROUNDS = 5


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="IDs to plan")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    said = parser.parse_args()
    # As the program sets it for itself.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as name:
        place = Path(name)
        rows = [*planning(place, said.count, said.rounds)]
        rows += sending(place, min(said.count, 300_000), said.rounds)
    width = max(len(row[0]) for row in rows)
    print(f"{'':{width}}  {'ours':>9}  {'peer':>9}  {'ratio':>6}  {'target':>8}")  # noqa: T201
    for what, ours, peer, ratio, target in rows:
        print(f"{what:{width}}  {ours:>9}  {peer:>9}  {ratio:>6.2f}  {target:>8}")  # noqa: T201


Row = tuple[str, str, str, float, str]


def lists(place: Path, count: int) -> dict[str, Path]:
    """Write the lists: one column, three columns, JSON lines."""
    dice = random.Random(1)
    ids = [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(count)]
    paths = {name: place / name for name in ("one.csv", "three.csv", "list.jsonl")}
    with paths["one.csv"].open("w") as file:
        file.write("identity\n")
        file.writelines(one + "\n" for one in ids)
    with paths["three.csv"].open("w") as file:
        file.write("name,identity,reason\n")
        file.writelines(f"Person {n},{one},closed account\n" for n, one in enumerate(ids))
    with paths["list.jsonl"].open("w") as file:
        file.writelines(json.dumps({"identity": one, "n": n}) + "\n" for n, one in enumerate(ids))
    return paths


def planning(place: Path, count: int, rounds: int) -> list[Row]:
    """Read, validate, de-duplicate, hash and digest, against a bare reading loop."""
    rows = []
    table: list[tuple[str, Callable[[Path], None], str]] = [
        ("one.csv", peers.dict_reader, ">= 2.0"),
        ("three.csv", peers.dict_reader, ">= 1.5"),
        ("list.jsonl", peers.json_loads, ">= 3.0"),
    ]
    paths = lists(place, count)
    for name, peer, target in table:
        peers.plan(paths[name])  # what is imported once is not the pass
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(seconds(peer, paths[name]))
            ours.append(seconds(peers.plan, paths[name]))
        mine, bare = statistics.median(ours), statistics.median(theirs)
        what = f"plan {name}, {count:,} rows, against {peer.__name__}"
        rows.append((what, f"{mine:.2f} s", f"{bare:.2f} s", bare / mine, target))
    return rows


def seconds(work: Callable[[Path], None], path: Path) -> float:
    """Time one call."""
    began = time.perf_counter()
    work(path)
    return time.perf_counter() - began


def sending(place: Path, count: int, rounds: int) -> list[Row]:
    """CPU of a whole run with everything on, against a bare aiohttp loop posting one fixed body."""
    path = place / "send.csv"
    path.write_text("identity\n" + "".join(f"{uuid.UUID(int=n)}\n" for n in range(count)))
    environment = os.environ | {"CLEVERTAP_ACCOUNT_ID": "BENCH", "CLEVERTAP_PASSCODE": "bench"}
    environment |= {"EMULATOR_ACCOUNT_ID": "BENCH", "EMULATOR_PASSCODE": "bench"}
    program = (sys.executable, "-m", "bulkdelete")
    emulator = subprocess.Popen(
        [*program, "emulator", "--latency", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        cwd=place,
    )
    try:
        url = emulator.stdout.readline().split()[-1] if emulator.stdout else ""
        ours, theirs = [], []
        for _ in range(rounds):
            bare = (sys.executable, "-m", "tests.bench.peers", url, str(count // 100))
            theirs.append(cpu([*bare], environment))
            run = ("run", str(path), "--endpoint", url, "--yes", "--again", "--quiet")
            more = ("--max-deletes", str(count), "--runs-dir", str(place / "runs"))
            ours.append(cpu([*program, *run, *more], environment))
    finally:
        emulator.terminate()
        emulator.wait()
        if emulator.stdout:
            emulator.stdout.close()
    scale = 1_000_000 / count
    mine, bare_cpu = statistics.median(ours) * scale, statistics.median(theirs) * scale
    what = f"run {count:,} IDs at 3 in flight, CPU a million IDs, against a bare loop"
    return [(what, f"{mine:.2f} s", f"{bare_cpu:.2f} s", mine / bare_cpu, "<= 1.8")]


def cpu(words: list[str], environment: dict[str, str]) -> float:
    """Run a process and return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
