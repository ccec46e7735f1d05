"""Input as blocks of bytes: opened once, hashed as it is stored, inflated on the way.

It is a file here, or an object elsewhere. Compression and UTF-16 are known by content, not by name.
Whatever is not a regular file is refused, before any of it is believed.
"""

import asyncio
import glob
import os
import stat
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import aiofiles

from bulkdelete.core.digests import FileHash
from bulkdelete.core.transcoding import FromUtf16, is_utf16
from bulkdelete.core.urls import url_of
from bulkdelete.errors import InputError
from bulkdelete.io.inflating import BLOCK, LONGEST_MAGIC, compression, open_archive
from bulkdelete.io.remote import Facts, Remote, RemoteFile, RemoteStream
from bulkdelete.io.threads import aside

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from aiofiles.threadpool.binary import AsyncFileIO

    from bulkdelete.core.urls import Url


Place = Path | Remote
"""Where a list is."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash (`FileHash`, 64 hex digits) and the size in bytes of a file as it is stored."""

    sha256: str
    size: int


def expand(inputs: "Sequence[str]") -> "tuple[Place, ...]":
    """Return what `inputs` name, in their order; what a glob or a prefix stands for is sorted.

    InputError `input_missing` when a file is not there, or a glob matches nothing; `input_name`
    when its name cannot be written down. Of what is elsewhere only globs and prefixes are looked
    at (this blocks).
    """
    found: list[Place] = []
    for one in inputs:
        url = url_of(one)
        matches = _globbed(one) if url is None else _remotes(url)
        if not matches:
            raise InputError(
                "input_missing",
                "no such file, or nothing matches",
                "check the path; quote a glob so that the shell leaves it alone",
                where=one if url is None else str(url),
            )
        found.extend(matches)
    return tuple(found)


def _globbed(path: str) -> "Sequence[Place]":
    # The glob keeps the path as it was given.
    there = Path(path).exists()
    found = [path] if there else sorted(glob.glob(path, recursive=True))  # noqa: PTH207
    for one in found or [path]:
        check_name(one)
    return list(map(Path, found))


def check_name(path: str) -> None:
    """Refuse a name that is not UTF-8: a plan is a text, and holds it from the root on."""
    try:
        str(Path(path).absolute()).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "input_name",
            "this name is not UTF-8, and could not be written down",
            "rename it, or feed it in: bulkdelete plan - < FILE",
            where=os.fsencode(path).decode("utf-8", "backslashreplace"),
        ) from error


async def expanded(inputs: "Sequence[str]") -> "tuple[Place, ...]":
    """Do the same, and hold nothing up meanwhile."""
    return await aside(partial(expand, inputs), "list")


def _remotes(url: "Url") -> "Sequence[Place]":
    if not url.pattern:
        return [remote(url)]
    from bulkdelete.io.stores import found_under  # noqa: PLC0415 - loaded where there is a store

    found = found_under(url)
    if not found and "*" not in url.text and not url.text.endswith("/"):
        found = [url]  # a name with brackets in it is a name, too
    return list(map(remote, found))


def remote(url: "Url") -> Remote:
    """Return the one object of an address, whatever signs are in its name; nothing is asked yet."""
    # What speaks to stores or servers is loaded where there is one.
    if url.web:
        from bulkdelete.io.web import Web  # noqa: PLC0415

        return Remote(url, Web)
    from bulkdelete.io.stores import Object  # noqa: PLC0415

    return Remote(url, Object)


async def facts(place: Place) -> Facts:
    """Return size, time of the last change, and version ("" of a file here). InputError."""
    if isinstance(place, Remote):
        return await aside(place.facts, "remote")
    try:
        found = place.stat()
    except OSError as error:
        raise _unreadable(str(place), error) from error
    return Facts(found.st_size, found.st_mtime, "", firm=False)


def kept_as(place: Place) -> str:
    """Return a place as it is written down: from the root on; of an address, nothing secret."""
    return str(place) if isinstance(place, Remote) else str(place.absolute())


def opened(place: Place) -> BinaryIO:
    """Open for who jumps about, and blocks. InputError; who is done calls `check_same`."""
    if isinstance(place, Remote):
        return cast("BinaryIO", RemoteFile(place))
    return os.fdopen(open_regular(place), "rb")


async def check_same(place: Place) -> None:
    """IntegrityError when what is elsewhere is not what was looked at first any more."""
    if isinstance(place, Remote):
        await aside(place.check, "remote")


async def blocks(
    place: Place, *, skip: int = 0, hasher: "FileHash | None" = None, step: int | None = None
) -> "AsyncGenerator[bytes, None]":
    """Yield a list's content, inflated and in UTF-8, in blocks <= 1 MiB, from byte `skip` on.

    `step`: of a file here no more bytes are read at once, and so held, than these. `hasher` is fed
    with all bytes as they are stored. InputError: `not_a_file`, `input_unreadable`,
    `archive_unsupported`, `archive_junk`, `archive_corrupt`, `archive_bomb`, and after the last
    whole block `truncated_archive` or `truncated_text`.
    """
    stream = await _open(place, step)
    try:
        raw = await stream.read()
        content = _Content(raw, place)
        if skip and hasher is None and content.as_stored(raw):
            await stream.seek(skip)
            raw, skip = await stream.read(), 0
        async with aclosing(_stored(stream, raw, hasher)) as stored:
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
        await stream.close()


async def _stored(
    stream: "Stream", raw: bytes, hasher: "FileHash | None"
) -> "AsyncGenerator[bytes, None]":
    """Yield `raw` and the rest of a stream, as they are stored."""
    while raw:
        # The next block is read while our caller parses this one.
        ahead = asyncio.create_task(stream.read())
        try:
            await asyncio.sleep(0)  # so that reading begins
            if hasher is not None:
                hasher.update(raw)
            yield raw
        except BaseException:
            await stream.drop(ahead)
            raise
        raw = await ahead


async def compression_of(place: Place) -> str | None:
    """Name the compression of a list; None when there is none."""
    stream = await _open(place)
    try:
        return compression(await stream.read())
    finally:
        await stream.close()


async def fingerprint(place: Place) -> Fingerprint:
    """Read a list as it is stored. InputError: `not_a_file`, `input_unreadable`."""
    hasher = FileHash()
    size = await take(place, hasher)
    return Fingerprint(hasher.hexdigest(), size)


async def take(place: Place, hasher: FileHash) -> int:
    """Feed `hasher` with a list as it is stored; return its size."""
    size = 0
    stream = await _open(place)
    try:
        while raw := await stream.read():
            hasher.update(raw)
            size += len(raw)
    finally:
        await stream.close()
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


class Stream(Protocol):
    """Bytes as they are stored, in order."""

    async def read(self) -> bytes:
        """Return the next ones, `BLOCK` at most; b"" at the end."""
        ...

    async def seek(self, place: int, /) -> object:
        """Go on from this byte."""

    async def drop(self, ahead: "asyncio.Task[bytes]", /) -> object:
        """End a read that is under way, and that nobody wants any more."""

    async def close(self) -> None:
        """Let go of it."""


class _File:
    """The stream of a file here."""

    def __init__(self, file: "AsyncFileIO", path: Path, step: int) -> None:
        self._file = file
        self._path = path
        self._step = step
        self.seek = file.seek

    async def read(self) -> bytes:
        try:
            return await self._file.read(self._step)
        except OSError as error:
            raise _unreadable(str(self._path), error) from error

    @staticmethod
    async def drop(ahead: "asyncio.Task[bytes]") -> None:
        # A thread is at it: only after that may the file be closed.
        await asyncio.wait((ahead,))
        if not ahead.cancelled():
            ahead.exception()

    async def close(self) -> None:
        # What nobody waits for any more a thread does not even begin: so wait, cancelled or not.
        closing = asyncio.create_task(self._file.close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.wait((closing,))
            raise


async def _open(place: Place, step: int | None = None) -> Stream:
    if isinstance(place, Remote):
        return RemoteStream(place)
    opening = asyncio.create_task(_opened(place))
    try:
        return _File(await asyncio.shield(opening), place, step or BLOCK)
    except OSError as error:
        raise _unreadable(str(place), error) from error
    except asyncio.CancelledError:
        await asyncio.wait((opening,))
        if not opening.exception():
            await opening.result().close()
        raise


async def _opened(place: Path) -> "AsyncFileIO":
    return await aiofiles.open(str(place), "rb", buffering=0, opener=_open_regular)


def _unreadable(name: str, error: OSError) -> InputError:
    return InputError("input_unreadable", f"cannot be read: {error.strerror}", where=name)


class _Content:
    """What a file holds: inflated, and UTF-16 turned into UTF-8."""

    def __init__(self, head: bytes, place: Place) -> None:
        self._where = str(place)
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
