"""CI: action, workflow and component are valid and clean, and their shell runs for real."""

import asyncio
import base64
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

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


def holds(condition: str, given: dict[str, str], outcomes: dict[str, str]) -> bool:
    """Tell whether a step is run, as GitHub reads its condition."""
    words = re.sub(r"inputs\.([a-z-]+)", lambda one: repr(given[one[1]]), condition)
    words = re.sub(
        r"steps\.(\w+)\.outcome", lambda one: repr(outcomes.get(one[1], "skipped")), words
    )
    words = words.replace("&&", "and").replace("||", "or").replace("always()", "True")
    return bool(eval(words))  # noqa: S307 - what stands in the action


def annotations(log: str) -> list[tuple[str, str, str]]:
    """Read the annotations of a log as GitHub's runner does: (kind, title, text) of each."""
    found = []
    for kind, properties, text in re.findall(
        r"^::(error|warning|notice) ?(.*?)::(.*)$", log, re.MULTILINE
    ):
        pairs = [one.strip().split("=", 1) for one in properties.split(",")]
        title = dict(one for one in pairs if len(one) == 2).get("title", "")
        found.append((kind, unquote(title), unquote(text)))
    return found


@dataclass
class Runner:
    """Runs the shell of an action's steps, as GitHub would: a job has its own temporary place.

    `cancel`: when it is true, the job is cancelled: the shell that runs gets a SIGINT.
    """

    program: Program
    inputs: dict[str, str]
    kept: Path
    temp: Path = field(init=False)
    number: int = 0
    log: str = ""
    cancel: Callable[[], bool] | None = None

    def job(self, **inputs: str) -> int:
        """Run the steps of one job; artifacts are what passes between jobs."""
        self.number += 1
        self.log = ""
        self.temp = self.program.place / f"runner-{self.number}"
        self.temp.mkdir()
        (action,) = documents(DEPLOY / "github" / "action.yml")
        given = {k: str(v.get("default", "")) for k, v in action["inputs"].items()}
        given |= self.inputs | {name.replace("_", "-"): value for name, value in inputs.items()}
        code, outcomes = 0, dict[str, str]()
        for step in action["runs"]["steps"]:
            if step["name"] == "Install" and given["requirement"]:
                continue  # the program is here already
            condition = step.get("if", "always()")
            if (code and "always()" not in condition) or not holds(condition, given, outcomes):
                continue
            ended = self._step(step, given)
            outcomes[step.get("id", "")] = "failure" if ended else "success"
            code = code or ended
        return code

    def _step(self, step: Any, given: dict[str, str]) -> int:  # noqa: ANN401 - YAML
        uses = step.get("uses", "")
        if uses.startswith("actions/download-artifact@"):
            shutil.copy(self.kept, self.temp)
            return 0
        if uses.startswith("actions/upload-artifact@"):
            shutil.copy(self.temp / self.kept.name, self.kept)
            return 0
        return self._shell(step, given)

    def _shell(self, step: Any, given: dict[str, str]) -> int:  # noqa: ANN401 - YAML
        variables = {
            name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda one: given[one[1]], str(value))
            for name, value in step.get("env", {}).items()
        }
        here = {
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.temp / "output"),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary.md"),
            "PATH": f"{self.program.place}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        with (self.temp / "log").open("w+") as log:
            bash = [tool("bash"), "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            shell = subprocess.Popen(
                # Who runs these tests in the background ignores it, and no shell can trap that.
                [tool("env"), "--default-signal=INT", *bash],
                cwd=self.program.place,
                env=here | variables,
                stdout=log,
                stderr=log,
            )
            while self.cancel and step["name"] == "Apply" and shell.poll() is None:
                if self.cancel():
                    shell.send_signal(signal.SIGINT)
                    self.cancel = None
                time.sleep(0.01)
            code = shell.wait(timeout=60)
            log.seek(0)
            self.log += log.read()
        return code

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
        "requirement": "./bulkdelete.whl",
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
    ((kind, title, text),) = annotations(runner.log)
    assert (kind, title.split(" the server")[0]) == ("error", "bulkdelete, exit 5:")
    assert "401" in text
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
    ((kind, title, _),) = annotations(runner.log)
    assert (kind, title) == (
        "warning",
        "bulkdelete, exit 75: stopped before the end: re-run this job, it goes on",
    )
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
    ((kind, title, text),) = annotations(runner.log)
    assert (kind, title) == ("error", "bulkdelete plan, exit 4")
    assert "250 IDs, more than the 249" in text
    assert not runner.kept.exists()


async def test_who_chooses_the_list_chooses_no_flag(runner: Runner) -> None:
    """A list that is called like a flag is a list, which is not there."""
    bold = {"command": "plan", "region": "eu1", "input": "--skip=249\npurge.csv"}
    assert await in_thread(runner.job, **bold) == 2
    ((_, _, text),) = annotations(runner.log)
    assert "--skip=249: no such file" in text


async def test_a_reviewer_sees_where_it_goes_and_what_is_odd(runner: Runner) -> None:
    """On the summary page of the plan: account, host, what a protect list did, warnings."""
    ids = [f"user-{number:07d}" for number in range(99)]
    runner.program.write("purge.csv", "identity", *ids, "17.0")
    runner.program.write("vip.txt", "user-000009*")
    flags = "--protect=vip.txt\n--id-type=identity"
    assert await in_thread(runner.job, command="plan", region="eu1", flags=flags) == 0, runner.log
    page = (runner.temp / "summary.md").read_text()
    assert f"To account `{ACCOUNT}` at https://eu1.api.clevertap.com" in page
    assert re.search(r"vip.txt` held back 9\n", page)
    assert "| planned | 91 |" in page
    assert "**WARNING** `trailing_zero: 1 of 100 IDs" in page
    assert not [one for one in ids if one in page + runner.log]


async def test_nothing_is_installed_by_default(runner: Runner) -> None:
    """A bare name on a package index may be anybody's, and would be given the passcode."""
    assert await in_thread(runner.job, command="plan", region="eu1", requirement="") == 2
    ((kind, title, text),) = annotations(runner.log)
    assert (kind, title, "requirement" in text) == ("error", "bulkdelete", True)
    spec, _ = documents(DEPLOY / "gitlab" / "template.yml")
    assert "default" not in spec["spec"]["inputs"]["requirement"]


async def test_flags_that_cannot_be_read_are_annotated_too(runner: Runner) -> None:
    """There is no JSON then; the code is the program's."""
    wrong = {"command": "plan", "region": "eu1", "flags": "--nonsense"}
    assert await in_thread(runner.job, **wrong) == 2
    assert annotations(runner.log) == [
        ("error", "bulkdelete plan, exit 2", "the end of this step's log says why")
    ]
    assert "there is no flag --nonsense" in runner.log


@pytest.mark.parametrize(
    ("printed", "code", "text"),
    [
        ("", 137, "the end of this step's log says why"),
        (
            r'{"reason": {"code": "x", "message": "100%\n::error::no", "hint": ""}}',
            4,
            "100%\n::error::no",
        ),
    ],
)
async def test_one_end_is_one_annotation(
    runner: Runner, printed: str, code: int, text: str
) -> None:
    """Also where it died without a word, and where its words could be taken for a command."""
    assert await in_thread(runner.job, command="plan", region="eu1") == 0, runner.log
    (runner.program.place / "bin").mkdir()
    runner.program.write("printed", printed)
    double = runner.program.write("bin/bulkdelete", "#!/bin/sh", "cat printed", f"exit {code}")
    double.chmod(0o755)
    assert await in_thread(runner.job, command="apply", dry_run="false") == code
    ((_, title, told),) = annotations(runner.log)
    assert title.startswith(f"bulkdelete, exit {code}: ")
    assert told == text
    assert runner.output("exit-code") == str(code)


async def test_a_cancelled_job_drains_and_is_kept(emulate: Emulate, runner: Runner) -> None:
    """The runner signals the shell only; what was in flight is on record, a re-run ends it."""
    emulator = await emulate(latency=0.3)
    runner.program.ids(2000, "purge.csv")
    flags = f"--endpoint={runner.program.url}\n"
    more = {"flags": flags, "max_deletes": "2000"}
    assert await in_thread(runner.job, command="plan", **more) == 0, runner.log
    real = {"command": "apply", "approve": runner.output("digest"), "dry_run": "false"}
    real |= {"max_deletes": "2000"}
    runner.cancel = lambda: emulator.state.stats()["acted_requests"] >= 3
    assert await in_thread(runner.job, **real) == 143, runner.log
    assert 300 <= len(times_acted(emulator)) < 2000
    emulator.emulation.turn({"latency": 0.0})
    assert await in_thread(runner.job, **real) == 0, runner.log
    assert set(times_acted(emulator).values()) == {1}
    assert len(times_acted(emulator)) == 2000


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
        codes = [
            subprocess.run(
                [tool("bash"), "-eo", "pipefail", "-c", "\n".join(lines)],
                cwd=project,
                env=given | more,
                check=False,
            ).returncode
            for lines in ([*before, *script], jobs[".bulkdelete"]["after_script"])
        ]
        assert not Path(f"{project}.key").exists()
        return codes[0]

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
