"""A checksum that a text carries in itself: it shows any byte that was altered since.

The text says `checksum: "sha256:…"` (or as a comment, in HTML) once; the 64 digits are the SHA-256
of the text with 64 zeros in their place. Who alters it on purpose can write a new one.
"""

import hashlib
import re

BLANK = "sha256:" + "0" * 64
"""What a text holds, as its checksum, before it is stamped."""

_STAMP = re.compile(rb'(checksum(?:": "|: )sha256:)([0-9a-f]{64})(?=["\s])')


def stamp(text: bytes) -> bytes:
    """Put the checksum where the text says BLANK; ValueError when it says so nowhere."""
    found = _last(text)
    if found is None or found[2] != BLANK[-64:].encode():
        raise ValueError("the text has no place for a checksum")
    return _with(text, found, hashlib.sha256(text).hexdigest())


def holds(text: bytes) -> bool:
    """Tell whether a text is, byte for byte, the one that was stamped."""
    found = _last(text)
    if found is None:
        return False
    blank = _with(text, found, BLANK[-64:])
    return hashlib.sha256(blank).hexdigest().encode() == found[2]


def _last(text: bytes) -> "re.Match[bytes] | None":
    return next(reversed(list(_STAMP.finditer(text))), None)


def _with(text: bytes, found: "re.Match[bytes]", digits: str) -> bytes:
    return text[: found.start(2)] + digits.encode() + text[found.end(2) :]
