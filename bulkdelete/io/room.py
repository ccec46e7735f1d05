"""Room on a disk: how to hold some, and what to tell a user when there is none."""

import ctypes
import errno
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of linux/falloc.h
_UNABLE = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV, errno.EPERM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def hold(fd: int, size: int) -> None:
    """Hold room on the disk for a file to grow to `size` bytes; its size stays what it is.

    Nobody else can take what is held. OSError when there is no room. Where the system or the file
    system cannot do it, nothing is held, and nothing is said.
    """
    fallocate = _fallocate()
    while fallocate is not None and fallocate(fd, _KEEP_SIZE, 0, size):
        number = ctypes.get_errno()
        if number in _UNABLE:
            return
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


@cache
def _fallocate() -> "Callable[[int, int, int, int], int] | None":
    """Return the system's call; None where it has none.

    Once: each time that a library is opened, Python makes classes for it, which stay for long.
    """
    try:
        found = ctypes.CDLL(None, use_errno=True).fallocate
    except AttributeError:
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return found


def let_go(fd: int) -> None:
    """Give back what is held beyond the end of a file."""
    os.ftruncate(fd, os.fstat(fd).st_size)


def advice(error: OSError, place: Path | None = None) -> str:
    """Say what to do about an error of the disk; `place` is on it (or the error's own file)."""
    place = Path(os.fsdecode(error.filename)) if place is None and error.filename else place
    disk = _disk_of(place) if place is not None else None
    again = ", then run the same command again"
    if error.errno in _FULL:
        where = f" on {disk} ({_free(disk)} free)" if disk else ""
        return f"free some room{where}{again}"
    if error.errno == errno.EROFS:
        return f"make {disk or 'the disk'} writable again{again}"
    if error.errno == errno.EFBIG:
        return f"raise the limit on the size of files (ulimit -f){again}"
    return f"see to {disk or 'the disk'}{again}"


def _disk_of(place: Path) -> Path:
    """Return where the disk that holds `place` is mounted."""
    found = place.absolute()
    while not (found.exists() and found.is_mount()) and found != found.parent:
        found = found.parent
    return found


def _free(disk: Path) -> str:
    space = os.statvfs(disk)
    return f"{space.f_bavail * space.f_frsize / 1e6:,.1f} MB"
