"""Records of CSV, and of plain lines: LF, CRLF or CR end a line, also mixed, and nothing else does.

Most files need no CSV parser: where a block holds no quote, its lines are the records. The csv
module is asked only where there are quotes; it is strict, and tells how many lines a record took.
"""

import io
import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from bulkdelete.core.blocks import (
    MAX_RECORD,
    UNDECODED,
    BlockParser,
    Found,
    Parsed,
    all_short,
    content_length,
    last_line_end,
    too_long,
)
from bulkdelete.core.csv_rows import TYPES, Rows, kinds_of, read_rows, slices, with_line_feeds
from bulkdelete.core.dialect import Dialect
from bulkdelete.core.identities import mask
from bulkdelete.core.lists import items
from bulkdelete.core.model import Batch, Kind
from bulkdelete.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.layout import Layout


_FIRST_LINE = re.compile(rb"([^\r\n]+)(?:\r\n|[\r\n])")


class _Table(NamedTuple):
    """Records to take IDs from, the line of each, and the faults already known."""

    rows: list[list[str]]
    lines: "Sequence[int]"
    faults: dict[int, str]


class CsvParser(BlockParser):
    """Parses CSV; with a layout that has no delimiter, plain lines."""

    def __init__(self, layout: "Layout", offset: int, line: int, *, keep_cells: bool) -> None:
        super().__init__(layout, offset, line, keep_cells=keep_cells)
        self._header_due = layout.has_header and offset == 0
        self._delimiter = layout.delimiter
        self._dialect = Dialect(layout.delimiter, layout.quote, layout.escape)
        self._kind = layout.kind or Kind.IDENTITY
        plain = not layout.is_list and not keep_cells
        self._bare = plain and layout.width == 1
        self._sliced = plain and layout.width > 1

    def _cut(self, data: bytes) -> int:
        return last_line_end(data)

    def _head(self, data: bytes, *, final: bool) -> tuple[int, int]:
        """Step over the header: the first record that is not blank."""
        if not self._header_due:
            return 0, 0
        if end := self._plain_header(data):
            self._header_due = False
            return end, 1
        rows, bounds = self._split(data, self._decode(data)[0], final=final)
        header = next((i for i, cells in enumerate(rows.cells) if cells), None)
        if header is None:
            return bounds[-1], len(rows.ends)
        self._header_due = False
        return bounds[header + 1], rows.ends[header]

    def _plain_header(self, data: bytes) -> int:
        """Return where the first line ends, when it surely is the header; else 0.

        Then nothing of the block behind it has to be made rows of, which takes megabytes.
        """
        found = _FIRST_LINE.match(data)
        if found is None or any(one.encode() in found[1] for one in self._dialect.special):
            return 0
        return found.end() if len(found[1]) <= MAX_RECORD else 0

    def _parse(self, data: bytes, *, final: bool) -> Parsed:
        if self._header_due:
            return Parsed(None, 0, 0)
        text, clean = self._decode(data)
        if self._delimiter and any(one in text for one in self._dialect.special):
            return self._parse_quoted(data, text, final=final, clean=clean)
        return self._parse_plain(data, text, clean=clean)

    def _parse_plain(self, data: bytes, text: str, *, clean: bool) -> Parsed:
        """Parse a block without quotes, where each line is a record."""
        if not all_short(data):
            raw = data.splitlines(keepends=True)
            self._check_lengths(data, [0, *accumulate(map(len, raw))], range(len(raw)))
        text = with_line_feeds(text)
        if clean and self._sliced and (batch := self._slice(text)):
            return Parsed(batch, len(data), len(batch.ids))
        lines = text.split("\n")[:-1]
        count = len(lines)
        places: Sequence[int] = range(self._line, self._line + count)
        if not all(lines):
            places = [place for place, line in zip(places, lines, strict=True) if line]
            lines = [line for line in lines if line]
        if self._bare and clean and not (self._delimiter and self._delimiter in text):
            batch = Batch(lines, self._kind, places, *self.place) if lines else None
            return Parsed(batch, len(data), count)
        rows = [line.split(self._delimiter) if self._delimiter else [line] for line in lines]
        return Parsed(self._take(_Table(rows, places, {}), clean=clean), len(data), count)

    def _slice(self, text: str) -> Batch | None:
        """Take the IDs of regular rows without making the rows; None when one is odd."""
        layout = self._layout
        wanted = [layout.column]
        if layout.type_column is not None:
            wanted.append(layout.type_column)
        columns = slices(text, self._delimiter, layout.width, wanted)
        if columns is None:
            return None
        ids, *types = columns
        kinds = kinds_of(types[0]) if types else self._kind
        places = range(self._line, self._line + len(ids))
        return Batch(ids, kinds, places, *self.place) if kinds else None

    def _parse_quoted(self, data: bytes, text: str, *, final: bool, clean: bool) -> Parsed:
        rows, bounds = self._split(data, text, final=final)
        count = rows.ends[-1] if rows.ends else 0
        cells, faults = rows.cells, dict.fromkeys(rows.bad, "bad_quotes")
        places: Sequence[int] = range(self._line, self._line + count)
        if len(cells) != count or not all(cells):
            starts = [0, *rows.ends]
            kept = [i for i, row in enumerate(cells) if row]
            places = [self._line + starts[i] for i in kept]
            faults = {to: faults[i] for to, i in enumerate(kept) if i in faults}
            cells = [cells[i] for i in kept]
        return Parsed(self._take(_Table(cells, places, faults), clean=clean), bounds[-1], count)

    def _split(self, data: bytes, text: str, *, final: bool) -> tuple[Rows, list[int]]:
        """Return the whole records at the front of a block, and the offsets that bound them.

        InputError when one is too long, or at the end when a quote is still open.
        """
        raw = data.splitlines(keepends=True)
        rows = read_rows(list(io.StringIO(text, newline="")), self._dialect)
        offsets = [0, *accumulate(map(len, raw))]
        bounds = [0, *(offsets[end] for end in rows.ends)]
        starts = [0, *rows.ends]
        if len(rows.ends) != len(raw) or not all_short(data):
            self._check_lengths(data, bounds, starts)
        if final and bounds[-1] < len(data):
            line = self._line + starts[-1]
            raise _never_closed(line) if _fits(data[bounds[-1] :]) else too_long(line)
        return rows, bounds

    def _check_lengths(self, data: bytes, bounds: list[int], starts: "Sequence[int]") -> None:
        for number, (start, end) in enumerate(pairwise(bounds)):
            if end - start > MAX_RECORD and not _fits(data[start:end]):
                raise too_long(self._line + starts[number])

    def _take(self, table: _Table, *, clean: bool) -> Batch | None:
        """Take the IDs out of the cells: at once when nothing is odd, else record by record."""
        batch = None
        if clean and not table.faults and not self._layout.is_list:
            batch = self._take_at_once(table)
        return batch or self._take_carefully(table)

    def _take_at_once(self, table: _Table) -> Batch | None:
        layout, rows = self._layout, table.rows
        if set(map(len, rows)) != {layout.width}:
            return None
        kinds: Kind | list[Kind] | None = self._kind
        if layout.type_column is not None:
            kinds = kinds_of([row[layout.type_column] for row in rows])
        if kinds is None:
            return None
        ids = [row[layout.column] for row in rows]
        return Batch(ids, kinds, table.lines, *self.place, {}, rows if self._keep_cells else None)

    def _take_carefully(self, table: _Table) -> Batch | None:
        found = Found()
        for position, (row, line) in enumerate(zip(table.rows, table.lines, strict=True)):
            fault = self._fault(row) or table.faults.get(position)
            if fault:
                found.add_fault(fault, self._kind, line, row, _told(fault, row))
            else:
                self._take_record(found, row, line)
        return self._batch(found)

    def _fault(self, row: list[str]) -> str | None:
        if UNDECODED.search("".join(row)):
            return "bad_encoding"
        return None if len(row) == self._layout.width else "ragged"

    def _take_record(self, found: Found, row: list[str], line: int) -> None:
        layout, kind = self._layout, self._kind
        if layout.type_column is not None:
            if row[layout.type_column] not in TYPES:
                named = row[layout.type_column]
                told = mask(named) if named else "nothing"
                found.add_fault("unknown_type", kind, line, row, told)
                return
            kind = TYPES[row[layout.type_column]]
        ids = items(row[layout.column]) if layout.is_list else [row[layout.column]]
        if ids is None:
            found.add_fault("bad_list", kind, line, row)
            return
        for one in ids:
            found.add(one, kind, line, row)


def _told(fault: str, row: list[str]) -> str:
    """Say what is wrong with a record, and nothing of what is in it."""
    if fault == "ragged":
        return f"{len(row):,} cell{'s' if len(row) > 1 else ''}"
    for number, cell in enumerate(row, 1):
        if odd := UNDECODED.search(cell):
            return f"the byte 0x{ord(odd[0]) & 0xFF:02x} in cell {number:,}"
    return ""


def _fits(record: bytes) -> bool:
    return content_length(record) <= MAX_RECORD


def _never_closed(line: int) -> InputError:
    return InputError(
        "unterminated_quote",
        "the quote of the record that starts here is never closed",
        "close it in the file; or say --format lines when quotes mean nothing there",
        where=f"line {line}",
    )
