"""Millions of IDs through the real command line, in scaled time: `python -m tests.soak [--ids N]`.

A server of its own answers each request after `--latency` seconds, counts each ID in a bitmap, and
notes how long a slot was empty; the sender's memory, CPU, open files and log are sampled by how far
it is. The run stands for one with a second a request: its CPU is told as a share of that time. What
takes CPU by the clock and not by the request is seen by a second, short run at the real pace.

Exits 1 when an ID was not sent exactly once, when the CPU is above `MOST_CPU` percent of a core, or
when memory, open files, the log of a chunk, or the gap between two requests of a slot grow.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

SLOTS = 3
REAL_LATENCY = 1.0
"""Seconds that a request takes where it counts."""

MOST_CPU = 2.0
MOST_MB_PER_MILLION = 1.0
MOST_FILES, FEW_FILES = 64, 4
"""Open files at most, and how many more the second half may have than the first."""

MOST_LOG_GROWTH = 1.05
MOST_GAP_GROWTH, GAP_NOISE_MS = 2.0, 1.0
"""The gap of the last tenth may be so many times that of the first, and so much more."""

_ID = re.compile(rb'"soak-(\d{9})"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_BODY = b'{"status":"success"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + _BODY


@dataclass
class Ledger:
    """What the server saw: a bit for each ID, and how often one came again or from nowhere."""

    count: int
    bits: bytearray = field(init=False)
    seen: int = 0
    again: int = 0
    foreign: int = 0
    requests: int = 0
    gaps: "array[float]" = field(default_factory=lambda: array("f"))
    """How long the slot of each request was empty before it, in seconds."""
    _empty: "deque[float]" = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.bits = bytearray(self.count // 8 + 1)

    def take(self, body: bytes) -> None:
        """Note the IDs of a request."""
        self.requests += 1
        for digits in _ID.findall(body):
            place, mask = int(digits) >> 3, 1 << (int(digits) & 7)
            if int(digits) >= self.count:
                self.foreign += 1
            elif self.bits[place] & mask:
                self.again += 1
            else:
                self.bits[place] |= mask
                self.seen += 1

    def began(self, now: float) -> None:
        """Note that the first byte of a request came: it fills the slot that is empty longest."""
        if self._empty:
            self.gaps.append(now - self._empty.popleft())

    def ended(self, now: float) -> None:
        """Note that an answer was written."""
        self._empty.append(now)


class _Wire(asyncio.Protocol):
    def __init__(self, ledger: Ledger, latency: float) -> None:
        self._ledger = ledger
        self._latency = latency
        self._buffer = b""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._ledger.began(self._loop.time())
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if found and len(rest) >= size:
            self._ledger.take(rest[:size])
            self._buffer = rest[size:]
            self._loop.call_later(self._latency, self._answer)

    def _answer(self) -> None:
        if self._transport is not None:
            self._transport.write(_ANSWER)
            self._ledger.ended(self._loop.time())


def serve(count: int, latency: float, pipe: Connection) -> None:
    """Answer, and tell through the pipe: the port first, then the ledger whenever asked."""

    async def run() -> None:
        ledger = Ledger(count)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Wire(ledger, latency), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        done = asyncio.Event()

        def asked() -> None:
            question = pipe.recv()
            if question == "gaps":
                pipe.send(ledger.gaps)
                done.set()
            else:
                pipe.send((ledger.seen, ledger.again, ledger.foreign, ledger.requests))

        loop.add_reader(pipe.fileno(), asked)
        await done.wait()

    asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds when so many millions of IDs are sent; `cpu` and `at` in seconds."""

    millions: float
    mb: float
    files: int
    cpu: float
    log: int
    at: float


def sample(pid: int, seen: int, place: Path) -> Sample | None:
    """Look at a process; None when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - the kernel's own list
        # Behind the name, which ends with the last bracket: user and system time in ticks.
        ticks = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[11:13]
        log = sum(one.stat().st_size for one in place.glob("bulkdelete-runs/*/checkpoint.log"))
    except (OSError, IndexError):
        return None
    mb = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return Sample(seen / 1e6, mb, files, cpu, log, time.monotonic())


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the second by the first, by least squares; 0 for fewer than two."""
    if len(points) < 2:
        return 0.0
    mean_x = statistics.fmean(x for x, _ in points)
    mean_y = statistics.fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def later(samples: list[Sample]) -> list[Sample]:
    """Return those once the first tenth is behind, and before the last answer."""
    end = max((one.millions for one in samples), default=0.0)
    return [one for one in samples if end / 10 < one.millions < end]


def halves(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Return the samples of the first half of the way (but its start), and of the second."""
    found = later(samples)
    middle = max((one.millions for one in samples), default=0.0) / 2
    return (
        [one for one in found if one.millions <= middle],
        [one for one in found if one.millions > middle],
    )


def start(place: Path, count: int, port: int) -> "subprocess.Popen[bytes]":
    """Write the list, as a stream, and start the program on it."""
    with (place / "list.csv").open("w", encoding="ascii") as file:
        file.write("identity\n")
        file.writelines(f"soak-{number:09d}\n" for number in range(count))
    strange = ("BULKDELETE_", "CLEVERTAP_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    words = ["run", "list.csv", "--endpoint", f"http://127.0.0.1:{port}", "--quiet", "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "bulkdelete", *words, "--yes", "--max-deletes", str(count)],
        cwd=place,
        env=clean | {"CLEVERTAP_ACCOUNT_ID": "SOAK", "CLEVERTAP_PASSCODE": "soak-passcode"},
        stdout=subprocess.PIPE,
    )


Figures = dict[str, float | bool]


def soak(count: int, latency: float, place: Path) -> Figures:
    """Send so many IDs; return the figures."""
    mine, its = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(count, latency, its), daemon=True)
    server.start()
    sender = start(place, count, mine.recv())
    began, samples = time.monotonic(), []
    while sender.poll() is None:
        mine.send("?")
        if (one := sample(sender.pid, mine.recv()[0], place)) is not None and one.millions:
            samples.append(one)
        time.sleep(0.2)
    seconds = time.monotonic() - began
    mine.send("?")
    seen, again, foreign, requests = mine.recv()
    mine.send("gaps")
    gaps = mine.recv()
    server.join(10)
    out = sender.stdout.read() if sender.stdout else b"{}"
    return {
        "ids": count,
        "latency": latency,
        "exit": sender.returncode,
        "requests": requests,
        "exactly_once": (seen, again, foreign) == (count, 0, 0),
        "accepted": json.loads(out)["ids"]["accepted"],
        "seconds": round(seconds, 1),
        "samples": len(samples),
        **grown(samples),
        **gap(gaps),
        **spent(samples, requests),
    }


def grown(samples: list[Sample]) -> Figures:
    """Return what memory, open files and the log came to, and whether they grew."""
    first, second = halves(samples)
    logs = [slope([(one.millions, one.log) for one in half]) / 1e4 for half in (first, second)]
    return {
        "peak_mb": round(max((one.mb for one in samples), default=0.0), 1),
        "mb_per_million": round(slope([(one.millions, one.mb) for one in later(samples)]), 3),
        "most_files_first_half": max((one.files for one in first), default=0),
        "most_files_second_half": max((one.files for one in second), default=0),
        "log_bytes_a_chunk_first_half": round(logs[0], 1),
        "log_bytes_a_chunk_second_half": round(logs[1], 1),
    }


def gap(gaps: Sequence[float]) -> Figures:
    """Return how long a slot was empty between two requests, in ms: at first, and at the end."""
    tenth = max(1, len(gaps) // 10)
    return {
        "gap_ms_first_tenth": round(1000 * statistics.median(gaps[:tenth] or [0.0]), 3),
        "gap_ms_last_tenth": round(1000 * statistics.median(gaps[-tenth:] or [0.0]), 3),
    }


def spent(samples: list[Sample], requests: int) -> Figures:
    """Return the CPU, whole and as a share of a core in the time that the run stands for.

    `cpu_percent_by_the_clock` is the share of the time that passed, once the start is behind.
    """
    cpu = samples[-1].cpu if samples else 0.0
    stands_for = requests * REAL_LATENCY / SLOTS
    clock = slope([(one.at, one.cpu) for one in later(samples)])
    return {
        "cpu_seconds": round(cpu, 1),
        "stands_for_hours": round(stands_for / 3600, 2),
        "cpu_percent_at_real_pace": round(100 * cpu / max(stands_for, 1.0), 3),
        "cpu_percent_by_the_clock": round(100 * clock, 3),
    }


def wrong(figures: Figures) -> list[str]:
    """Say which figures are out of bounds; a slope needs samples to be believed."""
    real = figures["latency"] >= REAL_LATENCY
    log = figures["log_bytes_a_chunk_first_half"]
    few, many = figures["most_files_first_half"], figures["most_files_second_half"]
    most_gap = MOST_GAP_GROWTH * figures["gap_ms_first_tenth"] + GAP_NOISE_MS
    cpu = "cpu_percent_by_the_clock" if real else "cpu_percent_at_real_pace"
    bounds = {
        "exit": figures["exit"] == 0,
        "exactly_once": figures["exactly_once"] is True,
        "accepted": figures["accepted"] == figures["ids"],
        "mb_per_million": real or figures["mb_per_million"] < MOST_MB_PER_MILLION,
        "most_files_second_half": 0 < many <= min(MOST_FILES, few + FEW_FILES),
        "log": real or 0 < figures["log_bytes_a_chunk_second_half"] <= MOST_LOG_GROWTH * log,
        "gap_ms_last_tenth": 0 < figures["gap_ms_last_tenth"] <= most_gap,
        cpu: 0 < figures[cpu] <= MOST_CPU,
        "samples": figures["samples"] >= 10,
    }
    return [name for name, good in bounds.items() if not good]


def main() -> int:
    """Print one JSON object."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--ids", type=int, default=10_000_000, help="how many (10,000,000)")
    words.add_argument("--latency", type=float, default=0.02, help="of a request (0.02)")
    words.add_argument("--real", type=int, default=36_000, help="IDs at a second a request")
    words.add_argument("--json", type=Path, help="write the figures to this file, too")
    chosen = words.parse_args()
    found: dict[str, Figures] = {}
    bad: list[str] = []
    for name, count, latency in (
        ("at_real_pace", chosen.real, REAL_LATENCY),
        ("in_scaled_time", chosen.ids, chosen.latency),
    ):
        with tempfile.TemporaryDirectory(prefix="bulkdelete-soak-") as place:
            found[name] = soak(count, latency, Path(place))
        bad += [f"{name}: {one}" for one in wrong(found[name])]
    text = json.dumps(found | {"wrong": bad}, indent=1)
    print(text)  # noqa: T201 - the result
    if chosen.json:
        chosen.json.write_text(text + "\n", "utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
