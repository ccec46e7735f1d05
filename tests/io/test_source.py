"""Files become blocks: plain or inflated, hashed as stored, and refused when they are no files."""

import asyncio
import codecs
import errno
import gc
import gzip
import hashlib
import io
import os
import stat
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from bulkdelete import protecting
from bulkdelete.core.digests import FileHash
from bulkdelete.errors import InputError
from bulkdelete.io import source
from bulkdelete.io.inflating import BLOCK
from tests.io.contents import content

TEXT = b"".join(b"%d,%d\n" % (n, n * n) for n in range(100_000))


async def code(path: Path) -> str:
    """Return the code of the error that reading must end with; it names the file."""
    with pytest.raises(InputError) as caught:
        await content(path)
    assert caught.value.where == str(path)
    return caught.value.code


def utf16(data: bytes) -> bytes:
    """Write text as a spreadsheet does that saves "Unicode text"."""
    return data.decode().encode("utf-16")


def written(path: Path, data: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [b"", b"a", TEXT, b"x" * BLOCK, b"\x1f"])
async def test_plain_files_come_as_they_are(tmp_path: Path, data: bytes) -> None:
    """Every byte once, in order."""
    assert await content(written(tmp_path / "x.csv", data)) == data


@pytest.mark.parametrize("skip", [0, 1, 1000, BLOCK, BLOCK + 1, len(TEXT), 1 << 30])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, utf16])
async def test_skip_leaves_out_bytes_of_the_content(
    tmp_path: Path, compress: Callable[[bytes], bytes], skip: int
) -> None:
    """The place is one in the inflated stream; the hash is still that of the stored file."""
    data = bytes(compress(TEXT))
    path = written(tmp_path / "x", data)
    mark = codecs.BOM_UTF8 if compress is utf16 else b""
    whole = mark + TEXT
    assert await content(path, skip=skip) == whole[skip:]
    hasher, other = FileHash(), FileHash()
    assert await content(path, skip=skip, hasher=hasher) == whole[skip:]  # type: ignore[arg-type]
    other.update(data)
    assert hasher.hexdigest() == other.hexdigest()


async def test_fingerprint_is_that_of_the_stored_bytes(tmp_path: Path) -> None:
    """Hash and size of the file itself, not of what is in it."""
    data = gzip.compress(TEXT) + b"\n"
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

    async def seek(self, place: int) -> int:
        """Go nowhere."""
        return place

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


async def test_i15_an_error_in_the_middle_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO after good blocks is an input error, and the file is closed."""
    failing = Failing()

    async def opened(*_: object, **__: object) -> Failing:
        return failing

    monkeypatch.setattr("aiofiles.open", opened)
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
        assert await first(blocks) == TEXT[:BLOCK]
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("there", [True, False])
def test_a_name_that_cannot_be_written_down_is_refused(tmp_path: Path, there: bool) -> None:
    """Named or found by a glob, and not as a bug when the plan is written."""
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.csv")
    if there:
        Path(odd).write_text("identity\n1\n")
    for name in (odd, f"{tmp_path}/*.csv") if there else (odd,):
        with pytest.raises(InputError, match=r"/\\xff\\xfe\.csv: this name is not UTF-8") as caught:
            source.expand([name])
        assert (caught.value.code, caught.value.exit) == ("input_name", 2)
    with pytest.raises(InputError, match="not UTF-8"):
        asyncio.run(protecting.expanded([Path(odd)]))


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


@pytest.mark.parametrize("begun", [False, True])
async def test_who_is_cancelled_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """While a thread opens it; and before the only thread comes to closing it."""
    path = written(tmp_path / "x.csv", TEXT)
    executor, free = ThreadPoolExecutor(1), threading.Event()
    asyncio.get_running_loop().set_default_executor(executor)
    stream = source.blocks(path)
    if begun:
        await anext(stream)
        executor.submit(free.wait)
    else:
        real = source._open_regular
        monkeypatch.setattr(source, "_open_regular", lambda *w: free.wait() and real(*w))
    with warnings.catch_warnings(record=True, action="always") as caught:
        task = asyncio.create_task(stream.aclose() if begun else anext(stream))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0)
        free.set()
        with suppress(asyncio.CancelledError):
            await task
        await asyncio.get_running_loop().run_in_executor(None, gc.collect)
    assert [str(one.message) for one in caught] == []
