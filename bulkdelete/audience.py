"""Who is told of a run while it goes on, who looks on, and who is asked: the library's callers."""

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from bulkdelete.core import checkpoint as log
from bulkdelete.events import Event, Holding, Tell, of_record

if TYPE_CHECKING:
    from bulkdelete.approving import Ask
    from bulkdelete.outlets import Outlets
    from bulkdelete.running import Brake
    from bulkdelete.starting import View, Watch

_log = structlog.get_logger("bulkdelete")

_LOOK_SECONDS = 1.0


def _nothing(_: Event) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told of events, who looks on while a run sends, who is asked for approval.

    `answers`: it wants to hear what came of each request, too (`Answered`, `Settled`).
    `signals`: the program has nothing else to do, and SIGINT, SIGTERM and SIGHUP end the run.
    `brake` ends it from within, for who runs several.
    """

    tell: Tell = _nothing
    answers: bool = True
    watch: "tuple[Watch, ...]" = ()
    ask: "Ask | None" = None
    signals: bool = False
    brake: "Brake | None" = None
    outlets: "Outlets | None" = None

    def told(self, event: Event) -> None:
        """Tell an event; a listener that fails stops nothing."""
        try:
            self.tell(event)
        except Exception as error:  # noqa: BLE001 - whatever it is: it is not the run's
            _log.warning("listener.failed", event_name=type(event).__name__, error=_name(error))

    def joined(self, outlets: "Outlets") -> "Audience":
        """Return an audience that is this one, and the outlets."""
        mine = self.told

        def both(event: Event) -> None:
            mine(event)
            outlets.tell(event)

        watch = (*self.watch, *outlets.watch)
        return replace(self, tell=both, answers=True, watch=watch, outlets=outlets)

    def heard(self, record: "log.Record") -> None:
        """Tell what a durable record says."""
        if self.answers or not isinstance(record, log.Intent | log.Outcome):
            for event in of_record(record):
                self.told(event)

    @property
    def listens(self) -> bool:
        """Tell whether anybody is told of events."""
        return self.tell is not _nothing

    async def watched(self, view: "View") -> None:
        """Have all look on until cancelled; one that fails does not disturb the others."""
        watchers = (*self.watch, self._holding) if self.listens else self.watch
        tasks = [asyncio.create_task(_looking(watch, view)) for watch in watchers]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _holding(self, view: "View") -> None:
        """Tell when nothing is sent, and why; once each time."""
        said = ""
        while True:
            reason = view.look().held
            if reason and reason != said:
                self.told(Holding(reason))
            said = reason
            await asyncio.sleep(_LOOK_SECONDS)


async def _looking(watch: "Watch", view: "View") -> None:
    try:
        await watch(view)
    except Exception as error:  # noqa: BLE001 - who looks on stops nothing
        _log.warning("watcher.failed", error=_name(error))


def _name(error: BaseException) -> str:
    return type(error).__name__


NOBODY = Audience()
