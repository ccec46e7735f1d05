"""The right size and the right time: before the first request, and while it runs."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Emulate, Program, times_acted


async def test_h1_s12_percent_of_the_population(program: Program, emulate: Emulate) -> None:
    """More than the share of all users is exit 4; the two flags go together."""
    emulator = await emulate()
    path, _ = program.ids(300)
    refused = await program.run(path, "--max-percent", 2, "--population", 10_000)
    assert (refused.code, refused.json["reason"]["code"]) == (4, "max_percent")
    alone = await program.run(path, "--max-percent", 2)
    assert (alone.code, alone.json["reason"]["code"]) == (2, "percent_of_what")
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    share = ("--max-percent", 2, "--population", 10_000)
    later = await program("apply", program.run_dir(), "--approve", planned.json["plan_digest"],
                          *share, "--json")  # fmt: skip
    assert (later.code, later.json["reason"]["code"]) == (4, "max_percent")
    assert emulator.state.stats()["requests"] == 0
    assert (await program.run(path, "--max-percent", 3, "--population", 10_000)).code == 0


async def test_s11_an_old_list_is_refused(program: Program, emulate: Emulate) -> None:
    """By the file's time, or by what was said; at the plan, and again before it is sent."""
    emulator = await emulate()
    path, _ = program.ids(100)
    old = time.time() - 3 * 86400
    os.utime(path, (old, old))
    refused = await program.run(path, "--max-list-age", "2d")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "list_age")
    said = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    refused = await program.run(path, "--max-list-age", "7d", "--exported-at", said)
    assert refused.code == 4
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    assert planned.code == 0
    digest = planned.json["plan_digest"]
    apply = ("apply", program.run_dir(), "--approve", digest, "--json", "--max-list-age")
    assert (await program(*apply, "2d")).code == 4
    assert emulator.state.stats()["requests"] == 0
    assert (await program(*apply, "4d")).code == 0


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_s11_who_came_back_is_protected(
    program: Program, emulate: Emulate, form: str
) -> None:
    """IDs active after the export are set aside; it is bound, and the resume reads the same."""
    emulator = await emulate()
    rows = [(f"u-{n}", "2026-01-05" if n % 10 == 0 else "2025-12-31") for n in range(500)]
    if form == "csv":
        lines = ["identity,seen", *(f"{one},{seen}" for one, seen in rows), "u-x,"]
    else:
        lines = [f'{{"identity": "{one}", "seen": "{seen}"}}' for one, seen in [*rows, ("u-x", "")]]
    path = program.write(f"list.{form}", *lines)
    fresh = ("--last-seen", "seen", "--exported-at", "2026-01-01")
    assert (await program.run(path, "--last-seen", "seen")).code == 2
    held = await program.run(path, *fresh, "--hold-after", 200)
    assert held.code == 75, held.err
    other = await program.run(path, "--last-seen", "seen", "--exported-at", "2026-01-09")
    assert (other.code, other.json["reason"]["code"]) == (6, "input_changed")
    assert "--exported-at" in other.json["reason"]["message"]
    ended = await program.run(path, *fresh)
    assert (ended.code, ended.json["ids"]["protected"]) == (0, 50), ended.err
    kept = [one for one, seen in [*rows, ("u-x", "")] if seen != "2026-01-05"]
    assert times_acted(emulator) == dict.fromkeys(kept, 1)


async def test_h1_a_nightly_list_out_of_the_usual_is_held(
    program: Program, emulate: Emulate
) -> None:
    """Against the job's own finished runs: exit 4 with the reason; a flag says it is meant."""
    emulator = await emulate()
    for night in range(3):
        ids = [f"u-{night}-{n}" for n in range(100)]
        path = program.write("list.csv", "identity", *ids)
        assert (await program.run(path, "--again")).code == 0
    before = emulator.state.stats()["requests"]
    program.write("list.csv", "identity", *(f"v-{n}" for n in range(1000)))
    held = await program.run(path, "--again")
    assert (held.code, held.json["reason"]["code"]) == (4, "anomaly"), held.err
    assert "more than 3 times" in held.json["reason"]["message"]
    program.write("list.csv", "identity", *(f"u-2-{n}" for n in range(100)))
    again = await program.run(path, "--again")
    assert (again.code, again.json["reason"]["code"]) == (4, "anomaly"), again.err
    assert "were in the list before" in again.json["reason"]["message"]
    assert emulator.state.stats()["requests"] == before
    program.env["BULKDELETE_ACCEPT_ANOMALY"] = "1"
    assert (await program.run(path, "--again")).code == 2
    del program.env["BULKDELETE_ACCEPT_ANOMALY"]
    assert (await program.run(path, "--again", "--accept-anomaly")).code == 0


async def test_outside_its_window_nothing_is_sent(program: Program, emulate: Emulate) -> None:
    """It waits for the hours to come, and a signal ends the waiting at once."""
    emulator = await emulate()
    path, _ = program.ids(300)
    later = datetime.now().astimezone() + timedelta(hours=2)
    closed = f"{later:%H:%M}-{later + timedelta(hours=1):%H:%M}"
    process = await program.start(*program.sending("run", path, "--window", closed))
    runs = program.place / "bulkdelete-runs"
    async with asyncio.timeout(30):
        while not any(b'"start"' in one.read_bytes() for one in runs.glob("[!.]*/checkpoint.log")):
            await asyncio.sleep(0.05)
    assert (await program("status", program.run_dir(), "--json")).json["state"] == "paused"
    watcher = await program.start("status", "--watch", program.run_dir())
    assert watcher.stdout is not None
    assert b"outside its --window, for " in await watcher.stdout.readline()
    watcher.kill()
    await watcher.communicate()
    process.terminate()
    async with asyncio.timeout(30):
        await process.wait()
    assert process.returncode == 143
    assert emulator.state.stats()["requests"] == 0
    now = datetime.now().astimezone()
    opened = f"{now - timedelta(hours=1):%H:%M}-{later:%H:%M}"
    assert (await program.run(path, "--window", opened)).code == 0


async def test_a_kill_file_stops_gently(program: Program, emulate: Emulate) -> None:
    """While it is there nothing is sent; what was out is on record, and the rest goes on later."""
    emulator = await emulate(latency=0.1)
    path, ids = program.ids(3000)
    process = await program.start(*program.sending("run", path))
    async with asyncio.timeout(30):
        while emulator.state.stats()["requests"] < 3:
            await asyncio.sleep(0.02)
    kill = program.run_dir() / "stop"
    kill.touch()
    async with asyncio.timeout(30):
        await process.wait()
    assert process.returncode == 75
    before = emulator.state.stats()["requests"]
    again = await program.run(path)
    assert (again.code, again.json["reason"]["code"]) == (75, "kill_file")
    assert emulator.state.stats()["requests"] == before
    kill.unlink()
    other = program.write("panic", "")
    assert (await program.run(path, "--kill-file", other)).code == 75
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_s12_the_ramp_stops_a_list_that_the_server_refuses(
    program: Program, emulate: Emulate
) -> None:
    """The canary passes, the first percent does not: the other 99 % are never sent."""
    path, ids = program.ids(100_000)
    emulator = await emulate(refuse_ids=frozenset(one for n, one in enumerate(ids) if n % 12 == 5))
    ended = await program.run(path)
    assert (ended.code, ended.json["reason"]["code"]) == (4, "max_failures")
    acted = times_acted(emulator)
    assert set(acted) <= set(ids[:1000])
