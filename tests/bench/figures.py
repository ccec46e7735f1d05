"""What was measured: a ratio of ours to another's, a round at a time, and whether it is enough."""

import json
import operator
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

_HOW: Mapping[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: ours and the other's, a value a round; without another's, ours by itself.

    `target` is what the middle ratio (or ours by itself) must be, such as "<= 1.25"; empty: it is
    only told. `inverse`: the ratio is theirs to ours (how many times as fast we are).
    """

    group: str
    what: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()
    target: str = ""
    inverse: bool = False

    def __post_init__(self) -> None:
        if not self.ours or (self.theirs and len(self.theirs) != len(self.ours)):
            raise ValueError("a figure has one value a round, of each")

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs in each round, or ours as they are."""
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
        """Tell whether the target is reached; None where there is none."""
        if not self.target:
            return None
        how, _, bound = self.target.partition(" ")
        return _HOW[how](self.middle, float(bound))

    def as_dict(self) -> dict[str, object]:
        """Return it with what follows from it."""
        return {
            "group": self.group,
            "what": self.what,
            "unit": self.unit,
            "ours": [round(one, 4) for one in self.ours],
            "theirs": [round(one, 4) for one in self.theirs],
            "ratio": round(self.middle, 4) if self.theirs else None,
            "target": self.target,
            "met": self.met,
        }


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.3g}" if least == most else f"{middle:.3g} ({least:.3g}-{most:.3g})"


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
        said = {None: "", True: "ok", False: "MISSED"}[one.met]
        ratio = _spread(one.ratios) if one.theirs else ""
        ours, theirs = _spread(one.ours), _spread(one.theirs)
        table.add_row(one.what, one.unit, ours, theirs, ratio, one.target, said)
    Console(width=width or (None if sys.stdout.isatty() else 140)).print(table)


def write(figures: Sequence[Figure], path: Path, command: str) -> None:
    """Write them as JSON, with what they were measured on."""
    found = {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {_cores()} cores",
        "figures": [one.as_dict() for one in figures],
    }
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _cores() -> int:
    return os.cpu_count() or 1


def missed(figures: Sequence[Figure]) -> int:
    """Return how many targets are missed, and say so on stderr."""
    count = sum(one.met is False for one in figures)
    if count:
        sys.stderr.write(f"{count} of the targets are missed\n")
    return count
