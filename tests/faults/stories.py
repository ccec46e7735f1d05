"""What one seed means: a list, a command, the weather, and where to die."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.points import Point


@dataclass(frozen=True, slots=True)
class Command:
    """How the list is sent: requests in flight, IDs in a chunk."""

    cap: int
    size: int


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares of requests that go badly: acted on, then dropped or a 503; a 503; a 429."""

    drop: float = 0.0
    acted_ill: float = 0.0
    ill: float = 0.0
    throttle: float = 0.0


CALM = Weather()


@dataclass(frozen=True, slots=True)
class Story:
    """`lines` are the list; of them `planned` are to be sent, in order, `bad` will be refused."""

    seed: int
    command: Command
    lines: list[str]
    planned: list[str]
    protected: list[str]
    bad: frozenset[str]
    points: list[Point]
    weather: Weather

    def chunks(self) -> list[list[str]]:
        """Return the chunks of the plan."""
        size = self.command.size
        return [self.planned[at : at + size] for at in range(0, len(self.planned), size)]


def plain(*points: Point, cap: int = 3, size: int = 2, chunks: int = 6) -> Story:
    """Return a story of whole chunks and good weather."""
    ids = [f"user-{number}" for number in range(chunks * size)]
    return Story(0, Command(cap, size), ids, ids, [], frozenset(), list(points), CALM)


def drawn(seed: int) -> Story:
    """Draw a story."""
    dice = random.Random(seed)
    size = dice.choice((1, 2, 3, 5, 10))
    planned = [f"u{n}-{dice.getrandbits(24):x}" for n in range(dice.randint(5, 36))]
    protected = [f"VIP{number}@example.com" for number in range(dice.randint(0, 3))]
    kills = dice.choices((1, 2, 3, 5), (84, 8, 5, 3))[0]
    return Story(
        seed=seed,
        command=Command(dice.choice((1, 2, 3, 3, 3, 5)), size),
        lines=_lines(dice, planned, protected),
        planned=planned,
        protected=protected,
        bad=frozenset(dice.sample(planned, dice.choice((0, 0, 1)))),
        points=[point(dice, len(planned) // size + 1) for _ in range(kills)],
        weather=Weather(*(dice.choice((0.0, 0.0, 0.0, 0.1)) for _ in range(4))),
    )


def _lines(dice: random.Random, planned: list[str], protected: list[str]) -> list[str]:
    """Mix in what is not to be sent: repeated, protected (written otherwise), invalid."""
    lines = list(planned)
    for one in dice.choices(planned, k=dice.randint(0, 4)):
        # Behind the first of its kind, so that the order of the plan is known.
        lines.insert(dice.randrange(lines.index(one) + 1, len(lines) + 1), one)
    for one in [*(one.lower() for one in protected), "null", "n/a"]:
        lines.insert(dice.randrange(len(lines)), one)
    return lines


_MOST: dict[str, Callable[[int], int]] = {
    "write": lambda chunks: chunks + 4,
    "sync": lambda chunks: chunks + 14,
    "send": lambda chunks: chunks,
    "recv": lambda chunks: chunks,
    "step": lambda chunks: 9 * chunks + 50,
    "open": lambda _: 28,
    "rename": lambda _: 3,
}
"""About how many calls of a kind a run of so many chunks makes."""


_KINDS = ("write", "write", "sync", "send", "recv", "step", "step", "open", "rename")


def point(dice: random.Random, chunks: int) -> Point:
    """Draw where to die: at any call that a run of so many chunks makes."""
    kind = dice.choice(_KINDS)
    when = dice.choice(("before", "half", "after"))
    return Point(kind, when, dice.randint(1, _MOST[kind](chunks)))
