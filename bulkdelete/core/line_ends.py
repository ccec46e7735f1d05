"""What a parser of JSON lines asks of a whole block at once, in arrays (extra `speed`)."""

import sys

import numpy as np

_WORD = np.dtype(np.uint32).itemsize
_BEGINNING = 4096
_LINE_FEED, _OPENING, _CLOSING = b"\n{}"


def lines_of(data: bytes) -> tuple[int, bool]:
    """Count the lines, and tell whether each surely is one record: as in `json_records`."""
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == _LINE_FEED)
    if data.endswith(b"\n"):
        ends = ends[:-1]
    count = len(ends) + 1
    if not (data.startswith(b"{") and data.endswith((b"}", b"}\n"))):
        return count, False
    before, behind = text[ends - 1] == _CLOSING, text[ends + 1] == _OPENING
    return count, bool(before.all() and behind.all())


def by_one_byte(data: bytes, key: bytes) -> int:
    """Return a number that `key` does not occur more often than: how often one of its bytes does.

    It is the one that the beginning has the least of.
    """
    head = data[:_BEGINNING]
    rare = min(set(key), key=lambda one: (head.count(one), one))
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == rare))


def by_last_bytes(data: bytes, key: bytes) -> int:
    """Return another: how often its last bytes occur."""
    end, found = key[-_WORD:], 0
    if len(data) < 2 * _WORD or len(end) < _WORD:
        return data.count(key)
    number = int.from_bytes(end, sys.byteorder)
    for first in range(_WORD):
        words = np.frombuffer(data, np.uint32, (len(data) - first) // _WORD, first)
        found += int(np.count_nonzero(words == number))
    return found
