"""What a plan of 1, 10 and 100 million IDs takes, and sending them: each in a fresh process.

Each list is of UUIDs in no order, one of a hundred an earlier one again; the program has the
`--memory` that it has by itself. The list of 100 million takes 3.7 GB of disk, and what does not
fit into memory 2.4 GB more; all of it is removed at the end. This process loads little: what it
holds counts as the memory of what it starts.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.clients import ENVIRONMENT, Cost, FailedError, cost
from tests.bench.figures import Figure
from tests.bench.longlists import write_apart
from tests.bench.sink import sink

TIMES = (1, 10, 100)
PLANNING_MB, SENDING_MB = 512, 64
GROWTH = 1.05
_GROUP = "memory"
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class Took:
    """What planning and sending so many rows took."""

    rows: int
    planning: Cost
    sending: Cost


def measure(count: int, rounds: int) -> list[Figure]:
    """Return peaks and CPU of planning and of sending, for a list 1, 10 and 100 times as long.

    One round: a peak swings little. `rounds` is there because all groups have it.
    """
    del rounds
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-", dir="/var/tmp") as name:
        place = Path(name)
        with sink(place) as found:
            took = [_took(place, times * count, found.plain) for times in TIMES]
    return [one for size in took for one in _figures(size)] + _growth(took)


def _took(place: Path, rows: int, url: str) -> Took:
    path, runs = place / "list.csv", place / f"runs-{rows}"
    repeated = write_apart(path, rows, repeat=True)
    words = [sys.executable, "-m", "bulkdelete"]
    where = [*("--endpoint", url), "--quiet", *("--runs-dir", str(runs))]
    planning = cost([*words, "plan", str(path), *where], "plan")
    (run,) = (one for one in runs.iterdir() if one.is_dir())
    sure = ["--yes", *("--max-deletes", str(rows)), *("--max-in-flight", "32"), "--quiet"]
    sending = cost([*words, "apply", str(run), *sure], "apply")
    path.unlink()
    _check(run, rows, repeated)
    _say(f"{rows:,} rows planned", planning)
    _say(f"{rows:,} rows sent", sending)
    return Took(rows, planning, sending)


def _check(run: Path, rows: int, repeated: int) -> None:
    words = [sys.executable, "-m", "bulkdelete", "status", str(run), "--json"]
    told = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    ids = json.loads(told)["ids"]
    found = (ids["read"], ids["duplicate"], ids["accepted"])
    if found != (rows, repeated, rows - repeated):
        raise FailedError(f"read, duplicate, accepted: {found}, of {rows:,} rows")


def _figures(took: Took) -> list[Figure]:
    millions = took.rows / 1e6
    return [
        _peak(f"planning {took.rows:,} rows", took.planning, PLANNING_MB),
        _peak(f"sending {took.rows:,} rows", took.sending, SENDING_MB),
        _cpu(f"planning {took.rows:,} rows", took.planning, millions),
        _cpu(f"sending {took.rows:,} rows", took.sending, millions),
    ]


def _peak(what: str, spent: Cost, most: int) -> Figure:
    return Figure(_GROUP, f"{what}: peak", "MB", (spent.mb,), target=f"<= {most}")


def _cpu(what: str, spent: Cost, millions: float) -> Figure:
    return Figure(_GROUP, f"{what}: CPU", "s a million", (spent.cpu / millions,))


def _growth(took: list[Took]) -> list[Figure]:
    few, many = took[0], took[-1]
    return [
        Figure(
            group=_GROUP,
            what=f"peak of sending {many.rows:,} rows, against {few.rows:,}",
            unit="MB",
            ours=(many.sending.mb,),
            theirs=(few.sending.mb,),
            target=f"<= {GROWTH}",
        )
    ]


def _say(what: str, spent: Cost) -> None:
    sys.stderr.write(f"{what}: {spent.mb:.0f} MB, {spent.cpu:.1f} s of CPU, {spent.wall:.1f} s\n")
    sys.stderr.flush()
