"""`make bench-memory`: what a plan of 1, 10 and 100 million IDs takes, each in a fresh process.

Each list is of UUIDs in no order, one of a hundred an earlier one again. `--memory` is what the
program has unless another is named. The list of 100 million takes 3.7 GB of disk, and what does
not fit into memory 2.4 GB more; both are removed at the end. Exits 1 when a plan is not what it
must be, or takes more memory than it may.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COUNTS = (1_000_000, 10_000_000, 100_000_000)
MEMORY = "512MB"
_BLOCK = 500_000
_GROUPS = ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24))
"""Of the 32 digits of a UUID: from, to, and where in its 36 characters they go."""


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--memory", default=MEMORY)
    said = parser.parse_args()
    print("       rows  repeated   peak MB   seconds   CPU s  CPU us/row")  # noqa: T201
    good = True
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-", dir="/var/tmp") as name:
        for count in said.counts:
            good &= measure(Path(name), count, said.memory)
    sys.exit(not good)


def measure(place: Path, count: int, memory: str) -> bool:
    """Plan a list of so many rows, print a line, and tell whether all is as it must be."""
    path = place / "list.csv"
    repeated = write(path, count)
    began = time.monotonic()
    words = ("plan", path, "--runs-dir", place / "runs", "--memory", memory, "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "bulkdelete", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        out = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, peak = time.monotonic() - began, used.ru_maxrss / 1024
    path.unlink()
    ids = json.loads(out)["ids"]
    line = (
        f"{count:11,}  {ids['duplicate']:8,}  {peak:8.0f}  {seconds:8.1f}  {count / seconds:9,.0f}"
    )
    print(line, flush=True)  # noqa: T201
    right = (ids["read"], ids["duplicate"]) == (count, repeated) and not process.returncode
    return right and peak <= int(memory.removesuffix("MB"))


def write(path: Path, count: int) -> int:
    """Write a list; return how many of its rows repeat an earlier one."""
    dice = np.random.default_rng(1)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    first = dice.integers(0, 256, (min(count, _BLOCK), 16), np.uint8)
    repeated = 0
    with path.open("wb") as file:
        file.write(b"identity\n")
        for start in range(0, count, _BLOCK):
            raw = dice.integers(0, 256, (min(_BLOCK, count - start), 16), np.uint8)
            if start:
                again = len(raw) // 100
                raw[dice.choice(len(raw), again, replace=False)] = first[:again]
                repeated += again
            else:
                raw = first
            text = np.empty((len(raw), 32), np.uint8)
            text[:, 0::2], text[:, 1::2] = digits[raw >> 4], digits[raw & 15]
            rows = np.full((len(raw), 37), ord("-"), np.uint8)
            for begin, end, at in _GROUPS:
                rows[:, at : at + end - begin] = text[:, begin:end]
            rows[:, 36] = ord("\n")
            file.write(rows.tobytes())
    return repeated


if __name__ == "__main__":
    main()
