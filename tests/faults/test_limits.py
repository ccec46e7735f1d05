"""The limit of requests in flight, and hints to wait, on real sockets."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import chain, pairwise

import pytest

from tests.conftest import Emulate, Program, times_acted
from tests.faults.doubts import SIZE, between
from tests.faults.raw_server import WHOLE, Reader, Server, Writer, answer, following

BUSY = b'{"status":"fail","error":"Too many concurrent requests","code":429}'


def throttle(*lines: str) -> bytes:
    """Return a 429 with these header lines."""
    return answer(429, BUSY, *lines)


async def test_r1_without_a_hint_fewer_are_in_flight(program: Program, emulate: Emulate) -> None:
    """Two slots for our three: after the first 429 no more than two are out, but for rare tries."""
    emulator = await emulate(limit=2, latency=0.03)
    path, ids = program.ids(6000)
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    stats = emulator.state.stats()
    assert 1 <= stats["throttled"] <= 4
    assert ended.json["requests"]["throttled"] == stats["throttled"]
    first = next(a for a in emulator.state.log if a.verdict == "throttled")
    later = [a.in_flight + 1 for a in emulator.state.log if a.seq > first.seq]
    assert sum(one > 2 for one in later) <= 3
    assert stats["utilisation"] > 0.5


async def test_r1_the_next_try_is_drawn(program: Program) -> None:
    """A row of refusals of one chunk: the waits grow, and are not all alike."""
    path, ids = program.ids(SIZE)
    async with Server(following(*[throttle()] * 3)).running() as server:
        program.url = server.url
        ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert server.fired == 3
    assert Counter(chain.from_iterable(server.sent_ids)) == dict.fromkeys(ids, 4)
    waits = [later - earlier for earlier, later in pairwise(server.times)]
    assert len({round(one, 3) for one in waits}) == len(waits)
    assert min(waits) >= 0.125  # half of the first cool-off is sure
    assert waits[-1] >= 0.5  # and half of the third


def in_seconds(seconds: float, skew: float) -> tuple[str, str]:
    """Return Date and Retry-After of a server whose clock is off by `skew` seconds."""
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=skew)
    then = now + timedelta(seconds=seconds)
    return (
        f"Date: {format_datetime(now, usegmt=True)}",
        f"Retry-After: {format_datetime(then, usegmt=True)}",
    )


@pytest.mark.parametrize("skew", [0, -3600, 3600, 86_400 * 400])
async def test_r2_k2_a_date_counts_from_the_servers_own(program: Program, skew: float) -> None:
    """A second is a second, although the server's clock is wrong by an hour, or a year."""
    path, ids = program.ids(SIZE * 8)
    async with Server(following(WHOLE, throttle(*in_seconds(1, skew)))).running() as server:
        program.url = server.url
        ended = await program.run(path, "--chunk-size", SIZE, "--give-up-after", "5m")
    assert ended.code == 0, ended.err
    assert server.fired == 2
    assert sorted(chain.from_iterable(server.sent_ids)) == sorted([*ids, *server.sent_ids[1]])
    refused = server.times[1]
    # Two more may have been under way when the refusal came in.
    later = sorted(one - refused for one in server.times[2:])[2:]
    assert 0.99 <= later[0] < 30


NONSENSE = ["-1", "", "NaN", "soon", "9" * 400]


async def test_r3_hints_without_sense_are_ignored_and_noted(program: Program) -> None:
    """Each is logged, without its text, and nothing waits for it; nor for a past date, or two."""
    lines = [[f"Retry-After: {one}"] for one in NONSENSE]
    lines += [["Retry-After: 1", "Retry-After: 2"], list(in_seconds(-3600, 0))]
    steps = between([throttle(*one) for one in lines])
    path, ids = program.ids(len(steps))
    words = ("--chunk-size", 1, "--max-in-flight", 1, "--give-up-after", "20s")
    async with Server(following(*steps)).running() as server, asyncio.timeout(60):
        program.url = server.url
        ended = await program.run(path, *words, "--log-format", "json")
    assert ended.code == 0, ended.err
    assert server.fired == len(steps)
    assert Counter(chain.from_iterable(server.sent_ids)).keys() == set(ids)
    events = [json.loads(one) for one in ended.err.splitlines() if one.startswith("{")]
    noted = [one for one in events if one["event"] == "hint.ignored"]
    assert len(noted) == len(lines)
    assert not [one for one in NONSENSE[2:] if one in json.dumps(noted)]


@pytest.mark.parametrize(("hint", "status"), [("1e12", 429), ("301", 503), ("86400", 429)])
async def test_r3_a_hint_beyond_our_patience_stops(
    program: Program, hint: str, status: int
) -> None:
    """Longer than --give-up-after: 75 at once, and no request more than were out."""
    path, ids = program.ids(600)
    asked = answer(status, BUSY, f"Retry-After: {hint}")
    async with Server(following(WHOLE, then=asked)).running() as server:
        program.url = server.url
        ended = await program.run(path, "--give-up-after", "5m")
        assert (ended.code, ended.json["reason"]["code"]) == (75, "wait_hint"), ended.err
        assert 2 <= len(server.requests) <= 1 + 3
        kept = ended.json["ids"]["unsent" if status == 429 else "ambiguous"]
        assert kept == (500 if status == 429 else 100 * (len(server.requests) - 1))
        server.script = following()
        assert (await program.run(path)).code == 0
    assert Counter(chain.from_iterable(server.sent_ids)).keys() == set(ids)


@pytest.mark.slow
async def test_r4_a_storm_of_429_ends_resumable(program: Program) -> None:
    """Nothing but 429: few requests, 75, all unsent, and once the storm is over each ID once."""
    path, ids = program.ids(SIZE * 40)
    taken = 0

    async def storm(_: Server, __: Reader, writer: Writer) -> None:
        nonlocal taken
        taken += 1
        writer.write(throttle())

    async with Server(following(WHOLE, then=storm)).running() as server:
        program.url = server.url
        ended = await program.run(path, "--chunk-size", SIZE, "--give-up-after", "3s")
        assert (ended.code, ended.json["reason"]["code"]) == (75, "outage"), ended.err
        assert 2 <= taken <= 40 * 0.25 + 10
        assert ended.json["ids"]["unsent"] == SIZE * 39
        assert ended.json["requests"]["throttled"] == taken
        del server.requests[1:]
        server.script = following()
        assert (await program.run(path, "--chunk-size", SIZE)).code == 0
    assert Counter(chain.from_iterable(server.sent_ids)) == Counter(ids)


@pytest.mark.slow
async def test_r5_two_programs_of_other_hosts_finish_on_three_slots(
    program: Program, emulate: Emulate
) -> None:
    """They do not see each other's slots, only 429s: both finish, each ID is acted on once."""
    emulator = await emulate(limit=3, latency=0.02)
    one, ids = program.ids(2000, "one.csv")
    lines = [f"other-{number}" for number in range(2000)]
    two = program.write("two.csv", "identity", *lines)
    # By another name the account's slots are others, as they are on another machine.
    apart = Program(program.place, program.url.replace("127.0.0.1", "localhost"))
    flags = ("--chunk-size", 10)
    ended = await asyncio.gather(program.run(one, *flags), apart.run(two, *flags))
    assert [each.code for each in ended] == [0, 0], ended[0].err + ended[1].err
    assert emulator.state.stats()["max_live_in_flight"] > 3
    assert emulator.state.stats()["throttled"] >= 1
    assert times_acted(emulator) == dict.fromkeys([*ids, *lines], 1)
