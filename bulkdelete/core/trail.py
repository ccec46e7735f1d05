"""The attempts that one ID was in, from the records of a log: it is named by chunk and position."""

from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import checkpoint as log

if TYPE_CHECKING:
    from collections.abc import Iterable


class Try(msgspec.Struct, kw_only=True):
    """One attempt to send the IDs `lo..hi-1` of a chunk; times in seconds since the epoch, UTC.

    `answered` is None, and `verdict` "", where no outcome is on record. `refused`: the answer
    accepted the others, and named this ID as not processed.
    """

    attempt: int
    lo: int
    hi: int
    sent: float
    answered: float | None = None
    verdict: str = ""
    status: int = 0
    reason: str = ""
    ms: float = 0.0
    refused: bool = False


class Trail:
    """Takes the records of a log, in order; keeps those about `places`: (chunk, position)."""

    def __init__(self, places: "Iterable[tuple[int, int]]") -> None:
        self._tries: dict[int, dict[int, list[Try]]] = {}
        for chunk, position in places:
            self._tries.setdefault(chunk, {})[position] = []

    def apply(self, record: log.Record) -> None:
        """Take the next record."""
        if not isinstance(record, log.Intent | log.Outcome) or record.chunk not in self._tries:
            return
        for position, tries in self._tries[record.chunk].items():
            if not record.lo <= position < record.hi:
                continue
            if isinstance(record, log.Intent):
                tries.append(
                    Try(attempt=record.attempt, lo=record.lo, hi=record.hi, sent=record.at)
                )
            else:
                _settle(tries[-1], record, position)

    def tries(self, chunk: int, position: int) -> list[Try]:
        """Return the attempts that an ID was in, in order."""
        return self._tries[chunk][position]


def _settle(one: Try, record: log.Outcome, position: int) -> None:
    one.answered, one.verdict, one.status = record.at, record.verdict, record.status
    one.reason, one.ms = record.reason, record.ms
    one.refused = position in record.bad
