"""What else reads the lists of `make bench-input`: Python's own modules, pandas, DuckDB.

Run as a program, in an environment that has pandas and DuckDB, it reads `READER FORMAT PATH` from
its standard input, line by line, and answers with the seconds that each took, those of CPU on all
cores, and the number of IDs that were read.
"""

import csv
import gzip
import json
import sys
import time
from collections.abc import Callable
from typing import IO, Any

ID = "identity"


def python(kind: str, path: str) -> int:
    """Read with what comes with Python, and do nothing else."""
    with _opened(kind, path) as file:
        if kind == "json":
            return len([one[ID] for one in json.load(file)])
        if kind == "jsonl":
            return sum(1 for line in file if json.loads(line)[ID])
        if kind == "lines":
            return sum(1 for line in file if line.rstrip("\n"))
        name = "Identity" if kind == "typed" else ID
        return sum(1 for row in csv.DictReader(file) if row[name])


def _opened(kind: str, path: str) -> IO[str]:
    if kind == "csv-gzip":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    if kind == "csv-zstd":
        from backports import zstd  # noqa: PLC0415 - not every reader has it

        return zstd.open(path, "rt", encoding="utf-8", newline="")
    return open(path, encoding="utf-8", newline="")  # noqa: PTH123 - the caller closes it


def pandas(kind: str, path: str) -> int:
    """Read all of it into a frame; IDs stay text."""
    import pandas as pd  # noqa: PLC0415 - not every reader has it

    if kind == "parquet":
        return len(pd.read_parquet(path))
    if kind in {"json", "jsonl"}:
        return len(pd.read_json(path, lines=kind == "jsonl", dtype=False))
    names: dict[str, Any] = {"header": None, "names": [ID]} if kind == "lines" else {}
    return len(pd.read_csv(path, dtype=str, keep_default_na=False, **names))


def duckdb(kind: str, path: str) -> int:
    """Go through the column of IDs, on all cores."""
    import duckdb as db  # noqa: PLC0415 - not every reader has it

    name = "Identity" if kind == "typed" else ID
    source = {
        "parquet": f"read_parquet('{path}')",
        "json": f"read_json('{path}', format='array')",
        "jsonl": f"read_json('{path}', format='newline_delimited')",
        "lines": f"read_csv('{path}', header=false, names=['{ID}'], delim='\\x01')",
    }.get(kind, f"read_csv('{path}', all_varchar=true)")
    query = f"SELECT count(*), sum(strlen({name}::VARCHAR)) FROM {source}"  # noqa: S608 - ours
    return int(db.sql(query).fetchall()[0][0])


READERS: dict[str, Callable[[str, str], int]] = {
    "python": python,
    "pandas": pandas,
    "duckdb": duckdb,
}


def main() -> None:
    """Answer one line after the other."""
    for line in sys.stdin:
        reader, kind, path = line.split()
        began, cpu = time.perf_counter(), time.process_time()
        count = READERS[reader](kind, path)
        seconds = time.perf_counter() - began
        print(seconds, time.process_time() - cpu, count, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
