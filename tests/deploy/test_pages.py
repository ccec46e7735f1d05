"""The pages of docs/scheduled-jobs.md: what is to be copied from them is run, by a new user."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PASSCODE, Emulate, Ended, Program, times_acted
from tests.deploy import roots
from tests.deploy.containerfile import Build, Image
from tests.deploy.test_schedules import container, cron_commands, unit_command
from tests.deploy.tools import DEPLOY, documents
from tests.terminal import at_terminal

pytestmark = pytest.mark.deploy

TOP = DEPLOY.parent
PAGE = TOP / "docs" / "scheduled-jobs.md"
PLACES = ("terminal", "cron", "systemd", "kubernetes", "github", "gitlab")
ACCOUNT = "XXX-XXX-XXXX"


def block(name: str) -> str:
    """Return the lines of the page that are to be copied."""
    found = re.search(
        rf"<!-- run:{name} -->\n```[a-z]+\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    assert found, f"the page has no block to run for {name}"
    return found[1]


def here(text: str, url: str) -> str:
    """Let what would go to a region go to the emulator."""
    return re.sub(r"--region[ =]eu1", f"--endpoint={url}", text)


def test_each_place_has_a_page_and_the_readme_names_it() -> None:
    """A heading for each, a link to it, and one thing to copy on it."""
    text, readme = PAGE.read_text("utf-8"), (TOP / "README.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (\w+)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for place in PLACES:
        assert f"docs/scheduled-jobs.md#{place})" in readme
        (section,) = (body for name, body in sections.items() if name.lower() == place)
        assert f"<!-- run:{place} -->" in section
        assert "You need" in section


@dataclass
class Shell(Program):
    """A shell, as a user has one who has installed the program, and has no settings yet."""

    def environment(self) -> dict[str, str]:
        """Return what a login gives."""
        rest = {k: v for k, v in super().environment().items() if not k.startswith("CLEVERTAP_")}
        bare = self.place / "bin"
        return rest | {"PATH": f"{bare}:{os.environ['PATH']}"}

    def words(self, *words: object) -> list[str]:
        """Return the words that run lines."""
        (lines,) = words
        script = self.place / "bin" / "bulkdelete"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {shlex.join(Program.words(self))} "$@"\n')
        script.chmod(0o755)
        return [roots.debian("bash"), "-eu", "-c", str(lines)]


class TestAtATerminal:
    """The first page."""

    @pytest.fixture
    def program(self, tmp_path: Path) -> Shell:
        """Give a shell."""
        return Shell(tmp_path)

    async def test_the_lines_are_typed_one_after_the_other(
        self, program: Shell, emulate: Emulate
    ) -> None:
        """All of them end well; what is asked is answered by typing."""
        emulator = await emulate(account_id=ACCOUNT)
        _, ids = program.ids(250)
        program.write("protect.txt", "user-0000003*")
        lines = here(block("terminal"), program.url)
        code, seen = await at_terminal(program, f"{PASSCODE}\n\x04{ACCOUNT}\n249\n", lines)
        assert code == 0, seen
        assert times_acted(emulator) == dict.fromkeys((one for one in ids if "0003-" not in one), 1)
        assert (program.place / "passcode").stat().st_mode & 0o777 == 0o600
        assert "accepted 249 of 249 planned IDs" in seen
        assert seen.index("finished, exit 0") < seen.index("not verified")  # what status shows


@dataclass
class Debian:
    """A machine with the program in /opt/bulkdelete, and a checkout in /src."""

    root: Path

    def put(self, name: str, text: str) -> None:
        """Write a file into the checkout."""
        (self.root / "src" / name).write_text(text, "utf-8")

    async def run(
        self,
        lines: str,
        user: str = "0:0",
        writable: dict[str, Path] | None = None,
        **env: str,
    ) -> Ended:
        """Run lines of shell, as root or another user; `writable`: all that is, and where."""
        words = roots.entering(
            self.root,
            ["/bin/sh", "-euc", lines],
            place="/src" if user == "0:0" else "/",
            user=user,
            mounts={path: f"{where}:rw" for where, path in (writable or {}).items()},
            read_only=writable is not None,
        )
        process = await asyncio.create_subprocess_exec(
            *words,
            env={"PATH": roots.PATH} | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def debian(build: Build) -> Iterator[Debian]:
    """Give a machine on which nothing is set up yet."""
    root = build.place / "machine"
    roots.copy(build.stages["builder"].root, root)
    shutil.copytree(DEPLOY, root / "src" / "deploy", dirs_exist_ok=True)
    machine = Debian(root)
    machine.put("passcode", f"{PASSCODE}\n")
    machine.put("protect.txt", "user-0000003*\n")
    machine.put("list.csv", "identity\n" + "".join(f"user-{n:07d}-x\n" for n in range(250)))
    # It has no systemd to speak to: what is said to it is kept.
    said = root / "usr" / "local" / "bin" / "systemctl"
    said.write_text('#!/bin/sh\necho "$@" >> /said\n')
    said.chmod(0o755)
    (root / "etc" / "cron.d").mkdir()
    (root / "etc" / "systemd" / "system").mkdir(parents=True)
    yield machine
    shutil.rmtree(root)


async def test_cron_runs_what_its_page_puts_there(debian: Debian, emulate: Emulate) -> None:
    """Both lines of the installed crontab, as cron starts them: a night, and nothing more to do."""
    emulator = await emulate(account_id=ACCOUNT)
    done = await debian.run(block("cron"))
    assert done.code == 0, done.err
    text = (debian.root / "etc/cron.d/bulkdelete").read_text()
    variables = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    lines = re.findall(r"^\d+ \d+ \* \* \* (\w+) (.*)$", text, re.MULTILINE)
    assert len(lines) == len(cron_commands())
    for user, line in lines:
        night = await debian.run(here(line, emulator.url), f"{user}:{user}", **variables)
        assert (night.code, night.out, night.err) == (0, "", "")
    assert len(times_acted(emulator)) == 249
    assert set(times_acted(emulator).values()) == {1}
    kept = (debian.root / "var/log/bulkdelete/nights.jsonl").read_text().splitlines()
    first, second = map(json.loads, kept)
    assert (first["reason"], second["reason"]["code"]) == (None, "already_finished")
    look = "bulkdelete status --runs-dir /var/lib/bulkdelete"
    assert f"`sudo -u bulkdelete {look}`" in PAGE.read_text("utf-8").replace("\n", " ")
    shown = await debian.run(look, "bulkdelete:bulkdelete")
    assert shown.code == 0, shown.out
    assert "finished" in shown.out


async def test_systemd_finds_what_its_page_puts_there(debian: Debian, emulate: Emulate) -> None:
    """The units are where it looks, and the service's user can run it with a credential."""
    emulator = await emulate(account_id=ACCOUNT)
    before = [line for line in block("cron").splitlines() if "cron" not in line]
    done = await debian.run("\n".join([*before, block("systemd")]))
    assert done.code == 0, done.err
    said = (debian.root / "said").read_text().splitlines()
    assert said == ["daemon-reload", "enable --now bulkdelete.timer"]
    for kind in ("service", "timer"):
        unit = f"bulkdelete.{kind}"
        there = debian.root / "etc/systemd/system" / unit
        assert there.read_text() == (DEPLOY / "systemd" / unit).read_text()
    secret = (debian.root / "etc/bulkdelete/passcode").stat()
    assert (secret.st_uid, secret.st_mode & 0o777) == (0, 0o600)
    # What LoadCredential= does: root's file, for this service's user to read.
    loaded = "/run/credentials/bulkdelete.service"
    lent = f"install -d {loaded}; install -g bulkdelete -m 0440 /etc/bulkdelete/passcode {loaded}"
    assert (await debian.run(lent)).code == 0
    line = here(shlex.join(unit_command()), emulator.url)
    env = {"CLEVERTAP_ACCOUNT_ID": ACCOUNT, "BULKDELETE_RUNS_DIR": "/var/lib/bulkdelete"}
    night = await debian.run(line, "bulkdelete:bulkdelete", shut_off(debian), **env)
    assert night.code == 0, night.err
    assert len(times_acted(emulator)) == 249
    # It keeps to one cap with whoever else is at this account on the machine.
    slots = [one.name for one in (debian.root / "run/lock").iterdir()]
    assert any(re.fullmatch(r"bulkdelete-[0-9a-f]+-0", one) for one in slots)


def shut_off(machine: Debian) -> dict[str, Path]:
    """Return what the unit leaves writable: its state, a /tmp of its own, and what it names."""
    unit = (DEPLOY / "systemd" / "bulkdelete.service").read_text()
    said = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert (said["ProtectSystem"], said["PrivateTmp"]) == ("strict", "yes")
    private = machine.root / "private" / "tmp"
    private.mkdir(parents=True)
    private.chmod(0o1777)
    named = [one.removeprefix("-") for one in said.get("ReadWritePaths", "").split()]
    places = [f"/var/lib/{said['StateDirectory']}", *named]
    return {f"/{private.name}": private} | {one: machine.root / one.lstrip("/") for one in places}


async def test_docker_run_does_what_its_page_says(
    program: Program, emulate: Emulate, image: Image
) -> None:
    """The words of `docker run`, twice: mounts, variables and arguments as an engine takes them."""
    emulator = await emulate(account_id=ACCOUNT)
    (program.place / "lists").mkdir()
    program.ids(250, "lists/list.csv")
    program.write("lists/protect.txt", "user-0000003*")
    secret = program.write("passcode", PASSCODE)
    secret.chmod(0o600)
    os.chown(secret, 10001, 10001)
    data = program.place / "bulkdelete"  # a volume begins as what is there in the image
    shutil.copytree(image.root / "data", data)
    os.chown(data, 10001, 10001)
    built, ran = re.sub(r"\\\n\s*", "", here(block("image"), emulator.url)).splitlines()
    name = shlex.split(built, comments=True)[5]
    assert built.startswith("docker build -f deploy/Containerfile -t ")
    options, _, words = ran.removeprefix("docker run ").partition(f" {name} ")
    mounts, variables = {}, dict(image.env)
    asked = iter(shlex.split(options.replace("$PWD/", "")))
    for one in asked:
        if one == "-v":
            source, where, *how = next(asked).split(":")
            mounts[program.place / source] = f"{where}:{how[0] if how else 'rw'}"
        elif one == "-e":
            key, _, value = next(asked).partition("=")
            variables[key] = value
        else:
            given = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
            assert one in given
    started = roots.entering(
        image.root,
        [*image.entrypoint, *shlex.split(words)],
        place=image.place,
        user=image.user,
        mounts=mounts,
        read_only="--read-only" in options,
    )
    for reason in (None, "already_finished"):
        process = await asyncio.create_subprocess_exec(
            *started, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        assert (json.loads(out)["reason"] or {}).get("code") == reason
    assert len(times_acted(emulator)) == 249
    assert set(times_acted(emulator).values()) == {1}


def test_kubectl_makes_what_the_manifests_mount() -> None:
    """Secret and config map have the names and keys that the pods look for."""
    made = {}
    for line in block("kubernetes").splitlines():
        if found := re.match(r"kubectl create (secret generic|configmap) (\S+) (.*)$", line):
            made[found[1], found[2]] = set(re.findall(r"--from-file=(\S+)", found[3]))
    for manifest in re.findall(r"deploy/kubernetes/\S+\.yaml", block("kubernetes")):
        (job,) = [one for one in documents(TOP / manifest) if "Job" in one["kind"]]
        pod = job["spec"].get("jobTemplate", job)["spec"]["template"]["spec"]
        volumes: dict[str, Any] = {one["name"]: one for one in pod["volumes"]}
        secret = made["secret generic", volumes["secrets"]["secret"]["secretName"]]
        lists = made["configmap", volumes["lists"]["configMap"]["name"]]
        mounts = {one["name"]: one for one in container(job)["volumeMounts"]}
        assert secret == {mounts["secrets"]["subPath"]}
        asked = " ".join(container(job)["args"])
        assert lists == set(re.findall(rf"{mounts['lists']['mountPath']}/(\S+)", asked))


def test_github_is_given_what_the_workflow_asks_for(tmp_path: Path) -> None:
    """The files go to where GitHub looks; variables, secrets and inputs have their names."""
    lines = block("github").splitlines()
    copies = [line for line in lines if line.startswith(("mkdir", "cp"))]
    script = "\n".join(copies).replace("BULKDELETE", str(TOP))
    subprocess.run([roots.debian("sh"), "-euc", script], cwd=tmp_path, check=True)
    workflow = tmp_path / ".github" / "workflows" / "clean-up.yml"
    text = workflow.read_text("utf-8")
    assert (tmp_path / "deploy" / "github" / "action.yml").exists()
    assert "uses: ./deploy/github" in text
    for kind, word in (("variable", "vars"), ("secret", "secrets")):
        named = set(re.findall(rf"gh {kind} set (\w+)", "\n".join(lines)))
        assert named == set(re.findall(rf"\b{word}\.(\w+)", text))
    (spec,) = documents(workflow)
    inputs = spec[True if True in spec else "true" if "true" in spec else "on"]
    (run,) = (line for line in lines if line.startswith("gh workflow run clean-up.yml "))
    assert set(re.findall(r"-f ([a-z-]+)=", run)) == inputs["workflow_dispatch"]["inputs"].keys()
    assert "environment: clevertap" in text
    assert any("--env clevertap" in line for line in lines)


def test_gitlab_is_given_what_the_component_asks_for(tmp_path: Path) -> None:
    """Every input that has no default is given, and none that the component does not know."""
    page = tmp_path / "page.yml"
    page.write_text(block("gitlab"), "utf-8")
    (asked,) = documents(page)
    (include,) = asked["include"]
    spec, _ = documents(DEPLOY / "gitlab" / "template.yml")
    inputs = spec["spec"]["inputs"]
    assert include["inputs"].keys() <= inputs.keys()
    assert {one for one, facts in inputs.items() if "default" not in facts} <= include[
        "inputs"
    ].keys()
