"""Where entries go that do not fit into memory: a file without a name, gone with its process."""

import os
from dataclasses import dataclass
from itertools import accumulate
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from bulkdelete.core.spills import ENTRY, RANGES, together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from bulkdelete.core.spills import Bits, Entries

_PIECE = (1 << 16) * ENTRY.size
"""Bytes that are looked at together: one hash that fills a range makes it no larger."""

_SHARE = 4
"""A quarter of the memory holds a run: it is put in order, and out, in the rest."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run stands in the file, and where each of its ranges begins in it."""

    offset: int
    starts: tuple[int, ...]

    def span(self, ranges: range) -> tuple[int, int]:
        """Return where neighbouring ranges begin and end in the file."""
        start, end = self.starts[ranges.start], self.starts[ranges.stop]
        return self.offset + start * ENTRY.size, self.offset + end * ENTRY.size


class Spill:
    """The IDs of one kind, in about `memory` bytes and a file on the disk of `place`.

    The file is 0600, holds hashes under a seed that nobody knows, and no name leads to it: after a
    crash nothing is left. OSError, with the place, when there is no room.
    """

    def __init__(self, entries: "Entries", place: "Path | None", memory: int) -> None:
        self._entries = entries
        self._place = place
        self._memory = memory
        self._file: IO[bytes] = TemporaryFile(dir=place, buffering=0)  # noqa: SIM115 - `close` does
        self._size = 0
        self._runs: list[_Place] = []
        self.count = 0

    def add(self, data: bytes, count: int) -> None:
        """Take `count` IDs, joined by line feeds."""
        self._entries.add(data, self.count)
        self.count += count
        if len(self._entries) * ENTRY.size * _SHARE >= self._memory:
            self._write()

    def _write(self) -> None:
        run = self._entries.cut()
        left = memoryview(run.content)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            error.filename = str(self._place or self._file.name)
            raise
        self._runs.append(_Place(self._size, tuple(accumulate(run.counts, initial=0))))
        self._size += len(run.content)

    def settle(self, found: "Bits") -> "Iterator[None]":
        """Mark all repetitions, some ranges at a time; `found` has a bit for each of `count`."""
        self._write()
        totals = [sum(one) for one in zip(*map(_counts, self._runs), strict=True)]
        for ranges in together(totals, self._memory // self._entries.weight):
            finder = self._entries.finder()
            for run in self._runs:
                for piece in self._read(*run.span(ranges)):
                    found.mark(finder.repeats(piece))
            yield

    def _read(self, start: int, end: int) -> "Iterator[bytes]":
        for offset in range(start, end, _PIECE):
            yield os.pread(self._file.fileno(), min(_PIECE, end - offset), offset)

    def close(self) -> None:
        """Let go of the file, and with it of its room."""
        self._file.close()


def _counts(run: _Place) -> list[int]:
    return [run.starts[one + 1] - run.starts[one] for one in range(RANGES)]
