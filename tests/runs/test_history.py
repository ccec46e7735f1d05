"""The history of all runs, its retention, and what status says of a run that is alive."""

import asyncio
import signal
from pathlib import Path

from tests.conftest import Emulate, Program


async def made(program: Program) -> dict[str, Path]:
    """Make a finished, a held, a planned and an abandoned run."""
    found = {}
    for name, words in (("finished", ()), ("held", ("--hold-after", 50)), ("given-up", ())):
        path, _ = program.ids(120 if name != "given-up" else 90, f"{name}.csv")
        hold = ("--hold-after", 10) if name == "given-up" else ()
        ended = await program.run(path, "--chunk-size", 10, *words, *hold)
        found[name] = program.place / ended.json["run_dir"]
    ended = await program.run("given-up.csv", "--chunk-size", 9, "--abandon", "--hold-after", 9)
    found["again"] = program.place / ended.json["run_dir"]
    path, _ = program.ids(70, "planned.csv")
    ended = await program("plan", path, "--endpoint", program.url, "--json")
    found["planned"] = program.place / ended.json["run_dir"]
    return found


async def test_history_fits_80_columns_and_says_how_each_run_ended(
    program: Program, emulate: Emulate
) -> None:
    """When, what, how many and how it ended, for a person and as JSON; nothing is cut off."""
    await emulate()
    runs = await made(program)
    shown = await program("status")
    assert shown.code == 0, shown.err
    for line in shown.out.splitlines():
        assert len(line) <= 80 or "bulkdelete-runs/" in line
    assert "finished, exit 0        120 of 120 IDs accepted" in shown.out
    assert "stopped, exit 75        50 of 120 IDs accepted\n    70 unsent\n" in shown.out
    assert all(path.name in shown.out for path in runs.values())
    rows = {
        Path(row["run_dir"]).name: row for row in (await program("status", "--json")).json["runs"]
    }
    states = {name: rows[path.name]["state"] for name, path in runs.items()}
    assert states == {
        "finished": "finished",
        "held": "stopped",
        "given-up": "abandoned",
        "again": "stopped",
        "planned": "planned",
    }
    assert rows[runs["held"].name]["ids"]["unsent"] == 70


async def test_keep_removes_what_ended_and_nothing_else(program: Program, emulate: Emulate) -> None:
    """`--keep` takes finished and abandoned runs of that age; unfinished and damaged ones stay."""
    await emulate()
    runs = await made(program)
    kept = await program("status", "--keep", "1h", "--json")
    assert kept.json["removed"] == []
    damaged = program.place / "bulkdelete-runs" / "damaged"
    damaged.mkdir(mode=0o700)
    (damaged / "plan.json").write_text("{}")
    await asyncio.sleep(0.05)
    cleaned = await program("status", "--keep", "0.01s", "--json")
    gone = {Path(one).name for one in cleaned.json["removed"]}
    assert gone == {runs["finished"].name, runs["given-up"].name}
    left = {one.name for one in (program.place / "bulkdelete-runs").iterdir()}
    assert left == {runs["held"].name, runs["again"].name, runs["planned"].name, "damaged"}
    assert (await program("status", runs["held"], "--keep", "1d")).code == 2
    assert (await program("status", "--keep", "soon")).code == 2


async def test_status_of_a_live_run_says_in_flight_now(program: Program, emulate: Emulate) -> None:
    """What a living process has out is in flight, not in doubt; the balance counts it all."""
    emulator = await emulate(latency=0.3)
    path, _ = program.ids(5000)
    process = await program.start(*program.sending("run", path))
    try:
        async with asyncio.timeout(60):
            while emulator.state.stats()["requests"] < 4:
                await asyncio.sleep(0.02)
        seen = await program("status", program.run_dir(), "--json")
        words = await program("status", program.run_dir())
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert seen.json["state"] == "running"
    out = seen.json["in_flight"]
    assert seen.json["ids"]["ambiguous"] == out["ids"] == 100 * out["requests"] > 0
    assert "ambiguous 0" in words.out
    assert "in flight now" in words.out
    assert "slots in use" not in words.out


async def test_a_run_of_one_chunk_measures_no_slots(program: Program, emulate: Emulate) -> None:
    """Where nothing was measured, nothing is said: not 0 %."""
    await emulate()
    path, _ = program.ids(3)
    ended = await program(*program.sending("run", path))
    assert ended.code == 0, ended.err
    assert "sending took" in ended.err
    assert "slots in use" not in ended.err
    assert "Slots in use" not in (program.run_dir() / "report.html").read_text()
