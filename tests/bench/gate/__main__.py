"""`make bench-gate`: named controllers and ours over all scenarios, in virtual time.

Medians over seeds. `use` is the share of what was free; `rejected` is what was refused of all that
left; `lost` is 1 - use + rejected; `server` is the use as the server sees it, without the way to
it; `adapt` are the accepted requests until 95 % of a new limit.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.bench.gate import page, real, scenarios
from tests.bench.gate.ours import Ours
from tests.bench.gate.peers import PEERS
from tests.bench.gate.rows import Row
from tests.bench.gate.scenarios import Scenario
from tests.bench.gate.world import Result, World

PUBLISHED = {one.name for one in scenarios.PUBLISHED}
CONTROLLERS = {**PEERS, "ours": Ours}


def run(scenario: Scenario, name: str, seeds: Sequence[int]) -> list[Result]:
    """Run one controller through one scenario, once a seed."""
    return [one(scenario, name, seed, None) for seed in seeds]


def one(scenario: Scenario, name: str, seed: int, latency: float | None) -> Result:
    """Run one controller through one scenario; over real HTTP where a `latency` is given."""
    controller = CONTROLLERS[name](scenario.cap)
    if latency is None:
        return World(scenario, controller, seed).run()
    return real.play(scenario, controller, seed, latency)


def row(scenario: Scenario, name: str, results: Sequence[Result]) -> Row:
    """Return the medians."""
    changes = zip(*(one.adapt for one in results), strict=True)
    never = float("inf")
    return Row(
        scenario.name,
        name,
        use=100 * statistics.median(one.use for one in results),
        at_server=100 * statistics.median(one.at_server for one in results),
        rejected=100 * statistics.median(one.rejected for one in results),
        lost=100 * statistics.median(one.lost for one in results),
        adapt=tuple(
            statistics.median(never if one is None else one for one in change) for change in changes
        ),
        neighbour_refused=100 * statistics.median(one.neighbour_refused for one in results),
    )


def measure(
    which: Sequence[Scenario],
    names: Sequence[str],
    seeds: Sequence[int],
    *,
    latency: float | None = None,
    jobs: int | None = None,
) -> list[Row]:
    """Measure all controllers in all scenarios, so many runs at once.

    All take turns seed by seed: what else the machine does meets all of them, and what keeps a
    machine busy (fifteen in flight, over real HTTP) does not all come at once.
    """
    pairs = [(scenario, name) for scenario in which for name in names]
    with ProcessPoolExecutor(jobs) as pool:
        made = {
            (scenario.name, name, seed): pool.submit(one, scenario, name, seed, latency)
            for seed in seeds
            for scenario in which
            for name in names
        }
        return [
            row(scenario, name, [made[scenario.name, name, seed].result() for seed in seeds])
            for scenario, name in pairs
        ]


def table(rows: Sequence[Row]) -> str:
    """Lay rows out for a person: a scenario a block, our line last."""
    lines = []
    before = ""
    for one in rows:
        title = one.scenario if one.scenario != before else ""
        before = one.scenario
        more = f"  neighbour refused {one.neighbour_refused:.0f} %" if one.neighbour_refused else ""
        lines.append(
            f"{title:28}{one.controller:12}{one.use:6.1f} {one.rejected:7.2f} {one.lost:7.2f}"
            f" {one.at_server:7.1f}"
            f"   {page.adapt(one)}{more}"
        )
    return "\n".join([f"{'':40}{'use':>6} {'reject':>7} {'lost':>7} {'server':>7}   adapt", *lines])


def main() -> None:
    """Measure, print a table, and write JSON where it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write all rows to this file")
    parser.add_argument("--page", type=Path, help="renew the tables of this page")
    parser.add_argument("--real", action="store_true", help="over real HTTP, on loopback")
    parser.add_argument("--latency", type=float, default=0.04, help="seconds a real request takes")
    parser.add_argument("--jobs", type=int, help="runs at once (a real one alone: 1)")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--only", action="append", help="scenarios of this name alone")
    chosen.add_argument(
        "--wanted",
        dest="only",
        action="store_const",
        const=scenarios.WANTED,
        help="those alone that a figure is wanted of over real HTTP",
    )
    parser.add_argument("--controller", action="append", choices=list(CONTROLLERS))
    said = parser.parse_args()
    rows: list[Row] = []
    for title, group, first in (
        ("As published of the others", scenarios.PUBLISHED, 0),
        ("Chosen on", scenarios.TUNED, 0),
        ("Held out", scenarios.HELD_OUT, scenarios.HELD_OUT_SEEDS),
    ):
        which = [one for one in group if not said.only or one.name in said.only]
        if not which:
            continue
        seeds = range(first, first + said.seeds)
        if said.real:
            which = [one for one in which if real.fits(one)]
        names = said.controller or list(CONTROLLERS)
        latency, jobs = (said.latency, said.jobs or 1) if said.real else (None, said.jobs)
        found = measure(which, names, seeds, latency=latency, jobs=jobs)
        sys.stdout.write(f"\n{title} ({said.seeds} seeds)\n{table(found)}\n")
        rows += found
    if said.json:
        text = json.dumps([{k: getattr(one, k) for k in Row.__slots__} for one in rows], indent=1)
        said.json.write_text(text + "\n", "utf-8")
    if said.page and said.real:
        how = f"{1000 * said.latency:g} ms a request, {said.seeds} seeds, {said.jobs or 1} at once"
        page.renew(said.page, real=page.real(rows, how))
    elif said.page:
        shown = [one for one in rows if one.scenario not in PUBLISHED]
        page.renew(said.page, figures=page.virtual(shown), behind=page.behind(shown))


if __name__ == "__main__":
    main()
