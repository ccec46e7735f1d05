"""OpenTelemetry over OTLP (extra `otel`): a span a run and a request, and metrics of both.

Names and attributes are those of the semantic conventions for HTTP clients. Where it goes, and how
often, is said by the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, ...).
Exporting happens in threads of its own; at the end it is waited for, though not for long.
"""

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from bulkdelete.events import Answered, Ended, Event, Kept, Resuming, Sending, Settled
from bulkdelete.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from bulkdelete.core.report import Report

_log = structlog.get_logger("bulkdelete")

SECONDS = 5.0
"""How long the last export may take."""

SECONDS_AFTER_SIGNAL = 1.5
_SIGNALLED = 128
_METHOD = "POST"
_ERROR_STATUS = 400
_NANO = 1_000_000_000
# The convention's own boundaries, for a histogram of seconds.
_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class Telemetry:
    """Exports one run; `environment` holds the standard variables."""

    def __init__(self, environment: "os._Environ[str] | Mapping[str, str]") -> None:
        name = environment.get("OTEL_SERVICE_NAME", "bulkdelete")
        resource = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: __version__})
        self._spans = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._spans.get_tracer("bulkdelete", __version__)
        self._meters = MeterProvider(
            resource=resource,
            metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())],
            shutdown_on_exit=False,
        )
        meter = self._meters.get_meter("bulkdelete", __version__)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._ids = meter.create_counter(
            "bulkdelete.ids", unit="{id}", description="IDs that have their final answer."
        )
        self._place: dict[str, AttributeValue] = {}
        self._url = ""
        self._run: Span | None = None
        self._run_id = ""
        self._seconds = SECONDS

    def goes_to(self, host: str, path: str) -> None:
        """Say where the requests of the run go."""
        parts = urlsplit(host)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._place = {
            "http.request.method": _METHOD,
            "server.address": parts.hostname or "",
            "server.port": port,
            "url.scheme": parts.scheme,
        }
        self._url = host + path

    def tell(self, event: Event) -> None:
        """Turn an event into spans and measurements."""
        match event:
            case Kept() | Resuming():
                self._run_id = event.run_dir.name
            case Sending():
                self._run = self._tracer.start_span(
                    "bulkdelete.run",
                    attributes={
                        "bulkdelete.run": self._run_id,
                        "bulkdelete.chunks": event.chunks,
                    },
                )
            case Answered():
                self._answered(event)
            case Settled():
                self._ids.add(event.accepted, {"bulkdelete.state": "accepted"})
                self._ids.add(event.rejected, {"bulkdelete.state": "rejected"})
            case Ended(report=report):
                self._ended(report)
            case _:
                pass

    def _answered(self, event: Answered) -> None:
        found = dict(self._place)
        if event.status:
            found["http.response.status_code"] = event.status
        failed = event.status >= _ERROR_STATUS or not event.status
        if failed:
            found["error.type"] = str(event.status) if event.status else event.reason or "_OTHER"
        self._duration.record(event.seconds, found)
        more: dict[str, AttributeValue] = {
            "url.full": self._url,
            "bulkdelete.chunk": event.chunk,
            "bulkdelete.ids": event.ids,
            "bulkdelete.verdict": event.verdict,
        }
        if event.attempt > 1:
            more["http.request.resend_count"] = event.attempt - 1
        span = self._tracer.start_span(
            _METHOD,
            context=set_span_in_context(self._run) if self._run is not None else None,
            kind=SpanKind.CLIENT,
            attributes=found | more,
            start_time=int((event.at - event.seconds) * _NANO),
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(int(event.at * _NANO))

    def _ended(self, report: "Report") -> None:
        code = report.exit_code or 0
        if code >= _SIGNALLED:
            self._seconds = SECONDS_AFTER_SIGNAL
        if self._run is None:
            return
        self._run.set_attribute("bulkdelete.exit_code", code)
        if code:
            reason = report.reason.code if report.reason is not None else ""
            self._run.set_status(Status(StatusCode.ERROR, reason))
        self._run.end()

    async def close(self) -> None:
        """Export what is left."""
        if not await _bounded(self._shut_down, self._seconds):
            _log.warning("telemetry.late", seconds=self._seconds)

    def _shut_down(self) -> None:
        self._spans.shutdown()
        self._meters.shutdown()


async def _bounded(work: "Callable[[], None]", seconds: float) -> bool:
    """Do it in a thread that nobody waits for at the program's end; False when it takes longer."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def do() -> None:
        try:
            work()
        finally:
            with suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=do, daemon=True, name="telemetry").start()
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        return False
    return True
