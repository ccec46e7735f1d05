"""Lists to measure on: the same seed writes the same list."""

import json
import random
import uuid
from pathlib import Path


def ids(count: int, seed: int) -> list[str]:
    """Return so many different UUIDs."""
    dice = random.Random(seed)
    return [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(count)]


def one_column(path: Path, count: int, seed: int) -> list[str]:
    """Write a CSV of one column, and return its IDs."""
    found = ids(count, seed)
    with path.open("w", encoding="ascii") as file:
        file.write("identity\n")
        file.writelines(one + "\n" for one in found)
    return found


def three_columns(path: Path, count: int, seed: int) -> None:
    """Write a CSV of three columns, the IDs in the middle."""
    with path.open("w", encoding="ascii") as file:
        file.write("name,identity,reason\n")
        rows = enumerate(ids(count, seed))
        file.writelines(f"Person {n},{one},closed account\n" for n, one in rows)


def json_lines(path: Path, count: int, seed: int) -> None:
    """Write JSON lines of two fields."""
    with path.open("w", encoding="ascii") as file:
        rows = enumerate(ids(count, seed))
        file.writelines(json.dumps({"identity": one, "n": n}) + "\n" for n, one in rows)
