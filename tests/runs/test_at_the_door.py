"""Input, settings and places that must not get as far as a request, as a user meets them."""

import asyncio
import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from bulkdelete.core.layout import Reading
from bulkdelete.core.model import Kind
from bulkdelete.errors import InputError
from bulkdelete.io.inflating import BLOCK
from bulkdelete.planning import make_plan
from bulkdelete.reading import Part
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish
from tests.conftest import Emulate, Ended, Program, times_acted

MEGABYTE = 1 << 20


async def measured(program: Program, *words: object) -> tuple[Ended, int]:
    """Run to the end, started cold; return how it ended, and its largest size in bytes."""

    def run() -> tuple[Ended, int]:
        with (program.place / "out").open("w+b") as out, (program.place / "err").open("w+b") as err:
            command, place = program.words(*words), program.place
            started = subprocess.Popen(
                command, cwd=place, env=program.environment(), stdout=out, stderr=err
            )
            _, status, used = os.wait4(started.pid, 0)
            started.returncode = os.waitstatus_to_exitcode(status)
            for file in (out, err):
                file.seek(0)
            return Ended(started.returncode, out.read().decode(), err.read().decode()), (
                used.ru_maxrss * 1024
            )

    async with asyncio.timeout(120):
        return await asyncio.to_thread(run)


def requests(emulator: object) -> int:
    """How many requests came."""
    return int(emulator.state.stats()["requests"])  # type: ignore[attr-defined]


OTHER_SETTINGS = {
    "chunk size": {"--chunk-size": "10"},
    "kind": {"--id-type": "guid", "--accept-damage": "identity_as_guid"},
    "column": {"--column": "second"},
    "part of the list": {"--limit": "59"},
}


@pytest.mark.parametrize("name", sorted(OTHER_SETTINGS))
async def test_c1_another_bound_setting_is_another_plan(
    program: Program, emulate: Emulate, name: str
) -> None:
    """An unfinished run is not gone on with under other settings: exit 6, what changed, nothing."""
    emulator = await emulate()
    path = program.write("list.csv", "first,second", *(f"a{n},b{n}" for n in range(60)))
    chosen = {"--id-type": "identity", "--column": "first", "--chunk-size": "20"}
    words = chain.from_iterable(chosen.items())
    assert (await program.run(path, *words, "--hold-after", 20)).code == 75
    before = requests(emulator)
    others = chain.from_iterable((chosen | OTHER_SETTINGS[name]).items())
    changed = await program.run(path, *others)
    assert (changed.code, changed.json["reason"]["code"]) == (6, "input_changed"), changed.out
    assert requests(emulator) == before
    words = chain.from_iterable(chosen.items())
    assert (await program.run(path, *words)).code == 0
    assert len(times_acted(emulator)) == 60


async def test_c1_another_account_or_host_is_no_resume(program: Program, emulate: Emulate) -> None:
    """`apply` with other credentials, or at another place, sends nothing: exit 6."""
    emulator = await emulate()
    path, _ = program.ids(300)
    assert (await program.run(path, "--hold-after", 100)).code == 75
    run_dir, before = program.run_dir(), requests(emulator)
    program.env["CLEVERTAP_ACCOUNT_ID"] = "ANOTHER-ACCT"
    other = await program("apply", run_dir, "--json")
    assert other.code == 6, other.err
    assert requests(emulator) == before


async def test_i5_a_quote_that_is_left_open(program: Program, emulate: Emulate) -> None:
    """Exit 2 with the file and the line where it opens; not one giant row, not one request."""
    emulator = await emulate()
    lines = [f"user-{n}" for n in range(500)]
    lines[250] = '"user-250'
    path = program.write("list.csv", "identity", *lines)
    ended = await program.run(path)
    assert ended.code == 2
    assert "list.csv" in ended.err
    assert "252" in ended.err
    assert requests(emulator) == 0


ENDLESS = {
    "lines.txt": b"someone\n",
    "bare.csv": b"identity\n",
    "quoted.csv": b'identity\n"',
    "first.jsonl": b'{"identity":"',
    "list.jsonl": b'{"identity":"a"}\n{"identity":"',
    "list.json": b'[{"identity":"a"},{"identity":"',
    "open.json": b'[{"identity":"a"},' + b"[" * (1 << 20),
}


def endless(place: Path, name: str) -> Path:
    """Write the beginning of a gigabyte in one line; the disk need not hold it all."""
    path = place / name
    with path.open("wb") as file:
        file.write(ENDLESS[name] + b"x" * (4 * MEGABYTE))
        file.truncate(1 << 30)
    return path


@pytest.mark.parametrize("name", sorted(ENDLESS))
async def test_i6_a_line_of_a_gigabyte_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """Within its first megabytes: under a second, and so of the process's own time, too."""
    wish = Wish(
        parts=(Part(endless(tmp_path, name), name),),
        inputs=(name,),
        reading=Reading(id_type=Kind.IDENTITY),
        target=CLEVERTAP,
        host=None,
        account=None,
        chunk_size=100,
    )
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        await make_plan(wish, bytes(32), tool="test", created=0.0)
    assert time.process_time() - began < 1
    assert (caught.value.code, caught.value.exit) == ("record_too_long", 2)
    assert name in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quoted.csv", "list.jsonl"])
async def test_i6_a_line_of_a_gigabyte(program: Program, name: str) -> None:
    """Refused after its first blocks, in the memory that any plan takes."""
    path, _ = program.ids(1000, "small.csv")
    small = await measured(program, "plan", path)
    path = endless(program.place, name)
    ended, size = await measured(program, "plan", path, "--json")
    assert (small[0].code, ended.code) == (0, 2), ended.err
    assert ended.json["reason"]["code"] == "record_too_long"
    assert name in ended.err
    assert size <= small[1] + 8 * MEGABYTE, f"{size:,} against {small[1]:,} bytes"


async def test_i10_what_json_calls_a_value(program: Program, emulate: Emulate) -> None:
    """Numbers, truths, nothing, objects and halves of characters are invalid, strings exact."""
    emulator = await emulate()
    bad = ["12", "1.5", "1e400", "true", "null", "{}", "[[]]", '"\\ud800"', '""', "[1]"]
    lines = [f'{{"identity": {value}}}' for value in bad]
    lines += ['{"identity": "twice", "identity": "other"}', '{"identity": ["l1", "l2"]}']
    lines += [f'{{"identity": "user-{n}"}}' for n in range(20)]
    path = program.write("list.jsonl", *lines, '{"identity": "00\\u0031é"}')
    refused = await program.run(path)
    assert refused.code == 2, "more than one in a hundred is invalid"
    assert requests(emulator) == 0
    ended = await program.run(path, "--max-invalid", 100)
    assert ended.code == 0, ended.err
    wanted = {"l1", "l2", "001é", *(f"user-{n}" for n in range(20))}
    assert set(times_acted(emulator)) == wanted
    ids = ended.json["ids"]
    assert ids["read"] == ids["accepted"] + ids["invalid"]
    assert ids["invalid"] == len(bad) + 1


async def test_i10_numbers_are_ids_where_that_is_said(program: Program, emulate: Emulate) -> None:
    """--numbers: by their digits; it is in the plan, and without it the list is refused."""
    emulator = await emulate()
    path = program.write("list.json", '[{"identity": 70017}, {"identity": "x-1"}]')
    refused = await program.run(path)
    assert refused.code == 2
    assert "--numbers" in refused.err
    ended = await program.run(path, "--numbers")
    assert ended.code == 0, ended.err
    assert set(times_acted(emulator)) == {"70017", "x-1"}
    plan = json.loads((program.run_dir() / "plan.json").read_text("utf-8"))
    assert plan["bound"]["normal"] == ["numbers"]


@pytest.mark.slow
async def test_i13_a_bomb_takes_no_memory(program: Program, emulate: Emulate) -> None:
    """Lines without end in a small archive: exit 2, in the memory of any plan, and no request."""
    emulator = await emulate()
    path, _ = program.ids(1000, "small.csv")
    small = await measured(program, "plan", path)
    bomb = program.place / "list.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=6) as file:
        file.write(b"identity\n")
        for _ in range(256):
            file.write((b"x" * 511 + b"\n") * (MEGABYTE // 512))
    words = program.sending("run", bomb)
    ended, size = await measured(program, *words)
    assert (small[0].code, ended.code) == (0, 2), ended.err
    assert "list.csv.gz" in ended.err
    assert size <= small[1] + 24 * MEGABYTE, f"{size:,} against {small[1]:,} bytes"
    assert requests(emulator) == 0


def appended(path: Path) -> None:
    """Let it grow."""
    with path.open("a", encoding="utf-8") as file:
        file.write("one-more\n")


def edited(path: Path) -> None:
    """Change one letter, in place, far behind what is being sent."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4 * 3)
        file.write(b"X")


def broken(path: Path) -> None:
    """Open a quote in it that is never closed, so that nothing of its block can be read."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4 * 3 // BLOCK * BLOCK + 1000)
        file.write(b'\n"')


def shortened(path: Path) -> None:
    """Take its last quarter away."""
    os.truncate(path, path.stat().st_size // 4 * 3)


def replaced(path: Path) -> None:
    """Put another file in its place, with as many bytes of other IDs."""
    other = path.with_name("other.csv")
    other.write_text(path.read_text("utf-8").replace("user-", "else-"), "utf-8")
    other.rename(path)


@pytest.mark.parametrize("change", [appended, edited, broken, shortened, replaced])
async def test_i14_a_list_that_changes_while_it_is_sent(
    program: Program, emulate: Emulate, change: Callable[[Path], None]
) -> None:
    """No ID is ever sent that was not approved; the run stops with 6, or ends as was planned."""
    emulator = await emulate(latency=0.5)
    # What is read ahead, a megabyte, is as it was.
    path, ids = program.ids(100_000 if change in {edited, broken, shortened} else 10_000)
    process = await program.start(*program.sending("run", path, "--json"))
    while requests(emulator) < 6:
        await asyncio.sleep(0.005)
        assert process.returncode is None
    change(path)
    emulator.emulation.dials.turn({"latency": 0.001})
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    ended = Ended(process.returncode or 0, out.decode(), err.decode())
    times = times_acted(emulator)
    assert set(times) <= set(ids), "not of the plan"
    assert max(times.values()) == 1
    if change in {appended, replaced}:
        # What was opened is what was approved: neither what came after its end nor what took its
        # name is of the plan, and all that is has been sent.
        assert ended.code in {0, 6}, ended.err
    else:
        assert ended.code == 6, ended.err
        assert ended.json["ids"]["unsent"] > 0
    if ended.code == 0:
        assert set(times) == set(ids)
    told = await program("status", program.run_dir(), "--json")
    assert told.json["ids"]["accepted"] == len(times)


@pytest.mark.parametrize("kind", ["fifo", "endless", "directory", "nothing"])
async def test_i15_what_is_no_list(program: Program, emulate: Emulate, kind: str) -> None:
    """A pipe with a name, a device, a directory, nothing at all: exit 2 at once, and named."""
    emulator = await emulate()
    path = program.place / "list.csv"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "endless":
            path.symlink_to("/dev/zero")
        case "directory":
            path.mkdir()
    ended = await program.run(path, seconds=20)
    assert ended.code == 2
    assert "list.csv" in ended.err
    assert requests(emulator) == 0


@pytest.mark.parametrize("value", ["", " ", "a\nb", "ACCT-é"])
async def test_g1_an_account_that_is_none(program: Program, emulate: Emulate, value: str) -> None:
    """Blank, broken or not ASCII: exit 2 before planning; no default steps in."""
    emulator = await emulate()
    path, _ = program.ids(10)
    program.env["CLEVERTAP_ACCOUNT_ID"] = value
    ended = await program.run(path)
    assert ended.code == 2
    assert not (program.place / "bulkdelete-runs").exists()
    assert requests(emulator) == 0


@pytest.mark.parametrize(
    "words",
    [
        *[("--max-in-flight", one) for one in ("0", "-1", "1e9", "nan", "")],
        *[("--rate", one) for one in ("0", "-1", "nan", "inf", "")],
        *[("--max-deletes", one) for one in ("0", "-5", "all", "")],
        *[("--chunk-size", one) for one in ("0", "101", "1.5")],
        ("--timeout", "0"),
        ("--max-failures", "nan"),
        ("--limit-of-requests", "0"),
    ],
    ids=" ".join,
)
async def test_g3_settings_that_mean_nothing(
    program: Program, emulate: Emulate, words: tuple[str, str]
) -> None:
    """Zero is not "unlimited", and no number is none: exit 2, no run, no request."""
    emulator = await emulate()
    path, _ = program.ids(10)
    given = {"--yes": None, "--endpoint": program.url, "--max-deletes": "100"} | dict([words])
    flat = [word for name, value in given.items() for word in (name, value) if word is not None]
    ended = await program("run", path, *flat)
    assert ended.code == 2, ended.out
    assert not (program.place / "bulkdelete-runs").exists()
    assert requests(emulator) == 0


@pytest.mark.parametrize(
    "name", ["..csv", "...csv", "-rf.csv", "...", "a b\tc.csv", "%2e%2e%2f.csv", "é'\".csv"]
)
async def test_z2_a_run_stays_in_its_directory(
    program: Program, emulate: Emulate, name: str
) -> None:
    """Whatever the list is called, and from wherever: one plain name under the runs' directory."""
    await emulate()
    (program.place / "inner").mkdir()
    path, _ = program.ids(50, name)
    program.place = program.place / "inner"
    ended = await program.run(f"../{path.name}")
    assert ended.code == 0, ended.err
    run_dir = program.run_dir()
    assert run_dir.parent == program.place / "bulkdelete-runs"
    assert run_dir.is_dir()
    assert run_dir.name.isprintable()
    assert not run_dir.name.startswith((".", "-"))


async def test_z2_a_run_directory_that_is_swapped_for_a_link(
    program: Program, emulate: Emulate
) -> None:
    """While somebody puts a link in its place again and again, nothing is written behind it."""
    await emulate()
    victim = program.place / "victim"
    victim.mkdir()
    (victim / "checkpoint.log").write_text("precious\n")
    run_dir = program.place / "run"
    path, _ = program.ids(50)
    stop = asyncio.Event()

    async def swap() -> int:
        swaps = 0
        while not stop.is_set():
            try:
                run_dir.symlink_to(victim)
                swaps += 1
            except FileExistsError:
                pass
            await asyncio.sleep(0.003)
            if run_dir.is_symlink():
                run_dir.unlink()
            await asyncio.sleep(0.003)
        return swaps

    swapping = asyncio.create_task(swap())
    codes = [(await program.run(path, "--run-dir", run_dir, "--again")).code for _ in range(4)]
    stop.set()
    assert await swapping > 3
    assert set(codes) <= {0, 2, 6}
    assert [one.name for one in victim.iterdir()] == ["checkpoint.log"]
    assert (victim / "checkpoint.log").read_text() == "precious\n"
