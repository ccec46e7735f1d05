"""The emulator on a loopback socket, until it is told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bulkdelete.emulator.app import EMULATION, create_app
from bulkdelete.emulator.config import EmulatorConfig, loopback_address
from bulkdelete.emulator.state import State
from bulkdelete.emulator.traffic import Emulation

# How long a stop waits for each connection; 0 would mean for ever.
_STOP_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class RunningEmulator:
    """An emulator that listens: `url` is its base, without a slash at the end."""

    url: str
    emulation: Emulation
    runner: web.AppRunner

    @property
    def state(self) -> State:
        """Profiles, log and counts; read it in the loop the emulator runs in."""
        return self.emulation.state

    async def stop(self) -> None:
        """Drop all connections and close the socket, in well under a second."""
        await self.runner.cleanup()


async def start(config: EmulatorConfig | None = None) -> RunningEmulator:
    """Listen; the caller must `stop()` it.

    Raises ValueError on an impossible configuration, OSError if the port is taken or the trace
    file cannot be opened.
    """
    config = config or EmulatorConfig()
    host = loopback_address(config.host)
    app = create_app(config)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_STOP_SECONDS,
        handler_cancellation=not config.hold_abandoned,
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, host, config.port).start()
    except BaseException:
        await runner.cleanup()
        raise
    port = runner.addresses[0][1]
    base = f"[{host}]" if ":" in host else host
    return RunningEmulator(f"http://{base}:{port}", app[EMULATION], runner)


@asynccontextmanager
async def running(config: EmulatorConfig | None = None) -> AsyncIterator[RunningEmulator]:
    """Run an emulator for the length of a block; see `start`."""
    emulator = await start(config)
    try:
        yield emulator
    finally:
        await emulator.stop()


async def serve(config: EmulatorConfig, ready: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; `ready` is called with the base URL once it listens.

    Must run in the main thread, as signals are heard only there. Raises as `start` does.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, told.set)
    try:
        async with running(config) as emulator:
            ready(emulator.url)
            await told.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
