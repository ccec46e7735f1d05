"""Files that are private and durable.

Created 0600, in directories 0700, fsynced with their directory. Paths that others could swap or
write to are refused.
"""

import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_new(path: Path, *sections: bytes) -> None:
    """Create `path` (FileExistsError when it is there) with these bytes, durably, 0600."""
    fd = os.open(path, _NEW, 0o600)
    try:
        with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.writelines(sections)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        error.filename = str(path)
        raise


def replace(path: Path, data: bytes, writer: str = "") -> None:
    """Put `data` in the place of `path`, whole or not at all, durably, 0600.

    Who dies over it leaves a file behind; `writer` names the only one that there can be at a time,
    and that clears away what the one before left (by itself: this process).
    """
    fresh = path.with_name(f".{path.name}.{writer or os.getpid()}.tmp")
    fresh.unlink(missing_ok=True)
    try:
        write_new(fresh, data)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def blank(path: Path) -> None:
    """Write zeros over a file, durably, for disks on which that means anything."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        left = os.fstat(fd).st_size
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
        file.flush()
        os.fsync(fd)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_place(path: Path) -> None:
    """Create a directory, and those above it that are missing; their names are durable then.

    The nearest name is made durable in any case: who created it may have been killed at it. None
    of them is for others to write in, whatever the umask: they could exchange a run's directory.
    """
    fresh = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(fresh):
        one.mkdir(mode=0o755, exist_ok=True)
    for one in reversed(fresh or [path]):
        with suppress(PermissionError):  # a directory that may not be read cannot be synced
            sync_directory(one.parent)


@contextmanager
def alone_in(path: Path) -> "Iterator[None]":
    """Be the only one of us that gives out names in a directory; others wait for a moment."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def held(path: Path) -> int | None:
    """Hold a directory while the descriptor that is returned is open; None when another does."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def is_locked(path: Path) -> bool:
    """Tell whether another holds the lock of a file; OSError when that cannot be seen."""
    return _is_locked(_opened(path))


def is_seen_locked(path: Path) -> bool:
    """Tell the same; a file that cannot be opened is locked by nobody that we know of."""
    try:
        fd = _opened(path)
    except OSError:
        return False
    return _is_locked(fd)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def make_private(path: Path) -> None:
    """Create a directory 0700 (parents as usual); FileExistsError when it is there."""
    make_place(path.parent)
    path.mkdir(mode=0o700)
    path.chmod(0o700)


def check_private(path: Path) -> None:
    """Refuse a run directory that is a link, foreign, or that others may write to."""
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise UsageError("run_dir", f"{path} is not a directory of its own (a link, perhaps)")
    _check_ours(path, info, "0700")
    _check_parent(path.absolute().parent)


def is_closed(path: "Path | str") -> bool:
    """Tell that it is another user's, who lets us not in: `lost+found` of a volume, for example."""
    if os.access(path, os.X_OK, effective_ids=True):
        return False
    try:
        return Path(path).stat().st_uid != os.geteuid()
    except FileNotFoundError:  # it went just now
        return True


def _check_parent(place: Path) -> None:
    """Refuse a place where anybody could put another directory under the same name.

    A group that may write there is who an administrator let in: a volume of a pod, a shared disk.
    """
    mode = place.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise UsageError(
            "run_dir",
            f"everybody may exchange what is in {place}",
            f"chmod o-w {place}, or chmod +t {place}, if you trust what is there",
        )


def check_own(path: Path) -> None:
    """Refuse a file of a run that is a link, foreign, or that others may write to."""
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode):
        raise UsageError("run_dir", f"{path} is not a file of its own (a link, perhaps)")
    _check_ours(path, info, "0600")


def _check_ours(path: Path, info: os.stat_result, mode: str) -> None:
    if info.st_uid != os.geteuid():
        raise UsageError("run_dir", f"{path} belongs to another user")
    if info.st_mode & 0o022:
        raise UsageError(
            "run_dir", f"others may write to {path}", f"chmod {mode} {path} if you trust it"
        )


def _open_to(info: os.stat_result, user: int) -> int:
    """Return the bits of a secret's mode that let in others than `user` and root."""
    handed_out = user != 0 and info.st_uid == 0
    return 0o037 if handed_out else 0o077


def read_secret(path: Path, what: str) -> str:
    """Read a one-line secret from a file that only its owner can read; UsageError otherwise.

    A file of root's that lets in a group is how systemd's credentials and a pod's secrets reach a
    user who is not root.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError("secret_file", f"{what} {path}: {error.strerror}") from error
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_mode & _open_to(info, os.geteuid()):
            raise UsageError(
                "secret_file",
                f"{what} {path} must be a regular file that only its owner can read",
                f"chmod 0600 {path}",
            )
        data = os.read(fd, 4096)
    finally:
        os.close(fd)
    try:
        return data.decode("ascii").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UsageError("secret_file", f"{what} {path} is not plain ASCII") from error
