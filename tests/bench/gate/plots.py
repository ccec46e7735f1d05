"""Draw the pictures of docs/gate.md: `python -m tests.bench.gate.plots RESULTS.json docs`.

Needs matplotlib, which nothing else here does (`make bench` installs it).
"""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from bulkdelete.core.ceiling import EXPLORE, REGAIN, Ceiling, Patience
from tests.bench.gate.ours import Ours
from tests.bench.gate.peers import PEERS, TwoKnob
from tests.bench.gate.scenarios import HELD_OUT, PUBLISHED, TUNED
from tests.bench.gate.world import Controller, Result, World

SCENARIOS = {one.name: one for one in (*PUBLISHED, *TUNED, *HELD_OUT)}
SHOWN = (
    *("hidden 2 under 3", "hidden 6 under 15", "3-1-3", "15-6-15", "neighbour in bursts"),
    *("token bucket", "strict spacing", "fixed windows"),
)
STAYS = ("hidden 1 under 3", "hidden 2 under 3")
RISES = ("1 then 2, any length", "2 then 4, any length", "1 then 3, any length")
"""Two worlds of one kind: which of them it is cannot be told but by a refusal."""

LEAST = 0.05
"""Percent: the least that a bar shows, on its scale of logarithms."""


def lost(rows: Sequence[dict[str, Any]], place: Path) -> None:
    """Draw the share of time lost, a group of bars a scenario."""
    names = [*PEERS, "ours"]
    found = {(row["scenario"], row["controller"]): row["lost"] for row in rows}
    figure, axes = plt.subplots(figsize=(9, 3.6))
    for number, name in enumerate(names):
        heights = [max(LEAST, found[scenario, name]) for scenario in SHOWN]
        places = [group + number * 0.12 for group in range(len(SHOWN))]
        colour = "black" if name == "ours" else f"C{number}"
        axes.bar(places, heights, 0.11, label=name, color=colour)
    axes.set_yscale("log")
    axes.set_ylabel("1 - use + rejected, %")
    axes.set_xticks([group + 0.36 for group in range(len(SHOWN))], SHOWN, rotation=20, ha="right")
    axes.legend(ncols=4, fontsize=7)
    figure.tight_layout()
    figure.savefig(place / "gate-lost.svg")


class _Watched:
    """Notes how many may be in flight after each answer."""

    def __init__(self, inner: Controller) -> None:
        self.inner = inner
        self.seen: list[tuple[float, int]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the other has
        return getattr(self.inner, name)

    def started(self, out: int, now: float) -> Any:  # noqa: ANN401 - whatever the other returns
        self.seen.append((now, out))
        return self.inner.started(out, now)


def traces(place: Path) -> None:
    """Draw with how many in flight requests left, while the limit falls and rises."""
    figure, both = plt.subplots(2, 1, figsize=(9, 4.4))
    for axes, name in zip(both, ("3-1-3", "15-6-15"), strict=True):
        scenario = SCENARIOS[name]
        for title, controller in (("AIMD x0.5", PEERS["AIMD x0.5"]), ("ours", Ours)):
            watched = _Watched(controller(scenario.cap))
            World(scenario, watched, 1).run()
            times, levels = zip(*watched.seen, strict=True)
            colour = "black" if title == "ours" else "C0"
            axes.plot(times, levels, ".", markersize=2, color=colour, label=title)
        axes.set_title(name, fontsize=9)
        axes.set_ylabel("in flight at a start")
        axes.legend(fontsize=7)
    both[-1].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(place / "gate-traces.png", dpi=90)


def curve(place: Path) -> None:
    """Draw what is lost and refused for each choice of how soon a level is tried again."""
    figure, axes = plt.subplots(figsize=(6, 3.4))
    for name in ("3-1-3", "neighbour in bursts"):
        points = []
        for first in (8, 12, 18, 25, 33, 50, 80, 120):
            results = [
                _with(name, Patience(float(first), REGAIN.growth), seed) for seed in range(10)
            ]
            idle = 100 * (1 - statistics.median(one.use for one in results))
            refused = 100 * statistics.median(one.rejected for one in results)
            points.append((refused, idle, first))
        axes.plot([one[0] for one in points], [one[1] for one in points], "o-", label=name)
        for refused, idle, first in points:
            axes.annotate(str(first), (refused, idle), fontsize=7)
    axes.set_xlabel("rejected, %")
    axes.set_ylabel("idle, %")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(place / "gate-curve.svg")


def _with(name: str, regain: Patience, seed: int) -> Result:
    scenario = SCENARIOS[name]
    ours = Ours(scenario.cap)
    ours.gate.ceiling = Ceiling(scenario.cap, regain=regain)
    return World(scenario, ours, seed).run()


def explore(place: Path) -> None:
    """Draw both sides of how soon a level is tried that never worked, for ours and the two-knob."""
    figure, axes = plt.subplots(figsize=(6, 3.4))
    for title, waits in (
        ("ours", (3, 5, 8, 12, 20, 35, 50, 80)),
        ("two-knob", (25, 35, 50, 70, 100, 140, 200, 280)),
    ):
        points = [_both_sides(title, wait) for wait in waits]
        colour = "black" if title == "ours" else "C5"
        axes.plot(*zip(*points, strict=True), "o-", label=title, color=colour)
        for wait, point in zip(waits, points, strict=True):
            axes.annotate(str(wait), point, fontsize=7, color=colour)
    axes.axvline(0.5, linestyle=":", color="grey")
    axes.set_xlabel("rejected where the limit stays, %")
    axes.set_ylabel("lost where it rises, %")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(place / "gate-explore.svg")


def _both_sides(title: str, wait: int) -> tuple[float, float]:
    def play(name: str, seed: int) -> Result:
        scenario = SCENARIOS[name]
        if title != "ours":
            return World(scenario, TwoKnob(scenario.cap, wait), seed).run()
        ours = Ours(scenario.cap)
        patience = Patience(float(wait), EXPLORE.growth)
        ours.gate.ceiling = Ceiling(scenario.cap, explore=patience)
        return World(scenario, ours, seed).run()

    stays = [play(name, seed).rejected for name in STAYS for seed in range(20)]
    rises = [play(name, seed).lost for name in RISES for seed in range(20)]
    return 100 * statistics.mean(stays), 100 * statistics.mean(rises)


def lengths(place: Path) -> None:
    """Draw what is lost for each length of the low phase: a fixed period fits some of them."""
    figure, both = plt.subplots(1, 2, figsize=(9, 3.0))
    for axes, name in zip(both, ("3-2-3, long", "15-6-15, uneven"), strict=True):
        scenario = SCENARIOS[name]
        before, (limit, usual), after = scenario.phases
        tried = range(usual - 140, usual + 141, 14)
        for title, make in (("two-knob", PEERS["two-knob"]), ("ours", Ours)):
            lost = []
            for length in tried:
                one = replace(scenario, phases=(before, (limit, length), after))
                results = [World(one, make(one.cap), seed).run() for seed in range(2000, 2010)]
                lost.append(100 * statistics.mean(result.lost for result in results))
            label = f"{title}, mean {statistics.mean(lost):.1f}"
            axes.plot(tried, lost, color="black" if title == "ours" else "C5", label=label)
        axes.axvline(usual, linestyle=":", color="grey")
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("answers at the lower limit")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=7)
    both[0].set_ylabel("1 - use + rejected, %")
    figure.tight_layout()
    figure.savefig(place / "gate-lengths.svg")


if __name__ == "__main__":
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "gate"
    target = Path(sys.argv[2])
    lost(json.loads(Path(sys.argv[1]).read_text("utf-8")), target)
    traces(target)
    curve(target)
    explore(target)
    lengths(target)
