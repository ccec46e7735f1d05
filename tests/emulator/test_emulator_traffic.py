"""The concurrency limit and each fault, as a client sees them."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from bulkdelete.emulator import EmulatorConfig, Faults, running
from tests.emulator.emulator_client import CREDENTIALS, call

BODY = {"identity": ["a", "b"]}
HEAD = (
    b"POST /1/delete/profiles.json HTTP/1.1\r\nHost: emulator\r\n"
    + "".join(f"{name}: {value}\r\n" for name, value in CREDENTIALS.items()).encode()
    + b"Content-Length: 100\r\n\r\n"
)


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not is_true():
            await asyncio.sleep(0.005)


async def test_one_too_many_is_a_429_at_once() -> None:
    """The fourth is refused without a hint, and without waiting for the three in processing."""
    async with running(EmulatorConfig(latency=0.5)) as emulator:
        client = call(emulator)
        three = [asyncio.create_task(client.delete({"identity": name})) for name in "abc"]
        await _until(lambda: emulator.state.slots.in_flight == 3)
        fourth = await client.delete({"identity": "d"})
        assert not any(one.done() for one in three)
        assert fourth.status == 429
        assert json.loads(fourth.body) == {
            "status": "fail",
            "error": "Too many concurrent requests",
            "code": 429,
        }
        assert "Retry-After" not in fourth.headers
        assert all(one.is_success for one in await asyncio.gather(*three))
        stats = await client.stats()
        assert (stats["throttled"], stats["accepted_requests"]) == (1, 3)
        assert (stats["max_in_flight"], stats["max_live_in_flight"]) == (4, 4)


async def test_a_full_house_is_never_throttled() -> None:
    """Clients that wait for each answer can hold all the slots without one 429."""
    async with running(EmulatorConfig(latency=0.005)) as emulator:
        client = call(emulator)

        async def worker(name: str) -> None:
            for turn in range(40):
                assert (await client.delete({"identity": f"{name}{turn}"})).is_success

        await asyncio.gather(*(worker(name) for name in "abc"))
        stats = await client.stats()
        assert (stats["throttled"], stats["max_in_flight"]) == (0, 3)
        assert isinstance(stats["utilisation"], float)
        assert 0.2 < stats["utilisation"] <= 1.0
        assert stats["slot_gap_ms"]


async def test_a_slot_is_taken_when_the_headers_arrive() -> None:
    """A body that does not come holds its slot all the same, and never acts."""
    async with running(EmulatorConfig(latency=0.05, limit=1)) as emulator:
        host, port = emulator.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEAD)
        await _until(lambda: emulator.state.slots.in_flight == 1)
        assert (await call(emulator).delete(BODY)).status == 429
        writer.close()
        await _until(lambda: emulator.state.slots.in_flight == 0)
        assert emulator.state.verdicts == {"throttled": 1, "incomplete": 1}
        assert emulator.state.acted_requests == 0


@pytest.mark.parametrize("holds", [True, False])
async def test_an_abandoned_request_holds_its_slot(holds: bool) -> None:
    """Either it keeps the slot for its latency and acts, or it is forgotten at once."""
    config = EmulatorConfig(latency=0.5, limit=1, hold_abandoned=holds)
    async with running(config) as emulator:
        client = call(emulator)
        impatient = aiohttp.ClientTimeout(total=0.1)
        with pytest.raises(TimeoutError):
            await client.delete(BODY, timeout=impatient)
        await asyncio.sleep(0.05)
        assert emulator.state.slots.in_flight == int(holds)
        assert (await client.delete({"identity": "z"})).status == (429 if holds else 200)
        await _until(lambda: emulator.state.slots.in_flight == 0)
        first = (await client.log())[0]
        assert (first["acted"], first["answered"]) == (holds, False)
        stats = await client.stats()
        assert stats["max_in_flight"] == 1 + holds
        assert stats["max_live_in_flight"] == 1


LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError)


@pytest.mark.parametrize(
    ("word", "acts"), [("drop_before", False), ("drop_after", True), ("cut_body", True)]
)
async def test_a_lost_answer_may_have_acted(word: str, acts: bool) -> None:
    """The client sees a broken connection; the emulator knows whether it acted."""
    async with running(EmulatorConfig(latency=0, script=(word,))) as emulator:
        client = call(emulator)
        with pytest.raises(LOST):
            await client.delete(BODY)
        assert (await client.delete(BODY)).is_success
        stats = await client.stats()
        assert stats["faults"] == {word: 1}
        assert stats["accepted_requests"] == 1
        assert stats["ids_acted_more_than_once"] == {"identity": 2 * acts, "guid": 0}
        assert stats["in_flight"] == 0


async def test_a_drip_ends_in_a_success() -> None:
    """The answer comes a byte at a time, whole, and its slot is taken until the last byte."""
    faults = Faults(drip=1.0, drip_interval=0.01)
    async with running(EmulatorConfig(latency=0, faults=faults)) as emulator:
        client = call(emulator)
        begun = time.monotonic()
        assert (await client.delete(BODY)).is_success
        assert time.monotonic() - begun > 0.15
        stats = await client.stats()
        assert (stats["accepted_requests"], stats["faults"]) == (1, {"drip": 1})


async def test_a_200_may_be_a_failure() -> None:
    """`fail_200` has the status 200, the failure object, and does not act."""
    async with running(EmulatorConfig(latency=0, faults=Faults(fail_200=1.0))) as emulator:
        answer = await call(emulator).delete(BODY)
        assert answer.status == 200
        assert json.loads(answer.body)["status"] == "fail"
        assert emulator.state.stats()["accepted_requests"] == 0
        assert emulator.state.acted_requests == 0


async def test_half_of_the_server_errors_acted() -> None:
    """The bodies are HTML, and some of the requests were acted on."""
    async with running(EmulatorConfig(latency=0, faults=Faults(error_5xx=1.0))) as emulator:
        client = call(emulator)
        answers = [await client.delete({"identity": str(n)}) for n in range(40)]
        assert {answer.status for answer in answers} == {500, 502, 503, 504}
        assert all(answer.body.startswith(b"<html>") for answer in answers)
        assert 5 < emulator.state.acted_requests < 35
        assert emulator.state.stats()["faults"] == {"error_5xx": 40}


@pytest.mark.parametrize(
    ("word", "status", "body"),
    [
        ("html_200", 200, b"<html>"),
        ("empty_200", 200, b""),
        ("204", 204, b""),
        ("200 null", 200, b"null"),
        ('+200 {"status":"partial"}', 200, b'{"status":"partial"}'),
        ("401", 401, b'{"status":"fail"'),
        ("403", 403, b'{"status":"fail"'),
        ("413", 413, b'{"status":"fail"'),
        ("422", 422, b'{"status":"fail"'),
        ("503", 503, b"<html>"),
        ("404 gone", 404, b"gone"),
    ],
)
async def test_a_script_is_played_once(word: str, status: int, body: bytes) -> None:
    """The next request meets the word, the one after it does not."""
    async with running(EmulatorConfig(latency=0)) as emulator:
        client = call(emulator)
        await client.turn(script=[word])
        answer = await client.delete(BODY)
        assert answer.status == status
        assert answer.body.startswith(body)
        assert bool(answer.body) == bool(body)
        assert emulator.state.acted_requests == word.startswith("+")
        assert (await client.delete(BODY)).is_success


async def test_a_redirect_names_where_to() -> None:
    """A 3xx carries the configured Location; a client that follows it is counted as astray."""
    faults = Faults(redirect_to="/elsewhere")
    config = EmulatorConfig(latency=0, faults=faults, script=("307", "302"))
    async with running(config) as emulator:
        client = call(emulator)
        answer = await client.delete(BODY)
        assert (answer.status, answer.headers["Location"]) == (307, "/elsewhere")
        assert emulator.state.strays == 0
        assert (await client.delete(BODY, allow_redirects=True)).status == 404
        assert emulator.state.strays == 1


async def test_throttled_though_free() -> None:
    """The fault is a 429 with the configured hint, word for word."""
    faults = Faults(throttle=1.0, retry_after="soon")
    async with running(EmulatorConfig(faults=faults)) as emulator:
        answer = await call(emulator).delete(BODY)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "soon")
        stats = emulator.state.stats()
        assert (stats["throttled"], stats["faults"]) == (1, {"throttle": 1})


async def test_a_throttled_connection_stays_open() -> None:
    """A 429 comes without the body being looked at, and the connection serves the next request."""
    async with running(EmulatorConfig(latency=0, script=("429", "ok"))) as emulator:
        host, port = emulator.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for status in (b"429", b"200"):
            writer.write(HEAD + b'{"identity": "a"}'.ljust(100))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] == status
            (length,) = re.findall(rb"Content-Length: (\d+)", head)
            await reader.readexactly(int(length))
        writer.close()


async def test_a_bad_body_is_a_400_whatever_acting_fault_it_meets() -> None:
    """A fault that acts cannot act on nothing."""
    async with running(EmulatorConfig(latency=0, script=("drop_after",))) as emulator:
        assert (await call(emulator).delete({})).status == 400
        assert emulator.state.stats()["faults"] == {}


async def test_the_trace_shows_what_is_in_flight(tmp_path: Path) -> None:
    """The start is on file while the request is still in processing, the end when it is over."""
    path = tmp_path / "trace.jsonl"
    async with running(EmulatorConfig(latency=0.1, log_path=path)) as emulator:
        request = asyncio.create_task(call(emulator).delete({"identity": "secret-id"}))
        await _until(lambda: emulator.state.slots.in_flight == 1)
        assert _events(path) == ["start"]
        await request
        assert _events(path) == ["start", "end"]
    assert "secret-id" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def _events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


async def test_chaos_keeps_the_books() -> None:
    """Under every fault at once the log, the counts and the list of IDs agree."""
    rate = 0.1
    faults = Faults(
        throttle=rate,
        error_5xx=rate,
        drop_before=rate,
        drop_after=rate,
        cut_body=rate,
        fail_200=rate,
        drip=rate,
        drip_interval=0.0,
        seed=3,
    )
    config = EmulatorConfig(latency=0.002, latency_spread=1.0, faults=faults)
    async with running(config) as emulator:
        client = call(emulator)
        seen = 0
        for turn in range(150):
            with contextlib.suppress(*LOST):
                seen += (
                    await client.delete({"identity": [f"{turn}-{n}" for n in "ab"]})
                ).is_success
        rows, stats = await client.log(), await client.stats()
        acted = [row for row in rows if row["acted"]]
        assert stats["requests"] == len(rows) == 150
        assert stats["accepted_requests"] == seen
        assert stats["acted_requests"] == len(acted) > seen
        assert stats["ids_acted"] == {"identity": 2 * len(acted), "guid": 0}
        assert len(emulator.state.faults) == 7
        assert stats["in_flight"] == 0
