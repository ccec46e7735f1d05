"""The end of a command about a run: the balance shown, the exit code returned."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.cli.console import report_lines

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.core.report import Report
    from bulkdelete.errors import BulkdeleteError


def show(
    console: "Console", report: "Report", error: "BulkdeleteError | None", note: str = ""
) -> int:
    """Print how a run stands after this command; `error` is what stopped or refused it."""
    if error is not None:
        console.failure(error)
    console.object(report)
    if already_finished(report):
        console.result(f"already finished, nothing was sent: {report.run_dir}")
        return report.exit_code or 0
    for line in report_lines(report):
        console.note(line)
    place = Path(report.run_dir)
    if (place / "report.html").exists():
        console.note(f"  report       {place / 'report.html'}")
    step_summary(place / "report.md")
    code = error.exit if error is not None else _code(report)
    console.result(note or f"{report.state}, exit {code}: {report.run_dir}")
    return code


def already_finished(report: "Report") -> bool:
    """Tell whether there was nothing to do, for it was done before."""
    return report.reason is not None and report.reason.code == "already_finished"


def step_summary(source: Path) -> None:
    """Add a report in Markdown to the summary page of a CI job, where there is one."""
    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if not place or not source.exists():
        return
    with suppress(OSError), Path(place).open("a", encoding="utf-8") as page:
        page.write(source.read_text("utf-8"))


def _code(report: "Report") -> int:
    return report.exit_code if report.state == "finished" and report.exit_code else 0
