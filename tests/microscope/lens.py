"""Reads a damaged log with the program's own reader, and says whether that reading is right.

A reading is right when it is refused, or when it is exactly the groups before the first damage
and no sound group stands behind that. Then the chain's head is another one than that of the whole
log, which is what `audit --head` compares. Where more than the last group is gone ("earlier"),
nothing else can show it: the log is, byte for byte, what it was at some moment of the run.
"""

import copy
import io
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from bulkdelete.core import checkpoint as log
from bulkdelete.core.progress import Progress
from bulkdelete.errors import IntegrityError
from tests.microscope.story import Written

CORRUPT = -1
"""Instead of a number of groups: refused."""


@dataclass
class Tally:
    """What was seen: readings by kind, and the wrong ones."""

    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take in what another process saw."""
        self.seen += other.seen
        self.wrong += other.wrong


class Lens:
    """Looks at one log; readings start at the group that was damaged, where the reader was then."""

    def __init__(self, whole: Written) -> None:
        self.whole = whole
        self.data = whole.data
        self.ends = list(accumulate(map(len, whole.parts)))
        self.starts = [0, *self.ends[:-1]]
        self._readers = [log.Reader()]
        for part in whole.parts:
            reader = copy.copy(self._readers[-1])
            for _ in reader.read(io.BytesIO(part)):
                pass
            self._readers.append(reader)

    def group_at(self, place: int) -> int:
        """Return the number of the group that holds this byte."""
        return bisect_right(self.ends, place)

    def reader(self, group: int) -> log.Reader:
        """Return a reader that read all before a group."""
        return copy.copy(self._readers[group])

    def read(self, rest: bytes, group: int) -> tuple[int, str]:
        """Read what now stands from the start of `group` on: whole groups (or CORRUPT), head.

        AssertionError on records that were never written, or bytes that are not accounted for.
        """
        reader = self.reader(group)
        found = []
        try:
            for record in reader.read(io.BytesIO(rest)):
                found.append(record)  # noqa: PERF402 - what came before the error counts
        except IntegrityError as error:
            if (error.code, error.exit) != ("checkpoint_corrupt", 6):
                raise AssertionError(f"refused as {error.code}, {error.exit}") from error
            return CORRUPT, ""
        upto = group
        while found:
            records = self.whole.groups[upto]
            assert found[: len(records)] == records, f"other records in group {upto}"
            del found[: len(records)]
            upto += 1
        assert reader.size == (self.ends[upto - 1] if upto else 0)
        assert reader.size + reader.torn == self.starts[group] + len(rest)
        return upto, reader.head

    def judge(self, rest: bytes, group: int, *, sound_after: bool, name: str, tally: Tally) -> None:
        """Read, and note whether it is right: the groups before `group`, or refused.

        `sound_after`: a group behind the damage is whole, so that only refusing is right.
        """
        try:
            upto, head = self.read(rest, group)
        except AssertionError as error:
            tally.wrong.append(f"{name}: {error}")
            return
        if upto == CORRUPT:
            tally.seen["refused"] += 1
        elif upto == group and not sound_after and head != self.whole.heads[-1]:
            tally.seen["torn" if group == len(self.ends) - 1 else "earlier"] += 1
        else:
            tally.wrong.append(f"{name}: read as {upto} groups of {len(self.ends)}")

    def damage(self, place: int, fresh: bytes, name: str, tally: Tally) -> None:
        """Look at the log with `fresh` in the place of as many bytes."""
        if self.data[place : place + len(fresh)] == fresh:
            tally.seen["equal"] += 1
            return
        changed = [
            at
            for at in range(self.group_at(place), self.group_at(place + len(fresh) - 1) + 1)
            if not self._untouched(at, place, fresh)
        ]
        group, last = changed[0], changed[-1]
        start, behind = self.starts[group], place + len(fresh)
        # A sound group behind the damage ends the reading, so two of them are enough to look at.
        end = self.ends[min(last + 2, len(self.ends) - 1)]
        rest = self.data[start:place] + fresh[max(0, start - place) :] + self.data[behind:end]
        sound = last + 1 < len(self.ends) or len(changed) < last - group + 1
        self.judge(rest, group, sound_after=sound, name=name, tally=tally)

    def _untouched(self, group: int, place: int, fresh: bytes) -> bool:
        lo, hi = max(self.starts[group], place), min(self.ends[group], place + len(fresh))
        return self.data[lo:hi] == fresh[lo - place : hi - place]


def stand(reader: log.Reader) -> object:
    """Return all that decides how a reader goes on."""
    known = vars(reader)
    return reader.tail, {name: known[name] for name in known if name not in _TELLING}


_TELLING = {"began", "_crc", "_sums", "_tail"}
"""Where it began, and the sums that a snapshot of it would hold; `tail` is compared joined."""


def said(reader: log.Reader, rest: bytes) -> object:
    """Let a reader go on; return all that it says, then or when it refuses."""
    found = []
    try:
        for record in reader.read(io.BytesIO(rest)):
            found.append(record)  # noqa: PERF402 - what came before the error counts
    except IntegrityError as error:
        return found, error.code
    return found, reader.size, reader.torn, reader.tail, reader.head


def states(whole: Written) -> None:
    """Check that each moment of a log can be replayed: the records make sense together."""
    chunks = next(r.chunks for r in whole.groups[0] if isinstance(r, log.Header))
    progress = Progress(chunks)
    for records in whole.groups:
        progress.replay(records)


def lines(data: bytes) -> list[bytes]:
    """Cut a log as the program does."""
    return list(io.BytesIO(data))


def read_lines(wanted: Iterable[bytes], whole: Written) -> tuple[int, str]:
    """Read lines from the start: whole groups, or CORRUPT; head."""
    reader = log.Reader()
    try:
        found = list(reader.read(wanted))
    except IntegrityError:
        return CORRUPT, ""
    upto = 0
    for records in whole.groups:
        if not found:
            break
        assert found[: len(records)] == records, f"other records in group {upto}"
        del found[: len(records)]
        upto += 1
    assert not found, "records behind the end"
    return upto, reader.head
