"""Which character parts the columns of a CSV file."""

import csv
import io
import re
from contextlib import suppress

from bulkdelete.errors import InputError, UsageError

DELIMITERS = ",;\t|"
"""The delimiters that are looked for; any other has to be named."""

_ROWS_TO_COMPARE = 100


def delimiter(text: str, name: str, given: str | None) -> str:
    """Return the delimiter: the one given, else the one that the first record shows ("," if none).

    `text` is the head of the part called `name`. Where several could be it, those count that cut
    the next records into as many columns; InputError when that leaves not exactly one.
    """
    if given is not None:
        return _checked(given)
    bare = re.sub(r'"[^"]*"?', "", text.lstrip("\r\n"))
    first = re.split(r"[\r\n]", bare, maxsplit=1)[0]
    found = [one for one in DELIMITERS if one in first]
    if len(found) > 1:
        found = [one for one in found if _consistent(rows(text, one, _ROWS_TO_COMPARE))]
        if len(found) != 1:
            raise InputError(
                "which_delimiter",
                "more than one character could be the delimiter",
                "say --delimiter",
                where=name,
            )
    return found[0] if found else ","


def rows(text: str, delimiter: str, limit: int) -> list[list[str]]:
    """Read up to `limit` records, fewer when a quote is out of place; blank lines are none."""
    found: list[list[str]] = []
    with suppress(csv.Error):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if row:
                found.append(row)
            if len(found) == limit:
                break
    return found


def _checked(given: str) -> str:
    found = {"\\t": "\t", "tab": "\t"}.get(given, given)
    if len(found) != 1 or not found.isascii() or found.isalnum() or found in '"\r\n\0':
        raise UsageError(
            "delimiter", "--delimiter takes one ASCII character that is no letter, digit or quote"
        )
    return found


def _consistent(table: list[list[str]]) -> bool:
    return len(set(map(len, table))) == 1
