"""Archives become their content, in steps of bounded size: gzip, bzip2, xz and zstd.

They are known by how they begin. One archive may follow another (members, streams, frames), as
`cat` and parallel compressors make them. What ends in the middle, is damaged, has something else
after its end, or inflates without measure is refused.
"""

import bz2
import lzma
import re
import zlib
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from bulkdelete.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 1024 * 1024
"""Bytes per read, and at most per step of inflation.

Each block costs some tenths of a millisecond whatever is in it; larger ones outgrow the cache.
"""

MAX_RATIO = 100
"""Bytes out per byte in: an archive that gives more is a bomb, once it has given enough."""

BOMB_FREE_BYTES = 64 * 1024 * 1024
"""What an archive may give before its ratio is looked at."""

_STEP = 64 * 1024
"""Bytes given in at a time: what follows the end of a member is copied once for each member."""

_WINDOW_LOG = 27
_MOST_MEMORY = 128 << 20
"""Memory that an archive may ask for: as much as `zstd` and `xz -9` need by themselves."""

_LONGEST_HEADER = 18
"""Bytes of a zstd frame that say what is in it, at most."""

LONGEST_MAGIC = 10
"""So many bytes tell whether something is an archive."""

_ZIP = re.compile(rb"PK(?:\x03\x04|\x05\x06)")
_MAGICS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}


class _Member(Protocol):
    """One member of an archive, as the modules of the standard library have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """A gzip member; zlib's own object hands back what it did not take yet."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        # A full step may have left output behind although no input is left.
        return not (self._full or self._inflate.unconsumed_tail or self.eof)

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        block = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self._full = len(block) == max_length
        return block


class _Zstd:
    """A zstd frame; what it says of its length is compared, in whatever steps it comes."""

    def __init__(self, zstd: Any) -> None:  # noqa: ANN401 - a module of two names
        options = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
        self._zstd = zstd
        self._frame: _Member = zstd.ZstdDecompressor(options=options)
        self._head = b""
        self._given = 0

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return self._frame.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._head += data[: _LONGEST_HEADER - len(self._head)]
        block = self._frame.decompress(data, max_length)
        self._given += len(block)
        if self.eof:
            said = self._zstd.get_frame_info(self._head).decompressed_size
            # The library compares them itself, but not where the last block is empty.
            if said is not None and said != self._given:
                raise self._zstd.ZstdError("it is shorter than it says")
        return block


def compression(head: bytes) -> str | None:
    """Name the compression of a file that begins so; None when it is no archive."""
    return next((name for name, magic in _MAGICS.items() if magic.match(head)), None)


def open_archive(head: bytes, where: str) -> "Inflater | None":
    """Return what inflates a file that begins so; None when it is no archive.

    InputError `archive_unsupported` for zip; UsageError `missing_extra` for zstd without its extra.
    """
    if _ZIP.match(head):
        raise InputError(
            "archive_unsupported",
            "this is a zip archive, which may hold many files; gzip, bzip2, xz and zstd are read",
            "unpack it first",
            where=where,
        )
    name = compression(head)
    return Inflater(name, where) if name else None


class Inflater:
    """Inflates an archive of one or many members, in steps of bounded size."""

    def __init__(self, name: str, where: str) -> None:
        self._name = name
        self._where = where
        self._make, self._error = _codec(name, where)
        self._member = self._make()
        self._start = b""
        self._between = False
        self._taken = 0
        self._given = 0

    def feed(self, raw: bytes) -> "Iterator[bytes]":
        """Yield what `raw` inflates to, in blocks of at most `BLOCK`."""
        for at in range(0, len(raw), _STEP):
            yield from self._feed(raw[at : at + _STEP])

    def _feed(self, raw: bytes) -> "Iterator[bytes]":
        self._taken += len(raw)
        while True:
            if self._between and not (raw := self._next_member(raw)):
                return
            block = self._inflate(raw)
            self._count(len(block))
            if block:
                yield block
            raw = b""
            if self._member.eof:
                raw, self._between = self._member.unused_data, True
            elif self._member.needs_input:
                return

    def close(self) -> None:
        """Say that there is no more. InputError `truncated_archive` when there should be."""
        if self._start:
            raise self._junk()
        if not self._between:
            raise self._refusal("truncated_archive", f"the {self._name} archive ends in the middle")

    def _next_member(self, raw: bytes) -> bytes:
        """Return the beginning of the next member; nothing while it is not known yet."""
        start = self._start + raw
        if self._name in {"gzip", "xz"}:
            start = start.lstrip(b"\0")  # both allow zeros as padding
        self._start = start
        if _MAGICS[self._name].match(start):
            self._member, self._between, self._start = self._make(), False, b""
            return start
        if len(start) >= LONGEST_MAGIC:
            raise self._junk()
        return b""

    def _inflate(self, raw: bytes) -> bytes:
        try:
            return self._member.decompress(raw, BLOCK)
        except self._error as error:
            message = f"the {self._name} archive cannot be inflated: {error}"
            raise self._refusal("archive_corrupt", message) from error

    def _count(self, given: int) -> None:
        self._given += given
        if self._given > max(BOMB_FREE_BYTES, MAX_RATIO * self._taken):
            message = f"it inflates to more than {MAX_RATIO} times its size"
            raise self._refusal("archive_bomb", message)

    def _junk(self) -> InputError:
        return self._refusal(
            "archive_junk", f"there is something after the {self._name} archive's end"
        )

    def _refusal(self, code: str, message: str) -> InputError:
        hint = "get the file again, or unpack it yourself and look at it"
        return InputError(code, message, hint, where=self._where)


def _codec(name: str, where: str) -> "tuple[Callable[[], _Member], type[Exception]]":
    """Return what makes a member of an archive, and what is raised for a damaged one."""
    if name == "gzip":
        return _Gzip, zlib.error
    if name == "bzip2":
        return bz2.BZ2Decompressor, OSError
    if name == "xz":
        return _xz, lzma.LZMAError
    return _zstd(where)


def _xz() -> _Member:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY)


def _zstd(where: str) -> "tuple[Callable[[], _Member], type[Exception]]":
    for name in _ZSTD:
        with suppress(ImportError):
            zstd = import_module(name)
            return partial(_Zstd, zstd), zstd.ZstdError
    raise UsageError(
        "missing_extra",
        f"{where}: this is a zstd archive, which needs the extra `zstd`",
        "pip install 'bulkdelete[zstd]', or unpack it first",
    )


_ZSTD = ("compression.zstd", "backports.zstd")
"""The standard library has it from 3.14 on; for earlier ones it is an extra."""
