"""Many jobs side by side: planned and approved as one, sent apart, resumed by the same command."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PASSCODE, Emulate, Ended, Program, times_acted
from tests.terminal import at_terminal


class Yard:
    """A fleet's file, its lists, and an emulator for each account."""

    def __init__(self, program: Program, emulate: Emulate) -> None:
        self.program = program
        self.emulators: dict[str, Any] = {}
        self.ids: dict[str, list[str]] = {}
        self._tables: dict[str, list[str]] = {}
        self._emulate = emulate
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

    async def run(self, *more: object) -> Ended:
        """Run it, with --json."""
        return await self.program(*self.words(*more, "--json"))

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
    refused = await yard.run("--yes")
    assert refused.code == 4
    assert "job 'blog': the plan holds 250 IDs, more than the 200" in refused.err
    found = refused.json
    assert (found["schema"], found["state"], found["exit_code"]) == (
        *("bulkdelete.fleet/1", "refused", 4),
    )
    assert found["reason"]["code"] == "max_deletes"
    assert [job["state"] for job in found["jobs"]] == ["planned", "refused"]
    assert yard.requests() == 0
    yard.job("blog", "B", 250, "max-deletes = 250")
    ended = await yard.run("--yes")
    assert ended.code == 0, ended.err
    found = ended.json
    assert found["ids"]["read"] == found["ids"]["accepted"] == 400
    assert found["requests"]["sent"] == found["chunks"]["planned"] == 5
    assert [(job["run_id"], job["state"]) for job in found["jobs"]] == [
        ("shop", "finished"),
        ("blog", "finished"),
    ]
    yard.check_sent_once()


async def test_approved_once_by_the_digest_of_all(yard: Yard) -> None:
    """A dry run prints it; another is refused; with it all are sent; then nothing is to do."""
    await yard.account("A")
    await yard.account("B")
    for number in range(3):
        yard.job(f"job-{number}", "AB"[number % 2], 120)
    dry = (await yard.run("--dry-run")).json
    assert (dry["state"], dry["exit_code"], dry["ids"]["unsent"]) == ("planned", None, 360)
    unapproved = await yard.run()
    assert (unapproved.code, unapproved.json["reason"]["code"]) == (4, "approval_missing")
    assert dry["fleet_digest"].removeprefix("sha256:")[:12] in unapproved.err
    wrong = await yard.run("--approve", "0" * 12)
    assert (wrong.code, wrong.json["reason"]["code"]) == (4, "approve_digest")
    of_one_job = dry["jobs"][0]["plan_digest"]
    assert (await yard.run("--approve", of_one_job)).code == 4
    assert yard.requests() == 0
    ended = await yard.run("--approve", dry["fleet_digest"])
    assert ended.code == 0, ended.err
    assert ended.json["fleet_digest"] == dry["fleet_digest"]
    yard.check_sent_once()
    before = yard.requests()
    again = await yard.run("--approve", dry["fleet_digest"])
    assert (again.code, again.json["state"]) == (0, "finished")
    assert {job["reason"]["code"] for job in again.json["jobs"]} == {"already_finished"}
    assert yard.requests() == before
    assert json.loads((yard.place / "fleet.json").read_bytes()) == again.json
    page = (yard.place / "fleet.html").read_text("utf-8")
    assert "job-2" in page
    assert "the server accepted all 360 planned IDs" in page


async def test_approved_once_at_the_terminal(yard: Yard) -> None:
    """One table of all jobs, what is typed, and the progress; the typed word is on record."""
    await yard.account("A")
    await yard.account("B")
    yard.job("shop", "A", 130)
    yard.job("blog", "B", 120, 'environment = "production"')
    code, seen = await at_terminal(yard.program, "production\n2\n249\n", *yard.words())
    assert code == 4, seen
    assert yard.requests() == 0
    code, seen = await at_terminal(yard.program, "production\n2\n250\n", *yard.words())
    assert code == 0, seen
    assert "This is PRODUCTION." in seen
    assert "2 of 2 jobs over, 0 sending: 250/250 IDs" in seen
    yard.check_sent_once()
    log = (yard.place / "shop" / "checkpoint.log").read_text("utf-8")
    assert '"how":"typed"' in log
