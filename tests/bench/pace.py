"""`make bench-pace`: how exactly `--rate` is kept, and what it costs. For a quiet machine.

Each rate twice: the pacer alone, as fast as it lets one start; and a whole run of the program,
against a server in a process of its own that notes when the first byte of each request came.

`rate` is what came in percent of what was asked, from the third request to the last; `worst` the
most in any one second, and what that may be; `CPU` the share of a core that the process took.
Exits with 1 where it is not as wanted: 98 to 100.5 % of the rate, nothing above what a second may
hold, and 5 % of a core for the pacer. `--page` writes a table into that page.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bulkdelete.core.pace import most
from bulkdelete.io.pacing import Pacer
from tests.bench.gate import page

RATES = (1, 10, 100, 1000, 5000)
LEAST, MOST = 98.0, 100.5
"""Percent of the rate that are wanted."""

MOST_CPU = 5.0
"""Percent of a core that pacing may take; a whole run has its requests to make besides."""

SKIPPED = 2
"""The first one goes alone, and the second follows when it was answered."""

PACER, PROGRAM = "pacer", "program"

_HEAD = (
    "| a second | what | % of it came | most in a second | % of a core |\n|---|---|---|---|---|\n"
)

ANSWER = b'{"status":"success"}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)


@dataclass(frozen=True, slots=True)
class Kept:
    """When requests started, in seconds, and what share of a core it took."""

    times: Sequence[float]
    cpu: float

    def share(self, rate: int) -> float:
        """Return what came, in percent of what was asked for."""
        times = self.times[SKIPPED:]
        return 100 * (len(times) - 1) / (times[-1] - times[0]) / rate

    def line(self, rate: int, what: str) -> str:
        """Say how the rate was kept."""
        worst = f"{worst_second(self.times)}/{most(rate)}"
        share, cpu = self.share(rate), 100 * self.cpu
        verdict = "" if self.good(rate, what) else "  not as wanted"
        return f"{rate:6}/s  {what:8}{share:8.2f} %{worst:>14}{cpu:9.1f} %{verdict}"

    def row(self, rate: int, what: str) -> str:
        """Say it as a line of a table of Markdown; what is not as wanted is bold."""
        share = f"{self.share(rate):.2f}"
        share = share if self.good(rate, what) else f"**{share}**"
        worst = f"{worst_second(self.times):,} of {most(rate):,}"
        return f"| {rate:,} | {what} | {share} | {worst} | {100 * self.cpu:.1f} |\n"

    def good(self, rate: int, what: str) -> bool:
        """Tell whether it is as wanted."""
        cheap = what != PACER or 100 * self.cpu <= MOST_CPU
        return (
            cheap and LEAST <= self.share(rate) <= MOST and worst_second(self.times) <= most(rate)
        )


def worst_second(times: Sequence[float]) -> int:
    """Return the most starts in any second, wherever it begins."""
    worst = 0
    within: deque[float] = deque()
    for at in times:
        within.append(at)
        while within[0] <= at - 1.0:
            within.popleft()
        worst = max(worst, len(within))
    return worst


async def alone(rate: int, seconds: float) -> Kept:
    """Let starts out and do nothing with them."""
    pacer, loop = Pacer(rate), asyncio.get_running_loop()
    times = array("d")
    began, cpu = loop.time(), time.process_time()
    while loop.time() < began + seconds or len(times) < SKIPPED + 2:
        await pacer.start()
        times.append(loop.time())
    return Kept(times, (time.process_time() - cpu) / (loop.time() - began))


def program(rate: int, seconds: float, place: Path) -> Kept:
    """Run the program with `--rate` against a server that notes the times."""
    count = max(SKIPPED + 2, round(rate * seconds))
    path, noted = place / f"{rate}.csv", place / f"{rate}.times"
    path.write_text("identity\n" + "".join(f"u-{n}\n" for n in range(count)), "utf-8")
    words = (sys.executable, "-m", "tests.bench.pace", "--serve", str(noted))
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip() if server.stdout else ""
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            _run(path, url, rate, count, place / "runs"),
            env=os.environ | {"CLEVERTAP_ACCOUNT_ID": "BENCH", "CLEVERTAP_PASSCODE": "bench"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        # The server is not waited for yet: what grew is the program's.
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        if server.stdout:
            server.stdout.close()
    times = array("d", noted.read_bytes())
    if len(times) != count:
        raise AssertionError(f"{count} requests were due, {len(times)} came")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Kept(times, used / wall)


def _run(path: Path, url: str, rate: int, count: int, runs: Path) -> list[str]:
    in_flight = max(3, min(64, rate // 50))
    return [
        *(sys.executable, "-m", "bulkdelete", "run", str(path), "--endpoint", url),
        *("--chunk-size", "1", "--rate", str(rate), "--max-in-flight", str(in_flight)),
        *("--yes", "--max-deletes", str(count), "--runs-dir", str(runs), "--quiet"),
    ]


class _Noting(asyncio.Protocol):
    """Answers each POST with a success, and notes when its first byte came."""

    def __init__(self, times: "array[float]") -> None:
        self._times = times
        self._data = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("TCP only")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self._began = time.monotonic()
        self._data += data
        head, gap, body = self._data.partition(b"\r\n\r\n")
        if gap and len(body) >= _length(head):
            self._times.append(self._began)
            self._data = b""
            self._transport.write(REPLY)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(noted: Path) -> None:
    """Serve until SIGTERM, then write the times down."""
    times, loop, end = array("d"), asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    server = await loop.create_server(lambda: _Noting(times), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await end.wait()
    server.close()
    noted.write_bytes(times.tobytes())  # noqa: ASYNC240 - nobody is served any more


def main() -> None:
    """Measure, a line a rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=25.0, help="of each measurement")
    parser.add_argument("--rate", type=int, action="append", help="instead of all of them")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the times to this file")
    parser.add_argument("--page", type=Path, help="renew the table of this page")
    said = parser.parse_args()
    if said.serve:
        asyncio.run(serve(said.serve))
        return
    sys.stdout.write(f"{'':18}{'rate':>10}{'worst':>14}{'CPU':>11}\n")
    found: dict[str, list[float]] = {}
    table, good = _HEAD, True
    with tempfile.TemporaryDirectory(prefix="bulkdelete-pace-") as name:
        for rate in said.rate or RATES:
            for what, kept in (
                (PACER, asyncio.run(alone(rate, said.seconds))),
                (PROGRAM, program(rate, said.seconds, Path(name))),
            ):
                sys.stdout.write(kept.line(rate, what) + "\n")
                sys.stdout.flush()
                found[f"{what} {rate}"] = list(kept.times)
                table += kept.row(rate, what)
                good = good and kept.good(rate, what)
    if said.json:
        said.json.write_text(json.dumps(found) + "\n", "utf-8")
    if said.page:
        when = datetime.now(UTC).date().isoformat()
        how = f"\nMeasured on {when}, {said.seconds:g} s each. What misses is bold.\n\n"
        page.renew(said.page, pace=f"{how}{table}\n")
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
