"""The beginning of a log that was read or written once, so that it is known again at a glance.

Checksums over blocks of it are had at the speed of memory, a hundred times faster than its lines
are read: the same bytes say the same.
"""

from typing import TYPE_CHECKING, NamedTuple

import google_crc32c
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Read = Callable[[int, int], bytes]
    """Returns so many bytes of a log, from an offset on."""

BLOCK = 1 << 20
"""Bytes after which the next group begins a new block."""


class Block(NamedTuple):
    """So many bytes from an offset on, and their CRC-32C."""

    at: int
    size: int
    crc: int


class Sums(NamedTuple):
    """The checksums of the first `size` bytes: of whole blocks, and of the one begun at `at`."""

    whole: tuple[Block, ...] = ()
    at: int = 0
    size: int = 0
    crc: int = 0

    def grown(self, size: int, crc: int) -> "Sums":
        """Go on to `size` bytes; `crc` is that of the block that is begun, with them."""
        if size - self.at < BLOCK:
            return Sums(self.whole, self.at, size, crc)
        return Sums((*self.whole, Block(self.at, size - self.at, crc)), size, size)

    def blocks(self) -> tuple[Block, ...]:
        """Return all blocks, the one that is begun as if it were whole."""
        begun = self.size - self.at
        return (*self.whole, Block(self.at, begun, self.crc)) if begun else self.whole


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a commit group: `size` bytes are before it, the last `tail` of them that group's.

    `seq` and `group` are the next numbers, `head` is the chain's. `blocks` cover all before it.
    """

    size: int
    tail: int
    seq: int
    group: int
    head: str
    blocks: tuple[Block, ...]

    def sums(self) -> Sums:
        """Return the checksums, to go on with."""
        return Sums(self.blocks, self.size, self.size)


def unaltered(blocks: "Iterable[Block]", read: "Read") -> bool:
    """Tell whether a log still has these bytes."""
    return all(google_crc32c.value(read(one.size, one.at)) == one.crc for one in blocks)
