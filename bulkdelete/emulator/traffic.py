"""One emulated account at work: who is in flight, what is settled, and what is written down."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from bulkdelete.emulator.answers import is_gone
from bulkdelete.emulator.config import EmulatorConfig
from bulkdelete.emulator.slots import Slots
from bulkdelete.emulator.state import Attempt, Profiles, State
from bulkdelete.emulator.windows import Window

Clock = Callable[[], float]

_TRACE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Lane:
    """The requests in processing at one endpoint, with the tasks that process them."""

    def __init__(self, slots: Slots, clock: Clock) -> None:
        self.slots = slots
        self._clock = clock
        self._open: dict[asyncio.Task[object], web.Request] = {}

    @property
    def live(self) -> int:
        """How many of them have a client that is still there."""
        return sum(not is_gone(request) for request in self._open.values())

    @contextmanager
    def occupied(self, request: web.Request) -> Iterator[None]:
        """Hold a slot for `request` until the block ends, however it ends."""
        task = asyncio.current_task()
        self.slots.take(self._clock())
        if task is not None:
            self._open[task] = request
        try:
            yield
        finally:
            if task is not None:
                self._open.pop(task, None)
            self.slots.release(self._clock())

    def cancel(self) -> None:
        """Give up all of them: the emulator is stopping, and abandoned ones have no connection."""
        for task in tuple(self._open):
            task.cancel()


class Trace:
    """A file of JSON lines, one when a request starts and one when it ends, written at once.

    So that somebody outside who kills a client can see that a request was in flight. Holds no ID.
    """

    def __init__(self, path: Path | None) -> None:
        self._fd = None if path is None else os.open(path, _TRACE_FLAGS, 0o600)

    def write(self, event: str, row: Mapping[str, object]) -> None:
        """Append one line."""
        if self._fd is not None:
            os.write(self._fd, msgspec.json.encode({"event": event, **row}) + b"\n")

    @property
    def is_on(self) -> bool:
        """Whether anybody asked for it."""
        return self._fd is not None

    def close(self) -> None:
        """Close the file; later lines are dropped."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Emulation:
    """Settings, state and lanes of one account. `clock` is monotonic, `wall` is Unix time."""

    def __init__(self, config: EmulatorConfig, *, clock: Clock, wall: Clock) -> None:
        self.config = config
        self.clock = clock
        self.wall = wall
        self.dials = config.dials()
        self.state = State(
            _profiles(config),
            Slots(self.dials.tuning.limit),
            record_requests=config.record_requests,
        )
        self.deletes = Lane(self.state.slots, clock)
        self.reads = Lane(Slots(config.profile_limit), clock)
        self.window = self._fresh_window()
        self.trace = Trace(None)

    def _fresh_window(self) -> Window | None:
        found = self.config.window or self.config.dialect.window
        return None if found is None else Window(*found)

    def open(self) -> None:
        """Open the trace file, if one is configured; raises OSError."""
        self.trace = Trace(self.config.log_path)

    def stop(self) -> None:
        """Give up what is in flight."""
        self.deletes.cancel()
        self.reads.cancel()

    def close(self) -> None:
        """Close the trace file."""
        self.trace.close()

    def arrive(self) -> Attempt:
        """Note a delete request, in the log and in the trace."""
        attempt = self.state.arrive(self.clock(), self.wall())
        if self.trace.is_on:
            self.trace.write("start", attempt.row())
        return attempt

    def settle(self, attempt: Attempt, *, fault: str = "ok", success: bool = False) -> None:
        """Note its end, likewise."""
        self.state.settle(attempt, self.clock(), fault=fault, success=success)
        if self.trace.is_on:
            self.trace.write("end", attempt.row())

    def turn(self, patch: Mapping[str, object]) -> None:
        """Turn the dials, see `Dials.turn`; raises ValueError."""
        self.dials.turn(patch)
        self.state.slots.resize(self.dials.tuning.limit, self.clock())

    def reset(self) -> None:
        """Back to the configuration: profiles, counts, log, dials and the sequence of faults."""
        self.dials = self.config.dials()
        self.window = self._fresh_window()
        now = self.clock()
        self.state.slots.resize(self.dials.tuning.limit, now)
        self.state.reset(_profiles(self.config), now)

    def is_authorised(self, request: web.Request) -> bool:
        """Return whether the request carries the account's credentials."""
        config = self.config
        return config.dialect.authorised(request.headers, config.account_id, config.passcode)

    def in_time(self, now: float) -> bool:
        """Note a delete request, and return whether the pace allows it."""
        return self.window is None or self.window.arrive(now)

    def told(self) -> Mapping[str, str]:
        """Return the headers that tell of the pace."""
        if self.window is None:
            return {}
        full = self.wall() + self.window.wait(self.clock())
        return self.config.dialect.told(self.window.count, self.window.left, full)


def _profiles(config: EmulatorConfig) -> Profiles:
    return Profiles(
        config.profiles, removal_delay=config.removal_delay, record_ids=config.record_ids
    )
