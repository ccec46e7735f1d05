"""Schedules: each unit and manifest is valid, and its command line does what its page says."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PASSCODE, Emulate, Ended, Program, times_acted
from tests.deploy.tools import DEPLOY, documents, tool

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


@pytest.mark.parametrize("name", ["cronjob.yaml", "job.yaml"])
def test_kubernetes_takes_the_manifests(name: str, tmp_path: Path) -> None:
    """Valid by the published schemas, strictly: no key that Kubernetes would not know."""
    check: list[str | Path] = [tool("kubernetes-validate"), "--strict"]
    manifest = DEPLOY / "kubernetes" / name
    subprocess.run([*check, manifest], check=True, capture_output=True)
    broken = tmp_path / name
    broken.write_text(manifest.read_text().replace("backoffLimit", "backOffLimit"))
    assert subprocess.run([*check, broken], check=False, capture_output=True).returncode


@pytest.mark.parametrize("name", ["cronjob.yaml", "job.yaml"])
def test_the_policy_of_a_job_is_that_of_our_exit_codes(name: str) -> None:
    """What no repetition mends fails the job; what is resumable is tried again."""
    (job,) = [one for one in documents(DEPLOY / "kubernetes" / name) if "Job" in one["kind"]]
    spec = job["spec"].get("jobTemplate", job)["spec"]
    rules = spec["podFailurePolicy"]["rules"]
    (fatal,) = [one["onExitCodes"]["values"] for one in rules if one["action"] == "FailJob"]
    assert fatal == [1, 2, 3, 4, 5, 6]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    found = container(job)
    assert found["securityContext"]["readOnlyRootFilesystem"] is True
    assert "PASSCODE" not in json.dumps(found.get("env"))
    mounts = {one["mountPath"]: one for one in found["volumeMounts"]}
    assert mounts["/secrets/passcode"]["subPath"] == "passcode"
