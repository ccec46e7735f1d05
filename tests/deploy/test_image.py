"""The image: its Containerfile is carried out step by step, and run as a pod would run it."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PASSCODE, Emulate, Program, times_acted
from tests.deploy import roots
from tests.deploy.containerfile import Build, Image, Instruction, read
from tests.deploy.test_schedules import pod_command
from tests.deploy.tools import DEPLOY

pytestmark = pytest.mark.deploy

TOP = DEPLOY.parent
USER = 10001


@dataclass
class Contained(Program):
    """The program in a container of the image: process 1, a read-only root, what a pod mounts."""

    cold: bool = True
    image: Image = field(default_factory=lambda: Image(Path("/")))
    volume: bool = True

    def __post_init__(self) -> None:
        """Make what is mounted, with the owners and modes that a pod's volumes have."""
        (self.place / "lists").mkdir()
        for name, mode in {"data": 0o2775, "secrets": 0o755}.items():
            (self.place / name).mkdir()
            os.chown(self.place / name, 0, USER)
            (self.place / name).chmod(mode)
        secret = self.write("secrets/passcode", PASSCODE)
        os.chown(secret, 0, USER)
        secret.chmod(0o440)
        self.write("lists/protect.txt", "user-0000003*")

    def environment(self) -> dict[str, str]:
        """Return what an engine gives: the image's, and the account."""
        home = {"HOME": "/data", "CLEVERTAP_ACCOUNT_ID": "TEST-ACCT"}
        return self.image.env | home | self.env

    def words(self, *words: object) -> list[str]:
        """Return the command line that starts the container."""
        given = [str(one) for one in words] or self.image.command
        mounts = {
            self.place / "lists": "/lists:ro",
            self.place / "secrets" / "passcode": "/secrets/passcode:ro",
        }
        if self.volume:
            mounts[self.place / "data"] = "/data:rw"
        return roots.entering(
            self.image.root,
            [*self.image.entrypoint, *given],
            place=self.image.place,
            user=self.image.user,
            mounts=mounts,
            read_only=self.volume,
        )

    def nightly(self, *more: str) -> list[str]:
        """Return the words of the CronJob's container, to the emulator."""
        words = pod_command("cronjob.yaml")[1:]
        here = [f"--endpoint={self.url}" if one == "--region=eu1" else one for one in words]
        return [*here, "--json", *more]

    def run_dir(self) -> Path:
        """Return the only run's directory, on the volume."""
        (found,) = (one for one in (self.place / "data/runs").iterdir() if one.name[0] != ".")
        return found


@pytest.fixture
def program(tmp_path: Path, image: Image) -> Contained:
    """Give a pod with nothing on its volume yet: what emulators are started for here."""
    return Contained(tmp_path, image=image)


@pytest.fixture
def pod(program: Contained) -> Contained:
    """Call it what it is."""
    return program


def first(outer: asyncio.subprocess.Process) -> int:
    """Return the number that process 1 of a container has here."""
    (inner,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    return int(inner)


def asked_of(pid: int) -> list[str]:
    """Return the words that a process was started with."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def told_of(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process; the last word of each line."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: line.split()[-1] for line in lines}


def below(pid: int) -> list[str]:
    """Return the states of the processes below one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [told_of(int(one))["State"] for one in children]


def records(run: Path, kind: str) -> list[Any]:
    """Return the records of one kind in a checkpoint."""
    lines = (run / "checkpoint.log").read_text("utf-8").splitlines()
    found = [json.loads(line[9:-9])["record"] for line in lines]
    return [one for one in found if one["type"] == kind]


async def test_it_says_its_version_and_how_it_is_used(pod: Contained) -> None:
    """Without words it shows its help; nothing is on the volume afterwards."""
    told, shown = await pod("--version"), await pod()
    assert (told.code, told.out) == (0, "0.1.0\n"), told.err
    assert shown.code == 0
    assert "Usage: bulkdelete" in shown.out
    assert list((pod.place / "data").iterdir()) == []


async def test_a_plan_and_its_apply_write_to_the_volume_only(
    pod: Contained, emulate: Emulate
) -> None:
    """On a read-only root, as a user without a name of its own for anything else."""
    emulator = await emulate()
    _, ids = pod.ids(250, "lists/list.csv")
    planned = await pod("plan", "/lists/list.csv", "--endpoint", pod.url, "--json")
    assert planned.code == 0, planned.err
    before = sorted(pod.image.root.rglob("*"))  # with the places of the mounts
    secret = ("--passcode-file", "/secrets/passcode")
    consent = ("--approve", planned.json["plan_digest"])
    applied = await pod("apply", planned.json["run_dir"], *secret, *consent, "--json")
    assert applied.code == 0, applied.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert sorted(pod.image.root.rglob("*")) == before
    made = (pod.place / "data").rglob("*")
    assert {one.stat().st_uid for one in made} == {USER}
    named = {one.name.split("-")[0] for one in (pod.place / "data").iterdir()}
    assert named == {"runs", "bulkdelete"}  # and the locks of the account's slots
    shown = await pod("status", "--json")
    assert [one["state"] for one in shown.json["runs"]] == ["finished"], shown.err
    refused = await pod("plan", "/lists/list.csv", "--runs-dir", "/opt/runs", "--json")
    assert refused.code != 0
    assert "Read-only file system" in refused.err


async def test_without_a_volume_it_says_that_nothing_will_be_left(pod: Contained) -> None:
    """One line: what it writes is gone with the container, and so is the resume."""
    pod.ids(250, "lists/list.csv")
    pod.volume = False
    lost = await pod("plan", "/lists/list.csv", "--region=eu1", "--id-type=identity")
    shutil.rmtree(pod.image.root / "data" / "runs")
    said = [line for line in lost.err.splitlines() if "gone with the next start" in line]
    assert (lost.code, len(said)) == (0, 1), lost.err


async def test_sigterm_drains_process_1_and_the_next_start_goes_on(
    pod: Contained, emulate: Emulate
) -> None:
    """The CronJob's own words: 143 and all on record; no shell, no zombie; then the rest, once."""
    emulator = await emulate(latency=0.2)
    _, ids = pod.ids(4_000, "lists/list.csv")
    outer = await pod.start(*pod.nightly("--notify", "/usr/bin/touch /data/told"))

    async def until(holds: Callable[[], bool]) -> None:
        while not holds():
            assert outer.returncode is None, await outer.communicate()
            await asyncio.sleep(0.01)

    async with asyncio.timeout(60):
        await until(lambda: len(times_acted(emulator)) >= 200)
        inner = first(outer)
        assert asked_of(inner)[1:3] == ["/opt/bulkdelete/bin/bulkdelete", "run"]
        told = told_of(inner)
        assert {told[one] for one in ("Uid", "Gid")} == {str(USER)}
        assert (told["NSpid"], told["CapEff"], told["NoNewPrivs"]) == ("1", "0" * 16, "1")
        # A pause is told, by a process of its own, and process 1 takes note of its end.
        run = f"/data/runs/{pod.run_dir().name}"
        assert (await pod("live", "pause", run)).code == 0
        await until((pod.place / "data" / "told").exists)
        await until(lambda: below(inner) == [])
        assert (await pod("live", "unpause", run)).code == 0
        before = len(times_acted(emulator))
        await until(lambda: len(times_acted(emulator)) > before)
        os.kill(inner, signal.SIGTERM)
        out, err = await outer.communicate()
    assert outer.returncode == 143, err.decode()
    ended = json.loads(out)
    assert (ended["state"], ended["ids"]["ambiguous"]) == ("interrupted", 0)
    assert before < ended["ids"]["accepted"] == len(times_acted(emulator)) < 3_990
    assert [one["pid"] for one in records(pod.run_dir(), "start")] == [1]
    again = await pod(*pod.nightly())
    assert again.code == 0, again.err
    expected = [one for one in ids if not one.startswith("user-0000003")]
    assert times_acted(emulator) == dict.fromkeys(expected, 1)


async def test_sigterm_is_heard_before_there_is_anything_to_send(pod: Contained) -> None:
    """The kernel drops a signal that process 1 has no handler for; while it plans it has one."""
    pod.write("lists/list.csv", "identity", *(f"user-{n:07d}" for n in range(1_500_000)))
    outer = await pod.start("plan", "/lists/list.csv", "--region", "eu1", "--json")
    async with asyncio.timeout(60):
        while not (pod.place / "data" / "runs").exists():
            await asyncio.sleep(0.01)
        os.kill(first(outer), signal.SIGTERM)
        out, err = await outer.communicate()
    assert outer.returncode == 143, err.decode()
    assert json.loads(out)["state"] == "refused"
    assert [one for one in (pod.place / "data/runs").iterdir() if one.name[0] != "."] == []


def test_the_interpreter_carries_out_what_an_engine_would(tmp_path: Path) -> None:
    """Lines that go on, arguments, and no word that it does not know."""
    text = "# a comment\nARG A=1\nRUN one \\\n  # within\n && two\nCOPY --from=x a b /c/\n"
    steps = read(text)
    assert steps == [
        Instruction("ARG", "A=1"),
        Instruction("RUN", "one && two"),
        Instruction("COPY", "--from=x a b /c/"),
    ]
    assert (steps[2].flags, steps[2].words) == ({"from": "x"}, ["a", "b", "/c/"])
    strange = tmp_path / "Containerfile"
    strange.write_text("ONBUILD RUN something\n")
    strange.with_name("Containerfile.dockerignore").write_text("*\n")
    with pytest.raises(NotImplementedError, match="ONBUILD"):
        Build(tmp_path, tmp_path, tmp_path, {}, {}).build(strange)
    healthy = read((DEPLOY / "Containerfile").read_text())
    assert [one.text for one in healthy if one.word == "USER"] == [f"{USER}:{USER}"]


@pytest.mark.parametrize("name", ["image", "build"])
def test_its_locks_are_parts_of_the_one_lock(name: str) -> None:
    """The same versions and the same hashes as what is tested here."""

    def pinned(path: Path) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in path.read_text("utf-8").splitlines():
            if "==" in line:
                now = found.setdefault(line.split(" ")[0], set())
            elif "--hash=" in line:
                now.add(line.strip(" \\"))
        return found

    whole, part = pinned(TOP / "requirements.lock"), pinned(DEPLOY / f"{name}.lock")
    assert part
    assert all(part.values())
    assert part == {one: whole[one] for one in part}
