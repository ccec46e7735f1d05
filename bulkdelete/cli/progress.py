"""Progress: a bar for a person, a line each ten seconds for a log."""

import asyncio
from typing import TYPE_CHECKING

import structlog

from bulkdelete.core import report as reports

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.starting import View

_log = structlog.get_logger("bulkdelete")

LINE_SECONDS = 10.0
BAR_SECONDS = 0.25


def _done(view: "View") -> tuple[int, int]:
    balance = reports.balance(view.plan.counts, view.progress)
    return balance.accepted + balance.rejected, balance.planned


async def watch(console: "Console", view: "View") -> None:
    """Show progress until cancelled."""
    if console.bar:
        await _bar(view, color=console.color)
    elif not console.quiet:
        await _lines(view)


async def _lines(view: "View") -> None:
    loop = asyncio.get_running_loop()
    began, (done_before, _) = loop.time(), _done(view)
    while True:
        await asyncio.sleep(LINE_SECONDS)
        done, planned = _done(view)
        rate = (done - done_before) / (loop.time() - began)
        _log.info(
            "run.progressed",
            done=done,
            planned=planned,
            ids_per_s=round(rate),
            in_flight=view.meter.in_flight,
            max_in_flight=view.meter.cap,
            rate=view.pacer.rate,
            retries=view.sender.tally.retries,
            throttled=view.sender.tally.throttled,
            eta_s=round((planned - done) / rate) if rate else None,
        )


async def _bar(view: "View", *, color: bool) -> None:
    from rich.console import Console as Terminal
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:,.0f} IDs/s"),
        TextColumn("{task.fields[in_flight]}"),
        TextColumn("{task.fields[retries]} retries"),
        TextColumn("{task.fields[throttled]} throttled (429)"),
        TimeRemainingColumn(),
    )
    terminal = Terminal(stderr=True, no_color=not color)
    done, planned = _done(view)
    loop = asyncio.get_running_loop()
    began, before = loop.time(), done
    with Progress(*columns, console=terminal) as bar:
        task = bar.add_task(
            "", total=planned, completed=done, speed=0.0, in_flight="", retries=0, throttled=0
        )
        try:
            while True:
                await asyncio.sleep(BAR_SECONDS)
                _refresh(bar, task, view, before, loop.time() - began)
        finally:
            _refresh(bar, task, view, before, loop.time() - began)


def _refresh(bar: object, task: object, view: "View", before: int, seconds: float) -> None:
    done, _ = _done(view)
    tally = view.sender.tally
    bar.update(  # type: ignore[attr-defined]  # rich is imported late
        task,
        completed=done,
        speed=(done - before) / seconds if seconds else 0.0,
        in_flight=_limits(view),
        retries=tally.retries,
        throttled=tally.throttled,
    )


def _limits(view: "View") -> str:
    """Say how many are in flight of how many, and the rate where one is set."""
    pace = f", {view.pacer.rate:g}/s" if view.pacer.rate else ""
    return f"{view.meter.in_flight} of {view.meter.cap} in flight{pace}"
