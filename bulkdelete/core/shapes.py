"""What an ID looks like, and the marks that a damaged list leaves on single IDs.

`shape_of` and `marks_of` are the rules, for one ID. `uniform` says the same of a whole batch at
once where it can, by a few passes over its bytes; where it cannot it says nothing.
"""

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shape(StrEnum):
    """What an ID looks like; OTHER is everything that is not unmistakable."""

    EMAIL = "e-mail"
    PHONE = "phone number"
    INTEGER = "integer"
    UUID = "UUID"
    HEX = "32 hex digits"
    PREFIXED = "CleverTap ID"
    OTHER = "other"


class Mark(StrEnum):
    """What damage leaves on a single ID."""

    SCIENTIFIC = "scientific"
    TRAILING_ZERO = "trailing_zero"
    TWO_IDS = "two_ids"
    HEADER = "header_as_data"
    DECOMPOSED = "decomposed"


HEADERS = frozenset(
    spelling
    for name in (
        "identity",
        "guid",
        "objectId",
        "object_id",
        "clevertapId",
        "clevertap_id",
        "CleverTap ID",
        "all_identities",
        "clevertapIds",
    )
    for spelling in (name, name.lower(), name.upper(), name[0].upper() + name[1:])
)
"""Names of columns, as they stand where two files with headers were put together."""

_LONGEST_HEADER = max(map(len, HEADERS))

_EMAIL = re.compile(r"[^@]+@[^@]+")
_PHONE = re.compile(r"\+[0-9]{5,}")
_INTEGER = re.compile(r"[0-9]+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_HEX = re.compile(r"[0-9A-Fa-f]{32}")
_PREFIXED = re.compile(r"__[0-9A-Za-z_-]{8,}|-[ghv][0-9A-Za-z]{8,}")
_SHAPES = (
    (_INTEGER, Shape.INTEGER),
    (_UUID, Shape.UUID),
    (_HEX, Shape.HEX),
    (_PREFIXED, Shape.PREFIXED),
    (_PHONE, Shape.PHONE),
    (_EMAIL, Shape.EMAIL),
)

_SCIENTIFIC = re.compile(r"[-+]?[0-9][.,][0-9]+[eE]-?[0-9]+")
_TRAILING_ZERO = re.compile(r"[0-9]+\.0+")
_SEPARATOR = re.compile(r"[;,|]")
_SPACES = re.compile(r"[ \u00a0]+")
_HAS_DIGIT = re.compile(r"[0-9]")
_STRONG = (Shape.EMAIL, Shape.UUID, Shape.HEX, Shape.PREFIXED)


def shape_of(identifier: str) -> Shape:
    """Say what one ID looks like."""
    for pattern, shape in _SHAPES:
        if pattern.fullmatch(identifier):
            return shape
    return Shape.OTHER


def marks_of(identifier: str) -> list[Mark]:
    """Say what damage one ID shows."""
    found = []
    if _SCIENTIFIC.fullmatch(identifier):
        found.append(Mark.SCIENTIFIC)
    if _TRAILING_ZERO.fullmatch(identifier):
        found.append(Mark.TRAILING_ZERO)
    if _two_ids(identifier):
        found.append(Mark.TWO_IDS)
    if identifier in HEADERS:
        found.append(Mark.HEADER)
    if not unicodedata.is_normalized("NFC", identifier):
        found.append(Mark.DECOMPOSED)
    return found


def _two_ids(identifier: str) -> bool:
    """Tell that a cell holds several: each part would be an ID by itself.

    "Doe, John" and a phone number with spaces are one; a decimal comma is not a separator.
    """
    parts = [one.strip() for one in _SEPARATOR.split(identifier)]
    if len(parts) > 1 and not _SCIENTIFIC.fullmatch(identifier):
        return all("@" in one or _HAS_DIGIT.search(one) for one in parts)
    words = _SPACES.split(identifier)
    return len(words) > 1 and all(shape_of(one) in _STRONG for one in words)


_PLAIN_OTHER = re.compile(r"(?!__|-)(?=.*[A-DF-Za-df-z])[0-9A-Za-z_.-]{1,31}")
"""Surely OTHER, and with no mark unless it is a header: short, with a letter that is not e or E."""


def looked_at(identifier: str) -> tuple[Shape, list[Mark]]:
    """Return `shape_of` and `marks_of`, quickly where nothing is remarkable."""
    if _PLAIN_OTHER.fullmatch(identifier) and identifier not in HEADERS:
        return Shape.OTHER, []
    return shape_of(identifier), marks_of(identifier)


# --- whole batches ---

_DIGITS = b"0123456789"
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_LETTERS = bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B))
_PREFIXED_BYTES = _DIGITS + _LETTERS + b"_-"
_ALL = bytes(range(256))
_NOT_OF_EMAILS = _ALL.translate(None, b"@\n;,| \xc2\xa0")
_NOT_ODD = _ALL.translate(None, b"@+;,| \xc2\xa0")
_DECIMAL = re.compile(rb"[0-9]\.[0-9]")
_UUID_WIDTH, _HEX_WIDTH = 36, 32
_UUID_DASHES = (8, 13, 18, 23)
_SHORTEST_PHONE, _SHORTEST_PREFIXED = 6, 10


def proven(ids: "Sequence[str]", data: bytes) -> Shape | None:
    """Return UUID or HEX when every ID surely is one: then all are valid, too; else None.

    `ids` may be anything but none; `data` are they, joined by line feeds, in UTF-8.
    """
    if len(ids[0]) == _UUID_WIDTH:
        return Shape.UUID if _all_uuids(ids, data) else None
    if len(ids[0]) == _HEX_WIDTH:
        return Shape.HEX if _all_hex(ids, data) else None
    return None


def uniform(ids: "Sequence[str]", data: bytes) -> Shape | None:
    """Return the shape of all `ids` when it is surely one, and none has a mark; else None.

    `data` are the IDs joined by line feeds, in UTF-8; no ID is empty or holds a line feed.
    """
    shape = shape_of(ids[0])
    return shape if _PROOFS[shape](ids, data) and _is_nfc(ids, data) else None


def _is_nfc(ids: "Sequence[str]", data: bytes) -> bool:
    return data.isascii() or unicodedata.is_normalized("NFC", "\n".join(ids))


def _grid(data: bytes, count: int, width: int, digits: bytes, left: bytes = b"") -> bool:
    """Tell that each of `count` IDs is `width` bytes long, and is `left` without the `digits`."""
    return (
        len(data) == count * (width + 1) - 1
        and data.translate(None, digits) == (left + b"\n") * (count - 1) + left
        and data[width :: width + 1] == b"\n" * (count - 1)
    )


def _all_uuids(ids: "Sequence[str]", data: bytes) -> bool:
    dashes, column = b"-" * len(_UUID_DASHES), b"-" * len(ids)
    return _grid(data, len(ids), _UUID_WIDTH, _HEX_DIGITS, dashes) and all(
        data[at :: _UUID_WIDTH + 1] == column for at in _UUID_DASHES
    )


def _all_hex(ids: "Sequence[str]", data: bytes) -> bool:
    # A number of 32 digits is an integer.
    return _grid(data, len(ids), _HEX_WIDTH, _HEX_DIGITS) and not any(map(str.isdigit, ids))


def _all_integers(ids: "Sequence[str]", data: bytes) -> bool:
    return data.translate(None, _DIGITS) == b"\n" * (len(ids) - 1)


def _all_phones(ids: "Sequence[str]", data: bytes) -> bool:
    count = len(ids)
    return (
        data.translate(None, _DIGITS) == b"+\n" * (count - 1) + b"+"
        and data.count(b"\n+") == count - 1
        and min(map(len, ids)) >= _SHORTEST_PHONE
    )


def _all_emails(ids: "Sequence[str]", data: bytes) -> bool:
    count = len(ids)
    return (
        data.translate(None, _NOT_OF_EMAILS) == b"@\n" * (count - 1) + b"@"
        and not data.startswith(b"@")
        and not data.endswith(b"@")
        and b"\n@" not in data
        and b"@\n" not in data
    )


def _all_prefixed(ids: "Sequence[str]", data: bytes) -> bool:
    return (
        data.startswith(b"__")
        and data.count(b"\n__") == len(ids) - 1
        and data.translate(None, _PREFIXED_BYTES) == b"\n" * (len(ids) - 1)
        and min(map(len, ids)) >= _SHORTEST_PREFIXED
    )


def _all_other(ids: "Sequence[str]", data: bytes) -> bool:
    if data.translate(None, _NOT_ODD) or (b"." in data and _DECIMAL.search(data)):
        return False
    if data.startswith((b"__", b"-")) or b"\n__" in data or b"\n-" in data:
        return False
    if any(map(str.isdigit, ids)):
        return False
    lengths = set(map(len, ids))
    if lengths & {_HEX_WIDTH, _UUID_WIDTH} and any(map(_hexadecimal, ids)):
        return False
    return min(lengths) > _LONGEST_HEADER or HEADERS.isdisjoint(ids)


def _hexadecimal(identifier: str) -> bool:
    return bool(_HEX.fullmatch(identifier) or _UUID.fullmatch(identifier))


_PROOFS = {
    Shape.EMAIL: _all_emails,
    Shape.PHONE: _all_phones,
    Shape.INTEGER: _all_integers,
    Shape.UUID: _all_uuids,
    Shape.HEX: _all_hex,
    Shape.PREFIXED: _all_prefixed,
    Shape.OTHER: _all_other,
}
