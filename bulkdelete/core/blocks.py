"""The common ground of the push parsers: bytes go in, cut anywhere; batches of records come out.

The rule of all of them: any cut of the bytes into blocks gives the same records, and a parser
opened at the place of any batch gives the same rest. So nothing is decided on bytes whose
neighbours have not come yet: what follows the last safe line end is carried to the next block.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bulkdelete.core.model import Batch
from bulkdelete.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.layout import Layout
    from bulkdelete.core.model import Kind

MAX_RECORD = 64 * 1024
"""The longest record in bytes, without its line end: what is longer is not a list of IDs."""

UNDECODED = re.compile("[\udc80-\udcff]")
"""What `decode` leaves where a byte is not valid in the part's encoding."""


class Parsed(NamedTuple):
    """What was read of a block: how many bytes and lines are done with, and the records."""

    batch: Batch | None
    used: int
    lines: int


@dataclass(slots=True)
class Found:
    """IDs being collected into the columns of a `Batch`."""

    ids: list[str] = field(default_factory=list)
    kinds: "list[Kind]" = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    cells: "list[Sequence[str]]" = field(default_factory=list)
    told: dict[int, str] = field(default_factory=dict)

    def add(self, one: str, kind: "Kind", line: int, cells: "Sequence[str]") -> None:
        """Add one ID."""
        self.ids.append(one)
        self.kinds.append(kind)
        self.lines.append(line)
        self.cells.append(cells)

    def add_fault(
        self, reason: str, kind: "Kind", line: int, cells: "Sequence[str]", told: str = ""
    ) -> None:
        """Add the place where an ID should have been; `told` is what was there instead."""
        self.faults[len(self.ids)] = reason
        if told:
            self.told[len(self.ids)] = told
        self.add("", kind, line, cells)


class BlockParser(ABC):
    """Cuts blocks at safe line ends and carries the rest; a format says how to parse a block.

    InputError `record_too_long` as soon as a record is known to pass `MAX_RECORD`: memory stays
    at a block plus one record whatever comes in.
    """

    def __init__(self, layout: "Layout", offset: int, line: int, *, keep_cells: bool) -> None:
        self._layout = layout
        self._keep_cells = keep_cells
        self._offset = offset
        self._line = line
        self._carry = b""

    @property
    def place(self) -> tuple[int, int]:
        """Bytes into the decompressed stream, and line, of the next record not yet returned."""
        return self._offset, self._line

    def feed(self, block: bytes) -> Batch | None:
        """Take the next bytes; return the records that are whole now, None when there is none."""
        data = self._carry + block
        return self._advance(data, self._cut(data), final=False)

    def close(self) -> Batch | None:
        """Take the end of the stream; return the records that are left, None when there is none."""
        data = self._carry
        return self._advance(data, len(data), final=True)

    @abstractmethod
    def _cut(self, data: bytes) -> int:
        """Return the end of the last line that is surely whole."""

    @abstractmethod
    def _parse(self, data: bytes, *, final: bool) -> Parsed:
        """Parse whole lines (and when `final`, the last one as it is)."""

    def _head(self, data: bytes, *, final: bool) -> tuple[int, int]:  # noqa: ARG002 - a hook
        """Return the bytes and lines at the front of whole lines that come before any record."""
        return 0, 0

    def _advance(self, data: bytes, cut: int, *, final: bool) -> Batch | None:
        start = self._after_bom(data)
        batch = None
        if cut > start:
            start += self._move(*self._head(data[start:cut], final=final))
        if cut > start:
            batch, used, lines = self._parse(data[start:cut], final=final)
            start += self._move(used, lines)
        self._carry = data[start:]
        if self._carry_too_long(self._carry):
            raise too_long(self._line)
        return batch

    def _carry_too_long(self, carry: bytes) -> bool:
        return content_length(carry) > MAX_RECORD

    def _move(self, used: int, lines: int) -> int:
        self._offset += used
        self._line += lines
        return used

    def _after_bom(self, data: bytes) -> int:
        if self._offset >= self._layout.bom or len(data) < self._layout.bom:
            return 0
        self._offset = self._layout.bom
        return self._layout.bom

    def _decode(self, data: bytes) -> tuple[str, bool]:
        """Return the text, and whether all of it was valid in the part's encoding."""
        try:
            return data.decode(self._layout.encoding), True
        except UnicodeDecodeError:
            return data.decode(self._layout.encoding, "surrogateescape"), False

    def _batch(self, found: Found) -> Batch | None:
        return self._batch_at(found, *self.place)

    def _batch_at(self, found: Found, offset: int, line: int) -> Batch | None:
        if not found.ids:
            return None
        kinds = found.kinds if self._layout.kind is None else self._layout.kind
        cells = found.cells if self._keep_cells else None
        return Batch(found.ids, kinds, found.lines, offset, line, found.faults, cells, found.told)


def last_line_end(data: bytes) -> int:
    """Return the end of the last line ended by LF, CRLF or CR; a last CR may yet become CRLF."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(len(data) - 1, 0))) + 1


def content_length(record: bytes) -> int:
    """Return how long a record is without its line end."""
    if record.endswith(b"\r\n"):
        return len(record) - 2
    return len(record) - record.endswith((b"\r", b"\n"))


def all_short(data: bytes) -> bool:
    """Tell cheaply that no line is longer than `MAX_RECORD`; False when it is not sure.

    A line that long would cover one of these windows without a line feed in it.
    """
    window = MAX_RECORD // 2
    return all(
        data.find(b"\n", start, start + window) >= 0
        for start in range(0, len(data) - window, window)
    )


def too_long(line: int) -> InputError:
    """Make the error for a record that starts on `line`."""
    return InputError(
        "record_too_long",
        f"the record that starts here is longer than {MAX_RECORD // 1024} KiB",
        "look for a quote that is never closed, or for a file that is not a list of IDs",
        where=f"line {line}",
    )
