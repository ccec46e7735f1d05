"""Records of JSONL: one JSON object a line, the ID under a key or a path of keys.

A block is decoded at once when every line is surely plain; else line by line, and a line that is
not plain is read with all its members, because a decoder keeps only the last of two equal keys.
"""

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from bulkdelete.core.blocks import (
    MAX_RECORD,
    BlockParser,
    Found,
    Parsed,
    all_short,
    content_length,
    too_long,
)
from bulkdelete.core.layout import NUMBERS
from bulkdelete.core.lists import items
from bulkdelete.core.model import Batch, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bulkdelete.core.layout import Layout

_ONE_SPELLING = re.compile(r'[^"\\/\x00-\x1f]+')
NULL = "null"
"""What is told to be there instead of text, where there is nothing."""

_FAILURES = (msgspec.MsgspecError, ValueError, RecursionError)


class _Members(tuple[tuple[str, Any], ...]):
    """The members of a JSON object, in order, equal keys and all."""

    __slots__ = ()


class JsonParser(BlockParser):
    """Parses JSONL; LF or CRLF end a line."""

    def __init__(self, layout: "Layout", offset: int, line: int, *, keep_cells: bool) -> None:
        super().__init__(layout, offset, line, keep_cells=keep_cells)
        self._kind = layout.kind or Kind.IDENTITY
        self._numbers = NUMBERS in layout.normal
        plain = str | Annotated[int, msgspec.Meta(ge=0)] if self._numbers else str
        self._decoder = None if layout.is_list else _plain_decoder(layout.path, plain)
        self._quoted_key = b'"%s"' % "".join(layout.path[:1]).encode()
        self.lines_of: Callable[[bytes], tuple[int, bool]] = lines_of
        self.bounds: tuple[Callable[[bytes, bytes], int], ...] = (bytes.count,)

    def _cut(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _parse(self, data: bytes, *, final: bool) -> Parsed:  # noqa: ARG002 - any line is whole
        if not all_short(data):
            self._check_lengths(data)
        text = data
        if self._layout.encoding != "utf-8":
            text = data.decode(self._layout.encoding).encode()
        count, at_once = self.lines_of(text)
        records = None if at_once else _lines(text)
        ids = None if self._keep_cells else self._plain_ids(text, count, records)
        if ids is None:
            batch = self._batch(self._line_by_line(records or _lines(text)))
        else:
            batch = Batch(ids, self._kind, range(self._line, self._line + count), *self.place)
        return Parsed(batch, len(data), count)

    def _check_lengths(self, data: bytes) -> None:
        for number, line in enumerate(data.split(b"\n")):
            if len(line) > MAX_RECORD and content_length(line) > MAX_RECORD:
                raise too_long(self._line + number)

    def _plain_ids(
        self, data: bytes, count: int, records: "Sequence[bytes] | None"
    ) -> list[str] | None:
        """Return the ID of each of `count` records, or None when one is not plain.

        Plain: valid text, the key just once and not spelled with escapes, its value a string.
        `data` are the `records`, joined by line feeds; None: each line surely is one.
        """
        if self._decoder is None or not self._key_is_there(data, count):
            return None
        if b"\\" in data and b"\\u" in data:
            return None
        if self._numbers and b"-0" in data:
            return None  # as a number it would lose its sign
        try:
            if not data.isascii():
                data.decode()
            # The key is there no more often than there are records, and each has it: once.
            if records is None:
                ids = [one.id for one in self._decoder.decode_lines(data)]
            else:
                ids = [one.id for one in map(self._decoder.decode, records)]
            return list(map(str, ids)) if self._numbers else ids
        except _FAILURES:
            return None

    def _key_is_there(self, data: bytes, count: int) -> bool:
        """Tell that the key is there no more often than this, by the quickest that can tell."""
        return any(bound(data, self._quoted_key) == count for bound in self.bounds)

    def _line_by_line(self, lines: list[bytes]) -> Found:
        found = Found()
        for number, raw in enumerate(lines):
            line = raw.removesuffix(b"\r")
            if line.strip(b" \t"):
                self._take_line(found, line, self._line + number)
        return found

    def _take_line(self, found: Found, line: bytes, number: int) -> None:
        ids = self._plain_ids(line, 1, [line])
        values = self._read(line) if ids is None else ((one, None) for one in ids)
        cells = (line.decode("utf-8", "surrogateescape"),)
        for one, fault in values:
            if fault is None:
                found.add(one, self._kind, number, cells)
            else:
                found.add_fault(fault, self._kind, number, cells, one)

    def _read(self, line: bytes) -> "Iterator[tuple[str, str | None]]":
        """Yield each ID of a record; or what is there instead, and why that is none."""
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            told = f"the byte 0x{line[error.start]:02x} at column {error.start + 1:,}"
            return iter(((told, "bad_encoding"),))
        try:
            # The strict decoder refuses what the other takes: NaN, lone surrogates.
            msgspec.json.decode(text)
            whole = _digits if self._numbers else int
            record = json.loads(text, object_pairs_hook=_Members, parse_int=whole)
        except _FAILURES:
            return iter((("", "bad_json"),))
        return _walk(record, self._layout.path, is_list=self._layout.is_list)


def _digits(text: str) -> str | int:
    """Return a whole number as it stands; with a sign it is none that could be an ID."""
    return int(text) if text.startswith("-") else text


def _lines(data: bytes) -> list[bytes]:
    return data.removesuffix(b"\n").split(b"\n")


def lines_of(data: bytes) -> tuple[int, bool]:
    """Count the lines, and tell whether each surely is one record."""
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    return count, one_a_line(data, count)


def one_a_line(data: bytes, count: int) -> bool:
    """Tell that in so many lines, read as one text, no record goes over the end of a line.

    Each line begins with a brace and ends with one. In no JSON text may the one follow the other:
    so there a record ends.
    """
    ends = data.endswith((b"}", b"}\n"))
    return ends and data.startswith(b"{") and data.count(b"}\n{") == count - 1


def _plain_decoder(path: "Sequence[str]", plain: Any) -> msgspec.json.Decoder[Any] | None:  # noqa: ANN401 - a type
    """Make a decoder for a path of one key that can be spelled differently by escapes only."""
    if len(path) != 1 or path[0].endswith("[]") or not _ONE_SPELLING.fullmatch(path[0]):
        return None
    record = msgspec.defstruct("Plain", [("id", plain)], rename={"id": path[0]}, gc=False)
    return msgspec.json.Decoder(record)


def _walk(
    value: object, path: "Sequence[str]", *, is_list: bool
) -> "Iterator[tuple[str, str | None]]":
    if not path:
        yield from _ids(value, is_list=is_list)
        return
    key = path[0].removesuffix("[]")
    if not isinstance(value, _Members):
        yield "", "not_an_object"
        return
    values = [member for name, member in value if name == key]
    if len(values) != 1:
        yield "", "duplicate_key" if values else "missing_key"
    elif not path[0].endswith("[]"):
        yield from _walk(values[0], path[1:], is_list=is_list)
    elif isinstance(values[0], list):
        for element in values[0]:
            yield from _walk(element, path[1:], is_list=is_list)
    else:
        yield "", "not_an_array"


def _ids(value: object, *, is_list: bool) -> "Iterator[tuple[str, str | None]]":
    found: list[Any] | None = [value]
    if isinstance(value, list):
        found = value
    elif is_list and isinstance(value, str):
        found = items(value)
    if found is None:
        yield "", "bad_list"
        return
    for one in found:
        yield (one, None) if isinstance(one, str) else (_sort_of(one), "not_a_string")


def _sort_of(value: object) -> str:
    """Say what a value of JSON is that is no text."""
    if value is None or isinstance(value, bool):
        return NULL if value is None else "true or false"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, _Members) else "a number"
