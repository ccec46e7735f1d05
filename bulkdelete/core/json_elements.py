"""How the elements of a JSON array are told apart without reading them.

`[{…}, {…}]`, or what an API's answer holds as its `records`: `{"status": …, "records": [{…}]}`.
"""

import re

DEPTH = 16
"""How deep an element may be nested."""

RECORDS = "records"
"""The member of an answer that holds the records."""

# Nothing is tried again: hostile bytes must not make it slow. Groups are repeated in an atomic
# group, for Python before 3.11.5 loses its place in a group that is repeated possessively.
_SPACE = rb"[ \t\r\n]*+"


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
ELEMENT = re.compile(rb"(" + _VALUE + rb")" + _SPACE + rb"([,\]])", re.DOTALL)
OPENING = re.compile(
    # The members before the records: of any other name.
    rb"\[|\{"
    + _SPACE
    + _many(rb"(?!\"" + _NAME + rb'")' + _MEMBER + rb"," + _SPACE)
    + rb'"'
    + _NAME
    + rb'"'
    + _SPACE
    + rb":"
    + _SPACE
    + rb"\[",
    re.DOTALL,
)
CLOSING = re.compile(_many(rb"," + _SPACE + _MEMBER) + rb"\}", re.DOTALL)
_BLANK = re.compile(_SPACE)
_EMPTY = re.compile(
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
    + rb"\Z",
    re.DOTALL,
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
