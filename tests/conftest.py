"""What all tests share: the program as a process, and an emulator on a real socket."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from bulkdelete.emulator import EmulatorConfig, running
from tests.warm import child as warm

# How long an example takes says something of the machine, and nothing of the program.
settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=(HealthCheck.too_slow,)
)
settings.load_profile("shared-machine")

PASSCODE = "tests-passcode-7f3a"
ACCOUNT = "TEST-ACCT"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the name of a target for the conformance suite."""
    parser.addoption("--target", help="run the conformance suite on this target only")


_DEEPER = ("PYTHON", "LD_", "SSL", "OPENSSL", "MALLOC", "LANG", "LC_")
"""Beginnings of variables that mean something to the interpreter or what is below it."""


@dataclass(frozen=True)
class Ended:
    """A process that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it printed
        """The one object on stdout."""
        return json.loads(self.out)


@dataclass
class Program:
    """Runs `bulkdelete` as a process in a directory of its own, with clean surroundings.

    A `cold` one is started by the interpreter's own command, as a user does, which takes half a
    second; else it is forked from a process that has imported everything.
    """

    place: Path
    url: str = ""
    env: dict[str, str] = field(default_factory=dict)
    cold: bool = False

    def environment(self) -> dict[str, str]:
        """Return what the process sees."""
        strange = ("BULKDELETE_", "CLEVERTAP_", "EMULATOR_")
        rest = {k: v for k, v in os.environ.items() if not k.startswith(strange)}
        mine = {"CLEVERTAP_ACCOUNT_ID": ACCOUNT, "CLEVERTAP_PASSCODE": PASSCODE}
        return rest | mine | self.env

    def words(self, *words: object) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "bulkdelete", *map(str, words)]

    def sending(self, *words: object) -> list[object]:
        """Return a command that sends: with the endpoint, and approved."""
        return [*words, "--endpoint", self.url, "--yes", "--max-deletes", 10**9]

    async def __call__(self, *words: object, stdin: bytes = b"", seconds: float = 60) -> Ended:
        """Run to the end."""
        process = await self.start(*words, stdin=subprocess.PIPE)
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(stdin)
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def start(
        self, *words: object, stdin: int = subprocess.DEVNULL
    ) -> asyncio.subprocess.Process:
        """Start it."""
        if not self.cold and not any(name.startswith(_DEEPER) for name in self.env):
            strings = list(map(str, words))
            return await warm.start(strings, self.place, self.environment(), stdin)
        return await asyncio.create_subprocess_exec(
            *self.words(*words),
            cwd=self.place,
            env=self.environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    async def run(self, *words: object, **more: Any) -> Ended:  # noqa: ANN401 - passed on
        """Run a command that sends, with --json."""
        return await self(*self.sending("run", *words, "--json"), **more)

    def run_dir(self) -> Path:
        """Return the only run's directory."""
        (found,) = (self.place / "bulkdelete-runs").iterdir()
        return found

    def write(self, name: str, *lines: str) -> Path:
        """Write a text file, one line each."""
        path = self.place / name
        path.write_text("".join(line + "\n" for line in lines), "utf-8")
        return path

    def ids(self, count: int, name: str = "list.csv") -> tuple[Path, list[str]]:
        """Write a one-column list of so many identities."""
        ids = [f"user-{number:07d}-{number * 7919 % 10007}" for number in range(count)]
        return self.write(name, "identity", *ids), ids


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Make the program, with nowhere to send to."""
    return Program(tmp_path)


Emulate = Callable[..., Any]


@pytest.fixture
async def emulate(program: Program) -> AsyncIterator[Emulate]:
    """Give a way to start emulators for the program, with settings of theirs."""
    contexts = []

    async def start(**settings: Any) -> Any:  # noqa: ANN401 - a running emulator
        chosen: dict[str, Any] = {"account_id": ACCOUNT, "passcode": PASSCODE, "latency": 0.0}
        config = EmulatorConfig(**chosen | settings)
        context = running(config)
        emulator = await context.__aenter__()
        contexts.append(context)
        program.url = emulator.url
        return emulator

    yield start
    for context in reversed(contexts):
        await context.__aexit__(None, None, None)


def times_acted(emulator: Any, kind: str = "identity") -> dict[str, int]:  # noqa: ANN401
    """Return how often the emulator acted on each ID of a kind."""
    return dict(emulator.state.profiles.times[kind])
