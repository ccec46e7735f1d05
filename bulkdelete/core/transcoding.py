"""UTF-16 becomes UTF-8 on the way in, so that everything behind sees one encoding.

The byte order mark stays, as that of UTF-8. What is no character (half a surrogate pair) becomes
bytes that are no UTF-8 either: the record it stands in is faulty, and not the whole list.
"""

import codecs

_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_MARK = 2


def is_utf16(head: bytes) -> bool:
    """Tell by its byte order mark that a text is UTF-16 (that of UTF-32 begins in the same way)."""
    return head[:_MARK] in _MARKS and not head.startswith(codecs.BOM_UTF32_LE)


class FromUtf16:
    """Takes UTF-16, cut anywhere; `head` is how it begins."""

    def __init__(self, head: bytes) -> None:
        self._decoder = codecs.getincrementaldecoder(_MARKS[head[:_MARK]])("surrogatepass")

    def feed(self, block: bytes) -> bytes:
        """Return the UTF-8 of the characters that are whole now."""
        return self._decoder.decode(block).encode("utf-8", "surrogatepass")

    def close(self) -> bytes:
        """Return what is left at the end; ValueError in the middle of a character."""
        return self._decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
