"""A finished run of 100 million IDs, and what looking at it costs: `python -m tests.large`.

Plan and log are made with the program's own codec; nothing is sent, and there is no input. Each
command then runs as a process of its own. Exits 1 when one of them needs more memory than it may.
"""

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from bulkdelete.core import checkpoint as log
from bulkdelete.core import plan as plans
from bulkdelete.core import report as reports
from bulkdelete.core.digests import account_tag
from bulkdelete.core.index import IndexBuilder
from bulkdelete.core.model import Kind
from bulkdelete.core.progress import Progress
from bulkdelete.io.rundir import RunDir
from tests.plans import ONE_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_MB = 512
SIZE = 100
STARTS = 30
_KEY = bytes(32)
_BEGAN = 1_780_000_000.0
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("report",),
    ("report", "--receipt"),
    ("audit",),
)


def make(place: Path, chunks: int) -> RunDir:
    """Make a finished run of so many chunks, a few of which had trouble."""
    place.mkdir(mode=0o700)
    index = IndexBuilder()
    for seq in range(chunks):
        index.add(bytes(SIZE))
        index.add_chunk(Kind.IDENTITY, SIZE, _digest(seq))
    sections = index.sections()
    plan = _plan(chunks, hashlib.sha256(b"".join(sections)).hexdigest())
    text = plan.encode()
    _write(place / "plan.json", text)
    _write(place / "plan.index", *sections)
    _write(place / "run.key", _KEY)
    header = log.Header(
        format=log.FORMAT_VERSION,
        tool="0",
        run=place.name,
        plan=plan.digest,
        plan_file=hashlib.sha256(text).hexdigest(),
        host=plan.bound.host,
        account=account_tag(_KEY, plan.bound.account or ""),
        chunks=chunks,
        at=_BEGAN,
    )
    writer, progress = log.Writer(), Progress(chunks)
    with (place / "checkpoint.log").open("wb", buffering=1 << 20) as file:
        for group in _groups(header, chunks):
            file.write(writer.group(group))
            progress.replay(group)
        counted = reports.as_dict(reports.balance(plan.counts, progress))
        seal = log.Seal(at=progress.last_at, exit=3, ids=counted, head=writer.head)
        file.write(writer.group([seal]))
    (place / "checkpoint.log").chmod(0o600)
    return RunDir(place)


def _digest(seq: int) -> bytes:
    return seq.to_bytes(16, "big")


def _groups(header: log.Header, chunks: int) -> "Iterator[list[log.Record]]":
    """Yield commit groups as a process makes them: an outcome and the next intent together."""
    dice = random.Random(1)
    approval = log.Approval(
        how="typed", who="ana", ids=chunks * SIZE, at=_BEGAN, expires=_BEGAN + 9e6
    )
    yield [header]
    yield [approval]
    at = _BEGAN
    waiting: list[log.Record] = []
    for seq in range(chunks):
        at += 0.33
        if seq % max(1, chunks // STARTS) == 0:
            waiting.append(log.Start(at=at, pid=seq, machine="m", in_flight=3, todo=chunks - seq))
        intended = log.Intent(chunk=seq, lo=0, hi=SIZE, attempt=1, digest=_digest(seq).hex(), at=at)
        yield [*waiting, intended]
        waiting, attempt = [], 1
        if dice.random() < 0.01:
            yield [_outcome(seq, attempt, "throttled", at, "http_429")]
            attempt = 2
            yield [msgspec.structs.replace(intended, attempt=2, at=at + 0.1)]
        bad = (7,) if dice.random() < 0.001 else ()
        verdict = "partial" if bad else "accepted"
        waiting = [_outcome(seq, attempt, verdict, at + 0.3, "named" if bad else "", bad)]
    yield waiting


def _outcome(
    seq: int, attempt: int, verdict: str, at: float, reason: str, bad: tuple[int, ...] = ()
) -> log.Outcome:
    return log.Outcome(
        chunk=seq,
        lo=0,
        hi=SIZE,
        attempt=attempt,
        verdict=verdict,
        at=at,
        reason=reason,
        status=200,
        body="0" * 16,
        ms=300.0 + seq % 700,
        bad=bad,
    )


def _plan(chunks: int, index_sha256: str) -> plans.Plan:
    count = chunks * SIZE
    bound = replace(ONE_COLUMN, rules=plans.RULES_VERSION, chunk_size=SIZE)
    counts = plans.Counts(
        read=count,
        planned=count,
        duplicate=0,
        protected=0,
        invalid=0,
        excluded=0,
        identities=count,
        guids=0,
        chunks=chunks,
    )
    content = "b" * 64
    return plans.Plan(
        schema=plans.SCHEMA,
        tool="0",
        created=_BEGAN,
        digest=plans.digest(bound, content, counts),
        bound=bound,
        content=content,
        counts=counts,
        parts=(plans.PartFacts(path="/nowhere/list.csv", sha256="c" * 64, size=9, records=count),),
        inputs=("/nowhere/list.csv",),
        protect=(),
        reading=plans.Reading(
            format="auto",
            delimiter=None,
            encoding="utf-8",
            column=None,
            header=True,
            id_type=None,
            explode=False,
        ),
        reasons=(),
        index_sha256=index_sha256,
        seconds=1.0,
    )


def _write(path: Path, *sections: bytes) -> None:
    path.write_bytes(b"".join(sections))
    path.chmod(0o600)


def cost(*words: str) -> tuple[float, float]:
    """Run a command of the program; return its CPU seconds and its peak memory in MB."""
    command = [sys.executable, "-m", "bulkdelete", *words]
    pid = os.posix_spawn(
        sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, *_AWAY)]
    )
    _, status, usage = os.wait4(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(words)} ended with {code}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


_AWAY = (1, os.devnull, os.O_WRONLY, 0)


def main() -> int:
    """Make the run, look at it with each command, and say what that cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where to make the run, and leave it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        place = chosen.keep or Path(name) / "run"
        if not place.exists():
            # In a process of its own: what this one holds would count as its children's memory.
            with ProcessPoolExecutor(1) as other:
                other.submit(make, place, chosen.chunks).result()
        size = (place / "checkpoint.log").stat().st_size / 1e6
        sys.stdout.write(f"{size:,.0f} MB of log in {time.monotonic() - began:.0f} s\n")
        most = 0.0
        for words in COMMANDS:
            seconds, peak = cost(words[0], str(place), *words[1:])
            most = max(most, peak)
            sys.stdout.write(f"{' '.join(words):<18} {seconds:7.1f} s CPU {peak:7.0f} MB\n")
            sys.stdout.flush()
    return int(most > MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
