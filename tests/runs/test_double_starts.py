"""The same command, started twice at once: one list, one run, each ID once."""

import asyncio
import json
import sys

import pytest

from bulkdelete.io.rundir import RunDir
from tests.conftest import Emulate, Ended, Program, times_acted

pytestmark = pytest.mark.slow  # each starts whole programs, at the same moment

_MEANWHILE = """
import json, os, subprocess, sys
surroundings = dict(os.environ)  # before the passcode is taken out of them
from bulkdelete import intake
from bulkdelete.cli import main
plan = intake.Intake.plan
async def slow(self, wish):
    made = await plan(self, wish)
    words = [sys.executable, "-m", "bulkdelete", *json.loads(sys.argv[1])]
    subprocess.run(words, env=surroundings, stdout=subprocess.DEVNULL)
    return made
intake.Intake.plan = slow
main(sys.argv[2:])
"""


async def while_planning(program: Program, more: str, *words: object) -> Ended:
    """Run a command; while it plans, the same with `more` added runs from beginning to end."""
    same = [*program.sending("run", *words), "--json"]
    return await meanwhile(program, [*same, *more.split()], *same)


async def meanwhile(program: Program, other: list[object], *words: object) -> Ended:
    """Run a command; while it plans, the `other` runs from beginning to end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _MEANWHILE, json.dumps(list(map(str, other)))),
        *map(str, words),
        cwd=program.place,
        env=program.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


@pytest.mark.parametrize("place", [(), ("--run-dir", "here")])
async def test_x1_a_run_that_another_process_made_and_finished_meanwhile(
    program: Program, emulate: Emulate, place: tuple[str, ...]
) -> None:
    """It is found finished: no second run is made of the same list."""
    emulator = await emulate()
    path, ids = program.ids(250)
    ended = await while_planning(program, "", path, *place)
    assert ended.code == 0, ended.err
    assert ended.json["reason"]["code"] == "already_finished"
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_x1_a_run_that_another_process_made_and_left_meanwhile(
    program: Program, emulate: Emulate
) -> None:
    """It is gone on with where the other one stopped."""
    emulator = await emulate()
    path, ids = program.ids(950)
    ended = await while_planning(program, "--hold-after 200", path)
    assert ended.code == 0, ended.err
    assert ended.json["ids"]["accepted"] == 950
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    program.run_dir()


async def test_x1_again_started_twice_is_one_new_run(program: Program, emulate: Emulate) -> None:
    """`--again` of a finished list makes one new run, whoever else does the same meanwhile."""
    emulator = await emulate()
    path, ids = program.ids(150)
    assert (await program.run(path)).code == 0
    ended = await while_planning(program, "", path, "--again")
    assert (ended.code, ended.json["reason"]["code"]) == (0, "already_finished")
    assert times_acted(emulator) == dict.fromkeys(ids, 2)


@pytest.mark.parametrize("other", [(), ("--shard", "0/2"), ("--chunk-size", "7")])
async def test_x1_a_plan_of_something_else_that_was_made_meanwhile(
    program: Program, emulate: Emulate, other: tuple[str, ...]
) -> None:
    """What is approved here is not what somebody else looks at; the next start is right."""
    emulator = await emulate()
    path = program.write(
        "list.csv", "identity,country", *(f"u{n},{'DE' * (n < 4)}" for n in range(40))
    )
    look: list[object] = ["plan", path, *other, "--endpoint", program.url, "--json"]
    words = program.sending("run", path, "--where", "country=DE", "--json")
    ended = await meanwhile(program, look, *words)
    assert (ended.code, ended.json["reason"]["code"]) == (7, "busy"), ended.err
    assert not emulator.state.profiles.times["identity"]
    assert (await program(*words)).code == 0
    assert times_acted(emulator) == {f"u{number}": 1 for number in range(4)}


async def test_x1_a_plan_that_was_passed_over_and_is_begun_meanwhile(
    program: Program, emulate: Emulate
) -> None:
    """Nobody had approved it; now its IDs are sent, and not a second time by who passed it over."""
    emulator = await emulate()
    path, ids = program.ids(40)
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    limited = program.sending("run", path, "--limit", 4, "--json")
    run_dir = planned.json["run_dir"]
    with RunDir(program.place / run_dir).lock():  # as while it is asked whether to send it
        held = await program(*limited)
    begin: list[object] = ["apply", run_dir, "--yes", "--max-deletes", 40, "--json"]
    for ended in (held, await meanwhile(program, begin, *limited)):
        assert (ended.code, ended.json["reason"]["code"]) == (7, "busy"), ended.err
        assert run_dir in ended.json["reason"]["message"]
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_x1_a_plan_of_a_shard_that_was_made_meanwhile_of_a_list_that_was_sent(
    program: Program, emulate: Emulate
) -> None:
    """It is not begun, as it would not be if it had been there before."""
    emulator = await emulate()
    path, ids = program.ids(40)
    assert (await program.run(path)).code == 0
    cut = (path, "--shard", "0/2")
    look: list[object] = ["plan", *cut, "--endpoint", program.url, "--json"]
    ended = await meanwhile(program, look, *program.sending("run", *cut, "--json"))
    assert (ended.code, ended.json["reason"]["code"]) == (4, "already_done"), ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_x1_two_starts_at_the_same_moment(program: Program, emulate: Emulate) -> None:
    """One sends, the other exits 7 as soon as there is a run to be held."""
    emulator = await emulate(latency=0.1)
    path, ids = program.ids(6000)
    ended = await asyncio.gather(program.run(path), program.run(path))
    assert sorted(one.code for one in ended) == [0, 7], [one.err for one in ended]
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    program.run_dir()
