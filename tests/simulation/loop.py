"""An event loop on a virtual clock: no selector, no thread, no sleep, one fixed order.

Time stands still while something can run, and jumps to the next timer when nothing can. When
neither is left the work can never end: that is a deadlock, and an error.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

_TICK = 1e-6
"""Seconds that each turn of the loop takes: timers that miss by a rounding error come due."""


class CrashError(SystemExit):
    """The process ends here and now; asyncio lets nothing but a system exit through."""


class DeadlockError(Exception):
    """Work is left, and nothing will ever wake it."""


class SpinError(Exception):
    """So many steps or so much time that it will never end."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one process start.

    `before_step` is called before each step with its number and may raise CrashError. `now` goes
    on between loops, as the world's time does.
    """

    def __init__(self, now: float, before_step: Callable[[int], None], most_steps: int) -> None:
        super().__init__()
        self.now = now
        self.steps = 0
        self.complaints: list[str] = []
        self._before_step = before_step
        self._most_steps = most_steps
        self._dead = False
        self.set_exception_handler(self._complain)

    def time(self) -> float:
        """Return the virtual time."""
        return self.now

    def live(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end; raises what the work raises."""
        try:
            self.run_until_complete(work)
        finally:
            self._end()

    def _run_once(self) -> None:
        """Run what is ready; when nothing is, let time pass."""
        ready = cast("Any", self)._ready
        scheduled = cast("Any", self)._scheduled
        self.now += _TICK
        if not ready:
            self._pass_time(scheduled)
        while scheduled and scheduled[0]._when <= self.now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if not timer._cancelled:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                self.steps += 1
                self._before_step(self.steps)
                handle._run()
        if self.steps > self._most_steps:
            raise SpinError(f"{self.steps} steps without an end")

    def _pass_time(self, scheduled: list[Any]) -> None:
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not scheduled:
            raise DeadlockError("nothing is scheduled, and work is left")
        self.now = max(self.now, scheduled[0]._when)

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._dead:
            self.complaints.append(f"{context['message']}: {context.get('exception')!r}")

    def _end(self) -> None:
        """Leave nothing behind that runs later: what a dead process would have done, it never did.

        Closing a coroutine runs its `finally` blocks; the world does not listen any more.
        """
        self._dead = True
        for task in _left(self):
            cast("Any", task)._log_destroy_pending = False
            for coroutine in reversed(_chain(task.get_coro())):
                _put_out(coroutine)
        cast("Any", self)._ready.clear()
        cast("Any", self)._scheduled.clear()
        self.close()

    def _process_events(self, _: object) -> None:
        """Handle no events: there is no selector."""

    def _write_to_self(self) -> None:
        """Wake nobody: there is one thread."""


def _left(loop: asyncio.AbstractEventLoop) -> Iterator["asyncio.Task[Any]"]:
    """Yield the tasks that are not done, those besides that begin meanwhile."""
    for _ in range(5):
        yield from asyncio.all_tasks(loop)


def _chain(coroutine: Any) -> list[Any]:  # noqa: ANN401 - whatever a task runs
    """Return a coroutine and what it waits for, the innermost last."""
    found = []
    while coroutine is not None and hasattr(coroutine, "close"):
        found.append(coroutine)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return found


def _put_out(coroutine: Any) -> None:  # noqa: ANN401 - whatever a task runs
    for _ in range(50):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # it waits for something even while it ends
        except BaseException:  # noqa: BLE001, S110 - nobody hears what a dead process says
            pass
        return
