"""What is to be sent of a list: the chunks it is cut into, their digest, and how many of what."""

import hashlib
from typing import TYPE_CHECKING

from bulkdelete.core import index as codes
from bulkdelete.core.chunks import Leaves
from bulkdelete.core.model import Kind
from bulkdelete.core.plan import Counts
from bulkdelete.reading import picked

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.core.chunks import Leaf
    from bulkdelete.core.model import Batch


class Tally:
    """Goes through a list once, batch by batch; `add` is told of each chunk."""

    def __init__(self, size: int, add: "Callable[[Leaf], None] | None" = None) -> None:
        self._leaves = Leaves(size)
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

    def close(self) -> None:
        """Close the chunks that are open: there is no more to come."""
        for leaf in self._leaves.close():
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
