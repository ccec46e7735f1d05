"""What `json_records.lines_of` does, a whole block at once in arrays (extra `speed`)."""

import numpy as np

_LINE_FEED, _OPENING, _CLOSING = b"\n{}"


def lines_of(data: bytes) -> tuple[int, bool]:
    """Count the lines, and tell whether each surely is one record: see there."""
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == _LINE_FEED)
    if data.endswith(b"\n"):
        ends = ends[:-1]
    count = len(ends) + 1
    if not (data.startswith(b"{") and data.endswith((b"}", b"}\n"))):
        return count, False
    before, behind = text[ends - 1] == _CLOSING, text[ends + 1] == _OPENING
    return count, bool(before.all() and behind.all())
