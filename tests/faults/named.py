"""Deaths at named moments of a chunk's life, P1 to P7, each at several chunks.

`python -m tests.faults.named p1` prints what came of each as JSON.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from tests.faults.forkserver import freeze
from tests.faults.kills import Told, tell
from tests.faults.points import Point
from tests.faults.stories import plain

INTENT, OUTCOME, START = b'"type":"intent"', b'"verdict":"accepted"', b'"type":"start"'
CHUNKS = (1, 4)
"""The first chunk, and one among the others (counted from 1)."""

_POINTS: dict[str, tuple[tuple[str, str, bytes], ...]] = {
    "p1": (
        ("write", "before", INTENT),
        ("write", "half", INTENT),
        ("write", "after", INTENT),
        ("sync", "before", INTENT),
    ),
    "p2": (("sync", "after", INTENT), ("send", "before", b"")),
    "p3": (("send", "half", b""),),
    "p5": (("recv", "after", b""), ("write", "before", OUTCOME), ("write", "half", OUTCOME)),
    "p6": (("sync", "after", OUTCOME),),
}

_RECOVERY = (
    ("cut", "before", b""),
    ("cut", "after", b""),
    ("write", "half", START),
    ("cut", "before", b""),
    ("sync", "before", START),
)
"""Where five recoveries die one after the other; the third leaves a torn end for the fourth."""


def tales(name: str) -> Iterator[tuple[int, Told]]:
    """Live through the deaths of a name; yield the chunk each was about, and how it ended."""
    for chunk in CHUNKS:
        if name == "p4":
            # Nothing in the client is to be reached: the server kills it.
            yield chunk, tell(plain(Point("send", "before", 10**6), cap=1), kill_at=chunk)
        elif name == "p7":
            first = Point("write", "half", chunk, OUTCOME)
            recovery = [Point(kind, when, 1, text) for kind, when, text in _RECOVERY]
            yield chunk, tell(plain(first, *recovery, cap=3))
        else:
            for kind, when, text in _POINTS[name]:
                yield chunk, tell(plain(Point(kind, when, chunk, text), cap=1))


def main() -> None:
    """Print the tales of the name on the command line."""
    freeze()
    found = [{"chunk": chunk, **asdict(told)} for chunk, told in tales(sys.argv[1])]
    print(json.dumps(found))  # noqa: T201 - the result


if __name__ == "__main__":
    main()
