"""structlog, configured: one event is one line on stderr, whatever is in it."""

import contextlib
import io
import sys

import structlog


class _Stderr(io.StringIO):
    """Standard error that may be gone: a log that nobody reads stops nothing."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(log_format: str, level: str, *, color: bool) -> None:
    """Set the renderer: JSON, colours for a terminal, or plain `key=value` lines."""
    renderer: structlog.typing.Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    elif color:
        renderer = structlog.dev.ConsoleRenderer(colors=True)
    else:
        renderer = structlog.processors.KeyValueRenderer(
            key_order=["timestamp", "level", "event"], sort_keys=True
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,  # which job of a fleet it is
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Stderr()),
        cache_logger_on_first_use=True,
    )
