"""Input files as blocks of bytes: opened once, hashed as they are stored, inflated on the way.

Compression is known by content, not by name. Whatever is not a regular file of text or gzip is
refused, before any of it is believed.
"""

import asyncio
import glob
import hashlib
import os
import re
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import aiofiles

from bulkdelete.errors import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from aiofiles.threadpool.binary import AsyncFileIO

BLOCK = 512 * 1024
"""Bytes per read, and at most per step of inflation: small enough for the processor's cache."""

MAX_RATIO = 100
"""Bytes out per byte in: an archive that gives more is a bomb, once it has given enough."""

BOMB_FREE_BYTES = 64 * 1024 * 1024
"""What an archive may give before its ratio is looked at."""

_GZIP = b"\x1f\x8b"
_UNSUPPORTED = {
    "zip": re.compile(rb"PK(?:\x03\x04|\x05\x06)"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "bzip2": re.compile(rb"BZh[1-9]1AY&SY"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The SHA-256 (64 hex digits) and the size in bytes of a file as it is stored."""

    sha256: str
    size: int


def expand(inputs: "Sequence[str]") -> tuple[Path, ...]:
    """Return the files that `inputs` name, in their order; what a glob matches is sorted.

    InputError `input_missing` when a file is not there, or a glob matches nothing.
    """
    found: list[Path] = []
    for one in inputs:
        if Path(one).exists():
            found.append(Path(one))
            continue
        matches = sorted(glob.glob(one, recursive=True))  # noqa: PTH207 - keeps the path as given
        if not matches:
            raise InputError(
                "input_missing",
                "no such file, or nothing matches",
                "check the path; quote a glob so that the shell leaves it alone",
                where=one,
            )
        found.extend(map(Path, matches))
    return tuple(found)


async def blocks(
    path: Path, *, skip: int = 0, hasher: "hashlib._Hash | None" = None
) -> "AsyncGenerator[bytes, None]":
    """Yield a file's content, inflated, without its first `skip` bytes, in blocks <= 512 KiB.

    `hasher` is fed with all bytes as they are stored. InputError: `not_a_file`,
    `input_unreadable`, `archive_unsupported`, `archive_junk`, `archive_corrupt`, `archive_bomb`,
    and after the last whole block `truncated_archive`.
    """
    file = await _open(path)
    try:
        raw = await _read(file, path)
        _refuse_archive(raw, path)
        inflater = _Inflater(path) if raw.startswith(_GZIP) else None
        if skip and hasher is None and inflater is None:
            await file.seek(skip)
            raw, skip = await _read(file, path), 0
        while raw:
            # The next block is read while our caller parses this one.
            ahead = asyncio.create_task(_read(file, path))
            try:
                await asyncio.sleep(0)  # so that reading begins
                if hasher is not None:
                    hasher.update(raw)
                for block in inflater.feed(raw) if inflater else (raw,):
                    if wanted := block[skip:]:
                        yield wanted
                    skip = max(0, skip - len(block))
            finally:
                raw = await ahead
        if inflater:
            inflater.close()
    finally:
        await file.close()


async def fingerprint(path: Path) -> Fingerprint:
    """Read a file as it is stored. InputError: `not_a_file`, `input_unreadable`."""
    hasher = hashlib.sha256()
    size = 0
    file = await _open(path)
    try:
        while raw := await _read(file, path):
            hasher.update(raw)
            size += len(raw)
    finally:
        await file.close()
    return Fingerprint(hasher.hexdigest(), size)


async def spool(target: Path, stream: BinaryIO) -> None:
    """Copy a stream to the new file `target` (0600), durably, so that it can be read again.

    FileExistsError when it is there; other OSErrors are those of its disk, and leave no file.
    InputError `input_unreadable` when the stream fails.
    """
    file = await aiofiles.open(target, "xb", buffering=0, opener=_create)
    try:
        while block := await asyncio.to_thread(_read_stream, stream):
            await _write(file, block)
        await asyncio.to_thread(os.fdatasync, file.fileno())
    except BaseException:
        await asyncio.to_thread(target.unlink)
        raise
    finally:
        await file.close()


def _read_stream(stream: BinaryIO) -> bytes:
    try:
        return stream.read(BLOCK)
    except OSError as error:
        raise _unreadable("standard input", error) from error


async def _write(file: "AsyncFileIO", block: bytes) -> None:
    # Without a buffer a write may be short: on a full disk, the next one says so.
    left = memoryview(block)
    while left:
        left = left[await file.write(left) :]


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _open_regular(path: str, flags: int) -> int:
    """Open without waiting for a FIFO's writer, and look at what was opened, not at its name."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(
            "not_a_file",
            "this is not a regular file",
            "give a file; or feed a stream to standard input with -",
            where=path,
        )
    return fd


async def _open(path: Path) -> "AsyncFileIO":
    try:
        return await aiofiles.open(str(path), "rb", buffering=0, opener=_open_regular)
    except OSError as error:
        raise _unreadable(str(path), error) from error


async def _read(file: "AsyncFileIO", path: Path) -> bytes:
    try:
        return await file.read(BLOCK)
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _unreadable(name: str, error: OSError) -> InputError:
    return InputError("input_unreadable", f"cannot be read: {error.strerror}", where=name)


def _refuse_archive(head: bytes, path: Path) -> None:
    for name, magic in _UNSUPPORTED.items():
        if magic.match(head):
            raise InputError(
                "archive_unsupported",
                f"this is a {name} archive; gzip is the one that is read",
                "unpack it first",
                where=str(path),
            )


class _Inflater:
    """Inflates gzip of one or many members, in steps of bounded size."""

    def __init__(self, path: Path) -> None:
        self._where = str(path)
        self._member = _member()
        self._start = b""
        self._taken = 0
        self._given = 0

    def feed(self, raw: bytes) -> "Iterator[bytes]":
        """Yield what `raw` inflates to, in blocks of at most `BLOCK`."""
        more = False
        while raw or more:
            if self._member.eof and not (raw := self._next_member(raw)):
                return
            block = self._inflate(raw)
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            self._count(len(raw) - len(rest), len(block))
            if block:
                yield block
            # A full step may have left output behind although no input is left.
            raw, more = rest, len(block) == BLOCK and not self._member.eof

    def close(self) -> None:
        """Say that there is no more. InputError `truncated_archive` when there should be."""
        if self._start:
            raise self._error("archive_junk", "there is something after the archive's end")
        if not self._member.eof:
            raise self._error("truncated_archive", "the archive ends in the middle")

    def _next_member(self, raw: bytes) -> bytes:
        start = (self._start + raw).lstrip(b"\0")  # gzip allows zeros as padding
        if len(start) < len(_GZIP):
            self._start = start
            return b""
        if not start.startswith(_GZIP):
            raise self._error("archive_junk", "there is something after the archive's end")
        self._member, self._start = _member(), b""
        return start

    def _inflate(self, raw: bytes) -> bytes:
        try:
            return self._member.decompress(raw, BLOCK)
        except zlib.error as error:
            raise self._error("archive_corrupt", f"the archive is damaged ({error})") from error

    def _count(self, taken: int, given: int) -> None:
        self._taken += taken
        self._given += given
        if self._given > max(BOMB_FREE_BYTES, MAX_RATIO * self._taken):
            raise self._error(
                "archive_bomb", f"it inflates to more than {MAX_RATIO} times its size"
            )

    def _error(self, code: str, message: str) -> InputError:
        hint = "get the file again, or unpack it yourself and look at it"
        return InputError(code, message, hint, where=self._where)


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
