"""What a checkpoint log says, replayed: the state of every chunk, and the counts of requests.

One byte a chunk, and details only for chunks that are open, in doubt, cut or partly refused: so
the memory is flat, and loading is a walk over the records.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import Span, State
from bulkdelete.core.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class ChunkState(IntEnum):
    """A chunk as a whole; DETAILED ones are told piece by piece."""

    UNSENT = 0
    ACCEPTED = 1
    DETAILED = 2


# As they are in an array of bytes: an enum's member is slow to look up, twice a record.
_ACCEPTED, _DETAILED = int(ChunkState.ACCEPTED), int(ChunkState.DETAILED)


@dataclass(slots=True)
class PieceState:
    """One span of a chunk: attempts so far, whether one is open, and since when it is in doubt.

    `bad` are positions within the chunk that the server named as refused in an answer that
    accepted the rest. `doubt` is the time of the first attempt that may have acted and that no
    later answer settled.
    """

    attempts: int = 0
    open_since: float | None = None
    doubt: float | None = None
    settled: State | None = None
    bad: tuple[int, ...] = ()
    reason: str = ""

    @property
    def state(self) -> State:
        """What is known of its IDs (of the `bad` ones: rejected)."""
        if self.settled is not None:
            return self.settled
        return State.AMBIGUOUS if self.doubt_since is not None else State.UNSENT

    @property
    def doubt_since(self) -> float | None:
        """Since when it may have been acted on without an answer; an open attempt counts."""
        return self.doubt if self.doubt is not None else self.open_since


@dataclass(slots=True)
class Requests:
    """Counts of requests, over all process starts."""

    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    throttled: int = 0
    failed: int = 0
    ambiguous: int = 0


_TALLY = {
    "accepted": "accepted",
    "partial": "accepted",
    "rejected": "rejected",
    "refused": "rejected",
    "abort": "rejected",
    "throttled": "throttled",
    "ambiguous": "ambiguous",
}


@dataclass(slots=True)
class Progress:
    """The replayed log of a plan of `chunks` chunks.

    `stopped` is how the last process start stopped, None when it did not say; `paused` whether
    `live` paused it and did not let it go on.
    """

    chunks: int
    header: log.Header | None = None
    approvals: list[log.Approval] = field(default_factory=list)
    starts: list[log.Start] = field(default_factory=list)
    stops: list[log.Stop] = field(default_factory=list)
    stopped: log.Stop | None = None
    seal: log.Seal | None = None
    abandoned: bool = False
    shredded: bool = False
    paused: bool = False
    settings: list[log.Setting] = field(default_factory=list)
    requests: Requests = field(default_factory=Requests)
    reasons: Counter[str] = field(default_factory=Counter)
    resent: set[int] = field(default_factory=set)
    states: bytearray = field(init=False)
    pieces: dict[int, dict[Span, PieceState]] = field(default_factory=dict)
    latencies: Counter[int] = field(default_factory=Counter)
    accepted_chunks: int = 0
    accepted_ids: int = 0
    finished_seconds: float = 0.0
    last_at: float = 0.0
    timeline: Timeline = field(default_factory=Timeline)

    def __post_init__(self) -> None:
        self.states = bytearray(self.chunks)

    def replay(self, records: "Iterable[log.Record]") -> "Progress":
        """Apply all records; IntegrityError when they contradict the plan or each other."""
        for record in records:
            self.apply(record)
        return self

    def apply(self, record: log.Record) -> None:
        """Apply one durable record; IntegrityError when it contradicts what came before."""
        try:
            self._apply(record)
            self.timeline.apply(record)
        except (KeyError, ValueError) as error:
            raise log.corrupt("a record holds what cannot be") from error

    def _apply(self, record: log.Record) -> None:
        match record:
            case log.Intent():
                self._intend(record)
            case log.Outcome():
                self._settle(record)
            case log.Split():
                self._split(record)
            case log.Start():
                self._start(record)
            case log.Approval():
                self.approvals.append(record)
            case log.Stop():
                self.stops.append(record)
                self.stopped = record
                self.last_at = record.at
            case log.Seal():
                self.seal = record
                self.last_at = record.at
            case log.Header():
                self._open(record)
            case log.Abandon() | log.Shred():
                self._give_up(record)
            case log.Setting():
                self._set(record)
            case _:
                raise log.corrupt("it holds records of another log")

    def _give_up(self, record: log.Abandon | log.Shred) -> None:
        if isinstance(record, log.Shred):
            self.shredded = True
        else:
            self.abandoned = True
            self.last_at = record.at

    def _set(self, record: log.Setting) -> None:
        self.settings.append(record)
        self.last_at = max(self.last_at, record.at)
        if record.name == "paused":
            self.paused = record.value == "yes"

    def _open(self, record: log.Header) -> None:
        if self.header is not None:
            raise log.corrupt("it has a second header")
        self.header = record

    def _start(self, record: log.Start) -> None:
        # Attempts that the process before left open have no answer: they may have acted.
        for piece in self._unsettled():
            if piece.open_since is not None:
                piece.doubt = piece.doubt_since
                piece.open_since = None
                self.requests.ambiguous += 1
        self.finished_seconds = self.send_seconds
        self.starts.append(record)
        self.last_at = record.at
        self.seal = self.stopped = None
        self.paused = False

    def _unsettled(self) -> "Iterator[PieceState]":
        for pieces in self.pieces.values():
            for piece in pieces.values():
                if piece.settled is None:
                    yield piece

    def _piece(self, about: log.Intent | log.Outcome | log.Split) -> PieceState:
        """Return the piece that a record is about; the first one of a chunk is all of it."""
        pieces = self.pieces.get(about.chunk)
        if pieces is None:
            pieces = self._whole(about.chunk, about.hi)
        if len(pieces) == 1:  # nearly always, and then nothing need be hashed
            for span, piece in pieces.items():
                if span.lo == about.lo and span.hi == about.hi:
                    return piece
        elif (found := pieces.get(about.span)) is not None:
            return found
        raise log.corrupt(f"it names a piece of chunk {about.chunk} that was never cut")

    def _whole(self, seq: int, size: int) -> dict[Span, PieceState]:
        """Begin to tell of a chunk that nothing was told of."""
        whole = Span(seq, 0, size)
        if seq >= self.chunks:
            raise log.corrupt(f"it names chunk {seq}, which the plan does not have")
        if self.states[seq] == _ACCEPTED:
            raise log.corrupt(f"it goes on with chunk {seq} after its acceptance")
        self.states[seq] = _DETAILED
        pieces = self.pieces[seq] = {whole: PieceState()}
        return pieces

    def _intend(self, record: log.Intent) -> None:
        piece = self._piece(record)
        if piece.open_since is not None or piece.settled is not None:
            raise log.corrupt(f"chunk {record.chunk} has two attempts at once")
        if piece.doubt is not None:
            self.resent.add(record.chunk)
        piece.attempts = record.attempt
        piece.open_since = self.last_at = record.at
        self.requests.sent += 1

    def _settle(self, record: log.Outcome) -> None:
        piece = self._piece(record)
        if piece.open_since is None:
            raise log.corrupt(f"chunk {record.chunk} has an outcome without an intent")
        opened, piece.open_since = piece.open_since, None
        self.last_at = record.at
        self._count(record)
        piece.reason = record.reason
        match record.verdict:
            case "accepted":
                self._accept(record, piece)
            case "partial":
                if not all(record.lo <= one < record.hi for one in record.bad):
                    raise log.corrupt(f"it names IDs outside a piece of chunk {record.chunk}")
                piece.settled, piece.bad, piece.doubt = State.ACCEPTED, record.bad, None
            case "rejected":
                piece.settled, piece.doubt = State.REJECTED, None
            case "ambiguous":
                piece.doubt = opened if piece.doubt is None else piece.doubt
            case _:
                pass  # throttled, failed, withdrawn, refused, abort: not an act

    def _accept(self, record: log.Outcome, piece: PieceState) -> None:
        seq = record.chunk
        if len(self.pieces[seq]) > 1:
            piece.settled, piece.doubt = State.ACCEPTED, None
            return
        self.states[seq] = _ACCEPTED
        self.accepted_chunks += 1
        self.accepted_ids += record.hi - record.lo
        del self.pieces[seq]

    def _count(self, record: log.Outcome) -> None:
        if record.verdict in {"failed", "withdrawn"}:
            self.requests.sent -= 1
            self.requests.failed += record.verdict == "failed"
        else:
            name = _TALLY[record.verdict]
            setattr(self.requests, name, getattr(self.requests, name) + 1)
            self.latencies[round(record.ms)] += 1
        if record.reason:
            self.reasons[record.reason] += 1

    def _split(self, record: log.Split) -> None:
        piece, span = self._piece(record), record.span
        if piece.settled is not None or piece.open_since is not None or len(span) == 1:
            raise log.corrupt(f"it cuts a piece of chunk {span.seq} that cannot be cut")
        pieces = self.pieces[span.seq]
        del pieces[span]
        for half in span.halves():
            pieces[half] = PieceState(doubt=piece.doubt, reason=piece.reason)

    # --- what the others ask ---

    @property
    def approval(self) -> log.Approval | None:
        """The last yes: the one that counts."""
        return self.approvals[-1] if self.approvals else None

    @property
    def send_seconds(self) -> float:
        """Seconds spent sending, over all process starts (to the last record of each)."""
        if not self.starts:
            return 0.0
        return self.finished_seconds + max(0.0, self.last_at - self.starts[-1].at)

    def todo(self, seq: int, size: int) -> list[tuple[Span, PieceState]]:
        """Return the pieces of chunk `seq` (of `size` IDs) that are not settled, in order."""
        if self.states[seq] == ChunkState.ACCEPTED:
            return []
        pieces = self.pieces.get(seq)
        if pieces is None:
            return [(Span(seq, 0, size), PieceState())]
        return [(span, pieces[span]) for span in sorted(pieces) if pieces[span].settled is None]

    def all_settled(self, seq: int) -> bool:
        """Tell whether chunk `seq` has a final answer for each of its IDs."""
        if self.states[seq] != ChunkState.DETAILED:
            return self.states[seq] == ChunkState.ACCEPTED
        return all(piece.settled is not None for piece in self.pieces[seq].values())

    def first_unsettled(self) -> int:
        """Return the number of the first chunk that has something to do (`chunks`: none)."""
        accepted = bytes([ChunkState.ACCEPTED])
        seq = len(self.states) - len(self.states.lstrip(accepted))
        while seq < self.chunks and self.all_settled(seq):
            seq += 1
        return seq

    def unsettled_chunks(self) -> int:
        """Count the chunks that are not settled whole."""
        detailed = sum(1 for seq in self.pieces if not self.all_settled(seq))
        return self.states.count(ChunkState.UNSENT) + detailed

    def state_of(self, seq: int, position: int) -> tuple[State, str]:
        """Return the state of one ID by its place in its chunk, and the last reason given."""
        match self.states[seq]:
            case ChunkState.ACCEPTED:
                return State.ACCEPTED, ""
            case ChunkState.UNSENT:
                return State.UNSENT, ""
        for span, piece in self.pieces[seq].items():
            if span.lo <= position < span.hi:
                if position in piece.bad:
                    return State.REJECTED, piece.reason
                return piece.state, piece.reason if piece.state is not State.ACCEPTED else ""
        raise log.corrupt(f"it does not account for ID {position} of chunk {seq}")

    def ids_of_details(self) -> Counter[State]:
        """Count IDs by state, over the chunks that are told piece by piece."""
        counts = Counter(dict.fromkeys(State, 0))
        for pieces in self.pieces.values():
            for span, piece in pieces.items():
                counts[State.REJECTED] += len(piece.bad)
                counts[piece.state] += len(span) - len(piece.bad)
        return counts

    def chunk_states(self) -> Counter[State]:
        """Count chunks by state; one told piece by piece counts as its worst ID."""
        counts: Counter[State] = Counter()
        counts[State.ACCEPTED] = self.accepted_chunks
        counts[State.UNSENT] = self.states.count(ChunkState.UNSENT)
        for pieces in self.pieces.values():
            counts[max(map(_worst, pieces.values()), key=_BADNESS.index)] += 1
        return counts

    def oldest_doubt(self) -> float | None:
        """Return the time of the oldest attempt in doubt, None when there is none."""
        since = [p.doubt_since for p in self._unsettled() if p.doubt_since is not None]
        return min(since, default=None)

    def open_pieces(self) -> "Iterator[tuple[Span, PieceState]]":
        """Yield the pieces that have an intent and no outcome."""
        for pieces in self.pieces.values():
            for span, piece in pieces.items():
                if piece.open_since is not None:
                    yield span, piece

    def open_attempts(self) -> int:
        """Count the attempts that have an intent and no outcome."""
        return sum(1 for _ in self.open_pieces())


_BADNESS = (State.ACCEPTED, State.REJECTED, State.UNSENT, State.AMBIGUOUS)


def _worst(piece: PieceState) -> State:
    return State.REJECTED if piece.bad and piece.state is State.ACCEPTED else piece.state
