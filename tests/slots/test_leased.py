"""Leases from a real Redis: what dies, stands still, forgets or is cut off exceeds no cap."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from structlog.testing import capture_logs

from bulkdelete.core.keeper import Keeper
from bulkdelete.core.leases import Terms
from bulkdelete.errors import BulkdeleteError, Stopped, UsageError
from bulkdelete.io import leased as leased_module
from bulkdelete.io.leased import LeasedSlots, look
from bulkdelete.io.slots import Lease
from tests.faults import injectors
from tests.slots.conftest import TERMS
from tests.slots.relay import relay
from tests.slots.server import RedisServer, free_port, redis_server

if TYPE_CHECKING:
    from redis.asyncio import Redis

pytestmark = pytest.mark.redis

SECONDS = 30.0
SHORT = Terms(lease=0.6, needed=0.3, renew=0.1, patience=0.3, beat=0.1, parting=0.1)
Leasing = Callable[..., Awaitable[LeasedSlots]]

HOLDER = """
import asyncio, sys
from bulkdelete.core.keeper import Keeper
from bulkdelete.core.leases import Terms
from bulkdelete.io.leased import LeasedSlots

async def hold():
    terms = Terms(lease=4.0, needed=2.0, renew=0.3, patience=1.5, beat=0.2, parting=0.3)
    async with LeasedSlots(Keeper("127.0.0.1", int(sys.argv[1])), "h", "a", 3, terms) as mine:
        leases = []
        print("ready", flush=True)
        for _ in range(int(sys.argv[2])):
            leases.append(await mine.acquire())
            print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""
"""Another process that takes so many slots, one after the other, with the terms of these tests."""


def child(server: RedisServer, count: int, *before: str) -> "subprocess.Popen[str]":
    """Start it."""
    command = [*before, sys.executable, "-c", HOLDER, str(server.port), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def line(process: "subprocess.Popen[str]") -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def soon(one: LeasedSlots) -> Lease:
    """Acquire without a long wait."""
    return await asyncio.wait_for(one.acquire(), SECONDS)


def clock() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that must happen."""
    end = clock() + SECONDS
    while not true():
        assert clock() < end, "it did not happen"
        await asyncio.sleep(0.02)


async def test_s13_a_redis_that_is_new_hands_out_nothing_for_a_lease(server: RedisServer) -> None:
    """It may have been another before, whose leases are not over; then all goes at once."""
    began = clock()
    async with LeasedSlots(server.keeper, "h", "a", 3, TERMS) as mine:
        waiting = asyncio.create_task(mine.acquire())
        await until(lambda: mine.busy()[0] == "slots_new")
        assert 0 < mine.busy()[1] <= TERMS.lease
        first = await asyncio.wait_for(waiting, SECONDS)
        assert clock() - began >= TERMS.lease - 0.01
        others = [await soon(mine), await soon(mine)]
        assert all(one.good() for one in (first, *others))
    async with LeasedSlots(server.keeper, "h", "a", 3, TERMS) as again:
        began = clock()
        await soon(again)
        assert clock() - began < TERMS.lease / 2  # it is known by now


async def test_a_lease_is_renewed_for_as_long_as_it_is_held(leased: Leasing) -> None:
    """A request may take as long as it likes; nobody else gets its slot."""
    mine, yours = await leased(1), await leased(1)
    lease = await soon(mine)
    waiting = asyncio.create_task(yours.acquire())
    for _ in range(15):
        await asyncio.sleep(TERMS.lease / 10)
        assert lease.good()
        assert not waiting.done()
    lease.release()
    assert (await asyncio.wait_for(waiting, SECONDS)).good()


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSEGV])
async def test_x2_the_slots_of_a_killed_process_are_free_when_its_leases_end(
    server: RedisServer, leased: Leasing, death: signal.Signals
) -> None:
    """Not before, for a request of it may still be in flight; and not much later."""
    mine = await leased(3)
    with child(server, 3) as holder:
        try:
            assert [line(holder) for _ in range(4)] == ["ready", "held", "held", "held"]
            waiting = [asyncio.create_task(mine.acquire()) for _ in range(3)]
            await asyncio.sleep(3 * TERMS.renew)
            holder.send_signal(death)
            holder.wait(SECONDS)
        finally:
            holder.kill()
    began = clock()
    await asyncio.wait_for(asyncio.gather(*waiting), SECONDS)
    assert clock() - began >= TERMS.needed
    assert clock() - began <= TERMS.lease + 10 * TERMS.beat


async def test_x2_one_who_dies_in_line_holds_up_nobody(
    server: RedisServer, leased: Leasing
) -> None:
    """Also where a slot was kept ready for it already."""
    mine, yours = await leased(3), await leased(3)
    held = [await soon(mine) for _ in range(3)]
    with child(server, 1) as dead:
        try:
            assert line(dead) == "ready"
            await until(lambda: bool(server.state("h", "a")["line"]))
            waiting = asyncio.create_task(yours.acquire())
            dead.send_signal(signal.SIGSTOP)  # it is as good as dead, and first in line
            held[0].release()
            began = clock()
            await asyncio.wait_for(waiting, SECONDS)
            assert clock() - began <= TERMS.patience + 10 * TERMS.beat
        finally:
            dead.kill()


async def test_a_frozen_process_sends_nothing_when_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, leased: Leasing
) -> None:
    """Its leases ended meanwhile, and others have its slots."""
    mine, yours = await leased(1), await leased(1)
    lease = await soon(mine)
    mine._tasks[0].cancel()  # as if this process stood still: it says nothing any more
    await asyncio.gather(mine._tasks[0], return_exceptions=True)
    other = await soon(yours)
    assert other.good()
    assert not lease.good()
    real = leased_module.now
    monkeypatch.setattr(leased_module, "now", lambda: real() + 10)
    assert not other.good()  # and neither does the other when ten seconds were lost to it


async def test_without_redis_nothing_new_starts(server: RedisServer, leased: Leasing) -> None:
    """What is surely held may be used while enough is left of it; then nothing."""
    mine = await leased(2)
    lease = await soon(mine)
    spare = await soon(mine)
    spare.release()
    server.kill()
    began = clock()
    again = await soon(mine)  # it was kept, and is held for longer than a request takes
    assert again.good()
    waiting = asyncio.create_task(mine.acquire())
    await until(lambda: mine.busy()[0] == "slots_lost")
    await until(lambda: not lease.good() and not again.good())
    assert clock() - began <= TERMS.lease - TERMS.needed + 0.5
    again.release()
    await asyncio.sleep(0.5)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_s13_a_redis_that_comes_back_empty_hands_out_nothing_for_a_lease(
    server: RedisServer, leased: Leasing
) -> None:
    """Who still holds a slot says so and keeps it; what is not claimed is free after that time."""
    mine, yours = await leased(3), await leased(3)
    held = [await soon(mine), await soon(mine)]
    server.begin_anew()
    began = clock()
    taken = [await soon(yours)]
    assert clock() - began >= TERMS.lease - 0.1
    assert all(one.good() for one in held)
    more = asyncio.create_task(yours.acquire())
    await asyncio.sleep(4 * TERMS.renew)
    assert not more.done()
    held.pop().release()
    taken.append(await asyncio.wait_for(more, SECONDS))
    assert all(one.good() for one in (*held, *taken))


@pytest.mark.parametrize("how", ["flushed", "dropped", "clock back"])
async def test_s13_what_is_forgotten_is_claimed_or_waited_for(
    server: RedisServer, leased: Leasing, how: str
) -> None:
    """A key that is gone, or a server's clock that went back, is as good as another server."""
    mine, yours = await leased(2), await leased(2)
    lease = await soon(mine)
    began = clock()
    if how == "flushed":
        server.command("FLUSHALL")
    elif how == "dropped":
        server.command("DEL", leased_module.key_of("h", "a"))
    else:
        state = server.state("h", "a")
        state["seen"] = int(str(state["seen"])) + 3_600_000
        server.command("SET", leased_module.key_of("h", "a"), json.dumps(state))
    other = await soon(yours)
    assert clock() - began >= TERMS.lease - 0.1
    assert lease.good()
    assert other.good()
    waiting = asyncio.create_task(yours.acquire())
    await asyncio.sleep(4 * TERMS.beat)
    assert not waiting.done()
    lease.release()
    assert (await asyncio.wait_for(waiting, SECONDS)).good()


async def test_s13_a_restart_from_an_old_copy_is_noticed(
    server: RedisServer, leased: Leasing
) -> None:
    """What it says of who holds what is of before: nobody is given a slot by it."""
    mine, yours = await leased(2), await leased(2)
    lease = await soon(yours)
    old = server.command("GET", leased_module.key_of("h", "a")).decode()
    lease.release()
    held = [await soon(mine), await soon(mine)]  # both, while the copy has one of them as yours
    server.kill()
    server.start()
    server.command("SET", leased_module.key_of("h", "a"), old)
    began, waiting = clock(), asyncio.create_task(yours.acquire())
    await asyncio.sleep(TERMS.lease - TERMS.needed + 0.5)
    assert all(one.good() for one in held)
    assert not waiting.done()
    held[0].release()
    await asyncio.wait_for(waiting, SECONDS)
    assert clock() - began >= TERMS.lease - 0.5


async def test_s13_a_failover_to_a_stale_replica_is_noticed(
    server: RedisServer, tmp_path: Path
) -> None:
    """The replica missed who took the slots last; all go on, and nobody exceeds the cap."""
    place = tmp_path / "replica"
    place.mkdir()
    server.known("h", "a")
    with redis_server(place, "--replicaof", f"127.0.0.1 {server.port}") as replica:
        key = leased_module.key_of("h", "a")
        await until(lambda: replica.command("EXISTS", key) == b"1\n")
        async with (
            relay(server.port) as way,
            LeasedSlots(way.keeper, "h", "a", 2, TERMS) as mine,
            LeasedSlots(way.keeper, "h", "a", 2, TERMS) as yours,
        ):
            replica.command("REPLICAOF", "NO", "ONE")
            held = [await soon(mine), await soon(mine)]
            assert not replica.state("h", "a")["slots"]
            way.lead_to(replica.port)
            began, waiting = clock(), asyncio.create_task(yours.acquire())
            await asyncio.sleep(TERMS.lease + 4 * TERMS.beat)
            assert all(one.good() for one in held)
            assert not waiting.done()
            held[0].release()
            assert (await asyncio.wait_for(waiting, SECONDS)).good()
            assert clock() - began >= TERMS.lease


async def test_s13_a_primary_that_became_a_replica_is_left(
    server: RedisServer, tmp_path: Path
) -> None:
    """It closes no connection, and refuses: who comes anew is led to the new one."""
    place = tmp_path / "new"
    place.mkdir()
    server.known("h", "a")
    with redis_server(place) as new:
        async with (
            relay(server.port) as way,
            LeasedSlots(way.keeper, "h", "a", 2, TERMS) as mine,
        ):
            lease = await soon(mine)
            way.target = new.port  # for who comes from now on
            server.command("REPLICAOF", "127.0.0.1", str(new.port))
            await soon(mine)
            assert lease.good()
            channel = leased_module.key_of("h", "a")
            await until(lambda: new.command("PUBSUB", "NUMSUB", channel).split()[1] == b"1")


async def test_a_redis_that_stands_still_for_a_moment_costs_nothing(
    server: RedisServer, leased: Leasing
) -> None:
    """It is waited for; the leases are long enough."""
    mine = await leased(1)
    lease = await soon(mine)
    with server.frozen():
        await asyncio.sleep(0.8)
        assert lease.good()
    await asyncio.sleep(2 * TERMS.renew)
    assert lease.good()
    lease.release()
    await soon(mine)


async def test_s13_a_redis_that_stands_still_for_long_lets_nothing_start(
    server: RedisServer, leased: Leasing
) -> None:
    """What was said meanwhile is done when it goes on, in whatever order: within the cap."""
    parties = [await leased(2), await leased(2)]
    out = most = turns = 0
    ended = asyncio.Event()

    async def work(party: LeasedSlots) -> None:
        nonlocal out, most, turns
        while not ended.is_set():
            lease = await party.acquire()
            if lease.good():
                out += 1
                most = max(most, out)
                await asyncio.sleep(0.01)
                out -= 1
                turns += 1
            lease.release()

    working = [asyncio.create_task(work(one)) for one in parties for _ in range(2)]
    try:
        await until(lambda: turns > 20)
        for _ in range(2):
            with server.frozen():
                await asyncio.sleep(TERMS.lease + 1.0)
                before = turns
                await asyncio.sleep(0.3)
                assert turns == before
            await until(lambda: turns > before + 20)  # noqa: B023 - it is waited for here
    finally:
        ended.set()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    assert most == 2


async def test_who_is_cut_off_loses_its_slots_to_the_others(
    server: RedisServer, leased: Leasing
) -> None:
    """It knows before they have them, and goes on when the way is free again."""
    yours = await leased(1)
    async with (
        relay(server.port) as way,
        LeasedSlots(way.keeper, "h", "a", 1, TERMS) as mine,
    ):
        lease = await soon(mine)
        waiting = asyncio.create_task(yours.acquire())
        way.cut = True
        while not waiting.done():
            was_good = lease.good()
            await asyncio.sleep(0.02)
        assert not was_good
        lease.release()
        way.cut = False
        waiting.result().release()
        again = await soon(mine)
        assert again.good()


@pytest.mark.parametrize("offset", ["-400d", "+400d"])
async def test_k1_a_client_whose_clock_is_wrong_shares_as_the_others(
    server: RedisServer, leased: Leasing, offset: str
) -> None:
    """Only the server's time counts."""
    mine = await leased(3)
    with child(server, 2, injectors.program("faketime"), "-f", offset) as other:
        try:
            assert [line(other) for _ in range(3)] == ["ready", "held", "held"]
            await soon(mine)
            waiting = asyncio.create_task(mine.acquire())
            await asyncio.sleep(TERMS.lease + 1.0)
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        finally:
            _kill_with_children(other.pid)


def _kill_with_children(pid: int) -> None:
    """Kill a process and what it started: faketime's child is the holder."""
    for one in Path("/proc").iterdir():
        if one.name.isdecimal() and _parent(int(one.name)) == pid:
            os.kill(int(one.name), signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


async def test_r5_a_process_that_ends_leaves_what_is_in_flight_its_slot(leased: Leasing) -> None:
    """For a while; what is idle is free at once."""
    mine, yours = await leased(2), await leased(2)
    await soon(mine)
    (await soon(mine)).release()
    await mine.__aexit__(None, None, None)
    began = clock()
    await soon(yours)
    await soon(yours)
    assert clock() - began >= TERMS.parting * 0.5


async def test_s15_the_account_and_the_password_are_nowhere_in_redis(server: RedisServer) -> None:
    """Its name is a hash, and there is one key."""
    server.known("https://secret-host", "SECRET-ACCOUNT")
    async with LeasedSlots(server.keeper, "https://secret-host", "SECRET-ACCOUNT", 1, TERMS) as one:
        await soon(one)
        keys = server.command("KEYS", "*").decode().split()
        assert len(keys) == 1
        assert "secret" not in (keys[0] + server.command("GET", keys[0]).decode()).lower()


def _refusal(error: BulkdeleteError) -> tuple[str, int]:
    return error.code, error.exit


async def _opened(keeper: Keeper, terms: Terms = TERMS) -> None:
    async with LeasedSlots(keeper, "h", "a", 1, terms):
        raise AssertionError("it was opened")


async def test_who_asks_must_be_let_in(tmp_path: Path) -> None:
    """A wrong password, or none, is 2; the right one is taken, and shown nowhere."""
    with redis_server(tmp_path, "--requirepass", "hush-hush") as server:
        for password in (None, "wrong"):
            with pytest.raises(UsageError) as caught:
                await _opened(Keeper("127.0.0.1", server.port, password=password))
            assert _refusal(caught.value) == ("slots_refused", 2)
            assert "hush" not in str(caught.value)
        info, seconds = await look(Keeper("127.0.0.1", server.port, password="hush-hush"))
        assert info["role"] == "master"
        assert 0 < seconds < SECONDS


async def test_t3_a_redis_must_prove_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a certificate of its name, from an authority that is known here."""
    known, unknown = trustme.CA(), trustme.CA()
    known.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for name, authority, host in (
        ("good", known, "127.0.0.1"),
        ("unknown", unknown, "127.0.0.1"),
        ("other", known, "elsewhere.example"),
    ):
        place = tmp_path / name
        place.mkdir()
        issued = authority.issue_cert(host)
        issued.private_key_and_cert_chain_pem.write_to_path(str(place / "pem"))
        pem, port = str(place / "pem"), free_port()
        files = ("--tls-cert-file", pem, "--tls-key-file", pem, "--tls-ca-cert-file", pem)
        with redis_server(
            place, "--tls-port", str(port), *files, "--tls-auth-clients", "no"
        ) as server:
            server.known("h", "a")
            keeper = Keeper("127.0.0.1", port, tls=True)
            if name == "good":
                async with LeasedSlots(keeper, "h", "a", 1, TERMS) as mine:
                    assert (await soon(mine)).good()
                    assert mine._listening.is_set()
                continue
            with pytest.raises(UsageError, match="who it is") as caught:
                await _opened(keeper)
            assert _refusal(caught.value) == ("slots_refused", 2)


async def test_the_permissions_of_the_page_are_enough(server: RedisServer) -> None:
    """And are needed: a user without them is refused before anything is sent."""
    page = (Path(__file__).parents[2] / "docs" / "many-machines.md").read_text()
    words = page.partition("Permissions for an ACL user: `")[2].partition("`")[0].split()
    places = ("~bulkdelete:slots:*", "&bulkdelete:slots:*")
    server.command("ACL", "SETUSER", "me", "on", ">pw", *places, *words)
    for db in (0, 1):
        mine = Keeper("127.0.0.1", server.port, db, user="me", password="pw")
        async with LeasedSlots(mine, "h", f"a{db}", 1, SHORT) as one:
            assert (await soon(one)).good()
            assert one._listening.is_set()
        await look(mine)
    for word in words:
        rest = [one for one in words if one != word]
        server.command("ACL", "SETUSER", "less", "reset", "on", ">pw", *places, *rest)
        less = Keeper("127.0.0.1", server.port, 1, user="less", password="pw")
        server.command("SCRIPT", "FLUSH")
        with pytest.raises(UsageError) as caught:
            await look(less)
        assert _refusal(caught.value) == ("slots_refused", 2), word
        if word != "+subscribe":  # what is not heard is told in exchanges, later
            with pytest.raises(UsageError) as caught:
                await _opened(less)
            assert _refusal(caught.value) == ("slots_refused", 2), word


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [("maxmemory", "1", "OutOfMemory"), ("min-replicas-to-write", "1", "NOREPLICAS")],
)
async def test_who_refuses_for_a_while_is_75(
    server: RedisServer, leased: Leasing, name: str, value: str, word: str
) -> None:
    """At the start at once, and later as what it is: it does answer."""
    mine = await leased(1)
    await soon(mine)
    with capture_logs() as lines:
        server.command("CONFIG", "SET", name, value)
        with pytest.raises(Stopped, match=rf"refuses to work at present \({word}\)") as caught:
            await _opened(server.keeper)
        assert _refusal(caught.value) == ("slots_lost", 75)
        await until(lambda: mine.busy()[0] == "slots_refused")
        await asyncio.sleep(3 * leased_module.RETRY_SECONDS)
        server.command("CONFIG", "SET", name, "0")
        await until(lambda: mine.busy()[0] == "slots")
        server.command("FLUSHALL")
        await until(lambda: mine.busy()[0] == "slots_new")
    said = [(one["event"], one.get("why")) for one in lines]
    assert said == [("slots.lost", word), ("slots.back", None), ("slots.new", None)]


async def test_the_end_does_not_wait_for_a_redis_that_stands_still(
    server: RedisServer, leased: Leasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it may take to answer else: a stop is to be over soon."""
    monkeypatch.setattr(leased_module, "ANSWER_SECONDS", 25.0)
    mine = await leased(1)
    await soon(mine)
    with server.frozen():
        await asyncio.sleep(2 * TERMS.renew)  # an exchange is on its way
        began = clock()
        await mine.__aexit__(None, None, None)
        assert clock() - began < 10.0


@pytest.mark.parametrize(
    ("cause", "found"),
    [
        (ssl.SSLCertVerificationError("unknown"), True),
        (ssl.SSLError("WRONG_VERSION_NUMBER"), True),
        (ssl.SSLEOFError("cut"), False),
        (ssl.SSLZeroReturnError("closed"), False),
        (ConnectionResetError("cut"), False),
    ],
)
def test_a_handshake_that_is_cut_is_no_refusal(cause: Exception, found: bool) -> None:
    """A restart does it; that is 75, and no matter of who the other side is."""
    error = OSError("cannot connect")
    error.__cause__ = cause
    assert leased_module._of_tls(error) is found


async def test_looking_at_a_redis_that_stands_still_is_75(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses nothing."""
    monkeypatch.setattr(leased_module, "ANSWER_SECONDS", 0.3)
    real = leased_module.inform

    async def informed(redis: "Redis", keeper: Keeper) -> dict[str, object]:
        info = await real(redis, keeper)
        stack.enter_context(server.frozen())
        return info

    monkeypatch.setattr(leased_module, "inform", informed)
    with ExitStack() as stack, pytest.raises(Stopped) as caught:
        await look(server.keeper)
    assert _refusal(caught.value) == ("slots_lost", 75)


async def test_what_cannot_keep_slots_is_refused(server: RedisServer, tmp_path: Path) -> None:
    """A replica, a node of a cluster; and one that is not there is 75."""
    for name, words in (
        ("replica", ("--replicaof", f"127.0.0.1 {server.port}")),
        ("cluster", ("--cluster-enabled", "yes")),
    ):
        place = tmp_path / name
        place.mkdir()
        with redis_server(place, *words) as other, pytest.raises(UsageError) as caught:
            await _opened(other.keeper)
        assert _refusal(caught.value) == ("slots_refused", 2)
        assert name in str(caught.value).lower()
    with pytest.raises(Stopped) as stopped:
        await _opened(Keeper("127.0.0.1", free_port()))
    assert _refusal(stopped.value) == ("slots_lost", 75)
