"""The other files of a run, altered: what every process asks before it sends must refuse them.

And `audit` must see an altered byte of any file.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bulkdelete import auditing, comparing
from bulkdelete.core.plan import Plan
from bulkdelete.emulator import EmulatorConfig, running
from bulkdelete.errors import BulkdeleteError
from bulkdelete.io.rundir import RunDir
from bulkdelete.reading import Part
from tests.microscope.lens import Tally

PAPERS = ("plan.json", "plan.index", "run.key")
_ROWS = ["Type,Identity", *(f"{'ig'[n % 3 == 0]},user-{n}" for n in range(230)), "i,user-1", "i,*"]


def make_run(place: Path) -> RunDir:
    """Plan a small list of both kinds, with a duplicate and a protected ID, as a user would."""
    _command(place, "plan", *_FLAGS, "--region", "eu1")
    return RunDir(place / "run")


def finished_run(place: Path) -> RunDir:
    """Send that list to an emulator that refuses one of the IDs."""

    async def send() -> None:
        config = EmulatorConfig(
            account_id="ACCT", passcode="secret-1", latency=0.0, refuse_pattern="^user-99$"
        )
        async with running(config) as emulator:
            words = ("run", *_FLAGS, "--endpoint", emulator.url, "--yes", "--max-deletes", "500")
            await asyncio.to_thread(_command, place, *words, code=3)

    # In a thread: whoever asks may be running a loop of its own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, send()).result()
    return RunDir(place / "run")


_FLAGS = (
    *("list.csv", "--account-id", "ACCT", "--protect", "staff.txt"),
    *("--chunk-size", "40", "--run-dir", "run"),
)


def _command(place: Path, *words: str, code: int = 0) -> None:
    (place / "list.csv").write_text("\n".join([*_ROWS, ""]), "utf-8")
    (place / "staff.txt").write_text("user-7\n", "utf-8")
    strange = ("BULKDELETE_", "CLEVERTAP_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    ended = subprocess.run(
        [sys.executable, "-m", "bulkdelete", *words],
        cwd=place,
        env=clean | {"CLEVERTAP_PASSCODE": "secret-1"},
        check=False,
        capture_output=True,
    )
    if ended.returncode != code:
        raise AssertionError(ended.stderr.decode())


def believe(run: RunDir) -> None:
    """Read a run as a process does that wants to send; BulkdeleteError when it must not."""
    plan = run.plan()
    run.index(plan).close()
    progress, _ = run.progress(plan)
    run.own_key(plan, progress.header)


def papers(run: RunDir, part: int, parts: int, step: int) -> Tally:
    """Turn over every bit of the plan, its index and the key, and cut each at every byte."""
    tally = Tally()
    believe(run)
    for name in PAPERS:
        path = run.path / name
        whole = path.read_bytes()
        for bit in range(part * step, len(whole) * 8, parts * step):
            altered = bytearray(whole)
            altered[bit >> 3] ^= 1 << (bit & 7)
            _look(run, path, bytes(altered), f"{name}, bit {bit}", tally)
        for length in range(part * step, len(whole), parts * step):
            _look(run, path, whole[:length], f"{name} cut at {length}", tally)
        path.write_bytes(whole)
    believe(run)
    return tally


def _look(run: RunDir, path: Path, altered: bytes, name: str, tally: Tally) -> None:
    path.write_bytes(altered)
    try:
        believe(run)
    except BulkdeleteError as error:
        if error.exit == 6:
            tally.seen["refused"] += 1
        else:
            tally.wrong.append(f"{name}: exit {error.exit}")
    except Exception as error:  # noqa: BLE001 - whatever else it is, it is a finding
        tally.wrong.append(f"{name}: {type(error).__name__}: {error}")
    else:
        tally.wrong.append(f"{name}: believed")


AUDITED = (*PAPERS, "checkpoint.log", "report.json", "report.html", "report.md")


async def bytes_of(run: RunDir, part: int, parts: int, step: int) -> Tally:
    """Alter every byte of a finished run's files and of its input; an audit sees each."""
    tally = Tally()
    files = [run.path / name for name in AUDITED]
    lists = [part.path for part in _parts(run.plan()) if isinstance(part.path, Path)]
    for path in (*files, *lists):
        whole = path.read_bytes()
        for place in range(part * step, len(whole), parts * step):
            altered = bytearray(whole)
            altered[place] ^= 1 << (place % 8)
            path.write_bytes(altered)
            if await _audit_is_ok(run, path):
                tally.wrong.append(f"{path.name}, byte {place}: the audit is content")
            else:
                tally.seen["refused"] += 1
        path.write_bytes(whole)
    if not (await auditing.audit(run, _parts)).ok:
        tally.wrong.append("the run as it was is not ok")
    return tally


async def _audit_is_ok(run: RunDir, path: Path) -> bool:
    if path in run.pages:  # they are large, and nothing else looks at them
        return comparing.page(path)[0] is True
    return (await auditing.audit(run, _parts)).ok


def _parts(plan: Plan) -> Sequence[Part]:
    return [Part(Path(one.path), one.path) for one in plan.parts]
