"""The checkpoint log: its records, its lines, and how a damaged one is told from a torn one.

One record a line: `seq SP json SP crc32c LF`. `seq` (8 hex digits) counts lines from 0; the
checksum (8 hex digits) covers `seq SP json`. The JSON is `{"group": [number, place, size],
"prev": hash, "record": {...}}`: a *commit group* is what one fdatasync made durable, and `prev`
is the SHA-256 (hex) of the line before, without its LF: a chain.

The last line of a group is filled with spaces, behind the JSON and under the checksum, so that
each group ends where a sector of the disk does: a sector that is lost or torn takes no more than
one group with it, and writing a group never touches a sector that others were made durable in.

A reader believes whole groups only. What does not verify inside the last group, with no valid
group after it, is *torn*: that write never returned, nobody counted on it, and it is cut off.
Anything else that does not verify is corruption. No ID and no secret is in any record.
"""

import hashlib
import re
from typing import TYPE_CHECKING

import google_crc32c
import msgspec

from bulkdelete.core import prefix
from bulkdelete.core.model import Span
from bulkdelete.core.prefix import Place, Sums
from bulkdelete.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FORMAT_VERSION = 1
NO_LINE = "0" * 64
"""What `prev` says in the first record."""

MAX_LINE = 65_536

SECTOR = 512
"""What a disk writes whole or not at all, at best."""


class _Record(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, kw_only=True):
    """Base of the records. Times are seconds since the epoch, UTC."""


class Header(_Record, frozen=True, tag="header"):
    """Whose log this is. `account` is a keyed hash; `plan_file` the SHA-256 of plan.json."""

    format: int
    tool: str
    run: str
    plan: str
    plan_file: str
    host: str | None
    account: str | None
    chunks: int
    at: float


class Approval(_Record, frozen=True, tag="approval"):
    """Somebody said yes: `how` (typed, yes, digest, signed), who, to how many IDs, until when."""

    how: str
    who: str
    ids: int
    at: float
    expires: float
    renewed: bool = False


class Start(_Record, frozen=True, tag="start"):
    """A process began to send. `torn` bytes were cut off first; `machine` is a keyed hash.

    `settings` are the guards and free settings of this start, by name; nothing secret is among
    them.
    """

    at: float
    pid: int
    machine: str
    in_flight: int
    todo: int
    torn: int = 0
    settings: dict[str, str] = {}


class Setting(_Record, frozen=True, tag="setting"):
    """A free setting that was changed while the process was at work, from this record on."""

    name: str
    value: str
    at: float = 0.0


class Intent(_Record, frozen=True, tag="intent"):
    """A request is about to be sent; durable before its first byte. `digest` is keyed, in hex."""

    chunk: int
    lo: int
    hi: int
    attempt: int
    digest: str
    at: float

    @property
    def span(self) -> Span:
        """The IDs it is about."""
        return Span(self.chunk, self.lo, self.hi)


class Outcome(_Record, frozen=True, tag="outcome"):
    """What came of an attempt.

    `verdict`: accepted, partial (but for the positions in `bad`), rejected (one ID, final),
    refused (several; a split follows), throttled, failed (no byte left), ambiguous, withdrawn
    (intended, never tried) or abort (the server refused us; not an act).
    """

    chunk: int
    lo: int
    hi: int
    attempt: int
    verdict: str
    at: float
    reason: str = ""
    status: int = 0
    body: str = ""
    ms: float = 0.0
    bad: tuple[int, ...] = ()

    @property
    def span(self) -> Span:
        """The IDs it is about."""
        return Span(self.chunk, self.lo, self.hi)


class Split(_Record, frozen=True, tag="split"):
    """A refused piece goes on as its two halves."""

    chunk: int
    lo: int
    hi: int
    at: float

    @property
    def span(self) -> Span:
        """The IDs that are cut in two."""
        return Span(self.chunk, self.lo, self.hi)


class Stop(_Record, frozen=True, tag="stop"):
    """A process stopped before the end, in order; what it said, and the share of slots in use.

    `slots` are the seconds that all slots together spent, by what for: see docs/checkpoint.md.
    """

    at: float
    code: str
    exit: int
    message: str = ""
    hint: str = ""
    utilisation: float = 0.0
    slots: dict[str, float] = {}


class Seal(_Record, frozen=True, tag="seal"):
    """The end: the balance, the exit code, and the chain's hash before this record."""

    at: float
    exit: int
    ids: dict[str, int]
    head: str
    utilisation: float = 0.0
    slots: dict[str, float] = {}


class Abandon(_Record, frozen=True, tag="abandon"):
    """Given up by the operator; this run will not be resumed."""

    at: float


class Shred(_Record, frozen=True, tag="shred"):
    """The run's key and its files of IDs are about to be destroyed."""

    at: float


class Round(_Record, frozen=True, tag="round"):
    """In verify.log: a round of asking begins, of `sample` out of `population` IDs.

    `scope`: the accepted IDs, or the ambiguous ones. `day` is 0, or 7 or 30 when looking for who
    came back. `plan` and `head` say of which run, and of which state of its checkpoint.
    """

    at: float
    tool: str
    plan: str
    head: str
    scope: str
    population: int
    sample: int
    seed: int
    day: int = 0


class Look(_Record, frozen=True, tag="look"):
    """In verify.log: what the answer about one ID said of its profile, and how."""

    chunk: int
    position: int
    presence: str
    how: str
    at: float


class Conclusion(_Record, frozen=True, tag="conclusion"):
    """In verify.log: all of a round were asked. `back`: gone in an earlier one, there again."""

    at: float
    exit: int
    gone: int
    there: int
    unknown: int
    back: int
    head: str


Record = (
    Header
    | Approval
    | Start
    | Setting
    | Intent
    | Outcome
    | Split
    | Stop
    | Seal
    | Abandon
    | Shred
    | Round
    | Look
    | Conclusion
)


class _Line(msgspec.Struct, frozen=True):
    group: tuple[int, int, int]
    prev: str
    record: Record


_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()


class Writer:
    """Turns records into lines: knows the next number, the next group and the chain's head.

    `size` bytes are in the log already, with the checksums `sums`.
    """

    def __init__(
        self,
        seq: int = 0,
        group: int = 0,
        head: str = NO_LINE,
        size: int = 0,
        sums: Sums = Sums(),  # noqa: B008 - it is immutable
    ) -> None:
        self._seq = seq
        self._group = group
        self._size = size
        self._tail = 0
        self._sums = sums
        self.head = head

    def group(self, records: "Sequence[Record]") -> bytes:
        """Encode one commit group of 1..n records; the chain moves on."""
        lines = []
        count, size = len(records), self._size
        for place, record in enumerate(records):
            line = _Line((self._group, place, count), self.head, record)
            text = b"%08x %b" % (self._seq + place, _encoder.encode(line))
            size += len(text) + _AFTER_JSON
            if place == count - 1:
                text += b" " * (-size % SECTOR)
            text += b" %08x" % google_crc32c.value(text)
            self.head = hashlib.sha256(text).hexdigest()
            lines.append(text + b"\n")
        self._seq += count
        self._group += 1
        data = b"".join(lines)
        self._tail = len(data)
        self._size += len(data)
        self._sums = self._sums.grown(self._size, google_crc32c.extend(self._sums.crc, data))
        return data

    def place(self) -> Place:
        """Return where the log stands after the last group."""
        return Place(
            size=self._size,
            tail=self._tail,
            seq=self._seq,
            group=self._group,
            head=self.head,
            blocks=self._sums.blocks(),
        )


_AFTER_JSON = len(" 00000000\n")


class Reader:
    """Verifies a log line by line and yields the records of each whole group.

    After `read` is exhausted: `size` bytes hold whole groups, the last of which is `tail`, `torn`
    bytes after them are to be cut off, and `writer()` goes on from there. It begins at `place`
    (None: at the beginning), before which the last group is `tail`.
    """

    def __init__(self, place: Place | None = None, tail: bytes = b"") -> None:
        self.began = self.size = place.size if place else 0
        self._seq = place.seq if place else 0
        self._group = place.group if place else 0
        self._head = place.head if place else NO_LINE
        self._settled = (self._seq, self._head)
        self._sums = place.sums() if place else Sums()
        self._crc = 0
        self._tail: Sequence[bytes] = (tail,)
        self.torn = 0

    def read(self, lines: "Iterable[bytes]") -> "Iterator[Record]":
        """Yield records; IntegrityError (code `checkpoint_corrupt`) on corruption.

        `lines` end in LF, but for the last one, perhaps.
        """
        group: list[Record] = []
        taken: list[bytes] = []
        waiting = 0
        damaged = False
        crc = self._crc
        for line in lines:
            waiting += len(line)
            found = _verify(line)
            if damaged or found is None:
                self._damage(found or _inside(line))
                damaged = True
                continue
            self._follow(found, line, len(group))
            group.append(found.record)
            taken.append(line)
            crc = google_crc32c.extend(crc, line)
            self._head = hashlib.sha256(line[:-1]).hexdigest()
            self._seq += 1
            if len(group) == found.group[2]:
                yield from group
                self.size += waiting
                self._settled = (self._seq, self._head)
                self._group, group, waiting = self._group + 1, [], 0
                self._tail, taken = taken, []
                if self.size - self._sums.at >= prefix.BLOCK:
                    self._sums, crc = self._sums.grown(self.size, crc), 0
                self._crc = crc
        self.torn = waiting

    @property
    def tail(self) -> bytes:
        """The bytes of the last whole group."""
        return b"".join(self._tail)

    @property
    def head(self) -> str:
        """The chain's hash at the end of the last whole group."""
        return self._settled[1]

    def writer(self) -> Writer:
        """Return the writer that goes on after the last whole group."""
        return Writer(
            self._settled[0],
            self._group,
            self.head,
            self.size,
            self._sums.grown(self.size, self._crc),
        )

    def _follow(self, found: _Line, line: bytes, place: int) -> None:
        follows = line[:8] == b"%08x" % self._seq and found.prev == self._head
        number, at, size = found.group
        if not follows or number != self._group or at != place or at >= size:
            raise corrupt(f"record {self._seq} does not follow the one before it")

    def _damage(self, found: _Line | None) -> None:
        # Only the group that was being written when the power went may be damaged: a later
        # group that verifies proves that this one had been durable.
        if found is not None and found.group[0] > self._group:
            raise corrupt(f"record {self._seq} is damaged, and sound records follow it")


def corrupt(what: str) -> IntegrityError:
    """Return the error that says that a checkpoint log cannot be believed."""
    return IntegrityError(
        "checkpoint_corrupt",
        f"checkpoint.log is corrupt: {what}; nothing was sent",
        "restore the run directory from a copy, or look at it with `bulkdelete audit`",
    )


_BEGINNING = re.compile(rb'[0-9a-f]{8} \{"group":')


def _inside(line: bytes) -> _Line | None:
    """Find the sound line that a damaged one may have swallowed, with its own line feed."""
    found = (_verify(line[one.start() :]) for one in _BEGINNING.finditer(line, 1))
    return next((one for one in found if one is not None), None)


_SHORTEST = len("00000000 {} 00000000\n")


def _verify(line: bytes) -> _Line | None:
    """Read one line on its own: None when its form or checksum is wrong."""
    if len(line) < _SHORTEST or line[-1:] != b"\n" or line[8:9] != b" " or line[-10:-9] != b" ":
        return None
    if line[-9:-1] != b"%08x" % google_crc32c.value(line[:-10]):
        return None
    try:
        return _decoder.decode(line[9:-10])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # A checksum that is right was not torn.
        raise corrupt("it has a sound record that this version cannot read") from error
