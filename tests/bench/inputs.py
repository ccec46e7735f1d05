"""`make bench-input`: rows a second for each format, against what else reads the same file.

Ours is the whole plan: read, check, de-duplicate, hash, digest. The others only read: Python's csv
and json modules, pandas, DuckDB. They take turns, so only the ratios of one run mean anything; each
figure is the median of its rounds. The table is of seconds of CPU, on all cores together, which a
busy machine does not stretch; what is kept as JSON has those of the clock, too.
"""

import argparse
import gc
import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from backports import zstd
from pyarrow import parquet

from bulkdelete.core.layout import Format, Reading
from bulkdelete.core.model import Kind
from tests.bench import lists
from tests.bench.others import Others, Took
from tests.bench.planning import plan

OTHERS = ("python", "pandas", "duckdb")
COUNT, ROUNDS = 500_000, 7


class Case(NamedTuple):
    """A list on the disk; `target`: how many times as fast as Python's modules we mean to be."""

    name: str
    path: Path
    target: float | None = None

    @property
    def others(self) -> list[str]:
        """Who else reads it; Python by itself reads no Parquet."""
        return [one for one in OTHERS if (one, self.name) != ("python", "parquet")]

    @property
    def reading(self) -> Reading:
        """What must be said of it."""
        if self.name == "lines":
            return Reading(format=Format.LINES, id_type=Kind.IDENTITY)
        return Reading()


def cases(place: Path, count: int) -> Iterator[Case]:
    """Write the lists, of the same random UUIDs."""
    ids = lists.ids(count, 1)
    one = "identity\n" + "".join(f"{each}\n" for each in ids)
    records = [{"identity": each, "n": n, "reason": "closed"} for n, each in enumerate(ids)]
    three = (f"Person {n},{each},closed account\n" for n, each in enumerate(ids))
    written = {
        "csv": one,
        "csv-three": "name,identity,reason\n" + "".join(three),
        "typed": "Type,Identity\n" + "".join(f"i,{each}\n" for each in ids),
        "jsonl": "".join(f"{json.dumps(each)}\n" for each in records),
        "json": json.dumps(records),
        "lines": one.removeprefix("identity\n"),
    }
    ends = {"jsonl": "jsonl", "json": "json", "lines": "txt"}
    targets = {"csv": 2.0, "csv-three": 1.5, "jsonl": 3.0}
    for name, text in written.items():
        path = place / f"{name}.{ends.get(name, 'csv')}"
        path.write_text(text)
        yield Case(name, path, targets.get(name))
    (place / "csv.csv.gz").write_bytes(gzip.compress(one.encode(), 6))
    yield Case("csv-gzip", place / "csv.csv.gz")
    (place / "csv.csv.zst").write_bytes(zstd.compress(one.encode()))
    yield Case("csv-zstd", place / "csv.csv.zst")
    table = pa.table({"identity": ids, "n": range(count)})
    parquet.write_table(table, place / "table.parquet", row_group_size=100_000)
    yield Case("parquet", place / "table.parquet")


def main() -> None:
    """Measure, print the table, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--others", default=sys.executable, help="python that has them all")
    parser.add_argument("--json", type=Path, help="where the figures are kept")
    said = parser.parse_args()
    # As the program sets it for itself.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    others = Others(said.others)
    found: dict[str, dict[str, Took]] = {}
    targets: dict[str, float] = {}
    loads = [os.getloadavg()[0]]
    heads = "".join(f"{one:>12}" for one in ("ours", *OTHERS))
    ratios = "".join(f"{'/ ' + one:>10}" for one in OTHERS)
    print(f"{'rows/CPU s':10}{heads}{ratios}  target")  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as name:
        for case in cases(Path(name), said.count):
            found[case.name] = took = measured(case, others, said.count, said.rounds)
            targets |= {case.name: case.target} if case.target else {}
            loads.append(os.getloadavg()[0])
            print(line(case, took, said.count), flush=True)  # noqa: T201
    others.close()
    if said.json:
        kept = {
            name: {
                who: {"seconds": round(one.clock, 3), "cpu": round(one.cpu, 3)}
                for who, one in took.items()
            }
            for name, took in found.items()
        }
        said.json.parent.mkdir(parents=True, exist_ok=True)
        facts = {
            "rows": said.count,
            "rounds": said.rounds,
            "cores": os.cpu_count(),
            "load": [min(loads), max(loads)],
            "targets": targets,
            "medians": kept,
        }
        said.json.write_text(json.dumps(facts, indent=1) + "\n")


def line(case: Case, took: dict[str, Took], count: int) -> str:
    """Return a line of the table."""
    who = ("ours", *OTHERS)
    rates = (f"{count / took[one].cpu:12,.0f}" if one in took else f"{'-':>12}" for one in who)
    ratios = (
        f"{took[one].cpu / took['ours'].cpu:10.2f}" if one in took else f"{'-':>10}"
        for one in OTHERS
    )
    target = f"{case.target:8.1f}" if case.target else ""
    return f"{case.name:10}{''.join(rates)}{''.join(ratios)}{target}"


def measured(case: Case, others: Others, count: int, rounds: int) -> dict[str, Took]:
    """Return the medians of each; they take turns."""
    times: dict[str, list[Took]] = {one: [] for one in ("ours", *case.others)}
    for number in range(rounds + 1):
        began, cpu = time.perf_counter(), time.process_time()
        plan(case.path, case.reading)
        took = {"ours": Took(time.perf_counter() - began, time.process_time() - cpu)}
        took |= {one: others.read(one, case.name, case.path, count) for one in case.others}
        for who, one in took.items():
            if number:  # the first round imports, and fills the cache of the disk
                times[who].append(one)
    return {
        who: Took(*map(statistics.median, zip(*some, strict=True))) for who, some in times.items()
    }


if __name__ == "__main__":
    main()
