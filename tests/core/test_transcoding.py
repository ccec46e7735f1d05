"""UTF-16 becomes UTF-8, wherever it is cut."""

import codecs
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.transcoding import FromUtf16, is_utf16


@given(
    st.text(st.characters(), max_size=20),
    st.sampled_from(["utf-16-le", "utf-16-be"]),
    st.lists(st.integers(0, 50), max_size=6),
)
def test_any_cut_of_utf16_gives_the_same_text(text: str, encoding: str, cuts: list[int]) -> None:
    """Also in the middle of a character, or of a pair; the mark stays."""
    data = ("\ufeff" + text).encode(encoding, "surrogatepass")
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoder = FromUtf16(data)
    found = b"".join(decoder.feed(data[a:b]) for a, b in pairwise(places)) + decoder.close()
    whole = data.decode(encoding, "surrogatepass")
    assert found == whole.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("data", [b"\xff\xfea", b"\xfe\xff\xd8\x3d\x00"])
def test_half_a_character_at_the_end_is_an_error(data: bytes) -> None:
    """What is missing there is missing in the list."""
    decoder = FromUtf16(data)
    decoder.feed(data)
    with pytest.raises(ValueError, match="utf-16"):
        decoder.close()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (codecs.BOM_UTF16_LE, True),
        (codecs.BOM_UTF16_BE + b"\0a", True),
        (codecs.BOM_UTF32_LE, False),
        (codecs.BOM_UTF8, False),
        (b"\xff", False),
        (b"", False),
    ],
)
def test_utf16_is_known_by_its_mark(head: bytes, expected: bool) -> None:
    """Without a mark nothing is guessed."""
    assert is_utf16(head) is expected
