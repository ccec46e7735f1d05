"""What nobody caught: told by its place and its type, never by the values it stumbled over.

Python's own hooks, the loop's and the last resort of `logging` print an exception's text. That may
be anything: an ID, a request, the headers with the passcode in them.
"""

import logging
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType


def install() -> None:
    """Let all that Python or a library would print by itself be told in this way."""
    sys.excepthook = lambda kind, _, place: _tell("error", kind, place)
    threading.excepthook = lambda found: _tell(
        "error in a thread", found.exc_type, found.exc_traceback
    )
    sys.unraisablehook = lambda found: _tell("ignored", found.exc_type, found.exc_traceback)
    warnings.showwarning = _warn
    logging.getLogger().addHandler(_Places())


def of_loop(_: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
    """Tell of what the loop could give to nobody."""
    error = context.get("exception")
    place = None if error is None else error.__traceback__
    _tell("error in the background", type(error) if error is not None else None, place)


def places(place: "TracebackType | None") -> str:
    """Return the lines of the program that led to a place, without any value."""
    return "".join(traceback.format_tb(place))


def _tell(what: str, kind: type[BaseException] | None, place: "TracebackType | None") -> None:
    name = "" if kind is None else f" {kind.__name__}"
    _write(f"{places(place)}bulkdelete: {what}:{name}\n")


def _warn(
    message: Warning | str,  # noqa: ARG001 - not told
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    _write(f"bulkdelete: warning: {category.__name__} at {filename}:{lineno}\n")


class _Places(logging.Handler):
    """Names the place of a warning or an error that a library logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        _write(f"bulkdelete: {level} of {record.name} at {record.pathname}:{record.lineno}\n")


def _write(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # who reads it may be gone
        sys.stderr.write(text)
        sys.stderr.flush()
