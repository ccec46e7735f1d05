"""How long a slot is empty between an answer and the next request, as the server sees it.

The default three in flight, requests of a tenth of a second, a log in memory, on the disk, and on
one whose syncs take 5 ms more. Each sync is timed inside the program (`--syncs`): one lies between
an answer and the next request (docs/gate.md says why it must), and what else there is is ours.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import soak
from tests.bench.clients import ENVIRONMENT, OURS, FailedError
from tests.bench.figures import Figure

LATENCY = 0.1
CHUNKS = 120
SLOW_SYNC = 0.005
SKIPPED = 2 * soak.SLOTS
"""Requests at first that are not looked at: they have their connections to make."""

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own is made in it
PLACES = (
    ("a log in memory", _MEMORY, 0.0, "<= 1.0"),
    ("a log on the disk", Path(tempfile.gettempdir()), 0.0, ""),
    ("syncs of 5 ms more", _MEMORY, SLOW_SYNC, ""),
)


def measure(count: int, rounds: int) -> list[Figure]:
    """Return the gaps of each place. `count` is there because all groups have it."""
    del count
    gaps: dict[str, list[float]] = {name: [] for name, *_ in PLACES}
    syncs: dict[str, list[float]] = {name: [] for name, *_ in PLACES}
    for _ in range(rounds):
        for name, where, more, _ in PLACES:
            with tempfile.TemporaryDirectory(prefix="bulkdelete-turnaround-", dir=where) as place:
                gap, sync = turnaround(Path(place), more)
            gaps[name].append(gap)
            syncs[name].append(sync)
    found = []
    for name, _, _, target in PLACES:
        left = tuple(gap - sync for gap, sync in zip(gaps[name], syncs[name], strict=True))
        found += [
            _figure(f"a slot empty between two requests, {name}", gaps[name], target),
            _figure(f"a sync, {name}", syncs[name], ""),
            _figure(f"a slot empty less one sync, {name}", left, "<= 1.0"),
        ]
    return found


def _figure(what: str, ours: "list[float] | tuple[float, ...]", target: str) -> Figure:
    return Figure("turnaround", what, "ms", tuple(ours), target=target)


def turnaround(place: Path, more: float) -> tuple[float, float]:
    """Return how long a slot is empty, and what a sync takes, in ms: medians of one run."""
    count = 100 * CHUNKS
    listed, noted = place / "list.csv", place / "syncs"
    listed.write_text("identity\n" + "".join(f"soak-{n:09d}\n" for n in range(count)), "ascii")
    mine, its = multiprocessing.Pipe()
    server = multiprocessing.Process(target=soak.serve, args=(count, LATENCY, its), daemon=True)
    server.start()
    try:
        words = OURS.words(f"http://127.0.0.1:{mine.recv()}", listed, soak.SLOTS, place)
        inside = [sys.executable, "-m", "tests.bench.turnaround", "--syncs", str(noted)]
        inside += ["--more", str(more), "--", *words[words.index("run") :]]
        if subprocess.run(
            inside, env=ENVIRONMENT, stderr=subprocess.DEVNULL, check=False
        ).returncode:
            raise FailedError("the run did not end well")
        mine.send("gaps")
        gaps = mine.recv()
    finally:
        server.terminate()
        server.join()
    if len(gaps) != CHUNKS - soak.SLOTS:
        raise FailedError(f"{len(gaps)} gaps between {CHUNKS} requests")
    took = [float(line) for line in noted.read_text("ascii").split()]
    return 1000 * statistics.median(gaps[SKIPPED:]), 1000 * statistics.median(took)


def main() -> None:
    """Run the program, and write down what each sync took, in seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--syncs", type=Path, required=True, help="where to write it")
    parser.add_argument("--more", type=float, default=0.0, help="seconds that each takes longer")
    parser.add_argument("words", nargs="+", help="the program's own arguments")
    said = parser.parse_args()
    real, took = os.fdatasync, []

    def fdatasync(file: int) -> None:
        began = time.perf_counter()
        real(file)
        time.sleep(said.more)
        took.append(time.perf_counter() - began)

    os.fdatasync = fdatasync  # type: ignore[assignment]
    from bulkdelete.cli import main as program  # noqa: PLC0415 - with the sync above

    sys.argv = ["bulkdelete", *said.words]
    try:
        program()
    finally:
        with contextlib.suppress(OSError):
            said.syncs.write_text("\n".join(map(str, took)), "ascii")


if __name__ == "__main__":
    main()
