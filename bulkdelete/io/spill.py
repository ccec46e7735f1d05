"""Where entries go that do not fit into memory: a file without a name, gone with its process.

Where others are to look for repetitions, it gets a name at its end. Who has it must not have the
seed of its hashes, too: whoever guesses an ID could tell whether it is there. What else workers
leave for each other is veiled under a key of that one time, which is not beside it.
"""

import hashlib
import os
import secrets
import struct
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

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_SHARE = 4
"""A quarter of the memory holds a run: it is put in order, and out, in the rest."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Which entry of the file each range of a run begins with, and where the last one ends."""

    starts: tuple[int, ...]

    def span(self, ranges: range) -> tuple[int, int]:
        """Return which entry of the file neighbouring ranges begin with, and end before."""
        return self.starts[ranges.start], self.starts[ranges.stop]


class Spill:
    """The IDs of one kind, in about `memory` bytes and a file on the disk of `place`.

    The file is 0600, holds hashes under a seed that nobody knows, and no name leads to it: after a
    crash nothing is left. OSError, with the place, when there is no room.
    """

    def __init__(
        self,
        entries: "Entries",
        place: "Path | None",
        memory: int,
        file: "IO[bytes] | None" = None,
    ) -> None:
        self._entries = entries
        self._place = place
        self._memory = memory
        self._file = file or TemporaryFile(dir=place, buffering=0)  # noqa: SIM115 - `close` does
        self._written = 0
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
        self._put(run.content)
        self._runs.append(_Place(tuple(accumulate(run.counts, initial=self._written))))
        self._written += sum(run.counts)

    def _put(self, content: bytes) -> None:
        left = memoryview(content)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            error.filename = str(self._place or self._file.name)
            raise

    def settle(self, found: "Bits") -> "Iterator[None]":
        """Mark all repetitions, some ranges at a time; `found` has a bit for each of `count`."""
        self._write()
        totals = [sum(one) for one in zip(*map(_counts, self._runs), strict=True)]
        for ranges in together(totals, self._memory // self._entries.weight):
            finder = self._entries.finder(sum(totals[ranges.start : ranges.stop]))
            for run in self._runs:
                for piece in _pieces(self._file, *run.span(ranges)):
                    found.mark(finder.repeats(piece))
            yield

    def close(self) -> None:
        """Let go of the file, and with it of its room."""
        self._file.close()


class NamedSpill(Spill):
    """A spill for others: a file 0600 that has its name, `path`, from `keep` on.

    The seed of its hashes is for those who make entries, and is nowhere beside it.

    Behind the runs it says where each of their ranges begins, and how many runs there are.
    """

    def __init__(self, entries: "Entries", path: "Path", memory: int) -> None:
        self._path = path
        self._making = _making(path)
        super().__init__(entries, path.parent, memory, _created(self._making))

    def keep(self) -> None:
        """Take no more; whoever knows the name can look."""
        self._write()
        for run in self._runs:
            self._put(_STARTS.pack(*run.starts))
        self._put(_COUNT.pack(len(self._runs)))
        self._making.rename(self._path)

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._making.unlink(missing_ok=True)


_STARTS = struct.Struct(f"<{RANGES + 1}Q")
_COUNT = struct.Struct("<Q")


class Kept:
    """The runs of a `NamedSpill`."""

    def __init__(self, path: "Path") -> None:
        self._file = path.open("rb", buffering=0)
        end = self._file.seek(-_COUNT.size, os.SEEK_END)
        (count,) = _COUNT.unpack(self._file.read())
        self._file.seek(end - count * _STARTS.size)
        self._starts = [_STARTS.unpack(self._file.read(_STARTS.size)) for _ in range(count)]

    def counts(self) -> list[int]:
        """Return how many entries there are of each range."""
        return [
            sum(starts[one + 1] - starts[one] for starts in self._starts) for one in range(RANGES)
        ]

    def count(self, ranges: range) -> int:
        """Return how many entries neighbouring ranges hold."""
        return sum(starts[ranges.stop] - starts[ranges.start] for starts in self._starts)

    def pieces(self, ranges: range) -> "Iterator[bytes]":
        """Yield the entries of neighbouring ranges, run after run."""
        for starts in self._starts:
            yield from _pieces(self._file, starts[ranges.start], starts[ranges.stop])

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def put(path: "Path", content: bytes) -> None:
    """Write a file 0600 that is there whole or not at all; not durably."""
    making = _making(path)
    with _created(making) as file:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
    making.rename(path)


_NONCE = 16
_STEP = 1 << 20


def veiled(content: bytes, key: bytes) -> bytes:
    """Return what tells nothing without the key; with it, not whether somebody changed it."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _crossed(memoryview(content), key + nonce)


def unveiled(found: bytes, key: bytes) -> bytes:
    """Return what was veiled under this key."""
    return _crossed(memoryview(found)[_NONCE:], key + found[:_NONCE])


def _crossed(content: memoryview, key: bytes) -> bytes:
    crossed = bytearray()
    for start in range(0, len(content), _STEP):
        piece = content[start : start + _STEP]
        pad = hashlib.shake_256(key + start.to_bytes(8)).digest(len(piece))
        crossed += (int.from_bytes(piece) ^ int.from_bytes(pad)).to_bytes(len(piece))
    return bytes(crossed)


def _making(path: "Path") -> "Path":
    # Two processes may make the same: one was taken for lost.
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _created(path: "Path") -> "IO[bytes]":
    return open(os.open(path, _NEW, 0o600), "w+b", buffering=0)  # noqa: PTH123 - by number


def _pieces(file: "IO[bytes]", start: int, end: int) -> "Iterator[bytes]":
    for offset in range(start * ENTRY.size, end * ENTRY.size, _PIECE):
        yield os.pread(file.fileno(), min(_PIECE, end * ENTRY.size - offset), offset)


def _counts(run: _Place) -> list[int]:
    return [run.starts[one + 1] - run.starts[one] for one in range(RANGES)]
