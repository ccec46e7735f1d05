"""Waiting for a run that something else drives."""

import asyncio
from collections.abc import Callable
from typing import Any


async def sent_so_far(
    emulator: Any,  # noqa: ANN401 - as `Emulate` gives it
    requests: int,
    process: asyncio.subprocess.Process,
    said: Callable[[], str],
) -> None:
    """Wait until the emulator acted on so many requests; `said` tells why a process ended."""
    async with asyncio.timeout(100):
        while emulator.state.stats()["acted_requests"] < requests:
            assert process.returncode is None, said()
            await asyncio.sleep(0.02)
