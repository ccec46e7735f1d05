"""Ranges of seeds, played on as many cores as there are, and what they came to."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bulkdelete.version import __version__
from tests.simulation.faults import STORM
from tests.simulation.play import play, replay_command

BATCH = 250


@dataclass(slots=True)
class Tally:
    """What was really run."""

    runs: int = 0
    starts: int = 0
    requests: int = 0
    steps: int = 0
    seconds: float = 0.0
    fired: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, str]] = field(default_factory=list)
    """What was violated, and the command that shows it."""

    def add(self, other: "Tally") -> None:
        """Add what another range came to, but for its seconds."""
        self.runs += other.runs
        self.starts += other.starts
        self.requests += other.requests
        self.steps += other.steps
        self.fired.update(other.fired)
        self.violations += other.violations

    def never_fired(self) -> list[str]:
        """Return the faults that were to happen and did not."""
        return [name for name in STORM if not self.fired[name]]


def quiet() -> None:
    """Let the program's log say nothing."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=True
    )


def play_range(mode: str, seeds: range) -> Tally:
    """Play seeds one after the other."""
    quiet()
    tally = Tally()
    for seed in seeds:
        played = play(seed, mode)
        tally.runs += 1
        tally.starts += played.starts
        tally.requests += played.requests
        tally.steps += played.steps
        tally.fired.update(played.fired)
        if played.violation is not None:
            tally.violations.append((played.violation, replay_command(played)))
    return tally


def play_all(modes: Sequence[str], seeds: range, jobs: int) -> Tally:
    """Play a range in all modes."""
    began = time.monotonic()
    batches = [(mode, batch) for mode in modes for batch in _batches(seeds)]
    total = Tally()
    if jobs == 1:
        for mode, batch in batches:
            total.add(play_range(mode, batch))
    else:
        with ProcessPoolExecutor(jobs) as pool:
            for tally in pool.map(play_range, *zip(*batches, strict=True)):
                total.add(tally)
    total.seconds = time.monotonic() - began
    return total


def _batches(seeds: range) -> Iterator[range]:
    for start in range(seeds.start, seeds.stop, BATCH):
        yield range(start, min(start + BATCH, seeds.stop))


def commit() -> str:
    """Name the commit that is run, with a `+` when files were changed since."""
    place = Path(__file__).parent
    git = ["git", "-C", str(place)]
    try:
        name = _said([*git, "rev-parse", "--short", "HEAD"])
        return name + "+" * bool(_said([*git, "status", "--porcelain"]))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _said(words: list[str]) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def version() -> str:
    """Return the tool's version."""
    return __version__
