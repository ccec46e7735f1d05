"""Snapshots of the progress, beside the log: kept while it grows, and used when it is read again.

None of it can fail a run: what is missing, altered, of another version or of other bytes than the
log has now is passed over, and the whole log is read.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core import snapshot
from bulkdelete.core.prefix import unaltered
from bulkdelete.io import files
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bulkdelete.core.prefix import Block, Place, Read
    from bulkdelete.core.progress import Progress

NAME = "checkpoint.snapshot"
THREADS = 4
_PATIENCE = 1.0
"""Seconds that the end of a process may be later for a snapshot."""

_FEW = 16
"""Blocks for which no thread is worth while."""


def take(progress: "Progress", place: "Place") -> "Callable[[], bytes]":
    """Copy the progress as it is at a place of the log; what is returned makes it a file's text."""
    return snapshot.Snapshot.take(progress, place, __version__).encode


def known(path: "Path") -> snapshot.Snapshot:
    """Read a snapshot; OSError or ValueError when there is none to be believed."""
    return snapshot.decode(path.read_bytes(), __version__)


def recall(
    found: snapshot.Snapshot, chunks: int, read: "Read"
) -> "tuple[Progress, log.Reader] | None":
    """Return progress and reader as they were at the snapshot, to go on from there.

    `read` gives bytes of the log; None unless it still begins with those that the snapshot is of.
    """
    place = found.place
    if found.chunks != chunks or not _unaltered(place.blocks, read):
        return None
    return found.progress(), log.Reader(place, read(place.tail, place.size - place.tail))


def _unaltered(blocks: "Sequence[Block]", read: "Read") -> bool:
    if len(blocks) <= _FEW:
        return unaltered(blocks, read)
    with ThreadPoolExecutor(THREADS) as pool:
        shares = (blocks[first::THREADS] for first in range(THREADS))
        return all(pool.map(partial(unaltered, read=read), shares))


class Keeper:
    """Puts snapshots into a file, one at a time, in a thread: nobody waits for it.

    Who comes while one is written is passed over: there will be a later one. The caller holds the
    run's lock.
    """

    def __init__(self, path: "Path") -> None:
        self._path = path
        self._thread: Thread | None = None
        self.size = 0
        """Bytes of the last one that was made."""

    def keep(self, content: "Callable[[], bytes]") -> None:
        """Put a snapshot in the place of the one before, if nothing stands against it."""
        if self._thread is not None and self._thread.is_alive():
            return
        thread = Thread(target=self._put, args=(content,), name="snapshot", daemon=True)
        with suppress(RuntimeError):  # no thread is to be had
            thread.start()
            self._thread = thread

    def _put(self, content: "Callable[[], bytes]") -> None:
        text = content()
        self.size = len(text)
        with suppress(OSError):
            files.replace(self._path, text, "new")

    def close(self) -> None:
        """Wait until what is being written is there, but not for a disk that hangs."""
        if self._thread is not None:
            self._thread.join(_PATIENCE)
