"""What is to be sent of a list: the chunks it is cut into, their digest, and how many of what."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.core import index as codes
from bulkdelete.core.chunks import Leaves
from bulkdelete.core.model import Kind
from bulkdelete.core.plan import Counts
from bulkdelete.core.stretches import Cuts, Cutter, Seams
from bulkdelete.reading import picked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bulkdelete.core.chunks import Leaf
    from bulkdelete.core.model import Batch


@dataclass(frozen=True, slots=True)
class Counted:
    """What a tally of a stretch of a list came to."""

    read: int
    out: dict[int, int]
    planned: dict[Kind, int]
    cuts: Cuts


class Tally:
    """Goes through a list once, batch by batch; `add` is told of each chunk."""

    def __init__(
        self,
        size: int,
        add: "Callable[[Leaf], None] | None" = None,
        before: "Mapping[Kind, int] | None" = None,
    ) -> None:
        self._leaves = Leaves(size, before)
        self._seams = Seams()
        self._chunks = 0
        self._content = hashlib.sha256()
        self._add = add
        self._out = {codes.DUPLICATE: 0, codes.PROTECTED: 0, codes.OUT: 0}
        self._read = 0
        self.planned = dict.fromkeys(Kind, 0)

    @property
    def content(self) -> str:
        """The digest of all chunks so far, in hex."""
        return self._content.hexdigest()

    @property
    def out(self) -> int:
        """How many are invalid or excluded."""
        return self._out[codes.OUT]

    def take(self, batch: "Batch", row: bytes | bytearray, even: bytes | None = None) -> None:
        """Take the next batch; `row` are the codes of its records.

        `even` are its IDs, joined by line feeds, if each is surely as long as the others.
        """
        self._read += len(row)
        for code in self._out:
            self._out[code] += row.count(code)
        data = even if row.count(codes.PLANNED) == len(row) else None
        for kind, ids in picked(batch, codes.planned(row)):
            self.planned[kind] += len(ids)
            whole = data if len(ids) == len(row) else None
            for leaf in self._leaves.feed(ids, kind, whole):
                self._close(leaf)

    def join(self, counted: Counted) -> None:
        """Take what the next stretch came to, as if it had been gone through here."""
        self._read += counted.read
        for code in self._out:
            self._out[code] += counted.out[code]
        for kind in Kind:
            self.planned[kind] += counted.planned[kind]
        for leaf in self._seams.join(counted.cuts):
            self._close(leaf)

    def close(self) -> None:
        """Close the chunks that are open: there is no more to come."""
        for leaf in (*self._leaves.close(), *self._seams.close()):
            self._close(leaf)

    def _close(self, leaf: "Leaf") -> None:
        self._chunks += 1
        self._content.update(leaf.digest)
        if self._add is not None:
            self._add(leaf)

    def counts(self, excluded: int) -> Counts:
        """Return what was counted; `excluded` of what is out was not selected, and not invalid."""
        return Counts(
            read=self._read,
            planned=sum(self.planned.values()),
            duplicate=self._out[codes.DUPLICATE],
            protected=self._out[codes.PROTECTED],
            invalid=self._out[codes.OUT] - excluded,
            excluded=excluded,
            identities=self.planned[Kind.IDENTITY],
            guids=self.planned[Kind.GUID],
            chunks=self._chunks,
        )


class StretchTally(Tally):
    """The tally of a stretch of a list, which `before` so many planned IDs of each kind precede."""

    def __init__(self, size: int, before: "Mapping[Kind, int]") -> None:
        self._cutter = Cutter()
        super().__init__(size, self._cutter.add, before)

    def end(self) -> None:
        """Say that the stretch is over: what is read on fills the chunks that are open."""
        self._cutter.end()

    def lacking(self) -> dict[Kind, int]:
        """Return how many IDs more would fill each chunk that is open."""
        return self._leaves.lacking()

    def read_on(self, batch: "Batch", row: bytes | bytearray) -> None:
        """Fill the chunks that are open with what comes after the stretch; it is not counted."""
        for kind, ids in picked(batch, codes.planned(row)):
            for leaf in self._leaves.feed(ids[: self.lacking().get(kind, 0)], kind):
                self._close(leaf)

    def counted(self) -> Counted:
        """Return what it came to; all is closed."""
        return Counted(self._read, dict(self._out), dict(self.planned), self._cutter.cuts())
