"""Snapshots as a process keeps them, for logs that no process wrote."""

from collections.abc import Iterable, Sequence

from bulkdelete.core import checkpoint as log
from bulkdelete.core.progress import Progress
from bulkdelete.core.snapshot import Snapshot
from bulkdelete.io import journal
from bulkdelete.io.rundir import RunDir
from bulkdelete.version import __version__


def snapshot_of(groups: Iterable[Sequence[log.Record]], chunks: int) -> Snapshot:
    """Take the snapshot that is due after these groups were written."""
    writer, progress = log.Writer(), Progress(chunks)
    for group in groups:
        writer.group(group)
        progress.replay(group)
    return Snapshot.take(progress, writer.place(), __version__)


def keep_snapshot(run: RunDir, before_end: int = 0) -> Snapshot:
    """Put a snapshot into a run's directory: of all of its log but the last groups."""
    groups: list[list[log.Record]] = []
    journal.read(run.log_path, lambda _: None, lambda group, _: groups.append(group))
    found = snapshot_of(groups[: len(groups) - before_end], run.plan().counts.chunks)
    run.snapshot_path.write_bytes(found.encode())
    run.snapshot_path.chmod(0o600)
    return found
