"""What the program logs, heard by a test however its process was told to log before."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import structlog
from structlog.testing import LogCapture


@contextmanager
def heard_of(module: ModuleType) -> Iterator[list[Any]]:
    """Yield the entries that the module logs meanwhile, of every level.

    Another test of the process may have configured structlog, and a logger that was used then
    keeps to that; so the module has another one as long.
    """
    capture = LogCapture()
    every = structlog.make_filtering_bound_logger(0)
    logger = structlog.wrap_logger(None, processors=[capture], wrapper_class=every)
    with mock.patch.object(module, "_log", logger):
        yield capture.entries
