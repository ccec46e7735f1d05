"""Parquet files, written a row group at a time, all columns text (extra `parquet`)."""

from typing import IO, TYPE_CHECKING

from bulkdelete.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP_ROWS = 65_536
GROUP_CHARACTERS = 16 << 20
"""A row group is written at so many rows, or so much text: that much is in memory at a time."""


def check_extra(flag: str) -> None:
    """Refuse what needs the extra where it is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "missing_extra",
            f"{flag} needs the extra `parquet`",
            "pip install 'bulkdelete[parquet]'",
        ) from error


class ParquetRows:
    """Appends rows of text to a file; `close` writes what is left, and the footer."""

    def __init__(self, file: "IO[bytes]", names: "Sequence[str]") -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - the same

        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._batch = pa.record_batch
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Sequence[str]] = []
        self._characters = 0

    def add(self, row: "Sequence[str]") -> None:
        """Append one row, as many cells as there are names."""
        self._rows.append(row)
        self._characters += sum(map(len, row))
        if len(self._rows) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        columns = [[_text(cell) for cell in column] for column in zip(*self._rows, strict=True)]
        self._writer.write_batch(self._batch(columns, schema=self._schema))
        self._rows, self._characters = [], 0


def _text(cell: str) -> str:
    """Return what UTF-8 can hold: bytes of the input that are no text are spelled out."""
    return cell if cell.isascii() else cell.encode("utf-8", "backslashreplace").decode()
