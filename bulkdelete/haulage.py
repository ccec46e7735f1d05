"""A fleet's jobs sent by the workers of a Dask cluster: this side is the driver's.

All is planned, guarded and approved here. A job's run directory lies where all workers see it; one
of them is given its name and sends it. Which one is decided here, and Dask never gives it out a
second time: where a worker is lost, what it began is first seen to be over, then gone on with.
"""

import asyncio
import math
import os
import secrets
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from bulkdelete import targets
from bulkdelete.archive import FLEET_LOCK
from bulkdelete.carrying import LEFT_SECONDS, cleared
from bulkdelete.core.keeper import LONGEST_TIMEOUT, Keeper
from bulkdelete.core.live import Answer
from bulkdelete.core.report import Report
from bulkdelete.errors import BulkdeleteError, BusyError, Interrupted, Stopped, UsageError
from bulkdelete.events import Holding, Sending, Tuned, Wrote
from bulkdelete.hauling import TOPIC, Came, fit, haul, quieten, stay
from bulkdelete.io import purse
from bulkdelete.io.agreeing import agreed
from bulkdelete.io.cluster import check_extra, lost, reached
from bulkdelete.io.counted import FAILURES, TERMS, counted_by, name_of
from bulkdelete.io.orders import (
    PREFIX,
    Desk,
    Orders,
    left_behind,
    remove_left,
    scheduler_of,
    set_aside,
)
from bulkdelete.lake import Hands, Hire
from bulkdelete.mustering import seen_anywhere
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
    from pathlib import Path

    from distributed import Future

    from bulkdelete.carrying import Carry, Seen
    from bulkdelete.core.cluster import Address
    from bulkdelete.events import Tell
    from bulkdelete.io.cluster import Cluster
    from bulkdelete.mustering import Job, Mustered
    from bulkdelete.running import Brake

MOST_LOSSES = 10
"""How often one job is given to another worker, in one start of the fleet."""

PATIENCE = 60.0
"""Seconds without a worker that is fit, after which a job is given up for this time."""

FIT_SECONDS = 120.0
"""How long a worker may take to look whether it has what all jobs need."""

CLOCK_SECONDS = 60.0
"""How far a worker's clock may be off the driver's: approvals and doubts have an age."""

COUNT_SECONDS = 120.0
"""How long the scheduler may take to agree upon the slots of all accounts."""

END_SECONDS = 10.0
"""How much longer than its grace a job may take to end, once the driver was told to."""

_POLL = 0.25
_LOOK = 1.0
_EVENTS: "Mapping[str, type[Sending | Tuned | Holding]]" = {
    one.__name__: one for one in (Sending, Tuned, Holding)
}

_log = structlog.get_logger("bulkdelete")


class Haulage:
    """Has a fleet sent by a cluster; the other carriage beside this process itself."""

    def __init__(
        self, address: "Address", workers: int, environment: "MutableMapping[str, str]"
    ) -> None:
        check_extra()
        self._address = address
        self._workers = workers
        self._environment = environment
        self._others = False

    async def clear(self, place: "Path") -> None:
        """End what still works for an earlier start of this fleet, whose driver was lost."""
        self._others = await cleared(place)

    def hire(self, jobs: "Sequence[Job]") -> Hire:
        """Return how the cluster's workers are come to, to plan what is large."""
        return Hire(partial(self._hands, jobs))

    @asynccontextmanager
    async def _hands(self, jobs: "Sequence[Job]") -> "AsyncIterator[Hands]":
        if self._address.local:
            self._hide(jobs)
        async with reached(self._address, self._workers) as cluster:
            yield Hands(cluster.submit, len(await cluster.workers()))

    def _hide(self, jobs: "Sequence[Job]") -> None:
        """Leave no passcode in the environment, which embedded workers inherit."""
        for name in {name for one in jobs for name in targets.secrets_of(one.settings.target)}:
            self._environment.pop(name, None)

    @asynccontextmanager
    async def ready(self, place: "Path", jobs: "Sequence[Mustered]") -> "AsyncIterator[Carry]":
        """Come to the cluster, see that all workers are fit, and leave it afterwards.

        UsageError for what is not, and why; Stopped when there is no scheduler or no worker.
        """
        todo = [one.job for one in jobs if not one.over]
        _check_timeouts(todo, self._address)
        _check_passwords(todo, self._environment)
        async with AsyncExitStack() as stack:
            path = await self._purse(stack, todo)
            cluster = await stack.enter_async_context(reached(self._address, self._workers))
            identity = str((await cluster.identity())["id"])
            await self._count(stack, cluster, todo, identity)
            await self._wait_for_others(place, identity)
            nonce = secrets.token_hex(16)
            desk = Desk(place / f"{PREFIX}{nonce[:12]}", nonce)
            desk.write(self._orders(nonce, place, todo, identity, path))
            yard = _Yard(cluster, desk, identity)
            at_work = False
            try:
                async with yard.open():
                    at_work = True
                    yield yard.carry
                    at_work = yard.left or yard.failed is not None
            finally:
                _close(desk, at_work=at_work)

    async def _purse(self, stack: AsyncExitStack, jobs: "Sequence[Job]") -> str:
        """Have embedded workers handed their passcodes; they inherit no variable with one."""
        if not self._address.local:
            return ""
        self._hide(jobs)
        passcodes = {one.name: one.credentials.passcode for one in jobs if one.credentials}
        return await stack.enter_async_context(purse.handed_out(passcodes, os.getuid()))

    async def _count(
        self,
        stack: AsyncExitStack,
        cluster: "Cluster",
        jobs: "Sequence[Job]",
        identity: str,
    ) -> None:
        if self._address.local:  # all of it is on this machine, whose kernel counts
            return
        most = {counted_by(identity, name): number for name, number in _most(jobs).items()}
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                await stack.enter_async_context(agreed(cluster.scheduler, most))
        except FAILURES as error:
            raise lost(self._address, "is lost: its scheduler does not answer") from error

    async def _wait_for_others(self, place: "Path", identity: str) -> None:
        """Wait where a scheduler that is gone had leases out: nobody knows them any more."""
        left = left_behind(place)
        if not self._address.local and any(scheduler_of(one) != identity for one in left):
            _log.warning("slots.new", keeper="dask", seconds=TERMS.lease)
            await asyncio.sleep(TERMS.lease)
        remove_left(place)

    def _orders(
        self, nonce: str, place: "Path", jobs: "Sequence[Job]", identity: str, path: str
    ) -> Orders:
        hidden = "BULKDELETE_SLOTS_PASSWORD"
        return Orders(
            nonce=nonce,
            version=__version__,
            lock=str(place / FLEET_LOCK),
            scheduler="" if self._address.local else str(self._address),
            scheduler_id=identity,
            most=_most(jobs),
            purse=path,
            environment={
                name: value
                for name, value in seen_anywhere(self._environment).items()
                if name != hidden
            },
            jobs={one.name: one.words for one in jobs},
        )


def _most(jobs: "Sequence[Job]") -> dict[str, int]:
    """Return how many slots each account has: as many as the job that may use the most."""
    most: Counter[str] = Counter()
    for one in jobs:
        name = name_of(str(one.settings.host), str(one.settings.account))
        most[name] = max(most[name], one.settings.cap)
    return dict(most)


def _close(desk: Desk, *, at_work: bool) -> None:
    """Leave nothing behind; if workers may be at work still, for the next start, where they are."""
    if not at_work:
        desk.remove()
        return
    with suppress(OSError):  # a full disk: the next start does it
        set_aside(desk.place.parent)


def _check_passwords(jobs: "Sequence[Job]", environment: "Mapping[str, str]") -> None:
    """Refuse one that would stand in the orders."""
    said = [("BULKDELETE_SLOTS", environment.get("BULKDELETE_SLOTS"))]
    said += [(f"job {one.name!r}: slots", one.words.said.get("slots")) for one in jobs]
    for where, address in said:
        if address is not None and Keeper.parse(address).password is not None:
            raise UsageError(
                "password_shows",
                f"{where} holds a password, and would be written down for the workers; "
                "nothing was sent",
                "leave it out there; put it in BULKDELETE_SLOTS_PASSWORD of each worker, or in "
                "slots-password-file (0600)",
            )


def _check_timeouts(jobs: "Sequence[Job]", address: "Address") -> None:
    for one in jobs:
        if not address.local and one.settings.timeout > LONGEST_TIMEOUT:
            raise UsageError(
                "slots_timeout",
                f"job {one.name!r}: with --dask a request may take {LONGEST_TIMEOUT:g} s at most: "
                "its slot is leased; nothing was sent",
                f"say timeout = {LONGEST_TIMEOUT:g}, or less",
            )


class _Trip:
    """A job on its way: what it is told by, and whether it is to end."""

    def __init__(self, job: "Job", tell: "Tell", seen: "Seen", desk: Desk) -> None:
        self.job = job
        self.token = ""
        self.word: tuple[int, str] | None = None
        self.until = math.inf
        self.given = 0
        self.held = False
        self._tell = tell
        self._seen = seen
        self._desk = desk
        self._answer: Answer | None = None

    def stop(self, number: int, who: str) -> None:
        """End it in order, wherever it is; and know by when it should have."""
        self.word = (number, who)
        self.until = time.monotonic() + self.job.settings.grace + END_SECONDS
        if self.token:
            self._desk.stop(self.token, number, who)

    def look(self) -> Answer:
        """Say how far it was when it was last heard of."""
        return self._answer or Answer()

    def hear(self, said: "dict[str, Any]") -> None:
        """Take in what its worker says."""
        if "look" in said:
            fresh = self._answer is None
            self._answer = msgspec.convert(said["look"], Answer)
            if fresh:
                self._seen(self)
        elif said["event"] == "Wrote":
            self._tell(Wrote(**said["facts"]))
        elif (kind := _EVENTS.get(said["event"])) is not None:
            self._tell(msgspec.convert(said["facts"], kind))


class _Yard:
    """The workers of a cluster: who is there, who is fit, and what each of them has to do."""

    def __init__(self, cluster: "Cluster", desk: Desk, scheduler: str) -> None:
        self.failed: BulkdeleteError | None = None
        self.left = False
        self._cluster = cluster
        self._desk = desk
        self._scheduler = scheduler
        self._there: dict[str, str] = {}
        self._fit: set[str] = set()
        self._unfit: set[str] = set()
        self._at_work: Counter[str] = Counter()
        self._trips: dict[str, _Trip] = {}

    @asynccontextmanager
    async def open(self) -> "AsyncIterator[None]":
        """Look who is there, from now on; UsageError when one of them is not fit."""
        await self._look(first=True)
        self._cluster.hear(TOPIC, self._hear)
        watching = asyncio.create_task(self._watch(), name="dask")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._cluster.hear_no_more(TOPIC)

    async def _watch(self) -> None:
        while self.failed is None:
            await asyncio.sleep(_LOOK)
            try:
                await self._look()
            except BulkdeleteError as error:
                self.failed = error

    async def _look(self, *, first: bool = False) -> None:
        self._there = there = await self._cluster.present(self._scheduler)
        gone = (self._fit | self._unfit) - there.keys()
        self._fit -= gone  # who comes back under its address is looked at anew
        self._unfit -= gone
        new = [one for one, status in there.items() if status == "running"]
        new = [one for one in new if one not in self._fit | self._unfit]
        if not new:
            return
        for worker, found in (await self._ask(new)).items():
            if found == []:
                self._fit.add(worker)
                continue
            self._unfit.add(worker)
            if first:
                raise _unfit(worker, found)
            _log.warning("dask.worker_refused", worker=worker, why=str(_unfit(worker, found)))

    async def _ask(self, new: "Sequence[str]") -> "dict[str, Any]":
        """Ask new workers what is wrong with them, once they know what ends them, and how."""
        place, nonce = str(self._desk.place), self._desk.nonce
        since = time.time()
        times = await self._cluster.each(new, stay)
        asked = {one: off(found, since, time.time()) for one, found in times.items()}
        if self._cluster.address.local:
            quiet = await self._cluster.each(new, quieten)
            asked = {one: found or quiet[one] for one, found in asked.items()}
        ready = [one for one, found in asked.items() if found is None]
        return asked | await self._cluster.each(ready, fit, place, nonce, seconds=FIT_SECONDS)

    def _hear(self, said: Any) -> None:  # noqa: ANN401 - what a worker said
        if isinstance(said, dict) and said.get("nonce") == self._desk.nonce:
            trip = self._trips.get(said["token"])
            if trip is not None:
                trip.hear(said)

    async def carry(self, job: "Job", tell: "Tell", seen: "Seen", brake: "Brake") -> Report:
        """Have a job sent by a worker; by another one, where that is lost."""
        trip = _Trip(job, tell, seen, self._desk)
        brake.attach(trip.stop)
        for _ in range(MOST_LOSSES):
            worker = await self._worker(trip)
            report = await self._send(trip, worker)
            if report is not None:
                return report
            _log.warning("dask.worker_lost", job=job.name, worker=worker)
            await self._over(trip)
        raise Stopped(
            "worker_lost",
            f"{MOST_LOSSES} Dask workers were lost while they sent it",
            "see what kills them; then run the same command again",
        )

    async def _worker(self, trip: _Trip) -> str:
        """Return the worker that has the fewest jobs; wait where there is none."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            if self.failed is not None:
                raise self.failed
            if trip.word is not None:
                raise _interrupted(trip)
            ready = [one for one in self._fit if self._there.get(one) == "running"]
            if ready:
                return min(ready, key=lambda one: (self._at_work[one], one))
            if loop.time() >= until:
                raise Stopped("no_worker", f"there was no fit Dask worker for {PATIENCE:g} s")
            await asyncio.sleep(_POLL)

    async def _send(self, trip: _Trip, worker: str) -> Report | None:
        """Have a worker send it; None when it, or what it said, is lost."""
        trip.token = token = secrets.token_hex(8)
        self._trips[token] = trip
        self._at_work[worker] += 1
        place, nonce = str(self._desk.place), self._desk.nonce
        future = self._cluster.submit(haul, place, nonce, trip.job.name, token, worker=worker)
        report = None
        trip.given += 1
        try:
            if not await self._lost(trip, future, worker):
                report = self._came(trip, await _result(future))
            return report
        finally:
            self._at_work[worker] -= 1
            trip.token = ""
            future.release()
            if report is None:  # it may live all the same, unheard
                self._desk.stop(token, *(trip.word or (signal.SIGTERM, _DRIVER)))

    async def _lost(self, trip: _Trip, future: "Future[bytes]", worker: str) -> bool:
        """Wait until a task is over; True when its worker, or the cluster, is lost before.

        Interrupted when it is to end, and no worker took it or says in time that it has.
        """
        late = time.monotonic() + PATIENCE
        while not future.done():
            if self.failed is not None or worker not in self._there:
                return True
            if trip.word is not None and self._desk.claim(trip.token):
                trip.given -= 1  # and no worker will have it now
                raise _interrupted(trip)
            if time.monotonic() >= trip.until:
                self.left = True
                raise _interrupted(trip)
            if time.monotonic() >= late:
                late = math.inf
                if not self._desk.claimed(trip.token):
                    _log.warning("dask.waits", job=trip.job.name, worker=worker, seconds=PATIENCE)
            await asyncio.sleep(_POLL)
        return False

    @staticmethod
    def _came(trip: _Trip, said: bytes | BaseException) -> Report | None:
        """Return how it ended; None when it is to be gone on with elsewhere."""
        if isinstance(said, BaseException):  # of Dask, or what nobody foresaw there
            _log.warning("dask.task_failed", job=trip.job.name, error=type(said).__name__)
            return None
        came = msgspec.json.decode(said, type=Came)
        if came.refused is not None:
            raise UsageError(*came.refused)
        report = came.report
        trip.held = bool(report and report.reason and report.reason.code == "busy")
        # It was ended by its worker, or the one before has not ended yet: that is not its end.
        again = report is not None and report.reason and report.reason.code in _NOT_THE_END
        return None if again and trip.word is None else report

    async def _over(self, trip: _Trip) -> None:
        """Wait until nobody has the run any more: a lost worker may live, and ends in order."""
        loop = asyncio.get_running_loop()
        until = loop.time() + trip.job.settings.grace + LEFT_SECONDS
        while trip.job.run.busy():
            if time.monotonic() >= trip.until:
                self.left = True
                raise _interrupted(trip)
            if loop.time() >= until and trip.held:
                raise BusyError(
                    "busy", "another process holds this run, and did not end in time", _AGAIN
                )
            if loop.time() >= until:
                raise Stopped(
                    "worker_lost",
                    "its Dask worker is lost to the scheduler, and still at work",
                    _AGAIN,
                )
            await asyncio.sleep(_POLL)


async def _result(future: "Future[bytes]") -> bytes | BaseException:
    """Return what came of a task that is over, or what it failed with."""
    try:
        result: Any = future.result()  # a coroutine, as its client is asynchronous
        found: bytes = await result
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return error
    except Exception as error:  # noqa: BLE001 - that is what came of it
        return error
    return found


def _interrupted(trip: _Trip) -> Interrupted:
    """Return how a job ended that was to end, and whose worker did not say that it has."""
    number, who = trip.word or (signal.SIGTERM, _DRIVER)
    how = (
        ", and its worker did not say how far it came" if trip.given else " before a worker had it"
    )
    return Interrupted(number, f"{who} ended it{how}", _AGAIN)


_DRIVER = "the fleet's driver, which lost its worker"
_AGAIN = "run the same command again"
_NOT_THE_END = frozenset({"interrupted", "busy"})


def off(found: object, since: float, till: float) -> object:
    """Return what is wrong with a worker that said its time between these two; None for nothing."""
    if not isinstance(found, float):
        return found if isinstance(found, Exception) else TypeError("it does not say its time")
    if since - CLOCK_SECONDS <= found <= till + CLOCK_SECONDS:
        return None
    return [("", f"its clock is {found - till:+.0f} s off the driver's")]


def _unfit(worker: str, found: object) -> UsageError:
    if not isinstance(found, list):
        said = f"{type(found).__name__}: {found}"[:300]
        why = f"it could not be asked ({said}); is this bulkdelete installed there?"
    else:
        first, text = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        why = (f"job {first!r}: " if first else "") + text.removesuffix("; nothing was sent") + more
    return UsageError(
        "worker_unfit",
        f"the Dask worker {worker} cannot take part: {why}; nothing was sent",
        "see docs/fleet.md for what all workers must see and have",
    )
