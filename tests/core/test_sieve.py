"""Which IDs of a batch are looked at, kind by kind."""

import pytest

from bulkdelete.core.identities import joined
from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.selection import LIMIT, Selection, Selector
from bulkdelete.core.shapes import Shape
from bulkdelete.core.sieve import OfKind, sift

IDENT, GUID = Kind.IDENTITY, Kind.GUID
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def batch(ids: list[str], kinds: "Kind | list[Kind]" = IDENT, **more: object) -> Batch:
    """Return a batch whose records stand on the lines from 11 on."""
    lines = range(11, 11 + len(ids))
    return Batch(ids=ids, kinds=kinds, lines=lines, offset=0, line=11, **more)  # type: ignore[arg-type]


def test_a_batch_without_a_fault_is_taken_whole() -> None:
    """Nothing is copied; its one shape is known."""
    some = batch([UUID, UUID])
    sifted = sift(some, None)
    (one,) = sifted.kinds()
    assert (sifted.out, sifted.shape) == ({}, Shape.UUID)
    assert one == OfKind(IDENT, some.ids, joined(some.ids), None)
    assert sifted.even == joined(some.ids)
    assert one.ids is some.ids
    assert one.lines(some) is some.lines
    assert one.position(1) == 1


@pytest.mark.parametrize("kinds", [IDENT, [IDENT] * 4])
def test_what_is_left_out_is_not_looked_at(kinds: "Kind | list[Kind]") -> None:
    """What could not be read, and what cannot be sent; the places of the others are known."""
    some = batch(["a", "", "null", "b"], kinds, faults={1: "bad_json"})
    sifted = sift(some, None)
    assert sifted.out == {1: "bad_json", 2: "forbidden_value"}
    assert (sifted.shape, sifted.even) == (None, None)
    (one,) = sifted.kinds()
    assert (one.kind, one.ids, one.data, one.positions) == (IDENT, ["a", "b"], b"a\nb", [0, 3])
    assert [one.position(place) for place in range(2)] == [0, 3]
    assert one.lines(some) == [11, 14]


def test_kinds_are_apart() -> None:
    """Identities first; a kind that is not there is not mentioned."""
    first, second = sift(batch(["a", "b", "c"], [GUID, IDENT, GUID]), None).kinds()
    assert (first.kind, first.ids, first.positions) == (IDENT, ["b"], [1])
    assert (second.kind, second.ids, second.positions) == (GUID, ["a", "c"], [0, 2])
    assert list(sift(batch([""]), None).kinds()) == []


def test_what_is_not_selected_counts_as_that() -> None:
    """Whatever else may be said of it; nothing is taken for granted of its shape."""
    selector = Selector(Selection(limit=1))
    selector.begin(Layout(Format.LINES, width=1, kind=IDENT), "list")
    sifted = sift(batch([UUID, "null"]), selector)
    assert sifted.out == {1: LIMIT}
    assert sifted.shape is None
