"""The figures in docs/benchmarks.md: `python -m tests.bench.page docs`.

What is between the marks of the page is made anew from benchmarks.json, growth.json and soak.json
beside it; the words around it are written by hand. Draws the pictures, too. Needs matplotlib, as
the pictures of the gate do.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from tests.bench.tables import filled, group_tables, growth_table, soak_table


def costs(groups: Mapping[str, Any]) -> dict[str, float]:
    """Return what a million IDs cost each client, 32 in flight."""
    found: dict[str, float] = {}
    for one in groups.get("sending", {"figures": []})["figures"]:
        if one["what"].startswith("32 ") and not one["why"]:
            name = one["what"].partition("against ")[2].partition(" (")[0]
            found[name] = statistics.median(one["theirs"])
            found["bulkdelete"] = statistics.median(one["ours"])
    return found


def draw_costs(found: Mapping[str, float], path: Path) -> None:
    """Draw them on a scale of logarithms."""
    names = sorted(found, key=found.__getitem__)
    figure, axes = plt.subplots(figsize=(7, 3))
    colours = ["black" if name == "bulkdelete" else "C0" for name in names]
    bars = axes.barh(names, [found[name] for name in names], color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("CPU seconds a million IDs, 32 in flight")
    _save(figure, path)


def draw_readers(groups: Mapping[str, Any], path: Path) -> None:
    """Draw how many times as fast as each other reader a plan is made."""
    rows = [
        (one["what"].partition("as fast as ")[2], one["ratio"])
        for one in groups["planning"]["figures"]
        if one["ratio"] is not None
    ]
    figure, axes = plt.subplots(figsize=(7, 3.5))
    bars = axes.barh([name for name, _ in rows], [ratio for _, ratio in rows], color="C0")
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("a whole plan of ours: times as fast as only reading with")
    _save(figure, path)


def draw_growth(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw cost against size, on scales of logarithms: CPU above, memory below."""
    axes_names = list(dict.fromkeys(one["axis"] for one in lines))
    figure, grid = plt.subplots(
        2, len(axes_names), figsize=(3.4 * len(axes_names), 6), squeeze=False
    )
    for column, axis in enumerate(axes_names):
        for row, (what, unit) in enumerate((("cpu", "CPU seconds"), ("mb", "peak MB"))):
            axes = grid[row][column]
            for one in _of(lines, axis, what):
                axes.plot(one["sizes"], one["values"], marker="o", markersize=3, linewidth=1)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_ylabel(unit)
            axes.set_xlabel(axis)
            axes.grid(visible=True, alpha=0.3)
            names = [one["command"] for one in _of(lines, axis, what)]
            axes.legend(names, fontsize=6)
    _save(figure, path)


def _of(lines: Sequence[Mapping[str, Any]], axis: str, what: str) -> Iterator[Mapping[str, Any]]:
    return (
        one
        for one in lines
        if (one["axis"], one["what"]) == (axis, what) and one["command"] != "requests"
    )


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def main() -> None:
    """Fill the page, and draw what there are figures of."""
    docs = Path(sys.argv[1])
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    path = docs / "benchmarks.md"
    page = path.read_text("utf-8")
    if groups := _read(docs / "benchmarks.json"):
        text = group_tables(groups)
        if found := costs(groups):
            draw_costs(found, docs / "benchmarks-cpu.svg")
            text += "\n![CPU seconds a million IDs](benchmarks-cpu.svg)\n"
        if "planning" in groups:
            draw_readers(groups, docs / "benchmarks-planning.svg")
            text += "\n![Planning against reading](benchmarks-planning.svg)\n"
        page = filled(page, "figures", text)
    if growth := _read(docs / "growth.json"):
        draw_growth(growth["lines"], docs / "growth.svg")
        text = growth_table(growth) + "\n![Cost against size](growth.svg)\n"
        page = filled(page, "growth", text)
    if soak := _read(docs / "soak.json"):
        page = filled(page, "soak", soak_table(soak))
    path.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
