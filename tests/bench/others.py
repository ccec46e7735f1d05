"""The other readers of lists, in a process of their own: they answer line by line."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.bench import readers


class Took(NamedTuple):
    """Seconds of the clock, and of CPU."""

    clock: float
    cpu: float


class Others:
    """Readers, in another Python that has what they need."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, readers.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, reader: str, kind: str, path: Path, count: int) -> Took:
        """Let one read a list; return how long it took, and check that it read it all.

        ValueError when it did not, or could not; OSError when it is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{reader} {kind} {path}\n")
        self._process.stdin.flush()
        clock, cpu, rows = self._process.stdout.readline().split()
        if int(rows) != count:
            raise ValueError(f"{reader} read {rows} of {count} rows of {path.name}")
        return Took(float(clock), float(cpu))

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()
