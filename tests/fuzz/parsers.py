"""What is fuzzed: each parser, with what must hold of it whatever the bytes are.

The first bytes of an input choose how the rest is read and where it is cut. What is refused must be
refused by one of the program's own errors; what is read must be what another reader makes of it,
where there is one: the csv and json modules, the decompressors, Python's own codecs.
"""

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from backports import zstd

from bulkdelete.core import checkpoint, plan
from bulkdelete.core.layout import Format, Layout, Reading, sniff
from bulkdelete.core.model import Kind
from bulkdelete.core.records import open_parser
from bulkdelete.core.transcoding import FromUtf16, is_utf16
from bulkdelete.errors import InputError, IntegrityError, UsageError
from bulkdelete.io.inflating import open_archive

if TYPE_CHECKING:
    from bulkdelete.core.model import Batch

Row = tuple[str, Kind, int, str | None]
_IDENT = Kind.IDENTITY
_CSV = (
    Layout(Format.CSV, delimiter=",", width=1, kind=_IDENT),
    Layout(Format.CSV, delimiter=",", width=2, column=1, kind=_IDENT),
    Layout(Format.CSV, delimiter=";", width=3, column=1, kind=_IDENT, encoding="latin-1"),
    Layout(Format.CSV, delimiter=",", width=2, column=1, type_column=0),
    Layout(Format.CSV, delimiter=",", width=1, kind=_IDENT, is_list=True),
    Layout(Format.CSV, delimiter=",", width=2, kind=_IDENT, quote="'", escape="\\"),
    Layout(Format.CSV, delimiter="\x01", width=2, kind=_IDENT, quote="", escape="\\"),
    Layout(Format.CSV, delimiter=",", width=2, kind=_IDENT, has_header=True, bom=3),
)
_JSONL = (
    Layout(Format.JSONL, path=("id",), kind=_IDENT),
    Layout(Format.JSONL, path=("a[]", "id"), kind=_IDENT),
    Layout(Format.JSONL, path=("id",), kind=_IDENT, is_list=True),
    Layout(Format.JSONL, path=("id",), kind=_IDENT, encoding="latin-1"),
)
_ARRAY = (
    Layout(Format.JSON, path=("id",), kind=_IDENT),
    Layout(Format.JSON, kind=_IDENT),
    Layout(Format.JSON, path=("a[]", "id"), kind=_IDENT, envelope=True),
)
_READINGS = (
    Reading(),
    Reading(id_type=_IDENT),
    Reading(id_type=_IDENT, column="id"),
    Reading(id_type=_IDENT, header=False, column="0"),
    Reading(id_type=_IDENT, format=Format.CSV, delimiter="|", quote="none", escape="\\"),
    Reading(id_type=_IDENT, format=Format.JSONL, column="a[].id"),
    Reading(id_type=_IDENT, format=Format.LINES),
    Reading(column="id", explode=True, encoding="latin-1"),
)


def pieces(data: bytes, seed: int) -> Iterator[bytes]:
    """Cut bytes at places that follow from a number."""
    at = 0
    while at < len(data):
        step = 1 + (seed * (at + 7) >> 3) % (3 + seed)
        yield data[at : at + step]
        at += step


def read(layout: Layout, blocks: Iterable[bytes]) -> list[Row] | str:
    """Read blocks as a list; return the records, or the code of what refused them."""
    parser = open_parser(layout)
    found: list[Batch | None] = []
    try:
        found.extend(map(parser.feed, blocks))
        found.append(parser.close())
    except InputError as error:
        return error.code
    return [
        (batch.ids[i], batch.kind(i), batch.lines[i], batch.faults.get(i))
        for batch in found
        if batch is not None
        for i in range(len(batch.ids))
    ]


def same(layout: Layout, data: bytes, seed: int) -> list[Row] | str:
    """Read whole and in pieces, which is the same; return it."""
    data = codecs.BOM_UTF8[: layout.bom] + data
    whole = read(layout, [data])
    if read(layout, pieces(data, seed)) != whole:
        raise AssertionError("the records depend on where the bytes are cut")
    return whole


def _chosen(data: bytes, some: tuple[Layout, ...]) -> tuple[Layout, int, bytes]:
    head, body = data[:2].ljust(2, b"\0"), data[2:]
    return some[head[0] % len(some)], head[1], body


def _csv(data: bytes) -> None:
    layout, seed, body = _chosen(data, _CSV)
    rows = same(layout, body, seed)
    if isinstance(rows, str) or layout.is_list or layout.has_header or not layout.kind:
        return
    quoting: Any = csv.QUOTE_MINIMAL if layout.quote else csv.QUOTE_NONE
    text = io.StringIO(body.decode(layout.encoding, "surrogateescape"), newline="")
    reader = csv.reader(
        text,
        delimiter=layout.delimiter,
        quotechar=layout.quote or None,
        escapechar=layout.escape or None,
        quoting=quoting,
        strict=True,
    )
    try:
        cells = [row for row in reader if row]
    except csv.Error:
        return
    right = [row[layout.column] if len(row) == layout.width else None for row in cells]
    mine = [None if fault == "ragged" else one for one, _, _, fault in rows]
    bad = {place for place, row in enumerate(rows) if row[3] == "bad_encoding"}
    if len(mine) != len(right) or any(
        a != b for i, (a, b) in enumerate(zip(mine, right, strict=True)) if i not in bad
    ):
        raise AssertionError("the csv module reads other records")


def _ids_of(value: Any, path: tuple[str, ...]) -> list[str] | None:  # noqa: ANN401 - any JSON
    """Return the IDs of a record by the json module; None where the program may find a fault."""
    if not path:
        return [value] if isinstance(value, str) else None
    key = path[0]
    if not isinstance(value, dict) or key.endswith("[]") or key not in value:
        return None
    return _ids_of(value[key], path[1:])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse equal keys, of which the json module keeps the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _right(element: str, layout: Layout) -> list[str] | None:
    try:
        msgspec.json.decode(element)  # no NaN, no half of a surrogate pair
        return _ids_of(json.loads(element, object_pairs_hook=_unique), layout.path)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _jsonl(data: bytes) -> None:
    layout, seed, body = _chosen(data, _JSONL)
    rows = same(layout, body, seed)
    if isinstance(rows, str) or layout.is_list:
        return
    by_line: dict[int, list[Row]] = {}
    for row in rows:
        by_line.setdefault(row[2], []).append(row)
    for number, line in enumerate(body.split(b"\n"), 1):
        try:
            right = _right(line.decode(layout.encoding), layout)
        except UnicodeDecodeError:
            continue
        if right is not None and [(one, fault) for one, _, _, fault in by_line[number]] != [
            (one, None) for one in right
        ]:
            raise AssertionError(f"the json module reads line {number} otherwise")


def _json(data: bytes) -> None:
    layout, seed, body = _chosen(data, _ARRAY)
    rows = same(layout, body, seed)
    if layout.envelope:
        return
    try:
        whole = json.loads(body.decode(), object_pairs_hook=_unique)
        msgspec.json.decode(body)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return
    if not isinstance(whole, list):
        return
    if isinstance(rows, str):
        if _depth(whole) <= 16:
            raise AssertionError(f"an array that the json module reads is refused: {rows}")
        return
    right = [_ids_of(one, layout.path) for one in whole]
    if all(one is not None for one in right):
        wanted = [each for one in right for each in one or ()]
        if [row[0] for row in rows] != wanted or any(row[3] for row in rows):
            raise AssertionError("the json module reads another list")


def _depth(value: Any) -> int:  # noqa: ANN401 - any JSON
    """Return how deep elements of an array are nested."""
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return max((1 + _depth(one) if isinstance(one, dict | list) else 0 for one in inner), default=0)


def _lines(data: bytes) -> None:
    layout = Layout(Format.LINES, width=1, kind=_IDENT)
    _, seed, body = _chosen(data, (layout,))
    rows = same(layout, body, seed)
    if isinstance(rows, str):
        return
    plain = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    right = [(number, line) for number, line in enumerate(plain, 1) if line]
    if [row[2] for row in rows] != [number for number, _ in right]:
        raise AssertionError("lines are where they are not")
    for (one, _, _, fault), (_, line) in zip(rows, right, strict=True):
        if fault is None and one.encode() != line:
            raise AssertionError("a line is not taken as it stands")


def _utf16(data: bytes) -> None:
    seed, body = data[:1].ljust(1, b"\0")[0], data[1:]
    if not is_utf16(body):
        return
    text = FromUtf16(body)
    given = b"".join(map(text.feed, pieces(body, seed)))
    try:
        given += text.close()
    except ValueError:
        return
    try:
        right = "\ufeff" + body.decode("utf-16")
    except UnicodeDecodeError:
        return
    if given.decode("utf-8") != right:
        raise AssertionError("another text")


def _sniff(data: bytes) -> None:
    head, body = data[:2].ljust(2, b"\0"), data[2:]
    name = ("list.csv", "list.txt", "list.jsonl", "list", "x.json")[head[1] // 8 % 5]
    try:
        layout = sniff(body, name, _READINGS[head[0] % len(_READINGS)], complete=bool(head[1] & 1))
    except UsageError:
        return
    if not layout.empty:
        bare = codecs.BOM_UTF8 if layout.bom else b""
        same(layout, body.removeprefix(bare), head[1])


_WHOLE: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f": gzip.decompress,
    b"B": bz2.decompress,
    b"\xfd": lzma.decompress,
    b"\x28": zstd.decompress,
}
_BROKEN = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError, MemoryError)


def _inflated(data: bytes, blocks: Iterable[bytes]) -> bytes | str:
    try:
        archive = open_archive(data, "list")
        if archive is None:
            return "none"
        given = b"".join(step for block in blocks for step in archive.feed(block))
        archive.close()
    except InputError as error:
        return error.code
    return given


def _inflate(data: bytes) -> None:
    seed, body = data[:1].ljust(1, b"\0")[0], data[1:]
    given = _inflated(body, [body])
    in_pieces = _inflated(body, pieces(body, seed))
    # What is wrong with it may be found out at another place, but not whether anything is.
    if given != in_pieces and bytes in map(type, (given, in_pieces)):
        raise AssertionError("the content depends on where the archive is cut")
    whole = _WHOLE.get(body[:1])
    if isinstance(given, bytes) and whole is not None:
        try:
            right = whole(body)
        except _BROKEN as error:
            raise AssertionError("an archive that is broken is inflated") from error
        if given != right:
            raise AssertionError("another content")


def _log(data: bytes) -> None:
    reader = checkpoint.Reader()
    try:
        for _ in reader.read(io.BytesIO(data)):
            pass
    except IntegrityError:
        return
    if reader.size + reader.torn != len(data):
        raise AssertionError("bytes of the log are lost")


def _plan(data: bytes) -> None:
    try:
        found = plan.decode(data)
    except ValueError:
        return
    if plan.decode(found.encode()) != found:
        raise AssertionError("a plan is not what it says when it is written again")


PARSERS: dict[str, Callable[[bytes], None]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "json": _json,
    "lines": _lines,
    "utf16": _utf16,
    "sniff": _sniff,
    "archives": _inflate,
    "log": _log,
    "plan": _plan,
}
"""Each raises whatever is a finding."""
