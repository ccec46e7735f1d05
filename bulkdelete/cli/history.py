"""All runs under a directory: when, what, how many, how each ended; and which may go by age."""

import time
from typing import TYPE_CHECKING

import msgspec

from bulkdelete import reporting
from bulkdelete.errors import BulkdeleteError, UsageError
from bulkdelete.io.rundir import runs_in
from bulkdelete.settings import duration

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.cli.console import Console
    from bulkdelete.core.report import Report
    from bulkdelete.io.rundir import RunDir

_UNREADABLE = 6


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run in the history; `made` and `ended` in seconds since the epoch, UTC."""

    run_dir: str
    state: str
    exit_code: int | None = None
    made: float = 0.0
    ended: float | None = None
    ids: dict[str, int] = {}
    in_flight: int = 0
    verified: str = ""
    error: str = ""


def age(keep: str | None) -> float | None:
    """Read `--keep`, in seconds."""
    if keep is None:
        return None
    try:
        return duration(keep)
    except ValueError as error:
        raise UsageError("bad_value", f"--keep: {error}") from error


def show(console: "Console", place: "Path", keep: float | None) -> int:
    """Print the history, the newest first; remove what is older than `keep` seconds before."""
    removed = [] if keep is None else _remove_older(place, time.time() - keep)
    rows = [_row(run) for run in runs_in(place)]
    console.object(
        {
            "schema": "bulkdelete.runs/1",
            "runs": [msgspec.to_builtins(row) | _always(row) for row in rows],
            "removed": removed,
        }
    )
    for one in removed:
        console.note(f"removed {one}")
    if not rows:
        console.result(f"There are no runs in {place}")
    for row in rows:
        console.result("\n".join(_lines(row)))
    return _UNREADABLE if any(row.error for row in rows) else 0


def _always(row: Row) -> dict[str, object]:
    return {"exit_code": row.exit_code, "ids": row.ids, "verified": row.verified or None}


def _row(run: "RunDir") -> Row:
    try:
        run.check()
        plan = run.plan()
        progress, reader = run.progress(plan)
        report = reporting.summary(run, plan, progress, head=reader.head, busy=run.busy())
    except BulkdeleteError as error:
        return Row(run_dir=str(run.path), state="unreadable", error=str(error))
    return Row(
        run_dir=report.run_dir,
        state=report.state,
        exit_code=report.exit_code,
        made=plan.created,
        ended=progress.last_at if progress.starts and report.state not in reporting.ALIVE else None,
        ids=report.ids,
        in_flight=report.in_flight.ids,
        verified=_verified(report),
    )


def _verified(report: "Report") -> str:
    found = report.verification
    if found is None:
        return ""
    kept = "all gone" if found.gone == found.asked else f"{found.asked - found.gone:,} not gone"
    return f"{found.asked:,} asked, {kept}, on {reporting.day(found.concluded)[:10]}"


def _lines(row: Row) -> list[str]:
    """Describe a run on two lines of at most 80 columns, and its directory to copy."""
    if row.error:
        return [f"{'':16}  unreadable", f"    {row.error}", f"    {row.run_dir}"]
    ids = row.ids
    planned = sum(ids[name] for name in ("accepted", "rejected", "ambiguous", "unsent"))
    end = row.state + (f", exit {row.exit_code}" if row.exit_code is not None else "")
    when = reporting.day(row.ended or row.made)[:16]
    lines = [f"{when}  {end:<22}  {ids['accepted']:,} of {planned:,} IDs accepted"]
    rest = {
        "rejected": ids["rejected"],
        "ambiguous": ids["ambiguous"] - row.in_flight,
        "in flight now": row.in_flight,
        "unsent": ids["unsent"],
    }
    if row.state not in {"draft", "planned"} and any(rest.values()):
        lines.append("    " + ", ".join(f"{n:,} {name}" for name, n in rest.items() if n))
    if row.verified:
        lines.append(f"    verified: {row.verified}")
    elif row.ids["accepted"]:
        lines.append("    not verified")
    return [*lines, f"    {row.run_dir}"]


# --- retention ---


def _remove_older(place: "Path", before: float) -> list[str]:
    """Remove the runs that ended before a time; return their directories."""
    return [str(run.path) for run in runs_in(place) if _ended_before(run, before) and _remove(run)]


def _ended_before(run: "RunDir", before: float) -> bool:
    """Tell whether a run came to its end, and did so long enough ago."""
    try:
        run.check()
        progress, _ = run.progress(run.plan())
    except BulkdeleteError:
        return False  # what cannot be read may be unfinished
    return (progress.seal is not None or progress.abandoned) and progress.last_at < before


def _remove(run: "RunDir") -> bool:
    """Remove a run that nobody holds; False when somebody does."""
    try:
        with run.lock(patience=0):
            run.remove()
    except BulkdeleteError:
        return False
    return True
