"""The other files of a run, altered: what every process asks before it sends must refuse them."""

import os
import subprocess
import sys
from pathlib import Path

from bulkdelete.errors import BulkdeleteError
from bulkdelete.io.rundir import RunDir
from tests.microscope.lens import Tally

PAPERS = ("plan.json", "plan.index", "run.key")
_ROWS = ["Type,Identity", *(f"{'ig'[n % 3 == 0]},user-{n}" for n in range(230)), "i,user-1", "i,*"]


def make_run(place: Path) -> RunDir:
    """Plan a small list of both kinds, with a duplicate and a protected ID, as a user would."""
    (place / "list.csv").write_text("\n".join([*_ROWS, ""]), "utf-8")
    (place / "staff.txt").write_text("user-7\n", "utf-8")
    strange = ("BULKDELETE_", "CLEVERTAP_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    flags = ["--region", "eu1", "--account-id", "ACCT", "--protect", "staff.txt"]
    words = ["plan", "list.csv", *flags, "--chunk-size", "40", "--run-dir", "run"]
    subprocess.run(
        [sys.executable, "-m", "bulkdelete", *words],
        cwd=place,
        env=clean,
        check=True,
        capture_output=True,
    )
    return RunDir(place / "run")


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
