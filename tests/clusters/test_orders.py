"""What a driver writes down for its workers, and how they are handed passcodes."""

import asyncio
import fcntl
import os
import stat
from pathlib import Path

import pytest

from bulkdelete.errors import UsageError
from bulkdelete.io.orders import Desk, Orders, Words, held, left_behind, scheduler_of
from bulkdelete.io.purse import handed_out, taken

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


def test_a_lock_is_found_held_only_while_it_is(tmp_path: Path) -> None:
    """As another process, or machine, would find it."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        assert not held(path)
        fcntl.flock(file, fcntl.LOCK_EX)
        assert held(path)
    assert not held(path)


async def test_passcodes_are_handed_to_our_own_processes_only() -> None:
    """Another name is told nothing, nor is another user; afterwards nobody is."""
    async with handed_out({"shop": "hush"}, os.getuid()) as path:
        assert await asyncio.to_thread(taken, path, "shop") == "hush"
        assert await asyncio.to_thread(taken, path, "blog") is None
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    assert await asyncio.to_thread(taken, path, "shop") is None
    async with handed_out({"shop": "hush"}, os.getuid() + 1) as path:
        assert await asyncio.to_thread(taken, path, "shop") is None
