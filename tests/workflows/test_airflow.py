"""A real Airflow, in an environment of its own, runs the DAGs of deploy/ against the emulator."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ACCOUNT, PASSCODE, Emulate, Program, times_acted
from tests.workflows.waiting import sent_so_far

pytestmark = pytest.mark.deploy

ROOT = Path(__file__).parents[2]
BIN = ROOT / "build" / "airflow" / "bin"
DEPLOY = ROOT / "deploy" / "airflow"


@dataclass
class Airflow:
    """An Airflow with a database and a folder of DAGs of its own."""

    home: Path

    def surroundings(self) -> dict[str, str]:
        """Return the environment of its commands: a copy of an Airflow is at home where it is."""
        rest = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "CLEVERTAP"))}
        return rest | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
            "AIRFLOW__CORE__DAGS_FOLDER": f"{self.home}/dags",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{self.home}/logs",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_COLOR": "1",
        }

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """Start an `airflow` command; what it prints goes to a file."""
        with (self.home / "said.log").open("ab") as said:
            return await asyncio.create_subprocess_exec(
                BIN / "airflow",
                *words,
                cwd=self.home,
                env=self.surroundings(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    async def __call__(self, *words: str, seconds: float = 200) -> int:
        """Run an `airflow` command to its end; return its exit code."""
        process = await self.start(*words)
        async with asyncio.timeout(seconds):
            return await process.wait()

    def dags(self, text: str, *changes: tuple[str, str]) -> None:
        """Put a file of DAGs where Airflow looks, with some changes."""
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        (self.home / "dags" / "these.py").write_text(text, "utf-8")

    def said(self) -> str:
        """Return all that Airflow printed."""
        return (self.home / "said.log").read_text("utf-8", "replace")

    def rows(self, question: str) -> list[Any]:
        """Ask Airflow's database."""
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            return database.execute(question).fetchall()

    def tasks(self) -> dict[str, tuple[str, int]]:
        """Return how each task ended, and by which try."""
        found = self.rows("select task_id, state, try_number from task_instance")
        return {name: (state, number) for name, state, number in found}

    def keeps_secrets(self, ids: list[str]) -> None:
        """Fail when the passcode or an ID is in its logs, its database or what it printed."""
        written = b"".join(one.read_bytes() for one in self.home.rglob("*") if one.is_file())
        assert b"sending" in written
        assert PASSCODE.encode() not in written
        assert not [one for one in ids if one.encode() in written]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """Make the database and the connections, as the page says; once, for all to copy."""
    assert (BIN / "airflow").exists(), "no Airflow here: `make test-airflow` installs it"
    place = tmp_path_factory.mktemp("installed")
    made = Airflow(place / "airflow")
    (made.home / "dags").mkdir(parents=True)
    known = {"conn_type": "clevertap", "login": ACCOUNT, "password": PASSCODE}
    stranger = known | {"password": "another-passcode"}
    file = place / "connections.json"
    file.write_text(json.dumps({"clevertap_default": known, "clevertap_stranger": stranger}))
    for words in (
        ("db", "migrate"),
        ("connections", "import", str(file)),
        ("providers", "hooks", "--output", "plain"),
    ):
        done = subprocess.run(
            [BIN / "airflow", *words],
            env=made.surroundings(),
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
    assert "bulkdelete.airflow.hook.CleverTapHook" in done.stdout  # the form of its connections
    return made


@pytest.fixture
def airflow(installed: Airflow, program: Program) -> Airflow:
    """Make an Airflow of this test's own."""
    return Airflow(shutil.copytree(installed.home, program.place / "airflow"))


def at_home(program: Program) -> list[tuple[str, str]]:
    """Return what a test changes in the DAGs of deploy/: places, host, and no waiting."""
    return [
        ("/srv/purge", str(program.place)),
        ('"id_type": "identity",', f'"id_type": "identity", "endpoint": "{program.url}",'),
        ("timedelta(minutes=15)", "timedelta(0)"),
    ]


def runs(program: Program) -> list[Path]:
    """Return the directories of the runs."""
    return [one for one in (program.place / "runs").iterdir() if not one.name.startswith(".")]


async def test_a_killed_task_drains_and_its_retry_goes_on(
    airflow: Airflow, program: Program, emulate: Emulate
) -> None:
    """SIGTERM half-way: what is in flight ends on record, the retry ends it; then all are gone."""
    emulator = await emulate(latency=0.1)
    ids = program.ids(3000)[1]
    program.write("protect.txt", ids[5])
    hurry = ("key='run_dir') }}\",", "key='run_dir') }}\", options={'now': True, 'sample': 20},")
    airflow.dags((DEPLOY / "purge.py").read_text(), *at_home(program), hurry)
    process = await airflow.start("dags", "test", "purge")
    await sent_so_far(emulator, 5, process, airflow.said)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(200):
        assert await process.wait() == 0, airflow.said()
    said = airflow.said()
    assert airflow.tasks() == {"purge": ("success", 2), "gone": ("success", 1)}, said
    # Drained: nothing was sent twice.
    assert times_acted(emulator) == {one: 1 for one in ids if one != ids[5]}
    (run,) = runs(program)
    assert "killed: what was in flight is on record" in said
    assert f"going on with {run}" in said
    report = (await program("status", run, "--json")).json
    assert (report["exit_code"], report["requests"]["ambiguous"]) == (0, 0)
    left = airflow.rows("select task_id, key, value from xcom")
    told = {(task, key): json.loads(value) for task, key, value in left}
    assert told.pop(("purge", "run_dir")) == str(run)
    assert told.pop(("purge", "return_value"))["ids"] == report["ids"]
    assert told.pop(("gone", "return_value"))["gone"] == 20
    assert not told
    airflow.keeps_secrets(ids)


async def test_a_worker_that_dies_leaves_a_run_that_goes_on(
    airflow: Airflow, program: Program, emulate: Emulate
) -> None:
    """SIGKILL half-way; the task once more: the same run, and at most 3 chunks sent twice."""
    emulator = await emulate(latency=0.1)
    ids = program.ids(3000)[1]
    program.write("protect.txt", ids[5])
    skipping = ("    purge >> gone\n", "")
    airflow.dags((DEPLOY / "purge.py").read_text(), *at_home(program), skipping)
    words = ("dags", "test", "purge", "2026-01-02T00:00:00+00:00", "--mark-success-pattern", "gone")
    process = await airflow.start(*words)
    await sent_so_far(emulator, 5, process, airflow.said)
    process.kill()
    await process.wait()
    assert await airflow(*words) == 0, airflow.said()
    assert len(runs(program)) == 1
    times = times_acted(emulator)
    assert sorted(times) == sorted(one for one in ids if one != ids[5])
    assert sum(number - 1 for number in times.values()) <= 300
    assert max(times.values()) <= 2
    airflow.keeps_secrets(ids)


REFUSED = ["too_many", "unapproved", "text_for_yes", "stranger"]


async def test_each_outcome_ends_a_try_as_it_should(
    airflow: Airflow, program: Program, emulate: Emulate
) -> None:
    """What is resumable goes on with the next try; what is refused has none; idle ones skip."""
    names = ["held", "timed", "refused", "dry", "forgetful", "planned", *REFUSED]
    ids = {
        name: [f"{name}-{number:05d}-{number * 7919 % 10007}" for number in range(500)]
        for name in names
    }
    ids["timed"] *= 2
    for number in range(500, 1000):
        ids["timed"][number] = f"timed-{number}-more"
    for name, listed in ids.items():
        program.write(f"{name}.csv", "identity", *listed)
    program.write("empty.csv", "identity")
    program.write("damaged.csv", "identity", *(f"{number}.23E+{number:02d}" for number in range(9)))
    emulator = await emulate(refuse_ids=frozenset({ids["refused"][7]}))
    text = (Path(__file__).parent / "outcomes.py").read_text()
    airflow.dags(text, ("PLACE", str(program.place)), ('"URL"', f'"{program.url}"'))
    await airflow("dags", "test", "outcomes")
    tasks = airflow.tasks()
    (state, tries) = tasks.pop("timed")
    assert (state, tries > 1) == ("success", True), airflow.said()
    failed = dict.fromkeys(
        [*REFUSED, "refused", "missing", "damaged", "mistaken", "other_digest"], ("failed", 1)
    )
    skipped = dict.fromkeys(("repeated", "empty", "dry"), ("skipped", 1))
    done = {"held": ("success", 5), "forgetful": ("success", 2), "planned": ("success", 1)}
    assert tasks == failed | skipped | done, airflow.said()
    # A refused ID is asked for again in the halves of its chunk; nobody else is.
    refused = [one for one in ids["refused"] if one != ids["refused"][7]]
    sent = [*ids["held"], *ids["timed"], *ids["forgetful"], *refused]
    assert times_acted(emulator) == dict.fromkeys(sent, 1)
    said = airflow.said()
    assert "timed out: what was in flight is on record" in said
    assert "already_finished" in said
    assert "Airflow did not keep where the run is: what was in flight is on record" in said
    assert "bug: unexpected KeyError" in said
    airflow.keeps_secrets([one for listed in ids.values() for one in listed])


async def test_what_was_approved_is_sent(
    airflow: Airflow, program: Program, emulate: Emulate
) -> None:
    """One DAG plans, offline; the other sends exactly the plan of the digest that it is given."""
    emulator = await emulate()
    ids = program.ids(300)[1]
    program.write("protect.txt", ids[5])
    airflow.dags((DEPLOY / "approved.py").read_text(), *at_home(program))
    assert await airflow("dags", "test", "purge_plan") == 0, airflow.said()
    (run,) = runs(program)
    digest = json.loads((run / "plan.json").read_text())["digest"]
    assert f"planned {digest} in {run}" in airflow.said()
    assert emulator.state.stats()["requests"] == 0
    conf = json.dumps({"run_dir": str(run), "digest": digest.removeprefix("sha256:")[:12]})
    assert await airflow("dags", "test", "purge_apply", "--conf", conf) == 0, airflow.said()
    assert times_acted(emulator) == {one: 1 for one in ids if one != ids[5]}
    airflow.keeps_secrets(ids)
