"""Names in directories: before anything can be sent, no loss of power takes the log away."""

import os
import stat
from pathlib import Path

import pytest

from bulkdelete.io import files
from bulkdelete.io.rundir import Draft
from tests.simulation.lists import planned_list

NEEDED = ("plan.json", "plan.index", "run.key", "checkpoint.log")
Entry = tuple[int, str]
"""A directory by its inode, and a name in it."""


class Entries:
    """Watches names come and go, and which of them a loss of power would leave.

    A name is durable once its directory was synced after it was made; contents are once the
    file was. At every sync `check` is called.
    """

    def __init__(self, patch: pytest.MonkeyPatch, final: Path) -> None:
        self.seen: dict[Entry, int] = {}
        self.durable: dict[Entry, int] = {}
        self.contents: set[int] = set()
        self.syncs = 0
        self._final = final
        real_open, real_mkdir, real_rename = os.open, os.mkdir, os.rename
        real_fsync = os.fsync

        def opened(path: str | Path, flags: int, *words: int) -> int:
            fd = real_open(path, flags, *words)
            if flags & os.O_CREAT:
                self._made(Path(path))
            return fd

        def mkdir(path: str | Path, *words: int) -> None:
            real_mkdir(path, *words)
            self._made(Path(path))

        def rename(old: str | Path, new: str | Path) -> None:
            real_rename(old, new)
            del self.seen[entry(Path(old))]
            self._made(Path(new))

        def fsync(fd: int) -> None:
            real_fsync(fd)
            self._synced(os.fstat(fd))

        for name, fake in (("open", opened), ("mkdir", mkdir), ("rename", rename)):
            patch.setattr(os, name, fake)
        patch.setattr(os, "fsync", fsync)

    def _made(self, path: Path) -> None:
        self.seen[entry(path)] = path.stat().st_ino

    def _synced(self, info: os.stat_result) -> None:
        self.syncs += 1
        if not stat.S_ISDIR(info.st_mode):
            self.contents.add(info.st_ino)
            return
        place = info.st_ino
        self.durable = {key: one for key, one in self.durable.items() if key[0] != place}
        self.durable |= {key: one for key, one in self.seen.items() if key[0] == place}
        assert self.whole() or not self.there(), "a run that is there is there whole"

    def there(self) -> bool:
        """Tell whether the run would be found under its name after a loss of power."""
        return self._final.exists() and entry(self._final) in self.durable

    def whole(self) -> bool:
        """Tell whether its files, with what is in them, would be there then."""
        if not self._final.exists():
            return False
        keys = [entry(self._final / name) for name in NEEDED]
        return all(self.durable.get(key) in self.contents for key in keys)

    def reachable(self, top: Path) -> bool:
        """Tell whether every directory from `top` down to the run would be there."""
        way = [self._final, *self._final.parents]
        return all(entry(one) in self.durable for one in way[: way.index(top)])


def entry(path: Path) -> Entry:
    """Return where a name stands."""
    return path.parent.stat().st_ino, path.name


@pytest.fixture
def final(tmp_path: Path) -> Path:
    """Return the name of a run below two directories that are not there yet."""
    return tmp_path / "jobs" / "runs" / "one"


def finish(final: Path) -> None:
    """Make a run directory, as planning does before anything can be sent."""
    Draft(final.parent, None).finish(planned_list(0).plan, (b"index",), final)


def test_d13_no_directory_entry_is_lost_once_a_run_can_be_sent(
    final: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor its contents; and at no moment before is half a run there."""
    planned_list(0)
    watched = Entries(monkeypatch, final)
    finish(final)
    assert watched.syncs >= 8
    assert watched.there()
    assert watched.whole()
    assert watched.reachable(tmp_path)


@pytest.mark.parametrize("forgotten", ["runs", "one", "jobs"])
def test_d13_a_directory_that_is_not_synced_is_noticed(
    final: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    """The watch sees what would be lost: the log's way, its name, or the directories above."""
    planned_list(0)
    watched = Entries(monkeypatch, final)
    place = next(one for one in (final, *final.parents) if one.name == forgotten).parent
    real = files.sync_directory
    monkeypatch.setattr(files, "sync_directory", lambda path: None if path == place else real(path))
    finish(final)
    assert not watched.reachable(tmp_path)


def test_d13_a_directory_whose_maker_was_killed_is_made_durable(
    final: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there already when the next process comes, and nobody knows since when."""
    planned_list(0)
    watched = Entries(monkeypatch, final)
    files.make_place(final.parent.parent)
    final.parent.mkdir()
    finish(final)
    assert watched.reachable(tmp_path)
