"""The checksum that a text carries: every byte of it counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.stamps import BLANK, holds, stamp

JSON = f'{{\n  "a": 1,\n  "checksum": "{BLANK}",\n  "b": 2\n}}\n'.encode()
HTML = f"<p>x</p>\n<!-- checksum: {BLANK} -->\n".encode()


@pytest.mark.parametrize("text", [JSON, HTML])
def test_z3_any_byte_that_is_altered_shows(text: bytes) -> None:
    """Each byte, each bit; and each byte gone, or one more."""
    stamped = stamp(text)
    assert holds(stamped)
    for place, byte in enumerate(stamped):
        for bit in range(8):
            assert not holds(stamped[:place] + bytes([byte ^ 1 << bit]) + stamped[place + 1 :]), (
                place,
                bit,
            )
        assert not holds(stamped[:place] + stamped[place + 1 :])
        assert not holds(stamped[:place] + b"0" + stamped[place:])


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_the_last_place_counts(before: bytes, after: bytes) -> None:
    """What a text quotes ahead of it is text."""
    stamped = stamp(before + JSON + HTML + after)
    assert holds(stamped)
    assert stamped.startswith(before + JSON)


@pytest.mark.parametrize("text", [b"", b"checksum: none", JSON.replace(b"0" * 64, b"1" * 64)])
def test_without_a_place_there_is_no_stamp(text: bytes) -> None:
    """Neither is one put anywhere, nor does such a text hold."""
    assert not holds(text)
    with pytest.raises(ValueError, match="checksum"):
        stamp(text)
