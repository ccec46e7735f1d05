"""IDs -> chunks of one kind, in input order.

One chunk is open per kind; a chunk gets its number when it is full; what remains at the end
follows, identities before GUIDs. So the same IDs always give the same chunks, and nothing but the
end of the input ever flushes a short one.
"""

from typing import TYPE_CHECKING, NamedTuple

from bulkdelete.core.digests import begun
from bulkdelete.core.model import Chunk, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Chunker:
    """Cut IDs into chunks of `size`.

    `before` says how many planned IDs of each kind came before the first one fed (a resumed
    reading starts in the middle): numbering goes on from there, and a chunk whose beginning was
    not fed is *hollow*: it is counted, not yielded.
    """

    def __init__(self, size: int, before: "Mapping[Kind, int] | None" = None) -> None:
        before = before or {}
        self._size = size
        self._open: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        self._missing = {kind: before.get(kind, 0) % size for kind in Kind}
        self.next_seq = sum(before.get(kind, 0) // size for kind in Kind)

    def feed(self, ids: "Sequence[str]", kind: Kind) -> "Iterator[Chunk]":
        """Take more IDs of one kind; yield each chunk that is now full."""
        queue = self._open[kind]
        queue.extend(ids)
        start = 0
        missing = self._missing[kind]
        if missing and len(queue) >= self._size - missing:
            # The beginning of this chunk was not fed: it has a number, and is not yielded.
            start, self._missing[kind] = self._size - missing, 0
            self.next_seq += 1
        if not self._missing[kind]:
            while len(queue) - start >= self._size:
                seq, self.next_seq = self.next_seq, self.next_seq + 1
                yield Chunk(seq, kind, tuple(queue[start : start + self._size]))
                start += self._size
        del queue[:start]

    def close(self) -> "Iterator[Chunk]":
        """Yield what remains, identities before GUIDs."""
        for kind in Kind:
            rest, self._open[kind] = tuple(self._open[kind]), []
            hollow, self._missing[kind] = self._missing[kind], 0
            if rest or hollow:
                seq, self.next_seq = self.next_seq, self.next_seq + 1
                if not hollow:
                    yield Chunk(seq, kind, rest)


class Leaf(NamedTuple):
    """What a plan holds of a chunk: its kind, how many IDs it has, and their digest."""

    kind: Kind
    size: int
    digest: bytes


class Leaves:
    """The leaves of the chunks that `Chunker` cuts, without the chunks themselves.

    To plan takes no more than these: so IDs are hashed as they come, in runs. Who begins in the
    middle of a list says how many planned IDs of each kind came `before`: of a chunk that is full
    here and began there, the leaf is empty, and of size 0.
    """

    def __init__(self, size: int, before: "Mapping[Kind, int] | None" = None) -> None:
        self._size = size
        self._open = {kind: begun(kind) for kind in Kind}
        self._counts = {kind: (before or {}).get(kind, 0) % size for kind in Kind}
        self._hollow = {kind for kind in Kind if self._counts[kind]}

    def feed(self, ids: "Sequence[str]", kind: Kind, data: bytes | None = None) -> "Iterator[Leaf]":
        """Take more IDs of one kind; yield the leaf of each chunk that is now full.

        `data` are they, joined by line feeds, in UTF-8, if each is surely as long as the others.
        """
        width = (len(data) + 1) // len(ids) if data is not None and ids else 0
        start = 0
        while start < len(ids):
            end = min(start + self._size - self._counts[kind], len(ids))
            if data is None:
                text = "\n".join(ids[start:end]).encode()
            else:
                text = data[start * width : end * width - 1]
            self._open[kind].update(b"\n" + text)
            self._counts[kind] += end - start
            start = end
            if self._counts[kind] == self._size:
                yield self._close(kind)

    def lacking(self) -> dict[Kind, int]:
        """Return how many IDs more would fill each chunk that began here and is open."""
        return {
            kind: self._size - count
            for kind, count in self._counts.items()
            if count and kind not in self._hollow
        }

    def close(self) -> "Iterator[Leaf]":
        """Yield what remains of those that began here, identities before GUIDs."""
        for kind in self.lacking():
            yield self._close(kind)

    def _close(self, kind: Kind) -> Leaf:
        leaf = Leaf(kind, self._counts[kind], self._open[kind].digest())
        if kind in self._hollow:
            self._hollow.remove(kind)
            leaf = Leaf(kind, 0, b"")
        self._open[kind], self._counts[kind] = begun(kind), 0
        return leaf
