"""`status --watch`: what the progress bar of another process shows, until that one ends."""

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from bulkdelete import concluding
from bulkdelete.cli import progress
from bulkdelete.core import live as words
from bulkdelete.errors import UsageError
from bulkdelete.io import live
from bulkdelete.io.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bulkdelete.cli.console import Console

_SHARE = 20
"""Reading a log over and over may take one part in so many of the time."""


def named(run_dirs: "Sequence[Path]") -> RunDir:
    """Return the run to watch; UsageError unless one is named."""
    if len(run_dirs) != 1:
        raise UsageError("watch", "--watch is for one run: name its directory")
    return RunDir(run_dirs[0])


async def watch(console: "Console", run: RunDir) -> None:
    """Show the progress until no process holds the run: a bar on a terminal, else lines."""
    run.check()
    look = Looker(run)
    if sys.stdout.isatty() and not (console.json or console.quiet):
        await progress.bar(look, sys.stdout, color=console.color)
    else:
        await _lines(console, look)


async def _lines(console: "Console", look: "Looker") -> None:
    """Print a line at once, and then one each ten seconds (the run's end is seen at once)."""
    speed = progress.Speed()
    due = 0.0
    while (found := await look()) is not None:
        rate, now = speed(found.done), time.monotonic()
        if now >= due:
            due = now + progress.LINE_SECONDS
            text = progress.line(found, rate)
            if console.json:
                console.note(text)
            elif not console.quiet:
                console.result(text)
        await asyncio.sleep(progress.BAR_SECONDS)


class Looker:
    """Says how a run stands: asks its process, or reads the log where that cannot be asked."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._read: words.Answer | None = None
        self._due = 0.0

    async def __call__(self) -> words.Answer | None:
        """Return how it stands; None when no process holds it."""
        if not self._run.busy():
            return None
        try:
            return words.answer(await live.ask(self._run.path, words.encode(words.Look())))
        except (UsageError, TimeoutError, OSError):
            return self._from_log()

    def _from_log(self) -> words.Answer:
        """Read the whole log, though not so often that a long one keeps the machine busy."""
        began = time.monotonic()
        if self._read is None or began >= self._due:
            report = concluding.read(self._run)
            ids = report.ids
            done = ids["accepted"] + ids["rejected"]
            self._read = words.Answer(
                in_flight=report.in_flight.requests,
                cap=report.in_flight.requests,
                done=done,
                planned=done + ids["ambiguous"] + ids["unsent"],
                throttled=report.requests["throttled"],
                held="log",
            )
            self._due = time.monotonic() + _SHARE * (time.monotonic() - began)
        return self._read
