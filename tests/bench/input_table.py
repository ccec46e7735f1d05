"""`make bench-input` again: its JSON as the table of docs/input-figures.md."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.tables import filled

LABELS = {
    "csv": "CSV, one column",
    "csv-three": "CSV, three columns",
    "typed": "`Type,Identity`",
    "jsonl": "JSON lines, three fields",
    "json": "a JSON array of these",
    "lines": "one ID a line",
    "csv-gzip": "CSV, gzip",
    "csv-zstd": "CSV, zstd",
    "parquet": "Parquet",
}
OTHERS = ("python", "pandas", "duckdb")
HEADS = ("format", "ours", "Python", "pandas", "DuckDB")
RATIOS = ("ours / Python", "/ pandas", "/ DuckDB", "target (Python)")


def table(facts: dict[str, Any]) -> str:
    """Return the table: rows a second of CPU, and how many times as fast we are."""
    rows = [_row(name, facts) for name in facts["medians"]]
    low, high = facts["load"]
    said = (
        f"{facts['rows']:,} rows, medians of {facts['rounds']} rounds; load {low:.1f} to {high:.1f}"
        f" on {facts['cores']} cores."
    )
    heads = [f"| {' | '.join([*HEADS, *RATIOS])} |", "|---" * len([*HEADS, *RATIOS]) + "|"]
    return "\n".join([said, "", *heads, *rows, ""])


def _row(name: str, facts: dict[str, Any]) -> str:
    took = {who: one["cpu"] for who, one in facts["medians"][name].items()}
    rates = [
        f"{round(facts['rows'] / took[who], -3):,.0f}" if who in took else ""
        for who in ("ours", *OTHERS)
    ]
    ratios = [f"{took[who] / took['ours']:.2f}" if who in took else "" for who in OTHERS]
    target = facts["targets"].get(name)
    met = "" if target is None else f"{target:.1f}"
    if target is not None and took["python"] < target * took["ours"]:
        met += ", missed"
    return f"| {' | '.join([LABELS[name], *rates, *ratios, met])} |"


def main() -> None:
    """Renew the page: JSON, PAGE."""
    facts, page = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    page.write_text(filled(page.read_text("utf-8"), "bench-input", table(facts)), "utf-8")


if __name__ == "__main__":
    main()
