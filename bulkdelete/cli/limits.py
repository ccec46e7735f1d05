"""What the system allows this process: no picture of its memory, and files enough."""

import ctypes
import resource
from contextlib import suppress

from bulkdelete.errors import UsageError

_PR_SET_DUMPABLE = 4
_FEWEST = 32
"""With fewer files than these neither the loop nor the log could be opened."""
_PLENTY = 4096


def no_core() -> None:
    """Let no crash write a core file: passcode and IDs would be in it."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError):  # where core files go to a program, the limit does not count
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def enough_files() -> None:
    """Take as many open files as may be had; UsageError when they are too few to begin."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = _PLENTY if hard == unlimited else min(hard, _PLENTY)
    if soft != unlimited and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft != unlimited and soft < _FEWEST:
        raise UsageError(
            "open_files",
            f"this process may have {soft} open files at most, too few; nothing was sent",
            "allow it more: ulimit -n 256",
        )
