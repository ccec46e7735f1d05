"""Digests tell every difference, and say nothing without the key."""

import hashlib

from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.digests import (
    DIGEST_BYTES,
    KEY_BYTES,
    FileHash,
    account_tag,
    chunk_digest,
    keyed,
    leaf,
)
from bulkdelete.core.model import Chunk, Kind

KEY = bytes(range(KEY_BYTES))
OTHER_KEY = bytes(reversed(KEY))
IDS = st.lists(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), min_size=1, max_size=5
)


def test_a_leaf_is_the_sha256_of_kind_and_ids_by_lines() -> None:
    """The written rule, by hand: kind and IDs as UTF-8, joined by line feeds."""
    expected = hashlib.sha256("guid\na\nZoë".encode()).digest()
    assert leaf(Kind.GUID, ["a", "Zoë"]) == expected
    assert len(expected) == 32


@given(IDS, IDS, st.sampled_from(Kind), st.sampled_from(Kind))
def test_h3_leaves_differ_when_anything_differs(
    one: list[str], other: list[str], kind: Kind, other_kind: Kind
) -> None:
    """Equal leaves mean the same kind and the same IDs in the same order."""
    same = (kind, one) == (other_kind, other)
    assert (leaf(kind, one) == leaf(other_kind, other)) == same


def test_i14_an_edited_chunk_has_another_digest() -> None:
    """Order, kind and every character count."""
    digests = {
        leaf(Kind.GUID, ["a", "b"]),
        leaf(Kind.GUID, ["b", "a"]),
        leaf(Kind.IDENTITY, ["a", "b"]),
        leaf(Kind.GUID, ["ab"]),
        leaf(Kind.GUID, ["a", "b "]),
        leaf(Kind.GUID, ["a"]),
    }
    assert len(digests) == 6


def test_s15_a_keyed_digest_needs_the_key() -> None:
    """128 bits that another key gives otherwise, and that no bare hash equals."""
    digest = leaf(Kind.GUID, ["a"])
    mine = keyed(KEY, digest)
    assert len(mine) == DIGEST_BYTES == 16
    assert mine == keyed(KEY, digest)
    assert mine != keyed(OTHER_KEY, digest)
    assert mine not in {digest[:16], hashlib.sha256(digest).digest()[:16]}
    assert mine != keyed(KEY, leaf(Kind.GUID, ["b"]))


def test_a_chunks_digest_is_its_keyed_leaf() -> None:
    """The chunk's number does not count; its content does."""
    chunk = Chunk(4, Kind.GUID, ("a", "b"))
    assert chunk_digest(KEY, chunk) == keyed(KEY, leaf(Kind.GUID, ("a", "b")))
    assert chunk_digest(KEY, chunk) == chunk_digest(KEY, Chunk(5, Kind.GUID, ("a", "b")))


def test_s15_an_account_is_named_by_a_keyed_hash() -> None:
    """Hex, another for each account and key, and never the account itself."""
    tags = {account_tag(KEY, "W9R-1"), account_tag(KEY, "W9R-2"), account_tag(OTHER_KEY, "W9R-1")}
    assert len(tags) == 3
    assert all(len(bytes.fromhex(tag)) == DIGEST_BYTES for tag in tags)
    assert account_tag(KEY, "W9R-1") == account_tag(KEY, "W9R-1")
    assert account_tag(KEY, "Zoë")


@given(st.lists(st.binary(max_size=8), max_size=5))
@example([b"user-1"])
@example([b"user-", b"1\n", b"user-2"])
def test_the_hash_of_a_file_is_never_that_of_an_id(pieces: list[bytes]) -> None:
    """A line feed is added where there is none; else it is the plain SHA-256, however it is cut."""
    found, whole = FileHash(), b"".join(pieces)
    for piece in pieces:
        found.update(piece)
    wanted = whole if b"\n" in whole else whole + b"\n"
    assert found.hexdigest() == hashlib.sha256(wanted).hexdigest()
    assert found.hexdigest() == hashlib.sha256(wanted).hexdigest(), "asked twice"
