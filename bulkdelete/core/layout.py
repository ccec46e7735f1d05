"""What the bytes of an input part are: format, dialect, the place and the kind of the IDs.

`sniff` looks at the head of a part and at what the user said. Whatever is not beyond doubt is an
error that says which flag decides it; what was found is told in `Layout.notes`.
"""

import codecs
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import columns, dialect
from bulkdelete.core.json_elements import RECORDS, first_element, is_empty_array, opens_array
from bulkdelete.errors import InputError, UsageError

if TYPE_CHECKING:
    from bulkdelete.core.model import Kind


class Format(StrEnum):
    """The formats of an input part."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    LINES = "lines"
    PARQUET = "parquet"
    ARROW = "arrow"


NUMBERS = "numbers"
"""The way of `normal` that takes a whole number in JSON, as its digits stand."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user said about the input; None and AUTO leave it to be found out.

    `column` is a header name, a JSON path (`a.b`, `a[].b`), or with `header=False` a 0-based
    number. `explode` says that the values of the ID column are bracketed lists of IDs. `quote` and
    `escape` are those of CSV; "none" for the first: quotes mean nothing. `normal` are the ways of
    `core.selection` in which IDs are put; `names` are the names of columns that are known;
    `any_known`: of several such columns the first will do, because all of them are read.
    """

    format: Format = Format.AUTO
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str = "utf-8"
    column: str | None = None
    header: bool = True
    id_type: "Kind | None" = None
    explode: bool = False
    normal: tuple[str, ...] = ()
    names: columns.Names = columns.NAMES
    any_known: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read one part.

    `empty`: the part holds nothing, so nothing more is known. `bom` is the length of its byte
    order mark; `width` the number of CSV columns; `column` the index of the ID column,
    `type_column` that of the column which holds each ID's kind. `path` are the JSON keys that lead
    to the ID; `key[]` goes into each element of an array; none at all when the record itself is the
    ID. `envelope`: the array of records is a member of an object. `kind` is None when `type_column`
    decides, or when the part is empty and nobody said.
    `is_list`: the values are bracketed lists. `normal`: in which ways IDs are put. `notes` are
    sentences for the user; `header_names` may hold personal data when the file has no header after
    all: do not store them.
    """

    format: Format
    empty: bool = False
    delimiter: str = ""
    quote: str = '"'
    escape: str = ""
    encoding: str = "utf-8"
    has_header: bool = False
    bom: int = 0
    width: int = 0
    column: int = 0
    path: tuple[str, ...] = ()
    envelope: bool = False
    kind: "Kind | None" = None
    type_column: int | None = None
    is_list: bool = False
    normal: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_json(self) -> bool:
        """Each record is a JSON value, the one cell of it."""
        return self.format in {Format.JSONL, Format.JSON}

    @property
    def is_table(self) -> bool:
        """Its columns have names and types; a place in it is the number of a record."""
        return self.format in {Format.PARQUET, Format.ARROW}

    @property
    def has_columns(self) -> bool:
        """Each record has a cell for each of its columns."""
        return self.format is Format.CSV or self.is_table

    @property
    def named(self) -> str:
        """What holds the IDs, as a person calls it; empty: the line or the element itself."""
        if self.path:
            return repr(".".join(self.path))
        if not self.has_columns or self.empty:
            return ""
        names = self.header_names
        return repr(names[self.column]) if names else f"number {self.column}"


def sniff(head: bytes, name: str, reading: Reading, *, complete: bool) -> Layout:
    """Find out how to read a part from its first <= 256 KiB (after decompression).

    `name` is the file's name: its extension counts, and errors show it. `complete` says that
    `head` is all there is. UsageError: a flag is missing or contradicts the input; InputError: the
    input cannot be read at all.
    """
    encoding = _encoding(reading)
    bom = _bom(head, name, encoding)
    body = head[bom:]
    chosen = format_of(body, name, reading)
    blank = Layout(chosen, encoding=encoding, bom=bom, kind=reading.id_type, normal=reading.normal)
    wish = columns.Wish(name, reading.column, reading.id_type, reading.names, reading.any_known)
    if chosen is Format.JSON:
        if complete and (not body.strip() or is_empty_array(body)):
            return replace(blank, empty=True)
        return _json(body, wish, reading, blank)
    if not complete:
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    if not body.strip(b"\r\n"):
        return _empty(blank, name, complete=complete)
    if chosen is Format.CSV:
        return _csv(body.decode(encoding, "surrogateescape"), wish, reading, blank)
    if chosen is Format.JSONL:
        return _jsonl(body, wish, reading, blank)
    return _lines(wish, reading, blank)


def _encoding(reading: Reading) -> str:
    known = {"utf-8": "utf-8", "utf-8-sig": "utf-8", "ascii": "utf-8", "iso8859-1": "latin-1"}
    with suppress(LookupError, ValueError):
        if found := known.get(codecs.lookup(reading.encoding).name):
            return found
    raise UsageError(
        "encoding",
        "this encoding is not supported; utf-8 and latin-1 are",
        "convert the file first, for example: iconv -f UTF-16 -t UTF-8 IN > OUT",
    )


def _bom(head: bytes, name: str, encoding: str) -> int:
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    # One NUL in an ID is one invalid ID; UTF-16 without a mark is a third of NULs or more.
    if wide or 3 * head.count(0) > len(head):
        raise InputError(
            "utf16",
            "this is UTF-32 text, or UTF-16 without a byte order mark, or not text at all",
            "convert it first, for example: iconv -f UTF-16 -t UTF-8 IN > OUT",
            where=name,
        )
    if not head.startswith(codecs.BOM_UTF8):
        return 0
    if encoding != "utf-8":
        raise InputError(
            "encoding",
            "its byte order mark says that it is UTF-8 or UTF-16",
            "leave out --encoding",
            where=name,
        )
    return len(codecs.BOM_UTF8)


_EXTENSIONS = {
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
}
_ARCHIVES = re.compile(r"\.(?:gz|gzip|bz2|xz|zst|zstd)\Z")
_UNDECODED = re.compile("[\udc80-\udcff]")
_JSON_ARRAY = re.compile(rb'\s*\[\s*(?:[\[{"\]]|$)')
_OF_OTHERS = re.compile(rb"\s*\[\s*(?:-?[0-9][0-9.eE+-]*|null|true|false)\s*[,\]]")
"""A JSON array, unless it is a bracketed list of IDs as profile exports have them."""


def format_of(body: bytes, name: str, reading: Reading) -> Format:
    """Return the format of a part that begins so: as said, or found out."""
    if reading.format is not Format.AUTO:
        return reading.format
    extension = _ARCHIVES.sub("", name.lower()).rpartition(".")[2]
    if _EXTENSIONS.get(extension) is Format.CSV:
        return Format.CSV
    if _JSON_ARRAY.match(body) or (not reading.explode and _OF_OTHERS.match(body)):
        return Format.JSON
    if body.lstrip().startswith(b"{"):
        return Format.JSON if opens_array(body) else Format.JSONL
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    if reading.column is not None or reading.delimiter is not None or not reading.header:
        return Format.CSV
    return _table_or_lines(body.lstrip(b"\r\n"), name, reading.names)


def _table_or_lines(body: bytes, name: str, names: columns.Names) -> Format:
    line = re.split(rb"[\r\n]", body, maxsplit=1)[0].decode("latin-1")
    if any(
        columns.known(cell.strip('"'), names)
        for one in dialect.DELIMITERS
        for cell in line.split(one)
    ):
        return Format.CSV
    if not any(one in line for one in dialect.DELIMITERS):
        return Format.LINES
    raise InputError(
        "ambiguous_format",
        "this may be CSV with an unknown header, or one ID per line",
        "say --format csv --column NAME, or --format lines",
        where=name,
    )


def _empty(blank: Layout, name: str, *, complete: bool) -> Layout:
    if complete:
        return replace(blank, empty=True)
    raise InputError(
        "record_too_long",
        "its first line is too long, or all blank",
        "check that this is the right file, and that it has line ends",
        where=f"{name}: line 1",
    )


def _csv(text: str, wish: columns.Wish, reading: Reading, blank: Layout) -> Layout:
    found = dialect.find(text, wish.name, reading.delimiter, reading.quote, reading.escape)
    rows = dialect.rows(text, found, 1)
    if not rows or _UNDECODED.search("".join(rows[0])):
        raise _bad_header(text, wish.name)
    first = tuple(rows[0])
    base = replace(
        blank,
        delimiter=found.delimiter,
        quote=found.quote,
        escape=found.escape,
        has_header=reading.header,
        width=len(first),
        is_list=reading.explode,
        notes=(f"CSV with {_described(found)} and {len(first)} column(s)",),
    )
    if not reading.header:
        return _headless(base, wish)
    return _with_header(replace(base, header_names=first), wish)


def _bad_header(text: str, name: str) -> InputError:
    line = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if odd := _UNDECODED.search(line):
        return InputError(
            "bad_header",
            f"the byte 0x{ord(odd[0]) & 0xFF:02x} here is no UTF-8",
            "say --encoding latin-1 (Windows saves so), or export it again as UTF-8",
            where=f"{name}: line 1, column {odd.start() + 1}",
        )
    return InputError(
        "bad_header",
        "its first record has a quote that does not belong there, or a byte that is no UTF-8",
        "correct it, or say --quote none, --encoding latin-1 or --format lines",
        where=f"{name}: line 1",
    )


def _described(found: dialect.Dialect) -> str:
    words = [f"the delimiter {found.delimiter!r}"]
    if found.quote != '"':
        words.append(f"the quote {found.quote!r}" if found.quote else "no quotes")
    if found.escape:
        words.append(f"the escape {found.escape!r}")
    return ", ".join(words)


def _headless(base: Layout, wish: columns.Wish) -> Layout:
    column = columns.numbered(base.width, wish)
    note = f"no header; the IDs are read from column number {column}"
    kind = columns.needed_kind(wish)
    return replace(base, column=column, kind=kind, notes=(*base.notes, note))


def _with_header(base: Layout, wish: columns.Wish) -> Layout:
    headers = base.header_names
    if places := columns.typed(headers, wish):
        note = f"each ID's kind is read from the column {headers[places[0]]!r}"
        return replace(
            base,
            type_column=places[0],
            column=places[1],
            kind=None,
            notes=(*base.notes, note),
        )
    column = columns.choose(headers, wish)
    header = headers[column]
    meaning = columns.known(header, wish.names)
    if meaning is None and wish.column is None and columns.looks_like_id(header):
        raise InputError(
            "header_looks_like_id",
            "the first line looks like an ID, not like a header",
            "say --no-header (or --format lines); or name the column with --column",
            where=f"{wish.name}: line 1",
        )
    kind = columns.kind_of(header, wish)
    note = f"the IDs are read from the column {header!r}, as {kind}"
    is_list = base.is_list or (meaning is not None and meaning.is_list)
    return replace(base, column=column, kind=kind, is_list=is_list, notes=(*base.notes, note))


def _jsonl(body: bytes, wish: columns.Wish, reading: Reading, blank: Layout) -> Layout:
    keys = _first_keys(body, blank.encoding)
    if not keys and wish.column is None:
        raise InputError(
            "no_json_lines",
            "there is no JSON object on a line of its own at its start",
            "give one JSON object per line, for example: jq -c . IN > OUT.jsonl;"
            " or say --format json for an array of them",
            where=wish.name,
        )
    return _with_keys(blank, keys, wish, reading, "JSONL")


def _json(body: bytes, wish: columns.Wish, reading: Reading, blank: Layout) -> Layout:
    """Look at the first element of an array: its keys, or the ID itself."""
    envelope = body.lstrip().startswith(b"{")
    blank = replace(blank, envelope=envelope)
    first = first_element(body)
    if first is None:
        raise InputError(
            "broken_json",
            "its beginning is no JSON array, or the first element of one is not whole or too long",
            "check that this is the right file",
            where=f"{wish.name}: line 1",
        )
    what = f"the JSON array {RECORDS!r}" if envelope else "a JSON array"
    keys: list[str] = []
    with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        record = msgspec.json.decode(first.decode(blank.encoding))
        if wish.column is None and _is_id(record, reading):
            kind = columns.needed_kind(wish)
            note = f"{what}; each element is one ID, as {kind}"
            return replace(blank, kind=kind, is_list=reading.explode, notes=(note,))
        keys = list(record) if isinstance(record, dict) else []
    if not keys and wish.column is None:
        raise InputError(
            "no_json_record",
            "the first element of the JSON array is no object, and no text",
            "give an array of objects, and name the key with --column; or one of IDs as text"
            " (of whole numbers with --numbers)",
            where=wish.name,
        )
    return _with_keys(blank, keys, wish, reading, what)


def _is_id(element: object, reading: Reading) -> bool:
    """Tell that an element shows that they all are IDs themselves."""
    return isinstance(element, str) or (NUMBERS in reading.normal and type(element) is int)


def _with_keys(
    blank: Layout, keys: list[str], wish: columns.Wish, reading: Reading, what: str
) -> Layout:
    path, header = _json_path(keys, wish)
    meaning = columns.known(header, wish.names)
    kind = columns.kind_of(header, wish)
    note = f"{what}; the IDs are read from {'.'.join(path)!r}, as {kind}"
    is_list = reading.explode or (meaning is not None and meaning.is_list)
    names = tuple(keys)
    return replace(blank, path=path, kind=kind, is_list=is_list, header_names=names, notes=(note,))


def _json_path(keys: list[str], wish: columns.Wish) -> tuple[tuple[str, ...], str]:
    if wish.column is None:
        key = keys[columns.choose(keys, wish)]
        return (key,), key
    path = tuple(wish.column.split("."))
    if not all(re.fullmatch(r"[^\[\]]+(?:\[\])?", key) for key in path):
        raise UsageError(
            "bad_column",
            "a JSON path is made of keys and dots; `[]` after a key goes into an array",
        )
    return path, path[-1].removesuffix("[]")


def _first_keys(body: bytes, encoding: str) -> list[str]:
    for line in body.split(b"\n"):
        with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            record = msgspec.json.decode(line.decode(encoding))
            if isinstance(record, dict) and record:
                return list(record)
    return []


def _lines(wish: columns.Wish, reading: Reading, blank: Layout) -> Layout:
    if wish.column is not None:
        raise UsageError(
            "column_of_lines", f"{wish.name}: one ID per line has no columns", "leave out --column"
        )
    kind = columns.needed_kind(wish)
    note = f"each line is one ID, as {kind}"
    return replace(blank, width=1, kind=kind, is_list=reading.explode, notes=(note,))
