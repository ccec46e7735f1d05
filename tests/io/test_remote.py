"""What is elsewhere comes whole, in order and of one version, whatever the connection does."""

import asyncio
import gzip
import io
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing

import pyarrow as pa
import pytest
from pyarrow import parquet

from bulkdelete.core.digests import FileHash
from bulkdelete.core.layout import Reading
from bulkdelete.core.tables import table_layout
from bulkdelete.core.urls import url_of
from bulkdelete.errors import BulkdeleteError, InputError, IntegrityError, Stopped
from bulkdelete.io import remote, source, tables
from bulkdelete.io.inflating import BLOCK
from bulkdelete.io.remote import MOST, PATIENT_PAUSES, PAUSES, Remote, RemoteFile
from bulkdelete.io.web import Web
from tests.faults.certificates import UNPROVEN, Authority
from tests.io.contents import content
from tests.io.web_server import CHANGED, Files, Kept, serving

DATA = random.Random(1).randbytes(3 * MOST + 12345)
SIGNED = "?X-Amz-Signature=5ecre7"


@pytest.fixture
def files() -> Iterator[Files]:
    """Serve files on loopback."""
    with serving() as found:
        yield found


def at(files: Files, path: str = "/x", sleep: Callable[[float], None] | None = None) -> Remote:
    """Return the file of a path, asked for without pauses."""
    url = url_of(files.url + path)
    assert url is not None
    return Remote(url, Web, sleep or (lambda _seconds: None))


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, MOST, len(DATA)])
async def test_every_byte_once_in_order(files: Files, size: int) -> None:
    """In ranges that grow, none of them asked for twice; the fingerprint is that of the bytes."""
    files.kept["/x"] = Kept(DATA[:size])
    assert await content(at(files)) == DATA[:size]
    ranges = [one for _, one in files.asked if one != "bytes=0-0"]
    assert len(ranges) == len(set(ranges))
    assert files.sent <= size + 3
    found = await source.fingerprint(at(files))
    hasher = FileHash()
    hasher.update(DATA[:size])
    assert found == source.Fingerprint(hasher.hexdigest(), size)
    facts = await source.facts(at(files))
    assert (facts.size, facts.modified, facts.version) == (size, CHANGED, 'etag:"v1"')


@pytest.mark.parametrize("skip", [1, BLOCK, MOST + 17, len(DATA), 1 << 30])
async def test_a_place_in_it_is_gone_to(files: Files, skip: int) -> None:
    """Without reading what is before it; in an archive, by reading."""
    files.kept["/x"] = Kept(DATA)
    assert await content(at(files), skip=skip) == DATA[skip:]
    assert files.sent <= BLOCK + len(DATA[skip:]) + 8
    text = b"a,b\n" * (1 << 18)
    files.kept["/x.gz"] = Kept(gzip.compress(text))
    hasher, other = FileHash(), FileHash()
    assert await content(at(files, "/x.gz"), skip=skip, hasher=hasher) == text[skip:]  # type: ignore[arg-type]
    other.update(files.kept["/x.gz"].data)
    assert hasher.hexdigest() == other.hexdigest()


@pytest.mark.parametrize("fault", ["cut", "silent", "other", 500, 503, 429, 408])
async def test_lost_connections_skip_and_repeat_nothing(files: Files, fault: str | int) -> None:
    """Every other answer is lost: the bytes are the same."""
    files.kept["/x"] = Kept(DATA)
    files.fault = lambda number, _: fault if number % 2 and number > 1 else None
    assert await content(at(files)) == DATA
    assert files.faults >= 3


async def test_it_gives_up_in_the_end(files: Files) -> None:
    """Sooner on a place that never answered; what it says names the place, and it is exit 75."""
    files.kept["/x" + SIGNED] = Kept(DATA)
    waited: list[float] = []
    files.fault = lambda _number, _path: 503
    place = at(files, "/x" + SIGNED, waited.append)
    with pytest.raises(Stopped, match=r"/x\?\*\*\*: cannot be read now: the server answers 503"):
        await content(place)
    assert waited == list(PAUSES)
    files.fault = lambda number, _path: "cut" if number > len(PAUSES) + 2 else None
    waited.clear()
    with pytest.raises(Stopped) as caught:
        await content(place)
    assert waited == list(PATIENT_PAUSES)
    assert (caught.value.code, caught.value.exit) == ("input_unreachable", 75)
    assert "5ecre7" not in f"{caught.value!r}{caught.value.hint}"


async def test_nobody_there() -> None:
    """A port that nobody listens on, a name that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address in (f"http://127.0.0.1:{port}/x", "https://nobody.invalid/x"):
        url = url_of(address)
        assert url is not None
        with pytest.raises(Stopped, match="cannot be read now"):
            await source.facts(Remote(url, Web, lambda _: None))


@pytest.mark.parametrize("etag", ['"v2"', 'W/"v1"', ""])
@pytest.mark.parametrize("moment", [2, 3, 5])
async def test_i14_what_changes_while_it_is_read_is_refused(
    files: Files, moment: int, etag: str
) -> None:
    """Its version, at any moment; and by the time alone, where that is all a server has."""
    before = Kept(DATA)
    if not etag:
        before = Kept(DATA, "", CHANGED)
    files.kept["/x"] = before

    def change(number: int, _path: str) -> None:
        if number == moment:
            files.kept["/x"] = Kept(DATA[:-1] + b"!", etag, CHANGED + 60)

    files.fault = change
    place = at(files)
    with pytest.raises(IntegrityError, match="changed while it was being read") as caught:
        await content(place)
    assert (caught.value.code, caught.value.exit) == ("input_changed", 6)


async def test_i14_what_changes_between_two_readings_is_refused(files: Files) -> None:
    """In one process a list is one version, from the first look on; and at the very end, too."""
    files.kept["/x"] = Kept(DATA)
    place = at(files)
    assert await content(place) == DATA
    files.kept["/x"] = Kept(DATA + b"more")
    with pytest.raises(IntegrityError):
        await content(place)
    with pytest.raises(IntegrityError):
        place.check()
    assert (await source.facts(at(files))).size == len(DATA) + 4


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (401, "input_forbidden", "does not let us read"),
        (403, "input_forbidden", "does not let us read"),
        (404, "input_missing", "no such file"),
        (410, "input_missing", "no such file"),
        (400, "input_url", "gives no ranges"),
        ("ranges", "input_url", "gives no ranges"),
        ("packed", "input_url", "packs its answers"),
        ("nameless", "input_url", "a change could go unseen"),
        (302, "input_moved", r"elsewhere \(https://other.example/y\?\*\*\*\); no redirect"),
        (308, "input_moved", "no redirect is followed"),
    ],
)
async def test_what_does_not_pass_is_said_once(
    files: Files, fault: str | int, code: str, says: str
) -> None:
    """By its own code, with what to do, without asking again; no other server hears of it."""
    files.kept["/x" + SIGNED] = Kept(DATA[:1000])
    files.fault = lambda _number, _path: fault
    files.moved_to = "https://other.example/y?token=5ecre7"
    with pytest.raises(InputError, match=says) as caught:
        await content(at(files, "/x" + SIGNED))
    assert (caught.value.code, caught.value.exit) == (code, 2)
    assert caught.value.hint
    assert len(files.asked) == 1
    assert "5ecre7" not in f"{caught.value!r}{caught.value.hint}{caught.value.where}"


async def test_what_is_asked_for(files: Files) -> None:
    """Ranges of this version, not packed; nothing of our own settings goes along."""
    files.kept["/a%20b/%C3%A9"] = Kept(DATA)
    assert await content(at(files, "/a%20b/é")) == DATA
    assert files.headers[0] == {
        "host": files.url.partition("//")[2],
        "accept-encoding": "identity",
        "range": "bytes=0-0",
        "user-agent": files.headers[0]["user-agent"],
    }
    assert all(one["if-match"] == '"v1"' for one in files.headers[1:-1])


async def test_tls_is_verified(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the machine's authorities; who cannot prove itself gets no request."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)
    with serving(authority.serving()) as files:
        files.kept["/x"] = Kept(DATA)
        assert await content(at(files)) == DATA
    for make in UNPROVEN.values():
        with serving(make(authority)) as files:
            files.kept["/x"] = Kept(DATA)
            with pytest.raises(BulkdeleteError) as caught:
                await content(at(files))
            assert caught.value.code in {"input_tls", "input_unreachable"}
            assert not files.asked


async def test_a_table_is_read_by_its_columns(files: Files) -> None:
    """Of a wide one, the column with the IDs and the footer are asked for, and little else."""
    rows = 20_000
    dice = random.Random(2)
    wide = {f"c{n}": [dice.randbytes(50) for _ in range(rows)] for n in range(4)}
    table = pa.table({"identity": [f"u-{n}" for n in range(rows)], **wide})
    out = io.BytesIO()
    parquet.write_table(table, out, row_group_size=5000, compression="none")
    files.kept["/x"] = Kept(out.getvalue())
    place = at(files)
    names, leaves = await tables.schema(place)
    assert names == ["identity", "c0", "c1", "c2", "c3"]
    layout = tables.table_format(out.getvalue()[:8])
    assert layout is not None
    found = table_layout(leaves, names, "x", Reading(), layout)
    ids = []
    async with aclosing(tables.batches(place, found, first=0, keep_cells=False)) as batches:
        async for batch in batches:
            ids += batch.ids
    assert ids == [f"u-{n}" for n in range(rows)]
    assert files.sent < len(out.getvalue()) / 4


def test_a_file_to_jump_about_in(files: Files) -> None:
    """Like any other; there is nothing before its beginning, and nothing behind its end."""
    files.kept["/x"] = Kept(b"0123456789")
    file = RemoteFile(at(files))
    assert (file.read(3), file.tell()) == (b"012", 3)
    assert file.seek(-2, io.SEEK_END) == 8
    assert file.read() == b"89"
    assert file.read(1) == b""
    assert file.seek(-5, io.SEEK_CUR) == 5
    assert file.readable()
    assert file.seekable()
    with pytest.raises(ValueError, match="before the beginning"):
        file.seek(-1)
    with pytest.raises(ValueError, match="not so many"):
        at(files).read(5, 11)


async def test_who_leaves_waits_for_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that falls silent in the middle holds up nobody who was told to stop."""
    files.kept["/x"] = Kept(DATA)
    place, silent, free = at(files), threading.Event(), threading.Event()
    await source.facts(place)
    whole = remote.Remote.read

    def slow(self: Remote, start: int, end: int) -> bytes:
        if start > BLOCK:
            silent.set()
            free.wait(60)
        return whole(self, start, end)

    monkeypatch.setattr(remote.Remote, "read", slow)
    task = asyncio.create_task(content(place))
    while not silent.is_set():
        await asyncio.sleep(0.01)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 20
    free.set()
