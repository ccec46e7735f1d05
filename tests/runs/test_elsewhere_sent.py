"""A list that a fleet has sent is known outside of it, and the other way round."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import bulkdelete
from bulkdelete import runs
from bulkdelete.archive import FLEET_LOCK, Archive
from bulkdelete.core import checkpoint as log
from bulkdelete.core.plan import Plan
from bulkdelete.core.report import Report
from bulkdelete.errors import BulkdeleteError
from bulkdelete.io.rundir import RunDir, runs_in
from tests.conftest import PASSCODE, Emulate, Program
from tests.runs.test_fleets import Yard


class Both:
    """One list, one account: sent by a fleet, by another one, or by a plain run."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.place = yard.place.parent

    async def begin(self, ids: int = 250) -> None:
        """Have an account and a job."""
        await self.yard.account("A")
        self.list = self.yard.job("shop", "A", ids)

    async def plain(self, **more: Any) -> Report:  # noqa: ANN401 - options of a run
        """Send the list without the fleet."""
        options: dict[str, Any] = {
            "endpoint": self.yard.emulators["A"].url,
            "runs_dir": self.place,
            "credentials": bulkdelete.Credentials("A", PASSCODE),
            **({} if "approve" in more else {"yes": True, "max_deletes": 1000}),
        }
        return await bulkdelete.run(more.pop("path", self.list), **options | more)

    async def refused(self, **more: Any) -> tuple[int, str]:  # noqa: ANN401 - options of a run
        """Have the plain run refused; return exit code and reason."""
        with pytest.raises(BulkdeleteError) as caught:
            await self.plain(**more)
        return caught.value.exit, caught.value.code

    def other(self) -> None:
        """Make the file that of another fleet."""
        file = self.yard.program.place / "fleet.toml"
        file.write_text('name = "other"\n' + file.read_text("utf-8"), "utf-8")

    def later(self, monkeypatch: pytest.MonkeyPatch, hours: int = 48) -> None:
        """Let so many hours pass for who looks back."""
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)

    def listen(self) -> tuple[bulkdelete.Audience, list[tuple[Path, str]]]:
        """Return who hears what is passed over, and what was."""
        heard: list[tuple[Path, str]] = []

        def told(event: bulkdelete.Event) -> None:
            if isinstance(event, bulkdelete.PassedOver):
                heard.append((event.run_dir, event.why))

        return bulkdelete.Audience(tell=told), heard


@pytest.fixture
async def both(program: Program, emulate: Emulate) -> Both:
    """Begin with a list of 250 IDs."""
    made = Both(Yard(program, emulate))
    await made.begin()
    return made


def spoil(run: Path) -> None:
    """Damage the log in its midst."""
    log_file = run / "checkpoint.log"
    lines = log_file.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"{", b"[", 1)
    log_file.write_bytes(b"".join(lines))


def reason(report: Report) -> str:
    """Return the code of its reason."""
    return report.reason.code if report.reason is not None else ""


async def test_what_a_fleet_sent_is_not_sent_by_a_plain_run(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 0 while the approval lives, also of a copy; then 4; --again sends."""
    assert (await both.yard.run()).code == 0
    told = await both.plain()
    assert (told.exit_code, reason(told)) == (0, "already_finished")
    assert Path(told.run_dir) == both.yard.place / "shop"
    copy = both.yard.program.place / "copy.csv"
    copy.write_bytes(both.list.read_bytes())
    assert reason(await both.plain(path=copy)) == "already_finished"
    assert await both.refused(shard="1/3") == (4, "already_done")
    both.later(monkeypatch)
    assert await both.refused() == (4, "already_done")
    both.yard.check_sent_once()
    assert (await both.plain(again=True)).ids["accepted"] == 250
    assert set(both.yard.acted("A").values()) == {2}


@pytest.mark.parametrize("by", ["a plain run", "another fleet"])
async def test_what_others_sent_is_not_sent_by_a_fleet(
    both: Both, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is over with what they sent, and the fleet goes on with the others; then 4."""
    yard = both.yard
    if by == "a plain run":
        await both.plain()
    else:
        assert (await yard.run()).code == 0
        both.other()
    await yard.account("B")
    yard.job("blog", "B", 30)
    if by != "a plain run":
        both.other()
    before = yard.requests()
    ended = await yard.run()
    assert ended.code == 0, ended.error
    assert yard.requests() == before + 1
    shop, blog = ended.found.jobs
    assert (shop.run_id, reason(shop)) == ("shop", "already_finished")
    assert (blog.run_id, blog.state, reason(blog)) == ("blog", "finished", "")
    assert ended.found.ids["accepted"] == 280
    yard.check_sent_once()
    both.later(monkeypatch)
    late = await yard.run()
    assert (late.code, late.why) == (4, "already_done")
    assert "job 'shop': this list was deleted on" in late.error
    again = await yard.run(again=True)
    assert (again.code, again.found.ids["accepted"]) == (0, 280), again.error
    assert set(yard.acted("A").values()) == {2}


async def test_an_unfinished_fleet_with_a_job_that_was_sent_elsewhere(both: Both) -> None:
    """Its fleet goes on all the same: that job has nothing to send."""
    yard = both.yard
    await both.plain()
    await yard.account("B")
    yard.job("blog", "B", 250, "hold-after = 100")
    assert (await yard.run()).code == 75
    yard.job("blog", "B", 250)
    ended = await yard.run()
    assert (ended.code, ended.found.state) == (0, "finished"), ended.error
    yard.check_sent_once()


@pytest.mark.parametrize("by", ["a plain run", "a fleet"])
async def test_what_others_sent_meanwhile_is_not_sent_by_apply(
    both: Both, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a plan that was only made: exit 0 while that approval lives, then 4; --again sends."""
    yard = both.yard
    key = bulkdelete.Credentials("A", PASSCODE)
    plan = partial(bulkdelete.plan, both.list, endpoint=yard.emulators["A"].url, account_id="A")
    earlier = (await plan(runs_dir=both.place)).run_dir
    apply = partial(bulkdelete.apply, credentials=key, yes=True, max_deletes=1000)
    if by == "a fleet":
        yard.job("shop", "A", 250, "hold-after = 100")
        assert (await yard.run()).code == 75
        with pytest.raises(bulkdelete.IntegrityError, match="begun by another run"):
            await apply(earlier)
        yard.job("shop", "A", 250)
        assert (await yard.run()).code == 0
        sent = yard.place / "shop"
    else:
        sent = Path(
            (await both.plain(again=True, chunk_size=100, run_dir=both.place / "x")).run_dir
        )
    told = await apply(earlier)
    assert (told.exit_code, reason(told), Path(told.run_dir)) == (0, "already_finished", sent)
    both.later(monkeypatch)
    with pytest.raises(bulkdelete.GuardError, match="was deleted on"):
        await apply(earlier)
    yard.check_sent_once()
    assert (await apply(earlier, again=True)).ids["accepted"] == 250
    assert (await apply(earlier)).ids["accepted"] == 250
    assert set(yard.acted("A").values()) == {2}
    fresh = (await plan(runs_dir=both.place)).run_dir
    if by == "a plain run":  # that plan was made in the knowledge of it
        assert (await apply(fresh)).ids["accepted"] == 250


async def test_a_fleet_goes_on_when_that_approval_is_over(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was alive when the fleet was planned: that job stays over. Later it is 4, as ever."""
    yard = both.yard
    await both.plain(plan_ttl="1h")
    await yard.account("B")
    yard.job("blog", "B", 250, "hold-after = 100")
    assert (await yard.run()).code == 75
    yard.job("blog", "B", 250)
    both.later(monkeypatch, hours=2)
    ended = await yard.run()
    assert (ended.code, ended.found.state) == (0, "finished"), ended.error
    late = await yard.run()
    assert (late.code, late.why) == (4, "already_done")
    yard.check_sent_once()


async def test_a_damaged_run_stands_against_its_own_list_only(both: Both) -> None:
    """Exit 6 names it, in a fleet and beside one; --abandon passes it by, and tells so."""
    yard = both.yard
    first = both.list.read_bytes()
    assert (await yard.run()).code == 0
    broken = yard.place / "shop"
    spoil(broken)
    options: tuple[dict[str, Any], ...] = ({}, {"again": True}, {"chunk_size": 10})
    for more in options:
        with pytest.raises(bulkdelete.IntegrityError) as caught:
            await both.plain(**more)
        assert caught.value.code == "checkpoint_corrupt"
        assert str(caught.value).startswith(f"{broken}: ")
        assert f"bulkdelete audit {broken}" in caught.value.hint
    both.list.write_text("identity\nquite-another\n", "utf-8")
    assert (await both.plain()).ids["accepted"] == 1
    both.list.write_bytes(first)
    audience, heard = both.listen()
    made = await both.plain(abandon=True, audience=audience)
    assert (made.ids["accepted"], heard) == (250, [(broken, "it cannot be read")])
    spoil(Path(made.run_dir))
    assert await both.refused() == (6, "checkpoint_corrupt")
    heard.clear()
    fresh = await both.plain(abandon=True, audience=audience)
    assert [path for path, _ in heard] == [Path(made.run_dir), broken]
    assert reason(await both.plain()) == "already_finished"
    refused = await yard.run()
    assert (refused.code, refused.why) == (6, "checkpoint_corrupt")
    assert str(broken) in refused.error
    ended = await yard.run(abandon=True)
    assert [one.run_dir for one in ended.found.jobs] == [fresh.run_dir], ended.error
    (broken / "plan.json").write_text("{}", "utf-8")
    assert await both.refused(again=True) == (6, "run_dir_corrupt")
    assert set(yard.acted("A").values()) == {1, 3}


async def test_what_a_fleet_began_stands_against_a_plain_run(both: Both) -> None:
    """Exit 6 names it, also for another plan of the input; --abandon gives it up."""
    yard = both.yard
    yard.job("shop", "A", 250, "hold-after = 100")
    assert (await yard.run()).code == 75
    assert await both.refused() == (6, "unfinished_elsewhere")
    assert await both.refused(chunk_size=10) == (6, "unfinished_elsewhere")
    copy = both.yard.program.place / "copy.csv"
    copy.write_bytes(both.list.read_bytes())
    assert await both.refused(path=copy, again=False) == (6, "unfinished_elsewhere")
    assert sum(yard.acted("A").values()) == 100
    assert (await both.plain(abandon=True)).ids["accepted"] == 250
    told = await yard.run()
    assert (told.code, [reason(job) for job in told.found.jobs]) == (0, ["already_finished"])
    assert sum(yard.acted("A").values()) == 350


async def test_what_others_began_stands_against_a_fleet(both: Both) -> None:
    """Exit 6 names it, and no job is sent; `apply` finishes it; or --abandon gives it up."""
    yard = both.yard
    await yard.account("B")
    yard.job("blog", "B", 30)
    with pytest.raises(bulkdelete.Stopped):
        await both.plain(hold_after=100)
    refused = await yard.run()
    assert (refused.code, refused.why) == (6, "unfinished_elsewhere")
    assert "job 'shop': this list was begun by another run" in refused.error
    assert yard.acted("B") == {}
    ended = await yard.run(abandon=True)
    assert (ended.code, ended.found.ids["accepted"]) == (0, 280), ended.error
    assert (await both.plain()).run_dir == str(yard.place / "shop")


async def test_a_plan_that_nobody_approved_stands_against_nothing(both: Both) -> None:
    """A fleet's dry run does not bind a plain run; when that has sent it, the fleet knows."""
    assert (await both.yard.run(dry_run=True)).found.state == "planned"
    assert (await both.plain()).ids["accepted"] == 250
    ended = await both.yard.run()
    assert (ended.code, reason(ended.found.jobs[0])) == (0, "already_finished")
    both.yard.check_sent_once()


async def test_two_that_ask_for_one_list(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second is told of the other, 7; what began while a fleet was asked stops it, 6."""
    yard = both.yard
    assert (await yard.run(dry_run=True)).code == 0
    with RunDir(yard.place).lock(name=FLEET_LOCK):
        assert await both.refused() == (7, "busy")
    dry = await both.plain(dry_run=True)
    with RunDir(Path(dry.run_dir)).lock():
        assert (await yard.run()).code == 7

    def asked(*_: object) -> None:
        found = runs.load(RunDir(Path(dry.run_dir)))
        now = time.time()
        approval = log.Approval(how="yes", who="x", ids=250, at=now, expires=now + 3600)
        with ThreadPoolExecutor() as thread:
            thread.submit(asyncio.run, runs.record(found, approval)).result(30)

    monkeypatch.setattr(Yard, "_asked", staticmethod(asked))
    refused = await yard.run(yes=False)
    assert (refused.code, refused.why) == (6, "unfinished_elsewhere"), refused.error
    assert "approval" not in (yard.place / "shop" / "checkpoint.log").read_text("utf-8")
    assert yard.requests() == 0


async def test_each_plan_is_read_once(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks back many times reads a plan once; what comes and goes meanwhile is seen."""
    await both.plain()
    assert (await both.yard.run()).code == 0
    read: list[str] = []
    plan = RunDir.plan

    def noted(run: RunDir) -> Plan:
        read.append(run.run_id)
        return plan(run)

    monkeypatch.setattr(RunDir, "plan", noted)
    archive = Archive(both.place)
    for _ in range(3):
        (only,) = archive.runs()
        assert [one.run for one in archive.of_job(only.job)] == [only.run]
    assert len(read) == 1
    await both.plain(again=True)
    read.clear()
    assert len(archive.runs()) == 2
    assert read == [archive.runs()[0].run.run_id]
    only.run.remove()
    assert [one.run for one in archive.runs()] == [archive.runs()[0].run]
    assert archive.of_job("sha256:other") == ()


async def test_links_are_other_names_of_what_is_known(both: Both, tmp_path: Path) -> None:
    """To a fleet, to a run of it, in a circle: all goes on; to a run elsewhere: that is known."""
    yard = both.yard
    yard.job("shop", "A", 250, "hold-after = 100")
    assert (await yard.run()).code == 75
    (both.place / "latest").symlink_to(yard.place.name)
    (both.place / "last").symlink_to(yard.place / "shop")
    (both.place / "loop").symlink_to("loop")
    (both.place / "self").symlink_to(".")
    (yard.place / "again").symlink_to("shop")
    yard.job("shop", "A", 250)
    ended = await yard.run()
    assert ended.code == 0, ended.error
    assert reason(await both.plain()) == "already_finished"
    (both.place / "latest").unlink()
    (both.place / "last").unlink()
    yard.place.rename(tmp_path / "moved")
    assert (await both.plain(dry_run=True)).state == "planned"
    for link, to in (("far", "moved/shop"), ("fleet", "moved")):
        (both.place / link).symlink_to(tmp_path / to)
        told = await both.plain()
        place = tmp_path / "moved" / "shop"
        assert (reason(told), told.run_dir) == ("already_finished", str(place))
        (both.place / link).unlink()
    yard.check_sent_once()


def test_what_others_let_nobody_look_into_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lost+found` of a volume; what is ours, and shut, is not passed by."""
    closed = tmp_path / "lost+found"
    closed.mkdir()
    (closed / "plan.json").touch()
    access = os.access

    def shut(path: str | Path, mode: int, **more: bool) -> bool:
        return Path(path) != closed and access(path, mode, **more)

    monkeypatch.setattr(os, "access", shut)
    assert [one.run.path for one in Archive(tmp_path).runs()] == [closed]
    assert [one.path for one in runs_in(tmp_path)] == [closed]
    owner = closed.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert list(Archive(tmp_path).runs()) == []
    assert runs_in(tmp_path) == []
