"""Notices: a webhook, a command and a heartbeat are told how a run ends, or that it is held up.

A notice is a summary without IDs. It is sent in the background and given up after a while: who is
told can neither stop nor delay the run.
"""

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import structlog

from bulkdelete.events import Ended, Holding, Kept, Resuming
from bulkdelete.io import hooks

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine
    from typing import Any

    from bulkdelete.core.report import Reason, Report
    from bulkdelete.events import Event

_log = structlog.get_logger("bulkdelete")

SCHEMA = "bulkdelete.notice/1"
SECONDS = 10.0
"""How long a notice may take."""

SECONDS_AFTER_SIGNAL = 1.5
"""The same, for a run that a signal ended: it is to be gone soon."""

SIGNALLED = 128
"""An exit code from here on is that of a signal."""

_WORTH_TELLING = frozenset({"outage", "paused", "slots_lost", "slots_refused"})


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is told. `event`: finished, stopped, held (by --hold-after), refused or holding."""

    schema: str = SCHEMA
    event: str
    text: str
    run_id: str = ""
    run_dir: str = ""
    state: str = ""
    exit_code: int | None = None
    reason: "Reason | None" = None
    ids: dict[str, int] = {}
    requests: dict[str, int] = {}


def of_report(report: "Report") -> Notice:
    """Make the notice of a run's end."""
    held = report.reason is not None and report.reason.code == "hold_after"
    signalled = (report.exit_code or 0) >= SIGNALLED  # while the list was planned, too
    event = "held" if held else "stopped" if signalled else report.state
    ids = report.ids
    planned = sum(ids[name] for name in ("accepted", "rejected", "ambiguous", "unsent"))
    why = f": {report.reason.message}" if report.reason is not None else ""
    return Notice(
        event=event if event in {"finished", "refused", "held"} else "stopped",
        text=(
            f"bulkdelete {report.run_id or 'run'}: {report.state}, exit {report.exit_code or 0};"
            f" {ids['accepted']:,} of {planned:,} IDs accepted{why}"
        ),
        run_id=report.run_id,
        run_dir=report.run_dir,
        state=report.state,
        exit_code=report.exit_code or 0,
        reason=report.reason,
        ids=ids,
        requests=report.requests,
    )


class Notices:
    """Sends notices to `targets` (URLs and commands), and a sign of life to `heartbeat`.

    The heartbeat is asked for when a run ended with 0, and only then: who watches it raises the
    alarm when it stays out. Commands do not see the variables `hidden`.
    """

    def __init__(
        self, targets: "tuple[str, ...]", heartbeat: str | None, hidden: "Collection[str]" = ()
    ) -> None:
        self._hidden = hidden
        self._targets = targets
        self._heartbeat = heartbeat
        self._run_dir = ""
        self._seconds = SECONDS
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, event: "Event") -> None:
        """Send what is worth a notice."""
        match event:
            case Kept() | Resuming():
                self._run_dir = str(event.run_dir)
            case Holding(reason=reason) if reason in _WORTH_TELLING:
                self._notify(
                    Notice(
                        event="holding",
                        text=f"bulkdelete {self._run_dir}: nothing is sent at present: {reason}",
                        run_dir=self._run_dir,
                    )
                )
            case Ended(report=report):
                if (report.exit_code or 0) >= SIGNALLED:
                    self._seconds = SECONDS_AFTER_SIGNAL
                self._notify(of_report(report))
                if self._heartbeat and not report.exit_code:
                    self._begin(hooks.call(self._heartbeat, None), self._heartbeat)
            case _:
                pass

    def _notify(self, notice: Notice) -> None:
        body = msgspec.json.encode(notice)
        for target in self._targets:
            if hooks.is_url(target):
                self._begin(hooks.call(target, body), target)
            else:
                self._begin(hooks.command(target, body, self._hidden), target)

    def _begin(self, sending: "Coroutine[Any, Any, None]", target: str) -> None:
        task = asyncio.create_task(_sent(sending, target))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is on its way, though not for long."""
        if not self._tasks:
            return
        try:
            await asyncio.wait(self._tasks, timeout=self._seconds)
        finally:
            late = set(self._tasks)
            for task in late:
                task.cancel()
                _log.warning("notice.failed", error="too late")
            await asyncio.gather(*late, return_exceptions=True)


async def _sent(sending: "Coroutine[Any, Any, None]", target: str) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            await sending
    except (OSError, ValueError) as error:
        # A hook's URL is often its secret: name no more than the host.
        where = urlsplit(target).hostname if hooks.is_url(target) else target.split(maxsplit=1)[0]
        _log.warning("notice.failed", to=where, error=str(error) or type(error).__name__)
