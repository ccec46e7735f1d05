"""Who sends: ours, and what one would take instead, each as a command line."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 1500.0
"""Seconds that a program may take: one that hangs must not take the whole bench with it."""

HERE = Path(__file__).parent / "peers"
BUILD = Path(__file__).parents[2] / "build" / "bench"
"""Where `make bench` puts what the others need."""

ENVIRONMENT = os.environ | {
    "CLEVERTAP_ACCOUNT_ID": "BENCH",
    "CLEVERTAP_PASSCODE": "bench",
    "BENCH_MODULES": str(BUILD / "node_modules"),
    # What is installed has its bytecode: compiling it at each start would be nobody's cost.
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(BUILD / "bytecode"),
}
Words = Callable[[str, Path, int, Path], list[str]]
"""URL, list, requests in flight and an empty directory -> a command line."""


@dataclass(frozen=True)
class Client:
    """A program that sends a list. `share` of it, where all of it would take too long.

    `lists`: it sends what the file holds; the bare loop only looks at its size.
    """

    name: str
    words: Words = field(repr=False)
    share: float = 1.0
    lists: bool = True


def _ours(url: str, path: Path, in_flight: int, place: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bulkdelete", "run", str(path), "--endpoint", url, "--quiet"),
        *("--yes", "--max-deletes", "1000000000", "--runs-dir", str(place / "runs")),
        *("--max-in-flight", str(in_flight)),
    ]


def _script(*program: str) -> Words:
    def words(url: str, path: Path, in_flight: int, _: Path) -> list[str]:
        return [*program, url, str(path), str(in_flight)]

    return words


OURS = Client("bulkdelete", _ours)
BARE = Client("bare aiohttp loop", _script(sys.executable, str(HERE / "bare.py")), lists=False)
UNDICI = Client("Node + undici", _script("node", str(HERE / "undici.mjs")))
GO = Client("Go net/http", _script(str(BUILD / "go-client")))
GATHER = Client("aiohttp gather", _script(sys.executable, str(HERE / "gather.py")))
THREADS = Client(
    "requests + threads", _script(str(BUILD / "venv/bin/python"), str(HERE / "threads.py")), 0.3
)
CURL = Client("curl -Z", _script(str(HERE / "curl.sh")), 0.3)
XARGS = Client("xargs + curl", _script(str(HERE / "xargs.sh")), 0.02)
SYSLOG = Client("syslog-ng", _script(str(HERE / "syslog.sh")))
CLIENTS = (OURS, BARE, UNDICI, GO, GATHER, THREADS, CURL, XARGS, SYSLOG)


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds, and peak resident MB, of a process and its children."""

    cpu: float
    wall: float
    mb: float


class FailedError(Exception):
    """A program did not do what it was measured for; the text says why."""


def send(client: Client, url: str, path: Path, in_flight: int, core: int | None = 1) -> Cost:
    """Run a client to its end; FailedError when it fails."""
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as place:
        words = client.words(url, path, in_flight, Path(place))
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        return cost([*pinned, *words], client.name)


def cost(words: list[str], name: str, codes: Collection[int] = (0,)) -> Cost:
    """Run a command to its end; FailedError when it ends otherwise, or takes too long.

    The peak is not below this process's own: the kernel counts what was there before the exec.
    """
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = _started(words, name, errors.fileno())
        with _ended_after(process):
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            errors.seek(0)
            said = errors.read()[-2000:].decode("utf-8", "replace").strip()
            late = f" after {wall:.0f} s" if wall >= PATIENCE else ""
            raise FailedError(f"{name} ended with {process.returncode}{late}: {said}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def _started(words: list[str], name: str, errors: int) -> "subprocess.Popen[bytes]":
    """Start it as the head of a group, so that what it starts can be ended with it."""
    try:
        return subprocess.Popen(
            words, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=errors, process_group=0
        )
    except OSError as error:
        raise FailedError(f"{name} does not start: {error}") from error


@contextmanager
def _ended_after(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """End the whole group when it takes too long, and when we are ended ourselves."""
    clock = threading.Timer(PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
    clock.start()
    try:
        yield
    finally:
        clock.cancel()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
