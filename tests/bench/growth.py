"""`make bench-growth`: finds any cost that grows faster than the work does.

CPU and peak memory of whole commands, each in a fresh process, against the number of IDs, of input
files, of rejected IDs that are found by halving, and of runs in the history. What a command costs
on the smallest work is taken off: that is start-up. Between each two neighbouring sizes that cost
more than that, the slope on logarithmic scales is worked out: 1 is as the work grows. Exits with 1
where one is above `MOST`. `--large` adds 100 million IDs, for which memory is not enough: they are
gone through twice.
"""

import argparse
import itertools
import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.clients import Cost, cost
from tests.bench.longlists import write_apart
from tests.bench.sink import REFUSED, Sink, sink

MOST = 1.2
"""The slope above which a cost grows faster than the work; noise and caches take some of it."""

ABOVE = 0.5
"""A cost says something where it is above start-up by so much of that."""

ROUNDS = 3
_ENOUGH = 10.0
"""Seconds of CPU from which one round is enough: start-up is no part of that any more."""

_PROGRAM = (sys.executable, "-m", "bulkdelete")
_TWICE = 100_000_000
Costs = dict[str, Cost]


@dataclass(frozen=True, slots=True)
class Axis:
    """Work of several sizes; `measure` says what each command cost, given a size and a place."""

    name: str
    sizes: Sequence[int]
    measure: Callable[[Sink, Path, int], Costs]


@dataclass(frozen=True, slots=True)
class Line:
    """What one command cost in one way ("cpu" or "mb"), size by size."""

    axis: str
    command: str
    what: str
    sizes: Sequence[int]
    values: Sequence[float]

    def slopes(self) -> Iterator[tuple[int, int, float]]:
        """Yield neighbouring sizes and the slope between them, where the cost is the work's."""
        base = self.values[0]
        for (few, low), (many, high) in itertools.pairwise(
            zip(self.sizes, self.values, strict=True)
        ):
            if low - base > ABOVE * base:
                passes = 2 if many >= _TWICE and self.what == "cpu" else 1
                rise = math.log((high / passes - base) / (low - base)) if high > base else 0.0
                yield few, many, rise / math.log(many / few)

    def worse(self) -> list[str]:
        """Say where the cost grows faster than the work."""
        return [
            f"{self.command}: {self.what} grows by a power of {slope:.2f} from {few:,} to {many:,} "
            f"{self.axis}"
            for few, many, slope in self.slopes()
            if slope > MOST
        ]


def of_ids(found: Sink, place: Path, count: int) -> Costs:
    """Plan so many IDs, send half of them, go on with the rest, and look at the run."""
    path, runs = place / "list.csv", place / "runs"
    write_apart(path, count)
    costs = {"plan": _plan([path], found.plain, runs)}
    (run,) = runs.iterdir()
    half = ("--hold-after", str(count // 2))
    costs["apply, half of it"] = _apply(run, count, *half, codes=(75,))
    costs["apply, the rest"] = _apply(run, count)
    return costs | _looks(run)


def of_files(found: Sink, place: Path, count: int) -> Costs:
    """Plan so many files of a thousand IDs, send all in two goes, and look at the run."""
    runs = place / "runs"
    paths = [place / f"part-{number:04d}.csv" for number in range(count)]
    for number, path in enumerate(paths):
        rows = "".join(f"part-{number:04d}-{row:08d}-0123456789abcdef\n" for row in range(1000))
        path.write_text("identity\n" + rows, "ascii")
    costs = {"plan": _plan(paths, found.plain, runs)}
    (run,) = runs.iterdir()
    half = ("--hold-after", str(500 * count))
    costs["apply, half of it"] = _apply(run, 1000 * count, *half, codes=(75,))
    costs["apply, the rest"] = _apply(run, 1000 * count)
    return costs | _looks(run)


def of_rejected(found: Sink, place: Path, count: int) -> Costs:
    """Send a list of which so many IDs are refused, one in each hundred but the first."""
    path, runs = place / "list.csv", place / "runs"
    rows = 100 * count + 100
    with path.open("w", encoding="ascii") as file:
        # As a stream: what this process holds counts as the memory of what it starts.
        file.write("identity\n")
        file.writelines(_row(number) for number in range(rows))
    costs = {"plan": _plan([path], found.refusing, runs)}
    (run,) = runs.iterdir()
    costs["apply"] = _apply(run, rows, "--max-failures", "100", codes=(3,))
    told = json.loads((run / "report.json").read_bytes())
    if told["ids"]["rejected"] != count:
        raise AssertionError(f"{told['ids']['rejected']} of {count} were rejected")
    sent = Cost(float(told["requests"]["sent"]), 0.0, 0.0)
    return costs | _looks(run) | {"requests": sent}


def _row(number: int) -> str:
    """Return an ID; one of each hundred but the first is refused, each time another place's."""
    chunk, place = divmod(number, 100)
    refused = chunk > 0 and place == chunk % 100
    return f"{REFUSED if refused else 'fine-'}{number:08d}\n"


def of_runs(found: Sink, place: Path, count: int) -> Costs:
    """Look at a history of so many runs of one job, then start it and another one again."""
    runs, job, other = place / "runs", place / "job.csv", place / "other.csv"
    for path in (job, other):
        path.write_text("identity\n" + "".join(f"{path.stem}-{n:08d}\n" for n in range(1000)))
    _run(job, found.plain, runs)
    (first,) = runs.iterdir()
    for number in range(1, count):
        shutil.copytree(first, runs / f"{first.name}.{number}")
    costs = {"status of all": cost([*_PROGRAM, "status", "--runs-dir", str(runs)], "status")}
    costs["run, done already"] = _run(job, found.plain, runs)
    job.write_text("identity\n" + "".join(f"job-{n:08d}\n" for n in range(10, 1010)))
    costs["run, the job's next list"] = _run(job, found.plain, runs)
    costs["run, another job"] = _run(other, found.plain, runs)
    return costs


def _plan(paths: Sequence[Path], url: str, runs: Path) -> Cost:
    words = [*_PROGRAM, "plan", *map(str, paths), "--endpoint", url, "--runs-dir", str(runs)]
    return cost([*words, "--quiet"], "plan")


def _apply(run: Path, most: int, *more: str, codes: Sequence[int] = (0,)) -> Cost:
    words = [*_PROGRAM, "apply", str(run), "--yes", "--max-deletes", str(most), "--quiet"]
    return cost([*words, "--max-in-flight", "32", *more], "apply", codes)


def _run(path: Path, url: str, runs: Path) -> Cost:
    words = [*_PROGRAM, "run", str(path), "--endpoint", url, "--runs-dir", str(runs), "--quiet"]
    return cost([*words, "--yes", "--max-deletes", "1000000"], "run")


def _looks(run: Path) -> Costs:
    return {name: cost([*_PROGRAM, name, str(run)], name) for name in ("status", "report", "audit")}


AXES = (
    Axis("IDs", (1_000, 10_000, 100_000, 1_000_000, 10_000_000), of_ids),
    Axis("files", (1, 10, 100, 1_000), of_files),
    Axis("rejected IDs", (1, 10, 100, 1_000, 10_000), of_rejected),
    Axis("runs in the history", (1, 10, 100, 1_000), of_runs),
)


def lines(axis: Axis, sizes: Sequence[int], found: Sink, place: Path) -> list[Line]:
    """Measure an axis; return a line for each command and way."""
    middles: dict[str, list[Cost]] = {}
    for size in sizes:
        began = time.monotonic()
        tries: dict[str, list[Cost]] = {}
        while not tries or _again(tries):
            for command, spent in _once(axis, found, place, size).items():
                tries.setdefault(command, []).append(spent)
        for command, some in tries.items():
            middles.setdefault(command, []).append(_middle(some))
        _say(f"{size:,} {axis.name}: {time.monotonic() - began:.0f} s")
    ways: Mapping[str, Callable[[Cost], float]] = {"cpu": lambda one: one.cpu, "mb": _mb}
    return [
        Line(axis.name, command, what, tuple(sizes), tuple(way(one) for one in some))
        for command, some in middles.items()
        for what, way in ways.items()
        if any(map(way, some))
    ]


def _mb(one: Cost) -> float:
    return one.mb


def _again(tries: Mapping[str, Sequence[Cost]]) -> bool:
    """Tell whether another round is wanted: short ones swing."""
    some = next(iter(tries.values()))
    return len(some) < ROUNDS and sum(each[-1].cpu for each in tries.values()) < _ENOUGH


def _once(axis: Axis, found: Sink, place: Path, size: int) -> Costs:
    with tempfile.TemporaryDirectory(dir=place) as name:
        return axis.measure(found, Path(name), size)


def _middle(some: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(one.cpu for one in some),
        statistics.median(one.wall for one in some),
        statistics.median(one.mb for one in some),
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def told(one: Line) -> str:
    """Return a line as text: what it came to at each size, and the steepest slope."""
    values = ", ".join(f"{value:.4g}" for value in one.values)
    steepest = max((slope for _, _, slope in one.slopes()), default=None)
    slope = "start-up only" if steepest is None else f"steepest slope {steepest:.2f}"
    return f"  {one.command}, {one.what}: {values}; {slope}"


def write(found: Sequence[Line], path: Path) -> None:
    """Keep it as JSON; axes that were not measured now stay as they were."""
    now = {one.axis for one in found}
    known = json.loads(path.read_bytes())["lines"] if path.exists() else []
    kept = [one for one in known if one["axis"] not in now]
    fresh = [
        {
            "axis": one.axis,
            "command": one.command,
            "what": one.what,
            "sizes": one.sizes,
            "values": [round(value, 4) for value in one.values],
            "slopes": [[few, many, round(slope, 3)] for few, many, slope in one.slopes()],
        }
        for one in found
    ]
    said = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "most": MOST}
    path.write_text(json.dumps(said | {"lines": kept + fresh}, indent=1) + "\n", "utf-8")


def main() -> int:
    """Measure, say what it came to, and name what grows faster than the work."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [axis.name for axis in AXES]
    parser.add_argument("--only", action="append", choices=names, help="an axis (repeatable)")
    parser.add_argument("--up-to", type=int, default=_TWICE, help="leave larger sizes out")
    parser.add_argument("--large", action="store_true", help="100 million IDs, too")
    parser.add_argument("--json", type=Path, help="keep it in this file, too")
    said = parser.parse_args()
    worse: list[str] = []
    found: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="bulkdelete-growth-", dir="/var/tmp") as name:
        place = Path(name)
        with sink(place, core=0) as server:
            for axis in AXES:
                if said.only and axis.name not in said.only:
                    continue
                sizes = [one for one in axis.sizes if one <= said.up_to]
                sizes += [_TWICE] if said.large and axis.name == "IDs" else []
                for one in lines(axis, sizes, server, place):
                    _say(told(one))
                    worse += one.worse()
                    found.append(one)
    if said.json:
        write(found, said.json)
    for line in worse:
        sys.stderr.write(f"worse than linear: {line}\n")
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
