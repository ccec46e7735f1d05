"""What is durable, read without the program's own code: the judge's copy of the checkpoint log."""

from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import msgspec

Span = tuple[int, int, int]
"""Chunk, first position, position after the last."""


class ViolationError(SystemExit):
    """A promise was broken: which, and how. Nothing that is judged can catch it."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise


@dataclass(slots=True)
class Oracle:
    """Follows the durable bytes of a log, group by whole group, and keeps its own books."""

    size: int = 0
    open: dict[Span, dict[str, Any]] = field(default_factory=dict)
    doubts: dict[Span, float] = field(default_factory=dict)
    accepted: set[tuple[int, int]] = field(default_factory=set)
    rejected: set[tuple[int, int]] = field(default_factory=set)
    split: set[Span] = field(default_factory=set)
    whole: set[int] = field(default_factory=set)
    approval: dict[str, Any] | None = None
    seal: dict[str, Any] | None = None
    stops: int = 0
    starts: int = 0
    new: list[dict[str, Any]] = field(default_factory=list)
    """Outcomes since they were last looked at."""

    def feed(self, durable: bytes | bytearray) -> None:
        """Read on from where the last whole group ended."""
        group: list[dict[str, Any]] = []
        at = self.size
        while (end := durable.find(b"\n", at)) >= 0:
            line = bytes(durable[at : end + 1])
            found = _line(line)
            if found is None or found["group"][1] != len(group):
                return
            group.append(found["record"])
            at = end + 1
            if len(group) == found["group"][2]:
                for record in group:
                    self._apply(record)
                group = []
                self.size = at

    def _apply(self, record: dict[str, Any]) -> None:
        match record["type"]:
            case "intent":
                self.open[span_of(record)] = record
            case "outcome":
                self._settle(record)
            case "split":
                self._split(span_of(record))
            case "approval":
                self.approval = record
            case "start":
                self._start()
            case "seal":
                self.seal = record
            case "stop":
                self.stops += 1

    def _start(self) -> None:
        self.starts += 1
        self.seal = None
        for span, intent in self.open.items():
            self.doubts.setdefault(span, intent["at"])
        self.open = {}

    def _split(self, span: Span) -> None:
        self.split.add(span)
        seq, lo, hi = span
        if (since := self.doubts.pop(span, None)) is not None:
            middle = (lo + hi) // 2
            self.doubts[seq, lo, middle] = self.doubts[seq, middle, hi] = since

    def _settle(self, record: dict[str, Any]) -> None:
        span = span_of(record)
        seq, lo, hi = span
        intent = self.open.pop(span, None)
        if intent is None:
            raise ViolationError("S4", f"a durable outcome of {span} has no durable intent")
        verdict = record["verdict"]
        bad = set(record.get("bad", ()))
        if verdict in {"accepted", "partial"}:
            self.accepted.update((seq, one) for one in range(lo, hi) if one not in bad)
            self.rejected.update((seq, one) for one in bad)
            if verdict == "accepted" and not any(one[0] == seq for one in self.split):
                self.whole.add(seq)
        elif verdict == "rejected":
            self.rejected.add((seq, lo))
        elif verdict == "ambiguous":
            self.doubts.setdefault(span, intent["at"])
        if verdict in {"accepted", "partial", "rejected"}:
            self.doubts.pop(span, None)
        self.new.append(record)


def span_of(record: dict[str, Any]) -> Span:
    """Return the span that a record is about."""
    return record["chunk"], record["lo"], record["hi"]


def _line(line: bytes) -> dict[str, Any] | None:
    """Read one line; None unless its checksum is right."""
    if len(line) < 22 or line[-9:-1] != b"%08x" % google_crc32c.value(line[:-10]):
        return None
    found: dict[str, Any] = msgspec.json.decode(line[9:-10])
    return found
