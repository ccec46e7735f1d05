"""Times as people and exports write them, and the hours of a day in which a run may send."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_DATE = 8
_MILLISECONDS = 12
_EPOCH = re.compile(r"[0-9]{8,14}(?:\.[0-9]+)?")
_WINDOW = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])-([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DAY = 24 * 3600


def instant(text: str) -> float:
    """Return seconds since the epoch of an ISO 8601 date or time, `20261124`, or epoch s or ms.

    Without a zone it is UTC. ValueError for anything else.
    """
    said = text.strip()
    if _EPOCH.fullmatch(said) and len(said.partition(".")[0]) != _DATE:
        number = float(said)
        return number / 1000 if len(said.partition(".")[0]) >= _MILLISECONDS else number
    found = datetime.fromisoformat(said)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day, from `start` up to `end`, in seconds after midnight; may span it."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Read `22:00-06:00`; ValueError otherwise."""
        found = _WINDOW.fullmatch(text.strip())
        if not found:
            raise ValueError("a window such as 22:00-06:00 is wanted")
        hours = [int(one) for one in found.groups()]
        start, end = (hours[at] * 3600 + hours[at + 1] * 60 for at in (0, 2))
        if start == end:
            raise ValueError("a window such as 22:00-06:00 is wanted, and it must not be empty")
        return cls(start, end)

    def __str__(self) -> str:
        return "-".join(f"{at // 3600:02d}:{at % 3600 // 60:02d}" for at in (self.start, self.end))

    def closed_for(self, second_of_day: int) -> int:
        """Return how many seconds it is until the window opens; 0 inside it."""
        length = (self.end - self.start) % _DAY
        since = (second_of_day - self.start) % _DAY
        return 0 if since < length else _DAY - since
