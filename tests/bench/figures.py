"""What was measured: a ratio of ours to another's, a round at a time, and whether it is enough."""

import operator
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.tables import spread

_HOW: Mapping[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: ours and the other's, a value a round; without another's, ours by itself.

    `target` is what the middle ratio (or ours by itself) must be, such as "<= 1.25", or two of
    them with a comma between; empty: it is only told. `inverse`: the ratio is theirs to ours (how
    many times as fast we are). `why`: it could not be measured, and for this reason.
    """

    group: str
    what: str
    unit: str
    ours: tuple[float, ...] = ()
    theirs: tuple[float, ...] = ()
    target: str = ""
    inverse: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        if not self.why and not self.ours:
            raise ValueError("a figure has a value, or says why it has none")
        if self.theirs and len(self.theirs) != len(self.ours):
            raise ValueError("a figure has one value a round, of each")

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs in each round, or ours as they are; empty where it was not measured."""
        if self.why:
            return []
        if not self.theirs:
            return list(self.ours)
        pairs = zip(self.ours, self.theirs, strict=True)
        return [b / a if self.inverse else a / b for a, b in pairs]

    @property
    def middle(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool | None:
        """Tell whether the target is reached; None where there is none, or nothing was measured."""
        if not self.target or self.why:
            return None
        return all(_HOW[how](self.middle, bound) for how, bound in bounds(self.target))

    @property
    def verdict(self) -> str:
        """Say it in a word."""
        if self.why:
            return "not measured"
        return {None: "", True: "ok", False: "MISSED"}[self.met]


def bounds(target: str) -> list[tuple[str, float]]:
    """Read a target: what each bound is, and how it is meant."""
    pairs = (one.split() for one in target.split(","))
    return [(how, float(bound)) for how, bound in pairs]


def show(figures: Sequence[Figure], *, width: int | None = None) -> None:
    """Print one table; a target that is missed stands out."""
    table = Table(title="ours against what one would take instead: medians (least-most)")
    for name in ("what", "unit", "ours", "theirs", "ratio", "target", ""):
        table.add_column(name, overflow="fold")
    group = ""
    for one in figures:
        if one.group != group:
            group = one.group
            table.add_section()
        ratio = spread(one.ratios, "-") if one.theirs else ""
        ours, theirs = spread(one.ours, "-"), spread(one.theirs, "-")
        table.add_row(one.what, one.unit, ours, theirs, ratio, one.target, one.verdict)
    Console(width=width or (None if sys.stdout.isatty() else 150)).print(table)
    for one in figures:
        if one.why:
            sys.stdout.write(f"not measured: {one.what}: {one.why}\n")


def missed(figures: Sequence[Figure]) -> int:
    """Return how many are missed or could not be measured, and say so on stderr."""
    below = sum(one.met is False for one in figures)
    absent = sum(bool(one.why) for one in figures)
    if below:
        sys.stderr.write(f"{below} of the targets are missed\n")
    if absent:
        sys.stderr.write(f"{absent} of the figures could not be measured\n")
    return below + absent
