"""Millions of IDs through the real command line: `python -m tests.soak [--ids N]`.

A server of its own answers at once and counts each ID in a bitmap; the sender's memory and open
files are sampled by how far it is. Exits 1 when an ID was not sent exactly once, when the memory
grows by 1 MB or more per million IDs, or when open files pile up.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

MOST_MB_PER_MILLION = 1.0
MOST_FILES = 64
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


class _Wire(asyncio.Protocol):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if found and len(rest) >= size and self._transport is not None:
            self._ledger.take(rest[:size])
            self._buffer = rest[size:]
            self._transport.write(_ANSWER)


def serve(count: int, pipe: Connection) -> None:
    """Answer, and tell through the pipe: the port first, then the ledger whenever asked."""

    async def run() -> None:
        ledger = Ledger(count)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Wire(ledger), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        done = asyncio.Event()

        def asked() -> None:
            if pipe.recv() is None:
                done.set()
            else:
                pipe.send((ledger.seen, ledger.again, ledger.foreign, ledger.requests))

        loop.add_reader(pipe.fileno(), asked)
        await done.wait()

    asyncio.run(run())


@dataclass(frozen=True)
class Sample:
    """Millions of IDs sent, resident MB, and open files, at one moment."""

    millions: float
    mb: float
    files: int


def sample(pid: int, seen: int) -> Sample | None:
    """Look at a process; None when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - the kernel's own list
    except (OSError, IndexError):
        return None
    return Sample(seen / 1e6, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, files)


def slope(samples: list[Sample]) -> float:
    """Return MB per million IDs, by least squares, once the first tenth is behind."""
    end = max((one.millions for one in samples), default=0.0)
    later = [one for one in samples if one.millions > end / 10]
    if len(later) < 2:
        return 0.0
    mean_x = sum(one.millions for one in later) / len(later)
    mean_y = sum(one.mb for one in later) / len(later)
    spread = sum((one.millions - mean_x) ** 2 for one in later)
    if not spread:
        return 0.0
    return sum((one.millions - mean_x) * (one.mb - mean_y) for one in later) / spread


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


def soak(count: int, place: Path) -> dict[str, object]:
    """Send so many IDs; return the figures, and what was wrong with them."""
    mine, its = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(count, its), daemon=True)
    server.start()
    sender = start(place, count, mine.recv())
    began, samples = time.monotonic(), []
    while sender.poll() is None:
        mine.send("?")
        if (one := sample(sender.pid, mine.recv()[0])) is not None and one.millions:
            samples.append(one)
        time.sleep(0.2)
    seconds = time.monotonic() - began
    mine.send("?")
    seen, again, foreign, requests = mine.recv()
    mine.send(None)
    server.join(10)
    out = sender.stdout.read() if sender.stdout else b"{}"
    figures: dict[str, object] = {
        "ids": count,
        "exit": sender.returncode,
        "requests": requests,
        "exactly_once": (seen, again, foreign) == (count, 0, 0),
        "accepted": json.loads(out)["ids"]["accepted"],
        "peak_mb": round(max((one.mb for one in samples), default=0.0), 1),
        "mb_per_million": round(slope(samples), 3),
        "most_files": max((one.files for one in samples), default=0),
        "samples": len(samples),
        "seconds": round(seconds, 1),
    }
    return figures | {"wrong": _wrong(figures)}


def _wrong(figures: dict[str, object]) -> list[str]:
    """Say which figures are out of bounds; a slope needs samples to be believed."""
    bounds = {
        "exit": figures["exit"] == 0,
        "exactly_once": figures["exactly_once"] is True,
        "accepted": figures["accepted"] == figures["ids"],
        "mb_per_million": float(str(figures["mb_per_million"])) < MOST_MB_PER_MILLION,
        "most_files": 0 < int(str(figures["most_files"])) <= MOST_FILES,
        "samples": int(str(figures["samples"])) >= 10,
    }
    return [name for name, good in bounds.items() if not good]


def main() -> int:
    """Print one JSON object."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--ids", type=int, default=10_000_000, help="how many (10,000,000)")
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = soak(chosen.ids, Path(place))
    print(json.dumps(figures, indent=2))  # noqa: T201 - the result
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
