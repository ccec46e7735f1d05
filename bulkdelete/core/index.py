"""The layout of plan.index: what became of each record, each chunk's digest, places to seek by.

```
magic     8   b"BDINDEX1"
counts   32   u64 records, u64 reasons, u64 chunks, u64 marks      (little endian, as all numbers)
codes         two bits a record, four in a byte, the first in the lowest bits:
              0 planned, 1 duplicate, 2 protected, 3 invalid or excluded
reasons       one byte for each record of code 3, in order: its place in plan.json's `reasons`
chunks   18 each: keyed digest (16), kind (0 identity, 1 guid), number of IDs
marks    52 each: record, offset, line, identities before, guids before, reasons before (u64 each),
              part (u32): a record boundary where reading may start
```

A record's number counts through all parts. No ID is in it.
"""

import functools
import operator
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkdelete.core.digests import DIGEST_BYTES
from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAGIC = b"BDINDEX1"
COUNTS = struct.Struct("<8sQQQQ")
CHUNK = struct.Struct(f"<{DIGEST_BYTES}sBB")
MARK = struct.Struct("<QQQQQQI")
PLANNED, DUPLICATE, PROTECTED, OUT = range(4)
_KINDS = tuple(Kind)
_NUMBER = {kind: number for number, kind in enumerate(_KINDS)}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to start reading: before record `record`, at `offset`/`line` of part `part`.

    `before` planned IDs of each kind, and `reasons` entries of the reasons table, lie ahead of it.
    """

    part: int
    record: int
    offset: int
    line: int
    identities: int
    guids: int
    reasons: int

    @property
    def before(self) -> "Mapping[Kind, int]":
        """How many planned IDs of each kind come before this place."""
        return {Kind.IDENTITY: self.identities, Kind.GUID: self.guids}

    def pack(self) -> bytes:
        """Return its 52 bytes."""
        return MARK.pack(
            self.record,
            self.offset,
            self.line,
            self.identities,
            self.guids,
            self.reasons,
            self.part,
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Mark":
        """Read one from its 52 bytes."""
        record, offset, line, identities, guids, reasons, part = MARK.unpack(data)
        return cls(part, record, offset, line, identities, guids, reasons)


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """What the index holds of a chunk."""

    digest: bytes
    kind: Kind
    count: int

    @classmethod
    def unpack(cls, data: bytes) -> "ChunkEntry":
        """Read one from its 18 bytes; ValueError on a kind that does not exist."""
        digest, number, count = CHUNK.unpack(data)
        if number >= len(_KINDS):
            raise ValueError(f"plan.index names a kind {number} that does not exist")
        return cls(digest, _KINDS[number], count)


def row(count: int, others: "Mapping[int, int]") -> bytearray:
    """Return the codes of `count` records, a byte each, all planned but for `others`."""
    codes = bytearray(count)
    for position, code in others.items():
        codes[position] = code
    return codes


def planned(codes: bytes | bytearray) -> bytes | bytearray:
    """Return 1 for each record that is planned, and 0 for the others."""
    return codes.translate(_IS_PLANNED)


def left_out(codes: bytes | bytearray, where: bytes) -> bytearray:
    """Return the codes, but `OUT` where `where` is 1."""
    # All bits of a code are set in OUT: put over another it replaces it.
    both = int.from_bytes(codes) | int.from_bytes(where) * OUT
    return bytearray(both.to_bytes(len(codes)))


_IS_PLANNED = bytes([1, *bytes(255)])


def _packed(codes: bytes) -> bytes:
    """Pack codes, a byte each, into four a byte; as numbers of many digits, all of them at once."""
    quarters = (int.from_bytes(codes[at::4]) << 2 * at for at in range(4))
    return functools.reduce(operator.or_, quarters).to_bytes(len(codes) // 4)


class IndexBuilder:
    """Collects the index while the input is read once; about 0.25 byte a record in memory."""

    def __init__(self) -> None:
        self.records = 0
        self._codes = bytearray()
        self.reasons = bytearray()
        self._chunks = bytearray()
        self._marks = bytearray()

    def add(self, row: bytes | bytearray) -> None:
        """Add records, by their codes."""
        begun, self.records = self.records & 3, self.records + len(row)
        padded = bytes(begun) + row + bytes(-self.records & 3)
        packed = _packed(padded)
        if begun:
            self._codes[-1] |= packed[0]
        self._codes += packed[1 if begun else 0 :]

    def add_reasons(self, numbers: "Iterable[int]") -> None:
        """Add the reasons of the next records of code `OUT`."""
        self.reasons.extend(numbers)

    def add_chunk(self, kind: Kind, count: int, digest: bytes) -> None:
        """Add the next chunk: its kind, how many IDs it has, and its keyed digest."""
        self._chunks += CHUNK.pack(digest, _NUMBER[kind], count)

    def add_mark(self, mark: Mark) -> None:
        """Add a place to seek by."""
        self._marks += mark.pack()

    def piece(self) -> "Piece":
        """Return what was collected of a stretch of the list, but for its chunks."""
        return Piece(self.records, *map(bytes, (self._codes, self.reasons, self._marks)))

    def join(self, piece: "Piece", before: "Mapping[Kind, int]", numbers: bytes) -> None:
        """Take what was collected of the next stretch, and counted from its beginning.

        `before` planned IDs of each kind came before it; `numbers` translates its reasons.
        """
        for place in range(0, len(piece.marks), MARK.size):
            mark = Mark.unpack(piece.marks[place : place + MARK.size])
            self.add_mark(
                replace(
                    mark,
                    record=mark.record + self.records,
                    identities=mark.identities + before[Kind.IDENTITY],
                    guids=mark.guids + before[Kind.GUID],
                    reasons=mark.reasons + len(self.reasons),
                )
            )
        self.reasons += piece.reasons.translate(numbers)
        begun, self.records = self.records & 3, self.records + piece.records
        packed = piece.codes
        if begun and packed:
            word = int.from_bytes(packed, "little") << 2 * begun
            packed = word.to_bytes((begun + piece.records + 3) // 4, "little")
            self._codes[-1] |= packed[0]
            packed = packed[1:]
        self._codes += packed

    def sections(self) -> tuple[bytes, ...]:
        """Return the file's content, in order."""
        head = COUNTS.pack(
            MAGIC,
            self.records,
            len(self.reasons),
            len(self._chunks) // CHUNK.size,
            len(self._marks) // MARK.size,
        )
        parts = (self._codes, self.reasons, self._chunks, self._marks)
        return head, *map(bytes, parts)


@dataclass(frozen=True, slots=True)
class Piece:
    """The index of a stretch of a list: its codes, packed; its reasons and marks, from 0 on."""

    records: int
    codes: bytes
    reasons: bytes
    marks: bytes


@dataclass(frozen=True, slots=True)
class IndexShape:
    """Where the sections of an index lie, in bytes from the start of the file."""

    records: int
    reasons: int
    chunks: int
    marks: int

    @classmethod
    def unpack(cls, head: bytes) -> "IndexShape":
        """Read the first 40 bytes; ValueError when this is not an index of this version."""
        if len(head) != COUNTS.size or not head.startswith(MAGIC):
            raise ValueError("not a plan.index of this version")
        _, records, reasons, chunks, marks = COUNTS.unpack(head)
        return cls(records, reasons, chunks, marks)

    @property
    def codes_at(self) -> int:
        """Start of the two-bit codes."""
        return COUNTS.size

    @property
    def reasons_at(self) -> int:
        """Start of the reasons."""
        return self.codes_at + (self.records + 3) // 4

    @property
    def chunks_at(self) -> int:
        """Start of the chunks."""
        return self.reasons_at + self.reasons

    @property
    def marks_at(self) -> int:
        """Start of the marks."""
        return self.chunks_at + self.chunks * CHUNK.size

    @property
    def size(self) -> int:
        """The whole file's."""
        return self.marks_at + self.marks * MARK.size


def unpacked(codes: bytes, first: int, count: int) -> bytes:
    """Return the codes of `count` records from `first` on, a byte each.

    `codes` are the bytes that hold them, beginning with the byte of record `first`.
    """
    found = bytearray(4 * len(codes))
    for at, quarter in enumerate(_QUARTERS):
        found[at::4] = codes.translate(quarter)
    shift = first & 3
    return bytes(found[shift : shift + count])


_QUARTERS = tuple(bytes(byte >> shift & 3 for byte in range(256)) for shift in (0, 2, 4, 6))
