"""What a driver writes down for its workers, and how they are handed passcodes."""

import asyncio
import fcntl
import os
import stat
import tempfile
from pathlib import Path

import pytest

from bulkdelete.core.cluster import Address
from bulkdelete.errors import UsageError
from bulkdelete.haulage import Haulage
from bulkdelete.io.files import is_locked
from bulkdelete.io.orders import (
    Desk,
    Orders,
    Words,
    left_behind,
    scheduler_of,
    set_aside,
)
from bulkdelete.io.purse import handed_out, taken
from tests.conftest import Emulate, Program
from tests.runs.test_fleets import Yard

WORDS = Words(inputs=("a",), flags={"run_dir": "r"}, said={}, file="f", passcode_env="PASS")


def orders(nonce: str, **more: str) -> Orders:
    """Return orders of one job."""
    said = {"version": "1", "lock": "l", "scheduler": "s", "scheduler_id": "id", "purse": ""}
    return Orders(nonce=nonce, most={"a": 3}, environment={}, jobs={"j": WORDS}, **said | more)


def test_orders_are_read_by_who_is_meant_and_each_giving_is_taken_once(tmp_path: Path) -> None:
    """They are private; another start's are refused, and so is what is not there."""
    desk = Desk(tmp_path / ".dask-1", "one")
    desk.write(orders("one"))
    assert desk.read().jobs == {"j": WORDS}
    assert stat.S_IMODE((desk.place / "orders.json").stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="sees another"):
        Desk(desk.place, "two").read()
    assert [desk.claim("t"), desk.claim("t"), desk.claim("u")] == [True, False, True]
    assert desk.stopped("t") is None
    desk.stop("t", 15, "me")
    desk.stop("t", 2, "you")  # the first word counts
    assert (desk.stopped("t"), desk.stopped("u")) == ((15, "me"), None)
    (tmp_path / "dask-is-a-job").mkdir()
    assert left_behind(tmp_path) == [desk.place]
    assert scheduler_of(desk.place) == "id"
    desk.remove()
    assert (left_behind(tmp_path), scheduler_of(desk.place)) == ([], "")
    with pytest.raises(UsageError, match="does not see"):
        desk.read()


def test_of_a_start_that_was_lost_only_its_scheduler_is_kept(tmp_path: Path) -> None:
    """However often it is looked at; its workers see their orders gone."""
    assert not set_aside(tmp_path)
    desk = Desk(tmp_path / ".dask-1", "one")
    desk.write(orders("one", purse="https://hooks/token"))
    desk.claim("t")
    desk.stop("t", 15, "me")
    (tmp_path / ".left-0").mkdir()
    (tmp_path / ".left-0/orders.json").write_text("{")  # of another version, once set aside
    for _ in range(2):
        assert set_aside(tmp_path)
        left = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        assert left == [tmp_path / ".left-0/scheduler", tmp_path / ".left-1/scheduler"]
        assert [scheduler_of(one.parent) for one in left] == ["", "id"]
    with pytest.raises(UsageError, match="does not see"):
        desk.read()


async def test_a_fleet_that_is_over_forgets_its_drivers_and_none_before(
    program: Program, emulate: Emulate
) -> None:
    """Sent by this process after one on Dask was killed: settings are gone at once, then all."""
    yard = Yard(program, emulate)
    await yard.account("A")
    yard.job("shop", "A", 150, "max-deletes = 100")
    yard.place.mkdir(mode=0o700, parents=True)
    Desk(yard.place / ".dask-1", "one").write(orders("one"))
    assert (await yard.run()).why == "max_deletes"
    assert [path.name for path in yard.place.rglob(".left-1/*")] == ["scheduler"]
    assert scheduler_of(yard.place / ".left-1") == "id"
    yard.job("shop", "A", 150, "max-deletes = 150")
    assert (await yard.run()).code == 0
    assert left_behind(yard.place) == []


async def test_a_password_within_an_address_is_written_down_for_nobody(
    program: Program, emulate: Emulate
) -> None:
    """A variable's, and a file's, are refused before the cluster is even come to."""
    address = "redis://:hush@keeper"
    yard = Yard(program, emulate)
    await yard.account("A")
    for said, line in ({"BULKDELETE_SLOTS": address}, ""), ({}, f'slots = "{address}"'):
        yard.job("shop", "A", 1, line)
        program.env.pop("BULKDELETE_SLOTS", None)
        program.env |= said
        haulage = Haulage(Address.parse("tcp://127.0.0.1:1"), 1, program.env)
        found = await yard.run(carriage=haulage, elsewhere=True)
        assert (found.code, found.why) == (2, "password_shows")
        assert "hush" not in found.error


def test_a_lock_is_found_held_only_while_it_is(tmp_path: Path) -> None:
    """As another process, or machine, would find it."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        assert not is_locked(path)
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_locked(path)
    assert not is_locked(path)


async def test_passcodes_are_handed_to_our_own_processes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another name is told nothing, nor is another user; afterwards nobody is."""
    async with handed_out({"shop": "hush"}, os.getuid()) as path:
        assert await asyncio.to_thread(taken, path, "shop") == "hush"
        assert await asyncio.to_thread(taken, path, "blog") is None
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    assert await asyncio.to_thread(taken, path, "shop") is None
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    async with handed_out({"shop": "hush"}, os.getuid()) as path:  # a socket's path is short
        assert await asyncio.to_thread(taken, path, "shop") == "hush"
    async with handed_out({"shop": "hush"}, os.getuid() + 1) as path:
        assert await asyncio.to_thread(taken, path, "shop") is None
