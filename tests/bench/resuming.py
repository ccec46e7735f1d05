"""Going on with a run of which a million chunks are done, against planning the same list."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bulkdelete.core import checkpoint as log
from bulkdelete.core.plan import Plan
from bulkdelete.io import files, snapshots
from bulkdelete.io.journal import SNAPSHOT_AFTER
from bulkdelete.io.rundir import IndexFile, RunDir
from tests.bench.clients import ENVIRONMENT, FailedError, cost
from tests.bench.figures import Figure
from tests.bench.lists import one_column
from tests.bench.sink import sink

LEFT = 10
"""Chunks that are left to send."""
_PATIENCE = 300.0


def measure(count: int, rounds: int) -> list[Figure]:
    """Return what loading the checkpoint takes, and what a resume does, as a share of planning.

    A chunk is one ID here: the log is as long as that of a hundred times as many IDs. The resume
    counts until its first intent is written: what the end takes is the same for all runs.
    """
    loads, resumes, plans = [], [], []
    with tempfile.TemporaryDirectory(prefix="bulkdelete-bench-") as name:
        place = Path(name)
        path = place / "resume.csv"
        one_column(path, count, seed=2)
        with sink(place) as found:
            for number in range(rounds):
                runs = place / str(number)
                plans.append(cost(_words("plan", path, found.plain, runs), "plan").wall)
                (run,) = (RunDir(one) for one in runs.iterdir() if one.is_dir())
                plan = run.plan()
                _finish(run, plan)
                began = time.perf_counter()
                progress, _ = run.progress(plan)
                loads.append(time.perf_counter() - began)
                if progress.first_unsettled() != plan.counts.chunks - LEFT:
                    raise FailedError("the log that was made does not say what it should")
                resumes.append(_until_intent(run))
                sys.stderr.write(
                    f"round {number + 1}: load {loads[-1]:.2f} s, resume {resumes[-1]:.2f} s, "
                    f"planning {plans[-1]:.2f} s\n"
                )
    group = f"going on after {count - LEFT:,} chunks"
    return [
        Figure(group, "loading the checkpoint", "s", tuple(loads), target="<= 0.2"),
        Figure(
            group, "until it sends, against planning", "s", tuple(resumes), tuple(plans), "<= 0.5"
        ),
    ]


def _words(command: str, path: Path, url: str, runs: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bulkdelete", command, str(path), "--endpoint", url, "--quiet"),
        *("--chunk-size", "1", "--runs-dir", str(runs)),
    ]


def _apply(run: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bulkdelete", "apply", str(run), "--quiet"),
        *("--yes", "--max-deletes", "1000000000"),
    ]


def _until_intent(run: RunDir) -> float:
    """Go on with a run; return the seconds until it puts on record what it is about to send."""
    began = time.perf_counter()
    process = subprocess.Popen(_apply(run.path), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    try:
        with run.log_path.open("rb") as file:
            file.seek(0, 2)
            while b'"intent"' not in file.read():
                if process.poll() is not None:
                    raise FailedError("apply ended before it sent anything")
                time.sleep(0.002)
            seconds = time.perf_counter() - began
        if process.wait(_PATIENCE):
            raise FailedError(f"apply ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
    return seconds


def _finish(run: RunDir, plan: Plan) -> None:
    """Append what a process writes that sends all chunks but the last, and is killed then.

    With the snapshot that it keeps by the way.
    """
    progress, reader = run.progress(plan)
    writer, taken_at = reader.writer(), 0
    index = run.index(plan)
    with run.log_path.open("ab", buffering=1 << 20) as file:
        for group in _groups(plan, index):
            file.write(writer.group(group))
            progress.replay(group)
            if (size := file.tell()) - taken_at >= SNAPSHOT_AFTER:
                taken_at, kept = size, snapshots.take(progress, writer.place())
    index.close()
    files.replace(run.snapshot_path, kept())


def _groups(plan: Plan, index: IndexFile) -> Iterator[list[log.Record]]:
    now = time.time()
    count = plan.counts.chunks
    yield [log.Approval(how="typed", who="ana", ids=plan.counts.planned, at=now, expires=now + 9e4)]
    yield [log.Start(at=now, pid=1, machine="m", in_flight=3, todo=count)]
    waiting: list[log.Record] = []
    for seq in range(count - LEFT):
        digest = index.chunk(seq).digest.hex()
        intended = log.Intent(chunk=seq, lo=0, hi=1, attempt=1, digest=digest, at=now)
        yield [*waiting, intended]
        waiting = [
            log.Outcome(
                chunk=seq,
                lo=0,
                hi=1,
                attempt=1,
                verdict="accepted",
                at=now,
                status=200,
                body="0" * 16,
                ms=300.0 + seq % 700,
            )
        ]
    yield waiting
