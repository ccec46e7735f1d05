"""A run is steered from another process while it goes on."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.conftest import Emulate, Ended, Program, times_acted

SECONDS = 30.0


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SECONDS):
        while not true():
            await asyncio.sleep(0.01)


async def going(program: Program, emulator: Any, *words: object) -> tuple[Any, Path, list[str]]:  # noqa: ANN401
    """Start a long run; return its process, directory and IDs once it is well on its way."""
    path, ids = program.ids(20_000)
    process = await program.start(*program.sending("run", path, "--json", *words))
    await until(lambda: emulator.state.stats()["requests"] >= 8)
    return process, program.run_dir(), ids


async def over(process: Any) -> Ended:  # noqa: ANN401
    """Wait for its end."""
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())


def said(run_dir: Path) -> list[tuple[str, str]]:
    """Return the changes on record."""
    report = json.loads((run_dir / "report.json").read_text())
    return [(one["name"], one["value"]) for one in report["changes"]]


Live = Callable[..., Awaitable[Ended]]


async def test_tune_changes_how_many_are_in_flight_and_is_on_record(
    program: Program, emulate: Emulate
) -> None:
    """Up and down, over what it began with; progress, report and log say so."""
    emulator = await emulate(latency=0.1, limit=12)
    process, run_dir, ids = await going(program, emulator, "--log-level", "info")
    assert emulator.state.stats()["max_in_flight"] == 3
    ended = await program("live", "tune", run_dir, "--max-in-flight", 8, "--json")
    assert (ended.code, ended.json["max_in_flight"], ended.json["rate"]) == (0, 8, None)
    await until(lambda: emulator.state.stats()["max_in_flight"] == 8)
    down = await program("live", "tune", run_dir, "--max-in-flight", 2)
    assert "of 2 at most" in down.out
    await until(lambda: emulator.state.stats()["in_flight"] <= 2)
    before = emulator.state.stats()["requests"]
    await until(lambda: emulator.state.stats()["requests"] >= before + 4)
    assert emulator.state.stats()["in_flight"] <= 2
    for words in (("--max-in-flight", 0), ("--max-in-flight", "many"), ()):
        assert (await program("live", "tune", run_dir, *words)).code == 2
    assert (await program("live", "tune", run_dir, "--max-in-flight", 12)).code == 0
    ended = await over(process)
    assert ended.code == 0
    assert said(run_dir) == [("max_in_flight", one) for one in ("8", "2", "12")]
    assert "max_in_flight" in (run_dir / "report.html").read_text()
    assert "run.tuned" in ended.err
    assert not (run_dir / "live.sock").exists()
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_tune_sets_and_lifts_a_rate(program: Program, emulate: Emulate) -> None:
    """A run that crawls at one in ten seconds goes on at once when the rate is lifted."""
    emulator = await emulate(latency=0.01)
    process, run_dir, _ = await going(program, emulator, "--rate", 20)
    slow = await program("live", "tune", run_dir, "--rate", "0.1", "--json")
    assert slow.json["rate"] == 0.1
    await asyncio.sleep(0.2)
    before = emulator.state.stats()["requests"]
    await asyncio.sleep(1.0)
    assert emulator.state.stats()["requests"] <= before + 1
    assert (await program("live", "tune", run_dir, "--rate", "none")).code == 0
    assert (await over(process)).code == 0
    assert said(run_dir) == [("rate", "0.1"), ("rate", "none")]


async def test_pause_lets_nothing_start_until_unpause(program: Program, emulate: Emulate) -> None:
    """What is in flight finishes; then silence; then it goes on to the end."""
    emulator = await emulate(latency=0.05)
    process, run_dir, ids = await going(program, emulator)
    paused = await program("live", "pause", run_dir, "--json")
    assert paused.json["state"] == "paused"
    await until(lambda: emulator.state.stats()["in_flight"] == 0)
    before = emulator.state.stats()["requests"]
    await asyncio.sleep(0.5)
    assert emulator.state.stats()["requests"] == before
    assert (await program("live", "unpause", run_dir, "--json")).json["state"] == "running"
    assert (await over(process)).code == 0
    assert said(run_dir) == [("paused", "yes"), ("paused", "no")]
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_stop_ends_it_resumable_also_when_paused(program: Program, emulate: Emulate) -> None:
    """Exit 75, nothing in doubt; the same command brings the rest; then nobody listens."""
    emulator = await emulate(latency=0.05)
    process, run_dir, ids = await going(program, emulator)
    await program("live", "pause", run_dir)
    assert (await program("live", "stop", run_dir, "--json")).json["state"] == "stopping"
    ended = await over(process)
    assert (ended.code, ended.json["reason"]["code"]) == (75, "live_stop")
    assert ended.json["ids"]["ambiguous"] == 0
    assert ended.json["ids"]["unsent"] > 0
    refused = await program("live", "stop", run_dir, "--json")
    assert (refused.code, refused.json["reason"]["code"]) == (2, "not_live")
    emulator.emulation.dials.turn({"latency": 0.0})
    again = await program.run(program.place / "list.csv")
    assert again.code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_a_retry_that_waits_holds_no_slot(program: Program, emulate: Emulate) -> None:
    """With one slot: while a dozen chunks wait for their next try, others use it."""
    emulator = await emulate(latency=0.005, script=("ok", *["503", "ok"] * 12))
    path, ids = program.ids(6000)
    ended = await program.run(path, "--max-in-flight", 1)
    assert ended.code == 0
    places: dict[str, list[int]] = {}
    for place, attempt in enumerate(emulator.state.log):
        places.setdefault(attempt.digest.hex(), []).append(place)
    waited = [late - soon for found in places.values() for soon, late in pairwise(found)]
    assert len(waited) >= 12
    assert max(waited) > 2, "others went in between"
    assert ended.json["timing"]["in_flight_utilisation"] > 0
    assert sum(times_acted(emulator).values()) >= len(ids)
