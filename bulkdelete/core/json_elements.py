"""How the elements of a JSON array are told apart without reading them.

`[{…}, {…}]`, or what an API's answer holds as its `records`: `{"status": …, "records": [{…}]}`.
"""

import re
from functools import cached_property
from itertools import accumulate
from operator import itemgetter, sub
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTH = 16
"""How deep an element may be nested."""

RECORDS = "records"
"""The member of an answer that holds the records."""

# Nothing is tried again: hostile bytes must not make it slow. Groups are repeated in an atomic
# group, for Python before 3.11.5 loses its place in a group that is repeated possessively.
_SPACE = rb"[ \t\r\n]*+"


class Late:
    """A pattern that is compiled when it is first used: all of these take 10 ms of each start."""

    def __init__(self, pattern: bytes) -> None:
        self.pattern = pattern

    @cached_property
    def match(self) -> "Callable[..., re.Match[bytes] | None]":
        """What the compiled pattern's own `match` is."""
        return re.compile(self.pattern, re.DOTALL).match


def _many(one: bytes) -> bytes:
    return rb"(?>(?:" + one + rb")*)"


_STRING = rb'"' + _many(rb'[^"\\]++|\\.') + rb'"'


def _nested(depth: int) -> bytes:
    inner = rb'[^"\[\]{}]++|' + _STRING
    for _ in range(depth):
        inner = rb'[^"\[\]{}]++|' + _STRING + rb"|[\[{]" + _many(inner) + rb"[\]}]"
    return rb"[\[{]" + _many(inner) + rb"[\]}]"


_VALUE = rb"(?:" + _nested(DEPTH - 1) + rb"|" + _STRING + rb'|[^ \t\r\n"\[\]{},:]++)'
_MEMBER = _STRING + _SPACE + rb":" + _SPACE + _VALUE + _SPACE
_NAME = RECORDS.encode()
# A member beside the records has surely another name: also where letters are spelled as escapes.
_BESIDE = rb'(?!"' + _NAME + rb'"|"' + _many(rb'[^"\\]++|\\[^u]') + rb"\\u)" + _MEMBER
ELEMENT = Late(rb"(" + _VALUE + rb")" + _SPACE + rb"([,\]])")
OPENING = Late(
    rb"\[|\{"
    + _SPACE
    + _many(_BESIDE + rb"," + _SPACE)
    + rb'"'
    + _NAME
    + rb'"'
    + _SPACE
    + rb":"
    + _SPACE
    + rb"\["
)
CLOSING = Late(_many(rb"," + _SPACE + _BESIDE) + rb"\}")
_BLANK = re.compile(_SPACE)
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_TRIES = 3
_FAILURES = (msgspec.MsgspecError, ValueError, RecursionError)
_EMPTY = Late(
    _SPACE
    + rb"(?:\["
    + _SPACE
    + rb"\]|"
    + OPENING.pattern.removeprefix(rb"\[|")
    + _SPACE
    + rb"\]"
    + _SPACE
    + CLOSING.pattern
    + rb")"
    + _SPACE
    + rb"\Z"
)


def opens_array(head: bytes) -> int | None:
    """Return where the elements begin in text that begins so; None when it is no array."""
    match = OPENING.match(head, after_space(head, 0))
    return match.end() if match else None


def first_element(body: bytes) -> bytes | None:
    """Return the first element of an array, as it stands; None when there is none that is whole."""
    start = opens_array(body)
    if start is None:
        return None
    match = ELEMENT.match(body, after_space(body, start))
    return match[1] if match else None


def is_empty_array(body: bytes) -> bool:
    """Tell that a text is one array, and that there is nothing in it."""
    return _EMPTY.match(body) is not None


def after_space(data: bytes, at: int) -> int:
    """Return the place behind the white space that stands at `at`."""
    match = _BLANK.match(data, at)
    return match.end() if match else at


class Cut(NamedTuple):
    """Elements that were cut out of a text, and the place behind the comma of the last.

    Where each starts, and on which line, counted from the first one's.
    """

    elements: list[bytes]
    starts: list[int]
    lines: list[int]
    end: int


def cut_at_once(data: bytes, at: int, longest: int) -> Cut | None:
    """Cut all whole elements but the last few out of a text that goes on with one; None if unsure.

    None as well where one and the space around it may be longer than `longest`.

    What `ELEMENT` finds one after the other, some times as fast: a decoder goes through them up to
    what looks like the end of one. When it is none, the decoder says so.
    """
    if not (first := ELEMENT.match(data, at)) or first[2] != b",":
        return None
    # The end of an element, what stands between two, and the beginning of another.
    between = data[first.end(1) - 1 : after_space(data, first.end()) + 1]
    end = len(data)
    for _ in range(_TRIES):
        end = data.rfind(between, first.end(), end)
        if end < 0:
            return None
        text = data[at : end + 1]
        elements = _whole(text)
        if elements is not None:
            cut = _placed(text, elements, at, between[1:-1])
            ends = [*cut.starts[1:], cut.end]
            long = max(map(sub, ends, cut.starts)) > longest
            return None if long or not _shallow(text, elements) else cut
        end += len(between) - 1
    return None


def _whole(text: bytes) -> list[bytes] | None:
    """Return the elements of a text that is an array but for its brackets; else None."""
    try:
        return [bytes(one) for one in _RAW.decode(b"[%b]" % text)]
    except _FAILURES:
        return None


def _placed(text: bytes, elements: list[bytes], at: int, between: bytes) -> Cut:
    """Find out where elements stand; `at` is where their text does."""
    starts, lines = _regular(text, elements, at, between) or _irregular(text, elements, at)
    return Cut(elements, starts, lines, at + len(text) + between.index(b",") + 1)


def _regular(
    text: bytes, elements: list[bytes], at: int, between: bytes
) -> tuple[list[int], list[int]] | None:
    """Return starts and lines where the same stands between all elements, else None."""
    step, count = between.count(b"\n"), len(elements)
    if between.join(elements) != text or text.count(b"\n") != step * (count - 1):
        return None
    sizes = map(len(between).__add__, map(len, elements[:-1]))
    starts = list(accumulate(sizes, initial=at))
    return starts, list(range(0, step * count, step)) if step else [0] * count


def _irregular(text: bytes, elements: list[bytes], at: int) -> tuple[list[int], list[int]]:
    """Return starts and lines: nothing but space and a comma stands before the next element."""
    starts, lines, place, line = [], [], 0, 0
    for one in elements:
        start = text.index(one, place)
        line += text.count(b"\n", place, start)
        starts.append(at + start)
        lines.append(line)
        place = start + len(one)
        line += one.count(b"\n")
    return starts, lines


def _shallow(text: bytes, elements: list[bytes]) -> bool:
    """Tell that none is too deep: for sure where each begins with a brace and has no other."""
    firsts = bytes(map(itemgetter(0), elements))
    if b"[" not in text and text.count(b"{") == firsts.count(b"{") == len(elements):
        return True
    return max(one.count(b"{") + one.count(b"[") for one in elements) <= DEPTH
