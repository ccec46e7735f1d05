"""Text of whole lines becomes cells: at once where it has no quotes, else with the csv module."""

import csv
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkdelete.core.dialect import Dialect

TYPES = {"i": Kind.IDENTITY, "I": Kind.IDENTITY, "g": Kind.GUID, "G": Kind.GUID}
"""What the cells of a `Type` column say."""

_PROBE = "x\n"


class Rows(NamedTuple):
    """Whole records: their cells, and the number of lines up to the end of each.

    A blank line has no cells. `bad` are the positions of records with a quote out of place.
    """

    cells: list[list[str]]
    ends: list[int]
    bad: list[int]


def with_line_feeds(text: str) -> str:
    """Make LF of all line ends, with one at the end; `str.splitlines` would cut at others too."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") else text + "\n"


def slices(
    text: str, delimiter: str, width: int, wanted: "Sequence[int]"
) -> list[list[str]] | None:
    """Return columns of plain text as slices of all its cells; None when a row is odd.

    The cells are cut so that each line feed stays at the end of the cell before it. All rows have
    the right width exactly when every line feed is in a cell that should end a row.
    """
    count = text.count("\n")
    cells = text.replace("\n", "\n" + delimiter).split(delimiter)
    last = "".join(cells[width - 1 :: width]).split("\n")
    if len(cells) != count * width + 1 or len(last) != count + 1:
        return None
    return [last[:-1] if index == width - 1 else cells[index:-1:width] for index in wanted]


def kinds_of(types: list[str]) -> Kind | list[Kind] | None:
    """Return the kinds that the cells of a `Type` column name, the one kind if they all do.

    None when one names none.
    """
    try:
        named = {one: TYPES[one] for one in set(types)}
    except KeyError:
        return None
    if len(set(named.values())) == 1:
        return TYPES[types[0]]
    return [named[one] for one in types]


def read_rows(lines: list[str], dialect: "Dialect") -> Rows:
    """Read the records that are whole; what is left of the lines is the start of another."""
    rows = Rows([], [], [])
    source = iter(lines)
    done = 0
    while done < len(lines):
        reader = dialect.reader(source, strict=True)
        start = done
        try:
            for cells in reader:
                rows.cells.append(cells)
                done = start + reader.line_num
                rows.ends.append(done)
        except csv.Error:
            seen = chain(lines[done : start + reader.line_num], source, (_PROBE,))
            cells, count = _read_leniently(seen, dialect)
            if not 0 < count <= len(lines) - done:
                break
            done += count
            rows.bad.append(len(rows.cells))
            rows.cells.append(cells)
            rows.ends.append(done)
    return rows


def _read_leniently(lines: "Iterator[str]", dialect: "Dialect") -> tuple[list[str], int]:
    """Read the record at which the strict reader stopped, and count its lines.

    It ends where a spreadsheet would end it. When the count goes past the last line, to the probe,
    a quote is still open; 0 when a cell is past the csv module's own limit, which is past ours.
    """
    reader = dialect.reader(lines, strict=False)
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return [], 0
