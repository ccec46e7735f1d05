"""A coroutine run to its end by a synchronous caller, who may be killed; without Airflow.

Airflow kills by a signal whose handler runs between two steps of the loop, and times out by an
exception thrown into whatever runs. Here either becomes one cancellation, which the library
answers by letting what is in flight end on record. More of the same change nothing: who cannot
wait sends SIGKILL, and the checkpoint is made for that.
"""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

KILLED = "killed"
TIMED_OUT = "timed out"
UNNOTED = "Airflow did not keep where the run is"


class Halted(Exception):  # noqa: N818 - not an error: it was asked to
    """What ran was stopped, and has drained; the message says by what."""


class Drive:
    """Runs one coroutine on a loop of its own; `stop` may be called from a signal handler."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._why = ""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what it returns; Halted when it was stopped, before or meanwhile."""
        if self._why:
            work.close()
            raise Halted(self._why)
        # A loop that sees Python's signal handlers at once, whatever the worker's policy is.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner, self._alarm():
            self._loop = runner.get_loop()
            try:
                return runner.run(self._watched(work))
            except asyncio.CancelledError:
                if not self._why:
                    raise
            finally:
                self._loop = self._task = None
        raise Halted(self._why)

    def stop(self, why: str) -> None:
        """Cancel what runs, once."""
        first, self._why = not self._why, self._why or why
        if first and self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def _watched(self, work: Coroutine[Any, Any, T]) -> T:
        self._task = asyncio.current_task()
        if self._why and self._task is not None:  # stopped before there was a task
            self._task.cancel()
        return await work

    @contextmanager
    def _alarm(self) -> Iterator[None]:
        """Take Airflow's alarm of `execution_timeout` as a stop: an exception cannot drain."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, lambda *_: self.stop(TIMED_OUT))
        try:
            yield
        finally:
            signal.signal(signal.SIGALRM, before)
