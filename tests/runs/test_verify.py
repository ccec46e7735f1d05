"""Later: are the profiles gone? Against the emulator, by sample and in full."""

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from bulkdelete.core.sampling import sample_size
from tests.conftest import Emulate, Ended, Program, times_acted
from tests.runs.test_reports import rows

if TYPE_CHECKING:
    from pathlib import Path


async def sent(program: Program, emulator: Any, count: int) -> list[str]:  # noqa: ANN401
    """Run a list to its end."""
    path, ids = program.ids(count)
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert len(times_acted(emulator)) == count
    return ids


def put_back(emulator: Any, ids: list[str]) -> None:  # noqa: ANN401 - a running emulator
    """Let these profiles be there, as if nobody had deleted them."""
    for one in ids:
        del emulator.state.profiles.times["identity"][one]


async def verify(program: Program, *words: object, now: bool = True, **more: Any) -> Ended:  # noqa: ANN401
    """Verify the only run, with --json."""
    hurry = ("--now",) if now else ()
    return await program("verify", program.run_dir(), *hurry, *words, "--json", **more)


def read(program: Program, name: str) -> str:
    """Read a file of the only run."""
    return (program.run_dir() / name).read_text()


def edit(path: "Path", old: str, new: str) -> None:
    """Change a file by hand."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow  # 10,000 requests, one ID each
async def test_in_full_the_three_that_are_left_are_found(
    program: Program, emulate: Emulate
) -> None:
    """3 of 10,000 profiles are still there: exit 3, exactly these in still-there.csv."""
    emulator = await emulate()
    ids = await sent(program, emulator, 10_000)
    left = [ids[17], ids[4242], ids[9999]]
    put_back(emulator, left)
    ended = await verify(program, "--full")
    assert ended.code == 3, ended.err
    found = ended.json
    assert (found["asked"], found["gone"], found["still_there"]) == (10_000, 9_997, 3)
    assert found["not_gone_at_most"] == 3
    assert found["sentence"].startswith(
        "All 10,000 accepted IDs were asked for: 9,997 gone, 3 still there."
    )
    still = rows(program.run_dir() / "still-there.csv")
    assert [row["identity"] for row in still] == left
    assert {row["reason"] for row in still} == {"still_there"}
    again = await program.run(program.run_dir() / "still-there.csv", "--runs-dir", "other")
    assert again.code == 0, again.err
    assert all(times_acted(emulator)[one] == 1 for one in left)
    assert emulator.state.stats()["profile_reads"] < 10_100


async def test_by_sample_all_gone(program: Program, emulate: Emulate) -> None:
    """The default sample, seeded: exit 0, and the sentence; the run's files say so, too."""
    emulator = await emulate()
    ids = await sent(program, emulator, 1200)
    ended = await verify(program, "--seed", 7)
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["asked"], found["gone"], found["seed"]) == (sample_size(1200), 932, 7)
    assert "With 95 % confidence at most 1 of all" in found["sentence"]
    report = json.loads(read(program, "report.json"))
    assert report["verification"]["gone"] == 932
    assert (await program("audit", program.run_dir())).code == 0
    shown = await program("status")
    assert "verified: 932 asked, all gone, on 20" in shown.out
    words = read(program, "verify.log")
    assert not any(one in words for one in ids)
    assert not (program.run_dir() / "still-there.csv").exists()


async def test_not_before_48_hours(program: Program, emulate: Emulate) -> None:
    """Too early is 75, in one object, and nothing is asked; `--now` asks, and says so."""
    emulator = await emulate(removal_delay=3600.0)
    await sent(program, emulator, 30)
    ended = await verify(program, now=False)
    assert (ended.code, ended.json["reason"]["code"]) == (75, "too_early")
    assert emulator.state.stats()["profile_reads"] == 0
    hurried = await verify(program, "--full")
    assert (hurried.code, hurried.json["still_there"]) == (3, 30)
    assert "before 48 hours" in hurried.json["sentence"]


@pytest.mark.parametrize("style", ["404", "400", "200"])
async def test_each_way_to_say_that_there_is_no_profile(
    program: Program, emulate: Emulate, style: str
) -> None:
    """Whether 404, 400 or a 200 without a record; IDs of any look are asked for exactly."""
    strange = ["a b", "a+b", "a%2Bb", "ä&x=1#?", "-g12", "=x/../y", "日本", "a;b", 'q"t', "100%"]
    emulator = await emulate(profiles={"identity": strange, "guid": ["__g1"]}, gone_style=style)
    lines = [f"i\t{one}" for one in strange] + ["g\t__g1"]
    path = program.write("list.csv", "Type\tIdentity", *lines)
    assert (await program.run(path)).code == 0
    del emulator.state.profiles.times["identity"]["a+b"]
    ended = await verify(program, "--full")
    assert (ended.code, ended.json["gone"], ended.json["still_there"]) == (3, 10, 1), ended.err
    assert [r["Identity"] for r in rows(program.run_dir() / "still-there.csv")] == ["a+b"]


async def test_a_stopped_round_goes_on(program: Program, emulate: Emulate) -> None:
    """Killed and interrupted in between: the same command asks for the rest, and for no more."""
    emulator = await emulate(latency=0.02)
    await sent(program, emulator, 400)
    words = ("verify", program.run_dir(), "--now", "--full", "--json")
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = emulator.state.stats()["profile_reads"]
        process = await program.start(*words)
        async with asyncio.timeout(60):
            while emulator.state.stats()["profile_reads"] < before + 60:
                await asyncio.sleep(0.01)
        process.send_signal(number)
        out, _ = await process.communicate()
        assert process.returncode in {-signal.SIGKILL, 143}
    assert json.loads(out)["reason"]["code"] == "interrupted"
    ended = await verify(program, "--full")
    assert (ended.code, ended.json["gone"]) == (0, 400), ended.err
    # A first question to nobody each time, and at most the three in flight asked for again.
    assert emulator.state.stats()["profile_reads"] <= 400 + 3 + 2 * 3


async def test_v9_refused_and_outages(program: Program, emulate: Emulate) -> None:
    """401 is 5, HTML is 5, an outage is 75 and goes on; a sick answer is unknown, never gone."""
    emulator = await emulate()
    await sent(program, emulator, 12)
    program.env["CLEVERTAP_PASSCODE"] = "wrong-passcode"
    refused = await verify(program)
    assert (refused.code, refused.json["reason"]["code"]) == (5, "refused")
    del program.env["CLEVERTAP_PASSCODE"]
    emulator.emulation.turn({"profile_script": ["html_200"] * 9})
    html = await verify(program, "--max-attempts", 1)
    assert (html.code, html.json["reason"]["code"]) == (5, "not_the_api")
    emulator.emulation.turn({"profile_script": ["ok"] + ["503"] * 400})
    outage = await verify(program, "--give-up-after", "0.5s", "--full")
    assert (outage.code, outage.json["reason"]["code"]) == (75, "outage")
    emulator.emulation.turn({"profile_script": ["ok", "503", "429", "hang"]})
    ended = await verify(program, "--full", "--timeout", 1)
    assert (ended.code, ended.json["gone"]) == (0, 12), ended.err
    emulator.emulation.turn({"profile_script": ["ok", "503"]})
    unknown = await verify(program, "--full", "--max-attempts", 1)
    assert (unknown.code, unknown.json["unknown"]) == (3, 1)
    assert "1 unknown" in unknown.json["sentence"]


async def test_who_came_back_is_listed_and_never_input(program: Program, emulate: Emulate) -> None:
    """7 and 30 days after: who was gone and is there again is somebody new."""
    emulator = await emulate()
    ids = await sent(program, emulator, 50)
    watch = ("--full", "--watch-return")
    assert (await verify(program, *watch)).code == 0
    early = await verify(program, *watch, now=False)
    assert (early.code, early.json["reason"]["code"]) == (75, "too_early")
    put_back(emulator, ids[3:5])
    week = await verify(program, *watch)
    assert (week.code, week.json["day"], week.json["came_back"]) == (3, 7, 2)
    assert week.json["still_there"] == 0
    back = program.run_dir() / "came-back.csv"
    assert [row["identity"] for row in rows(back)] == ids[3:5]
    refused = await program.run(back, "--runs-dir", "other")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "protected_file")
    assert (await verify(program, *watch)).json["day"] == 30
    reads = emulator.state.stats()["profile_reads"]
    done = await verify(program, *watch)
    assert (done.code, done.json["day"]) == (3, 30)
    assert emulator.state.stats()["profile_reads"] == reads


async def test_doubts_are_settled_by_asking(program: Program, emulate: Emulate) -> None:
    """`--ambiguous` asks for each ID in doubt: acted on or not; those that are may go again."""
    emulator = await emulate(script=("ok", "drop_after", "drop_before"))
    path, ids = program.ids(400)
    ended = await program.run(path, "--on-ambiguous", "hold", "--max-failures", 100)
    assert (ended.code, ended.json["ids"]["ambiguous"]) == (3, 200), ended.err
    found = await verify(program, "--ambiguous")
    assert found.code == 3
    counts = [found.json[name] for name in ("asked", "gone", "still_there")]
    assert counts == [200, 100, 100]
    still = program.run_dir() / "still-there.csv"
    again = await program.run(still, "--runs-dir", "other")
    assert again.code == 0, again.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_nothing_to_ask(program: Program, emulate: Emulate) -> None:
    """A run of which nothing was accepted: exit 0, and nobody is asked."""
    emulator = await emulate()
    path, _ = program.ids(5)
    await program("plan", path, "--endpoint", program.url)
    ended = await verify(program)
    assert (ended.code, ended.json["asked"]) == (0, 0)
    assert emulator.state.stats()["profile_reads"] == 0
    assert (await verify(program, "--full", "--sample", 4)).code == 2


async def test_z3_verify_log_is_covered_by_its_checksums(
    program: Program, emulate: Emulate
) -> None:
    """A changed answer is not believed: verify and audit are 6, and status says why.

    A conclusion cut off whole, which no checksum shows, and the whole file removed, are missed.
    """
    emulator = await emulate()
    await sent(program, emulator, 20)
    assert (await verify(program)).code == 0
    assert (await program("audit", program.run_dir())).code == 0
    whole = read(program, "verify.log")
    edit(program.run_dir() / "verify.log", whole.splitlines(keepends=True)[-1], "")
    assert (await program("audit", program.run_dir())).code == 6
    edit(program.run_dir() / "verify.log", read(program, "verify.log"), "")
    assert (await program("audit", program.run_dir())).code == 6
    (program.run_dir() / "verify.log").write_text(whole)
    assert (await program("audit", program.run_dir())).code == 0
    edit(program.run_dir() / "verify.log", '"gone"', '"gonE"')
    assert (await verify(program)).json["reason"]["code"] == "verify_corrupt"
    assert (await program("audit", program.run_dir())).code == 6
    assert "verify.log is damaged" in (await program("status", program.run_dir())).out
