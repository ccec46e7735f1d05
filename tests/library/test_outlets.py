"""Telling others: a real listener for each; one that is gone or slow neither fails nor delays."""

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

import bulkdelete
from bulkdelete import choosing, notices, telemetry
from bulkdelete.errors import UsageError
from bulkdelete.io.rundir import RunDir
from bulkdelete.settings import resolve
from tests.conftest import ACCOUNT, PASSCODE, Emulate, Program

WHO = bulkdelete.Credentials(ACCOUNT, PASSCODE)


@dataclass
class Heard:
    """What a listener was told: (method, path, body) of each request."""

    url: str = ""
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)

    def bodies(self, path: str) -> list[Any]:
        """Return the JSON bodies that came to a path."""
        return [json.loads(body) for _, where, body in self.requests if where == path]


@asynccontextmanager
async def listener(status: int = 200, seconds: float = 0.0) -> AsyncIterator[Heard]:
    """Listen on loopback; answer everything with one status, after so many seconds."""
    heard = Heard()

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        heard.requests.append((request.method, request.path, body))
        await asyncio.sleep(seconds)
        return web.Response(status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield heard
    finally:
        await runner.cleanup()


Send = Callable[..., Any]


@pytest.fixture
def send(program: Program) -> Send:
    """Give a way to run a list of 250 IDs."""
    path, _ = program.ids(250)

    async def run(**options: Any) -> bulkdelete.Report:  # noqa: ANN401 - options
        chosen: Any = {"yes": True, "max_deletes": 250, "endpoint": program.url}
        return await bulkdelete.run(
            path, credentials=WHO, runs_dir=program.place / "runs", **chosen | options
        )

    return run


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Read an exposition as Prometheus would: (name, label values) -> value."""
    return {
        (one.name, tuple(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


async def test_a_webhook_a_command_and_a_heartbeat(
    program: Program, emulate: Emulate, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held, refused, finished: each is told once, without an ID; the heartbeat only at the end."""
    await emulate()
    taken = program.place / "taken.json"
    tool = program.write(
        "tool.py",
        "import os, sys, pathlib",
        "assert not [one for one in os.environ if one.startswith('CLEVERTAP_')]",
        f"pathlib.Path({str(taken)!r}).write_text(sys.stdin.read())",
    )
    monkeypatch.setenv("CLEVERTAP_PASSCODE", PASSCODE)
    async with listener() as heard:
        hooks: Any = {
            "notify": [f"{heard.url}/hook", f"{sys.executable} '{tool}'"],
            "heartbeat": f"{heard.url}/alive",
        }
        with pytest.raises(bulkdelete.Stopped):
            await send(hold_after=100, **hooks)
        with pytest.raises(bulkdelete.GuardError):
            await send(max_deletes=249, **hooks)
        assert not [one for one in heard.requests if one[1] == "/alive"]
        await send(**hooks)
        told = heard.bodies("/hook")
        assert [one["event"] for one in told] == ["held", "stopped", "finished"]
        assert [one["exit_code"] for one in told] == [75, 4, 0]
        assert told[2]["ids"]["accepted"] == 250
        assert [one[:2] for one in heard.requests if one[1] == "/alive"] == [("GET", "/alive")]
    assert json.loads(taken.read_text()) == told[2]
    assert b"user-0" not in b"".join(body for _, _, body in heard.requests)


async def test_a_list_that_is_refused_before_there_is_a_run_is_told(
    emulate: Emulate, send: Send
) -> None:
    """The night's list is refused by a guard while it is planned: that is what one must hear of."""
    await emulate()
    async with listener() as heard:
        with pytest.raises(bulkdelete.GuardError):
            await send(expect_count=5, notify=[f"{heard.url}/hook"])
    (told,) = heard.bodies("/hook")
    assert (told["event"], told["exit_code"]) == ("refused", 4)


async def test_who_stops_it_while_it_plans_is_told_of(
    emulate: Emulate, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night that was ended before there was a run is one that somebody must hear of."""
    await emulate()
    planning = asyncio.Event()

    async def long(*_: object, **__: object) -> None:
        planning.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(choosing, "choose", long)
    async with listener() as heard:
        sending = asyncio.create_task(send(notify=[f"{heard.url}/hook"]))
        await planning.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    (told,) = heard.bodies("/hook")
    assert (told["event"], told["exit_code"]) == ("stopped", 143)


async def test_who_is_told_in_vain_neither_fails_nor_delays_a_run(
    program: Program, emulate: Emulate, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens, it answers 500, it never answers, the command fails or hangs, no disk."""
    await emulate()
    monkeypatch.setattr(notices, "SECONDS", 1.0)
    began = asyncio.get_running_loop().time()
    async with listener(500) as ill, listener(seconds=60) as slow:
        report = await send(
            notify=[
                "http://127.0.0.1:9/nobody",
                f"{ill.url}/hook",
                f"{slow.url}/hook",
                "/bin/false",
                "/bin/sleep 60",
                "/nowhere/at/all",
            ],
            heartbeat="http://localhost:9/nobody",
            metrics_file=program.place / "no" / "such" / "place.prom",
        )
        assert ill.requests
        assert slow.requests
    assert report.exit_code == 0
    assert asyncio.get_running_loop().time() - began < 20


@pytest.mark.parametrize("how", ["signal", "cancel"])
async def test_who_ends_the_program_does_not_wait_for_who_is_told(
    emulate: Emulate, send: Send, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """All is sent, a listener says nothing: a signal ends the run as it is, a cancellation, too."""
    await emulate()
    monkeypatch.setattr(notices, "SECONDS", 60.0)
    async with listener(seconds=60) as slow, asyncio.timeout(30):
        heard = bulkdelete.Audience(signals=how == "signal")
        sending = asyncio.create_task(
            send(notify=[f"{slow.url}/x", "/bin/sleep 60"], audience=heard)
        )
        while not slow.requests:
            await asyncio.sleep(0.01)
        if how == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
            assert (await sending).exit_code == 0
        else:
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        mine = asyncio.current_task()
        assert [one for one in asyncio.all_tasks() if "hooks" in repr(one) and one != mine] == []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notify", "http://hooks.example.org/x"),
        ("notify", "ftp://127.0.0.1/x"),
        ("notify", "mail 'ops"),
        ("heartbeat", "http://10.0.0.1/x"),
        ("heartbeat", "https://"),
        ("metrics_port", "0"),
        ("metrics_port", "65536"),
        ("metrics_port", "host:"),
    ],
)
def test_hooks_that_are_refused(name: str, value: str) -> None:
    """Plain http only on this machine; and what a hook's address is, no repr says."""
    with pytest.raises(UsageError):
        resolve({name: value}, {}, {})


def test_the_address_of_a_hook_is_not_shown() -> None:
    """It is often the secret of whoever made it."""
    secret = "https://hooks.example.org/T0/s3cret"
    found = resolve({"notify": (secret,), "heartbeat": secret}, {}, {})
    assert found.notify == (secret,)
    assert "s3cret" not in repr(found)
    assert resolve({"metrics_port": "9464"}, {}, {}).metrics_port == ("127.0.0.1", 9464)
    assert resolve({"metrics_port": "[::1]:9464"}, {}, {}).metrics_port == ("::1", 9464)


async def test_the_metrics_file(program: Program, emulate: Emulate, send: Send) -> None:
    """It is what Prometheus reads, others may read it, and a bad night keeps the last good one."""
    await emulate()
    file = program.place / "bulkdelete.prom"
    await send(metrics_file=file)
    found = samples(file.read_text())
    assert found["bulkdelete_ids", ("accepted",)] == 250
    assert found["bulkdelete_requests_total", ("accepted",)] == 3
    assert found["bulkdelete_request_duration_seconds_count", ()] == 3
    assert found["bulkdelete_exit_code", ()] == 0
    assert file.stat().st_mode & 0o444 == 0o444
    with pytest.raises(bulkdelete.GuardError):
        await send(metrics_file=file, again=True, expect_count=1)
    refused = samples(file.read_text())
    assert refused["bulkdelete_exit_code", ()] == 4
    last = ("bulkdelete_last_success_timestamp_seconds", ())
    assert refused[last] == found[last]
    assert [one.name for one in program.place.glob("bulkdelete.prom*")] == [file.name]


async def test_the_metrics_file_is_of_the_process_at_work(
    program: Program, emulate: Emulate, send: Send
) -> None:
    """A second start ends with 7 and leaves the file alone, also where it held none yet."""
    await emulate()
    file = program.place / "bulkdelete.prom"
    with pytest.raises(bulkdelete.Stopped):
        await send(metrics_file=file, hold_after=100)
    held = file.read_bytes()
    (run,) = (program.place / "runs").iterdir()
    for known in (held, b""):
        file.write_bytes(known)
        with RunDir(run).lock(), pytest.raises(bulkdelete.BusyError):
            await send(metrics_file=file)
        assert file.read_bytes() == known
    assert (await send(metrics_file=file)).exit_code == 0
    assert samples(file.read_text())["bulkdelete_exit_code", ()] == 0


async def test_a_damaged_metrics_file_is_written_anew(
    program: Program, emulate: Emulate, send: Send
) -> None:
    """Whatever stands there: it is no reason to send nothing."""
    await emulate()
    file = program.write("bulkdelete.prom", 'x{a="b", ="d"} 1')
    with pytest.raises(IndexError):
        samples(file.read_text())
    assert (await send(metrics_file=file)).exit_code == 0
    assert samples(file.read_text())["bulkdelete_ids", ("accepted",)] == 250


async def test_who_cannot_begin_to_listen_stops_nothing(
    emulate: Emulate, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of OpenTelemetry that is set wrong; an address that is none."""
    await emulate()
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with capture_logs() as said:
        report = await send(otel=True, metrics_port=f"{'a' * 70}:9464")
    assert report.exit_code == 0
    events = [one["event"] for one in said]
    assert {"outlet.not_begun", "metrics.not_served"} <= set(events)


async def test_metrics_are_served_while_it_runs(
    emulate: Emulate, send: Send, unused_tcp_port: int
) -> None:
    """Scraped in the middle of a run, on loopback; afterwards nobody listens there."""
    emulator = await emulate(latency=1.5)
    running = asyncio.create_task(send(metrics_port=unused_tcp_port))
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    url = f"http://127.0.0.1:{unused_tcp_port}/metrics"
    async with asyncio.timeout(60), ClientSession() as session:
        while found.get(("bulkdelete_in_flight", ())) != 1:
            assert not running.done()
            if emulator.state.stats()["in_flight"]:
                async with session.get(url) as answer:
                    found = samples(await answer.text())
            await asyncio.sleep(0.05)
    assert found["bulkdelete_ids", ("ambiguous",)] == 100
    assert found["bulkdelete_running", ()] == 1
    assert (await running).exit_code == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", unused_tcp_port)


async def test_traces_and_metrics_by_otlp(
    program: Program, emulate: Emulate, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real OTLP listener decodes a span a request under that of the run, named by convention."""
    await emulate()
    async with listener() as heard:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", heard.url)
        await send(otel=True)
        traces = [body for _, path, body in heard.requests if path == "/v1/traces"]
        figures = [body for _, path, body in heard.requests if path == "/v1/metrics"]
    spans = [
        span
        for body in traces
        for one in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]
    (run,) = [span for span in spans if span.name == "bulkdelete.run"]
    posts = [span for span in spans if span.name == "POST"]
    assert len(posts) == 3
    assert {span.parent_span_id for span in posts} == {run.span_id}
    assert {span.kind for span in posts} == {3}
    found = {one.key: one.value for one in posts[0].attributes}
    assert found["http.request.method"].string_value == "POST"
    assert found["http.response.status_code"].int_value == 200
    assert found["server.address"].string_value == "127.0.0.1"
    assert found["server.port"].int_value == int(program.url.rpartition(":")[2])
    assert found["url.full"].string_value == f"{program.url}/1/delete/profiles.json"
    measured = {
        one.name: one
        for body in figures
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for one in scope.metrics
    }
    duration = measured["http.client.request.duration"]
    assert duration.unit == "s"
    assert sum(point.count for point in duration.histogram.data_points) == 3
    assert sum(p.as_int for p in measured["bulkdelete.ids"].sum.data_points) == 250
    everything = b"".join(traces + figures)
    assert b"user-0" not in everything
    assert PASSCODE.encode() not in everything


async def test_an_otlp_listener_that_is_gone_fails_and_delays_nothing(
    emulate: Emulate, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last export is given up after a while."""
    await emulate()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(telemetry, "SECONDS", 1.0)
    began = asyncio.get_running_loop().time()
    assert (await send(otel=True)).exit_code == 0
    assert asyncio.get_running_loop().time() - began < 20


async def test_a_missing_extra_is_said_before_anything_is_planned(
    program: Program, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, naming it; no run directory is made."""
    for module, option, extra in (
        ("bulkdelete.metrics", {"metrics_file": Path("x.prom")}, "metrics"),
        ("bulkdelete.telemetry", {"otel": True}, "otel"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UsageError, match=f"extra `{extra}`"):
            await send(**option, endpoint="http://127.0.0.1:9")
    assert not (program.place / "runs").exists()
