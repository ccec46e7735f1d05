"""Disks that fill up, become read-only, or are another's: real mounts, real processes."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Emulate, Program, times_acted
from tests.faults.injectors import program as injector

pytestmark = pytest.mark.faults


class Tmpfs:
    """A file system of its own in memory, of so many bytes."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def fill(self) -> int:
        """Take all the room there is; return how much it was."""
        taken = 0
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    taken += file.write(b"\0" * 4096)
            except OSError:
                return taken

    def make_room(self) -> None:
        """Give the room back."""
        self._ballast.unlink()

    def remount(self, mode: str) -> None:
        """Mount it anew, `ro` or `rw`."""
        self._mount("-o", f"remount,{mode}", str(self.place))

    def mount(self, size: str) -> None:
        """Mount it."""
        self._mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(self.place))

    @staticmethod
    def _mount(*words: str) -> None:
        subprocess.run([injector("mount"), *words], check=True)

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run([injector("umount"), "-l", str(self.place)], check=True)


@pytest.fixture
def small_disk(program: Program) -> Iterator[Tmpfs]:
    """Give the program 4 MB to work in."""
    disk = Tmpfs(program.place / "disk")
    disk.place.mkdir()
    disk.mount("4m")
    program.place = disk.place
    yield disk
    disk.unmount()


class Ext4:
    """A disk in a file, that the kernel makes read-only when it is said to have failed."""

    def __init__(self, image: Path, place: Path) -> None:
        self.place = place
        self._image = image
        with image.open("wb") as file:
            file.truncate(32 << 20)
        subprocess.run([injector("mkfs.ext4"), "-q", str(image)], check=True)
        self._mount()

    def _mount(self) -> None:
        options = ("-o", "loop,errors=remount-ro")
        subprocess.run([injector("mount"), *options, self._image, self.place], check=True)

    def fail(self) -> None:
        """Say that the file system is damaged; every write from now on fails."""
        name = next(
            Path(device).name
            for device, place, *_ in map(str.split, Path("/proc/mounts").read_text().splitlines())
            if place == str(self.place)
        )
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1", "ascii")

    def mount_again(self) -> None:
        """Do what an administrator does: unmount, mount."""
        subprocess.run([injector("umount"), str(self.place)], check=True)
        self._mount()

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run([injector("umount"), "-l", str(self.place)], check=True)


@pytest.fixture
def failing_disk(program: Program) -> Iterator[Ext4]:
    """Give the program a disk that can fail."""
    place = program.place / "disk"
    place.mkdir()
    disk = Ext4(program.place / "image", place)
    program.place = place
    yield disk
    disk.unmount()


async def until(emulator: Any, requests: int) -> None:  # noqa: ANN401 - a running emulator
    """Wait until so many requests came."""
    async with asyncio.timeout(60):
        while emulator.state.stats()["requests"] < requests:
            await asyncio.sleep(0.005)


async def test_d1_d2_a_disk_that_fills_up_during_a_run(
    program: Program, emulate: Emulate, small_disk: Tmpfs
) -> None:
    """Outcomes of what is in flight go into the room that was held: nothing is in doubt (75)."""
    emulator = await emulate(latency=0.02)
    path, ids = program.ids(40_000)
    process = await program.start(*program.sending("run", path, "--json"))
    await until(emulator, 5)
    assert small_disk.fill() > 0, "the disk was not filled"
    out, err = await process.communicate()
    assert process.returncode == 75, err
    told = await program("status", program.run_dir(), "--json")
    assert told.json["ids"]["ambiguous"] == 0
    assert 0 < told.json["ids"]["accepted"] == len(times_acted(emulator)) < 40_000
    assert told.json["reason"]["code"] == "disk"
    assert f"free some room on {small_disk.place}" in told.json["reason"]["hint"]
    assert b'"exit_code":75' in out
    requests = emulator.state.stats()["requests"]
    again = await program.run(path)
    assert (again.code, again.json["reason"]["code"]) == (75, "disk"), again.err
    assert emulator.state.stats()["requests"] == requests, "sent without room for the outcome"
    small_disk.make_room()
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_d1_no_room_for_a_plan(program: Program, emulate: Emulate, small_disk: Tmpfs) -> None:
    """75, what to free and where, no request, and nothing half-made is left."""
    emulator = await emulate()
    path, ids = program.ids(1000)
    small_disk.fill()
    for words in (("plan", path, "--endpoint", program.url), program.sending("run", path)):
        ended = await program(*words, "--json")
        assert ended.code == 75, ended.err
        assert ended.json["reason"]["code"] == "disk"
        assert f"free some room on {small_disk.place}" in ended.json["reason"]["hint"]
    assert emulator.state.stats()["requests"] == 0
    small_disk.make_room()
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert len(list((program.place / "bulkdelete-runs").iterdir())) == 1


async def test_no_room_for_ids_that_do_not_fit_into_memory(
    program: Program, small_disk: Tmpfs
) -> None:
    """75, what to free and where; all the room that was taken is given back."""
    path = program.place.parent / "list.csv"
    names = (f"user-{number}@example-of-a-long-domain.com\n" for number in range(1_700_000))
    path.write_text("identity\n" + "".join(names))
    room = os.statvfs(small_disk.place).f_bfree
    for words in (("--memory", "64MB"), ()):
        ended = await program("plan", path, *words, "--json")
        if words:
            assert ended.code == 75, ended.err
            assert ended.json["reason"]["code"] == "disk"
            assert f"free some room on {small_disk.place}" in ended.json["reason"]["hint"]
            assert list((program.place / "bulkdelete-runs").iterdir()) == []
            assert os.statvfs(small_disk.place).f_bfree >= room - 1
        else:
            assert (ended.code, ended.json["ids"]["unsent"]) == (0, 1_700_000), ended.err


async def test_d14_read_only_at_the_start(
    program: Program, emulate: Emulate, small_disk: Tmpfs
) -> None:
    """75 before any request, for a new run and for one that waits to be gone on with."""
    emulator = await emulate()
    path, ids = program.ids(1000)
    other = program.write("other.csv", "identity", "someone")
    assert (await program.run(path, "--hold-after", 200)).code == 75
    requests = emulator.state.stats()["requests"]
    small_disk.remount("ro")
    for one in (path, other):
        ended = await program.run(one)
        assert ended.code == 75, ended.err
        assert "make" in ended.json["reason"]["hint"]
        assert "writable" in ended.json["reason"]["hint"]
    assert (await program("status", program.run_dir(), "--json")).json["ids"]["accepted"] == 200
    small_disk.remount("rw")
    assert emulator.state.stats()["requests"] == requests
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_d14_read_only_in_the_middle(
    program: Program, emulate: Emulate, failing_disk: Ext4
) -> None:
    """The run stops with 75; one more run ends it, and what was in flight is sent once more."""
    emulator = await emulate(latency=0.02)
    path, ids = program.ids(40_000)
    os.sync()  # or the list itself would be gone
    process = await program.start(*program.sending("run", path, "--json"))
    await until(emulator, 10)
    failing_disk.fail()
    _, err = await process.communicate()
    assert process.returncode == 75, err
    assert b"Read-only" in err
    failing_disk.mount_again()
    assert (await program.run(path)).code == 0
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times.values()) - len(ids) <= 300


async def test_d18_another_users_run_is_refused(program: Program, emulate: Emulate) -> None:
    """The directory, or only the log in it: exit 2 and no request."""
    emulator = await emulate()
    path, _ = program.ids(20)
    planned = (await program("plan", path, "--endpoint", program.url, "--json")).json
    run_dir = program.place / planned["run_dir"]
    for foreign in (run_dir, run_dir / "checkpoint.log"):
        os.chown(foreign, 65534, -1)
        ended = await program("apply", run_dir, "--yes", "--max-deletes", 20, "--json")
        assert (ended.code, ended.json["reason"]["code"]) == (2, "run_dir"), ended.err
        assert "another user" in ended.err
        os.chown(foreign, os.geteuid(), -1)
    assert emulator.state.stats()["requests"] == 0
