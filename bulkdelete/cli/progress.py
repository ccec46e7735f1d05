"""Progress: a bar for a person, a line each ten seconds for a log. Of this run, or of another's."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TextIO

    from bulkdelete.cli.console import Console
    from bulkdelete.core.live import Answer
    from bulkdelete.starting import View

    Look = Callable[[], Awaitable[Answer | None]]
    """Says how the run stands; None when it is over."""

_log = structlog.get_logger("bulkdelete")

LINE_SECONDS = 10.0
BAR_SECONDS = 0.25


class Speed:
    """IDs a second since it was first asked."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int) -> float:
        """Return the mean until now."""
        now = asyncio.get_running_loop().time()
        began, before = self._first = self._first or (now, done)
        return (done - before) / (now - began) if now > began else 0.0


async def watch(console: "Console", view: "View") -> None:
    """Show the progress of this run until cancelled."""
    if console.bar:
        import sys

        async def look() -> "Answer":
            return view.look()

        await bar(look, sys.stderr, color=console.color)
    elif not console.quiet:
        await _log_lines(view)


async def _log_lines(view: "View") -> None:
    speed = Speed()
    speed(view.look().done)
    while True:
        await asyncio.sleep(LINE_SECONDS)
        found = view.look()
        rate = speed(found.done)
        held = {"held": found.held, "held_s": found.held_s} if found.held else {}
        _log.info(
            "run.progressed",
            done=found.done,
            planned=found.planned,
            ids_per_s=round(rate),
            in_flight=found.in_flight,
            max_in_flight=found.cap,
            rate=found.rate,
            retries=found.retries,
            throttled=found.throttled,
            eta_s=_left(found, rate),
            **held,
        )


async def bar(look: "Look", stream: "TextIO", *, color: bool) -> None:
    """Show a bar until the run is over, or until cancelled."""
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    # The bar takes what the words leave: where it is narrow the bar goes, and not a number.
    columns = (
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
    )
    speed = Speed()
    with Progress(
        *columns, console=Terminal(file=stream, no_color=not color), expand=True
    ) as shown:
        task = shown.add_task("", total=None)
        found = await look()
        try:
            while found is not None:
                _refresh(shown, task, found, speed)
                await asyncio.sleep(BAR_SECONDS)
                found = await look()
        except asyncio.CancelledError:
            if (last := await look()) is not None:
                _refresh(shown, task, last, speed)
            raise


def _refresh(shown: object, task: object, found: "Answer", speed: Speed) -> None:
    shown.update(  # type: ignore[attr-defined]  # rich is imported late
        task, total=found.planned, completed=found.done, description=words(found, speed(found.done))
    )


def words(found: "Answer", rate: float) -> str:
    """Say beside the bar how far it is, in 80 columns also for ten million IDs.

    While nothing starts, that and why is all there is to say.
    """
    far = f"{found.done:,}/{found.planned:,}"
    if held := holding(found):
        return f"{far} {held}"
    left = _left(found, rate)
    parts = [far, f"{rate:,.0f} IDs/s", limits(found)]
    parts += [f"{found.retries:,} retries", f"{found.throttled:,} 429s"]
    parts += [str(timedelta(seconds=left))] if left is not None else []
    return " ".join(parts)


def line(found: "Answer", rate: float) -> str:
    """Say on one line what the bar shows."""
    left = _left(found, rate)
    parts = [
        f"{found.done:,} of {found.planned:,} IDs",
        f"{rate:,.0f} IDs/s",
        limits(found),
        f"{found.retries:,} retries",
        f"{found.throttled:,} throttled (429)",
    ]
    parts += [f"{left:,} s to go"] if left is not None else []
    return ", ".join(parts + ([holding(found)] if holding(found) else []))


def _left(found: "Answer", rate: float) -> int | None:
    """Return the seconds that are left, at this rate."""
    return round((found.planned - found.done) / rate) if rate > 0 else None


def limits(found: "Answer") -> str:
    """Say how many are in flight of how many, and the rate where one is set."""
    pace = f", {found.rate:g}/s" if found.rate else ""
    return f"{found.in_flight} of {found.cap} in flight{pace}"


_HELD = {
    "paused": "paused: nothing new starts until `live unpause`",
    "window": "outside its --window",
    "outage": "the server is ill: one request at a time tries it",
    "gate": "held by the gate: the server asked for less",
    "slots": "other processes have all the slots",
    "scheduler_lost": "the Dask scheduler does not answer: nothing new starts",
    "slots_lost": "the Redis that keeps the slots does not answer: nothing new starts",
    "slots_refused": "the Redis that keeps the slots refuses to work: nothing new starts",
    "slots_new": "Redis began anew: who held slots before may have requests in flight",
    "log": "its process cannot be asked: read from the checkpoint",
}


def holding(found: "Answer") -> str:
    """Say what keeps requests from starting; "" when nothing does."""
    if found.state == "stopping":
        return "stopping: what is in flight finishes"
    if not found.held:
        return ""
    seconds = f", for {found.held_s:,.0f} s" if found.held_s >= 1 else ""
    return f"{_HELD[found.held]}{seconds}"
