"""Metrics for Prometheus: a file for node_exporter's textfile collector, or a port to scrape.

Both show the same: the balance, the requests, and how the run ended (extra `metrics`).
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from bulkdelete.core import report as reports
from bulkdelete.errors import BusyError
from bulkdelete.events import Ended, Event, Kept, Resuming

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from bulkdelete.starting import View

_log = structlog.get_logger("bulkdelete")

Server = tuple["WSGIServer", "Thread"]

REFRESH_SECONDS = 1.0
FILE_SECONDS = 15.0
_LAST_SUCCESS = "bulkdelete_last_success_timestamp_seconds"
_BUCKETS_MS = (25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is shown. `ended`: the exit code, and when; None while it goes on."""

    run: str = ""
    began: float = 0.0
    ids: "Mapping[str, int]" = field(default_factory=dict)
    requests: "Mapping[str, int]" = field(default_factory=dict)
    latencies: "Mapping[int, int]" = field(default_factory=dict)
    in_flight: int = 0
    cap: int = 0
    held: str = ""
    ended: tuple[int, float] | None = None
    last_success: float | None = None


class Metrics(Collector):
    """Shows one run; what a scrape sees was copied in the loop, for the server has its thread."""

    def __init__(self, path: "Path | None", listen: tuple[str, int] | None) -> None:
        self._path = path
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._now = Snapshot(began=time.time(), last_success=_last_success(path))
        self._view: View | None = None
        self._server = self._listen(*listen) if listen else None

    def _listen(self, host: str, port: int) -> "Server | None":
        try:
            return start_http_server(port, host, registry=self._registry)
        except (OSError, UnicodeError) as error:  # no such address; no name at all
            _log.warning("metrics.not_served", error=str(error))
            return None

    def tell(self, event: Event) -> None:
        """Take what an event says."""
        match event:
            case Kept() | Resuming():
                self._now = replace(self._now, run=event.run_dir.name)
            case Ended(report=report):
                if self._view is not None:  # the last answers are durable only now
                    self._look(self._view)
                code, at = report.exit_code or 0, time.time()
                self._now = replace(
                    self._now,
                    run=report.run_id or self._now.run,
                    ids=_states(report.ids),
                    requests=report.requests,
                    in_flight=0,
                    held="",
                    ended=(code, at),
                    last_success=self._now.last_success if code else at,
                )
                # The file is that of the process at work, which goes on writing it.
                if code != BusyError.exit_code:
                    self._write()
            case _:
                pass

    async def watch(self, view: "View") -> None:
        """Keep it fresh until cancelled."""
        due = 0.0
        loop = asyncio.get_running_loop()
        self._view = view
        while True:
            self._look(view)
            if loop.time() >= due:
                self._write()
                due = loop.time() + FILE_SECONDS
            await asyncio.sleep(REFRESH_SECONDS)

    def _look(self, view: "View") -> None:
        found, progress = view.look(), view.progress
        self._now = replace(
            self._now,
            ids=_states(reports.as_dict(reports.balance(view.plan.counts, progress))),
            requests=reports.request_counts(progress),
            latencies=dict(progress.latencies),
            in_flight=found.in_flight,
            cap=found.cap,
            held=found.held,
        )

    def _write(self) -> None:
        """Write the file, whole or not at all; a disk that is full is not the run's trouble."""
        if self._path is None:
            return
        try:
            write_to_textfile(str(self._path), self._registry)
        except OSError as error:
            _log.warning("metrics.not_written", error=error.strerror)

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        now = self._now
        run = InfoMetricFamily("bulkdelete_run", "The run that the rest is about.")
        run.add_metric((), {"run": now.run})
        yield run
        yield _counts("bulkdelete_ids", "IDs of the input by what is known of them.", now.ids)
        sent = CounterMetricFamily(
            "bulkdelete_requests", "Requests of the run by what came of them.", labels=["outcome"]
        )
        for name, count in now.requests.items():
            if name not in _NOT_OUTCOMES:
                sent.add_metric((name,), count)
        yield sent
        yield _histogram(now.latencies)
        yield _gauge("bulkdelete_in_flight", "Requests in flight.", now.in_flight)
        yield _gauge("bulkdelete_max_in_flight", "Requests in flight at most.", now.cap)
        yield _gauge("bulkdelete_running", "1 while it sends.", now.ended is None)
        yield _gauge("bulkdelete_held", "1 while nothing new may start.", bool(now.held))
        yield _gauge("bulkdelete_started_timestamp_seconds", "When it began.", now.began)
        if now.ended is not None:
            code, at = now.ended
            yield _gauge("bulkdelete_exit_code", "How it ended.", code)
            yield _gauge("bulkdelete_ended_timestamp_seconds", "When it ended.", at)
        if now.last_success is not None:
            yield _gauge(_LAST_SUCCESS, "When a run last ended with 0.", now.last_success)


_NOT_OUTCOMES = frozenset({"sent", "resent_chunks"})


def _states(ids: "Mapping[str, int]") -> dict[str, int]:
    """Return the eight states, without their sum."""
    return {name: count for name, count in ids.items() if name != "read"}


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counts(name: str, text: str, counts: "Mapping[str, int]") -> Metric:
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state, count in counts.items():
        family.add_metric((state,), count)
    return family


def _histogram(latencies: "Mapping[int, int]") -> Metric:
    """Put the answers' times (ms -> how many) into buckets."""
    family = HistogramMetricFamily(
        "bulkdelete_request_duration_seconds", "From a request's last byte to its answer."
    )
    buckets = [
        (repr(most / 1000), float(sum(n for ms, n in latencies.items() if ms <= most)))
        for most in _BUCKETS_MS
    ]
    total = float(sum(latencies.values()))
    seconds = sum(ms * n for ms, n in latencies.items()) / 1000
    family.add_metric((), [*buckets, ("+Inf", total)], sum_value=seconds)
    return family


def _last_success(path: "Path | None") -> float | None:
    """Return what the file of the last run says of it: a night that fails must not forget it."""
    if path is None:
        return None
    with suppress(OSError, ValueError, IndexError):  # it is gone, or damaged
        for family in text_string_to_metric_families(path.read_text("utf-8")):
            for sample in family.samples:
                if sample.name == _LAST_SUCCESS:
                    return float(sample.value)
    return None
