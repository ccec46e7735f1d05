"""Records on a real disk: durable in order, torn ends cut, and no belief after a failure."""

import asyncio
import errno
import os
import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bulkdelete.core import checkpoint as log
from bulkdelete.errors import BulkdeleteError, IntegrityError, Stopped
from bulkdelete.io import journal, room
from bulkdelete.io.journal import Journal, LogFile

HEADER = log.Header(
    format=1, tool="0", run="r", plan="p", plan_file="f", host=None, account=None, chunks=9, at=0.5
)
SECONDS = 5.0


def setting(number: int) -> log.Setting:
    """Return some record."""
    return log.Setting(name=f"n{number}", value="v" * 20)


class Bench:
    """A log on disk with its header, and what was said to be durable."""

    def __init__(self, place: Path) -> None:
        self.path = place / "checkpoint.log"
        self.path.write_bytes(log.Writer().group([HEADER]))
        self.durable: list[log.Record] = []

    def open(self, apply: Callable[[log.Record], None] | None = None, reserve: int = 0) -> Journal:
        """Read the log, and open it to write on."""
        reader = journal.read(self.path, lambda _: None)
        return Journal(LogFile(self.path), reader, apply or self.durable.append, reserve)

    def records(self) -> list[log.Record]:
        """Return what the log says now, after its header."""
        found: list[log.Record] = []
        reader = journal.read(self.path, found.append)
        assert reader.torn == 0
        return found[1:]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a log in a directory of its own."""
    return Bench(tmp_path)


class HeldDisk:
    """Makes `fdatasync` wait until it is let go, and counts the calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.let_go = threading.Event()
        self.reached = threading.Event()
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self)

    def __call__(self, fd: int) -> None:
        """Wait, then do what the kernel does."""
        self.calls += 1
        self.reached.set()
        assert self.let_go.wait(SECONDS)
        self._real(fd)

    async def until_reached(self) -> None:
        """Wait until a commit is at the disk."""
        assert await asyncio.to_thread(self.reached.wait, SECONDS)


async def error_of(future: "asyncio.Future[None]") -> BulkdeleteError:
    """Return the error that a future ends with, soon."""
    with pytest.raises(BulkdeleteError) as caught:
        await asyncio.wait_for(future, SECONDS)
    return caught.value


async def test_s4_a_record_is_on_disk_when_its_future_is_done(bench: Bench) -> None:
    """Another reader sees it at that moment."""
    writing = bench.open()
    await writing.append(setting(1))
    assert bench.records() == bench.durable == [setting(1)]
    await writing.append(setting(2))
    assert bench.records() == bench.durable == [setting(1), setting(2)]
    await writing.close()


async def test_s4_nothing_is_durable_before_fdatasync_returns(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D15: while the disk is busy no record counts, and the loop goes on."""
    disk = HeldDisk(monkeypatch)
    writing = bench.open()
    future = writing.append(setting(1))
    await disk.until_reached()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not future.done()
    assert bench.durable == []
    disk.let_go.set()
    await future
    assert bench.durable == [setting(1)]
    await writing.close()


async def test_what_comes_while_the_disk_is_busy_goes_together(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fdatasync for all of it, in the order of the appends."""
    disk = HeldDisk(monkeypatch)
    writing = bench.open()
    futures = [writing.append(setting(0))]
    await disk.until_reached()
    futures += [writing.append(setting(number)) for number in range(1, 50)]
    disk.let_go.set()
    order: list[int] = []
    for number, future in enumerate(futures):
        future.add_done_callback(lambda _, number=number: order.append(number))  # type: ignore[misc]
    await asyncio.gather(*futures)
    await asyncio.sleep(0)
    assert disk.calls == 2
    assert order == list(range(50))
    assert bench.durable == bench.records() == [setting(number) for number in range(50)]
    await writing.close()


async def test_p16_who_waits_may_be_cancelled(bench: Bench) -> None:
    """The record becomes durable all the same, and the others hear of theirs."""
    writing = bench.open()
    first, second = writing.append(setting(1)), writing.append(setting(2))
    first.cancel()
    await asyncio.wait_for(second, SECONDS)
    assert bench.records() == bench.durable == [setting(1), setting(2)]
    await writing.close()


async def test_flush_and_close_wait_for_everything(bench: Bench) -> None:
    """Records that nobody waits for are durable afterwards."""
    writing = bench.open()
    await writing.flush()
    writing.append(setting(1))
    await writing.flush()
    assert bench.records() == [setting(1)]
    writing.append(setting(2))
    await writing.close()
    assert bench.records() == [setting(1), setting(2)]


async def test_p16_closing_that_is_cancelled_lets_go_of_the_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is at the disk is finished; what waits behind it is refused, and never written."""
    disk = HeldDisk(monkeypatch)
    writing = bench.open()
    first = writing.append(setting(1))
    await disk.until_reached()
    second = writing.append(setting(2))
    closing = asyncio.create_task(writing.close())
    await asyncio.sleep(0)
    closing.cancel()
    disk.let_go.set()
    await asyncio.wait([closing])
    assert closing.cancelled()
    for future in (first, second, writing.append(setting(3))):
        assert (await error_of(future)).code == "closed"
    with pytest.raises(OSError, match="descriptor"):
        writing._disk.size()
    assert bench.records() == [setting(1)]


async def test_the_log_goes_on_after_it_was_closed(bench: Bench) -> None:
    """The chain's head of one sitting is the start of the next."""
    first = bench.open()
    await first.append(setting(1))
    head = first.head
    await first.close()
    second = bench.open()
    assert second.head == head
    await second.append(setting(2))
    assert second.head != head
    await second.close()
    assert bench.records() == [setting(1), setting(2)]


async def test_d7_a_torn_tail_is_cut_off_on_opening(bench: Bench) -> None:
    """At every byte of the last group; then the log goes on cleanly."""
    whole = bench.path.read_bytes()
    writer = journal.read(bench.path, lambda _: None).writer()
    last = writer.group([setting(1), setting(2)])
    for length in (1, 9, 60, len(last) // 2, len(last) - 1):
        bench.path.write_bytes(whole + last[:length])
        reader = journal.read(bench.path, lambda _: None)
        assert reader.torn == length
        writing = Journal(LogFile(bench.path), reader, bench.durable.append)
        assert bench.path.read_bytes() == whole
        await writing.append(setting(3))
        await writing.close()
        assert bench.records() == [setting(3)]


async def test_d7_the_cut_is_durable_before_anything_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old torn bytes cannot come back behind new records."""
    size = bench.path.stat().st_size
    with bench.path.open("ab") as file:
        file.write(b"torn")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    await bench.open().close()
    assert synced == [size]


async def test_d5_the_last_group_is_made_durable_again_before_anything_is_built_on_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed sync the system takes for written what is not: it must be written anew."""
    first = bench.open()
    await first.append(setting(1))
    await first.close()
    before = bench.path.read_bytes()
    last = before[before.index(b"\n") + 1 :]
    done: list[tuple[object, ...]] = []
    real = os.pwrite

    def pwrite(fd: int, content: bytes, at: int) -> int:
        done.append(("written", bytes(content), at))
        return real(fd, content, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "fsync", lambda _: done.append(("synced",)))
    second = bench.open()
    assert done == [("written", last, len(before) - len(last)), ("synced",)]
    assert bench.path.read_bytes() == before
    await second.close()


async def test_d5_a_last_group_that_cannot_be_made_durable_stops_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumable, and nothing was written after it; the thread has ended."""

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = bench.path.read_bytes()
    threads = threading.active_count()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "fsync", broken)
        with pytest.raises(Stopped) as caught:
            bench.open()
    assert (caught.value.code, caught.value.exit) == ("disk", 75)
    assert bench.path.read_bytes() == before
    assert threading.active_count() == threads


def test_d17_a_missing_log_is_refused(tmp_path: Path) -> None:
    """Nobody knows what was sent."""
    with pytest.raises(IntegrityError) as caught:
        journal.read(tmp_path / "checkpoint.log", lambda _: None)
    assert (caught.value.code, caught.value.exit) == ("checkpoint_missing", 6)


def test_d9_a_corrupt_log_is_refused(bench: Bench) -> None:
    """With what was sound handed over first."""
    data = bench.path.read_bytes()
    bench.path.write_bytes(data + data)
    found: list[log.Record] = []
    with pytest.raises(IntegrityError) as caught:
        journal.read(bench.path, found.append)
    assert caught.value.code == "checkpoint_corrupt"
    assert found == [HEADER]


def test_i6_a_log_that_is_one_endless_line_is_read_in_pieces(bench: Bench) -> None:
    """No more than the longest record is held at once."""
    with bench.path.open("ab") as file:
        file.write(b"\0" * 1_000_000)
    with bench.path.open("rb") as file:
        assert max(map(len, journal.lines(file))) <= log.MAX_LINE
    assert journal.read(bench.path, lambda _: None).torn == 1_000_000


async def nothing_is_believed(writing: Journal, code: str) -> None:
    """Check that after a failure every later append and flush fails too."""
    for number in (8, 9):
        assert (await error_of(writing.append(setting(number)))).code == code
    with pytest.raises(BulkdeleteError) as caught:
        await writing.flush()
    assert caught.value.code == code
    await writing.close()


async def test_d1_no_room_on_the_disk(bench: Bench) -> None:
    """ENOSPC from the kernel: resumable, and nothing later is believed."""
    writing = Journal(LogFile(Path("/dev/full")), log.Reader(), bench.durable.append)
    futures = [writing.append(setting(number)) for number in range(3)]
    for future in futures:
        error = await error_of(future)
        assert (error.code, error.exit) == ("disk", 75)
        assert "No space left" in str(error)
    assert bench.durable == []
    await nothing_is_believed(writing, "disk")


def intent(number: int) -> log.Intent:
    """Return the intent to send a chunk."""
    return log.Intent(chunk=number, lo=0, hi=1, attempt=1, digest="d", at=1.0)


def outcome(number: int) -> log.Outcome:
    """Return what came of it."""
    return log.Outcome(chunk=number, lo=0, hi=1, attempt=1, verdict="accepted", at=2.0)


class SmallDisk:
    """Makes `fallocate` give so many bytes and no more, and notes what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        self.size = size
        self.asked: list[int] = []
        monkeypatch.setattr(room, "hold", self)

    def __call__(self, fd: int, size: int) -> None:
        """Hold, or say that there is no room."""
        assert os.fstat(fd).st_size <= size
        self.asked.append(size)
        if size > self.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_d2_what_is_held_goes_to_the_outcomes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no more room is to be had, intents are refused; outcomes are recorded all the same."""
    disk = SmallDisk(monkeypatch, 6000)
    writing = bench.open(reserve=2048)
    number = 0
    while disk.asked[-1] <= disk.size:
        await writing.append(intent(number))
        writing.append(outcome(number))
        number += 1
    error = await error_of(writing.append(intent(number)))
    assert (error.code, error.exit) == ("disk", 75)
    late: list[log.Record] = [outcome(number), log.Stop(at=3.0, code="disk", exit=75)]
    mixed = [writing.append(one) for one in (late[0], intent(number + 1), late[1])]
    assert (await error_of(mixed[1])).code == "disk"
    await mixed[0]
    await mixed[2]
    await writing.flush()
    await writing.close()
    assert bench.records()[-2:] == bench.durable[-2:] == late
    assert sum(isinstance(one, log.Intent) for one in bench.records()) == number


async def test_d1_without_room_to_hold_nothing_begins(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full already refuses the whole start, and the log stays as it is."""
    SmallDisk(monkeypatch, 0)
    before = bench.path.read_bytes()
    with pytest.raises(Stopped) as caught:
        bench.open(reserve=2048)
    assert caught.value.code == "disk"
    assert "free some room on " in caught.value.hint
    assert bench.path.read_bytes() == before


async def test_d2_what_was_held_is_given_back(bench: Bench) -> None:
    """The file takes more room than its size while it is written, and not after."""
    writing = bench.open(reserve=1 << 20)
    info = bench.path.stat()
    assert info.st_size < 1000
    assert info.st_blocks * 512 >= 1 << 20, "this file system holds nothing"
    await writing.append(setting(1))
    await writing.close()
    assert bench.path.stat().st_blocks * 512 < 1 << 20
    assert bench.records() == [setting(1)]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_d3_a_write_that_is_cut_short(bench: Bench) -> None:
    """EFBIG after half a record: an error now, a torn end when it is read again."""
    writing = bench.open()
    await writing.append(setting(1))
    size = bench.path.stat().st_size
    with file_size_limit(size + 40):
        error = await error_of(writing.append(setting(2)))
    assert (error.code, error.exit) == ("disk", 75)
    await nothing_is_believed(writing, "disk")
    assert bench.path.stat().st_size == size + 40
    await bench.open().close()
    assert bench.path.stat().st_size == size
    assert bench.records() == bench.durable == [setting(1)]


async def test_d3_short_writes_are_completed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that takes seven bytes at a time gets them all in the end."""
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, bytes(data)[:7], at))
    writing = bench.open()
    await writing.append(setting(1))
    await writing.append(setting(2))
    await writing.close()
    assert bench.records() == [setting(1), setting(2)]


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
async def test_d4_d5_an_error_of_the_disk_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """EIO is not retried: what is on the disk is unknown until it is read again."""
    writing = bench.open()
    await writing.append(setting(1))
    calls = 0

    def broken(*_: object) -> int:
        nonlocal calls
        calls += 1
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as once:
        once.setattr(os, call, broken)
        error = await error_of(writing.append(setting(2)))
    assert isinstance(error, Stopped)
    assert "Input/output error" in str(error)
    await nothing_is_believed(writing, "disk")
    assert calls == 1
    assert bench.durable == [setting(1)]


async def test_d5_nothing_of_a_group_that_could_not_be_synced_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system would show it until the power goes: it is cut off, so that nobody believes it."""
    writing = bench.open()
    await writing.append(setting(1))
    size = bench.path.stat().st_size

    def broken(_: int) -> None:
        assert bench.path.stat().st_size > size
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", broken)
    assert (await error_of(writing.append(outcome(2)))).code == "disk"
    await writing.close()
    assert bench.path.stat().st_size == size
    assert bench.records() == bench.durable == [setting(1)]


async def test_d4_what_waits_behind_a_failure_fails_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the group, cancelled ones besides, and those queued after it."""
    disk = HeldDisk(monkeypatch)
    monkeypatch.setattr(disk, "_real", lambda _: os.fstat(-1))
    writing = bench.open()
    group = [writing.append(setting(number)) for number in range(3)]
    await disk.until_reached()
    behind = [writing.append(setting(number)) for number in range(3, 6)]
    group[1].cancel()
    behind[1].cancel()
    disk.let_go.set()
    for future in (group[0], group[2], behind[0], behind[2]):
        assert (await error_of(future)).code == "disk"
    assert group[1].cancelled()
    assert behind[1].cancelled()
    assert bench.durable == []
    await nothing_is_believed(writing, "disk")


def truncated(path: Path) -> None:
    """Do what logrotate's copytruncate does."""
    os.truncate(path, 0)


def shortened(path: Path) -> None:
    """Take one byte away."""
    os.truncate(path, path.stat().st_size - 1)


def grown(path: Path) -> None:
    """Append a byte, as another writer would."""
    with path.open("ab") as file:
        file.write(b"x")


def removed(path: Path) -> None:
    """Delete the log."""
    path.unlink()


def exchanged(path: Path) -> None:
    """Put an equal file in its place."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("damage", [truncated, shortened, grown, removed, exchanged])
async def test_d16_d17_a_log_changed_under_us_stops_the_run(
    bench: Bench, damage: Callable[[Path], None]
) -> None:
    """The next record is not written over it, and nothing is believed any more."""
    writing = bench.open()
    await writing.append(setting(1))
    damage(bench.path)
    before = bench.path.read_bytes() if bench.path.exists() else None
    error = await error_of(writing.append(setting(2)))
    assert (error.code, error.exit) == ("checkpoint_changed", 6)
    assert bench.durable == [setting(1)]
    await nothing_is_believed(writing, "checkpoint_changed")
    assert (bench.path.read_bytes() if bench.path.exists() else None) == before


async def test_d18_a_log_behind_a_link_is_not_written(bench: Bench, tmp_path: Path) -> None:
    """It could be pointed elsewhere."""
    link = tmp_path / "link.log"
    link.symlink_to(bench.path)
    reader = journal.read(bench.path, lambda _: None)
    with pytest.raises(OSError, match="symbolic links"):
        Journal(LogFile(link), reader, bench.durable.append)


async def ends(writing: Journal, records: Sequence[log.Record]) -> list[bool]:
    """Append and close; tell of each record whether its future ended, in whatever way."""
    futures = [writing.append(record) for record in records]
    done, _ = await asyncio.wait(futures, timeout=0.5)
    futures.append(writing.append(setting(9)))
    done |= (await asyncio.wait(futures[-1:], timeout=0.5))[0]
    with suppress(BulkdeleteError):
        await asyncio.wait_for(writing.close(), 0.5)
    return [future in done and future.exception() is not None for future in futures]


async def test_p15_a_record_that_cannot_be_written_down_leaves_nobody_waiting(
    bench: Bench,
) -> None:
    """A name that is no text (from the environment, say) is an error for all, not a hang."""
    odd = log.Approval(how="yes", who="\udcff", ids=1, at=1.0, expires=2.0)
    assert await ends(bench.open(), [odd, setting(1)]) == [True, True, True]
    assert bench.durable == []


@pytest.mark.parametrize("error", [log.corrupt("a test said so"), ValueError("a test said so")])
async def test_p15_an_error_in_what_is_told_leaves_nobody_waiting(
    bench: Bench, error: Exception
) -> None:
    """If a durable record contradicts what is known, the run stops; it does not hang."""

    def refuse(_: log.Record) -> None:
        raise error

    assert await ends(bench.open(refuse), [setting(1), setting(2)]) == [True, True, True]


async def test_p15_a_bug_in_the_thread_leaves_nobody_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong beside the loop is an error for all who wait, not only a disk's."""

    def stumble(_: int) -> None:
        raise RuntimeError("a test said so")

    journal = bench.open()
    monkeypatch.setattr(os, "fdatasync", stumble)
    assert await ends(journal, [setting(1), setting(2)]) == [True, True, True]
    assert bench.durable == []
