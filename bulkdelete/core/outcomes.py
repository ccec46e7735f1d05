"""The marker of the program's own outcome files, and the escape that keeps spreadsheets quiet.

A cell that a spreadsheet would run gets a `'` in front, and so does one that only looks escaped;
so undoing it is exact. The marker column says which state a file holds and until when its IDs may
be sent again: a deleted user who comes back has the same ID.
"""

import re

from bulkdelete.core.model import State

MARKER = "bulkdelete_outcome"

_RUNS = re.compile("'*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_ESCAPED = re.compile("'+[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_MARK = re.compile(r"([a-z]+) until (\d{1,12})")


def escape(cell: str) -> str:
    """Return the cell as a spreadsheet may see it."""
    return "'" + cell if _RUNS.match(cell) else cell


def unescape(cell: str) -> str:
    """Undo `escape`, exactly."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def mark(state: State, expires: float) -> str:
    """Return the marker column's value for a file of `state`; `expires` in epoch seconds."""
    return f"{state.value} until {int(expires)}"


def read_mark(value: str) -> tuple[State, float] | None:
    """Read a marker; None when it is not one of ours."""
    found = _MARK.fullmatch(value)
    if not found or found[1] not in set(State):
        return None
    return State(found[1]), float(found[2])
