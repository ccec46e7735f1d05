"""The sample lists and what is in them, read independently of the program's own parsers."""

import csv
import gzip
import importlib.resources
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ID = tuple[str, str]
"""(kind, ID)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample list, the flags it needs, and an independent reader of its IDs."""

    file: str
    flags: tuple[str, ...]
    read: Callable[[Path], Iterator[ID]]


@dataclass(frozen=True, slots=True)
class Expected:
    """The unique, valid, unprotected IDs of a list."""

    ids: frozenset[ID]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.ids)


def place() -> Path:
    """Return where the sample data is: inside the installed package, or beside it in a checkout."""
    inside = Path(str(importlib.resources.files("bulkdelete") / "sample_data"))
    return inside if inside.is_dir() else Path(__file__).parents[2] / "sample_data"


def _typed(path: Path) -> Iterator[ID]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield {"i": "identity", "g": "guid"}[row["Type"].lower()], row["Identity"]


def _column(name: str, delimiter: str, kind: str, path: Path) -> Iterator[ID]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, delimiter=delimiter):
            yield kind, row[name] or ""


def _export(path: Path) -> Iterator[ID]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            inside = row["clevertapIds"].strip().removeprefix("[").removesuffix("]")
            for item in inside.split(","):
                if item.strip():
                    yield "guid", item.strip().strip('"')


def _jsonl(path: Path) -> Iterator[ID]:
    for line in path.read_text("utf-8").split("\n"):
        if line.strip():
            for platform in json.loads(line).get("platformInfo", []):
                yield "guid", platform["objectId"]


def _lines(path: Path) -> Iterator[ID]:
    for line in path.read_text("utf-8").split("\n"):
        if line:
            yield "identity", line


SAMPLES = (
    Sample("purge_list.csv", (), _typed),
    Sample("profile_export.csv.gz", ("--column", "clevertapIds"), _export),
    Sample("api_export.jsonl", ("--column", "platformInfo[].objectId"), _jsonl),
    Sample(
        "spreadsheet.csv", ("--max-invalid", "5"), partial(_column, "identity", ";", "identity")
    ),
    Sample("ids.txt", ("--id-type", "identity"), _lines),
)

_DAMAGED = re.compile(r"\d[.,]\d+E\+\d+|#.*|", re.IGNORECASE)
_NEVER = {"null", "nan", "n/a", "na", "undefined", "none", "nil", "0", "-1", "empty"}


def expected(sample: Sample) -> Expected:
    """Return what a run of the sample must send, once each."""
    return Expected(
        frozenset(
            one
            for one in sample.read(place() / sample.file)
            if not _DAMAGED.fullmatch(one[1])
            and one[1].lower() not in _NEVER
            and not _protected(one[1])
        )
    )


def _protected(identifier: str) -> bool:
    folded = identifier.strip().casefold()
    for line in (place() / "protect.txt").read_text("utf-8").split("\n"):
        rule = line.strip().casefold()
        if rule and re.fullmatch(re.escape(rule).replace(r"\*", ".*").replace(r"\?", "."), folded):
            return True
    return False
