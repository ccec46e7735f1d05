"""The program with `--slots`: one and many hosts, a Redis that dies, one that refuses."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from bulkdelete.core.keeper import Keeper
from tests.bench.share import FAIR, shared
from tests.conftest import ACCOUNT, PASSCODE, Emulate, Program, times_acted
from tests.slots.hosts import SLOTS, sight
from tests.slots.server import RedisServer, free_port, redis_server

pytestmark = pytest.mark.redis

SECRET = "hush-hush-4711"


async def until(true: Any, seconds: float = 60.0) -> None:  # noqa: ANN401 - a condition
    """Wait for something that must happen."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.05)


async def test_s15_a_run_with_leased_slots(
    program: Program, emulate: Emulate, tmp_path: Path
) -> None:
    """Each ID once, never more than the cap; account and password are nowhere but on the wire."""
    with redis_server(tmp_path, "--requirepass", SECRET, "--loglevel", "debug") as server:
        server.password = SECRET
        emulator = await emulate(latency=0.02)
        server.known(emulator.url, ACCOUNT)
        path, ids = program.ids(3000)
        program.env["BULKDELETE_SLOTS_PASSWORD"] = SECRET
        ended = await program.run(path, "--slots", server.url, "--log-level", "debug")
        assert ended.code == 0, ended.err
        assert times_acted(emulator) == dict.fromkeys(ids, 1)
        assert emulator.state.slots.max_in_flight == 3
        assert not server.state(emulator.url, ACCOUNT)["slots"]  # all were given back
        kept = server.command("KEYS", "*") + server.command("GET", server.command("KEYS", "*"))
    files = [one.read_bytes() for one in program.run_dir().rglob("*") if one.is_file()]
    for text in (ended.out.encode(), ended.err.encode(), *files):
        assert SECRET.encode() not in text
    assert server.url.encode() in b"".join(files)  # where, but not who asks
    assert ACCOUNT.encode() not in kept
    assert PASSCODE.encode() not in kept


async def test_redis_dies_for_good_and_the_run_goes_on_later(
    server: RedisServer, program: Program, emulate: Emulate
) -> None:
    """75, and why; nothing was sent without a lease; the same command goes on, nothing twice."""
    emulator = await emulate(latency=0.2)
    server.known(emulator.url, ACCOUNT)
    path, ids = program.ids(60_000)
    how = ("--slots", server.url, "--give-up-after", "2s", "--json")
    running = await program.start(*program.sending("run", path, *how))
    await until(lambda: len(emulator.state.log) > 20)
    server.kill()
    out, err = await asyncio.wait_for(running.communicate(), 90)
    assert running.returncode == 75, err
    assert b'"code":"slots_lost"' in out.replace(b": ", b":")
    came = len(emulator.state.log)
    assert came < 600
    nowhere = await program.run(path, "--slots", server.url)
    assert (nowhere.code, nowhere.json["reason"]["code"]) == (75, "slots_lost")
    assert len(emulator.state.log) == came
    assert "bulkdelete doctor" in nowhere.err
    server.start()
    server.known(emulator.url, ACCOUNT)
    again = await program.run(path, "--slots", server.url, seconds=120)
    assert again.code == 0, again.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_redis_is_gone_for_a_while_and_is_waited_for(
    server: RedisServer, program: Program, emulate: Emulate
) -> None:
    """It begins anew with nothing: the run says who it is, and goes on by itself."""
    emulator = await emulate(latency=0.2)
    server.known(emulator.url, ACCOUNT)
    path, ids = program.ids(20_000)
    running = await program.start(*program.sending("run", path, "--slots", server.url))
    await until(lambda: len(emulator.state.log) > 20)
    server.kill()
    await asyncio.sleep(1.0)
    server.start()
    _, err = await asyncio.wait_for(running.communicate(), 90)
    assert running.returncode == 0, err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert emulator.state.slots.max_in_flight == 3


async def test_who_is_refused_sends_nothing(
    program: Program, emulate: Emulate, tmp_path: Path
) -> None:
    """A wrong password is 2, as is one on the command line; the emulator hears of neither."""
    emulator = await emulate()
    path, _ = program.ids(100)
    with redis_server(tmp_path, "--requirepass", SECRET) as server:
        program.env["BULKDELETE_SLOTS_PASSWORD"] = "wrong"
        ended = await program.run(path, "--slots", server.url)
        assert (ended.code, ended.json["reason"]["code"]) == (2, "slots_refused")
        address = server.url.replace("redis://", f"redis://:{SECRET}@")
        ended = await program.run(path, "--slots", address)
        assert (ended.code, ended.json["reason"]["code"]) == (2, "password_shows")
        assert SECRET not in ended.out + ended.err
    assert not emulator.state.log


async def test_doctor_looks_at_the_redis(
    program: Program, emulate: Emulate, tmp_path: Path
) -> None:
    """There, fit, how quick, and whether it may drop what it keeps; nothing stays there."""
    program.url = (await emulate()).url
    limited = ("--maxmemory", "100mb", "--maxmemory-policy")
    for policy, code, word in (("noeviction", 0, " ms)"), ("allkeys-lru", 2, "set noeviction")):
        place = tmp_path / policy
        place.mkdir()
        with redis_server(place, *limited, policy) as server:
            ended = await program("doctor", "--endpoint", program.url, "--slots", server.url)
            assert ended.code == code, ended.out + ended.err
            assert f"{server.url}: answers, and takes scripts (Redis " in ended.out
            assert word in ended.out
            assert server.command("KEYS", "*").strip() == b""
    gone = str(Keeper("127.0.0.1", free_port()))
    ended = await program("doctor", "--endpoint", program.url, "--slots", gone)
    assert ended.code == 75
    assert f"FAIL  {gone}, which keeps the account's slots, does not answer" in ended.out


async def test_r5_x3_four_hosts_share_one_account(tmp_path: Path) -> None:
    """Never above the cap by the server's count; the fastest at most 1.3 times the slowest."""
    async with sight(tmp_path, 4, 300, 0.05) as found:
        assert await found.ended(0, 1, 2, 3) == [0, 0, 0, 0]
        result = shared(found.emulator, 4, 300)
    assert result.most == SLOTS
    assert min(result.turns) >= 100
    assert result.ratio <= FAIR, result


async def test_x2_n15_hosts_are_cut_off_and_die_and_redis_forgets(tmp_path: Path) -> None:
    """One of four is cut off from Redis, one is killed as Redis begins anew: within the cap."""
    short, long = ("--give-up-after", "3s"), ("--give-up-after", "5m")
    async with sight(tmp_path, 4, 500, 0.05, long, short, long, long) as found:
        await until(lambda: found.came() > 200)
        found.hosts[1].ip("link", "set", "wire", "down")
        assert await found.ended(1) == [75]
        before = found.came()
        await until(lambda: found.came() > before + 50, 150)  # its leases are over
        pid = found.redis.pid
        found.processes[0].send_signal(signal.SIGKILL)
        await asyncio.to_thread(found.redis.begin_anew)
        assert found.redis.pid != pid
        codes = await asyncio.wait_for(found.ended(0, 2, 3), 300)
        assert codes == [-signal.SIGKILL, 0, 0]
        assert found.most == SLOTS
