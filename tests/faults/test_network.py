"""The network between the program and the API, at its worst: the whole program rides it out."""

import asyncio
from collections import Counter
from itertools import chain

import pytest

from tests.conftest import Program
from tests.faults.doubts import SIZE, in_file, leaves_doubts
from tests.faults.raw_server import (
    OK,
    WHOLE,
    Reader,
    Server,
    Step,
    Writer,
    answer,
    chunked,
    dripping,
    following,
    half_closed,
    stay_silent,
    then_close,
    then_reset,
    unsized,
)

SICK = answer(503, b"<html>Service Unavailable</html>")
PATIENCE = 0.8
"""Seconds that a request may take where the server is silent on purpose."""


async def test_n3_resets(program: Program) -> None:
    """Before, in and after the head of an answer, and in its body."""
    cuts = [b"", WHOLE[:10], WHOLE[:30], WHOLE[: -len(OK)], WHOLE[:-1]]
    await leaves_doubts(program, *map(then_reset, cuts))


async def test_n4_n5_n6_no_answer_in_time(program: Program) -> None:
    """Half closed, hung up, silent, a byte now and then: the deadline is for the whole answer."""
    steps = [half_closed, then_close(b""), stay_silent, dripping(WHOLE, 45)]
    async with asyncio.timeout(60):
        await leaves_doubts(program, *steps, patience=PATIENCE)


async def test_n7_n8_answers_that_are_cut(program: Program) -> None:
    """Shorter than they say, without the last chunk, or JSON that just stops."""
    cut: list[bytes] = [
        answer(200, OK, length=len(OK) + 1),
        answer(200, b"", length=len(OK)),
        chunked(OK),
        unsized(200, b"1e\r\n" + OK, "Transfer-Encoding: chunked"),
        unsized(200, b"zz\r\n" + OK, "Transfer-Encoding: chunked"),
        unsized(200, OK[:-1]),
        unsized(200, b""),
        b"HTTP/1.1 2",
        OK,
    ]
    await leaves_doubts(program, *map(then_close, cut))


async def test_n1_a_port_that_closes_under_the_run(program: Program) -> None:
    """Nobody listens any more: not sent, given up resumable; listening again, each ID once."""
    path, ids = program.ids(500)
    flags = ("--chunk-size", SIZE, "--timeout", PATIENCE, "--give-up-after", "0.2s")
    server = Server(following())
    async with server.running():
        program.url = server.url
        held = await program.run(path, *flags, "--hold-after", 200)
        port = server.port
    assert held.code == 75, held.err
    refused = await program.run(path, *flags)
    assert (refused.code, refused.json["reason"]["code"]) == (75, "outage")
    assert refused.json["requests"]["sent"] == len(server.requests) == 20
    assert refused.json["requests"]["failed"] >= 2
    assert (refused.json["ids"]["unsent"], refused.json["ids"]["ambiguous"]) == (300, 0)
    async with Server(following(), wanted=port).running() as back:
        ended = await program.run(path, *flags)
    assert ended.code == 0, ended.err
    sent = chain.from_iterable([*server.sent_ids, *back.sent_ids])
    assert Counter(sent) == Counter(ids)


async def test_n11_connections_that_close_as_they_are_used_again(program: Program) -> None:
    """The server hangs up after each answer without having said so: nothing is sent unseen."""
    path, ids = program.ids(600)
    async with Server(following(then=then_close(WHOLE))).running() as server:
        program.url = server.url
        for _ in range(5):
            ended = await program.run(path, "--chunk-size", SIZE)
            if ended.code == 0:
                break
    assert ended.code == 0, ended.err
    assert server.connections >= 60
    requests = ended.json["requests"]
    assert 60 <= len(server.requests) <= 60 + requests["ambiguous"]
    times = Counter(chain.from_iterable(server.sent_ids))
    assert times.keys() == set(ids)
    assert sum(times.values()) - len(ids) <= requests["ambiguous"] * SIZE


EXTRA = [WHOLE, answer(429), OK, b"HTTP/1.1 200 OK\r\n", b"\r\n", b"x"]


@pytest.mark.parametrize("pause", [0.0, 0.02], ids=["at once", "while idle"])
async def test_n13_bytes_behind_an_answer_are_credited_to_nobody(
    program: Program, pause: float
) -> None:
    """After two answers to one request the next one is refused with 503: it stays in doubt."""
    path, ids = program.ids(SIZE * (1 + 2 * len(EXTRA)))
    steps: list[Step] = [WHOLE]
    for extra in EXTRA:
        steps += [and_then(extra, pause), SICK]
    flags = ("--chunk-size", SIZE, "--max-in-flight", 1, "--on-ambiguous", "hold")
    async with Server(following(*steps)).running() as server:
        program.url = server.url
        ended = await program.run(path, *flags, "--max-failures", 100, "--rate", 20)
    assert ended.code == 3, ended.err
    assert server.fired == len(server.requests) == len(steps)
    doubted = in_file(program, "ambiguous")
    refused = list(chain.from_iterable(server.sent_ids[2::2]))
    assert set(refused) <= set(doubted)
    assert ended.json["ids"]["accepted"] + len(doubted) == len(ids)


def and_then(extra: bytes, pause: float) -> Step:
    """Answer, and say something more."""
    if not pause:
        return WHOLE + extra

    async def step(_: Server, __: Reader, writer: Writer) -> None:
        writer.write(WHOLE)
        await asyncio.sleep(pause)
        writer.write(extra)

    return step


async def test_n14_a_late_answer_is_credited_to_nobody(program: Program) -> None:
    """Success after the deadline, while the next request is out that gets 503: both in doubt."""
    late = 0

    async def too_late(_: Server, __: Reader, writer: Writer) -> None:
        nonlocal late
        await asyncio.sleep(PATIENCE + 0.3)
        late += 1
        writer.write(WHOLE)
        await writer.drain()

    async def slow_refusal(_: Server, __: Reader, writer: Writer) -> None:
        await asyncio.sleep(PATIENCE / 2)
        writer.write(SICK)

    path, _ = program.ids(SIZE * 4)
    flags = ("--chunk-size", SIZE, "--max-in-flight", 1, "--timeout", PATIENCE)
    held = ("--on-ambiguous", "hold", "--max-failures", 100)
    steps: list[Step] = [WHOLE, too_late, slow_refusal, WHOLE]
    async with Server(following(*steps)).running() as server:
        program.url = server.url
        ended = await program.run(path, *flags, *held)
        while not late:
            await asyncio.sleep(0.01)
    assert ended.code == 3, ended.err
    assert server.fired == len(server.requests) == 4
    assert in_file(program, "ambiguous") == [*server.sent_ids[1], *server.sent_ids[2]]
    assert ended.json["ids"]["accepted"] == 2 * SIZE


async def test_n17_the_surroundings_do_not_say_where_it_goes(program: Program) -> None:
    """Proxies in the environment and a .netrc with a word for this host: nobody looks at them."""
    netrc = program.write("netrc", "machine 127.0.0.1 login somebody password else")
    netrc.chmod(0o600)
    path, _ = program.ids(250)
    async with Server(following()).running() as proxy, Server(following()).running() as server:
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        program.env |= dict.fromkeys(names, proxy.url) | {"NETRC": str(netrc)}
        program.env |= {"HOME": str(program.place), "no_proxy": "", "NO_PROXY": ""}
        (program.place / ".netrc").write_bytes(netrc.read_bytes())
        program.url = server.url
        ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert (proxy.connections, len(server.requests)) == (0, 3)
    assert not [one for one in server.requests if b"authorization" in one.lower()]


@pytest.mark.slow
async def test_n1_v14_in_an_outage_single_probes_and_an_end(program: Program) -> None:
    """Five failures in a row open the breaker: then one request at a time, and 75 in the end."""
    out: list[int] = []
    now = 0

    async def sick(__: Server, _: Reader, writer: Writer) -> None:
        nonlocal now
        now += 1
        out.append(now)
        await asyncio.sleep(0.05)
        now -= 1
        writer.write(SICK)

    path, ids = program.ids(2000)
    flags = ("--chunk-size", SIZE, "--max-in-flight", 8, "--give-up-after", "2s")
    async with Server(following(WHOLE, then=sick)).running() as server:
        program.url = server.url
        ended = await program.run(path, *flags)
        assert (ended.code, ended.json["reason"]["code"]) == (75, "outage"), ended.err
        # Those that were out when the fifth failed may come in after it; then it is one by one.
        assert max(out) > 1
        assert set(out[5 + 8 :]) <= {1}
        assert len(out) <= 200 // 4 + 10 + 8
        assert ended.json["ids"]["unsent"] + ended.json["ids"]["ambiguous"] == 2000 - SIZE
        server.script = following()
        ended = await program.run(path, *flags)
    assert ended.code == 0, ended.err
    times = Counter(chain.from_iterable(server.sent_ids))
    assert times.keys() == set(ids)
    assert sum(times.values()) - len(ids) <= len(out) * SIZE
