"""A run's directory: plan.json, plan.index, run.key, checkpoint.log and its snapshot, reports.

It is made beside its final name and renamed, so that a run directory is there whole or not at all.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock, Timeout

from bulkdelete.core import checkpoint as log
from bulkdelete.core import index as layout
from bulkdelete.core import plan as plans
from bulkdelete.core.digests import KEY_BYTES, account_tag
from bulkdelete.core.progress import Progress
from bulkdelete.core.sketch import Sketch
from bulkdelete.core.verification import Rounds
from bulkdelete.errors import BusyError, IntegrityError, UsageError
from bulkdelete.io import files, journal, snapshots, sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Witness = Callable[[Progress, list[log.Record], str], None]


SKETCH = "sketch.json"
KILL_FILE = "stop"
"""In the run directory: while it is there nothing is sent."""

_FILES = ("plan.json", "plan.index", "run.key", "checkpoint.log", snapshots.NAME)
_RECORDS = ("checkpoint.log", "plan.index")


class IndexFile:
    """Reads plan.index in windows, so that its size does not matter."""

    _WINDOW = 4096

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self.shape = layout.IndexShape.unpack(os.pread(self._fd, layout.COUNTS.size, 0))
        except ValueError as error:
            os.close(self._fd)
            raise _damaged(path.name) from error
        self._first = 0
        self._entries = b""

    def codes(self, first: int, count: int) -> bytes:
        """Return the codes of the records `first..first+count-1`, a byte each."""
        start = self.shape.codes_at + (first >> 2)
        end = self.shape.codes_at + ((first + count + 3) >> 2)
        return layout.unpacked(os.pread(self._fd, end - start, start), first, count)

    def reasons(self, first: int, count: int) -> bytes:
        """Return `count` entries of the table of reasons, from `first` on."""
        return os.pread(self._fd, count, self.shape.reasons_at + first)

    def chunk(self, seq: int) -> layout.ChunkEntry:
        """Return what is held of chunk `seq`."""
        size = layout.CHUNK.size
        place = (seq - self._first) * size
        if not 0 <= place < len(self._entries):
            self._first, place = seq, 0
            start = self.shape.chunks_at + seq * size
            self._entries = os.pread(self._fd, self._WINDOW * size, start)
        return layout.ChunkEntry.unpack(self._entries[place : place + size])

    def marks_backwards(self) -> "Iterator[layout.Mark]":
        """Yield the places to seek by, the last first."""
        size = layout.MARK.size
        for number in range(self.shape.marks - 1, -1, -1):
            yield layout.Mark.unpack(os.pread(self._fd, size, self.shape.marks_at + number * size))

    def sha256(self) -> str:
        """Hash the whole file."""
        digest = hashlib.sha256()
        place = 0
        while block := os.pread(self._fd, 1 << 20, place):
            digest.update(block)
            place += len(block)
        return digest.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def _damaged(name: str) -> IntegrityError:
    return IntegrityError(
        "run_dir_corrupt",
        f"{name} is damaged or of another run; nothing was sent",
        "restore the run directory from a copy, or start afresh with a new plan",
    )


def _other_plan() -> IntegrityError:
    return IntegrityError(
        "checkpoint_other_run",
        "checkpoint.log belongs to another plan than plan.json; nothing was sent",
        "restore the run directory from a copy",
    )


@dataclass(frozen=True, slots=True)
class RunDir:
    """Paths and contents of one run. `key_file` is where the run's key is."""

    path: Path
    key_file: Path | None = None

    @property
    def run_id(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def log_path(self) -> Path:
        """The checkpoint log."""
        return self.path / "checkpoint.log"

    @property
    def snapshot_path(self) -> Path:
        """What the log came to at some place of it, to read it quickly."""
        return self.path / snapshots.NAME

    @property
    def spool_path(self) -> Path:
        """What was read from standard input."""
        return self.path / "input.spool"

    @property
    def report_path(self) -> Path:
        """The summary as JSON."""
        return self.path / "report.json"

    @property
    def pages(self) -> tuple[Path, Path]:
        """The report to look at, and the one to paste."""
        return self.path / "report.html", self.path / "report.md"

    @property
    def receipts(self) -> tuple[Path, Path]:
        """The receipt to give away, as a page and as JSON."""
        return self.path / "receipt.html", self.path / "receipt.json"

    def exists(self) -> bool:
        """Tell whether this is a run, or what is left of one."""
        return any((self.path / name).exists() for name in ("plan.json", *_RECORDS))

    @property
    def identity(self) -> tuple[Path, int]:
        """What tells this run from another that may come to have its name."""
        return self.path, self.path.stat().st_ino

    @property
    def made_at(self) -> int:
        """When it was made, in nanoseconds; the oldest of its files says it."""
        paths = [self.path / name for name in ("plan.json", "plan.index", "run.key")]
        return min((one.stat().st_mtime_ns for one in paths if one.exists()), default=0)

    def check(self) -> None:
        """Refuse a directory that is missing, or not safely ours."""
        if not self.path.is_dir():
            raise UsageError("run_dir_missing", f"there is no run directory {self.path}")
        files.check_private(self.path)
        if not self.exists():
            raise UsageError("run_dir_missing", f"{self.path} is no run directory")
        for name in _FILES:
            if (self.path / name).is_symlink() or (self.path / name).exists():
                files.check_own(self.path / name)

    def plan(self) -> plans.Plan:
        """Read plan.json; IntegrityError when it is damaged.

        Its own digest leaves paths and times out, so the log's header is asked, too: before
        anybody looks for the input where an altered plan says it is.
        """
        try:
            data = (self.path / "plan.json").read_bytes()
            plan = plans.decode(data)
        except (ValueError, OSError) as error:
            raise _damaged("plan.json") from error
        header = self._header()
        if header is not None and header.plan_file != hashlib.sha256(data).hexdigest():
            raise _other_plan()
        return plan

    @property
    def planned(self) -> str:
        """The digest of the plan that the log was made for; "" where it does not say."""
        header = self._header()
        return header.plan if header is not None else ""

    def _header(self) -> log.Header | None:
        """Return the log's first record; None when that cannot be had, as `progress` will say."""
        try:
            with self.log_path.open("rb") as file:
                first = next(log.Reader().read([file.readline(log.MAX_LINE)]), None)
        except (OSError, IntegrityError):
            return None
        return first if isinstance(first, log.Header) else None

    def own_key(self, plan: plans.Plan, header: log.Header | None) -> bytes:
        """Read the run's key; IntegrityError when it is gone, or not the one of this run.

        A draft's key cannot be told so: its header names no account.
        """
        key, account = self.key(), plan.bound.account
        known = header.account if header is not None else None
        if account is not None and known != account_tag(key, account):
            raise IntegrityError(
                "key_other",
                "the run's key was altered, or is another run's; nothing was sent",
                "restore run.key, or name the right file with --key-file",
            )
        return key

    def add_signature(self, signature: bytes) -> Path:
        """Keep a signature on the plan."""
        number = 1
        while (place := self.path / f"approval-{number}.sig").exists():
            number += 1
        files.write_new(place, signature)
        sums.note(self.path, {place.name: sums.sha256(place)})
        return place

    def signatures(self) -> list[bytes]:
        """Return the signatures on the plan."""
        return [one.read_bytes() for one in sorted(self.path.glob("approval-*.sig"))]

    def sketch(self) -> "Sketch | None":
        """Return the sketch of the list; None when there is none that can be read."""
        try:
            return msgspec.json.decode((self.path / SKETCH).read_bytes(), type=Sketch)
        except (OSError, msgspec.MsgspecError):
            return None

    def key(self) -> bytes:
        """Read the run's key; IntegrityError when it is gone."""
        place = self.key_file or self.path / "run.key"
        try:
            key = place.read_bytes()
        except OSError as error:
            raise IntegrityError(
                "key_missing",
                f"the run's key {place} cannot be read, so no chunk can be checked; "
                "nothing was sent",
                "name the file with --key-file",
            ) from error
        if len(key) != KEY_BYTES:
            raise _damaged(place.name)
        return key

    def index(self, plan: plans.Plan) -> IndexFile:
        """Open plan.index; IntegrityError unless it is exactly the plan's."""
        try:
            index = IndexFile(self.path / "plan.index")
        except OSError as error:
            raise _damaged("plan.index") from error
        if index.sha256() != plan.index_sha256:
            index.close()
            raise _damaged("plan.index")
        return index

    def progress(
        self, plan: plans.Plan, witness: "Witness | None" = None, *, whole: bool = False
    ) -> tuple[Progress, log.Reader]:
        """Replay the checkpoint; IntegrityError when it is corrupt, missing or of another plan.

        `witness` is told after each commit group how things stand, the group, and the chain's head.
        Without one, and unless it must be the `whole` log, what a snapshot is of need not be read
        again, as long as it is unaltered.
        """
        progress, reader = Progress(plan.counts.chunks), log.Reader()
        with journal.opened(self.log_path) as file:
            if witness is None and not whole:
                progress, reader = self._recalled(plan, file.fileno()) or (progress, reader)
                file.seek(reader.size)
            tell = partial(witness, progress) if witness is not None else None
            journal.replay(file, reader, progress.apply, tell)
        header = progress.header
        if header is None:
            raise log.corrupt("it has no header")
        if header.format > log.FORMAT_VERSION:
            raise IntegrityError(
                "checkpoint_newer",
                f"checkpoint.log has format {header.format}, newer than this tool reads; "
                "nothing was sent",
                "use the version of bulkdelete that made it, or a newer one",
            )
        plan_file = hashlib.sha256((self.path / "plan.json").read_bytes()).hexdigest()
        if header.plan != plan.digest or header.plan_file != plan_file:
            raise _other_plan()
        return progress, reader

    def _recalled(self, plan: plans.Plan, log_file: int) -> tuple[Progress, log.Reader] | None:
        try:
            found = snapshots.known(self.snapshot_path)
        except (OSError, ValueError):
            return None
        return snapshots.recall(found, plan.counts.chunks, partial(os.pread, log_file))

    @property
    def verify_path(self) -> Path:
        """The log of what was asked afterwards."""
        return self.path / "verify.log"

    def begin_verifying(self) -> None:
        """Make verify.log, durably, when there is none yet."""
        if not self.verify_path.exists():
            files.write_new(self.verify_path)
            files.sync_directory(self.path)

    def rounds(self, plan: plans.Plan) -> tuple[Rounds, log.Reader]:
        """Replay verify.log; none is no rounds; IntegrityError when corrupt."""
        rounds = Rounds(plan.digest)
        if not self.verify_path.exists():
            return rounds, log.Reader()
        try:
            return rounds, journal.read(self.verify_path, rounds.apply)
        except IntegrityError as error:
            raise IntegrityError(
                "verify_corrupt",
                "verify.log is damaged, or of another run; nothing was asked",
                "restore it from a copy, or move it away to begin anew",
            ) from error

    @contextlib.contextmanager
    def lock(self, patience: float = 0.3, name: str = "run.lock") -> "Iterator[None]":
        """Hold the run; BusyError when another process does. The kernel frees it at any death.

        `patience` in seconds outlasts a look at the run by `busy`. Verifying has a lock of its own
        `name`: it does not change what was sent.
        """
        held = FileLock(self.path / name, timeout=patience, poll_interval=0.02, mode=0o600)
        try:
            held.acquire()
        except Timeout as error:
            raise BusyError(
                "busy",
                f"another process holds the run {self.path}; nothing was sent by this one",
                f"watch it with: bulkdelete status {self.path}",
            ) from error
        try:
            yield
        finally:
            held.release()

    def remove(self) -> None:
        """Remove it all. It loses its name first: what is left of it after a crash is no run."""
        going = self.path.with_name(f".removing-{self.path.name}-{secrets.token_hex(4)}")
        self.path.rename(going)
        shutil.rmtree(going)

    def busy(self, name: str = "run.lock") -> bool:
        """Tell whether a process holds the run now; writes nothing: the disk may be read-only."""
        return files.is_seen_locked(self.path / name)


class Draft:
    """A run directory in the making, beside its final place."""

    def __init__(self, parent: Path, key_file: Path | None) -> None:
        files.make_place(parent)
        self.path = parent / f".making-{os.getpid()}-{secrets.token_hex(4)}"
        with files.alone_in(parent):
            _remove_leftovers(parent)
            files.make_private(self.path)
            self._held = files.held(self.path)
        self._key_file = key_file
        self.key = _key(key_file)

    def spool_path(self) -> Path:
        """Where standard input goes."""
        return self.path / "input.spool"

    def finish(
        self,
        plan: plans.Plan,
        sections: "tuple[bytes, ...]",
        final: Path,
        sketch: "Sketch | None" = None,
    ) -> RunDir:
        """Write everything durably, then give it its name (`check_free` says if it may be)."""
        if sketch is not None:
            files.write_new(self.path / SKETCH, msgspec.json.encode(sketch))
            sums.note(self.path, {SKETCH: sums.sha256(self.path / SKETCH)})
        if self._key_file is None:
            files.write_new(self.path / "run.key", self.key)
        elif not self._key_file.exists():
            files.write_new(self._key_file, self.key)
            files.sync_directory(self._key_file.absolute().parent)
        elif _key(self._key_file) != self.key:
            raise BusyError(
                "busy",
                f"another process made the key {self._key_file} just now; nothing was sent",
                "run the same command again: it takes that key",
            )
        text = plan.encode()
        files.write_new(self.path / "plan.json", text)
        files.write_new(self.path / "plan.index", *sections)
        header = log.Header(
            format=log.FORMAT_VERSION,
            tool=plan.tool,
            run=final.name,
            plan=plan.digest,
            plan_file=hashlib.sha256(text).hexdigest(),
            host=plan.bound.host,
            account=account_tag(self.key, plan.bound.account) if plan.bound.account else None,
            chunks=plan.counts.chunks,
            at=plan.created,
        )
        files.write_new(self.path / "checkpoint.log", log.Writer().group([header]))
        files.sync_directory(self.path)
        self.path.rename(final)
        files.sync_directory(final.parent)
        self._let_go()
        return RunDir(final, self._key_file)

    @staticmethod
    def check_free(final: Path) -> None:
        """Refuse a name that is taken; an empty directory is not."""
        if final.exists() and (not final.is_dir() or any(final.iterdir())):
            raise UsageError(
                "run_dir_taken",
                f"{final} is there already, and holds something",
                "name another --run-dir",
            )

    def discard(self) -> None:
        """Remove what was made."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _remove_leftovers(parent: Path) -> None:
    """Remove drafts whose makers were killed: raw IDs from standard input may lie in them."""
    for one in parent.glob(".making-*"):
        if Path("/proc/self").exists() and Path("/proc", one.name.split("-")[1]).exists():
            continue  # whoever lives may be of a version that holds nothing
        if (held := files.held(one)) is not None:
            shutil.rmtree(one, ignore_errors=True)
            os.close(held)


def _key(key_file: Path | None) -> bytes:
    if key_file is not None and key_file.exists():
        return RunDir(key_file.parent, key_file).key()
    return secrets.token_bytes(KEY_BYTES)


def machine_tag(key: bytes) -> str:
    """Name this machine by a keyed hash, to notice when a checkpoint moved."""
    with contextlib.suppress(OSError):
        return account_tag(key, Path("/etc/machine-id").read_text("ascii").strip())
    return account_tag(key, os.uname().nodename)


def _may_be_a_run(path: Path) -> bool:
    """Tell that it is no link, which is another name of a run, and that we may look into it."""
    return not path.name.startswith(".") and not path.is_symlink() and not files.is_closed(path)


def runs_in(place: Path) -> list[RunDir]:
    """Return the runs under a directory, the newest first."""
    if not place.is_dir():
        return []
    found = [RunDir(one) for one in place.iterdir() if _may_be_a_run(one)]
    return sorted(
        (one for one in found if one.exists()),
        key=lambda one: one.made_at,
        reverse=True,
    )
