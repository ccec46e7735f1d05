"""The same controllers and scenarios over real HTTP: an emulator on loopback, real sockets.

A request takes a fraction of what it takes in virtual time; what is counted is the same. Known,
hidden and moving limits, neighbours, 5xx and spread are the emulator's own; what it has no dial for
(rates, queues, outages, a long way) is told in virtual time only.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import aiohttp

from bulkdelete.core.model import Kind
from bulkdelete.emulator import EmulatorConfig, Faults, RunningEmulator, running
from bulkdelete.targets.clevertap import CLEVERTAP
from tests.bench.gate.scenarios import Scenario
from tests.bench.gate.world import Controller, Result, World, _Request

TOO_MANY = 429
BODY = CLEVERTAP.encode(Kind.IDENTITY, ["somebody"])
HEADERS = CLEVERTAP.headers("EMULATOR", "emulator")


def fits(scenario: Scenario) -> bool:
    """Tell whether the emulator can play a scenario."""
    strange = scenario.rate or scenario.outage or scenario.queues
    far = scenario.hop > scenario.latency / 10
    return not (strange or far or scenario.spikes or scenario.drift)


class RealWorld(World):
    """A world whose server is a process's own emulator, and whose time is the loop's."""

    def __init__(
        self, scenario: Scenario, controller: Controller, seed: int, latency: float
    ) -> None:
        neighbour = scenario.neighbour
        if neighbour is not None:
            on, off = neighbour.on * latency, neighbour.off * latency
            patience = neighbour.patience * latency
            neighbour = replace(neighbour, on=on, off=off, patience=patience)
        quick = replace(scenario, latency=latency, hop=0.0, neighbour=neighbour)
        super().__init__(quick, controller, seed)
        self._ended = asyncio.Event()
        self._their: list[tuple[float, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def play(self, emulator: RunningEmulator) -> Result:
        """Go on until all phases are through."""
        self._emulator = emulator
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        if (neighbour := self.scenario.neighbour) is not None:
            self._at(0.5, lambda: self._burst(neighbour))
        async with aiohttp.ClientSession(
            emulator.url, headers=HEADERS, connector=aiohttp.TCPConnector(limit=0)
        ) as self._session:
            self._pump()
            await asyncio.wait_for(self._ended.wait(), 300)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return self._result()

    def _at(self, when: float, event: Callable[[], None]) -> None:
        self._loop.call_at(self._began + when, self._happen, event)

    def _happen(self, event: Callable[[], None]) -> None:
        self.now = self._loop.time() - self._began
        event()
        if self._drained:
            self._ended.set()

    def _arrive(self, request: _Request) -> None:
        task = asyncio.ensure_future(self._post(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, request: _Request) -> None:
        left = self.now
        async with self._session.post(CLEVERTAP.delete_path, data=BODY) as response:
            await response.read()
            status = response.status
        self._happen(lambda: self._returned(request, left, status))

    def _returned(self, request: _Request, left: float, status: int) -> None:
        request.error = status >= 500
        refused = status == TOO_MANY
        if request.start is not None:
            self._answer(request, request.start, refused=refused)
        else:
            if not refused:
                self._their += [(left, 1), (self.now, -1)]
            self._ask(request.until, refused=refused)

    def _result(self) -> Result:
        # What the neighbour held is known when its answers are there: put it in afterwards.
        limits = [(at, free, 0) for at, free in self._free]
        limit = theirs = 0
        self._free = []
        changes = [*limits, *((at, -1, step) for at, step in self._their)]
        for at, free, step in sorted(changes, key=lambda one: one[0]):
            limit = free if free >= 0 else limit
            theirs += step
            self._free.append((at, max(0, limit - theirs)))
        return super()._result()

    def _note_free(self) -> None:
        super()._note_free()
        if self._emulator.state.slots.limit != self._limit:
            self._emulator.emulation.turn({"limit": self._limit})


def play(scenario: Scenario, controller: Controller, seed: int, latency: float) -> Result:
    """Run one controller through one scenario on a fresh emulator; a request takes `latency`."""
    config = EmulatorConfig(
        limit=scenario.phases[0][0],
        latency=latency,
        latency_spread=scenario.spread,
        record_ids=False,
        record_requests=False,
        faults=Faults(seed=seed, error_5xx=scenario.errors),
    )

    async def run() -> Result:
        async with running(config) as emulator:
            return await RealWorld(scenario, controller, seed, latency).play(emulator)

    return asyncio.run(run())
