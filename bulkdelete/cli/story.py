"""The words for one ID's story. The ID itself is printed nowhere: whoever asked knows it."""

from typing import TYPE_CHECKING

from bulkdelete.core.shard import OTHER_SHARD
from bulkdelete.reporting import day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.core.trail import Try
    from bulkdelete.tracing import Entry

_NEVER = {
    "protected": "never sent: it is on a protect list",
    "duplicate": "not sent from here: it was read before, and what stands first counts",
    "invalid": "never sent: it cannot be an ID",
    "excluded": "never sent: it was not selected",
    OTHER_SHARD: "not sent from here: another shard owns it, and its run knows what happened",
    "unsent": "not sent yet",
}
_CAME = {
    "accepted": "the server answered success",
    "partial": "the server answered success",
    "rejected": "the server refused this ID",
    "refused": "the server refused the request, which was then cut in two",
    "throttled": "the server said that it was too much at once, and did not act",
    "failed": "no byte left this machine",
    "withdrawn": "it was called off before its first byte",
    "ambiguous": "there was no clear answer: the server may have acted",
    "abort": "the server refused us",
    "": "no answer is on record: the server may have acted",
}


def lines(entry: "Entry") -> "Iterator[str]":
    """Yield the lines about one place in the input."""
    reason = f" ({entry.reason})" if entry.reason else ""
    yield f"{entry.where} ({entry.kind}): {entry.state}{reason}"
    if entry.chunk is None or not entry.attempts:
        why = entry.reason if entry.reason == OTHER_SHARD else entry.state
        yield f"  {_NEVER.get(why, 'not sent')}"
    if entry.chunk is not None:
        yield f"  ID {entry.number} of {entry.of} in chunk {entry.chunk}"
    if entry.piece is not None:
        yield f"  the chunk was cut: in the end it was in the piece of {_ids(*entry.piece)}"
    for number, one in enumerate(entry.attempts, 1):
        yield f"  {number}. {_attempt(one, entry.of)}"


def _attempt(one: "Try", of: int | None) -> str:
    """Say when an attempt began, with what, and what came of it."""
    alone = one.lo == 0 and one.hi == of
    what = "the whole chunk" if alone else _ids(one.lo + 1, one.hi)
    came = "the server did not process this ID" if one.refused else _CAME[one.verdict]
    told = f"{day(one.sent)}, attempt {one.attempt} with {what}: {came}"
    if one.answered is None:
        return told
    status = f", HTTP {one.status}" if one.status else ""
    why = f", {one.reason}" if one.reason else ""
    return f"{told} ({day(one.answered)}, after {one.ms:,.0f} ms{status}{why})"


def _ids(first: int, last: int) -> str:
    return f"IDs {first} to {last}" if last > first else f"ID {first} alone"
