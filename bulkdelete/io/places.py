"""What a directory is on: whether it outlives the job that writes there."""

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_GONE = {
    "tmpfs": "a tmpfs, which is gone with the next start",
    "ramfs": "a ramfs, which is gone with the next start",
    "overlay": "the container's own layer, which is gone with the container",
}


def fleeting(path: Path, mounts: Path = _MOUNTS) -> str:
    """Say what `path` is on, when that looks as if it were soon gone; "" otherwise.

    An overlay counts where it is the root: that is how containers have theirs.
    """
    place = os.path.realpath(path)
    longest, kind = "", ""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].encode().decode("unicode_escape")
        if f"{place}/".startswith(f"{point.rstrip('/')}/") and len(point) >= len(longest):
            longest, kind = point, right.split(" ")[0]
    return "" if kind == "overlay" and longest != "/" else _GONE.get(kind, "")
