"""Where a run is told of besides: metrics, notices, telemetry; as the settings ask for it."""

import asyncio
import os
import signal
from typing import TYPE_CHECKING, TypeVar

import structlog

from bulkdelete import targets
from bulkdelete.concluding import bug, refusal
from bulkdelete.core.keeper import Keeper
from bulkdelete.errors import BulkdeleteError, UsageError
from bulkdelete.events import Ended, Event
from bulkdelete.io import leased
from bulkdelete.notices import SIGNALLED, Notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.metrics import Metrics
    from bulkdelete.settings import Settings
    from bulkdelete.starting import Watch
    from bulkdelete.telemetry import Telemetry

T = TypeVar("T")

_log = structlog.get_logger("bulkdelete")


class Outlets:
    """All that one call was asked to tell; UsageError when an extra is missing for it."""

    def __init__(self, settings: "Settings") -> None:
        self._metrics = _begun(lambda: _metrics(settings))
        self._telemetry = _begun(_telemetry) if settings.otel else None
        asked = settings.notify or settings.heartbeat
        self._notices = (
            Notices(settings.notify, settings.heartbeat, targets.secrets_of(settings.target))
            if asked
            else None
        )
        self._ended = self._signalled = False

    @property
    def any(self) -> bool:
        """Tell whether anybody listens."""
        return bool(self._metrics or self._telemetry or self._notices)

    @property
    def watch(self) -> "tuple[Watch, ...]":
        """Return who looks on."""
        return (self._metrics.watch,) if self._metrics else ()

    def goes_to(self, host: str | None, path: str) -> None:
        """Say where the requests go."""
        if self._telemetry and host:
            self._telemetry.goes_to(host, path)

    def tell(self, event: Event) -> None:
        """Tell all."""
        if isinstance(event, Ended):
            self._ended, self._signalled = True, (event.report.exit_code or 0) >= SIGNALLED
        for one in (self._metrics, self._notices, self._telemetry):
            if one is None:
                continue
            try:
                one.tell(event)
            except Exception as error:  # noqa: BLE001 - what fails here is not the run
                _log.warning("outlet.failed", outlet=type(one).__name__, error=repr(error)[:200])

    def failed(self, error: Exception) -> None:
        """Tell of a refusal that came before there was a run."""
        if not self._ended:
            known = error if isinstance(error, BulkdeleteError) else bug(error)
            self.tell(Ended(refusal(known)))

    async def close(self, *, signals: bool = False) -> None:
        """Wait for what is on its way, though not for long; a first signal is the end of that."""
        closing = asyncio.create_task(self._close())
        if signals and not self._signalled:  # else one came before, and the next leaves at once
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, closing.cancel)
        try:
            await asyncio.wait((closing,))
        finally:
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)

    async def _close(self) -> None:
        try:
            closing = (self._notices, self._telemetry)
            await asyncio.gather(*(one.close() for one in closing if one is not None))
        finally:
            if self._metrics is not None:
                self._metrics.close()


def _begun(begin: "Callable[[], T | None]") -> "T | None":
    """Return one who is told; None for one who cannot begin: that is not the run's trouble."""
    try:
        return begin()
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a variable that is set wrong, for example
        _log.warning("outlet.not_begun", error=repr(error)[:200])
        return None


def check_extras(settings: "Settings") -> None:
    """Refuse what needs an extra that is not installed; nothing is begun."""
    if _metrics_wanted(settings):
        _metrics_class()
    if settings.otel:
        _telemetry_class()
    if isinstance(settings.slots, Keeper):
        leased.check_extra()


def _metrics_wanted(settings: "Settings") -> bool:
    return settings.metrics_file is not None or settings.metrics_port is not None


def _metrics(settings: "Settings") -> "Metrics | None":
    if not _metrics_wanted(settings):
        return None
    return _metrics_class()(settings.metrics_file, settings.metrics_port)


def _metrics_class() -> "type[Metrics]":
    try:
        from bulkdelete.metrics import Metrics  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _missing("--metrics-file and --metrics-port need", "metrics") from error
    return Metrics


def _telemetry() -> "Telemetry":
    return _telemetry_class()(os.environ)


def _telemetry_class() -> "type[Telemetry]":
    try:
        from bulkdelete.telemetry import Telemetry  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _missing("--otel needs", "otel") from error
    return Telemetry


def _missing(who: str, extra: str) -> UsageError:
    return UsageError(
        "missing_extra",
        f"{who} the extra `{extra}`; nothing was sent",
        f"pip install 'bulkdelete[{extra}]'",
    )
