"""Files become blocks: plain or inflated, hashed as stored, and refused when they are no files."""

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import stat
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bulkdelete.errors import InputError
from bulkdelete.io import source

TEXT = b"".join(b"%d,%d\n" % (n, n * n) for n in range(100_000))


async def content(path: Path, **options: int) -> bytes:
    """Return all blocks as one, and check that none is empty or too large."""
    found = []
    async with aclosing(source.blocks(path, **options)) as blocks:  # type: ignore[arg-type]
        async for block in blocks:
            assert 0 < len(block) <= source.BLOCK
            found.append(block)
    return b"".join(found)


async def code(path: Path) -> str:
    """Return the code of the error that reading must end with; it names the file."""
    with pytest.raises(InputError) as caught:
        await content(path)
    assert caught.value.where == str(path)
    return caught.value.code


def written(path: Path, data: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [b"", b"a", TEXT, b"x" * source.BLOCK, b"\x1f"])
async def test_plain_files_come_as_they_are(tmp_path: Path, data: bytes) -> None:
    """Every byte once, in order."""
    assert await content(written(tmp_path / "x.csv", data)) == data


@pytest.mark.parametrize("level", [1, 9])
@pytest.mark.parametrize("data", [b"", b"a", TEXT])
async def test_gzip_is_known_by_content(tmp_path: Path, data: bytes, level: int) -> None:
    """A name without .gz does not matter."""
    assert await content(written(tmp_path / "x.csv", gzip.compress(data, level))) == data


async def test_i12_all_members_of_a_gzip_are_read(tmp_path: Path) -> None:
    """Members follow each other, also with zeros as padding, wherever the reads cut them."""
    one, two = gzip.compress(TEXT), gzip.compress(b"more\n")
    data = one + two + bytes(512) + one + bytes(source.BLOCK) + two + bytes(7)
    path = written(tmp_path / "x.gz", data)
    assert await content(path) == TEXT + b"more\n" + TEXT + b"more\n"


@pytest.mark.parametrize("beyond", [0, 1, 2, 5])
async def test_a_member_may_start_where_a_read_ends(tmp_path: Path, beyond: int) -> None:
    """The two bytes by which a member is known may come in two reads."""
    first = gzip.compress(os.urandom(source.BLOCK - 200), 0)
    padding = bytes(source.BLOCK - len(first) - 2 + beyond)
    path = written(tmp_path / "x.gz", first + padding + gzip.compress(b"end"))
    assert (await content(path)).endswith(b"end")


@pytest.mark.parametrize("cut", [2, 5, 11, -1, -8, -9])
async def test_i12_truncated_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    """An archive that ends in the middle is not a shorter list."""
    data = gzip.compress(TEXT)[:cut]
    assert await code(written(tmp_path / "x.gz", data)) == "truncated_archive"
    whole = gzip.compress(b"a\n") + data
    assert await code(written(tmp_path / "y.gz", whole)) == "truncated_archive"


@pytest.mark.parametrize("junk", [b"x", b"junk", b"\0\0junk", b"\x1f", b"\x1fx"])
async def test_i12_trailing_junk_is_refused(tmp_path: Path, junk: bytes) -> None:
    """Bytes after the last member mean that the file is not what it was."""
    path = written(tmp_path / "x.gz", gzip.compress(b"a\n") + junk)
    assert await code(path) == "archive_junk"


async def test_i12_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    """A flipped bit is found by the archive's own checksum at the latest."""
    data = bytearray(gzip.compress(TEXT))
    data[len(data) // 2] ^= 1
    data[-8] ^= 1
    assert await code(written(tmp_path / "x.gz", bytes(data))) == "archive_corrupt"


def zipped() -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.csv", "identity\na\n")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (zipped(), "zip"),
        (bz2.compress(b"a"), "bzip2"),
        (lzma.compress(b"a"), "xz"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "zstd"),
    ],
)
async def test_i12_other_archives_are_named_and_refused(
    tmp_path: Path, data: bytes, name: str
) -> None:
    """Also when they are called .gz."""
    path = written(tmp_path / "x.gz", data)
    assert await code(path) == "archive_unsupported"
    with pytest.raises(InputError, match=name):
        await content(path)


async def test_i13_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    """What inflates a thousand times is stopped soon after the first 64 MiB."""
    path = written(tmp_path / "x.gz", gzip.compress(bytes(1 << 20)) * 200)
    given = 0
    with pytest.raises(InputError) as caught:  # noqa: PT012 - what came before it counts
        async with aclosing(source.blocks(path)) as blocks:
            async for block in blocks:
                given += len(block)
    assert caught.value.code == "archive_bomb"
    assert source.BOMB_FREE_BYTES - source.BLOCK <= given <= source.BOMB_FREE_BYTES


async def test_i13_repetitive_but_small_input_is_no_bomb(tmp_path: Path) -> None:
    """A small file may compress as well as it likes."""
    data = bytes(10 << 20)
    assert await content(written(tmp_path / "x.gz", gzip.compress(data))) == data


@pytest.mark.parametrize("skip", [0, 1, 1000, source.BLOCK, source.BLOCK + 1, len(TEXT), 1 << 30])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
async def test_skip_leaves_out_bytes_of_the_content(
    tmp_path: Path, compress: type[bytes], skip: int
) -> None:
    """The place is one in the inflated stream; the hash is still that of the stored file."""
    data = compress(TEXT)
    path = written(tmp_path / "x", data)
    assert await content(path, skip=skip) == TEXT[skip:]
    hasher = hashlib.sha256()
    assert await content(path, skip=skip, hasher=hasher) == TEXT[skip:]  # type: ignore[arg-type]
    assert hasher.hexdigest() == hashlib.sha256(data).hexdigest()


async def test_fingerprint_is_that_of_the_stored_bytes(tmp_path: Path) -> None:
    """Hash and size of the file itself, not of what is in it."""
    data = gzip.compress(TEXT)
    found = await source.fingerprint(written(tmp_path / "x.gz", data))
    assert found == source.Fingerprint(hashlib.sha256(data).hexdigest(), len(data))


async def test_i15_only_regular_files_are_read(tmp_path: Path) -> None:
    """A FIFO does not hang, a device does not flow, a directory is no list."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, Path("/dev/zero")):
        assert await code(path) == "not_a_file"
        with pytest.raises(InputError):
            await source.fingerprint(path)


async def test_i15_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """What vanished between the listing and the opening is an input error."""
    assert await code(tmp_path / "gone.csv") == "input_unreadable"


class Failing:
    """A file whose second read fails, as on a broken disk."""

    def __init__(self) -> None:
        self.closed = False
        self._blocks = [b"identity\n"]

    async def read(self, _size: int) -> bytes:
        """Return the one good block, then fail."""
        if self._blocks:
            return self._blocks.pop()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


async def test_i15_an_error_in_the_middle_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO after good blocks is an input error, and the file is closed."""
    failing = Failing()

    async def opened(_path: Path) -> Failing:
        return failing

    monkeypatch.setattr(source, "_open", opened)
    assert await code(tmp_path / "x.csv") == "input_unreadable"
    assert failing.closed


async def test_a_reader_that_stops_closes_the_file(tmp_path: Path) -> None:
    """No descriptor is left behind by a look at the head."""
    path = written(tmp_path / "x.csv", TEXT)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - not a path of ours

    async def first(blocks: AsyncIterator[bytes]) -> bytes:
        async for block in blocks:
            return block
        return b""

    async with aclosing(source.blocks(path)) as blocks:
        assert await first(blocks) == TEXT[: source.BLOCK]
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_expand_keeps_the_order_and_sorts_globs(tmp_path: Path) -> None:
    """Files come as named on the command line, those of a glob sorted."""
    for name in ("b.csv", "a.csv", "c.txt", "x[1].csv", "deep/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path / name, b"")
    found = source.expand([f"{tmp_path}/c.txt", f"{tmp_path}/?.csv", f"{tmp_path}/x[1].csv"])
    assert [path.name for path in found] == ["c.txt", "a.csv", "b.csv", "x[1].csv"]
    assert source.expand([f"{tmp_path}/**/d.csv"]) == (tmp_path / "deep/d.csv",)


@pytest.mark.parametrize("name", ["gone.csv", "*.csv"])
def test_what_is_missing_is_an_error(tmp_path: Path, name: str) -> None:
    """A missing file, or a glob that matches nothing, is never an empty input."""
    with pytest.raises(InputError) as caught:
        source.expand([f"{tmp_path}/{name}"])
    assert caught.value.code == "input_missing"


async def test_spool_copies_a_stream_privately(tmp_path: Path) -> None:
    """Standard input becomes a file of 0600 that was not there before."""
    target = tmp_path / "input"
    await source.spool(target, io.BytesIO(TEXT))
    assert target.read_bytes() == TEXT
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        await source.spool(target, io.BytesIO(b""))
    assert target.read_bytes() == TEXT


class Broken(io.BytesIO):
    """A stream that fails."""

    def read(self, _size: int | None = -1, /) -> bytes:
        """Fail."""
        raise OSError(errno.EIO, os.strerror(errno.EIO))


async def test_i15_a_stream_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """Half of standard input is not an input."""
    with pytest.raises(InputError, match="standard input") as caught:
        await source.spool(tmp_path / "input", Broken())
    assert caught.value.code == "input_unreadable"
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - only whether there is any


async def test_short_writes_are_completed() -> None:
    """A write may take less than it was given; the rest is written too."""

    class Short:
        def __init__(self) -> None:
            self.taken = b""

        async def write(self, block: memoryview) -> int:
            self.taken += bytes(block[:3])
            return len(block[:3])

    short = Short()
    await source._write(short, b"abcdefgh")  # type: ignore[arg-type]
    assert short.taken == b"abcdefgh"
