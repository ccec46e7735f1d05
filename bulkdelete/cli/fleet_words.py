"""What a fleet says to a person: its plans, the question, its progress, how it ended."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bulkdelete.cli.approval import typed
from bulkdelete.cli.progress import BAR_SECONDS, LINE_SECONDS, Speed, holding
from bulkdelete.core.fleet_report import FleetReport, summed
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.core.report import Reason
from bulkdelete.errors import UsageError
from bulkdelete.events import Event, Fleeting, PassedOver, Wrote
from bulkdelete.fleet import missing
from bulkdelete.settings import CONFIG_FILE, is_production

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.cli.console import Console
    from bulkdelete.convoy import Berth
    from bulkdelete.errors import BulkdeleteError
    from bulkdelete.mustering import Mustered

_log = structlog.get_logger("bulkdelete")

MOST_AT_ONCE = 256
_ROWS = 20
"""Jobs that are shown with a line of their own while they go on."""


def at_once(text: str, profile: str | None) -> int:
    """Read --jobs; UsageError, also for a profile: a fleet's file says what one would."""
    if profile is not None:
        raise UsageError(
            "profile",
            f"a fleet takes nothing from {CONFIG_FILE}: leave --profile out; nothing was sent",
            "say it in [defaults] of the fleet's file",
        )
    if not text.isdecimal() or not 1 <= int(text) <= MOST_AT_ONCE:
        raise UsageError("bad_value", f"--jobs: 1 to {MOST_AT_ONCE} is allowed")
    return int(text)


def refusal(file: Path, error: "BulkdeleteError") -> FleetReport:
    """Return the summary of a fleet that was refused before there was one."""
    return summed(
        fleet=file.stem,
        fleet_dir="",
        fleet_digest="",
        jobs=[],
        exit_code=error.exit,
        reason=Reason(error.code, str(error), error.hint),
        refused=True,
    )


class Teller:
    """Says on the side what a person wants to know of a job."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def tell(self, job: str, event: Event) -> None:
        """Say it; the table of all says the rest."""
        match event:
            case Wrote():
                self._console.note(f"  {job}: wrote {event.path}")
            case PassedOver():
                self._console.note(f"  {job}: passing over {event.run_dir}: {event.why}")
            case Fleeting():
                self._console.note(
                    f"warning: {job} is on {event.what}: one that is cut short may be lost"
                )
            case _:
                pass


# --- before ---


def show_plans(console: "Console", jobs: "Sequence[Mustered]") -> None:
    """Describe all plans so that a person can judge them: a table, and every warning."""
    if Path(CONFIG_FILE).is_file():
        console.note(f"note: {CONFIG_FILE} is here, and a fleet takes nothing from it")
    for line in plan_lines(jobs):
        console.note(line)


def plan_lines(jobs: "Sequence[Mustered]") -> list[str]:
    """Return a line for each job, its warnings, and the sum."""
    names = max(8, *(len(one.job.name) for one in jobs))
    head = ("planned", "duplicate", "protected", "invalid", "excluded")
    lines = [f"{'job':<{names}}" + "".join(f"{one:>13}" for one in head) + "  to"]
    for one in jobs:
        counts, bound = one.plan.counts, one.plan.bound
        numbers = [getattr(counts, name) for name in head]
        where = f"account {bound.account} at {bound.host}"
        where += f" ({bound.environment.upper()})" if bound.environment else ""
        where += ": over" if one.over else ""
        lines.append(
            f"{one.job.name:<{names}}"
            + "".join(f"{number:>13,}" for number in numbers)
            + f"  {where}"
        )
        lines.extend(f"  WARNING {text}" for text in one.plan.warnings)
    total = sum(one.plan.counts.planned for one in jobs)
    return [*lines, f"{'in all':<{names}}{total:>13,}"]


def ask(jobs: "Sequence[Mustered]", digest: str) -> None:
    """Ask for what is production, the number of jobs and that of IDs; GuardError for a no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise missing(digest, "there is no terminal to ask")
    todo = [one for one in jobs if not one.over]
    places = {one.plan.bound.environment for one in todo}
    for environment in sorted(filter(is_production, places)):
        sys.stderr.write(f"This is {environment.upper()}.\n")
        typed("this fleet", "the environment", environment)
    accounts = {one.plan.bound.account for one in todo}
    typed("this fleet", "the number of accounts", str(len(accounts)))
    typed("this fleet", "the number of IDs", str(sum(one.plan.counts.planned for one in todo)))


# --- meanwhile ---


class Display:
    """Shows how all jobs get on: a table for a person, a line each ten seconds for a log."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    async def watch(self, berths: "Sequence[Berth]") -> None:
        """Show it until cancelled."""
        if self._console.bar:
            await self._table(berths)
        elif not self._console.quiet:
            await _log_lines(berths)

    async def _table(self, berths: "Sequence[Berth]") -> None:
        from rich.console import Console as Terminal
        from rich.live import Live
        from rich.text import Text

        speed = Speed()
        terminal = Terminal(file=sys.stderr, no_color=not self._console.color)
        with Live(console=terminal, auto_refresh=False) as live:

            def refresh() -> None:
                live.update(Text("\n".join(board(berths, speed)), no_wrap=True), refresh=True)

            try:
                while True:
                    refresh()
                    await asyncio.sleep(BAR_SECONDS)
            except asyncio.CancelledError:
                refresh()
                raise


async def _log_lines(berths: "Sequence[Berth]") -> None:
    speed = Speed()
    speed(_done(berths))
    while True:
        await asyncio.sleep(LINE_SECONDS)
        looks = [look for one in berths if (look := one.look()) is not None]
        done = _done(berths)
        _log.info(
            "fleet.progressed",
            done=done,
            planned=sum(map(_planned, berths)),
            ids_per_s=round(speed(done)),
            jobs=len(berths),
            over=sum(one.over for one in berths),
            sending=len(looks),
            in_flight=sum(look.in_flight for look in looks),
            throttled=sum(look.throttled for look in looks),
        )


def board(berths: "Sequence[Berth]", speed: Speed) -> list[str]:
    """Return a line for each job that sends, as many as there is room for, and one for all."""
    sending = [one for one in berths if one.look() is not None]
    names = max((len(one.job.name) for one in sending), default=0)
    lines = [_line(one, names) for one in sending[:_ROWS]]
    if len(sending) > _ROWS:
        lines.append(f"… and {len(sending) - _ROWS} more that send")
    done, over = _done(berths), sum(one.over for one in berths)
    ids = f"{done:,}/{sum(map(_planned, berths)):,} IDs, {speed(done):,.0f} IDs/s"
    return [*lines, f"{over} of {len(berths)} jobs over, {len(sending)} sending: {ids}"]


def _line(one: "Berth", names: int) -> str:
    look = one.look()
    if look is None:
        return f"{one.job.name:<{names}}  {one.state}"
    held = holding(look) or f"{look.in_flight} of {look.cap} in flight, {look.throttled:,} 429s"
    return f"{one.job.name:<{names}}  {look.done:,}/{look.planned:,}  {held}"


def _done(berths: "Sequence[Berth]") -> int:
    return sum(_of(one, ("accepted", "rejected")) for one in berths)


def _planned(one: "Berth") -> int:
    return sum(one.report.ids[name] for name in _PLANNED)


def _of(one: "Berth", names: tuple[str, ...]) -> int:
    look = one.look()
    return look.done if look is not None else sum(one.report.ids[name] for name in names)


_PLANNED = ("accepted", "rejected", "ambiguous", "unsent")


# --- at the end ---


def show(console: "Console", report: FleetReport) -> int:
    """Print how a fleet stands; return the exit code."""
    from bulkdelete.cli.console import printable

    if report.reason is not None:
        _say(console, report.reason)
    console.object(report)
    for line in report_lines(report):
        console.note(line)
    if (Path(report.fleet_dir) / "fleet.html").exists():
        console.note(f"  report       {Path(report.fleet_dir) / 'fleet.html'}")
    code = report.exit_code
    if code is None:
        short = report.fleet_digest.removeprefix("sha256:")[:SHORT_DIGEST]
        console.result(f"dry run: nothing was sent; the fleet's digest is {report.fleet_digest}")
        console.note(f"  next: the same command with --approve {short} instead of --dry-run")
        return 0
    console.result(printable(f"{report.state}, exit {code}: {report.fleet_dir}"))
    return code


def _say(console: "Console", reason: Reason) -> None:
    from bulkdelete.errors import BulkdeleteError

    console.failure(BulkdeleteError(reason.code, reason.message, reason.hint))


def report_lines(report: FleetReport) -> list[str]:
    """Describe how a fleet stands: a line for each job, its reason, and the balance of all."""
    names = max(8, *(len(job.run_id) for job in report.jobs)) if report.jobs else 8
    lines = [f"Fleet {report.fleet}: {report.state}"]
    for job in report.jobs:
        code = "" if job.exit_code is None else f"exit {job.exit_code}"
        planned = sum(job.ids[name] for name in _PLANNED)
        lines.append(
            f"  {job.run_id:<{names}}  {job.state:<11}  {code:<8}"
            f"  {job.ids['accepted']:,} of {planned:,} accepted"
        )
        if job.reason is not None:
            lines.append(f"    {job.reason.message}")
    ids = report.ids
    planned = sum(ids[name] for name in _PLANNED)
    return [
        *lines,
        (
            f"  accepted {ids['accepted']:,} of {planned:,} planned IDs; rejected"
            f" {ids['rejected']:,}, ambiguous {ids['ambiguous']:,}, unsent {ids['unsent']:,}"
        ),
        (
            f"  read {ids['read']:,}: duplicate {ids['duplicate']:,}, protected"
            f" {ids['protected']:,}, invalid {ids['invalid']:,}, excluded {ids['excluded']:,}"
        ),
    ]
