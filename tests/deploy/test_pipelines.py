"""CI: action, workflow and component are valid and clean, and their shell runs for real."""

import asyncio
import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ACCOUNT, PASSCODE, Emulate, Program, times_acted
from tests.deploy.tools import DEPLOY, documents, tool

pytestmark = pytest.mark.deploy

KEY = base64.b64encode(bytes(range(32))).decode()


def check_schema(kind: str, path: Path) -> None:
    """Check a file against the schema of that kind that the tool brings along."""
    subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", f"vendor.{kind}", path],
        check=True,
        capture_output=True,
    )


def test_action_and_workflow_are_valid_and_clean(tmp_path: Path) -> None:
    """By GitHub's schemas, and by zizmor: nothing is put into a shell, all actions are pinned."""
    workflows, action = tmp_path / ".github" / "workflows", tmp_path / "deploy" / "github"
    workflows.mkdir(parents=True)
    action.mkdir(parents=True)
    shutil.copy(DEPLOY / "github" / "action.yml", action)
    shutil.copy(DEPLOY / "github" / "workflow.yml", workflows)
    check_schema("github-actions", action / "action.yml")
    check_schema("github-workflows", workflows / "workflow.yml")
    clean: list[str | Path] = [tool("zizmor"), "--offline", "--quiet", tmp_path]
    subprocess.run(clean, check=True, capture_output=True)
    text = (action / "action.yml").read_text()
    (action / "action.yml").write_text(text.replace('"$APPROVE" ]', '"${{ inputs.approve }}" ]'))
    assert subprocess.run(clean, check=False, capture_output=True).returncode


def test_the_component_is_valid(tmp_path: Path) -> None:
    """By GitLab's schema, once its inputs are put in."""
    _, text = (DEPLOY / "gitlab" / "template.yml").read_text().split("\n---\n")
    whole = tmp_path / ".gitlab-ci.yml"
    whole.write_text(re.sub(r"\$\[\[ inputs\.[a-z-]+ \]\]", "x", text))
    check_schema("gitlab-ci", whole)
    names = set(re.findall(r"\$\[\[ inputs\.([a-z-]+) \]\]", text))
    (spec, _) = documents(DEPLOY / "gitlab" / "template.yml")
    assert names == spec["spec"]["inputs"].keys()
    assert spec["spec"]["inputs"]["dry-run"]["default"] is True


def test_the_component_repeats_what_is_resumable_and_nothing_else() -> None:
    """GitLab repeats a job for its exit code or for `when`: either will do."""
    _, jobs = documents(DEPLOY / "gitlab" / "template.yml")
    asked = {name: job["retry"] for name, job in jobs.items() if "retry" in job}
    assert asked == {"bulkdelete-apply": {"max": 2, "exit_codes": 75}}


@dataclass
class Runner:
    """Runs the shell of an action's steps, as GitHub would: a job has its own temporary place."""

    program: Program
    inputs: dict[str, str]
    kept: Path
    temp: Path = field(init=False)
    number: int = 0
    log: str = ""

    def job(self, **inputs: str) -> int:
        """Run the steps of one job; artifacts are what passes between jobs."""
        self.number += 1
        self.temp = self.program.place / f"runner-{self.number}"
        self.temp.mkdir()
        (action,) = documents(DEPLOY / "github" / "action.yml")
        given = {k: str(v.get("default", "")) for k, v in action["inputs"].items()}
        given |= self.inputs | {name.replace("_", "-"): value for name, value in inputs.items()}
        code = 0
        for step in action["runs"]["steps"]:
            if step["name"] == "Install":
                continue  # the program is here already
            condition = step.get("if", "")
            if "'plan'" in condition and given["command"] != "plan" and "always" not in condition:
                continue
            if condition == "inputs.command == 'apply'" and given["command"] != "apply":
                continue
            code = self._step(step, given, code)
        return code

    def _step(self, step: Any, given: dict[str, str], code: int) -> int:  # noqa: ANN401 - YAML
        uses = step.get("uses", "")
        if uses.startswith("actions/download-artifact@"):
            shutil.copy(self.kept, self.temp)
        elif uses.startswith("actions/upload-artifact@"):
            if (self.temp / self.kept.name).exists():
                shutil.copy(self.temp / self.kept.name, self.kept)
        elif not code:
            return self._shell(step, given)
        return code

    def _shell(self, step: Any, given: dict[str, str]) -> int:  # noqa: ANN401 - YAML
        variables = {
            name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda one: given[one[1]], str(value))
            for name, value in step.get("env", {}).items()
        }
        here = {
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.temp / "output"),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary.md"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            [tool("bash"), "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.program.place,
            env=here | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        self.log = done.stdout + done.stderr
        return done.returncode

    def output(self, name: str) -> str:
        """Return an output of the last job."""
        lines = (self.temp / "output").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)[name]


@pytest.fixture
def runner(program: Program) -> Runner:
    """Give a runner with the inputs of the workflow."""
    program.ids(250, "purge.csv")
    inputs = {
        "input": "purge.csv",
        "account-id": ACCOUNT,
        "passcode": PASSCODE,
        "key": KEY,
        "max-deletes": "1000",
    }
    return Runner(program, inputs, program.place / "bulkdelete-run.tar")


async def in_thread(work: Any, **more: str) -> int:  # noqa: ANN401 - a job
    """Run a job beside the emulator's loop."""
    return int(await asyncio.to_thread(work, **more))


async def test_plan_approve_apply_and_re_run(emulate: Emulate, runner: Runner) -> None:
    """A plan, a dry run, an outage of the account, the real thing, and the job once more."""
    emulator = await emulate()
    flags = f"--endpoint={runner.program.url}\n"
    assert await in_thread(runner.job, command="plan", flags=flags) == 0, runner.log
    digest = runner.output("digest")
    assert runner.output("planned") == "250"
    assert "| planned | 250 |" in (runner.temp / "summary.md").read_text()
    assert emulator.state.stats()["requests"] == 0
    dry = {"command": "apply", "approve": digest}
    assert await in_thread(runner.job, **dry) == 0, runner.log
    assert emulator.state.stats()["requests"] == 0
    wrong = {"command": "apply", "dry_run": "false", "passcode": "wrong", "approve": digest}
    assert await in_thread(runner.job, **wrong) == 5
    assert "::error title=bulkdelete, exit 5%3A the server refused" in runner.log
    real = dry | {"dry_run": "false"}
    assert await in_thread(runner.job, **real) == 0, runner.log
    assert len(times_acted(emulator)) == 250
    assert "accepted" in (runner.temp / "summary.md").read_text()
    assert await in_thread(runner.job, **real) == 0, runner.log
    assert set(times_acted(emulator).values()) == {1}
    assert PASSCODE not in runner.log


async def test_a_job_that_was_stopped_goes_on(emulate: Emulate, runner: Runner) -> None:
    """75 is a warning that says to re-run; what was kept is gone on with, nothing twice."""
    emulator = await emulate()
    flags = f"--endpoint={runner.program.url}\n"
    assert await in_thread(runner.job, command="plan", flags=flags) == 0, runner.log
    real = {"command": "apply", "approve": runner.output("digest"), "dry_run": "false"}
    assert await in_thread(partial(_held, runner), **real) == 75
    assert "::warning title=bulkdelete, exit 75%3A stopped before the end: re-run" in runner.log
    assert 0 < len(times_acted(emulator)) < 250
    assert await in_thread(runner.job, **real) == 0, runner.log
    assert set(times_acted(emulator).values()) == {1}
    assert len(times_acted(emulator)) == 250


def _held(runner: Runner, **inputs: str) -> int:
    """Run a job that is held after its first chunk, by a setting of its environment."""
    shell = Runner._shell

    def with_hold(self: Runner, step: Any, given: dict[str, str]) -> int:  # noqa: ANN401 - YAML
        step = step | {"env": step.get("env", {}) | {"BULKDELETE_HOLD_AFTER": "100"}}
        return shell(self, step, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_shell", with_hold)
        return runner.job(**inputs)


async def test_a_plan_that_is_refused_says_why(runner: Runner) -> None:
    """Too many: the job fails with the guard's code, annotated; nothing is kept."""
    few = {"command": "plan", "max_deletes": "249", "region": "eu1"}
    assert await in_thread(runner.job, **few) == 4
    assert "::error title=bulkdelete plan, exit 4::" in runner.log
    assert not runner.kept.exists()


async def test_the_component_runs(program: Program, emulate: Emulate) -> None:
    """GitLab's jobs, their scripts as they stand: plan, stopped, retried from the cache."""
    emulator = await emulate()
    program.ids(250, "purge.csv")
    _, jobs = documents(DEPLOY / "gitlab" / "template.yml")
    project = program.place / "project"
    project.mkdir()
    shutil.copy(program.place / "purge.csv", project)
    given = {
        "LIST": "purge.csv",
        "MAX_DELETES": "1000",
        "CLEVERTAP_ACCOUNT_ID": ACCOUNT,
        "FLAGS": f"--endpoint={program.url}",
        "CI_PROJECT_DIR": str(project),
        "DELETION_KEY": KEY,
        "CLEVERTAP_PASSCODE": PASSCODE,
        "DRY_RUN": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def job(name: str, **more: str) -> int:
        before = [one for one in jobs[".bulkdelete"]["before_script"] if "pip" not in one]
        # The list is planned for a place on this machine; the region is GitLab's user's to say.
        script = [one.replace('--region="$REGION"', "") for one in jobs[name]["script"]]
        lines = "\n".join([*before, *script])
        return subprocess.run(
            [tool("bash"), "-eo", "pipefail", "-c", lines],
            cwd=project,
            env=given | more,
            check=False,
        ).returncode

    assert await in_thread(lambda: job("bulkdelete-plan")) == 0
    planned = json.loads((project / "bulkdelete-kept" / "plan.json").read_text())
    assert planned["ids"]["unsent"] == 250
    assert await in_thread(lambda: job("bulkdelete-apply", DRY_RUN="true")) == 0
    assert emulator.state.stats()["requests"] == 0
    held = {"BULKDELETE_HOLD_AFTER": "100"}
    assert await in_thread(lambda: job("bulkdelete-apply", **held)) == 75
    assert await in_thread(lambda: job("bulkdelete-apply")) == 0
    assert set(times_acted(emulator).values()) == {1}
    assert len(times_acted(emulator)) == 250
    assert shlex.split(jobs["bulkdelete-apply"]["script"][0])[0] == "mkdir"
