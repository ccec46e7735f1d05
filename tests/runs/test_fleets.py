"""Many jobs side by side: planned and approved as one, sent apart, resumed by the same command."""

import asyncio
import errno
import gc
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import bulkdelete
from bulkdelete import auditing, fleet, mustering, runs
from bulkdelete.approving import Consent
from bulkdelete.carrying import Carriage, Here
from bulkdelete.convoy import Berth, Convoy
from bulkdelete.core.fleet_report import FleetReport
from bulkdelete.core.keeper import Keeper
from bulkdelete.errors import BulkdeleteError, BusyError
from bulkdelete.intake import Meant, parts_of
from bulkdelete.io.rundir import RunDir
from bulkdelete.mustering import Mustered, Order
from tests.conftest import PASSCODE, Emulate, Program, times_acted
from tests.terminal import at_terminal

if TYPE_CHECKING:
    from bulkdelete.convoy import Watch


@dataclass(frozen=True)
class Came:
    """What came of a fleet: its report, or why there is none."""

    code: int
    why: str
    error: str
    report: FleetReport | None = None

    @property
    def found(self) -> FleetReport:
        """The report, which there must be."""
        assert self.report is not None, self.error
        return self.report


class Yard:
    """A fleet's file, its lists, and an emulator for each account."""

    def __init__(self, program: Program, emulate: Emulate) -> None:
        self.program = program
        self.emulators: dict[str, Any] = {}
        self.ids: dict[str, list[str]] = {}
        self._tables: dict[str, list[str]] = {}
        self._emulate = emulate
        self.watch: Watch = _looks_on
        program.env["PASS"] = PASSCODE

    async def account(self, account: str, **settings: Any) -> None:  # noqa: ANN401 - an emulator's
        """Start the emulator of an account."""
        self.emulators[account] = await self._emulate(account_id=account, **settings)

    def job(self, name: str, account: str, ids: int, *lines: str, passcode: str = "PASS") -> Path:
        """Add a job with a list of its own; return the list."""
        path, _ = self.program.ids(0, f"{name}.csv")
        self.ids[name] = [f"{name}-{number:06d}-{number * 7919 % 10007}" for number in range(ids)]
        self.program.write(path.name, "identity", *self.ids[name])
        self._tables[name] = [
            "[[job]]",
            f'name = "{name}"',
            f'inputs = ["{path.name}"]',
            f'account-id = "{account}"',
            f'endpoint = "{self.emulators[account].url}"',
            f'passcode-env = "{passcode}"',
            *lines,
        ]
        self.write()
        return path

    def write(self, *without: str, defaults: str = "max-deletes = 100000") -> None:
        """Write the file, without some of the jobs."""
        jobs = [table for name, table in self._tables.items() if name not in without]
        lines = [line for table in jobs for line in table]
        self.program.write("fleet.toml", "[defaults]", defaults, *lines)

    def words(self, *more: object) -> list[object]:
        """Return the command."""
        places = [word for one in self.emulators.values() for word in ("--endpoint", one.url)]
        return ["fleet", "fleet.toml", *places, *more]

    async def run(
        self,
        *,
        yes: bool = True,
        approve: str | None = None,
        anomaly: bool = False,
        carriage: Carriage | None = None,
        **said: Any,  # noqa: ANN401 - what an order says
    ) -> Came:
        """Run it in this process; nobody is there to be asked."""
        order = Order(
            consent=Consent(yes=yes and approve is None, approve=approve),
            meant=Meant(anomaly=anomaly),
            endpoints=tuple(one.url for one in self.emulators.values()),
            **said,
        )
        company = fleet.Company(
            tell=lambda *_: None, watch=self.watch, ask=self._asked, carriage=carriage or Here()
        )
        try:
            report = await fleet.run(
                self.program.place / "fleet.toml",
                order,
                company,
                {"PATH": "/bin", **self.program.env},
                at_once=8,
                runs_dir=str(self.place.parent),
            )
        except BulkdeleteError as error:
            return Came(error.exit, error.code, str(error))
        reason = report.reason
        text = "; ".join(job.reason.message for job in report.jobs if job.reason)
        if reason is not None:
            text = f"{reason.message}; {text}"
        return Came(report.exit_code or 0, reason.code if reason else "", text, report)

    @staticmethod
    def _asked(_: Sequence[Mustered], digest: str) -> None:
        raise fleet.missing(digest, "nobody is here")

    @property
    def place(self) -> Path:
        """Where the fleet lives."""
        return self.program.place / "bulkdelete-runs" / "fleet"

    def requests(self) -> int:
        """Return how many requests all accounts have seen."""
        return sum(one.state.stats()["requests"] for one in self.emulators.values())

    def acted(self, account: str) -> dict[str, int]:
        """Return how often an account's server acted on each ID."""
        return times_acted(self.emulators[account])

    def check_sent_once(self) -> None:
        """See that all lists were acted on, each ID once."""
        every = {
            one: times for account in self.emulators for one, times in self.acted(account).items()
        }
        assert every == {one: 1 for ids in self.ids.values() for one in ids}


async def _looks_on(_: object) -> None:
    """See nothing."""
    await asyncio.Event().wait()


@pytest.fixture
def yard(program: Program, emulate: Emulate) -> Yard:
    """Make an empty one."""
    return Yard(program, emulate)


async def test_all_are_guarded_before_any_is_sent(yard: Yard) -> None:
    """One list too long: exit 4 names the job, and no account sees a request; corrected, all go."""
    await yard.account("A")
    await yard.account("B")
    yard.job("shop", "A", 150)
    yard.job("blog", "B", 250, "max-deletes = 200")
    refused = await yard.run()
    assert (refused.code, refused.why, refused.found.state) == (4, "max_deletes", "refused")
    assert "job 'blog': the plan holds 250 IDs, more than the 200" in refused.error
    assert [job.state for job in refused.found.jobs] == ["planned", "refused"]
    assert yard.requests() == 0
    yard.job("blog", "B", 250, "max-deletes = 250")
    ended = await yard.run()
    assert ended.code == 0, ended.error
    found = ended.found
    assert found.ids["read"] == found.ids["accepted"] == 400
    assert found.requests["sent"] == found.chunks["planned"] == 5
    assert [(job.run_id, job.state) for job in found.jobs] == [
        ("shop", "finished"),
        ("blog", "finished"),
    ]
    yard.check_sent_once()


async def test_approved_once_by_the_digest_of_all(yard: Yard) -> None:
    """A dry run tells it; another is refused; with it all are sent; then nothing is to do."""
    await yard.account("A")
    await yard.account("B")
    for number in range(3):
        yard.job(f"job-{number}", "AB"[number % 2], 120)
    dry = (await yard.run(dry_run=True)).found
    assert (dry.state, dry.exit_code, dry.ids["unsent"]) == ("planned", None, 360)
    assert (await yard.run(yes=False)).why == "approval_missing"
    assert (await yard.run(approve="0" * 12)).why == "approve_digest"
    assert (await yard.run(approve=dry.jobs[0].plan_digest)).why == "approve_digest"
    assert yard.requests() == 0
    short = dry.fleet_digest.removeprefix("sha256:")[:12]
    ended = await yard.run(approve=short)
    assert ended.code == 0, ended.error
    assert ended.found.fleet_digest == dry.fleet_digest
    yard.check_sent_once()
    before = yard.requests()
    again = await yard.run(approve=short)
    assert (again.code, again.found.state) == (0, "finished")
    reasons = [job.reason for job in again.found.jobs]
    assert {one.code for one in reasons if one} == {"already_finished"}
    assert yard.requests() == before
    written = (yard.place / "fleet.json").read_bytes()
    assert msgspec.json.decode(written, type=FleetReport) == again.found
    page = (yard.place / "fleet.html").read_text("utf-8")
    assert "job-2" in page
    assert "the server accepted all 360 planned IDs" in page
    assert '"how":"digest"' in (yard.place / "job-1" / "checkpoint.log").read_text("utf-8")


async def test_approved_once_at_the_terminal(yard: Yard) -> None:
    """One table of all jobs, what is typed, and the progress; the typed word is on record."""
    await yard.account("A")
    await yard.account("B")
    yard.job("shop", "A", 130)
    yard.job("blog", "B", 120, 'environment = "production"')
    code, seen = await at_terminal(yard.program, "production\n2\n250\n", *yard.words())
    assert code == 0, seen
    assert "This is PRODUCTION." in seen
    assert "2 of 2 jobs over, 0 sending: 250/250 IDs" in seen
    yard.check_sent_once()
    log = (yard.place / "shop" / "checkpoint.log").read_text("utf-8")
    assert '"how":"typed"' in log


async def test_what_changed_in_a_fleet_that_is_not_finished(yard: Yard) -> None:
    """Exit 6 names the job and what changed: list, guard that is bound, job gone, job new."""
    await yard.account("A")
    await yard.account("B")
    yard.job("shop", "A", 150)
    blog = yard.job("blog", "B", 350, "hold-after = 100")
    held = await yard.run()
    assert (held.code, held.found.state) == (75, "stopped")
    assert [job.exit_code for job in held.found.jobs] == [0, 75]
    before = yard.requests()

    async def refused(words: str) -> None:
        ended = await yard.run()
        assert (ended.code, yard.requests()) == (6, before), ended.error
        assert words in ended.error
        if ended.report is not None:  # what was sent before is not forgotten over it
            assert ended.report.ids["accepted"] == held.found.ids["accepted"] == 250
        written = msgspec.json.decode((yard.place / "fleet.json").read_bytes(), type=FleetReport)
        assert (written.state, written.ids["accepted"]) == ("stopped", 250)
        assert "250 of 500 planned IDs accepted" in (yard.place / "fleet.html").read_text("utf-8")

    text = blog.read_text("utf-8")
    blog.write_text(text + "one-more\n")
    await refused("job 'blog': the input's content changed")
    blog.write_text(text)
    shop = yard.program.place / "shop.csv"
    whole = shop.read_text("utf-8")
    shop.write_text(whole + "one-more\n")  # a job that is over stays what was approved, too
    await refused("job 'shop': the input's content changed")
    shop.write_text(whole)
    yard.write(defaults="max-deletes = 100000\nchunk-size = 50")
    await refused("the chunk size changed")
    yard.write("blog")
    await refused("does not name the job 'blog' any more")
    yard.job("new", "A", 10)
    await refused("job 'new': it is not of the fleet")
    yard.write("new")
    del yard.ids["new"]
    ended = await yard.run(again=True)
    assert (ended.code, ended.why) == (2, "fleet_unfinished")
    while (ended := await yard.run()).code == 75:
        assert yard.requests() > before
        before = yard.requests()
    assert ended.code == 0, ended.error
    yard.check_sent_once()


async def test_abandoned_and_started_afresh(yard: Yard) -> None:
    """`--abandon` gives the unfinished jobs up; what was finished is not sent again."""
    await yard.account("A")
    yard.job("shop", "A", 110)
    blog = yard.job("blog", "A", 250, "hold-after = 100")
    assert (await yard.run()).code == 75
    yard.job("blog", "A", 250)
    blog.write_text(blog.read_text("utf-8") + "one-more\n")
    ended = await yard.run(abandon=True)
    assert ended.code == 0, ended.error
    reason = ended.found.jobs[0].reason
    assert reason is not None
    assert reason.code == "already_finished"
    assert set(yard.acted("A")) == {*yard.ids["shop"], *yard.ids["blog"], "one-more"}
    assert max(yard.acted("A")[one] for one in yard.ids["shop"]) == 1
    assert (yard.place / "blog.1" / "checkpoint.log").exists()


async def test_one_job_that_stops_does_not_stop_the_others(yard: Yard) -> None:
    """Its account refuses us: exit 5 tells of it, the others end; the same command mends it."""
    await yard.account("A")
    await yard.account("B")
    yard.program.env["WRONG"] = "not-the-passcode"
    yard.job("shop", "A", 250, passcode="WRONG")
    yard.job("blog", "B", 350)
    ended = await yard.run()
    assert (ended.code, ended.found.state) == (5, "stopped"), ended.error
    assert "job 'shop'" in ended.error
    assert [job.exit_code for job in ended.found.jobs] == [5, 0]
    assert ended.found.ids["accepted"] == 350
    yard.program.env["WRONG"] = PASSCODE
    ended = await yard.run()
    assert ended.code == 0, ended.error
    yard.check_sent_once()


async def test_two_starts_of_a_fleet(yard: Yard) -> None:
    """The second exits 7 as long as the first is at work, and sends nothing."""
    await yard.account("A", latency=0.2)
    yard.job("shop", "A", 2500)
    first = await yard.program.start(*yard.words("--yes", "--json"))
    async with asyncio.timeout(30):
        while not yard.requests():
            await asyncio.sleep(0.02)
    second = await yard.run()
    assert (second.code, second.why) == (7, "busy")
    assert "holds the fleet" in second.error
    first.send_signal(signal.SIGTERM)
    out, _ = await first.communicate()
    assert first.returncode == 143
    assert json.loads(out)["state"] == "interrupted"


async def test_a_job_that_somebody_sends_by_itself(yard: Yard) -> None:
    """Its run is held by another process: the fleet is refused, exit 7, and names it."""
    await yard.account("A", latency=0.2)
    await yard.account("B")
    yard.job("shop", "A", 2500)
    yard.job("blog", "B", 10)
    digest = (await yard.run(dry_run=True)).found.jobs[0].plan_digest
    program = yard.program
    program.env |= {"CLEVERTAP_ACCOUNT_ID": "A"}
    alone = await program.start("apply", yard.place / "shop", "--approve", digest)
    async with asyncio.timeout(30):
        while not yard.requests():
            await asyncio.sleep(0.02)
    refused = await yard.run()
    assert (refused.code, yard.acted("B")) == (7, {})
    assert "job 'shop': another process holds its run" in refused.error
    alone.send_signal(signal.SIGTERM)
    await alone.communicate()
    assert alone.returncode == 143
    assert (await yard.run()).code == 0
    yard.check_sent_once()


async def test_jobs_of_one_account_share_its_slots(yard: Yard) -> None:
    """Six jobs at once, of two accounts, in one process: never more than three per account."""
    await yard.account("A", latency=0.02)
    await yard.account("B", latency=0.02)
    for number in range(6):
        yard.job(f"job-{number}", "AB"[number % 2], 600)
    ended = await yard.run()
    assert ended.code == 0, ended.error
    for account in "AB":
        stats = yard.emulators[account].state.stats()
        assert stats["max_in_flight"] == 3
        assert stats["throttled"] == 0
    assert ended.found.requests["sent"] == 36
    yard.check_sent_once()


async def test_a_signal_drains_all_jobs(yard: Yard) -> None:
    """SIGINT: 130, each job's end on record, nothing in doubt; jobs not begun stay unsent."""
    await yard.account("A", latency=0.1)
    await yard.account("B", latency=0.1)
    for number in range(4):
        yard.job(f"job-{number}", "AB"[number % 2], 700)
    process = await yard.program.start(*yard.words("--yes", "--json", "--jobs", 3))
    async with asyncio.timeout(30):
        while not (yard.acted("A") and yard.acted("B")):
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode == 130, err
    found = json.loads(out)
    assert found["state"] == "interrupted"
    assert [job["exit_code"] for job in found["jobs"]] == [130, 130, 130, None]
    assert found["ids"]["ambiguous"] == 0
    assert 0 < found["ids"]["accepted"] < 2800
    ended = await yard.run()
    assert ended.code == 0, ended.error
    yard.check_sent_once()


async def test_a_second_signal_leaves_at_once(yard: Yard) -> None:
    """It waits for no answer; what was out is in doubt."""
    await yard.account("A", latency=30.0)
    yard.job("shop", "A", 250)
    process = await yard.program.start(*yard.words("--yes"))
    async with asyncio.timeout(30):
        while not yard.requests():
            await asyncio.sleep(0.02)
        for _ in range(2):
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
    async with asyncio.timeout(8):  # less than the grace of 10 s
        await process.communicate()
    assert process.returncode == 143
    report = await bulkdelete.status(yard.place / "shop")
    assert report.ids["ambiguous"] == 100


async def test_who_cancels_a_fleet_lets_it_drain(yard: Yard) -> None:
    """The cancellation comes when all that was in flight is on record."""
    await yard.account("A", latency=0.05)
    await yard.account("B", latency=0.05)
    yard.job("shop", "A", 3000)
    yard.job("blog", "B", 3000)
    task = asyncio.create_task(yard.run())
    async with asyncio.timeout(30):
        while not (yard.acted("A") and yard.acted("B")):
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for job in ("shop", "blog"):
        report = await bulkdelete.status(yard.place / job)
        assert (report.state, report.ids["ambiguous"]) == ("interrupted", 0)
        assert 0 < report.ids["accepted"] < 3000
    gc.collect()  # what was left open is told of here


async def test_who_cancels_a_fleet_twice_waits_for_no_answer(yard: Yard) -> None:
    """The second one does not wait out the grace; what was out is in doubt."""
    await yard.account("A", latency=60.0)
    yard.job("shop", "A", 250, "grace = 50")
    task = asyncio.create_task(yard.run())
    async with asyncio.timeout(30):
        while not yard.requests():
            await asyncio.sleep(0.01)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0.1)
    ended, _ = await asyncio.wait((task,), timeout=20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ended, "it waited for its grace"
    assert task.cancelled()
    assert (await bulkdelete.status(yard.place / "shop")).ids["ambiguous"] == 100


async def test_a_signal_before_a_job_began(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 143 and not what the job ended with another time; nothing is sent, nothing is lost."""
    await yard.account("A")
    yard.program.env["WRONG"] = "not-the-passcode"
    yard.job("shop", "A", 150, passcode="WRONG")
    assert (await yard.run()).code == 5
    before = yard.requests()
    yard.program.env["WRONG"] = PASSCODE
    with monkeypatch.context() as patch:
        patch.setattr(fleet, "Convoy", _Recalled)
        ended = await yard.run()
    assert (ended.code, ended.found.state, yard.requests()) == (143, "interrupted", before)
    assert (await yard.run()).code == 0
    yard.check_sent_once()


async def test_a_signal_before_doubts_were_sent_again(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that reached its end, but is to send its doubts again, is something left to do."""
    await yard.account("A", script=("ok", "+503"))
    yard.program.env["BULKDELETE_MAX_FAILURES"] = "100"
    yard.job("shop", "A", 300, 'on-ambiguous = "hold"')
    assert (await yard.run()).found.ids["ambiguous"] == 100
    yard.job("shop", "A", 300)
    with monkeypatch.context() as patch:
        patch.setattr(fleet, "Convoy", _Recalled)
        assert (await yard.run()).code == 143
    assert set(yard.acted("A").values()) == {1}
    assert (await yard.run()).code == 0
    assert set(yard.acted("A").values()) == {1, 2}


class _Recalled(Convoy):
    """Is signalled when its jobs have tasks, and none of these had its first step."""

    async def sail(self, *, signals: bool) -> None:
        asyncio.get_running_loop().call_soon(self.stop, signal.SIGTERM, "SIGTERM")
        await super().sail(signals=signals)


async def test_a_rate_is_that_of_the_account(yard: Yard) -> None:
    """Jobs with one account and a rate go one after the other; those of another beside them."""
    await yard.account("A", latency=0.05)
    await yard.account("B", latency=0.05)
    for number in range(4):
        yard.job(f"job-{number}", "AAAB"[number], 300)
    yard.write(defaults="max-deletes = 300\nrate = 1000")
    seen: set[tuple[str, ...]] = set()

    async def watch(berths: Sequence[Berth]) -> None:
        while True:
            seen.add(tuple(one.account[-1] for one in berths if one.look() is not None))
            await asyncio.sleep(0.005)

    yard.watch = watch
    ended = await yard.run()
    assert ended.code == 0, ended.error
    assert {"A", "B"} <= {account for accounts in seen for account in accounts}
    assert max(accounts.count("A") for accounts in seen) == 1
    yard.check_sent_once()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BusyError("busy", "another process holds the run; nothing was sent"), 7),
        (OSError(errno.ENOSPC, "another process holds the disk"), 75),
    ],
)
async def test_approvals_that_stop_half_way(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    """Somebody took the second job just now, or the disk is full: the first is approved already."""
    await yard.account("A")
    yard.job("shop", "A", 10)
    yard.job("blog", "A", 20)
    record = runs.record

    async def taken(found: runs.Found, what: Any) -> None:  # noqa: ANN401 - any record
        if found.run.run_id == "blog":
            raise error
        await record(found, what)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "record", taken)
        refused = await yard.run()
    assert (refused.code, refused.found.state, yard.requests()) == (code, "refused", 0)
    assert "job 'blog': another process holds" in refused.error
    assert "but the approval is on record already in: shop" in refused.error
    assert (await yard.run()).code == 0
    yard.check_sent_once()


async def test_a_damaged_job_that_is_not_in_the_file(yard: Yard) -> None:
    """It may be unfinished, so it is named; who gives the fleet up passes it by."""
    await yard.account("A")
    yard.job("shop", "A", 10)
    yard.job("blog", "A", 20)
    assert (await yard.run()).code == 0
    yard.write("blog")
    (yard.place / "blog" / "plan.json").write_text("{")
    refused = await yard.run(again=True)
    assert refused.code == 6, refused.error
    assert "job 'blog': " in refused.error
    assert (await yard.run(abandon=True)).code == 0
    yard.job("new", "A", 30)
    yard.write("blog")
    assert (await yard.run(abandon=True)).code == 0
    yard.check_sent_once()


async def test_a_missing_extra_is_told_before_anything(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 names job and extra; nothing is planned or approved."""
    await yard.account("A")
    yard.job("shop", "A", 10)
    for module, line, extra in (
        ("bulkdelete.metrics", 'metrics-file = "x.prom"', "metrics"),
        ("bulkdelete.telemetry", "otel = true", "otel"),
        ("redis.asyncio", 'slots = "redis://127.0.0.1:9/0"', "redis"),
    ):
        yard.job("blog", "A", 10, line)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            refused = await yard.run()
        assert (refused.code, refused.why) == (2, "missing_extra")
        assert "job 'blog': " in refused.error
        assert f"extra `{extra}`" in refused.error
    assert not yard.place.exists()


def test_files_are_seen_from_the_fleets_file(tmp_path: Path) -> None:
    """Also that of the slots' password."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    for name in ("shop.secret", "slots.secret"):
        (place / name).write_text(name)
        (place / name).chmod(0o600)
    file = place / "fleet.toml"
    file.write_text(
        '[[job]]\nname = "shop"\ninputs = "a.csv"\naccount-id = "A"\nregion = "eu1"\n'
        'passcode-file = "shop.secret"\nslots = "redis://127.0.0.1:9/0"\n'
        'slots-password-file = "slots.secret"\n'
    )
    order = Order(consent=Consent(), meant=Meant())
    (job,) = mustering.crew(mustering.read_file(file), file, tmp_path / "runs", order, {})
    assert job.credentials is not None
    assert isinstance(job.settings.slots, Keeper)
    assert (job.credentials.passcode, job.settings.slots.password) == (
        "shop.secret",
        "slots.secret",
    )


async def test_killed_and_resumed_by_the_same_command(yard: Yard) -> None:
    """Kill -9 twice: nothing lost, nothing invented, duplicates within S8, the cap per account."""
    await yard.account("A", latency=0.05)
    await yard.account("B", latency=0.05)
    jobs = 4
    for number in range(jobs):
        yard.job(f"job-{number}", "AB"[number % 2], 2000)
    seen = 0
    for _ in range(2):
        process = await yard.program.start(*yard.words("--yes"))
        async with asyncio.timeout(60):
            while yard.requests() < seen + 12:
                await asyncio.sleep(0.01)
        process.kill()
        await process.communicate()
        seen = yard.requests()
    ended = await yard.run()
    assert ended.code == 0, ended.error
    assert ended.found.ids["accepted"] == 2000 * jobs
    times = yard.acted("A") | yard.acted("B")
    assert set(times) == {one for ids in yard.ids.values() for one in ids}
    for name, ids in yard.ids.items():
        twice = sum(times[one] - 1 for one in ids)
        assert twice <= 2 * 3 * 100, (name, twice)
    for account in "AB":
        # Two kills leave at most three requests each for which nobody waits any more.
        assert yard.emulators[account].state.stats()["max_live_in_flight"] <= 3
        twice = sum(one - 1 for one in yard.acted(account).values())
        assert twice <= 2 * 3 * 100, "one account's slots are all that can be in doubt"


async def test_each_job_is_a_run_like_any_other(yard: Yard) -> None:
    """Its directory is good for status and audit; a list is compared with those set aside."""
    await yard.account("A")
    for night in range(3):
        shop = yard.job("shop", "A", 50 + night)
        assert (await yard.run()).code == 0
    assert (yard.place / "shop.2" / "plan.json").exists()
    run = RunDir(yard.place / "shop")
    report = await bulkdelete.status(run.path)
    assert (report.state, report.run_dir) == ("finished", str(yard.place / "shop"))
    assert (await auditing.audit(run, partial(parts_of, run))).ok
    before = yard.requests()
    yard.program.write(shop.name, "identity", *(f"other-{number}" for number in range(300)))
    anomaly = await yard.run()
    assert (anomaly.code, anomaly.why, yard.requests()) == (4, "anomaly", before), anomaly.error
    assert (await yard.run(anomaly=True)).code == 0
    assert len(yard.acted("A")) == 352


async def test_what_is_wrong_is_told_with_the_job(yard: Yard) -> None:
    """Passcode, endpoint, settings: nothing is sent."""
    await yard.account("A")
    yard.job("shop", "A", 10)

    async def refused(code: int, words: str, **said: Any) -> None:  # noqa: ANN401 - as `run` takes
        ended = await yard.run(**said)
        assert (ended.code, yard.requests()) == (code, 0), ended.error
        assert words in ended.error

    await refused(2, "--dry-run gives up nothing", dry_run=True, abandon=True)
    yard.write(defaults="max-failures = 50")
    await refused(2, "job 'shop': max-failures in fleet.toml loosens a guard", yes=False)
    yard.write(defaults='rate = ""')
    await refused(2, "job 'shop': rate in fleet.toml is blank", yes=False)
    yard.write(defaults="rate = 5")
    await refused(2, "job 'shop': --yes needs --max-deletes")
    yard.job("blog", "A", 10, passcode="UNSET")
    await refused(2, "job 'blog': the environment has no variable of the name that passcode-env")
    assert "UNSET" not in (await yard.run()).error  # it may be the passcode itself, by mistake
    yard.job("blog", "A", 1)
    await refused(4, "hold 11 IDs together, more than the 10 ", max_deletes=10)
    for variable in (
        *("PASSCODE_FILE", "PROFILE", "RUN_DIR"),
        *("METRICS_FILE", "METRICS_PORT", "HEARTBEAT"),
    ):
        yard.program.env[f"BULKDELETE_{variable}"] = "1"
        await refused(2, f"the environment sets BULKDELETE_{variable}, which speaks for one job")
        del yard.program.env[f"BULKDELETE_{variable}"]
    yard.job("blog", "A", 0)
    yard.program.write("blog.csv", "identity", *yard.ids["shop"])
    await refused(2, "'shop' and 'blog' are the same list")
    yard.job("blog", "A", 0, "chunk-size = 4")
    yard.program.write("blog.csv", "identity", *yard.ids["shop"])
    await refused(2, "'shop' and 'blog' are the same list")
    yard.job("blog", "A", 0)
    yard.program.write("blog.csv", "identity", "=")
    yard.program.env |= {"BULKDELETE_MAX_DELETES": "5"}
    await refused(4, "job 'shop': the plan holds 10 IDs, more than the 5")
    emulator = yard.emulators.pop("A")
    await refused_all(yard, "job 'shop': an endpoint outside the region table", emulator)


async def refused_all(yard: Yard, words: str, emulator: Any) -> None:  # noqa: ANN401 - one running
    """See that an endpoint that no flag names is not spoken to."""
    ended = await yard.run()
    assert (ended.code, emulator.state.stats()["requests"]) == (2, 0)
    assert words in ended.error


async def test_what_the_command_prints_holds_no_secret_and_no_id(yard: Yard) -> None:
    """One object also when it refuses; the log names the job; neither passcode nor ID anywhere."""
    bad = "shop-000003-3743"
    await yard.account("A", refuse_ids=frozenset({bad}))
    yard.job("shop", "A", 150)
    assert bad in yard.ids["shop"]
    program = yard.program
    for more, code in (
        (("--profile", "x"), 2),
        (("--jobs", "0"), 2),
        (("--max-deletes", "x"), 2),
        (("--max-deletes", "149", "--yes"), 4),
        ((), 4),
    ):
        refused = await program(*yard.words(*more, "--json"))
        assert (refused.code, refused.json["schema"]) == (code, "bulkdelete.fleet/1")
        assert refused.json["state"] == "refused"
    ended = await program(*yard.words("--yes", "--json", "--log-level", "debug"))
    assert (ended.code, ended.json["ids"]["rejected"]) == (3, 1), ended.err
    written = [path for path in yard.place.glob("fleet.*") if path.is_file()]
    texts = [ended.out, ended.err, *(path.read_text("utf-8") for path in written)]
    assert len(texts) == 5
    for text in texts:
        assert PASSCODE not in text
        assert not any(one in text for one in yard.ids["shop"])
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in written)
    assert "job='shop'" in ended.err
