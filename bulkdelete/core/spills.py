"""De-duplication of more IDs than fit into memory, in two passes over the list; the pure half.

The first pass makes an *entry* of each ID: a seeded 128-bit hash, and the number that counts it
among those of its kind. A *run* holds as many entries as fit into memory, in their order, cut by
the hash into ranges. Equal IDs meet in one range, and of all runs together some ranges at a time
fit into memory again. What is found there is one bit a number: it repeats an earlier one. The
second pass looks the bits up. The odds of a mistake are those of `core.dedup`.
"""

import functools
import hashlib
import operator
import struct
from collections import defaultdict
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Protocol

from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bulkdelete.core.sketch import Sketcher

ENTRY = struct.Struct("<16sQ")
RANGES = 4096
"""Of all hashes; by their first twelve bits."""

_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Run:
    """Entries range by range, in their order within each; `counts` says how many of each."""

    content: bytes
    counts: "Sequence[int]"


class Finder(Protocol):
    """The hashes of some ranges, seen so far."""

    def repeats(self, entries: bytes) -> "Sequence[int]":
        """Take entries; return the numbers of those whose hash was there before."""
        ...


class Entries(Protocol):
    """The entries of IDs of one kind, until they are cut into a run."""

    weight: int
    """Bytes that an entry takes in a finder."""

    def __len__(self) -> int: ...

    def add(self, data: bytes, first: int) -> None:
        """Take IDs, joined by line feeds and numbered from `first` on."""
        ...

    def cut(self) -> Run:
        """Return the run of what was taken; nothing is left."""
        ...

    def finder(self, count: int) -> Finder:
        """Return what looks for repetitions in ranges of so many entries, run by run."""
        ...


class PlainEntries:
    """Entries by the standard library; `seed` is random and secret."""

    weight = 160

    def __init__(self, seed: int, sketcher: "Sketcher | None" = None) -> None:
        self._key = seed.to_bytes(8, "little")
        self._sketcher = sketcher
        self._count = 0
        self._ranges: defaultdict[int, bytearray] = defaultdict(bytearray)

    def __len__(self) -> int:
        return self._count

    def add(self, data: bytes, first: int) -> None:
        """Take IDs, joined by line feeds and numbered from `first` on."""
        if self._sketcher is not None:
            self._sketcher.look(data)
        ranges, key, blake2b = self._ranges, self._key, hashlib.blake2b
        number = first
        for number, one in enumerate(data.split(b"\n"), first):
            digest = blake2b(one, digest_size=_KEY_BYTES, key=key).digest()
            ranges[digest[0] << 4 | digest[1] >> 4] += ENTRY.pack(digest, number)
        self._count += number + 1 - first

    def cut(self) -> Run:
        """Return the run of what was taken; nothing is left."""
        parts = [bytes(self._ranges.pop(one, b"")) for one in range(RANGES)]
        self._count = 0
        return Run(b"".join(parts), [len(one) // ENTRY.size for one in parts])

    def finder(self, count: int) -> Finder:  # noqa: ARG002 - a set grows by itself
        """Return what looks for repetitions in ranges of so many entries, run by run."""
        return _SetFinder()


class _SetFinder:
    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def repeats(self, entries: bytes) -> "Sequence[int]":
        """Take entries; return the numbers of those whose hash was there before."""
        found, seen = [], self._seen
        for digest, number in ENTRY.iter_unpack(entries):
            if digest in seen:
                found.append(number)
            seen.add(digest)
        return found


def together(counts: "Sequence[int]", most: int) -> "Iterator[range]":
    """Yield neighbouring ranges that hold at most so many entries together, or one that is larger.

    `counts` says how many each range holds, in all runs; what holds nothing is left out.
    """
    start = total = 0
    for number, count in enumerate(counts):
        if total and total + count > most:
            yield range(start, number)
            total = 0
        if not total:
            start = number
        total += count
    if total:
        yield range(start, len(counts))


class Bits:
    """One bit for each number: it repeats an earlier one."""

    def __init__(self, count: int, content: bytes = b"") -> None:
        self._bits = bytearray(content or (count + 7) // 8)

    @classmethod
    def of(cls, flags: bytes | bytearray) -> "Bits":
        """Mark the numbers whose byte is 1, of those that are 0 or 1."""
        size = (len(flags) + 7) // 8
        lanes = (int.from_bytes(flags[at::8], "little") << at for at in range(8))
        return cls(0, functools.reduce(operator.or_, lanes).to_bytes(size, "little"))

    def __bytes__(self) -> bytes:
        return bytes(self._bits)

    def __or__(self, other: "Bits") -> "Bits":
        """Return what is marked here or there; both of as many numbers."""
        both = int.from_bytes(self._bits) | int.from_bytes(other._bits)
        return Bits(0, both.to_bytes(len(self._bits)))

    def count(self, first: int, end: int) -> int:
        """Return how many of the numbers from `first` up to `end` are marked."""
        marked = int.from_bytes(self._bits[first >> 3 : (end + 7) >> 3], "little") >> (first & 7)
        return (marked & ((1 << (end - first)) - 1)).bit_count()

    def mark(self, numbers: "Iterable[int]") -> None:
        """Mark numbers that repeat an earlier one."""
        bits = self._bits
        for number in numbers:
            bits[number >> 3] |= 1 << (number & 7)

    def positions(self, first: int, count: int) -> list[int]:
        """Return which of `count` numbers from `first` on are marked, counted from `first`."""
        start = first >> 3
        marked = self._bits[start : (first + count + 7) >> 3]
        if not marked.strip(b"\0"):
            return []
        word = int.from_bytes(marked, "little") >> (first & 7)
        flags = f"{word & ((1 << count) - 1):b}".encode().translate(_FLAGS)
        return list(compress(range(count), reversed(flags)))


_FLAGS = bytes.maketrans(b"01", b"\0\1")


class Repeats:
    """What a first pass marked of a list, asked again: the IDs come as they did then.

    Marked are repetitions, or what one protect list matches. `before`: how many came before the
    first that is asked for here.
    """

    def __init__(self, bits: dict[Kind, Bits], before: "Mapping[Kind, int] | None" = None) -> None:
        self._bits = bits
        self._next = dict.fromkeys(Kind, 0) | dict(before or {})

    def expect(self, count: int, kind: Kind) -> None:
        """Nothing to prepare: all is known."""

    def repeated(self, ids: "Sequence[str]", kind: Kind, data: bytes) -> list[int]:
        """Return the positions of those seen before, here or earlier."""
        del data  # it was looked at in the first pass
        first = self._next[kind]
        self._next[kind] = first + len(ids)
        return self._bits[kind].positions(first, len(ids)) if ids else []

    def matches(self, ids: "Sequence[str]", kind: Kind) -> "Iterator[int]":
        """Yield the positions of those that are protected."""
        yield from self.repeated(ids, kind, b"")
