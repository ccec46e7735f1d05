"""Snapshots beside a log on a real disk: of what is durable only, and never in anybody's way."""

import asyncio
import errno
import itertools
import os
import stat
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bulkdelete.core import checkpoint as log
from bulkdelete.core import prefix
from bulkdelete.core.progress import Progress
from bulkdelete.errors import IntegrityError
from bulkdelete.io import files, journal, snapshots
from bulkdelete.io.journal import Journal, LogFile
from bulkdelete.io.rundir import RunDir
from tests.microscope.papers import make_run
from tests.snapshots import keep_snapshot

SECONDS = 5.0


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Plan a small list."""
    return make_run(tmp_path_factory.mktemp("planned"))


class Bench:
    """A run whose log is written on, by what a process start goes by."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.plan = run.plan()
        self.progress, reader = run.progress(self.plan)
        take = partial(snapshots.take, self.progress)
        self.journal = Journal(LogFile(run.log_path), reader, self.progress.apply, take=take)
        self.began = reader.began

    async def write(self, count: int) -> None:
        """Write some groups."""
        for number in range(count):
            await self.journal.append(log.Setting(name="rate", value=str(number), at=1e9))

    async def close(self) -> None:
        """Let go of the log; what is being kept is there then."""
        await self.journal.close()


@pytest.fixture
def run(planned: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """Return a fresh run, in which a snapshot is worth while after a few groups."""
    monkeypatch.setattr(journal, "SNAPSHOT_AFTER", 4096)
    there = tmp_path / "run"
    there.mkdir(mode=0o700)
    for one in planned.path.iterdir():
        (there / one.name).write_bytes(one.read_bytes())
        (there / one.name).chmod(0o600)
    return RunDir(there)


def whole(run: RunDir) -> tuple[Progress, log.Reader]:
    """Read the log line by line."""
    return run.progress(run.plan(), lambda *_: None)


async def test_a_snapshot_is_kept_as_the_log_grows_and_is_read_again(run: RunDir) -> None:
    """0600, whole, of a place in the log; a reader begins there, and says the same."""
    bench = Bench(run)
    assert bench.began == 0
    await bench.write(7)
    assert not run.snapshot_path.exists()
    await bench.write(30)
    await bench.close()
    found = snapshots.known(run.snapshot_path)
    assert stat.S_IMODE(run.snapshot_path.stat().st_mode) == 0o600
    assert not list(run.path.glob("*.tmp"))
    progress, reader = run.progress(bench.plan)
    assert reader.began == found.place.size > 0
    assert progress == whole(run)[0] == bench.progress
    assert reader.size == whole(run)[1].size == run.log_path.stat().st_size
    later = Bench(run)
    assert later.began == found.place.size
    await later.write(40)
    await later.close()
    assert snapshots.known(run.snapshot_path).place.size > found.place.size
    assert run.progress(later.plan)[0] == whole(run)[0] == later.progress


async def test_s4_nothing_is_in_a_snapshot_before_it_is_durable(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is busy with a group no snapshot of it is taken."""
    let_go, real = threading.Event(), os.fdatasync

    def busy(fd: int) -> None:
        assert let_go.wait(SECONDS)
        real(fd)

    bench = Bench(run)
    monkeypatch.setattr(os, "fdatasync", busy)
    futures = [
        bench.journal.append(log.Setting(name="rate", value=str(number), at=1e9))
        for number in range(30)
    ]
    await asyncio.sleep(0.01)
    assert run.log_path.stat().st_size > 4096
    assert not run.snapshot_path.exists()
    let_go.set()
    await asyncio.gather(*futures)
    await bench.close()
    assert snapshots.known(run.snapshot_path).place.size == run.log_path.stat().st_size


async def test_a_snapshot_that_cannot_be_written_stops_nothing(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for it: the records are durable all the same, and nothing is left lying about."""
    tried: list[Path] = []

    def full(path: Path, *_: bytes) -> None:
        tried.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "write_new", full)
    bench = Bench(run)
    await bench.write(40)
    await bench.close()
    assert tried
    assert not list(run.path.glob("*checkpoint.snapshot*"))
    assert run.progress(bench.plan)[0] == bench.progress


async def test_one_snapshot_at_a_time(tmp_path: Path) -> None:
    """Who comes while one is written is passed over; nobody waits."""
    slow, made = threading.Event(), []

    def content(text: bytes) -> bytes:
        assert slow.wait(SECONDS)
        made.append(text)
        return text

    keeper = snapshots.Keeper(tmp_path / "kept")
    keeper.keep(partial(content, b"first"))
    keeper.keep(partial(content, b"second"))
    slow.set()
    keeper.close()
    keeper.keep(partial(content, b"third"))
    keeper.close()
    assert made == [b"first", b"third"]
    assert (tmp_path / "kept").read_bytes() == b"third"


class Soon(threading.Thread):
    """A thread that has done its work when it is started."""

    def start(self) -> None:
        """Do it."""
        super().start()
        self.join()


async def test_snapshots_that_grow_with_the_log_cost_a_share_of_it(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds more and more is written more and more rarely: in all, less than the log."""
    written: list[int] = []
    real = files.replace

    def counted(path: Path, text: bytes, end: str) -> None:
        written.append(len(text))
        real(path, text, end)

    monkeypatch.setattr(snapshots, "Thread", Soon)
    monkeypatch.setattr(files, "replace", counted)
    bench = Bench(run)
    records = (log.Setting(name="rate", value=str(number), at=1e9) for number in range(1500))
    while some := list(itertools.islice(records, 5)):
        await asyncio.gather(*map(bench.journal.append, some))
    await bench.close()
    assert written[-1] > 10 * written[0]
    assert sum(written) < run.log_path.stat().st_size


def test_a_snapshot_for_which_no_thread_is_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none, and that is all."""
    tried: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        tried.append(thread)
        raise RuntimeError("can't start new thread")

    keeper = snapshots.Keeper(tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        keeper.keep(lambda: b"first")
        keeper.close()
    assert tried
    assert not (tmp_path / "kept").exists()
    keeper.keep(lambda: b"second")
    keeper.close()
    assert (tmp_path / "kept").read_bytes() == b"second"


def test_the_end_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot is given up; what the one before left behind is cleared away by the next."""
    monkeypatch.setattr(snapshots, "_PATIENCE", 0.01)
    hangs, real = threading.Event(), os.fsync

    def sync(fd: int) -> None:
        assert hangs.wait(SECONDS)
        real(fd)

    keeper = snapshots.Keeper(tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        keeper.keep(lambda: b"first")
        keeper.close()
        assert not (tmp_path / "kept").exists()
        hangs.set()
        assert keeper._thread is not None
        keeper._thread.join(SECONDS)
    (tmp_path / ".kept.new.tmp").write_bytes(b"of a process that died")
    keeper.keep(lambda: b"second")
    keeper._thread.join(SECONDS)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("kept", b"second")]


def altered(text: bytes, at: int) -> bytes:
    """Flip a bit."""
    return text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]


Change = Callable[[RunDir], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.snapshot_path.unlink(),
        lambda run: run.snapshot_path.write_bytes(b""),
        lambda run: run.snapshot_path.write_bytes(altered(run.snapshot_path.read_bytes(), 900)),
        lambda run: run.log_path.write_bytes(run.log_path.read_bytes()[:-1]),
        lambda run: run.log_path.write_bytes(run.log_path.read_bytes()[:-512]),
        lambda run: run.snapshot_path.write_bytes(
            msgspec.structs.replace(snapshots.known(run.snapshot_path), states=b"\1").encode()
        ),
    ],
    ids=["gone", "empty", "altered", "log torn", "log cut", "of another plan"],
)
async def test_d7_d10_a_snapshot_that_does_not_fit_is_passed_over(
    run: RunDir, change: Change
) -> None:
    """The log is read whole then, and decides alone."""
    bench = Bench(run)
    await bench.write(20)
    await bench.close()
    keep_snapshot(run)
    assert run.progress(bench.plan)[1].began == run.log_path.stat().st_size
    change(run)
    progress, reader = run.progress(bench.plan)
    assert reader.began == 0
    assert progress == whole(run)[0]
    assert (reader.size, reader.torn) == (whole(run)[1].size, whole(run)[1].torn)


@pytest.mark.parametrize("before_end", [0, 10])
async def test_d9_damage_is_seen_as_if_there_were_no_snapshot(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, before_end: int
) -> None:
    """Wherever it is, and however many blocks and threads look at it."""
    monkeypatch.setattr(prefix, "BLOCK", 1024)
    bench = Bench(run)
    await bench.write(60)
    await bench.close()
    kept = keep_snapshot(run, before_end)
    assert len(kept.place.blocks) > snapshots.THREADS * 4
    assert run.progress(bench.plan)[1].began == kept.place.size
    text = run.log_path.read_bytes()
    for at in range(3, len(text) - 512, 997):
        run.log_path.write_bytes(altered(text, at))
        with pytest.raises(IntegrityError) as caught:
            run.progress(bench.plan)
        assert caught.value.code == "checkpoint_corrupt"


def test_d18_a_snapshot_that_others_may_write_to_is_refused(run: RunDir) -> None:
    """As any file of a run."""
    keep_snapshot(run)
    run.check()
    run.snapshot_path.chmod(0o666)
    with pytest.raises(Exception, match="others may write to"):
        run.check()
