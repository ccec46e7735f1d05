"""The end of a command about a run: reports written, the balance shown, the exit code returned."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bulkdelete import reporting
from bulkdelete.cli.console import report_lines
from bulkdelete.core.report import Reason, Report
from bulkdelete.errors import BulkdeleteError, BusyError, IntegrityError
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.io.rundir import RunDir


def read(run: "RunDir") -> Report:
    """Work out the summary of a run, alive or dead; IntegrityError when it cannot be believed."""
    run.check()
    plan = run.plan()
    progress, reader = run.progress(plan)
    return reporting.summary(run, plan, progress, head=reader.head, busy=run.busy())


def show(console: "Console", run: "RunDir", error: BulkdeleteError | None, note: str = "") -> int:
    """Print how a run stands after this command; `error` is what stopped or refused it."""
    if error is not None:
        console.failure(error)
    if isinstance(error, IntegrityError):
        report = _unreadable(run, error)
    else:
        report = read(run)
        if error is not None:
            report = _with(report, error)
            if not isinstance(error, BusyError):  # then the report is the other process's
                with suppress(OSError):  # a full disk: the balance is printed all the same
                    _write(run, report)
    console.object(report)
    for line in report_lines(report):
        console.note(line)
    if (run.path / "report.html").exists():
        console.note(f"  report       {run.path / 'report.html'}")
    step_summary(run)
    code = error.exit if error is not None else _code(report)
    console.result(note or f"{report.state}, exit {code}: {run.path}")
    return code


def step_summary(run: "RunDir") -> None:
    """Add the report to the summary page of a CI job, where there is one."""
    place, source = os.environ.get("GITHUB_STEP_SUMMARY"), run.path / "report.md"
    if not place or not source.exists():
        return
    with suppress(OSError), Path(place).open("a", encoding="utf-8") as page:
        page.write(source.read_text("utf-8"))


def _code(report: Report) -> int:
    return report.exit_code if report.state == "finished" and report.exit_code else 0


def _with(report: Report, error: BulkdeleteError) -> Report:
    """Put this command's refusal into the summary, where the checkpoint does not have it."""
    refused = report.state in {"planned", "draft"}
    return msgspec.structs.replace(
        report,
        state="refused" if refused else report.state,
        exit_code=error.exit,
        reason=Reason(error.code, str(error), error.hint),
    )


def _write(run: "RunDir", report: Report) -> None:
    plan = run.plan()
    progress, _ = run.progress(plan)
    reporting.write(run, report, plan, progress, __version__)


def _unreadable(run: "RunDir", error: BulkdeleteError) -> Report:
    """Make the summary of a run whose files refuse to be read, as far as they can be."""
    try:
        return _with(read(run), error)
    except (BulkdeleteError, OSError):
        from bulkdelete.cli.console import refusal

        empty = msgspec.convert(refusal(error), Report)
        return msgspec.structs.replace(empty, run_id=run.run_id, run_dir=str(run.path))
