"""Fleets sent by real Dask workers, of which, as of all else, some are killed."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bulkdelete import haulage
from bulkdelete.core.cluster import Address
from bulkdelete.errors import Stopped
from bulkdelete.haulage import off
from bulkdelete.hauling import fit
from bulkdelete.io.cluster import reached
from bulkdelete.io.orders import Desk
from bulkdelete.io.rundir import RunDir
from bulkdelete.running import Brake
from bulkdelete.version import __version__
from tests import large_dask
from tests.clusters.cluster import Dask, running
from tests.clusters.test_orders import orders
from tests.conftest import PASSCODE, Emulate, Program
from tests.runs.test_fleets import Yard

_SECONDS = 300


@pytest.fixture
async def yard(program: Program, emulate: Emulate) -> Yard:
    """Make six jobs of two accounts, 1,000 IDs each; the driver has no passcode."""
    found = Yard(program, emulate)
    program.cold = True
    for account in ("A", "B"):
        await found.account(account, latency=0.1)
    for number in range(6):
        found.job(f"job-{number}", "AB"[number % 2], 1000)
    del program.env["PASS"]
    return found


@pytest.fixture
async def dask(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Dask]:
    """Make a cluster of two workers, which have the passcode."""
    async with running(tmp_path, unused_tcp_port, 2, {"PASS": PASSCODE}) as found:
        yield found


async def start(yard: Yard, address: str, *more: object) -> asyncio.subprocess.Process:
    """Start the fleet on a cluster."""
    return await yard.program.start(*yard.words("--yes", "--json", "--dask", address, *more))


async def ended(driver: asyncio.subprocess.Process) -> tuple[int | None, Any, str]:
    """Return how it ended: its code, its report, and what it said."""
    async with asyncio.timeout(_SECONDS):
        out, err = await driver.communicate()
    return driver.returncode, json.loads(out or b"{}"), err.decode()


async def seen(yard: Yard, requests: int) -> None:
    """Wait until the servers saw so many requests."""
    async with asyncio.timeout(_SECONDS):
        while yard.requests() < requests:
            await asyncio.sleep(0.02)


def children_of(process: int) -> list[str]:
    """Return the processes that one has started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [one for task in tasks for one in task.read_text().split()]


def surroundings_of(process: str) -> bytes:
    """Return the environment that a process was started with."""
    return Path(f"/proc/{process}/environ").read_bytes()


def lives(process: str) -> bool:
    """Tell whether a process is there."""
    return Path(f"/proc/{process}").exists()


def most_in_flight(yard: Yard) -> int:
    """Return how many requests an account had in flight at most, by its server."""
    every: list[dict[str, int]] = [one.state.stats() for one in yard.emulators.values()]
    return max(one["max_live_in_flight"] for one in every)


def test_what_is_unfit_is_said(tmp_path: Path) -> None:
    """Another version, a lock that does not hold here, orders that are not seen."""
    lock = tmp_path / "fleet.lock"
    lock.touch()
    desk = Desk(tmp_path / ".dask-1", "one")
    assert "does not see" in fit(str(desk.place), "one")[0][1]
    desk.write(orders("one", lock=str(lock)))
    assert fit(str(desk.place), "one") == [
        ("", f"it has bulkdelete {__version__}, and the driver 1")
    ]
    desk.remove()
    desk.write(orders("one", version=__version__, lock=str(lock)))
    assert "does not find" in fit(str(desk.place), "one")[0][1]
    with RunDir(tmp_path).lock(name=lock.name):
        ((name, why),) = fit(str(desk.place), "one")
    assert name == "j"
    assert why


def test_a_clock_that_is_far_off_is_unfit() -> None:
    """By what it said while it was asked: how long the answer took does not count."""
    assert off(1000.0, 1030.0, 1040.0) is None
    assert off(1000.0, 900.0, 1060.0) is None
    for found, by in ((900.0, "-110"), (1071.0, "+61")):
        assert off(found, 961.0, 1010.0) == [("", f"its clock is {by} s off the driver's")]
    assert isinstance(off(None, 0.0, 1.0), TypeError)
    lost = OSError()
    assert off(lost, 0.0, 1.0) is lost


class _Forgotten:
    """A cluster whose scheduler forgot a task, as after a connection that was cut off for long."""

    address = Address.parse("tcp://127.0.0.1:1")

    async def present(self, scheduler: str) -> dict[str, str]:
        del scheduler
        return {"worker": "running"}

    async def each(self, workers: list[str], function: object, *_: object, **__: object) -> Any:  # noqa: ANN401 - what is asked
        return dict.fromkeys(workers, [] if function is fit else time.time())

    def hear(self, *_: object) -> None:
        """Nobody says anything."""

    hear_no_more = release = hear

    def submit(self, *_: object, **__: object) -> "_Forgotten":
        return self

    def done(self) -> bool:
        return True

    async def result(self) -> bytes:
        raise asyncio.CancelledError


async def test_what_may_still_be_at_work_on_a_task_that_was_forgotten_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would go on, heard by nobody, and in the way of whoever goes on with its job."""
    monkeypatch.setattr(haulage, "MOST_LOSSES", 1)
    desk = Desk(tmp_path / ".dask-1", "one")
    desk.write(orders("one"))
    job = SimpleNamespace(name="j", settings=SimpleNamespace(grace=0.0), run=RunDir(tmp_path))
    workers = haulage._Yard(_Forgotten(), desk, "s")  # type: ignore[arg-type]
    async with workers.open():
        with pytest.raises(Stopped):
            await workers.carry(job, print, print, Brake())  # type: ignore[arg-type]
    (word,) = desk.place.glob("*.stop")
    number, who = desk.stopped(word.stem) or (0, "")
    assert number == signal.SIGTERM
    assert "driver" in who


@pytest.mark.dask
async def test_a_fleet_is_sent_by_workers_as_by_this_process(yard: Yard, dask: Dask) -> None:
    """One report, within the caps, each ID once; no passcode stands in what the driver wrote."""
    code, report, said = await ended(await start(yard, dask.address))
    assert (code, report["state"], report["ids"]["accepted"]) == (0, "finished", 6000), said
    yard.check_sent_once()
    assert most_in_flight(yard) <= 3
    kept = [path for path in yard.place.rglob("*") if path.is_file()]
    assert len(kept) > 6
    assert not [path for path in kept if PASSCODE.encode() in path.read_bytes()]
    log = (dask.place / "dask.log").read_text()
    assert PASSCODE not in log
    assert yard.ids["job-0"][0] not in log
    code, report, said = await ended(await start(yard, dask.address))
    assert (code, report["state"]) == (0, "finished"), said
    yard.check_sent_once()


@pytest.mark.dask
async def test_an_unfit_worker_is_named_before_the_first_request(yard: Yard, dask: Dask) -> None:
    """It has no passcode; nothing is sent, and the others alone go on later."""
    third = await dask.worker(PASS="x y")
    async with asyncio.timeout(_SECONDS):
        while "Register worker addr" not in (log := (dask.place / "dask.log").read_text()) or (
            log.count("Register worker addr") < 3
        ):
            await asyncio.sleep(0.1)
    code, report, _ = await ended(await start(yard, dask.address))
    assert (code, report["reason"]["code"]) == (2, "worker_unfit")
    assert "job 'job-0': the passcode is blank, or holds spaces" in report["reason"]["message"]
    assert yard.requests() == 0
    third.kill()
    await third.wait()
    code, report, said = await ended(await start(yard, dask.address))
    assert (code, report["state"]) == (0, "finished"), said
    yard.check_sent_once()


@pytest.mark.dask
async def test_a_signal_to_the_driver_drains_the_workers(yard: Yard, dask: Dask) -> None:
    """143, and the same command goes on; nothing is sent twice."""
    driver = await start(yard, dask.address)
    await seen(yard, 10)
    driver.send_signal(signal.SIGTERM)
    code, report, said = await ended(driver)
    assert (code, report["state"]) == (143, "interrupted"), said
    assert 0 < report["ids"]["accepted"] < 6000
    code, report, said = await ended(await start(yard, dask.address))
    assert (code, report["ids"]["accepted"]) == (0, 6000), said
    yard.check_sent_once()


@pytest.mark.dask
async def test_a_scheduler_that_dies_stops_all_and_another_goes_on(yard: Yard, dask: Dask) -> None:
    """75; what is in flight ends in order, and the next start waits until no lease can be out."""
    driver = await start(yard, dask.address)
    await seen(yard, 10)
    assert dask.scheduler is not None
    dask.scheduler.kill()
    await dask.scheduler.wait()
    code, report, said = await ended(driver)
    assert (code, report["reason"]["code"]) == (75, "cluster_lost"), said
    for one in dask.workers:
        async with asyncio.timeout(_SECONDS):
            await one.wait()
    await dask.begin(int(dask.address.rpartition(":")[2]))
    await dask.worker()
    code, report, said = await ended(await start(yard, dask.address))
    assert (code, report["ids"]["accepted"]) == (0, 6000), said
    assert "slots.new" in said
    assert most_in_flight(yard) <= 3
    every = [times for account in "AB" for times in yard.acted(account).values()]
    assert (len(every), max(every)) == (6000, 1)


@pytest.mark.dask
async def test_a_scheduler_that_is_soon_back_is_another_one(yard: Yard, dask: Dask) -> None:
    """It knows no lease of before: 75 at once, and the next start waits until none can be out."""
    driver = await start(yard, dask.address)
    await seen(yard, 10)
    assert dask.scheduler is not None
    dask.scheduler.kill()
    await dask.scheduler.wait()
    await dask.begin(int(dask.address.rpartition(":")[2]))
    await dask.worker()
    code, report, said = await ended(driver)
    assert (code, report["reason"]["code"]) == (75, "cluster_lost"), said
    code, report, said = await ended(await start(yard, dask.address))
    assert (code, report["ids"]["accepted"]) == (0, 6000), said
    assert "slots.new" in said
    assert most_in_flight(yard) <= 3
    yard.check_sent_once()


@pytest.mark.dask
async def test_a_local_cluster_has_passcodes_in_no_environment(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers are handed them; they are processes of their own, and gone with the driver."""
    monkeypatch.setitem(yard.program.env, "PASS", PASSCODE)
    driver = await start(yard, "local")
    await seen(yard, 10)
    children = children_of(driver.pid)
    surroundings = list(map(surroundings_of, children))
    assert len(surroundings) >= 2
    assert not any(PASSCODE.encode() in one for one in surroundings)
    code, report, said = await ended(driver)
    assert (code, report["ids"]["accepted"]) == (0, 6000), said
    assert most_in_flight(yard) <= 3
    yard.check_sent_once()
    async with asyncio.timeout(_SECONDS):
        while any(map(lives, children)):
            await asyncio.sleep(0.05)


@pytest.mark.dask
async def test_workers_and_driver_are_killed() -> None:
    """The large story, with a twentieth of its IDs."""
    assert await large_dask.main(250) == 0


@pytest.mark.dask
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_to_the_whole_group_drains_embedded_workers(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """As of a terminal or a service: they leave it to the driver, and nothing is sent twice."""
    monkeypatch.setitem(yard.program.env, "PASS", PASSCODE)
    driver = await start(yard, "local")
    await seen(yard, 10)
    children = children_of(driver.pid)
    for one in children:  # and then the driver, as kill(2) of a group does
        os.kill(int(one), number)
    driver.send_signal(number)
    code, report, said = await ended(driver)
    assert (code, report["state"]) == (128 + number, "interrupted"), said
    assert 0 < report["ids"]["accepted"] < 6000
    async with asyncio.timeout(_SECONDS):
        while any(map(lives, children)):
            await asyncio.sleep(0.05)
    code, report, said = await ended(await start(yard, "local"))
    assert (code, report["ids"]["accepted"]) == (0, 6000), said
    yard.check_sent_once()


@pytest.mark.dask
async def test_a_signal_ends_what_waits_behind_other_peoples_tasks(yard: Yard, dask: Dask) -> None:
    """No worker had it: the driver takes it back, and ends."""
    async with reached(Address.parse(dask.address)) as cluster:
        async with asyncio.timeout(_SECONDS):
            while len(both := await cluster.workers()) < 2:
                await asyncio.sleep(0.1)
        others = [cluster.submit(time.sleep, _SECONDS, worker=one) for one in both]
        driver = await start(yard, dask.address)
        async with asyncio.timeout(_SECONDS):
            while not list(yard.place.rglob(".dask-*")):
                await asyncio.sleep(0.1)
        await asyncio.sleep(3.0)  # its jobs are given to the workers meanwhile
        driver.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_SECONDS / 5):
            code, report, said = await ended(driver)
        assert (code, report["state"]) == (143, "interrupted"), said
        assert "before a worker had it" in report["reason"]["message"], report["reason"]
        assert yard.requests() == 0
        for one in others:
            one.release()


@pytest.mark.dask
async def test_a_signal_is_obeyed_beside_a_worker_that_hangs(yard: Yard, dask: Dask) -> None:
    """Its job is not waited for longer than its grace, and the same command goes on."""
    driver = await start(yard, dask.address)
    await seen(yard, 10)
    for one in dask.workers:
        one.send_signal(signal.SIGSTOP)
    driver.send_signal(signal.SIGTERM)
    async with asyncio.timeout(_SECONDS / 5):
        code, report, said = await ended(driver)
    assert (code, report["reason"]["code"]) == (143, "interrupted"), said
    for one in dask.workers:
        one.send_signal(signal.SIGCONT)
    code, report, said = await ended(await start(yard, dask.address))
    assert (code, report["ids"]["accepted"]) == (0, 6000), said
    assert most_in_flight(yard) <= 3


@pytest.mark.dask
async def test_a_job_that_another_process_holds_is_not_sent(yard: Yard, dask: Dask) -> None:
    """7 for it, once what a lost worker may take to end is over; the others are sent."""
    driver = await start(yard, dask.address, "--jobs", 1)
    await seen(yard, 1)
    (run,) = yard.place.rglob("job-5")
    with RunDir(run).lock():
        code, report, said = await ended(driver)
    assert code == 7, said
    assert [one["exit_code"] for one in report["jobs"]] == [0, 0, 0, 0, 0, 7], said
    assert report["jobs"][5]["reason"]["code"] == "busy"
