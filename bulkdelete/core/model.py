"""The nouns of the program, as frozen values that refuse impossible states.

An *ID* names one user profile; it is text, sent exactly as it was read. A *record* is one ID as
read, with its place. The *plan* is the input in order, less what is excluded, invalid, duplicate
or protected, cut into *chunks*. Each *attempt* to send a chunk (or a *piece* of a refused one) has
an *intent*, written before its first byte, and one *outcome*. What is finally known of a piece is
its *receipt*; the sum of it all is the *balance*.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_IDS_PER_CHUNK = 100
"""What the delete endpoint takes in one request (vendor's documentation)."""


class Kind(StrEnum):
    """The two kinds of ID; a request carries one of them, never both."""

    IDENTITY = "identity"
    GUID = "guid"


class State(StrEnum):
    """What is known of an ID; every ID read is in exactly one of these, always."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AMBIGUOUS = "ambiguous"
    UNSENT = "unsent"
    PROTECTED = "protected"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one part, in columns of equal length.

    `ids[i]` is the ID exactly as read ("" where none could be), of kind `kinds[i]` (or of the one
    kind `kinds`), whose record starts on physical line `lines[i]` (1-based). `faults` maps a
    position to the reason why no ID could be read there. `offset` and `line` say where the first
    record starts: bytes into the part's decompressed stream, and its line. `cells[i]`, when asked
    for, are the original cells of the record of position i (records that hold several IDs repeat).
    `told` says of some `faults` what was there instead, and nothing that could be an ID.
    """

    ids: list[str]
    kinds: "Kind | Sequence[Kind]"
    lines: "Sequence[int]"
    offset: int
    line: int
    faults: "Mapping[int, str]" = field(default_factory=dict)
    cells: "Sequence[Sequence[str]] | None" = None
    told: "Mapping[int, str]" = field(default_factory=dict)

    def kind(self, position: int) -> Kind:
        """Return the kind of the ID at `position`."""
        return self.kinds if isinstance(self.kinds, Kind) else self.kinds[position]


@dataclass(frozen=True, slots=True)
class Chunk:
    """1..100 distinct IDs of one kind, in input order: chunk `seq` of the plan."""

    seq: int
    kind: Kind
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.ids) <= MAX_IDS_PER_CHUNK:
            raise ValueError(f"a chunk holds 1..{MAX_IDS_PER_CHUNK} IDs, not {len(self.ids)}")
        if self.seq < 0:
            raise ValueError("a chunk's number is not negative")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The IDs `lo..hi-1` of chunk `seq`: what one request carries, all of a chunk or a piece."""

    seq: int
    lo: int
    hi: int

    def __post_init__(self) -> None:
        if not 0 <= self.lo < self.hi <= MAX_IDS_PER_CHUNK or self.seq < 0:
            raise ValueError(f"no such span: chunk {self.seq}, IDs {self.lo}..{self.hi}")

    def __len__(self) -> int:
        return self.hi - self.lo

    def halves(self) -> "tuple[Span, Span]":
        """Cut in two, the first half not larger; a span of one ID cannot be cut (ValueError)."""
        middle = (self.lo + self.hi) // 2
        return Span(self.seq, self.lo, middle), Span(self.seq, middle, self.hi)


@dataclass(frozen=True, slots=True)
class Piece:
    """A span together with its IDs: the unit that is sent and sent again."""

    span: Span
    kind: Kind
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.span):
            raise ValueError("a piece holds the IDs of its span")

    def cut(self) -> "tuple[Piece, Piece]":
        """Cut in two halves, in order."""
        left, right = self.span.halves()
        middle = len(left)
        return (
            Piece(left, self.kind, self.ids[:middle]),
            Piece(right, self.kind, self.ids[middle:]),
        )


def whole(chunk: Chunk) -> Piece:
    """Return the piece that is all of a chunk."""
    return Piece(Span(chunk.seq, 0, len(chunk.ids)), chunk.kind, chunk.ids)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The pinned host answered this request completely, and said success."""


@dataclass(frozen=True, slots=True)
class Partial:
    """Success, but for the positions in the request that the server named as not processed."""

    rejected: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too much at once; not an act. `wait` is the server's hint in seconds, when sane."""

    reason: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It failed before the first byte left; not an act."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The server may have acted: a lost answer, a 5xx, a 200 that is not the API's."""

    reason: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused this request for what is in it; cut it to find the bad IDs."""

    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """The server refused *us*, or is not the API: the run must stop."""

    reason: str
    acted: bool = False


Verdict = Accepted | Partial | Throttled | Failed | Ambiguous | Refused | Abort


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the wire, as far as it came. `complete`: the whole body arrived."""

    status: int
    headers: "Mapping[str, Sequence[str]]"
    body: bytes
    complete: bool


HANDSHAKE_CUT = "handshake_cut"
"""The reason of a `Lost` whose connection ended before the other side proved who it is."""


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer: `reason` names the failure; `sent` says whether a byte may have left.

    `abandoned` says that we gave up waiting, so that the server may still be at work on it.
    `untrusted` says that it cannot be the one we were to speak to: it did not prove who it is
    (TLS), or its name leads into a private network.
    """

    reason: str
    sent: bool
    abandoned: bool = False
    untrusted: bool = False


Reply = Answer | Lost


@dataclass(frozen=True, slots=True)
class Balance:
    """The eight states of every ID read; they add up, always."""

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    ambiguous: int = 0
    unsent: int = 0
    protected: int = 0
    duplicate: int = 0
    invalid: int = 0
    excluded: int = 0

    def __post_init__(self) -> None:
        counts = [getattr(self, state.value) for state in State]
        if min(counts) < 0 or self.read != sum(counts):
            raise ValueError(f"the balance does not add up: {self}")

    @property
    def planned(self) -> int:
        """How many IDs the plan would send."""
        return self.accepted + self.rejected + self.ambiguous + self.unsent
