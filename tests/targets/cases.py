"""A target as the conformance suite meets it: with its look-alike, and swift."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import bulkdelete
from bulkdelete import targets
from bulkdelete.cli.emulator import dialect_of
from bulkdelete.core.model import Kind
from bulkdelete.core.report import Report
from bulkdelete.core.target import Target
from bulkdelete.emulator import Dialect, EmulatorConfig, Order, RunningEmulator, running

BUILT_IN = tuple(targets.BUILT_IN)
ACCOUNT, SECRET = "ACME-1", "s3cret-of-tests"


def ids_of(kind: Kind, count: int, first: int = 1) -> list[str]:
    """Return IDs that every target takes: whole numbers without a leading zero, of one length."""
    start = 7_000_000 if kind is Kind.IDENTITY else 8_000_000
    return [str(start + first + number) for number in range(count)]


@dataclass(frozen=True)
class Case:
    """A target and its look-alike."""

    target: Target
    dialect: Dialect

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of ID that it takes."""
        return list(self.target.kinds)

    def success(self, kind: Kind, ids: Sequence[str], unknown: Sequence[str] = ()) -> bytes:
        """Return the body with which the look-alike says that all went well."""
        return self.dialect.success(Order(kind.value, list(ids)), unknown)

    def emulator(self, **more: Any) -> AbstractAsyncContextManager[RunningEmulator]:  # noqa: ANN401
        """Start its look-alike; it answers at once, and takes any pace, unless it is said."""
        chosen: dict[str, Any] = {"latency": 0.0, "window": (1_000_000, 1.0)}
        config = EmulatorConfig(
            dialect=self.dialect, account_id=ACCOUNT, passcode=SECRET, **chosen | more
        )
        return running(config)

    async def run(self, url: str, path: Path, secret: str = SECRET, **more: Any) -> Report:  # noqa: ANN401
        """Send a list to it, in requests of 5 IDs."""
        chosen: dict[str, Any] = {
            "target": self.target.name,
            "endpoint": url,
            "runs_dir": path.parent / "runs",
            "chunk_size": 5,
            "yes": True,
            "max_deletes": 1000,
            "max_failures": 100,
            "accept_damage": ["identity_as_guid"],  # whole numbers, for a vendor who has none
        }
        who = bulkdelete.Credentials(ACCOUNT, secret)
        return await bulkdelete.run(path, credentials=who, **chosen | more)


def case_of(name: str) -> Case:
    """Return the case of a target."""
    target = targets.find(name)
    return Case(target, dialect_of(target))


def acted(emulator: RunningEmulator) -> dict[str, int]:
    """Return how often it acted on each ID."""
    times = emulator.state.profiles.times
    return {**times["identity"], **times["guid"]}


def listed(place: Path, kind: Kind, ids: Sequence[str]) -> Path:
    """Write a list of one kind, under the program's own name of it."""
    path = place / f"{kind.value}.csv"
    path.write_text(f"{kind.value}\n" + "".join(f"{one}\n" for one in ids))
    return path


@contextmanager
def swift() -> Iterator[None]:
    """Let targets take any pace: what is measured is not how long a second is."""
    real = targets.find
    with mock.patch.object(targets, "find", lambda name: replace(real(name), per_minute=None)):
        yield


def reloaded(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a module, looked for anew."""
    importlib.invalidate_caches()
    return importlib.import_module(name)
