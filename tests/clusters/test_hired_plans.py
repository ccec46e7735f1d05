"""The plan of a list of many parts on real Dask workers, one of which is killed over it."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkdelete import errands, fleet
from bulkdelete.approving import Consent
from bulkdelete.carrying import Here
from bulkdelete.core.cluster import Address
from bulkdelete.haulage import Haulage
from bulkdelete.intake import Meant
from bulkdelete.io.cluster import reached
from bulkdelete.lake import Hands, Hire
from bulkdelete.mustering import Job, Order
from bulkdelete.surveying import Stretch, Survey
from tests.clusters.test_reached import threads
from tests.runs.test_lakes import check_same, left, listed, wished


async def test_the_workers_of_a_cluster_make_the_plan_of_one_process(tmp_path: Path) -> None:
    """By its address alone; the cluster is left when they are done."""
    async with threads(2) as address:
        hired = replace(Haulage(address, 2, {}).hire([]), least=0)
        await check_same(wished(listed(tmp_path)), hired)


class Keen(Haulage):
    """Has the smallest list planned by workers."""

    def hire(self, jobs: Sequence[Job]) -> Hire:
        """Take anything."""
        return replace(super().hire(jobs), least=0)


async def test_a_fleet_has_its_lists_planned_by_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest is that of the same fleet without them."""
    joined: list[str] = []
    join = Survey.join

    def noted(self: Survey, stretch: Stretch) -> None:
        joined.append(stretch.met[0].facts.path)
        join(self, stretch)

    monkeypatch.setattr(Survey, "join", noted)
    listed(tmp_path)
    file = tmp_path / "night.toml"
    job = '[[job]]\nname = "shop"\ninputs = ["*.csv"]\naccount-id = "A"\nregion = "eu1"\n'
    file.write_text(job)
    order = Order(consent=Consent(), meant=Meant(), dry_run=True)
    digests = []
    async with threads(2) as address:
        for name, carriage in (("here", Here()), ("there", Keen(address, 2, {}))):
            company = fleet.Company(
                tell=lambda *_: None, watch=_nobody, ask=lambda *_: None, carriage=carriage
            )
            runs = str(tmp_path / name)
            found = await fleet.run(file, order, company, {}, at_once=1, runs_dir=runs)
            assert (found.reason, found.jobs[0].state) == (None, "planned")
            digests.append(found.fleet_digest)
    assert digests[0]
    assert digests[0] == digests[1]
    assert joined == [str(tmp_path / "0.csv")]


async def _nobody(_: object) -> None:
    """Look at nothing."""


@pytest.mark.dask
@pytest.mark.parametrize("errand", [errands.take, errands.survey])
async def test_a_worker_that_is_killed_over_a_plan_costs_time_only(
    tmp_path: Path, errand: Callable[..., object]
) -> None:
    """What it was at is done again by the others, and the plan is the same to the byte."""
    killed: list[int] = []

    @asynccontextmanager
    async def hands() -> AsyncIterator[Hands]:
        async with reached(Address(), workers=2) as cluster:
            found = await cluster.each(await cluster.workers(), os.getpid)
            victim = next(iter(found.values()))

            def submit(function: Callable[..., object], *words: object) -> Awaitable[Any]:
                done: Awaitable[Any] = cluster.submit(function, *words)
                if function is errand and not killed:
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)
                return done

            yield Hands(submit, 2, stretch=1)

    await check_same(wished(listed(tmp_path, parts=12, each=4000)), Hire(hands, least=0))
    assert len(killed) == 1
    assert not left(tmp_path)
