"""A job of a fleet on a worker of a Dask cluster: this side runs there.

What is told to Dask are names and paths; what a job is stands in the driver's orders, on storage
that all see. A job has a thread of its own, with a loop: that of the worker goes on with its own
work. It ends in order when the driver says so, or is gone (its lock is free), or the worker ends.
"""

import asyncio
import contextvars
import os
import signal
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bulkdelete.archive import Archive
from bulkdelete.carrying import carried, here
from bulkdelete.core.keeper import Scheduler
from bulkdelete.core.report import Report
from bulkdelete.errors import BulkdeleteError, UsageError
from bulkdelete.events import Holding, Sending, Tuned, Wrote
from bulkdelete.intake import not_kept, parts_of, refuse_emulator
from bulkdelete.io import purse
from bulkdelete.io.counted import name_of
from bulkdelete.io.files import is_locked
from bulkdelete.io.orders import Desk, Orders, Words
from bulkdelete.mustering import Job
from bulkdelete.outlets import check_extras
from bulkdelete.past import Past
from bulkdelete.running import Brake
from bulkdelete.settings import Credentials, Settings, credentials, resolve
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Worker

    from bulkdelete.carrying import Sight
    from bulkdelete.events import Event

TOPIC = "bulkdelete"
"""On which workers say how their jobs get on."""

LOOK_SECONDS = 1.0
WATCH_SECONDS = 0.5
HUNG_SECONDS = 20.0
"""After which storage that does not answer is taken to be gone."""


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a job on a worker: its report, or what refused it (code, message, hint).

    Neither: it was not for us to send.
    """

    report: Report | None = None
    refused: tuple[str, str, str] | None = None


_NOTHING = msgspec.json.encode(Came())

_DRIVERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_RUNNING = frozenset({"running", "paused"})
_TOLD = (Sending, Tuned, Holding)


# --- before: is it fit? ---


def fit(place: str, nonce: str) -> list[tuple[str, str]]:
    """Return what is wrong with this worker: the version, its storage, or what a job needs.

    Each with the job's name, or "" for all.
    """
    try:
        orders = Desk(Path(place), nonce).read()
        if orders.version != __version__:
            return [("", f"it has bulkdelete {__version__}, and the driver {orders.version}")]
        if not is_locked(Path(orders.lock)):
            return [("", f"it does not find {orders.lock} locked, which the driver holds")]
    except (BulkdeleteError, OSError) as error:
        return [("", str(error))]
    return list(_wanting(orders))


def _wanting(orders: Orders) -> "Iterator[tuple[str, str]]":
    for name, words in orders.jobs.items():
        try:
            job = understood(orders, name, words)
            job.run.check()
            plan = job.run.plan()
            parts_of(job.run, plan, not_kept(job.inputs))
            for one in plan.protect:
                Path(one).stat()
        except (BulkdeleteError, OSError) as error:
            yield name, str(error)


def quieten() -> None:
    """Leave to the driver what ends all processes of a terminal, or a group: it tells when to end.

    For workers that are its own: Dask ends them by other means, and they end when it is gone.
    """
    for one in _DRIVERS:
        signal.signal(one, signal.SIG_IGN)


_at_work: set[threading.Thread] = set()


async def stay(dask_worker: "Worker") -> float:
    """Have a worker that ends wait for the jobs on it, which end in order then; return its time."""
    from distributed import WorkerPlugin  # noqa: PLC0415 - an extra

    class Last(WorkerPlugin):
        async def teardown(self, worker: "Worker") -> None:  # noqa: ARG002 - as Dask calls it
            while any(one.is_alive() for one in _at_work):  # noqa: ASYNC110 - threads
                await asyncio.sleep(WATCH_SECONDS)

    if TOPIC not in dask_worker.plugins:
        await dask_worker.plugin_add(Last(), TOPIC)
    return time.time()


# --- what a job is ---

_taken: dict[str, str] = {}
_taking = threading.Lock()


def understood(orders: Orders, name: str, words: Words) -> Job:
    """Return a job as the driver means it, with credentials of this side."""
    # A password of the slots is a secret: it is this side's own.
    own = {k: v for k, v in os.environ.items() if k == "BULKDELETE_SLOTS_PASSWORD"}
    said = resolve(words.flags, {**orders.environment, **own}, words.said, file=words.file)
    refuse_emulator(said)
    check_extras(said)
    who = _credentials(orders, name, words, said)
    if orders.scheduler and said.slots is None:
        most = orders.most[name_of(str(said.host), who.account)]
        said = replace(said, slots=Scheduler(orders.scheduler, most, orders.scheduler_id))
    past = Past(said, Archive(said.runs_dir), in_fleet=True)
    return Job(
        name=name, inputs=words.inputs, settings=said, credentials=who, past=past, words=words
    )


def _credentials(orders: Orders, name: str, words: Words, settings: Settings) -> Credentials:
    if orders.purse:
        if (passcode := purse.taken(orders.purse, name)) is None:
            raise UsageError(
                "passcode_missing", "the driver does not hand its passcode over (any more)"
            )
    elif words.passcode_env is None:
        return credentials(settings, {})
    else:
        passcode = _variable(words.passcode_env)
    if passcode is None:
        raise UsageError(
            "passcode_missing",
            "the worker's environment has no variable of the name that passcode-env gives",
        )
    bare = replace(settings, passcode_file=None)
    return credentials(bare, {settings.target.secret_variable: passcode})


def _variable(name: str) -> str | None:
    """Return a variable of this process; it is taken out, as no child needs it."""
    with _taking:
        if name in os.environ:
            _taken[name] = os.environ.pop(name)
        return _taken.get(name)


# --- the task ---


def haul(place: str, nonce: str, name: str, token: str) -> bytes:
    """Send a job, once; return what came of it, as JSON."""
    from distributed import secede  # noqa: PLC0415 - an extra

    desk = Desk(Path(place), nonce)
    orders = desk.read()
    ours = orders.version == __version__ and is_locked(Path(orders.lock)) and desk.claim(token)
    if not ours or desk.stopped(token) is not None:
        return _NOTHING
    secede()  # it waits for answers nearly all the time, and others may do so beside it
    done: Future[bytes] = Future()
    work = contextvars.copy_context()
    # No daemon: a process that ends waits for what is in flight.
    thread = threading.Thread(
        target=work.run, args=(_settle, done, desk, orders, name, token), name=f"job-{token}"
    )
    thread.start()
    _at_work.add(thread)
    try:
        return done.result()
    finally:
        _at_work.discard(thread)


def _settle(done: "Future[bytes]", desk: Desk, orders: Orders, name: str, token: str) -> None:
    try:
        job = understood(orders, name, orders.jobs[name])
        came = Came(report=asyncio.run(_haul(job, desk, orders, token)))
    except BulkdeleteError as error:
        came = Came(refused=(error.code, str(error), error.hint))
    except BaseException as error:  # noqa: BLE001 - who waits must hear of it
        done.set_exception(error)
        return
    done.set_result(msgspec.json.encode(came))


async def _haul(job: Job, desk: Desk, orders: Orders, token: str) -> Report:
    worker = _Worker(orders.nonce, token)
    brake, sights = Brake(), list[Any]()
    sending = asyncio.create_task(carried(here, job, worker.tell, sights.append, brake))
    besides = (
        asyncio.create_task(_obey(sending, brake, worker, desk, orders, token)),
        asyncio.create_task(_show(worker, sights)),
    )
    try:
        return await sending
    finally:
        for one in besides:
            one.cancel()
        await asyncio.gather(*besides, return_exceptions=True)


class _Worker:
    """The Dask worker that this runs on, and what it says to the driver."""

    def __init__(self, nonce: str, token: str) -> None:
        from distributed import get_worker  # noqa: PLC0415 - an extra

        self._worker = get_worker()
        self._about = {"nonce": nonce, "token": token}

    @property
    def ends(self) -> bool:
        """Tell whether it leaves its cluster, or lost it."""
        return self._worker.status.name not in _RUNNING

    def tell(self, event: "Event") -> None:
        """Tell the driver what it passes on."""
        if isinstance(event, Wrote):
            self.say(event="Wrote", facts={"path": str(event.path)})
        elif isinstance(event, _TOLD):
            facts = msgspec.to_builtins(event)
            self.say(event=type(event).__name__, facts=facts)

    def say(self, **what: object) -> None:
        """Say something on the topic; a worker that ends says nothing any more."""
        if not self.ends:
            self._worker.log_event(TOPIC, {**self._about, **what})


async def _show(worker: _Worker, sights: "list[Sight]") -> None:
    while True:
        if sights:
            worker.say(look=msgspec.to_builtins(sights[-1].look()))
        await asyncio.sleep(LOOK_SECONDS)


async def _obey(
    sending: "asyncio.Task[Report]",
    brake: Brake,
    worker: _Worker,
    desk: Desk,
    orders: Orders,
    token: str,
) -> None:
    """End the job in order, once there is a reason to."""
    while True:
        if (word := await _reason(worker, desk, orders, token)) is not None:
            break
        await asyncio.sleep(WATCH_SECONDS)
    while not brake.pull(*word):  # nothing can send yet; it is about to
        await asyncio.sleep(WATCH_SECONDS)
        if sending.done():
            return


async def _reason(
    worker: _Worker, desk: Desk, orders: Orders, token: str
) -> tuple[int, str] | None:
    if worker.ends:
        return signal.SIGTERM, "its Dask worker, which ends"
    try:
        async with asyncio.timeout(HUNG_SECONDS):
            return await asyncio.to_thread(_word, desk, orders, token)
    except (OSError, TimeoutError, BulkdeleteError):
        return signal.SIGTERM, "its Dask worker, which does not see the fleet any more"


def _word(desk: Desk, orders: Orders, token: str) -> tuple[int, str] | None:
    """Return the driver's word; its silence is one, too."""
    desk.read()
    if not is_locked(Path(orders.lock)):
        return signal.SIGTERM, "its Dask worker, as its driver is gone"
    return desk.stopped(token)
