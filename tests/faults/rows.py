"""Which tests hold which row of the catalogue? Fails when a row has none.

`python -m tests.faults.rows`
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.faults.catalogue import CATALOGUE

TESTS = Path(__file__).parents[1]
_IDS = re.compile(r"test_((?:[a-z][0-9]+_)+)")
_CLAUSE = re.compile(r"S[0-9]+")
"""A promise of the contract: a test may name it, too."""


def ids_of(name: str) -> list[str]:
    """Return the ids that a test's name begins with."""
    found = _IDS.match(name)
    return [one.upper() for one in found[1].split("_")[:-1]] if found else []


def tests_in(source: str) -> Iterator[str]:
    """Yield the names of the tests of a module, in order, those of classes too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ids_of(node.name):
            yield node.name


def held(place: Path = TESTS) -> dict[str, list[str]]:
    """Return for each id named by a test the tests that name it, as `file::test`."""
    found: dict[str, list[str]] = {}
    for path in sorted(place.rglob("test_*.py")):
        for name in tests_in(path.read_text("utf-8")):
            for one in ids_of(name):
                found.setdefault(one, []).append(f"{path.relative_to(place)}::{name}")
    return found


def missing(found: dict[str, list[str]]) -> list[str]:
    """Return the rows that no test holds, as the catalogue orders them."""
    return [row for row in CATALOGUE if row not in found]


def unknown(found: dict[str, list[str]]) -> list[str]:
    """Return the ids that tests name and neither catalogue nor contract has."""
    return [one for one in sorted(found) if one not in CATALOGUE and not _CLAUSE.fullmatch(one)]


def main() -> int:
    """Print every row with its tests; 1 when something is missing."""
    found = held()
    for row, fault in CATALOGUE.items():
        print(f"{row:4} {fault}")  # noqa: T201 - a program of its own
        for one in found.get(row, ["NO TEST"]):
            print(f"       {one}")  # noqa: T201
    lost, odd = missing(found), unknown(found)
    print(f"{len(CATALOGUE)} rows, {len(lost)} without a test: {' '.join(lost) or 'none'}")  # noqa: T201
    if odd:
        print(f"ids that are in no catalogue: {' '.join(odd)}")  # noqa: T201
    return 1 if lost or odd else 0


if __name__ == "__main__":
    sys.exit(main())
