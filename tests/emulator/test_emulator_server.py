"""Starting and stopping: loopback only, and quickly gone."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import aiohttp
import pytest

from bulkdelete.emulator import EmulatorConfig, running, serve
from tests.emulator.emulator_client import Caller, call


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])  # noqa: S104
def test_only_loopback_addresses(host: str) -> None:
    """Any other address, and any name, is refused before a socket is opened."""
    with pytest.raises(ValueError, match=r".+"):
        EmulatorConfig(host=host)


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"latency": -1.0},
        {"latency": float("nan")},
        {"latency_spread": 2.0},
        {"profile_limit": 0},
        {"removal_delay": -1.0},
        {"gone_style": "500"},
        {"refuse_pattern": "("},
        {"script": ("oops",)},
        {"passcode": ""},
        {"port": 70_000},
    ],
)
def test_an_impossible_configuration_is_refused(wrong: dict[str, object]) -> None:
    """What cannot work is a ValueError where it is written."""
    with pytest.raises(ValueError, match=r".+"):
        EmulatorConfig(**wrong)  # type: ignore[arg-type]


def test_the_passcode_is_not_in_the_repr() -> None:
    """A configuration that is printed keeps the passcode to itself."""
    assert "hush" not in repr(EmulatorConfig(passcode="hush"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
async def test_the_url_is_where_it_listens(host: str) -> None:
    """The port is a free one and the URL can be used as it stands."""
    async with running(EmulatorConfig(host=host, latency=0)) as emulator:
        assert (await call(emulator).delete({"identity": "a"})).is_success


async def test_a_taken_port_is_an_oserror() -> None:
    """Two emulators cannot share a port, and the second leaves nothing behind."""
    async with running() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            async with running(EmulatorConfig(port=port)):
                pass


@pytest.mark.parametrize("script", [(), ("hang",)])
async def test_a_stop_drops_what_is_pending(script: tuple[str, ...]) -> None:
    """Requests in processing, also abandoned ones, do not delay the stop."""
    async with running(EmulatorConfig(latency=0 if script else 60, script=script)) as emulator:
        client = call(emulator)
        with pytest.raises(TimeoutError):
            await client.delete({"identity": "b"}, timeout=aiohttp.ClientTimeout(total=0.05))
        pending = asyncio.create_task(client.delete({"identity": "a"}))
        await asyncio.sleep(0.05)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10.0
    with suppress(aiohttp.ClientError):
        await pending
    assert emulator.state.slots.in_flight == 0


async def test_serve_ends_at_a_signal() -> None:
    """`serve` says where it listens, runs until SIGTERM, and leaves no signal handler behind."""
    listening = asyncio.Event()
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        listening.set()

    task = asyncio.create_task(serve(EmulatorConfig(), ready))
    await listening.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 10.0)
    assert urls[0].startswith("http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


_PROGRAM = """
import asyncio
from bulkdelete.emulator import EmulatorConfig, serve
asyncio.run(serve(EmulatorConfig(latency=60), lambda url: print(url, flush=True)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_ends_in_silence_with_requests_pending(number: signal.Signals) -> None:
    """Exit code 0, nothing on stderr, and at once, though clients would wait for minutes."""
    process = subprocess.Popen(  # noqa: ASYNC220 - a line is read and it is waited for, no more
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        url = (await asyncio.to_thread(process.stdout.readline)).strip()
        client = Caller(url)
        pending = [asyncio.create_task(client.delete({"identity": name})) for name in "abc"]
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        process.send_signal(number)
        _, errors = await asyncio.to_thread(process.communicate)
        assert time.monotonic() - begun < 10.0
        assert (process.returncode, errors) == (0, "")
        results = await asyncio.gather(*pending, return_exceptions=True)
        assert all(isinstance(result, aiohttp.ClientError) for result in results)
