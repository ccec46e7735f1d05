"""The figures as JSON, group by group: a group that is measured again takes its old place."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.figures import Figure

Told = dict[str, Any]
"""A group as it is kept: when, on what, with which numbers, and its figures."""


def read(path: Path) -> dict[str, Told]:
    """Return what is there, by the names of the groups."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Told])


def write(path: Path, name: str, figures: list[Figure], how: tuple[int, int, float]) -> None:
    """Put one group into the file, before the next one begins; how: IDs, rounds, seconds."""
    count, rounds, seconds = how
    groups = read(path) | {
        name: {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "count": count,
            "rounds": rounds,
            "seconds": round(seconds, 1),
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count() or 1} cores",
            "figures": [_told(one) for one in figures],
        }
    }
    text = msgspec.json.format(msgspec.json.encode(groups), indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text + b"\n")


def _told(one: Figure) -> Told:
    """Return a figure with what follows from it, for who reads the file without this program."""
    told: Told = msgspec.to_builtins(one)
    return told | {
        "ours": [_rounded(value) for value in one.ours],
        "theirs": [_rounded(value) for value in one.theirs],
        "ratio": _rounded(one.middle) if one.theirs and not one.why else None,
        "verdict": one.verdict,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
