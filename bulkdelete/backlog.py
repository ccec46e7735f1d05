"""Work that waits to be sent: fresh chunks (a bounded queue), halves of refused ones, retries.

Until `open_up` is called, work is given out one at a time, and nothing fresh while the first
chunk still has something to do: that is the canary.
"""

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkdelete.core.model import Piece


@dataclass(frozen=True, slots=True)
class Job:
    """A piece to send. `attempts` are those on record; `tries` those that this start spent."""

    piece: "Piece"
    digest: str
    attempts: int = 0
    tries: int = 0
    retry: bool = False

    def again(self, *, spent: bool) -> "Job":
        """Return the job of the next try of the same piece."""
        return replace(self, tries=self.tries + spent, retry=True)

    def attempted(self) -> "Job":
        """Return the job with one more attempt on record."""
        return replace(self, attempts=self.attempts + 1)

    def halves(self) -> "tuple[Job, Job]":
        """Cut it in two; each half starts anew."""
        left, right = self.piece.cut()
        return Job(left, self.digest), Job(right, self.digest)


class Backlog:
    """Hands out jobs: halves first, then retries that are due, then what is fresh."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._fresh: deque[Job] = deque()
        self._urgent: deque[Job] = deque()
        self._delayed: list[tuple[float, int, Job]] = []
        self._count = 0
        self._taken = 0
        self._closed = False
        self._stopped = False
        self._canary = True
        self._waiters: dict[asyncio.Future[None], None] = {}  # in the order of their coming
        self._offering: asyncio.Future[None] | None = None

    async def offer(self, job: Job) -> None:
        """Add a fresh job; waits while the queue is full, and then until half of it was taken.

        One at a time: who makes the jobs does not come for each of them.
        """
        if len(self._fresh) >= self._room and not self._stopped:
            self._offering = asyncio.get_running_loop().create_future()
            await self._offering
        self._fresh.append(job)
        self._wake()

    def close(self) -> None:
        """No more fresh jobs will come."""
        self._closed = True
        self._wake()

    def stop(self) -> None:
        """Give out nothing more."""
        self._stopped = True
        self._make_room()
        self._wake()

    def open_up(self) -> None:
        """Give out what is fresh, too, and to all who ask: the canary came back."""
        if self._canary:
            self._canary = False
            self._wake()

    @property
    def _full(self) -> bool:
        return self._canary and self._taken > 0

    def resize(self, room: int) -> None:
        """Hold so many fresh jobs at most."""
        self._room = room
        self._make_room()

    def put_back(self, *jobs: Job) -> None:
        """Put jobs before all others."""
        self._urgent.extendleft(reversed(jobs))
        self._wake()

    def delay(self, job: Job, due: float) -> None:
        """Give a job out again at the loop's time `due`."""
        self._count += 1
        heapq.heappush(self._delayed, (due, self._count, job))
        self._wake()

    def ended(self) -> None:
        """Say that a job that was taken has ended, after what follows from it was put back."""
        self._taken -= 1
        self._wake()

    async def all_ended(self) -> None:
        """Wait until everything that was offered has ended, or the work was stopped."""
        while (self._taken or self._waiting) and not self._stopped:
            await self._wait(None)

    @property
    def _waiting(self) -> bool:
        return bool(self._fresh or self._urgent or self._delayed)

    def nothing_follows(self, seq: int) -> bool:
        """Tell that one job is taken, and that nothing else of chunk `seq` waits behind it."""
        same = bool(self._fresh) and self._fresh[0].piece.span.seq == seq
        return self._taken == 1 and not (self._urgent or self._delayed or same)

    @property
    def _empty(self) -> bool:
        return self._closed and not (self._taken or self._waiting)

    async def take(self) -> Job | None:
        """Wait for a job; None when nothing is left or all was stopped."""
        while not self._stopped:
            if (job := self.pick()) is not None:
                return job
            if self._empty:
                self._wake()
                return None
            await self._wait(self._delayed[0][0] if self._delayed and not self._full else None)
        return None

    def pick(self) -> Job | None:
        """Take a job that is at hand; None when there is none now."""
        job = None
        if self._stopped or self._full:
            return None
        if self._urgent:
            job = self._urgent.popleft()
        elif self._delayed and self._delayed[0][0] <= asyncio.get_running_loop().time():
            job = heapq.heappop(self._delayed)[2]
        elif self._fresh and not (self._canary and self._delayed):
            job = self._fresh.popleft()
            self._make_room()
        self._taken += job is not None
        return job

    def _make_room(self) -> None:
        """Go on with who offers, where half of the queue is empty."""
        enough = 2 * len(self._fresh) <= self._room or self._stopped
        if self._offering is not None and enough:
            _ring(self._offering)
            self._offering = None

    async def _wait(self, due: float | None) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiters[future] = None
        timer = loop.call_at(due, _ring, future) if due is not None else None
        try:
            await future
        finally:
            self._waiters.pop(future, None)
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if not self._waiters:  # nearly always: all are at work
            return
        waiters, self._waiters = self._waiters, {}
        for future in waiters:
            _ring(future)


def _ring(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
