"""Shards: which process sends which ID of one list, known to each without asking another.

The CRC-32 of an ID (that of zlib and gzip, over its UTF-8 bytes as it is sent) is a number below
2^32; cut into n equal ranges, range i is shard i of n. No key, no seed, no machine and no version
is in it. Ranges and not remainders: lists that were cut by the remainder of a CRC before are spread
as evenly as any other. The kind of ID is not in it: IDs are equal within a kind, so equal ones fall
into the same shard with or without it, and without it anybody can tell the shard from the ID.

What holds no ID to send (invalid, or not selected) is shard 0's. So each record is one shard's, and
for the others it is excluded, as `other_shard`.
"""

import re
from dataclasses import dataclass
from zlib import crc32

OTHER_SHARD = "other_shard"
"""The reason of a record that another shard owns."""

MOST_SHARDS = 1000
_NUMBERS = 1 << 32
_TEXT = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


def owner(identifier: str, count: int) -> int:
    """Return which of `count` shards an ID that can be sent falls to."""
    return crc32(identifier.encode("utf-8", "surrogatepass")) * count >> 32


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `index` of `count`, counted from 0."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_SHARDS:
            raise ValueError(f"1 to {MOST_SHARDS} shards are allowed")
        if not 0 <= self.index < self.count:
            raise ValueError("I/N is wanted, I counted from 0: 0/4, 1/4, 2/4, 3/4 are all of 4")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `I/N`; ValueError otherwise."""
        if not (found := _TEXT.fullmatch(text)):
            raise ValueError("I/N is wanted, such as 0/4 for the first of four")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def slug(self) -> str:
        """How the name of a run directory ends."""
        return f"shard-{self.index}-of-{self.count}"

    def others(self, data: bytes) -> bytes:
        """Return 1 for each ID that is another shard's, else 0; `data` are IDs, one a line."""
        low, high = (-(-_NUMBERS * one // self.count) for one in (self.index, self.index + 1))
        if not data:
            return b""  # an ID that can be sent is not empty: there is none
        return bytes([not low <= number < high for number in map(crc32, data.split(b"\n"))])
