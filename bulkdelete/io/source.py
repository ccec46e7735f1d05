"""Input files as blocks of bytes: opened once, hashed as they are stored, inflated on the way.

Compression and UTF-16 are known by content, not by name. Whatever is not a regular file is
refused, before any of it is believed.
"""

import asyncio
import glob
import os
import stat
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import aiofiles

from bulkdelete.core.digests import FileHash
from bulkdelete.core.transcoding import FromUtf16, is_utf16
from bulkdelete.errors import InputError
from bulkdelete.io.inflating import BLOCK, LONGEST_MAGIC, compression, open_archive

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from aiofiles.threadpool.binary import AsyncFileIO


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash (`FileHash`, 64 hex digits) and the size in bytes of a file as it is stored."""

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
    path: Path, *, skip: int = 0, hasher: "FileHash | None" = None
) -> "AsyncGenerator[bytes, None]":
    """Yield a file's content, inflated and in UTF-8, in blocks <= 512 KiB, from byte `skip` on.

    `hasher` is fed with all bytes as they are stored. InputError: `not_a_file`,
    `input_unreadable`, `archive_unsupported`, `archive_junk`, `archive_corrupt`, `archive_bomb`,
    and after the last whole block `truncated_archive` or `truncated_text`.
    """
    file = await _open(path)
    try:
        raw = await _read(file, path)
        content = _Content(raw, path)
        if skip and hasher is None and content.as_stored(raw):
            await file.seek(skip)
            raw, skip = await _read(file, path), 0
        async with aclosing(_stored(file, path, raw, hasher)) as stored:
            async for one in stored:
                for block in content.feed(one):
                    if wanted := block[skip:]:
                        yield wanted
                    skip = max(0, skip - len(block))
        for block in content.close():
            if wanted := block[skip:]:
                yield wanted
            skip = max(0, skip - len(block))
    finally:
        await file.close()


async def _stored(
    file: "AsyncFileIO", path: Path, raw: bytes, hasher: "FileHash | None"
) -> "AsyncGenerator[bytes, None]":
    """Yield `raw` and the rest of a file, as they are stored."""
    while raw:
        # The next block is read while our caller parses this one.
        ahead = asyncio.create_task(_read(file, path))
        try:
            await asyncio.sleep(0)  # so that reading begins
            if hasher is not None:
                hasher.update(raw)
            yield raw
        finally:
            raw = await ahead


async def compression_of(path: Path) -> str | None:
    """Name the compression of a file; None when there is none."""
    file = await _open(path)
    try:
        return compression(await _read(file, path))
    finally:
        await file.close()


async def fingerprint(path: Path) -> Fingerprint:
    """Read a file as it is stored. InputError: `not_a_file`, `input_unreadable`."""
    hasher = FileHash()
    size = await take(path, hasher)
    return Fingerprint(hasher.hexdigest(), size)


async def take(path: Path, hasher: FileHash) -> int:
    """Feed `hasher` with a file as it is stored; return its size."""
    size = 0
    file = await _open(path)
    try:
        while raw := await _read(file, path):
            hasher.update(raw)
            size += len(raw)
    finally:
        await file.close()
    return size


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


def open_regular(path: Path) -> int:
    """Open a regular file and return its descriptor; InputError when it is none, or unreadable."""
    try:
        return _open_regular(str(path), os.O_RDONLY)
    except OSError as error:
        raise _unreadable(str(path), error) from error


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


class _Content:
    """What a file holds: inflated, and UTF-16 turned into UTF-8."""

    def __init__(self, head: bytes, path: Path) -> None:
        self._where = str(path)
        self._inflater = open_archive(head, self._where)
        self._text: FromUtf16 | None = None
        self._known = False
        self._held = b""

    def as_stored(self, head: bytes) -> bool:
        """Tell that the stored bytes are the content; then they are taken from any place on."""
        self._known = self._inflater is None and not is_utf16(head)
        return self._known

    def feed(self, raw: bytes) -> "Iterator[bytes]":
        """Yield the content of the next stored bytes."""
        for block in self._inflater.feed(raw) if self._inflater else (raw,):
            yield from self._decoded(block)

    def close(self) -> "Iterator[bytes]":
        """Yield what is left; InputError when there should be more."""
        if self._inflater:
            self._inflater.close()
        if not self._known:
            yield from self._begin(self._held)
        if self._text:
            try:
                rest = self._text.close()
            except ValueError as error:
                raise InputError(
                    "truncated_text",
                    "its UTF-16 text ends in the middle of a character",
                    "get the file again",
                    where=self._where,
                ) from error
            yield from _in_steps(rest)

    def _decoded(self, block: bytes) -> "Iterator[bytes]":
        if not self._known:
            # How a text is written is known by its first bytes; an archive may give one at a time.
            self._held += block
            if len(self._held) < LONGEST_MAGIC:
                return
            yield from self._begin(self._held)
        elif self._text:
            yield from _in_steps(self._text.feed(block))
        else:
            yield block

    def _begin(self, head: bytes) -> "Iterator[bytes]":
        self._known, self._held = True, b""
        if self._inflater and (name := compression(head)):
            raise InputError(
                "archive_unsupported",
                f"there is another archive ({name}) in this one",
                "unpack it once first",
                where=self._where,
            )
        if is_utf16(head):
            self._text = FromUtf16(head)
            head = self._text.feed(head)
        yield from _in_steps(head)


def _in_steps(block: bytes) -> "Iterator[bytes]":
    for start in range(0, len(block), BLOCK):
        yield block[start : start + BLOCK]
