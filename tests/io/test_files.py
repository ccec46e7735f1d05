"""Files that are private and durable."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkdelete.errors import UsageError
from bulkdelete.io import files

AS_ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture(params=[0o000, 0o077], ids=["umask 000", "umask 077"], autouse=True)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Neither the widest nor the narrowest umask changes what files are like."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Return a path's permissions."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_s15_a_new_file_is_private(tmp_path: Path) -> None:
    """0600, whatever the umask, with all its sections in order."""
    path = tmp_path / "new"
    files.write_new(path, b"one,", b"", b"two")
    assert path.read_bytes() == b"one,two"
    assert mode(path) == 0o600


def test_a_new_file_without_content(tmp_path: Path) -> None:
    """It is made, and empty."""
    files.write_new(tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == b""


def test_z2_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    """Neither a file nor a link, dangling or not, is written through."""
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("target", "link", "dangling"):
        with pytest.raises(FileExistsError):
            files.write_new(tmp_path / name, b"other")
    assert target.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


def test_durable_means_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is synced before the name, and the directory after it."""
    synced: list[str] = []
    real = os.fsync

    def spy(fd: int) -> None:
        info = os.fstat(fd)
        synced.append("dir" if stat.S_ISDIR(info.st_mode) else f"file of {info.st_size}")
        real(fd)

    monkeypatch.setattr(os, "fsync", spy)
    files.write_new(tmp_path / "new", b"12345")
    assert synced == ["file of 5"]
    synced.clear()
    files.replace(tmp_path / "new", b"123")
    assert synced == ["file of 3", "dir"]


def test_replacing_puts_the_whole_content_there(tmp_path: Path) -> None:
    """New, over an old one, and over what a crash left behind; nothing else stays."""
    path = tmp_path / "report.json"
    files.replace(path, b"first")
    (tmp_path / f".report.json.{os.getpid()}.tmp").write_bytes(b"left behind")
    files.replace(path, b"second")
    assert path.read_bytes() == b"second"
    assert mode(path) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_z2_replacing_a_link_does_not_follow_it(tmp_path: Path) -> None:
    """The link gives way; what it pointed to stays."""
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    link = tmp_path / "link"
    link.symlink_to(target)
    files.replace(link, b"new")
    assert target.read_bytes() == b"mine"
    assert not link.is_symlink()


def test_d2_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or not at all: the old content stays, and no half file beside it."""
    path = tmp_path / "report.json"
    files.replace(path, b"old")

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_a_directory_of_ones_own(tmp_path: Path) -> None:
    """0700 whatever the umask, with its parents, and only once."""
    path = tmp_path / "a" / "b"
    files.make_private(path)
    assert mode(path) == 0o700
    files.check_private(path)
    with pytest.raises(FileExistsError):
        files.make_private(path)


def refused(path: Path) -> None:
    """Check that a run directory is refused as one that is not safely ours."""
    with pytest.raises(UsageError) as caught:
        files.check_private(path)
    assert (caught.value.code, caught.value.exit) == ("run_dir", 2)


@pytest.mark.parametrize("bits", [0o777, 0o770, 0o720, 0o702, 0o1777])
def test_d18_a_directory_that_others_may_write_to(tmp_path: Path, bits: int) -> None:
    """They could swap the files in it."""
    path = tmp_path / "run"
    path.mkdir()
    path.chmod(bits)
    refused(path)


@pytest.mark.parametrize("bits", [0o700, 0o750, 0o755, 0o500])
def test_d18_a_directory_that_others_may_read(tmp_path: Path, bits: int) -> None:
    """Reading its names does no harm: its files are private themselves."""
    path = tmp_path / "run"
    path.mkdir()
    path.chmod(bits)
    files.check_private(path)
    path.chmod(0o700)


@pytest.mark.parametrize(("bits", "good"), [(0o777, False), (0o1777, True), (0o775, True)])
def test_d18_a_place_where_anybody_may_exchange_it(tmp_path: Path, bits: int, good: bool) -> None:
    """As /tmp has it, one may only take away what is one's own; a group was let in by somebody."""
    path = tmp_path / "place" / "run"
    path.mkdir(mode=0o700, parents=True)
    path.parent.chmod(bits)
    if good:
        files.check_private(path)
    else:
        refused(path)


def test_d18_a_link_or_a_file_is_no_directory_of_its_own(tmp_path: Path) -> None:
    """A link could be pointed elsewhere between two looks."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "link")
    refused(tmp_path / "file")


def test_d18_a_directory_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could change what is in it."""
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    if AS_ROOT:
        os.chown(path, NOBODY, NOBODY)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    refused(path)


def secret(path: Path, data: bytes, bits: int = 0o600) -> Path:
    """Write a file with these permissions."""
    path.write_bytes(data)
    path.chmod(bits)
    return path


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"AAA-BBB", "AAA-BBB"),
        (b"AAA-BBB\n", "AAA-BBB"),
        (b"AAA-BBB\r\n", "AAA-BBB"),
        (b"AAA\n\n", "AAA\n"),
        (b"AAA\nBBB\n", "AAA\nBBB"),
        (b" AAA ", " AAA "),
        (b"", ""),
    ],
)
def test_g1_one_trailing_newline_of_a_secret_is_dropped(
    tmp_path: Path, data: bytes, value: str
) -> None:
    """And nothing else: what is odd is left for the credentials' own check to refuse."""
    assert files.read_secret(secret(tmp_path / "p", data), "the file") == value


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o620, 0o604, 0o610, 0o777])
def test_g2_a_secret_that_others_may_read_is_refused(tmp_path: Path, bits: int) -> None:
    """Its owner alone, in any way."""
    with pytest.raises(UsageError, match="only its owner"):
        files.read_secret(secret(tmp_path / "p", b"AAA", bits), "the file")


@pytest.mark.parametrize("bits", [0o600, 0o400, 0o700])
def test_g2_a_secret_of_its_owner_alone(tmp_path: Path, bits: int) -> None:
    """Reading is enough."""
    assert files.read_secret(secret(tmp_path / "p", b"AAA", bits), "the file") == "AAA"


@pytest.mark.parametrize(
    ("mode", "owner", "user", "open_to_others"),
    [
        (0o400, 0, 1000, False),
        (0o440, 0, 1000, False),  # systemd's credentials, a pod's secrets: root's, for a group
        (0o444, 0, 1000, True),
        (0o460, 0, 1000, True),
        (0o440, 0, 0, True),
        (0o440, 1000, 1000, True),
        (0o600, 1000, 1000, False),
    ],
)
def test_g2_a_group_may_read_what_root_hands_to_it(
    mode: int, owner: int, user: int, open_to_others: bool
) -> None:
    """Not to root itself, and not what is our own: that we could close."""
    info = os.stat_result((mode, 0, 0, 1, owner, 0, 10, 0, 0, 0))
    assert bool(info.st_mode & files._open_to(info, user)) == open_to_others


def test_g2_a_secret_behind_a_link_is_refused(tmp_path: Path) -> None:
    """A link could be pointed elsewhere."""
    (tmp_path / "link").symlink_to(secret(tmp_path / "p", b"AAA"))
    with pytest.raises(UsageError, match="the file"):
        files.read_secret(tmp_path / "link", "the file")


def test_g2_a_secret_that_is_missing_or_no_file(tmp_path: Path) -> None:
    """A pipe with no writer does not hang; nothing is said of any content."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "dir").mkdir(mode=0o700)
    for name in ("missing", "pipe", "dir"):
        with pytest.raises(UsageError, match="the file") as caught:
            files.read_secret(tmp_path / name, "the file")
        assert caught.value.code == "secret_file"


def test_g1_a_secret_that_is_not_ascii_is_refused(tmp_path: Path) -> None:
    """And its content is not shown."""
    with pytest.raises(UsageError, match="not plain ASCII") as caught:
        files.read_secret(secret(tmp_path / "p", "q7xk-é".encode()), "the file")
    assert "q7xk" not in str(caught.value)
