"""Schedules: each unit and manifest is valid, and its command line does what its page says."""

import asyncio
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ACCOUNT, PASSCODE, Emulate, Ended, Program, times_acted
from tests.deploy.tools import DEPLOY, documents, tool
from tests.slots.server import redis_server

pytestmark = pytest.mark.deploy


def cron_commands() -> list[list[str]]:
    """Return the words of the crontab's two lines, from `bulkdelete` on."""
    text = (DEPLOY / "cron" / "bulkdelete").read_text()
    lines = re.findall(r"^30 [15] \* \* \* bulkdelete (.*) >> \S+$", text, re.MULTILINE)
    first, second = map(shlex.split, lines)
    assert second == [*first, "--must-resume"]
    return [first, second]


def unit_command() -> list[str]:
    """Return the words that systemd would start, with what it puts for %d."""
    text = (DEPLOY / "systemd" / "bulkdelete.service").read_text()
    (line,) = re.findall(r"^ExecStart=/usr/bin/env (.*)$", text, re.MULTILINE)
    return shlex.split(line.replace("%d", "/run/credentials/bulkdelete.service"))


def container(document: Any) -> Any:  # noqa: ANN401 - a manifest
    """Return the container of a Job or a CronJob."""
    spec = document["spec"]
    spec = spec.get("jobTemplate", document)["spec"]
    (found,) = spec["template"]["spec"]["containers"]
    return found


def pod_command(name: str) -> list[str]:
    """Return the words that a manifest's container runs."""
    (job,) = [one for one in documents(DEPLOY / "kubernetes" / name) if "Job" in one["kind"]]
    return ["bulkdelete", *container(job)["args"]]


COMMANDS: dict[str, Callable[[], list[str]]] = {
    "cron": lambda: cron_commands()[0],
    "systemd": unit_command,
    "cronjob": lambda: pod_command("cronjob.yaml"),
    "job": lambda: pod_command("job.yaml"),
}


def at_home(words: list[str], program: Program) -> list[str]:
    """Put what the command names where a test may have it: places, and the region."""
    listed, protect, secret = (
        program.place / one for one in ("list.csv", "protect.txt", "passcode")
    )
    found = []
    for word in words[1:]:
        here = re.sub(r"[^=]*/list\.csv$", str(listed), word)
        here = re.sub(r"(.*=)?/\S*/protect\.txt$", rf"\g<1>{protect}", here)
        here = re.sub(r"(.*=)?/\S*/passcode$", rf"\g<1>{secret}", here)
        here = here.replace("--runs-dir=/data/runs", "--runs-dir=bulkdelete-runs")
        found.append(re.sub(r"^--region=eu1$", f"--endpoint={program.url}", here))
    if "--region" in found:
        place = found.index("--region")
        found[place : place + 2] = ["--endpoint", program.url]
    return found


async def night(program: Program, words: list[str], *more: object) -> Ended:
    """Run a night."""
    return await program(*at_home(words, program), *more)


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_week_of_nights(program: Program, emulate: Emulate, name: str) -> None:
    """A whole night; the list not renewed; a new list, cut short; the night that goes on."""
    emulator = await emulate()
    words = COMMANDS[name]()
    program.ids(250)
    program.write("protect.txt", "user-0000003*", "user-0000300*")
    program.write("passcode", PASSCODE).chmod(0o600)
    assert (await night(program, words)).code == 0
    sent = times_acted(emulator)
    assert len(sent) == 249  # one is protected
    assert (await night(program, words)).code == 0
    assert times_acted(emulator) == sent
    program.write("list.csv", "identity", *(f"user-{n:07d}-x" for n in range(250, 500)))
    held = await night(program, words, "--hold-after", "100")
    assert held.code == 75, held.err
    assert (await night(program, words)).code == 0
    times = times_acted(emulator)
    assert len(times) == 249 + 249
    assert set(times.values()) == {1}


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say; the exit codes are told apart."""
    analyze = tool("systemd-analyze")
    units = [shutil.copy(one, tmp_path) for one in (DEPLOY / "systemd").glob("bulkdelete.*")]
    assert len(units) == 2
    done = subprocess.run(
        [analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "bulkdelete" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    broken = tmp_path / "bulkdelete.service"
    broken.write_text(broken.read_text().replace("Type=exec", "Type=oneshot"))
    again = subprocess.run(
        [analyze, "verify", "--man=no", broken], capture_output=True, text=True, check=False
    )
    assert again.returncode != 0  # the check can fail: systemd allows no such unit


def test_systemd_finds_the_service_well_shut_off() -> None:
    """`systemd-analyze security` rates its exposure as no more than medium."""
    done = subprocess.run(
        [
            tool("systemd-analyze"),
            *("security", "--offline=true", "--threshold=30"),
            DEPLOY / "systemd" / "bulkdelete.service",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("name", ["cronjob.yaml", "job.yaml", "shards.yaml"])
def test_kubernetes_takes_the_manifests(name: str, tmp_path: Path) -> None:
    """Valid by the published schemas, strictly: no key that Kubernetes would not know."""
    check: list[str | Path] = [tool("kubernetes-validate"), "--strict"]
    manifest = DEPLOY / "kubernetes" / name
    subprocess.run([*check, manifest], check=True, capture_output=True)
    broken = tmp_path / name
    broken.write_text(manifest.read_text().replace("backoffLimit", "backOffLimit"))
    assert subprocess.run([*check, broken], check=False, capture_output=True).returncode


@pytest.mark.parametrize("name", ["cronjob.yaml", "job.yaml", "shards.yaml"])
def test_the_policy_of_a_job_is_that_of_our_exit_codes(name: str) -> None:
    """What no repetition mends fails the job; what is resumable is tried again."""
    (job,) = [one for one in documents(DEPLOY / "kubernetes" / name) if "Job" in one["kind"]]
    spec = job["spec"].get("jobTemplate", job)["spec"]
    rules = spec["podFailurePolicy"]["rules"]
    fatal = {one["action"]: one["onExitCodes"]["values"] for one in rules if "onExitCodes" in one}
    # One shard's own trouble is no reason to stop the others.
    sharded = {"FailJob": [2, 4, 5], "FailIndex": [1, 3, 6]}
    assert fatal == (sharded if name == "shards.yaml" else {"FailJob": [1, 2, 3, 4, 5, 6]})
    assert ("backoffLimitPerIndex" in spec) == ("FailIndex" in fatal)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    found = container(job)
    assert found["securityContext"]["readOnlyRootFilesystem"] is True
    assert "PASSCODE" not in json.dumps(found.get("env"))
    mounts = {one["mountPath"]: one for one in found["volumeMounts"]}
    assert mounts["/secrets/passcode"]["subPath"] == "passcode"


class IndexedJob:
    """Plays an Indexed Job: a process for each index, by the manifest's own words and variables.

    What comes back with a code that no rule names is started again, so many times an index.
    """

    def __init__(self, program: Program, slots: str) -> None:
        (job,) = [one for one in documents(SHARDS) if one["kind"] == "Job"]
        self.spec, self._program, self._slots = job["spec"], program, slots
        assert (self.spec["completionMode"], container(job).get("command")) == ("Indexed", None)
        self.args = container(job)["args"]
        self._fatal = {
            code
            for rule in self.spec["podFailurePolicy"]["rules"]
            for code in rule.get("onExitCodes", {"values": ()})["values"]
        }
        self.starts: dict[int, int] = {}

    async def run(self, *more: object) -> list[Ended]:
        """Run all indexes, side by side, to their ends."""
        indexes = range(self.spec["completions"])
        assert len(indexes) == self.spec["parallelism"]
        return await asyncio.gather(*(self._index(one, *more) for one in indexes))

    async def _index(self, index: int, *more: object) -> Ended:
        words = [one.replace("$(JOB_COMPLETION_INDEX)", str(index)) for one in self.args]
        words = [re.sub(r"^--slots=redis://\S+$", f"--slots={self._slots}", one) for one in words]
        assert f"--slots={self._slots}" in words
        for start in range(1 + self.spec["backoffLimitPerIndex"]):
            self.starts[index] = start + 1
            extra = more if start == 0 else ()
            ended = await night(self._program, ["bulkdelete", *words], *extra, "--json")
            if not ended.code or ended.code in self._fatal:
                break
        return ended


SHARDS = DEPLOY / "kubernetes" / "shards.yaml"


async def test_an_indexed_job_sends_a_list_in_shards(
    program: Program, emulate: Emulate, tmp_path: Path
) -> None:
    """Its slots kept by a Redis, its pods cut short and begun again: each ID is sent once."""
    emulator = await emulate()
    _, ids = program.ids(1100)
    program.write("protect.txt", *ids[:9])
    program.write("passcode", PASSCODE).chmod(0o600)
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as redis:
        redis.known(program.url, ACCOUNT)
        job = IndexedJob(program, redis.url)
        ended = await job.run("--hold-after", 100)
        # When it was last asked for a slot, by its own clock.
        assert redis.state(program.url, ACCOUNT)["seen"]
    assert [one.code for one in ended] == [0] * 4, [one.err for one in ended]
    assert job.starts == dict.fromkeys(range(4), 2)
    assert times_acted(emulator) == dict.fromkeys(ids[9:], 1)
    runs = [one.json["run_dir"] for one in ended]
    whole = (await program("status", *runs, "--json")).json
    assert (whole["state"], whole["ids"]["accepted"]) == ("finished", len(ids) - 9)
    assert (whole["ids"]["read"], whole["ids"]["excluded"]) == (len(ids), 0)


async def test_a_guard_ends_the_whole_job(program: Program, emulate: Emulate) -> None:
    """Too many IDs in all: no shard sends any, and none is begun again."""
    emulator = await emulate()
    program.ids(100)
    program.write("protect.txt", "nobody")
    program.write("passcode", PASSCODE).chmod(0o600)
    job = IndexedJob(program, "redis://127.0.0.1:1/0")
    job.args = [re.sub(r"^--max-deletes=.*", "--max-deletes=99", one) for one in job.args]
    ended = await job.run()
    assert [(one.code, one.json["reason"]["code"]) for one in ended] == [(4, "max_deletes")] * 4
    assert set(job.starts.values()) == {1}
    assert not times_acted(emulator)
