"""Digests of chunks and of the content of a plan.

`leaf` is a SHA-256 over the kind and the IDs, joined by line feeds (no valid ID holds one, so the
text can be read in one way only). `keyed` puts the run's own key to it: that is what the index
and the checkpoint hold, so that nobody without the key can test a guess against them. The
plan's content digest is SHA-256 over all leaves in order, without the key, so that the same input
and settings give the same plan digest everywhere.
"""

import hashlib
from typing import TYPE_CHECKING

from bulkdelete.core.model import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.model import Chunk

KEY_BYTES = 32
DIGEST_BYTES = 16
"""Of the keyed digest that is kept: 128 bits."""


_BEGUN = {kind: hashlib.sha256(kind.value.encode()) for kind in Kind}


def leaf(kind: Kind, ids: "Sequence[str]") -> bytes:
    """Return the 32-byte SHA-256 of these IDs of one kind, in this order."""
    return hashlib.sha256((kind.value + "\n" + "\n".join(ids)).encode()).digest()


def begun(kind: Kind) -> "hashlib._Hash":
    """Return what becomes the leaf of IDs that come some at a time, each after a line feed."""
    return _BEGUN[kind].copy()


def keyed(key: bytes, digest: bytes) -> bytes:
    """Return the 16-byte keyed BLAKE2b of `digest` under the run's key."""
    return hashlib.blake2b(digest, digest_size=DIGEST_BYTES, key=key).digest()


def chunk_digest(key: bytes, chunk: "Chunk") -> bytes:
    """Return the keyed digest of a chunk, as plan.index and the checkpoint hold it."""
    return keyed(key, leaf(chunk.kind, chunk.ids))


class FileHash:
    """SHA-256 of a file's bytes, with a line feed behind them where none was among them.

    Of a list of one ID that ends without one it would be that ID's own hash: whoever guesses the ID
    could test it, and it would outlive the run's key.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._has_line = False

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(data)
        self._has_line = self._has_line or b"\n" in data

    def hexdigest(self) -> str:
        """Return the hash of all that was taken."""
        whole = self._hash.copy()
        if not self._has_line:
            whole.update(b"\n")
        return whole.hexdigest()


def account_tag(key: bytes, account: str) -> str:
    """Return the account as the checkpoint's header names it: a keyed hash, in hex."""
    return keyed(key, b"account\n" + account.encode()).hex()
