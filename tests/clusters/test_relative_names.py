"""What is meant by relative names on a worker, whose directory and home are others."""

from pathlib import Path

import pytest

from bulkdelete import fleet
from bulkdelete.approving import Consent
from bulkdelete.core.cluster import Address
from bulkdelete.haulage import Haulage
from bulkdelete.intake import Meant
from bulkdelete.io.orders import Orders
from bulkdelete.mustering import Order
from bulkdelete.settings import FIELDS, PREFIX, resolve, values
from tests.clusters.cluster import running
from tests.clusters.test_dask_fleets import ended, seen, start
from tests.conftest import PASSCODE, Emulate, Program
from tests.runs.test_fleets import Yard

_NAMED = {
    name
    for name, one in FIELDS.items()
    if one.parse in {values.path, values.paths} and not one.only
} - {"runs_dir", "run_dir"}
"""Settings that name files; where runs lie, a job says by itself."""


def ordered(environment: dict[str, str]) -> Orders:
    """Return what a driver with these variables writes down for its workers."""
    driver = Haulage(Address(), 1, environment)
    return driver._orders("n", Path("/runs/f"), (), "id", "")


def test_files_that_variables_name_are_the_drivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill file, a key, protect lists, passwords: from its directory and home; else as it was."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "worker").mkdir()
    monkeypatch.chdir(tmp_path)
    relative = {PREFIX + name.upper(): f"in/{name}" for name in _NAMED}
    assert "BULKDELETE_KILL_FILE" in relative
    found = ordered(relative | {"BULKDELETE_GRACE": "5", "PASS": "x"}).environment
    monkeypatch.chdir(tmp_path / "worker")
    assert found == {"BULKDELETE_GRACE": "5"} | {
        name: str(tmp_path / value) for name, value in relative.items()
    }
    monkeypatch.chdir(tmp_path)
    found = ordered({"BULKDELETE_KEY_FILE": "~/key", "BULKDELETE_PROTECT": "/vip"}).environment
    monkeypatch.setenv("HOME", "/nowhere")
    settings = resolve({}, found, {})
    assert (settings.key_file, settings.protect) == (tmp_path / "home/key", (Path("/vip"),))


@pytest.mark.parametrize("elsewhere", [True, False])
async def test_where_runs_lie_is_said_as_others_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    """Who sends in this process hears of it as it was said."""
    monkeypatch.chdir(tmp_path)
    job = '[[job]]\nname = "shop"\ninputs = ["a.csv"]\naccount-id = "A"\nregion = "eu1"\n'
    (tmp_path / "night.toml").write_text(job)
    (tmp_path / "a.csv").write_text("identity\nx\n")
    order = Order(consent=Consent(), meant=Meant(), dry_run=True, elsewhere=elsewhere)
    company = fleet.Company(tell=lambda *_: None, watch=_nobody, ask=lambda *_: None)
    found = await fleet.run(Path("night.toml"), order, company, {}, at_once=1)
    said = (tmp_path if elsewhere else Path()) / "bulkdelete-runs/night"
    assert (found.fleet_dir, found.jobs[0].run_dir) == (str(said), str(said / "shop"))


async def _nobody(_: object) -> None:
    """Look at nothing."""


@pytest.mark.dask
async def test_workers_in_another_directory_obey_the_drivers_kill_file(
    program: Program, emulate: Emulate, tmp_path: Path, unused_tcp_port: int
) -> None:
    """75 when it is made, wherever runs lie by default; without it the same command goes on."""
    yard = Yard(program, emulate)
    await yard.account("A", latency=0.1)
    yard.job("one", "A", 3000)
    yard.job("two", "A", 300)
    program.cold = True
    program.env |= {"BULKDELETE_KILL_FILE": "STOP"}
    del program.env["PASS"]
    (tmp_path / "elsewhere").mkdir()
    async with running(tmp_path / "elsewhere", unused_tcp_port, 1, {"PASS": PASSCODE}) as dask:
        driver = await start(yard, dask.address)
        await seen(yard, 3)
        (tmp_path / "STOP").touch()
        code, report, said = await ended(driver)
        assert (code, report["reason"]["code"]) == (75, "kill_file"), said
        (tmp_path / "STOP").unlink()
        code, report, said = await ended(await start(yard, dask.address))
        assert (code, report["ids"]["accepted"]) == (0, 3300), said
    yard.check_sent_once()
