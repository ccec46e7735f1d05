"""One controller in one world, in virtual time: events in order, no wall clock, chance seeded.

What is measured: *use*, the share of what was free that carried requests which the server took
on; *rejected*, refused requests for each that left; *adapt*, how many of ours were accepted after
a change until 95 % of the new limit was in use over the next twenty.
"""

import heapq
import itertools
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from bulkdelete.core.gate import Start
from tests.bench.gate.scenarios import Neighbour, Rate, Scenario

ENOUGH = 0.95
SPAN = 20
MOST_EVENTS = 3_000_000


class Controller(Protocol):
    """What decides: how it is asked, and what it is told. `out` counts all that are in flight."""

    def wait(self, out: int, now: float) -> float | None:
        """Return 0.0 when one more may start, seconds to wait, or None: not before an answer."""

    def started(self, out: int, now: float) -> Start:
        """Note a start, with which `out` are in flight; return what to give back later."""

    def accepted(self, start: Start, out: int, now: float) -> None:
        """Note an answer that is no refusal."""

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        """Note a 429."""

    def failed(self, start: Start, out: int, now: float, draw: float) -> None:
        """Note a 5xx."""


@dataclass(slots=True)
class _Request:
    start: Start | None = None
    until: float = 0.0
    error: bool = False

    @property
    def ours(self) -> bool:
        return self.start is not None


@dataclass(slots=True)
class Result:
    """What came of it: shares, and in `adapt` one number for each change of the limit.

    `at_server` is the use as the server sees it, without the way to it.
    """

    use: float
    at_server: float
    rejected: float
    adapt: tuple[int | None, ...]
    seconds: float
    neighbour_refused: float = 0.0

    @property
    def lost(self) -> float:
        """The share of time lost."""
        return 1.0 - self.use + self.rejected


class World:
    """Runs one controller through one scenario."""

    def __init__(self, scenario: Scenario, controller: Controller, seed: int) -> None:
        self.scenario = scenario
        self.controller = controller
        self.dice = Random(f"{scenario.name}/{seed}")
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._out = 0
        self._pump_at: float | None = None
        self._serving = 0
        self._theirs = 0
        self._queue: list[_Request] = []
        self._phase = 0
        self._left_in_phase = self._length()
        self._limit = scenario.phases[0][0]
        self._free: list[tuple[float, int]] = [(0.0, self._limit)]
        self._served: list[tuple[float, float]] = []
        self._busy: list[tuple[float, float]] = []
        self._answers: list[float] = []
        self._accepted: list[float] = []
        self._changes: list[int] = []
        self._sent = self._refused = 0
        self._asked = self._turned_away = 0
        self._pace = _Pace(scenario.rate) if scenario.rate else None
        self._done = False
        self._ended_at = 0.0

    def run(self) -> Result:
        """Go on until all phases are through."""
        if (neighbour := self.scenario.neighbour) is not None:
            self._at(self.dice.uniform(5, 30), lambda: self._burst(neighbour))
        if self.scenario.outage is not None:
            begin, length = self.scenario.outage
            self._at(begin, self._note_free)
            self._at(begin + length, self._note_free)
        self._pump()
        for _ in range(MOST_EVENTS):
            if self._drained or not self._events:
                break
            self.now, _, event = heapq.heappop(self._events)
            event()
        if not self._drained:
            raise AssertionError(f"{self.scenario.name}: it never ended")
        return self._result()

    @property
    def free(self) -> int:
        """How many the server would take of ours."""
        return max(1, self._limit - self._theirs)

    @property
    def _drained(self) -> bool:
        """Whether all is through, and what was out then has come back: it held its slot, too."""
        return self._done and not self._out

    # --- us ---

    def _pump(self) -> None:
        while not self._done and (seconds := self.controller.wait(self._out, self.now)) is not None:
            if seconds > 0.0:
                at = self.now + max(seconds, 1e-6)
                if self._pump_at is None or at < self._pump_at or self._pump_at <= self.now:
                    self._pump_at = at
                    self._at(at, self._pump)
                return
            self._out += 1
            request = _Request(self.controller.started(self._out, self.now))
            self._sent += 1
            self._at(self.now + self._hop(), partial(self._arrive, request))

    def _answer(self, request: _Request, start: Start, *, refused: bool) -> None:
        if not self._done:
            self._learn(request, start, refused=refused)
        if not refused and not self._out_of_order(self.now):
            self._busy.append((start.at, self.now))
        self._out -= 1
        self._pump()

    def _learn(self, request: _Request, start: Start, *, refused: bool) -> None:
        draw = self.dice.random()
        if refused:
            self._refused += 1
            self.controller.throttled(start, self._out, self.now, draw)
        elif request.error:
            self._answers.append(self.now)
            self.controller.failed(start, self._out, self.now, draw)
        else:
            self._answers.append(self.now)
            self._accepted.append(self.now)
            self.controller.accepted(start, self._out, self.now)
            self._count_down()

    def _count_down(self) -> None:
        self._left_in_phase -= 1
        if self._left_in_phase:
            return
        self._phase += 1
        if self._phase == len(self.scenario.phases):
            self._done, self._ended_at = True, self.now
            return
        self._limit = self.scenario.phases[self._phase][0]
        self._left_in_phase = self._length()
        self._changes.append(len(self._accepted))
        self._note_free()

    def _length(self) -> int:
        length, shake = self.scenario.phases[self._phase][1], self.scenario.shake
        return round(length * self.dice.uniform(1 - shake, 1 + shake)) if shake else length

    # --- the server ---

    def _arrive(self, request: _Request) -> None:
        if self._out_of_order(self.now):
            request.error = True
            if request.ours:
                self._refused += 1  # nobody counts a failure of an outage as work
                self._reply(request, refused=False)
            else:
                self._reply(request, refused=True)
            return
        paced = request.ours and self._pace is not None and not self._pace.take(self.now)
        full = self._serving >= self._limit
        if paced or (full and not self.scenario.queues):
            self._reply(request, refused=True)
        elif full:
            self._queue.append(request)
        else:
            self._serve(request)

    def _serve(self, request: _Request) -> None:
        self._serving += 1
        if not request.ours:
            self._theirs += 1
            self._note_free()
        request.error = request.ours and self.dice.random() < self.scenario.errors
        until = self.now + self._work()
        if request.ours:
            self._served.append((self.now, until))
        self._at(until, lambda: self._finish(request))

    def _finish(self, request: _Request) -> None:
        self._serving -= 1
        if not request.ours:
            self._theirs -= 1
            self._note_free()
        self._reply(request, refused=False)
        if self._queue and self._serving < self._limit:
            self._serve(self._queue.pop(0))

    def _reply(self, request: _Request, *, refused: bool) -> None:
        at, start = self.now + self._hop(), request.start
        if start is not None:
            self._at(at, lambda: self._answer(request, start, refused=refused))
        else:
            self._at(at, lambda: self._ask(request.until, refused=refused))

    def _out_of_order(self, at: float) -> bool:
        outage = self.scenario.outage
        return outage is not None and outage[0] <= at < outage[0] + outage[1]

    def _work(self) -> float:
        scenario = self.scenario
        if scenario.tail:
            share = 1 - scenario.tail + self.dice.expovariate(1 / scenario.tail)
        else:
            share = self.dice.uniform(1 - scenario.spread, 1 + scenario.spread)
        seconds = scenario.latency * share
        seconds *= 1 + scenario.drift * min(1.0, self.now / 500)
        if self.dice.random() < scenario.spikes:
            seconds *= 8
        return seconds

    def _hop(self) -> float:
        return self.scenario.hop * self.dice.uniform(0.8, 1.2)

    def _note_free(self) -> None:
        free = 0 if self._out_of_order(self.now) else max(0, self._limit - self._theirs)
        self._free.append((self.now, free))

    # --- the neighbour ---

    def _burst(self, neighbour: Neighbour) -> None:
        slots = self.dice.randint(1, neighbour.most)
        end = self.now + neighbour.on * self.dice.uniform(0.5, 1.5)
        for _ in range(slots):
            self._ask(end, refused=False)
        pause = neighbour.off * self.dice.uniform(0.5, 1.5)
        self._at(end + pause, lambda: self._burst(neighbour))

    def _ask(self, end: float, *, refused: bool) -> None:
        neighbour = self.scenario.neighbour
        if neighbour is None or self.now >= end:
            return
        wait = neighbour.patience * self.dice.uniform(0.5, 1.5) if refused else 0.0
        self._turned_away += refused
        self._asked += 1
        self._at(self.now + wait + self._hop(), lambda: self._arrive(_Request(until=end)))

    # --- measuring ---

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._count), event))

    def _result(self) -> Result:
        begin, end = self._answers[self.scenario.warm_up - 1], self._ended_at
        adapt = tuple(self._adapted(change) for change in self._changes)
        return Result(
            use=self._use(begin, end),
            at_server=self._share(self._served, begin, end),
            rejected=self._refused / self._sent,
            adapt=adapt,
            seconds=end,
            neighbour_refused=self._turned_away / self._asked if self._asked else 0.0,
        )

    def _use(self, begin: float, end: float) -> float:
        if self._pace is not None:
            possible = min(self._pace.rate, self._limit / self._mean_work()) * (end - begin)
            done = len(self._accepted) - bisect_left(self._accepted, begin)
            return min(1.0, done / possible)
        return self._share(self._busy, begin, end)

    def _share(self, held: list[tuple[float, float]], begin: float, end: float) -> float:
        """Return what share of what was free was held."""
        within = [one for one in held if one[0] < end and one[1] > begin]
        changes = [(at, 0, free) for at, free in self._free if at < end]
        changes += [(left, +1, -1) for left, _ in within]
        changes += [(back, -1, -1) for _, back in within]
        changes.sort(key=lambda one: one[0])
        used = possible = 0.0
        busy = free = 0
        before = 0.0
        for at, step, new in [*changes, (end, 0, -1)]:
            seconds = min(at, end) - max(before, begin)
            if seconds > 0.0:
                used += min(busy, free) * seconds
                possible += free * seconds
            before = max(before, at)
            busy += step
            free = new if new >= 0 else free
        return used / possible if possible else 1.0

    def _mean_work(self) -> float:
        scenario = self.scenario
        return scenario.latency * (1 + 7 * scenario.spikes) + 2 * scenario.hop

    def _adapted(self, change: int) -> int | None:
        for after in range(0, 400, 4):
            last = change + after + SPAN
            if last >= len(self._accepted):
                return None
            if self._use(self._accepted[change + after - 1], self._accepted[last]) >= ENOUGH:
                return after
        return None


class _Pace:
    """The server's own limit of a rate."""

    def __init__(self, rule: Rate) -> None:
        self.rate = rule.per_second
        self._rule = rule
        self._tokens = rule.burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        if self._rule.window is not None:
            if now // self._rule.window != self._at // self._rule.window:
                self._tokens = self._rule.burst
        else:
            more = (now - self._at) * self.rate
            self._tokens = min(self._rule.burst, self._tokens + more)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
