"""Typed tables as batches of records: Parquet, and Arrow's file and stream formats (extra).

Only the columns that are needed are read, a few thousand rows at a time, in a thread. A place in
such a part is a record: the offset of a batch is the number of its first one, its line one more.
"""

import json
import os
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from bulkdelete.core.blocks import UNDECODED, Found
from bulkdelete.core.csv_rows import TYPES
from bulkdelete.core.layout import Format
from bulkdelete.core.lists import items
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.tables import Holds, TableColumn
from bulkdelete.errors import InputError, UsageError
from bulkdelete.io.source import check_same, opened
from bulkdelete.io.threads import aside

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence
    from typing import BinaryIO

    from bulkdelete.core.layout import Layout
    from bulkdelete.io.source import Place

ROWS = 16_384
"""Rows in a batch."""

_BUFFER = 1 << 20
_END = b"\xff\xff\xff\xff\0\0\0\0"
_MAGICS = {b"PAR1": Format.PARQUET, b"ARRO": Format.ARROW, b"\xff\xff\xff\xff": Format.ARROW}


def table_format(head: bytes) -> Format | None:
    """Name the format of a table that begins so; None when it is none."""
    return _MAGICS.get(head[:4])


async def schema(place: "Place") -> tuple[list[str], list[TableColumn]]:
    """Return the names of a table's columns, and all leaves under them.

    InputError `table_corrupt`; UsageError `missing_extra`.
    """
    return await aside(partial(_schema, place), "table")


def _schema(place: "Place") -> tuple[list[str], list[TableColumn]]:
    with _opened(place) as file, _read_errors(place):
        found = _Table(file).schema
        leaves = [
            leaf
            for place, field in enumerate(found)
            for leaf in _leaves(field.name, field.type, place, is_list=False)
        ]
        return list(found.names), leaves


async def batches(
    place: "Place", layout: "Layout", *, first: int, keep_cells: bool
) -> "AsyncGenerator[Batch, None]":
    """Yield a table's records from record number `first` on."""
    with _opened(place) as file:
        rows = _batches(place, file, layout, first, keep_cells)
        while (batch := await aside(partial(next, rows, None), "table")) is not None:
            yield batch
    await check_same(place)


def first_batches(place: "Place", layout: "Layout", *, keep_cells: bool) -> "list[Batch]":
    """Return the first records of a table at once, to look at them."""
    with _opened(place) as file:
        return list(islice(_batches(place, file, layout, 0, keep_cells), 1))


def _batches(
    place: "Place",
    file: "BinaryIO",
    layout: "Layout",
    first: int,
    keep_cells: bool,  # noqa: FBT001
) -> "Iterator[Batch]":
    with _read_errors(place):
        names = layout.header_names
        wanted = list(names) if keep_cells else [names[place] for place in _needed(layout)]
        for record, rows in _Table(file).rows(wanted, first):
            columns = {name: _texts(rows.column(name)) for name in wanted}
            if (batch := _batch(layout, columns, record, keep_cells=keep_cells)) is not None:
                yield batch


def _needed(layout: "Layout") -> list[int]:
    return [layout.column] if layout.type_column is None else [layout.column, layout.type_column]


@contextmanager
def _opened(place: "Place") -> "Iterator[BinaryIO]":
    try:
        import pyarrow as pa  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "missing_extra",
            f"{place}: Parquet and Arrow need the extra `parquet`",
            "pip install 'bulkdelete[parquet]'",
        ) from error
    with opened(place) as file:
        yield file


@contextmanager
def _read_errors(place: "Place") -> "Iterator[None]":
    import pyarrow as pa  # noqa: PLC0415 - an extra

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            "table_corrupt",
            f"the table cannot be read: {str(error).splitlines()[0] if str(error) else error!r}",
            "get the file again",
            where=str(place),
        ) from error


class _Table:
    """A file of any of the formats."""

    def __init__(self, file: "BinaryIO") -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - the same

        head = file.read(6)
        file.seek(0)
        self._parquet: Any = None
        self._arrow: Iterator[Any] = iter(())
        if head.startswith(b"PAR1"):
            self._parquet = parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER)
            self.schema = self._parquet.schema_arrow
        elif head == b"ARROW1":
            opened = pa.ipc.open_file(file)
            self.schema = opened.schema
            self._arrow = map(opened.get_batch, range(opened.num_record_batches))
        else:
            _check_end(file)
            stream = pa.ipc.open_stream(file)
            self.schema = stream.schema
            self._arrow = iter(stream)

    def rows(self, names: "list[str]", first: int) -> "Iterator[tuple[int, Any]]":
        """Yield records of these columns from number `first` on, with the number of the first."""
        at, batches = self._from(names, first)
        for batch in batches:
            for begin in range(max(0, first - at), batch.num_rows, ROWS):
                yield at + begin, batch.slice(begin, ROWS)
            at += batch.num_rows

    def _from(self, names: "list[str]", first: int) -> "tuple[int, Iterator[Any]]":
        """Return batches from one on that holds record `first`, and the number where they begin."""
        if self._parquet is None:
            return 0, self._arrow
        at = group = 0
        facts = self._parquet.metadata
        while group < facts.num_row_groups and at + facts.row_group(group).num_rows <= first:
            at += facts.row_group(group).num_rows
            group += 1
        groups = list(range(group, facts.num_row_groups))
        return at, self._parquet.iter_batches(ROWS, row_groups=groups, columns=names)


def _check_end(file: "BinaryIO") -> None:
    """Refuse a stream without its end: one that was cut off between two batches looks whole."""
    file.seek(-len(_END), os.SEEK_END)
    if file.read() != _END:
        raise ValueError("it does not end as a stream of Arrow ends")
    file.seek(0)


# --- types ---


def _leaves(path: str, kind: Any, place: int, *, is_list: bool) -> "Iterator[TableColumn]":  # noqa: ANN401
    """Yield what is under a column: fields of structs, elements of lists."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type, place, is_list=is_list)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_type
        below = f"{path}[]" if pa.types.is_nested(inner) else path
        yield from _leaves(below, inner, place, is_list=True)
    else:
        yield TableColumn(path, place, _holds(kind), str(kind), is_list)


def _holds(kind: Any) -> Holds:  # noqa: ANN401 - a type of pyarrow
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types = pa.types
    if types.is_dictionary(kind):
        return _holds(kind.value_type)
    if types.is_floating(kind) or (types.is_decimal(kind) and kind.scale > 0):
        return Holds.FLOAT
    if types.is_integer(kind) or types.is_decimal(kind):
        return Holds.INTEGER
    strings = (types.is_string, types.is_large_string, types.is_string_view)
    texts = (*strings, types.is_binary, types.is_large_binary, types.is_binary_view)
    return Holds.TEXT if any(one(kind) for one in texts) else Holds.OTHER


# --- values ---


def _texts(column: Any) -> Any:  # noqa: ANN401 - an array of pyarrow, a list of values
    """Return the values: text, None, or what nested ones are; numbers as their digits."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            return column.to_pylist()
        except UnicodeDecodeError:
            wide = pa.types.is_large_string(column.type)
            column = column.view(pa.large_binary() if wide else pa.binary())
    if pa.types.is_nested(column.type):
        return column.to_pylist()
    return [None if one is None else _text(one) for one in column.to_pylist()]


def _text(value: Any) -> str:  # noqa: ANN401 - any value of Python
    """Write one value as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value)


def _batch(
    layout: "Layout", columns: "dict[str, Sequence[Any]]", record: int, *, keep_cells: bool
) -> Batch | None:
    names = layout.header_names
    values = columns[names[layout.column]]
    plain = not keep_cells and not layout.is_list and not layout.path and layout.kind is not None
    if plain and all(map(_is_text, values)):
        lines = range(record + 1, record + 1 + len(values))
        return Batch(list(values), layout.kind or Kind.IDENTITY, lines, record, record + 1)
    types = columns[names[layout.type_column]] if layout.type_column is not None else None
    cells: list[Sequence[str]] = [()] * len(values)
    if keep_cells:
        cells = list(zip(*(map(_cell, columns[name]) for name in names), strict=True))
    found = Found()
    for at, value in enumerate(values):
        kind = layout.kind if types is None else TYPES.get(str(types[at]))
        _take(found, layout, value, kind, record + 1 + at, cells[at])
    if not found.ids:
        return None
    kinds = found.kinds if layout.kind is None else layout.kind
    kept = found.cells if keep_cells else None
    return Batch(found.ids, kinds, found.lines, record, record + 1, found.faults, kept)


def _take(
    found: Found,
    layout: "Layout",
    value: Any,  # noqa: ANN401 - any value of Python
    kind: Kind | None,
    line: int,
    cells: "Sequence[str]",
) -> None:
    """Take the IDs of one record."""
    if kind is None:
        found.add_fault("unknown_type", Kind.IDENTITY, line, cells)
        return
    for one in _values(value, layout.path[1:], is_list=layout.is_list):
        if one is None:
            found.add_fault("null", kind, line, cells)
        elif isinstance(one, _Malformed):
            found.add_fault("bad_list", kind, line, cells)
        elif UNDECODED.search(one):
            found.add_fault("bad_encoding", kind, line, cells)
        else:
            found.add(one, kind, line, cells)


class _Malformed:
    """Stands for a bracketed list that is none."""


def _values(
    value: Any,  # noqa: ANN401 - any value of Python
    path: "Sequence[str]",
    *,
    is_list: bool,
) -> "Iterator[str | _Malformed | None]":
    """Yield the IDs under a value; None where there is none."""
    if isinstance(value, list):
        for one in value:
            yield from _values(one, path, is_list=is_list)
    elif path and isinstance(value, dict):
        yield from _values(value.get(path[0].removesuffix("[]")), path[1:], is_list=is_list)
    elif value is None:
        yield None
    elif is_list and isinstance(value, str):
        split = items(value)
        yield from [_Malformed()] if split is None else split
    else:
        yield _text(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and (value.isascii() or not UNDECODED.search(value))


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of Python
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=_text)
    return "" if value is None else _text(value)
