"""Shredding a run: afterwards nothing in its directory can be tied to a person.

The key of the keyed digests, the sketch of the list (hashes that guesses could be held against),
the outcome files and what came from standard input are destroyed; counts, times and the chain stay,
and the chain says that it was done. What a disk keeps of removed files, and copies elsewhere, are
not in our hands.
"""

from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import State
from bulkdelete.errors import UsageError
from bulkdelete.io import files, sums
from bulkdelete.io.journal import Journal, LogFile
from bulkdelete.io.rundir import SKETCH

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.io.rundir import RunDir

_FILES_OF_IDS = (*(state.value for state in State), "still-there", "came-back")
_FORMATS = ("csv", "jsonl", "parquet")


async def shred(run: "RunDir", plan: "Plan", now: float) -> "list[Path]":
    """Destroy what ties a run to persons; return the files that were removed.

    UsageError for a run that could still be resumed (it needs its key), or whose key is kept
    elsewhere: that file may serve other runs.
    """
    with run.lock():
        progress, reader = run.progress(plan)
        if progress.starts and progress.seal is None and not progress.abandoned:
            raise UsageError(
                "unfinished",
                "this run is not finished, and going on needs its key; nothing was removed",
                "finish it, or give it up with --abandon",
            )
        key = run.path / "run.key"
        if not key.exists() and not progress.shredded:
            raise UsageError(
                "key_elsewhere",
                "the run's key is not in its directory; nothing was removed",
                "destroy the key file yourself, when no other run uses it",
            )
        journal = Journal(LogFile(run.log_path), reader, progress.apply)
        try:
            # Said first: what was begun is seen, and can be ended by the same command.
            await journal.append(log.Shred(at=now))
        finally:
            await journal.close()
        names = [f"{name}.{one}" for name in _FILES_OF_IDS for one in _FORMATS]
        paths = [run.path / name for name in ("run.key", "input.spool", SKETCH, *names)]
        removed = [path for path in paths if path.exists()]
        for path in removed:
            files.blank(path)
            path.unlink()
        sums.note(run.path, dict.fromkeys(path.name for path in removed))
        files.sync_directory(run.path)
    return removed
