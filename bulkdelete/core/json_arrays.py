"""Records of a JSON array, one after the other: the array is never held as a whole.

Elements are cut out by a pattern that knows strings and brackets, or many at once where a decoder
finds nothing wrong, and read as lines of JSONL are: what is wrong inside of one is a fault of that
one.
"""

from enum import Enum
from typing import TYPE_CHECKING

from bulkdelete.core.blocks import MAX_RECORD, Found, Parsed, too_long
from bulkdelete.core.json_elements import (
    CLOSING,
    DEPTH,
    ELEMENT,
    OPENING,
    RECORDS,
    after_space,
    cut_at_once,
)
from bulkdelete.core.json_records import JsonParser, one_a_line
from bulkdelete.core.model import Batch
from bulkdelete.errors import InputError

if TYPE_CHECKING:
    import re

    from bulkdelete.core.layout import Layout


class _Where(Enum):
    """What comes next."""

    OPENING = "a JSON array, or the end of the file"
    FIRST = "an element, or ]"
    NEXT = "an element"
    CLOSING = f"another member of the answer (not {RECORDS!r} again), or }}"


_SIGNS = frozenset("{}[],:;/#'()+-*<>")
_NO_VALUE = frozenset("}],:;/#'()<>")


class ArrayParser(JsonParser):
    """Parses JSON arrays of records."""

    def __init__(self, layout: "Layout", offset: int, line: int, *, keep_cells: bool) -> None:
        super().__init__(layout, offset, line, keep_cells=keep_cells)
        # A batch starts at an element, and the file with an opening.
        self._next = _Where.NEXT if offset > layout.bom else _Where.OPENING
        # Characters before the next one on its line; None: that line was not seen from its start.
        self._column = None if offset > layout.bom else 0

    def _cut(self, data: bytes) -> int:
        return len(data)

    def close(self) -> Batch | None:
        """Say that there is no more; InputError `broken_json` when there should be.

        An element is whole when something comes behind it: so none is left.
        """
        if self._carry or self._next is not _Where.OPENING:
            column = "" if self._column is None else f", column {self._column + 1}"
            raise InputError(
                "broken_json",
                f"the JSON array {self._broken()}",
                f"get the file again; elements may be nested {DEPTH} deep, with commas between",
                where=f"line {self._line}{column}",
            )
        return None

    def _broken(self) -> str:
        """Say what is wrong with the text that is left, without what may be an ID."""
        begins = self._carry[:1].decode("latin-1")
        if not begins:
            return f"ends here, where {self._next.value} should come"
        if begins in _NO_VALUE or self._next in {_Where.OPENING, _Where.CLOSING}:
            shown = repr(begins) if begins in _SIGNS else "something"
            return f"goes on here with {shown}, where {self._next.value} should come"
        return "has an element here that never ends, is too deep, or has no comma or ] after it"

    def _parse(self, data: bytes, *, final: bool) -> Parsed:  # noqa: ARG002 - never asked for
        elements: list[bytes] = []
        starts: list[int] = []
        lines: list[int] = []
        at = used = after_space(data, 0)
        while at < len(data):
            among = self._next in {_Where.FIRST, _Where.NEXT}
            if among and not elements and (cut := cut_at_once(data, at, MAX_RECORD)):
                before = self._line + data.count(b"\n", 0, at)
                elements, starts, at = cut.elements, cut.starts, cut.end
                lines = [before + one for one in cut.lines]
                self._next = _Where.NEXT
            elif among and (match := ELEMENT.match(data, at)):
                self._check(match, data, at)
                elements.append(match[1])
                starts.append(at)
                self._next = _Where.NEXT if match[2] == b"," else self._after_array()
                at = match.end()
            elif (end := self._frame(data, at)) is not None:
                at = end
            else:
                break
            at = used = after_space(data, at)
        self._step(data, used)
        return self._parsed(data, elements, starts, lines, used)

    def _step(self, data: bytes, used: int) -> None:
        """Keep count of the columns."""
        start = data.rfind(b"\n", 0, used) + 1
        before = 0 if start else self._column
        if before is not None:
            line = data[start:used]
            before += used - start if line.isascii() else len(line.decode("utf-8", "replace"))
        self._column = before

    def _after_array(self) -> _Where:
        return _Where.CLOSING if self._layout.envelope else _Where.OPENING

    def _frame(self, data: bytes, at: int) -> int | None:
        """Step over what stands around elements; None when it is not whole, or not there."""
        match self._next:
            case _Where.OPENING:
                found = OPENING.match(data, at)
                to = _Where.FIRST
            case _Where.FIRST if data.startswith(b"]", at):
                self._next = self._after_array()
                return at + 1
            case _Where.CLOSING:
                found = CLOSING.match(data, at)
                to = _Where.OPENING
            case _:
                return None
        if found is None:
            return None
        self._next = to
        return found.end()

    def _check(self, match: "re.Match[bytes]", data: bytes, at: int) -> None:
        if match.end(1) - at > MAX_RECORD or match.end() - at > 2 * MAX_RECORD:
            raise too_long(self._line + data.count(b"\n", 0, at))

    def _lines(self, data: bytes, starts: list[int], known: list[int]) -> list[int]:
        """Return the line of each start; of the first ones they are known."""
        if not known:
            known = [self._line + data.count(b"\n", 0, starts[0])]
        line, before = known[-1], starts[len(known) - 1]
        for start in starts[len(known) :]:
            line += data.count(b"\n", before, start)
            before = start
            known.append(line)
        return known

    def _parsed(
        self, data: bytes, elements: list[bytes], starts: list[int], lines: list[int], used: int
    ) -> Parsed:
        passed = data.count(b"\n", 0, used)
        if not elements:
            return Parsed(None, used, passed)
        places = self._lines(data, starts, lines)
        if self._layout.encoding != "utf-8":
            elements = [one.decode(self._layout.encoding).encode() for one in elements]
        offset = self._offset + starts[0]
        ids = None if self._keep_cells else self._ids_of(elements)
        if ids is not None:
            batch = Batch(ids, self._kind, places, offset, places[0])
            return Parsed(batch, used, passed)
        found = Found()
        for element, place in zip(elements, places, strict=True):
            self._take_line(found, element, place)
        return Parsed(self._batch_at(found, offset, places[0]), used, passed)

    def _ids_of(self, elements: list[bytes]) -> list[str] | None:
        data, count = b"\n".join(elements), len(elements)
        return self._plain_ids(data, count, None if one_a_line(data, count) else elements)

    def _carry_too_long(self, carry: bytes) -> bool:
        # After an element there may be space before what says that it is whole.
        return len(carry) > MAX_RECORD and (
            len(carry.rstrip(b" \t\r\n")) > MAX_RECORD or len(carry) > 2 * MAX_RECORD
        )
