"""A snapshot of the progress at one place of the log: what all records before it come to.

It is derived, and nothing depends on it: it says the same as the log's first bytes, and is
believed only as long as these bytes are there unaltered. The log's rest is read as ever.
"""

import zlib
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import Span, State
from bulkdelete.core.prefix import Place
from bulkdelete.core.progress import PieceState, Progress, Requests
from bulkdelete.core.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT_VERSION = 3


class _Piece(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a chunk that is told piece by piece."""

    chunk: int
    lo: int
    hi: int
    attempts: int
    open_since: float | None
    doubt: float | None
    settled: State | None
    bad: tuple[int, ...]
    reason: str


class OtherVersionError(ValueError):
    """It is not what this version of the program writes."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How things stood at `place`; `tool`: whose reading it is.

    `states` has a byte for each of `chunks` chunks, compressed: nearly all are the same as the one
    before, so that this is done at once, and no copy as long as that is kept.
    """

    format: int
    tool: str
    place: Place
    chunks: int
    states: bytes
    pieces: tuple[_Piece, ...]
    header: log.Header | None
    approvals: tuple[log.Approval, ...]
    starts: tuple[log.Start, ...]
    stops: tuple[log.Stop, ...]
    stopped: log.Stop | None
    seal: log.Seal | None
    settings: tuple[log.Setting, ...]
    requests: Requests
    reasons: dict[str, int]
    resent: tuple[int, ...]
    latencies: dict[int, int]
    abandoned: bool
    shredded: bool
    paused: bool
    accepted_chunks: int
    accepted_ids: int
    finished_seconds: float
    last_at: float
    timeline: Timeline

    @classmethod
    def take(cls, progress: Progress, place: Place, tool: str) -> "Snapshot":
        """Copy what the records before `place` came to; later ones change nothing in it."""
        return cls(
            format=FORMAT_VERSION,
            tool=tool,
            place=place,
            chunks=progress.chunks,
            states=zlib.compress(progress.states, 1),
            pieces=tuple(_pieces(progress)),
            header=progress.header,
            approvals=tuple(progress.approvals),
            starts=tuple(progress.starts),
            stops=tuple(progress.stops),
            stopped=progress.stopped,
            seal=progress.seal,
            settings=tuple(progress.settings),
            requests=replace(progress.requests),
            reasons=dict(progress.reasons),
            resent=tuple(progress.resent),
            latencies=dict(progress.latencies),
            abandoned=progress.abandoned,
            shredded=progress.shredded,
            paused=progress.paused,
            accepted_chunks=progress.accepted_chunks,
            accepted_ids=progress.accepted_ids,
            finished_seconds=progress.finished_seconds,
            last_at=progress.last_at,
            timeline=progress.timeline.copy(),
        )

    def progress(self) -> Progress:
        """Return the progress as it was."""
        found = Progress(
            self.chunks,
            header=self.header,
            approvals=list(self.approvals),
            starts=list(self.starts),
            stops=list(self.stops),
            stopped=self.stopped,
            seal=self.seal,
            abandoned=self.abandoned,
            shredded=self.shredded,
            paused=self.paused,
            settings=list(self.settings),
            requests=replace(self.requests),
            resent=set(self.resent),
            accepted_chunks=self.accepted_chunks,
            accepted_ids=self.accepted_ids,
            finished_seconds=self.finished_seconds,
            last_at=self.last_at,
            timeline=self.timeline.copy(),
        )
        found.states[:] = zlib.decompress(self.states)
        found.reasons.update(self.reasons)
        found.latencies.update(self.latencies)
        for one in self.pieces:
            pieces = found.pieces.setdefault(one.chunk, {})
            pieces[Span(one.chunk, one.lo, one.hi)] = PieceState(
                one.attempts, one.open_since, one.doubt, one.settled, one.bad, one.reason
            )
        return found

    def encode(self) -> bytes:
        """Return it as the text of its file: a line of JSON, and one of the SHA-256 of that."""
        text = msgspec.json.encode(self)
        return b"%b\n%b\n" % (text, sha256(text).hexdigest().encode())


def _pieces(progress: Progress) -> "Iterator[_Piece]":
    for pieces in progress.pieces.values():
        for span, one in pieces.items():
            about = (one.attempts, one.open_since, one.doubt, one.settled, one.bad, one.reason)
            yield _Piece(span.seq, span.lo, span.hi, *about)


def decode(data: bytes, tool: str) -> Snapshot:
    """Read the text of its file; ValueError unless every byte is as it was written.

    OtherVersionError when that was not by `tool`: it may have counted otherwise.
    """
    text, _, rest = data.partition(b"\n")
    if rest != sha256(text).hexdigest().encode() + b"\n":
        raise ValueError("it is no snapshot, or was altered")
    try:
        found = _decoder.decode(text)
        states = len(zlib.decompress(found.states))
    except (msgspec.MsgspecError, zlib.error) as error:
        raise OtherVersionError("it is a snapshot of another version") from error
    if (found.format, found.tool, states) != (FORMAT_VERSION, tool, found.chunks):
        raise OtherVersionError("it is a snapshot of another version")
    return found


_decoder = msgspec.json.Decoder(Snapshot)
