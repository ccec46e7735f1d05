"""Which character parts the columns of a CSV file."""

import csv
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkdelete.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DELIMITERS = ",;\t|"
"""The delimiters that are looked for; any other has to be named."""

_ROWS_TO_COMPARE = 100
_LINE = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+")


class Dialect(NamedTuple):
    """The characters of a CSV file; no `quote`: quotes mean nothing; no `escape`: nor does that."""

    delimiter: str
    quote: str = '"'
    escape: str = ""

    @property
    def special(self) -> tuple[str, ...]:
        """The characters that make a line more than cells between delimiters."""
        return tuple(one for one in (self.quote, self.escape) if one)

    def reader(self, lines: "Iterable[str]", *, strict: bool) -> "Any":  # noqa: ANN401
        """Return a reader of the csv module."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            escapechar=self.escape or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            strict=strict,
        )


def find(text: str, name: str, given: str | None, quote: str | None, escape: str | None) -> Dialect:
    """Return the dialect: as given, the delimiter as the first record shows it ("," if none does).

    `text` is the head of the part called `name`. Where several could be it, those count that cut
    the next records into as many columns; InputError when that leaves not exactly one.
    """
    dialect = Dialect(",", _quote(quote), "" if escape is None else character("--escape", escape))
    if given is not None:
        return _distinct(dialect._replace(delimiter=character("--delimiter", given)))
    first = unquoted(text, dialect.quote)
    found = [one for one in DELIMITERS if one in first and one not in dialect.special]
    if len(found) > 1:
        tried = {
            one: rows(text, dialect._replace(delimiter=one), _ROWS_TO_COMPARE) for one in found
        }
        found = [one for one in found if _consistent(tried[one])]
        if len(found) != 1:
            raise InputError(
                "which_delimiter",
                "more than one character could be the delimiter",
                "say --delimiter",
                where=name,
            )
    return _distinct(dialect._replace(delimiter=found[0] if found else ","))


def unquoted(text: str, quote: str) -> str:
    """Return the first record that is not blank, without what is between quotes."""
    quoted = "{0}[^{0}]*{0}?".format(re.escape(quote)) if quote else "(?!)"
    plain = rf"[^\r\n{re.escape(quote)}]+"
    record = next(re.finditer(rf"[\r\n]*((?:{plain}|{quoted})*)", text))
    return re.sub(quoted, "", record[1])


def lines(text: str) -> "Iterator[str]":
    """Yield one line after the other, with its end: LF, CRLF or CR."""
    return (one[0] for one in _LINE.finditer(text))


def rows(text: str, dialect: Dialect, limit: int) -> list[list[str]]:
    """Read up to `limit` records, fewer when a quote is out of place; blank lines are none."""
    found: list[list[str]] = []
    with suppress(csv.Error):
        for row in dialect.reader(lines(text), strict=True):
            if row:
                found.append(row)
            if len(found) == limit:
                break
    return found


_SPELLED = {"\\t": "\t", "tab": "\t", "backslash": "\\"}
_SPELLED |= {f"\\x{code:02x}": chr(code) for code in range(1, 0x20)}


def character(flag: str, given: str) -> str:
    """Read one character that a flag gives, or its name."""
    found = _SPELLED.get(given, given)
    if len(found) != 1 or not found.isascii() or found.isalnum() or found in "\r\n\0":
        raise UsageError(
            "dialect",
            f"{flag} takes one ASCII character that is no letter, digit or line end"
            " (tab, backslash and \\x01 are understood)",
        )
    return found


def _quote(given: str | None) -> str:
    if given is None:
        return '"'
    return "" if given == "none" else character("--quote", given)


def _distinct(dialect: Dialect) -> Dialect:
    used = (dialect.delimiter, *dialect.special)
    if len(set(used)) < len(used):
        raise UsageError(
            "dialect", "--delimiter, --quote and --escape are three different characters"
        )
    return dialect


def _consistent(table: list[list[str]]) -> bool:
    return len(set(map(len, table))) == 1
