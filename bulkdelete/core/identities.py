"""What a valid ID is, and what a protect list protects.

IDs are never trimmed, folded or normalised on their way to the wire. Some values are refused
because they cannot be a profile's ID: control characters, more than 1024 characters, the values
that the vendor itself forbids, and what a spreadsheet leaves when it has destroyed an ID.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkdelete.core.model import Kind
from bulkdelete.core.shapes import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_CHARACTERS = 1024
"""The vendor's import rules: an identity or CleverTap ID has at most this many characters."""

FORBIDDEN = frozenset(
    [
        "undefined",
        "null",
        "na",
        "n/a",
        "nan",
        "-nan",
        "nil",
        "none",
        "0",
        "-1",
        "infinity",
        "-infinity",
        "inf",
        "-inf",
        "empty",
        "xxxxxx",
    ]
)
"""Values that the vendor does not allow as an identity, in any case: an upstream bug in a list."""

SPREADSHEET_ERRORS = frozenset(
    [
        "#n/a",
        "#ref!",
        "#value!",
        "#name?",
        "#div/0!",
        "#null!",
        "#num!",
        "#spill!",
        "#calc!",
        "#getting_data",
    ]
)

_NEARLY = 10
"""Nearly all: nine of ten."""

_HARDLY = 100
"""Hardly any: less than one in a hundred."""

_LONGEST_ODDITY = max(map(len, FORBIDDEN | SPREADSHEET_ERRORS))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCIENTIFIC = re.compile(r"[-+]?\d(?:[.,]\d+)?[eE]\+\d+")
_PLAIN = re.compile(rf"[!-~]{{{_LONGEST_ODDITY + 1},{MAX_CHARACTERS}}}")
_SAFE_BYTES = bytes(range(0x20, 0x7F)) + b"\n"
_BLANKS = b" " * (_LONGEST_ODDITY + 1)


def fault_of(identifier: str) -> str | None:
    """Say why `identifier` cannot be sent, in one stable word, or None when it can."""
    if not identifier:
        return "empty"
    if len(identifier) > MAX_CHARACTERS:
        return "too_long"
    if _CONTROL.search(identifier):
        return "control_character"
    if identifier.isspace():
        return "blank"
    if _SURROGATE.search(identifier):
        return "bad_encoding"
    return _oddity(identifier)


def _oddity(identifier: str) -> str | None:
    lowered = identifier.lower()
    if lowered in FORBIDDEN:
        return "forbidden_value"
    if lowered in SPREADSHEET_ERRORS or _SCIENTIFIC.fullmatch(identifier):
        return "spreadsheet_damage"
    if identifier == "*":
        return "wildcard"
    return None


def faults(ids: "Sequence[str]", data: bytes | None = None) -> dict[int, str]:
    """Find the IDs that cannot be sent: position -> reason. Nearly free when all are plain.

    `data` are the IDs as `joined` returns them, when the caller has it.
    """
    if not ids or _all_plain(ids, joined(ids) if data is None else data):
        return {}
    found = {}
    for position, identifier in enumerate(ids):
        if _PLAIN.fullmatch(identifier) and "+" not in identifier:
            continue
        if reason := fault_of(identifier):
            found[position] = reason
    return found


def joined(ids: "Sequence[str]") -> bytes:
    """Return the IDs joined by line feeds, in UTF-8, to look at them all at once."""
    return "\n".join(ids).encode("utf-8", "surrogatepass")


def _all_plain(ids: "Sequence[str]", data: bytes) -> bool:
    """Tell, for the whole batch at once, that no ID can have a fault.

    A cheap sufficient test (`fault_of` is the rule): ASCII text, longer than any forbidden value,
    no control character, no scientific notation, no long run of blanks.
    """
    if b"+" in data:
        return False
    return (
        not data.translate(None, _SAFE_BYTES)
        and data.count(b"\n") == len(ids) - 1
        and _BLANKS not in data
        and _plain_lengths(data, ids)
    )


def _plain_lengths(data: bytes, ids: "Sequence[str]") -> bool:
    """Tell that no ID is as short as an oddity or too long; `data` are the IDs, joined."""
    width = len(ids[0])
    if len(data) == len(ids) * (width + 1) - 1 and not data[width :: width + 1].strip(b"\n"):
        # As many line feeds as IDs need, all of them where IDs of one width end: UUIDs, hashes.
        return _LONGEST_ODDITY < width <= MAX_CHARACTERS
    lengths = set(map(len, ids))
    return min(lengths) > _LONGEST_ODDITY and max(lengths) <= MAX_CHARACTERS


def canonical(identifier: str) -> str:
    """Fold an ID for comparison with a protect list: trimmed, NFC, case-folded. Never sent."""
    trimmed = unicodedata.normalize("NFC", identifier.strip())
    return unicodedata.normalize("NFC", trimmed.casefold())


def canonical_all(ids: "Sequence[str]") -> list[str]:
    """`canonical` of each, at once when all are ASCII (IDs here hold no line feed)."""
    text = "\n".join(ids)
    if ids and text.isascii():
        return [one.strip() for one in text.lower().split("\n")]
    return [canonical(one) for one in ids]


@dataclass(frozen=True, slots=True)
class ProtectRules:
    """IDs that must never be sent, by kind, in canonical form; `wild` are compiled patterns."""

    exact: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})
    wild: dict[Kind, list[re.Pattern[str]]] = field(
        default_factory=lambda: {kind: [] for kind in Kind}
    )

    def __bool__(self) -> bool:
        return any(self.exact.values()) or any(self.wild.values())

    def add(self, identifier: str, kinds: "Iterable[Kind]", *, wildcards: bool) -> bool:
        """Protect `identifier` for `kinds`; False when it is blank and protects nothing."""
        folded = canonical(identifier)
        if not folded:
            return False
        for kind in kinds:
            if wildcards and ("*" in folded or "?" in folded):
                self.wild[kind].append(_wildcard(folded))
            else:
                self.exact[kind].add(folded)
        return True

    def matches(self, ids: "Sequence[str]", kind: Kind) -> "Iterator[int]":
        """Yield the positions in `ids` (all of `kind`) that are protected."""
        exact, wild = self.exact[kind], self.wild[kind]
        if not ids or not (exact or wild):
            return
        folded = canonical_all(ids)
        if not wild and exact.isdisjoint(folded):
            return
        for position, one in enumerate(folded):
            if one in exact or any(pattern.fullmatch(one) for pattern in wild):
                yield position

    def unlike(self, shapes: "Counter[Shape]") -> bool:
        """Tell that nearly all entries have one shape, and hardly an ID of the input has it.

        `shapes` counts the input. A list with wildcards is for IDs that it cannot name.
        """
        entries = set().union(*self.exact.values())
        total = shapes.total()
        if any(self.wild.values()) or not entries or not total:
            return False
        kinds = Counter(_family(shape_of(one)) for one in entries)
        family, count = kinds.most_common(1)[0]
        same = sum(number for shape, number in shapes.items() if _family(shape) is family)
        return count * _NEARLY >= len(entries) * (_NEARLY - 1) and same * _HARDLY < total


def _family(shape: Shape) -> Shape:
    """CleverTap IDs come in two forms."""
    return Shape.HEX if shape is Shape.PREFIXED else shape


def _wildcard(folded: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in folded)
    return re.compile("".join(parts), re.DOTALL)


def mask(identifier: str) -> str:
    """Show an ID to a person without showing it: first and last character, and the length."""
    if len(identifier) <= 2:  # noqa: PLR2004 - nothing is left to hide between first and last
        return f"{'*' * len(identifier)} ({len(identifier)})"
    return f"{_shown(identifier[0])}***{_shown(identifier[-1])} ({len(identifier)})"


def shown(identifier: str) -> str:
    """Show to a person what cannot be sent: as it is where nobody is behind it, else masked."""
    lowered = identifier.lower()
    if lowered in FORBIDDEN or lowered in SPREADSHEET_ERRORS or lowered == "*":
        return repr(identifier)
    return mask(identifier) if identifier else ""


def _shown(character: str) -> str:
    return character if character.isprintable() else "?"
