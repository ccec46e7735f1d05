"""Which IDs of a batch are looked at: those that were selected and can be sent, kind by kind."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.core.identities import faults, joined
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.shapes import Shape, proven

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bulkdelete.core.selection import Selector

    Fault = Callable[[Kind, str], str | None]


@dataclass(frozen=True, slots=True)
class OfKind:
    """The good IDs of one kind: joined, too, and with their positions (None: the whole batch)."""

    kind: Kind
    ids: "Sequence[str]"
    data: bytes
    positions: "Sequence[int] | None"

    def position(self, place: int) -> int:
        """Return where in the batch the ID at a place of `ids` stands."""
        return place if self.positions is None else self.positions[place]

    def lines(self, batch: Batch) -> "Sequence[int]":
        """Return the line of each."""
        if self.positions is None:
            return batch.lines
        return [batch.lines[one] for one in self.positions]


@dataclass(frozen=True, slots=True)
class Sifted:
    """A batch, what of it is left out (position -> reason), and the one shape that all IDs have."""

    batch: Batch
    data: bytes
    out: "Mapping[int, str]"
    shape: Shape | None

    @property
    def even(self) -> bytes | None:
        """All IDs, joined, where each is as long as the others; None where that is not known."""
        return self.data if self.shape in (Shape.UUID, Shape.HEX) else None

    def kinds(self) -> "Iterator[OfKind]":
        """Yield what is not left out, kind by kind."""
        batch = self.batch
        if isinstance(batch.kinds, Kind) and not self.out:
            yield OfKind(batch.kinds, batch.ids, self.data, None)
            return
        for kind, positions in _by_kind(batch.kinds, range(len(batch.ids)), self.out):
            if positions:
                ids = [batch.ids[one] for one in positions]
                yield OfKind(kind, ids, joined(ids), positions)


def _by_kind(
    kinds: "Kind | Sequence[Kind]", positions: range, out: "Mapping[int, str]"
) -> "Iterator[tuple[Kind, list[int]]]":
    if isinstance(kinds, Kind):
        yield kinds, [one for one in positions if one not in out]
        return
    for kind in Kind:
        yield kind, [one for one in positions if kinds[one] is kind and one not in out]


def sift(batch: Batch, selector: "Selector | None", fault: "Fault | None" = None) -> Sifted:
    """Select, and check what could be read; `fault` is what the target says of an ID besides."""
    excluded = selector.excluded(batch) if selector is not None else {}
    data = joined(batch.ids)
    shape = None if excluded else proven(batch.ids, data)
    out = {} if shape else faults(batch.ids, data)
    if fault is not None:
        out = faults_of(batch, fault) | out
    return Sifted(batch, data, out | dict(batch.faults) | excluded, shape)


def faults_of(batch: Batch, fault: "Fault") -> dict[int, str]:
    """Return the IDs that cannot be of their kind: position -> reason."""
    said = (fault(batch.kind(at), one) for at, one in enumerate(batch.ids))
    return {at: reason for at, reason in enumerate(said) if reason is not None}
