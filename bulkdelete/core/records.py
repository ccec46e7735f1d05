"""Bytes, cut anywhere, become batches of records: the way into the push parsers.

```
parser = open_parser(layout)
for block in blocks:
    if batch := parser.feed(block): ...
if batch := parser.close(): ...
```

Any cut of the bytes into blocks gives the same records, and a parser opened at the `offset` and
`line` of any batch gives the same rest. A record that cannot be read is a fault in its batch; what
makes the rest of the part unreadable is an InputError with the line where it starts.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from bulkdelete.core.csv_records import CsvParser
from bulkdelete.core.json_arrays import ArrayParser
from bulkdelete.core.json_records import JsonParser
from bulkdelete.core.layout import Format

if TYPE_CHECKING:
    from bulkdelete.core.layout import Layout
    from bulkdelete.core.model import Batch


class Parser(Protocol):
    """Takes the bytes of one part, in order; a batch is never empty: None stands for it."""

    @property
    def place(self) -> tuple[int, int]:
        """Bytes into the decompressed stream, and line, of the next record not yet returned."""

    def feed(self, block: bytes) -> "Batch | None":
        """Take the next bytes; return the records that are whole now.

        InputError `record_too_long` as soon as a record is longer than 64 KiB.
        """

    def close(self) -> "Batch | None":
        """Take the end of the part; return the records that are left.

        InputError `unterminated_quote` when the last record never ends.
        """


def open_parser(
    layout: "Layout",
    *,
    offset: int = 0,
    line: int = 1,
    keep_cells: bool = False,
    arrays: bool = False,
) -> Parser:
    """Make the parser for a part, from its start or from the place of an earlier batch.

    From the start it steps over the byte order mark and the header by itself. With `keep_cells`
    the batches hold the cells of each record (the line, where there are no columns); a byte that
    is not valid in the encoding stands there as a surrogate escape. `arrays`: it pays to load the
    extra `speed`, if that is installed.
    """
    parser = _PARSERS.get(layout.format, CsvParser)(layout, offset, line, keep_cells=keep_cells)
    if arrays and isinstance(parser, JsonParser):
        with suppress(ImportError):
            from bulkdelete.core import line_ends  # noqa: PLC0415 - an extra

            parser.lines_of = line_ends.lines_of
            parser.bounds = (line_ends.by_one_byte, line_ends.by_last_bytes, bytes.count)
    return parser


_PARSERS: "dict[Format, type[CsvParser | JsonParser]]" = {
    Format.JSONL: JsonParser,
    Format.JSON: ArrayParser,
}
