"""`bulkdelete demo`: the whole story in well under a minute, on the emulator, with proof.

It is shut off from the world: it reads no setting of the environment and no bulkdelete.toml, makes
its own credentials and directory, and talks plain http to a loopback address, which the client
takes for nothing else.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from bulkdelete.cli import samples

_WEATHER = ("--error-5xx", "0.06", "--drop-after", "0.05", "--throttle", "0.04", "--seed", "11")


def demo(
    *,
    keep: Annotated[
        Path | None, Parameter(help="Directory to work in (default: a new temporary one).")
    ] = None,
) -> int:
    """Show the whole story on the emulator: faults, a kill, a resume, the proof."""
    place = keep or Path(tempfile.mkdtemp(prefix="bulkdelete-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    stage = Stage(place, f"DEMO-{secrets.token_hex(4)}", secrets.token_hex(16))
    _say("1. The emulator: limit 3, and bad weather: 429s, 5xx, answers lost after acting.")
    with stage.emulator():
        _say(f"   {stage.url}")
        _say("\n2. The main job: a typed list with a protect list, killed hard half-way.")
        first = samples.SAMPLES[0]
        stage.kill_half_way(first)
        _say("\n3. The same command again resumes it.")
        stage.run(first)
        _say("\n4. The other shapes that lists come in.")
        for sample in samples.SAMPLES[1:]:
            stage.run(sample, quiet=True)
        return _prove(stage)


@dataclass(slots=True)
class Stage:
    """Where the demo plays: a directory, an account of its own, an emulator."""

    place: Path
    account: str
    passcode: str
    url: str = ""

    @contextmanager
    def emulator(self) -> Iterator[None]:
        """Run the emulator as a process of its own."""
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*_PROGRAM, "emulator", "--latency", "0.12", "--latency-spread", "0.5", *_WEATHER],
            env=self._environment(),
            cwd=self.place,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            self.url = line.strip().rpartition(" ")[2]
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)
            if process.stdout:
                process.stdout.close()

    def _environment(self) -> dict[str, str]:
        mine = {
            "CLEVERTAP_ACCOUNT_ID": self.account,
            "CLEVERTAP_PASSCODE": self.passcode,
            "EMULATOR_ACCOUNT_ID": self.account,
            "EMULATOR_PASSCODE": self.passcode,
        }
        strange = ("BULKDELETE_", "CLEVERTAP_", "EMULATOR_")
        rest = {k: v for k, v in os.environ.items() if not k.startswith(strange)}
        return rest | mine

    def command(self, sample: samples.Sample) -> list[str]:
        """Return the command line, as a person would type it."""
        source = samples.place()
        return [
            *("bulkdelete", "run", str(source / sample.file), *sample.flags),
            *("--protect", str(source / "protect.txt")),
            *("--endpoint", self.url, "--yes", "--max-deletes", "5000"),
        ]

    def _start(self, sample: samples.Sample, *, quiet: bool) -> "subprocess.Popen[bytes]":
        words = self.command(sample)
        _say(f"   $ {' '.join(words)}")
        return subprocess.Popen(  # noqa: S603 - our own program
            [*_PROGRAM, *words[1:], *(["--quiet"] if quiet else [])],
            env=self._environment(),
            cwd=self.place,
        )

    def run(self, sample: samples.Sample, *, quiet: bool = False) -> None:
        """Run one list to its end."""
        self._start(sample, quiet=quiet).wait(timeout=120)

    def show(self, run_dir: Path) -> None:
        """Print the status of a run."""
        words = [*_PROGRAM, "status", str(run_dir)]
        subprocess.run(  # noqa: S603 - our own program
            words, env=self._environment(), cwd=self.place, check=True, timeout=60
        )

    def kill_half_way(self, sample: samples.Sample) -> None:
        """Run one list, and kill it hard when half of it is accepted and requests are out."""
        half = samples.expected(sample).count // 2
        process = self._start(sample, quiet=False)
        while process.poll() is None:
            stats = self.stats()
            if sum(stats["ids_acted"].values()) >= half and stats["in_flight"]:
                process.send_signal(signal.SIGKILL)
                process.wait(timeout=10)
                _say(f"   killed with SIGKILL, {stats['in_flight']} requests in flight")
                return
            time.sleep(0.01)

    def stats(self) -> "dict[str, Any]":
        """Ask the emulator what it saw."""
        found: dict[str, Any] = json.loads(self._get("stats"))
        return found

    def acted(self) -> "dict[tuple[str, str], int]":
        """Ask the emulator which IDs it acted on, and how often."""
        lines = self._get("accepted").decode().splitlines()
        fields = (line.split("\t", 2) for line in lines)
        return {(kind, json.loads(text)): int(times) for kind, times, text in fields}

    def _get(self, what: str) -> bytes:
        address = f"{self.url}/_emulator/{what}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - loopback
            body: bytes = answer.read()
            return body


_PROGRAM = (sys.executable, "-m", "bulkdelete")


def _prove(stage: Stage) -> int:
    """Compare what the emulator acted on with what an independent reading of the lists expects."""
    wanted: set[tuple[str, str]] = set()
    for sample in samples.SAMPLES:
        wanted |= samples.expected(sample).ids
    acted = stage.acted()
    stats = stage.stats()
    again = sum(times > 1 for times in acted.values())
    faults = ", ".join(f"{name} {count}" for name, count in sorted(stats["faults"].items()))
    missing, extra = wanted - acted.keys(), acted.keys() - wanted
    _say("\n5. The proof: what the emulator acted on, against the lists read independently.")
    _say(f"   faults injected        {faults}")
    _say(f"   most in flight         {stats['max_live_in_flight']} (limit {stats['limit']})")
    _say(f"   expected IDs           {len(wanted):,} (unique, valid, not protected)")
    _say(f"   acted on               {len(acted):,}")
    _say(f"   missing / invented     {len(missing)} / {len(extra)}")
    _say(f"   acted on twice         {again} (answers lost after acting, or in flight at the kill)")
    good = not missing and not extra and bool(wanted)
    _say(f"\n{'PROVEN' if good else 'FAILED'}: the emulator acted on exactly the expected IDs.")
    _say("\nThe summary of the main job:")
    main_run = next(stage.place.glob("bulkdelete-runs/purge_list.csv-*"))
    stage.show(main_run)
    _say(f"\nIts report: {main_run / 'report.html'}")
    return 0 if good else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
