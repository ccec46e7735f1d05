"""Values that are bracketed lists of IDs, as profile exports have them: `[a, b]`, `["a"]`."""

import re

import msgspec

# Possessive throughout: a hostile value must not make it slow.
# An atomic group, where one would repeat possessively: Python before 3.11.5 loses its place there.
_ITEM = re.compile(r' *+("(?>(?:[^"\\]++|\\.)*)"|[^",\[\]]*+) *+(,|\Z)', re.DOTALL)


def items(value: str) -> list[str] | None:
    """Take a list apart: its items, without the spaces around them; None when it is malformed.

    A value that does not start with a bracket is one ID, as it is. An item in quotes is a JSON
    string; a bare one holds no quote, comma or bracket, and is not empty.
    """
    if not value.startswith("["):
        return [value]
    body = value.rstrip(" ")
    if not body.endswith("]"):
        return None
    inner = body[1:-1]
    return _split(inner) if inner.strip(" ") else []


def _split(inner: str) -> list[str] | None:
    found: list[str] = []
    at = 0
    while match := _ITEM.match(inner, at):
        one = _unquoted(match[1])
        if one is None:
            return None
        found.append(one)
        if not match[2]:
            return found
        at = match.end()
    return None


def _unquoted(item: str) -> str | None:
    if not item.startswith('"'):
        return item.rstrip(" ") or None
    try:
        return msgspec.json.decode(item, type=str)
    except msgspec.DecodeError:
        return None
