"""Archives of four kinds: known by content, all members read, and refused when not whole."""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zipfile
from collections.abc import Callable
from contextlib import aclosing
from itertools import chain, pairwise
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import InputError, UsageError
from bulkdelete.io import inflating, source
from bulkdelete.io.inflating import BLOCK

TEXT = b"".join(b"%d,%d\n" % (n, n * n) for n in range(50_000))
KINDS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 6, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
PACKED = {name: compress(TEXT) for name, compress in KINDS.items()}


async def content(path: Path) -> bytes:
    """Return all blocks as one, and check that none is empty or too large."""
    found = []
    async with aclosing(source.blocks(path)) as blocks:
        async for block in blocks:
            assert 0 < len(block) <= BLOCK
            found.append(block)
    return b"".join(found)


async def code(path: Path) -> str:
    """Return the code of the error that reading must end with; it names the file."""
    with pytest.raises(InputError) as caught:
        await content(path)
    assert caught.value.where == str(path)
    assert caught.value.hint
    return caught.value.code


def written(path: Path, data: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"", b"a", TEXT])
async def test_an_archive_is_known_by_content(tmp_path: Path, data: bytes, kind: str) -> None:
    """Whatever its name says."""
    packed = KINDS[kind](data)
    assert inflating.compression(packed) == kind
    assert await content(written(tmp_path / "x.csv", packed)) == data


@pytest.mark.parametrize("kind", KINDS)
async def test_i12_all_members_are_read(tmp_path: Path, kind: str) -> None:
    """One archive after another is one list, as `cat` and parallel compressors make them."""
    one, two, none = PACKED[kind], KINDS[kind](b"more\n"), KINDS[kind](b"")
    path = written(tmp_path / "x", none + one + two + none + one)
    assert await content(path) == TEXT + b"more\n" + TEXT


@pytest.mark.parametrize("kind", ["gzip", "xz"])
async def test_i12_zeros_are_padding_where_the_format_says_so(tmp_path: Path, kind: str) -> None:
    """Between members and after the last, wherever the reads cut them."""
    one, two = PACKED[kind], KINDS[kind](b"more\n")
    path = written(tmp_path / "x", one + two + bytes(512) + one + bytes(BLOCK) + two + bytes(8))
    assert await content(path) == TEXT + b"more\n" + TEXT + b"more\n"


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.sampled_from([b"", b"a\n", b"identity\nu-1\n" * 9]), min_size=1, max_size=4),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_any_cut_of_an_archive_gives_the_same(
    kind: str, members: list[bytes], cuts: list[int]
) -> None:
    """Wherever the reads end: in a member, between two, in the bytes by which one is known."""
    data = b"".join(KINDS[kind](one) for one in members)
    found = inflating.open_archive(data, "x")
    assert found is not None
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    given = [block for a, b in pairwise(places) for block in found.feed(data[a:b])]
    found.close()
    assert b"".join(given) == b"".join(members)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [11, 20, 1000, -1, -4, -9])
async def test_i12_a_truncated_archive_is_refused(tmp_path: Path, kind: str, cut: int) -> None:
    """An archive that ends in the middle is not a shorter list."""
    data = PACKED[kind][:cut]
    assert await code(written(tmp_path / "x", data)) == "truncated_archive"
    whole = KINDS[kind](b"a\n") + data
    assert await code(written(tmp_path / "y", whole)) == "truncated_archive"


@pytest.mark.parametrize("cut", [2, 5])
async def test_i12_a_gzip_cut_in_its_header_is_refused(tmp_path: Path, cut: int) -> None:
    """Two bytes make a gzip."""
    data = PACKED["gzip"][:cut]
    assert await code(written(tmp_path / "x.gz", data)) == "truncated_archive"


@pytest.mark.parametrize("junk", [b"x", b"junk", b"\x1f", b"\x1fx", b"(", b"BZ", TEXT])
@pytest.mark.parametrize("kind", KINDS)
async def test_i12_trailing_junk_is_refused(tmp_path: Path, kind: str, junk: bytes) -> None:
    """Bytes after the last member mean that the file is not what it was."""
    path = written(tmp_path / "x", KINDS[kind](b"a\n") + junk)
    assert await code(path) == "archive_junk"


async def test_i12_padding_before_junk_hides_nothing(tmp_path: Path) -> None:
    """Zeros and then something else."""
    path = written(tmp_path / "x.gz", gzip.compress(b"a\n") + b"\0\0junk")
    assert await code(path) == "archive_junk"
    path = written(tmp_path / "x.bz2", bz2.compress(b"a\n") + bytes(512))
    assert await code(path) == "archive_junk"


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
async def test_i12_a_damaged_archive_is_refused(tmp_path: Path, kind: str) -> None:
    """A flipped bit is found by the archive's own checksum at the latest."""
    data = bytearray(PACKED[kind])
    data[len(data) // 2] ^= 1
    assert await code(written(tmp_path / "x", bytes(data))) in {
        "archive_corrupt",
        "truncated_archive",
    }
    data = bytearray(PACKED[kind])
    data[-8] ^= 1
    assert await code(written(tmp_path / "x", bytes(data))) == "archive_corrupt"


async def test_i12_a_damaged_zstd_is_refused(tmp_path: Path) -> None:
    """With its checksum, which the `zstd` program writes by itself."""
    options = {int(zstd.CompressionParameter.checksum_flag): 1}
    data = bytearray(zstd.compress(TEXT, options=options))
    data[-1] ^= 1
    assert await code(written(tmp_path / "x", bytes(data))) == "archive_corrupt"


@pytest.mark.parametrize("step", [1, 5, 10])
def test_i12_a_zstd_frame_is_as_long_as_it_says(step: int) -> None:
    """In whatever steps it comes; the library compares them only where it comes at once."""
    frame = b"\x28\xb5\x2f\xfd\x60\x3f\x00\x01\x00\x00"  # 319 bytes are said, an empty block
    found = inflating.open_archive(frame, "x")
    assert found is not None
    pieces = [frame[start : start + step] for start in range(0, len(frame), step)]
    with pytest.raises(InputError, match="cannot be inflated") as caught:
        list(chain.from_iterable(map(found.feed, pieces)))
    assert caught.value.code == "archive_corrupt"


def test_zstd_may_begin_with_a_frame_to_skip() -> None:
    """Parallel compressors put one in front."""
    frame = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    found = inflating.open_archive(frame, "x")
    assert found is not None
    assert b"".join(found.feed(frame + PACKED["zstd"] + frame)) == TEXT
    found.close()


def test_zstd_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the archive is refused, with what to install."""
    for name in inflating._ZSTD:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="extra `zstd`") as caught:
        inflating.open_archive(PACKED["zstd"], "x.zst")
    assert (caught.value.code, caught.value.exit) == ("missing_extra", 2)


HUNGRY = {
    "xz": lzma.compress(b"a", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]),
    # The head of a frame that asks for a window of 2 GiB, and an empty last block.
    "zstd": b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00",
}


@pytest.mark.parametrize("kind", HUNGRY)
async def test_i13_an_archive_that_asks_for_much_memory_is_refused(
    tmp_path: Path, kind: str
) -> None:
    """A few bytes could ask for gigabytes."""
    assert await code(written(tmp_path / "x", HUNGRY[kind])) == "archive_corrupt"


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
        (gzip.compress(bz2.compress(b"a")), "bzip2"),
        (lzma.compress(gzip.compress(b"a")), "gzip"),
    ],
    ids=["zip", "bzip2 in gzip", "gzip in xz"],
)
async def test_i12_other_archives_are_named_and_refused(
    tmp_path: Path, data: bytes, name: str
) -> None:
    """A zip, also when it is called .gz; and an archive in an archive."""
    path = written(tmp_path / "x.gz", data)
    assert await code(path) == "archive_unsupported"
    with pytest.raises(InputError, match=name):
        await content(path)


@pytest.mark.parametrize("kind", KINDS)
async def test_i13_a_bomb_is_refused(tmp_path: Path, kind: str) -> None:
    """What inflates a thousand times is stopped soon after the first 64 MiB."""
    path = written(tmp_path / "x", KINDS[kind](bytes(1 << 20)) * 80)
    count = 0
    with pytest.raises(InputError) as caught:  # noqa: PT012 - what came before it counts
        async with aclosing(source.blocks(path)) as blocks:
            async for block in blocks:
                count += len(block)
    assert caught.value.code == "archive_bomb"
    most = inflating.BOMB_FREE_BYTES
    assert most - 2 * BLOCK <= count <= most


async def test_i13_repetitive_but_small_input_is_no_bomb(tmp_path: Path) -> None:
    """A small file may compress as well as it likes."""
    data = bytes(10 << 20)
    assert await content(written(tmp_path / "x.gz", gzip.compress(data))) == data


@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_i2_utf16_comes_as_utf8_whatever_gives_it(tmp_path: Path, step: int) -> None:
    """Plain or in an archive that gives it in small steps; the mark stays."""
    text = "identity\nzoë\n😀\n"
    for encoding, mark in (
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ):
        data = mark + text.encode(encoding)
        assert await content(written(tmp_path / "x", data)) == codecs.BOM_UTF8 + text.encode()
        members = [gzip.compress(data[at : at + step]) for at in range(0, len(data), step)]
        path = written(tmp_path / "x.gz", b"".join(members))
        assert await content(path) == codecs.BOM_UTF8 + text.encode()


async def test_i2_utf16_that_ends_in_a_character_is_refused(tmp_path: Path) -> None:
    """Half a character at the end: the file is not whole."""
    data = codecs.BOM_UTF16_LE + "identity\na\n".encode("utf-16-le")
    assert await code(written(tmp_path / "x", data[:-1])) == "truncated_text"
