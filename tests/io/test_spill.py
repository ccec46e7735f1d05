"""The file behind a de-duplication that does not fit into memory."""

import errno
import os
import random
import resource
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bulkdelete.core.spill_arrays import ArrayEntries
from bulkdelete.core.spills import Bits, PlainEntries
from bulkdelete.io.spill import Spill, unveiled, veiled

both_ways = pytest.mark.parametrize("way", [PlainEntries, ArrayEntries])


def marked(spill: Spill, batches: list[list[str]]) -> list[int]:
    """Take batches of IDs and return the numbers of those that repeat an earlier one."""
    with closing(spill):
        for batch in batches:
            spill.add("\n".join(batch).encode(), len(batch))
        bits = Bits(spill.count)
        for _ in spill.settle(bits):
            pass
    return bits.positions(0, spill.count)


@both_ways
@pytest.mark.parametrize("memory", [1, 20_000, 1 << 20])
def test_i11_any_memory_finds_what_a_set_finds(
    way: type[PlainEntries | ArrayEntries], memory: int, tmp_path: Path
) -> None:
    """Runs of one batch, of some, of all; an ID that fills a range; far and near repetitions."""
    dice = random.Random(memory)
    ids = [f"u-{dice.randrange(20_000)}" for _ in range(12_000)]
    ids[3000:9000:2] = ["hot"] * 3000
    batches = [ids[start : start + 600] for start in range(0, 12_000, 600)]
    seen: set[str] = set()
    expected = []
    for number, one in enumerate(ids):
        if one in seen:
            expected.append(number)
        seen.add(one)
    assert marked(Spill(way(7), tmp_path, memory), batches) == expected
    assert list(tmp_path.iterdir()) == []


@both_ways
def test_no_ids_at_all(way: type[PlainEntries | ArrayEntries], tmp_path: Path) -> None:
    """There is nothing to look for."""
    assert marked(Spill(way(7), tmp_path, 1 << 20), []) == []


def test_the_file_is_private_and_has_no_name(tmp_path: Path) -> None:
    """Killed at any moment, a process leaves nothing of it."""
    with closing(Spill(PlainEntries(7), tmp_path, 1)) as spill:
        spill.add(b"canary-id", 1)
        info = os.fstat(spill._file.fileno())
        assert stat.S_IMODE(info.st_mode) == 0o600
        assert info.st_nlink == 0
        assert info.st_size > 0
        assert b"canary" not in os.pread(spill._file.fileno(), info.st_size, 0)
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_files() -> Iterator[int]:
    """Let no file grow beyond some kilobytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_d3_a_file_that_may_not_grow_is_told_with_its_place(
    tmp_path: Path, small_files: int
) -> None:
    """The first bytes still fit, so that a write is cut short before one fails."""
    with closing(Spill(ArrayEntries(7), tmp_path, 1)) as spill, pytest.raises(OSError) as caught:  # noqa: PT011
        spill.add("\n".join(map(str, range(1000))).encode(), 1000)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path))
    assert small_files < 24_000


@pytest.mark.parametrize("size", [0, 1, 5, (1 << 20) - 1, (2 << 20) + 3])
def test_s15_what_is_veiled_is_read_with_its_key_only(size: int) -> None:
    """Of any length; the same twice looks like nothing that was seen before."""
    plain = random.Random(size).randbytes(size)
    key = b"k" * 32
    one, two = veiled(plain, key), veiled(plain, key)
    assert unveiled(one, key) == unveiled(two, key) == plain
    assert one != two
    if size > 1:
        assert unveiled(one, b"l" * 32) != plain
        assert plain not in one
