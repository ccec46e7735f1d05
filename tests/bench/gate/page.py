"""The tables of docs/gate.md, made of what was measured; the words around them are written by hand.

`python -m tests.bench.gate ... --page docs/gate.md` fills in what is between the marks `figures`
(virtual time) or `real` (over real HTTP); `python -m tests.bench.gate.bound --page` its own.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.gate.peers import PEERS
from tests.bench.gate.rows import Row
from tests.bench.gate.scenarios import HELD_OUT
from tests.bench.tables import filled

RIVAL = "two-knob"
WANTED: Mapping[str, tuple[float, float]] = {
    **{f"known {limit}": (99.0, 0.0) for limit in (1, 2, 3, 6, 15)},
    **{f"hidden {one}": (97.0, 0.5) for one in ("1 under 3", "2 under 3", "6 under 15")},
    "3-1-3": (93.0, 1.5),
    "15-6-15": (96.0, 0.77),
    "neighbour in bursts": (90.0, 2.0),
}
"""The least use and the most rejected, in percent."""

SOON = {"3-1-3": 60.0}
"""Accepted requests after a change by which nearly all of the new limit is in use."""

NEIGHBOUR = {"one slot left free": 1.0}
"""The most of a neighbour's requests that may be refused, in percent."""

TIE = 0.5
"""Percent of time lost, over real HTTP, within which two are as good: the machine makes as much."""

_HELD = {one.name for one in HELD_OUT}


def adapt(row: Row) -> str:
    """Tell after how many accepted requests each change was followed."""
    return " ".join("never" if one == float("inf") else f"{one:.0f}" for one in row.adapt)


def virtual(rows: Sequence[Row]) -> str:
    """Return a line a scenario, a column a controller, ours last."""
    found = {(row.scenario, row.controller): row for row in rows}
    names = list(dict.fromkeys(row.scenario for row in rows))
    head = ["use / rejected, %", *PEERS, "ours", "ours: adapt"]
    lines = [_line(head), "|" + "---|" * len(head)]
    for name in names:
        ours = found[name, "ours"]
        theirs = (found[name, peer] for peer in PEERS)
        title = f"{name} *" if name in _HELD else name
        others = [f"{one.use:.0f} / {one.rejected:.1f}" for one in theirs]
        lines.append(_line([title, *others, f"**{_both(ours)}**", adapt(ours)]))
    return "\n".join(["", *lines, ""])


def behind(rows: Sequence[Row], least: float = 0.05) -> str:
    """Return a line for each scenario in which another loses less time: who, and how much."""
    lines = [_line(["time lost, %", "ours", "least of the others", "by"]), "|---|---|---|---|"]
    for ours in (row for row in rows if row.controller == "ours"):
        others = [row for row in rows if row.scenario == ours.scenario and row is not ours]
        best = min(others, key=lambda row: row.lost)
        if ours.lost - best.lost >= least:
            title = f"{ours.scenario} *" if ours.scenario in _HELD else ours.scenario
            found = f"{best.controller}, {_told(best)}"
            lines.append(_line([title, f"{ours.lost:.2f}", f"{best.lost:.2f}", found]))
    return "\n".join(["", *lines, ""])


def real(rows: Sequence[Row], how: str) -> str:
    """Return a line a scenario: what is wanted, ours, the rival's; what misses it stands out."""
    found = {(row.scenario, row.controller): row for row in rows}
    head = ["use / rejected", "wanted", "ours", "adapt", RIVAL, "lost: ours", f"lost: {RIVAL}"]
    lines = [_line(head), "|" + "---|" * len(head)]
    for name in dict.fromkeys(row.scenario for row in rows):
        ours, theirs = found[name, "ours"], found[name, RIVAL]
        cells = [name, _wanted(name), _marked(_told(ours), good=_good(ours)), adapt(ours)]
        lost = _marked(f"{ours.lost:.2f}", good=ours.lost < theirs.lost + TIE)
        lines.append(_line([*cells, _told(theirs), lost, f"{theirs.lost:.2f}"]))
    when = datetime.now(UTC).date().isoformat()
    return "\n".join(["", f"Measured on {when}, {how}. What misses is bold.", "", *lines, ""])


def renew(page: Path, **tables: str) -> None:
    """Put tables between the marks of their names."""
    text = page.read_text("utf-8")
    for name, table in tables.items():
        text = filled(text, name, table)
    page.write_text(text, "utf-8")


def _good(row: Row) -> bool:
    use, rejected = WANTED.get(row.scenario, (0.0, 100.0))
    soon = SOON.get(row.scenario, float("inf"))
    turned_away = NEIGHBOUR.get(row.scenario, 100.0)
    enough = row.use >= use and row.rejected <= rejected
    return enough and all(one <= soon for one in row.adapt) and row.neighbour_refused <= turned_away


def _wanted(name: str) -> str:
    if name in NEIGHBOUR:
        return f"neighbour refused at most {NEIGHBOUR[name]:g}"
    use, rejected = WANTED[name]
    soon = f"; adapted within {SOON[name]:g}" if name in SOON else ""
    return f"{use:g} / {rejected:g}{soon}"


def _both(row: Row) -> str:
    return f"{row.use:.1f} / {row.rejected:.2f}"


def _told(row: Row) -> str:
    refused = f", neighbour refused {row.neighbour_refused:.1f}" if row.neighbour_refused else ""
    return _both(row) + refused


def _marked(text: str, *, good: bool) -> str:
    return text if good else f"**{text}**"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
