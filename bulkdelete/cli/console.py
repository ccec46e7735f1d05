"""What a command prints: results on stdout, everything else on stderr, one JSON object if asked."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import msgspec

from bulkdelete.cli import crashes, limits
from bulkdelete.errors import BulkdeleteError, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.cli.flags import OutputFlags
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.report import Report
    from bulkdelete.surveying import Findings

T = TypeVar("T")

_LEVELS = ("debug", "info", "warning", "error")


class Console:
    """Where and how this command prints."""

    def __init__(self, flags: "OutputFlags") -> None:
        environment = os.environ
        self.json = flags.json
        self.quiet = flags.quiet or environment.get("BULKDELETE_QUIET") in {"1", "true"}
        self.color = not (flags.no_color or "NO_COLOR" in environment) and sys.stderr.isatty()
        self.log_format = flags.log_format or environment.get("BULKDELETE_LOG_FORMAT") or "auto"
        self.log_level = flags.log_level or environment.get("BULKDELETE_LOG_LEVEL") or "info"
        if self.log_format not in {"auto", "console", "json"}:
            raise UsageError("bad_value", "--log-format: auto, console or json is wanted")
        if self.log_level not in _LEVELS:
            raise UsageError("bad_value", f"--log-level: one of {', '.join(_LEVELS)} is wanted")

    @property
    def bar(self) -> bool:
        """Show a progress bar: a person is watching."""
        return sys.stderr.isatty() and not self.quiet and self.log_format != "json"

    def note(self, text: str) -> None:
        """Say something on the side."""
        if not self.quiet:
            _write(sys.stderr, printable(text))

    def result(self, text: str) -> None:
        """Print the result for a person (nothing with --json)."""
        if not self.json:
            _write(sys.stdout, printable(text))

    def object(self, value: Any) -> None:  # noqa: ANN401 - anything that msgspec encodes
        """Print the one JSON object."""
        if self.json:
            _write(sys.stdout, msgspec.json.encode(value).decode())

    def failure(self, error: BulkdeleteError) -> None:
        """Say in one sentence what went wrong, and what to run next."""
        _write(sys.stderr, printable(f"bulkdelete: {error}"))
        if error.hint:
            _write(sys.stderr, printable(f"  next: {error.hint}"))

    def logging(self) -> None:
        """Configure structlog: one event, one line, on stderr."""
        from bulkdelete.cli.logs import configure

        level = "warning" if self.quiet and self.log_level == "info" else self.log_level
        configure(self.log_format, level, color=self.color)


def printable(text: str) -> str:
    """Escape what could move a terminal's cursor, keep line feeds."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


def _write(stream: TextIO, text: str) -> None:
    """Write a line; whoever read it may be gone, and what happened is on record all the same."""
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def execute(flags: "OutputFlags", body: "Callable[[Console], Coroutine[Any, Any, int]]") -> int:
    """Run a command's coroutine; turn what stops it into words, an object and an exit code."""
    crashes.install()
    limits.no_core()
    try:
        console = Console(flags)
    except UsageError as error:
        _write(sys.stderr, f"bulkdelete: {error}")
        return error.exit
    try:
        limits.enough_files()
        try:
            return run_loop(_interruptible(console, body))
        finally:
            _be_deaf()
    except BulkdeleteError as error:
        return _refused(console, error)
    except OSError as error:
        from bulkdelete.concluding import disk_error

        return _refused(console, disk_error(error))
    except Exception as error:  # noqa: BLE001 - a bug: say so, without the values it stumbled over
        return _refused(console, bug(error))


def _be_deaf() -> None:
    """Let no late signal spoil the exit code: all is said and on record, only the end is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def bug(error: Exception) -> BulkdeleteError:
    """Print where something went wrong that nobody foresaw; return it as what stops a command."""
    from bulkdelete import concluding

    _write(sys.stderr, crashes.places(error.__traceback__))
    return concluding.bug(error)


def _refused(console: Console, error: BulkdeleteError) -> int:
    from bulkdelete.concluding import refusal

    console.failure(error)
    console.object(refusal(error))
    return error.exit


async def _interruptible(
    console: Console, body: "Callable[[Console], Coroutine[Any, Any, int]]"
) -> int:
    """Run a command so that a signal before or after the sending ends it in order.

    While requests are out the sender has handlers of its own in place of these.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(crashes.of_loop)
    task = asyncio.ensure_future(body(console))
    seen: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        seen.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not seen:
            raise
        stopped = Interrupted(seen[0], f"stopped by {seen[0].name}; this command sent nothing")
        code = _refused(console, stopped)
        # Not by way of the loop's end: a thread may wait for standard input for ever.
        os._exit(code)


def run_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop when it is installed."""
    # Hardly a cycle is made here, and no look for them need walk through all that was imported.
    gc.freeze()
    # The journal's thread comes back from the disk while this one is busy: let it in sooner.
    sys.setswitchinterval(0.0005)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(coroutine)
    return uvloop.run(coroutine)


# --- words for a person ---


def plan_lines(
    plan: "Plan", findings: "Findings | None", cap: int, rate: float | None = None
) -> list[str]:
    """Describe a plan so that a person can judge it; it goes with `cap` in flight, at `rate`."""
    counts = plan.counts
    place = "nowhere: a draft, without account or region"
    if not plan.draft:
        place = f"account {plan.bound.account} at {plan.bound.host}"
    if plan.bound.environment:
        place += f" ({plan.bound.environment.upper()})"
    lines = [
        f"Plan {plan.digest}",
        f"  to           {place}",
        f"  input        {', '.join(part.path for part in plan.parts[:3])}"
        + (f" and {len(plan.parts) - 3} more" if len(plan.parts) > 3 else ""),  # noqa: PLR2004
        *(f"  selected     by {one}" for one in plan.bound.selection),
        *(f"  each ID      as --{one} says" for one in plan.bound.normal),
        *_job_lines(plan),
        f"  read         {counts.read:>12,} IDs",
        (
            f"  planned      {counts.planned:>12,} IDs ({counts.identities:,} identity,"
            f" {counts.guids:,} guid)"
        ),
        f"  duplicate    {counts.duplicate:>12,}",
        f"  protected    {counts.protected:>12,}",
        *_held_back_lines(plan),
        f"  invalid      {counts.invalid:>12,}",
        f"  excluded     {counts.excluded:>12,}",
        f"  chunks       {counts.chunks:>12,} of up to {plan.bound.chunk_size}",
        f"  duration     about {expected(counts.chunks, cap, rate)} at {cap} in flight and 1 s an"
        " answer" + ("" if rate is None else f", {rate:.4g} a second at most"),
    ]
    lines.extend(f"  WARNING      {one}" for one in plan.warnings)
    return lines + (_finding_lines(findings) if findings else [])


def _job_lines(plan: "Plan") -> list[str]:
    """Say of a shard what it is a part of; that is what is approved."""
    if plan.shard is None:
        return []
    return [
        f"  shard        {plan.shard}, the first being 0: its share of {plan.whole.planned:,} IDs",
        f"  of the job   {plan.job_digest}",
    ]


def _held_back_lines(plan: "Plan") -> list[str]:
    """Say what each protect list did."""
    return [
        f"    {held:,} by {path} ({one.entries:,} entries{_of_columns(one.columns)})"
        for path, one, held in zip(plan.protect, plan.bound.protect, plan.held_back, strict=False)
    ]


def _of_columns(columns: tuple[str, ...]) -> str:
    return f" of the columns {', '.join(columns)}" if columns else ""


def _finding_lines(findings: "Findings") -> list[str]:
    lines = []
    if findings.first:
        lines.append(f"  first, last  {findings.first} … {findings.last}")
        lines.append(f"  examples     {'; '.join(findings.examples)}")
    if findings.reasons:
        counted = ", ".join(f"{reason} {count:,}" for reason, count in findings.reasons.items())
        lines.append(f"  why invalid  {counted}")
        first = zip(findings.invalid[:5], findings.masked, strict=False)
        lines.extend(f"    {where} {look}".rstrip() for where, look in first)
    lines.extend(f"  note         {note}" for note in findings.notes[:8])
    return lines


def sending_seconds(chunks: int, cap: int, rate: float | None) -> float:
    """Return how long so many chunks take at 1 s an answer."""
    return max(float(-(-chunks // cap)), 0.0 if rate is None else chunks / rate)


def expected(chunks: int, cap: int, rate: float | None) -> str:
    """Say how long so many chunks take."""
    seconds = sending_seconds(chunks, cap, rate)
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004 - two hours
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def report_lines(report: "Report") -> list[str]:
    """Describe a run's balance. What a living process has out is in flight, not in doubt."""
    ids, requests, out = report.ids, report.requests, report.in_flight
    planned = ids["accepted"] + ids["rejected"] + ids["ambiguous"] + ids["unsent"]
    lines = [
        f"Run {report.run_dir}: {report.state}"
        + (f", exit {report.exit_code}" if report.exit_code is not None else ""),
        (
            f"  accepted {ids['accepted']:,} of {planned:,} planned IDs;"
            f" rejected {ids['rejected']:,}, ambiguous {ids['ambiguous'] - out.ids:,},"
            f" unsent {ids['unsent']:,}" + (f"; in flight now {out.ids:,}" if out.requests else "")
        ),
        (
            f"  read {ids['read']:,}: duplicate {ids['duplicate']:,},"
            f" protected {ids['protected']:,}, invalid {ids['invalid']:,},"
            f" excluded {ids['excluded']:,}"
        ),
        (
            f"  requests {requests['sent']:,}: accepted {requests['accepted']:,},"
            f" rejected {requests['rejected']:,}, throttled {requests['throttled']:,},"
            f" in doubt {requests['ambiguous'] - out.requests:,};"
            f" failed before they left {requests['failed']:,};"
            f" chunks sent again {requests['resent_chunks']:,}"
        ),
    ]
    if (job := report.job) is not None:
        lines.append(
            f"  shard {job.index}/{job.count} of a job of {job.ids['planned']:,} planned IDs;"
            " what the others own is excluded here"
        )
    lines.extend(f"  changed      {one.name} to {one.value}" for one in report.changes)
    lines += _timing_lines(report)
    if (verified := report.verification) is not None:
        lines.append(f"  verified {verified.sentence}")
    return lines + [f"  note {one}" for one in report.notes]


def _timing_lines(report: "Report") -> list[str]:
    """Say how long sending took; the use of the slots only where there was any to measure."""
    timing = report.timing
    if not timing.send_s:
        return []
    used = timing.in_flight_utilisation
    share = f", slots in use {used:.1%}" if used else ""
    return [f"  sending took {timing.send_s:,.1f} s{share}"]
