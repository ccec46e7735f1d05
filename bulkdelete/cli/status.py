"""`bulkdelete status`: one run, alive or dead, or a table of them all. Offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_OUT = OutputFlags()


def status(
    run_dir: Annotated[Path | None, Parameter(help="A run directory; none: all runs.")] = None,
    /,
    *,
    runs_dir: Annotated[str | None, Parameter(help="Where runs live.")] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Show what is known of one run, or a table of all runs. Exits 0 when the balance verifies."""

    async def body(console: "Console") -> int:
        from bulkdelete.cli.common import load_settings
        from bulkdelete.cli.console import report_lines
        from bulkdelete.cli.summary import read
        from bulkdelete.io.rundir import RunDir

        if run_dir is None:
            place = load_settings(output, {"runs_dir": runs_dir}).runs_dir
            return _table(console, place)
        report = read(RunDir(run_dir))
        console.object(report)
        console.result("\n".join(report_lines(report)))
        return 0

    return execute(output, body)


def _table(console: "Console", place: Path) -> int:
    from bulkdelete.cli.summary import read
    from bulkdelete.errors import BulkdeleteError
    from bulkdelete.io.rundir import runs_in

    rows: list[dict[str, object]] = []
    worst = 0
    for run in runs_in(place):
        try:
            report = read(run)
        except BulkdeleteError as error:
            worst = 6
            rows.append({"run_dir": str(run.path), "state": "unreadable", "error": str(error)})
            continue
        rows.append(
            {
                "run_dir": report.run_dir,
                "state": report.state,
                "exit_code": report.exit_code,
                "ids": report.ids,
            }
        )
    console.object({"schema": "bulkdelete.runs/1", "runs": rows})
    if not console.json:
        _print(rows, place)
    return worst


def _print(rows: "list[dict[str, object]]", place: Path) -> None:
    from rich.console import Console as Terminal
    from rich.table import Table

    table = Table(title=f"Runs in {place}")
    for name in ("run", "state", "exit", "planned", "accepted", "rejected", "ambiguous", "unsent"):
        table.add_column(name, overflow="fold")
    for row in rows:
        ids = row.get("ids")
        numbers: list[int] = []
        if isinstance(ids, dict):
            numbers = [ids[name] for name in ("accepted", "rejected", "ambiguous", "unsent")]
        planned = [sum(numbers)] if numbers else []
        cells = [row["run_dir"], row["state"], row.get("exit_code"), *planned, *numbers]
        table.add_row(*("" if one is None else str(one) for one in cells))
    Terminal().print(table)
