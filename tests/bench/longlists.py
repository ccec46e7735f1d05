"""Long lists of random UUIDs, quickly: `python -m tests.bench.longlists PATH COUNT [--repeat]`.

With `--repeat`, one of a hundred repeats an earlier one; how many do is printed. As a program of
its own, because what a process held counts as the memory of those that it starts.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

_BLOCK = 500_000
_GROUPS = ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24))
"""Of the 32 digits of a UUID: from, to, and where in its 36 characters they go."""


def write_apart(path: Path, count: int, *, repeat: bool = False) -> int:
    """Let another process write a list; return how many of its rows repeat an earlier one."""
    words = [sys.executable, "-m", "tests.bench.longlists", str(path), str(count)]
    words += ["--repeat"] if repeat else []
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def write(path: Path, count: int, *, repeat: bool) -> int:
    """Write a list; return how many of its rows repeat an earlier one."""
    dice = np.random.default_rng(1)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    first = dice.integers(0, 256, (min(count, _BLOCK), 16), np.uint8)
    repeated = 0
    with path.open("wb") as file:
        file.write(b"identity\n")
        for start in range(0, count, _BLOCK):
            raw = dice.integers(0, 256, (min(_BLOCK, count - start), 16), np.uint8)
            if not start:
                raw = first
            elif repeat:
                again = len(raw) // 100
                raw[dice.choice(len(raw), again, replace=False)] = first[:again]
                repeated += again
            text = np.empty((len(raw), 32), np.uint8)
            text[:, 0::2], text[:, 1::2] = digits[raw >> 4], digits[raw & 15]
            rows = np.full((len(raw), 37), ord("-"), np.uint8)
            for begin, end, at in _GROUPS:
                rows[:, at : at + end - begin] = text[:, begin:end]
            rows[:, 36] = ord("\n")
            file.write(rows.tobytes())
    return repeated


def main() -> None:
    """Write one, and say how many repeat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--repeat", action="store_true")
    said = parser.parse_args()
    sys.stdout.write(f"{write(said.path, said.count, repeat=said.repeat)}\n")


if __name__ == "__main__":
    main()
