"""The page of figures: `python -m tests.bench.page docs/benchmarks.json docs`.

Writes docs/benchmarks.md and a picture of what a million IDs cost. Needs matplotlib, as the
pictures of the gate do.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

_PAGE = """# How fast it is

Measured by `make bench` with Python {python} on {machine}, {date}: a shared machine, whose
wall clock swings by up to three times. So the programs take turns on the same work, round by
round, and what counts is the middle of the ratios; beside each middle stand the least and the
most. This page is made from [benchmarks.json](benchmarks.json) by `python -m
tests.bench.page`.

Against the real API a run lasts `IDs / 100 x latency / 3`, whatever is below: it is the number
of requests in flight that costs time ([gate.md](gate.md)). CPU matters where the machine has
other work.

The server is nginx on one core: it reads each body and answers a success of fixed length. The
clients share the other core, and each is first seen to send every ID exactly once. *The bare
loop* posts one fixed body with aiohttp and uvloop: no list, no checkpoint, no gate, no log.
All the others send the list, and none but ours keeps a record of it, resumes, or finds the
limit.

{tables}
![CPU seconds a million IDs](benchmarks-cpu.svg)
"""
_HEAD = "| what | unit | ours | theirs | ratio | target | |\n|---|---|---|---|---|---|---|\n"
_SAID = {None: "", True: "met", False: "**missed**"}


def page(found: Mapping[str, Any]) -> str:
    """Return the page as Markdown."""
    groups: dict[str, list[str]] = {}
    for one in found["figures"]:
        ratio = "" if one["ratio"] is None else f"{one['ratio']:.2f}"
        cells = (one["what"], one["unit"], spread(one["ours"]), spread(one["theirs"]), ratio)
        line = " | ".join((*cells, one["target"], _SAID[one["met"]]))
        groups.setdefault(one["group"], []).append(f"| {line} |")
    tables = "\n".join(
        f"## {name.capitalize()}\n\n{_HEAD}" + "\n".join(lines) + "\n"
        for name, lines in groups.items()
    )
    facts = {name: found[name] for name in ("python", "machine", "date")}
    return _PAGE.format(tables=tables, **facts)


def spread(values: Sequence[float]) -> str:
    """Return the middle, and between which it lies."""
    if not values:
        return ""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def picture(found: Mapping[str, Any], path: Path) -> None:
    """Draw what a million IDs cost each client, on a scale of logarithms."""
    costs: dict[str, float] = {}
    for one in found["figures"]:
        if one["group"] == "sending" and one["what"].startswith("32 "):
            name = one["what"].partition("against ")[2].partition(" (")[0]
            costs[name] = statistics.median(one["theirs"])
            costs["bulkdelete"] = statistics.median(one["ours"])
    names = sorted(costs, key=costs.__getitem__)
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    figure, axes = plt.subplots(figsize=(7, 3))
    colours = ["black" if name == "bulkdelete" else "C0" for name in names]
    bars = axes.barh(names, [costs[name] for name in names], color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("CPU seconds a million IDs, 32 in flight")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Write both."""
    source, docs = map(Path, sys.argv[1:])
    found = json.loads(source.read_text("utf-8"))
    (docs / "benchmarks.md").write_text(page(found), "utf-8")
    picture(found, docs / "benchmarks-cpu.svg")


if __name__ == "__main__":
    main()
