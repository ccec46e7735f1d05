"""What a fleet's driver writes down for its workers, on the storage that all of them see.

A directory in the fleet's own, for one start: `orders.json`, 0600, with the jobs as they were
asked for; a claim for each time that a job is given to a worker, and what it is told after that.
The settings in it may hold the address of a hook, but no passcode, and no ID. Of a start whose
driver was lost only the scheduler is kept, once that is seen.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bulkdelete.errors import UsageError
from bulkdelete.io import files

PREFIX = ".dask-"
"""No job has a name like that."""

LEFT = ".left-"
_ORDERS = "orders.json"
_SCHEDULER = "scheduler"


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it was asked for, to be understood again on another machine."""

    inputs: tuple[str, ...]
    flags: Mapping[str, Any]
    said: Mapping[str, Any]
    file: str
    passcode_env: str | None


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers must know. `scheduler` counts the slots, so many an account, by its hash.

    `purse` is where embedded workers are handed passcodes.
    """

    nonce: str
    version: str
    lock: str
    scheduler: str
    scheduler_id: str
    most: Mapping[str, int]
    purse: str
    environment: Mapping[str, str]
    jobs: Mapping[str, Words]


@dataclass(frozen=True, slots=True)
class Desk:
    """The directory of one start; `nonce` is in its orders."""

    place: Path
    nonce: str

    def write(self, orders: Orders) -> None:
        """Write the orders down, durably."""
        files.make_private(self.place)
        files.write_new(self.place / _ORDERS, msgspec.json.encode(orders))
        files.sync_directory(self.place)

    def read(self) -> Orders:
        """Read them; UsageError when they are not seen here, or are not those that are meant."""
        try:
            orders = msgspec.json.decode((self.place / _ORDERS).read_bytes(), type=Orders)
        except (OSError, msgspec.MsgspecError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is none of this version"
            raise UsageError("storage", f"it does not see {self.place / _ORDERS}: {why}") from error
        if orders.nonce != self.nonce:
            raise UsageError("storage", f"it sees another {self.place / _ORDERS} than the driver")
        return orders

    def claim(self, token: str) -> bool:
        """Take what was given; False when that was taken before: Dask gave it out twice."""
        try:
            files.write_new(self.place / f"{token}.claim")
        except FileExistsError:
            return False
        return True

    def claimed(self, token: str) -> bool:
        """Tell whether a worker took it."""
        return (self.place / f"{token}.claim").exists()

    def stop(self, token: str, number: int, who: str) -> None:
        """Have it end in order."""
        path = self.place / f"{token}.stop"
        if not path.exists():
            files.replace(path, msgspec.json.encode((number, who)))

    def stopped(self, token: str) -> tuple[int, str] | None:
        """Return whether it is to end: by which signal, and whose."""
        try:
            text = (self.place / f"{token}.stop").read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(text, type=tuple[int, str])

    def remove(self) -> None:
        """Remove it all."""
        shutil.rmtree(self.place, ignore_errors=True)


def left_behind(place: Path) -> list[Path]:
    """Return the directories of earlier starts of a fleet that did not end in order."""
    names = (f"{PREFIX}*", f"{LEFT}*")
    return [one for name in names for one in place.glob(name) if one.is_dir()]


def set_aside(place: Path) -> bool:
    """Keep of earlier starts which scheduler they used, and nothing else; tell whether some were.

    Workers that are still at work for one see that its orders are gone, and end.
    """
    found = left_behind(place)
    for one in found:
        name = LEFT + one.name.removeprefix(PREFIX).removeprefix(LEFT)
        _strip(one.rename(one.with_name(name)))
    return bool(found)


def _strip(desk: Path) -> None:
    files.replace(desk / _SCHEDULER, scheduler_of(desk).encode())
    for one in desk.iterdir():
        if one.name != _SCHEDULER:
            one.unlink(missing_ok=True)


def remove_left(place: Path) -> None:
    """Forget earlier starts."""
    for one in left_behind(place):
        Desk(one, "").remove()


def scheduler_of(desk: Path) -> str:
    """Return the scheduler that an earlier start used, "" for what cannot be read any more."""
    try:
        return (desk / _SCHEDULER).read_text()
    except (OSError, UnicodeDecodeError):
        pass  # it was not set aside yet
    try:
        found = msgspec.json.decode((desk / _ORDERS).read_bytes(), type=Orders)
    except (OSError, msgspec.MsgspecError):
        return ""
    return found.scheduler_id
