"""The one place that can send, against servers that behave in every bad way."""

import asyncio
import gc
import gzip
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp.helpers import calculate_timeout_when

from bulkdelete import targets
from bulkdelete.core.model import (
    Abort,
    Accepted,
    Ambiguous,
    Answer,
    Failed,
    Kind,
    Lost,
    Reply,
    Verdict,
)
from bulkdelete.core.target import MAX_ANSWER
from bulkdelete.errors import UsageError
from bulkdelete.io.client import Client, lost
from bulkdelete.targets.clevertap import CLEVERTAP
from tests.faults.certificates import OLD, UNPROVEN, Authority
from tests.faults.raw_server import (
    BROKEN_HANDSHAKES,
    OK,
    TLS_RECORD,
    WHOLE,
    Reader,
    Script,
    Server,
    Writer,
    answer,
    closed_port,
    keeping,
    saying,
    then_reset,
    unsized,
)

PATH = CLEVERTAP.delete_path
IDS = ("u-1", "u-2")
BODY = CLEVERTAP.encode(Kind.IDENTITY, IDS)
HEADERS = CLEVERTAP.headers("W9R-TEST", "pass-7f3a")
SOON = 0.25


def client(url: str, *, limit: float = 5.0, tls: ssl.SSLContext | None = None) -> Client:
    """Return a client with the tests' credentials."""
    return Client(url, HEADERS, account="W9R-TEST", timeout=limit, connections=3, tls=tls)


async def post(mine: Client, body: bytes = BODY) -> Reply:
    """Send a request; check that it was told of its departure once, if it left at all."""
    told: list[str] = []

    async def clear() -> bool:
        told.append("clear")
        return True

    reply = await mine.post(PATH, body, clear, lambda: told.append("departed"))
    if isinstance(reply, Answer) or reply.sent:
        assert told in (["clear"], ["clear", "departed"])
    else:
        assert told == []
    return reply


async def posted(script: Script, *, limit: float = 5.0) -> tuple[Reply, Server]:
    """Send one request to a server that follows a script."""
    async with Server(script).running() as server, client(server.url, limit=limit) as mine:
        return await post(mine), server


def judged(reply: Reply) -> Verdict:
    """Return what the target makes of a reply, at the canary."""
    return CLEVERTAP.decode(reply, Kind.IDENTITY, IDS, False)


async def test_v1_a_request_and_its_answer() -> None:
    """The whole request as it arrives, and the answer as it was sent."""
    reply, server = await posted(saying(answer(200, OK, "X-A: 1", "x-a: 2", "Retry-After: 5")))
    assert reply == Answer(
        200,
        {"content-length": ["20"], "x-a": ["1", "2"], "retry-after": ["5"]},
        OK,
        complete=True,
    )
    assert judged(reply) == Accepted()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    names = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}
    assert first == f"POST {PATH} HTTP/1.1"
    assert json.loads(body) == {"identity": list(IDS)}
    assert names["x-clevertap-account-id"] == "W9R-TEST"
    assert names["x-clevertap-passcode"] == "pass-7f3a"
    assert names["accept-encoding"] == "identity"
    assert names["content-type"] == "application/json; charset=utf-8"
    assert names["content-length"] == str(len(BODY))
    assert not {"cookie", "authorization", "proxy-authorization", "expect"} & set(names)
    assert len(lines) == len(names)


async def test_a_question_has_no_body() -> None:
    """`get` asks for a path with its query, with the same credentials."""
    async with Server(saying(answer(401))).running() as server, client(server.url + "/") as mine:
        reply = await mine.get("/1/profile.json?identity=x%20y")
    assert isinstance(reply, Answer)
    assert reply.status == 401
    assert server.requests[0].startswith(b"GET /1/profile.json?identity=x%20y HTTP/1.1\r\n")
    assert b"pass-7f3a" in server.requests[0]
    assert b"content-length" not in server.requests[0].lower()


async def test_requests_share_a_connection_and_no_cookies() -> None:
    """One connection is used again; what a server sets is not sent back."""
    script = keeping(answer(200, OK, "Set-Cookie: a=b; Path=/"), answer(200, OK))
    async with Server(script).running() as server, client(server.url) as mine:
        for _ in range(2):
            assert judged(await post(mine)) == Accepted()
    assert server.connections == 1
    assert b"cookie" not in server.requests[1].lower()


async def test_what_is_called_off_when_its_connection_stands_leaves_no_byte() -> None:
    """The connection is good for the next, which is all that the server ever sees."""

    async def no() -> bool:
        return False

    async with Server(keeping(WHOLE)).running() as server, client(server.url) as mine:
        reply = await mine.post(PATH, BODY, no, lambda: pytest.fail("it left"))
        assert reply == Lost("withheld", sent=False)
        assert judged(await post(mine)) == Accepted()
    assert (server.connections, len(server.requests)) == (1, 1)


async def test_a_request_that_is_given_up_when_its_connection_stands_lets_it_go() -> None:
    """No byte leaves, and the connection is closed: nobody has to clear it away later."""
    stands = asyncio.Event()

    async def waits() -> bool:
        stands.set()
        await asyncio.Event().wait()
        return True

    async with Server(keeping(WHOLE)).running() as server, client(server.url) as mine:
        asked = mine.post(PATH, BODY, waits, lambda: pytest.fail("it left"))
        task = asyncio.create_task(asked)
        await stands.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task, asked
        gc.collect()  # what is still open is told of now
        assert judged(await post(mine)) == Accepted()
    assert (server.connections, len(server.requests)) == (2, 1)


async def test_a_connection_that_ended_while_a_request_waited_is_made_anew() -> None:
    """The server hangs up on what is idle; the request asks again on the new connection."""
    asked: list[int] = []
    async with Server(saying(WHOLE)).running() as server, client(server.url) as mine:
        assert judged(await post(mine)) == Accepted()

        async def when_it_hung_up() -> bool:
            asked.append(server.connections)
            if len(asked) == 1:
                await asyncio.sleep(4 * 0.05)  # `saying` hangs up after a quarter of that
            return True

        reply = await mine.post(PATH, BODY, when_it_hung_up, lambda: None)
    assert judged(reply) == Accepted()
    assert (asked, len(server.requests)) == ([1, 2], 2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:{port}/x", "//127.0.0.1:{port}/x", "{path}", "?a", "https://a.b/"]
)
async def test_v7_redirects_are_never_followed(status: int, place: str) -> None:
    """The second listener gets 0 bytes, and the first one request."""
    async with Server(saying(answer(200, OK))).running() as other:
        location = place.format(port=other.port, path=PATH)
        reply, server = await posted(saying(answer(status, b"", f"Location: {location}")))
    assert isinstance(reply, Answer)
    assert (reply.status, reply.headers["location"]) == (status, [location])
    assert judged(reply) == Abort("redirect")
    assert (len(server.requests), server.connections) == (1, 1)
    assert (other.connections, other.requests) == (0, [])


async def test_n17_proxies_and_netrc_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The surroundings do not say where the passcode goes, nor who asks."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", "ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with Server(saying(answer(200, OK))).running() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        reply, server = await posted(saying(answer(200, OK)))
    assert judged(reply) == Accepted()
    assert proxy.connections == 0
    assert b"authorization" not in server.requests[0].lower()


# --- no answer ---


async def test_n1_a_refused_connection_was_not_sent() -> None:
    """It is no act: the chunk stays unsent."""
    async with client(f"http://127.0.0.1:{closed_port()}") as mine:
        reply = await post(mine)
    assert reply == Lost("connect_failed", sent=False)
    assert judged(reply) == Failed("connect_failed")


async def test_t1_an_unknown_name_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """NXDOMAIN is no act."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with client("https://no-such-host.example") as mine:
        assert await post(mine) == Lost("dns", sent=False)


def resetting(after: bytes, *, read: bool = True) -> Script:
    """Send some bytes, then RST, whether a request was read or not."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        if read:
            await server.request(reader)
        await then_reset(after)(server, reader, writer)

    return script


@pytest.mark.parametrize(
    ("after", "read"),
    [
        pytest.param(b"", False, id="before the request"),
        pytest.param(b"", True, id="before the answer"),
        pytest.param(WHOLE[:10], True, id="in the status"),
        pytest.param(WHOLE[:30], True, id="in the headers"),
        pytest.param(WHOLE[:-20], True, id="after the headers"),
        pytest.param(WHOLE[:-1], True, id="in the body"),
    ],
)
async def test_n3_a_reset_is_in_doubt(after: bytes, read: bool) -> None:
    """Wherever it comes: a byte may have left, and no whole answer came."""
    reply, _ = await posted(resetting(after, read=read))
    assert isinstance(judged(reply), Ambiguous)
    assert reply.sent if isinstance(reply, Lost) else not reply.complete


async def test_n4_a_server_that_hangs_up_without_an_answer_is_in_doubt() -> None:
    """It took the request and said nothing."""
    reply, server = await posted(saying(b""))
    assert reply == Lost("connection_lost", sent=True)
    assert len(server.requests) == 1


async def test_n4_a_server_that_half_closes_is_in_doubt() -> None:
    """Its side is shut, ours stays open: no answer can come any more."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        writer.write_eof()
        await asyncio.sleep(5)

    reply, _ = await posted(script, limit=1.0)
    assert isinstance(judged(reply), Ambiguous)


async def silent(server: Server, reader: Reader, _: Writer) -> None:
    """Take the request, and say nothing."""
    await server.request(reader)
    await asyncio.sleep(60)


async def deaf(_: Server, __: Reader, ___: Writer) -> None:
    """Accept, and do not even read."""
    await asyncio.sleep(60)


@pytest.mark.parametrize("script", [silent, deaf])
async def test_n5_a_silent_server_is_given_up(script: Script) -> None:
    """At the deadline: in doubt, and perhaps still at work on it."""
    started = asyncio.get_running_loop().time()
    reply, _ = await posted(script, limit=SOON)
    assert reply == Lost("timeout", sent=True, abandoned=True)
    assert SOON <= asyncio.get_running_loop().time() - started < SOON + 10


@pytest.mark.parametrize("start", [0, 40, len(WHOLE) - 10])
async def test_n6_a_drip_does_not_put_off_the_deadline(start: int) -> None:
    """The deadline is for the whole answer, not for each byte."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        writer.write(WHOLE[:start])
        for byte in WHOLE[start:]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    reply, _ = await posted(script, limit=SOON)
    assert reply == Lost("timeout", sent=True, abandoned=True)


async def test_n16_an_answer_in_single_bytes_is_whole() -> None:
    """Slicing changes nothing when it is in time."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        for byte in WHOLE:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await asyncio.sleep(5)

    reply, _ = await posted(script)
    assert judged(reply) == Accepted()


# --- half answers, and too much of them ---


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(answer(200, OK, length=21), id="N7 one byte short"),
        pytest.param(answer(200, OK, length=10_000), id="N7 short"),
        pytest.param(answer(200, b"", length=20), id="N7 nothing"),
        pytest.param(
            unsized(200, b"14\r\n" + OK + b"\r\n", "Transfer-Encoding: chunked"), id="N7 no last"
        ),
        pytest.param(unsized(200, b"1e\r\n" + OK, "Transfer-Encoding: chunked"), id="N7 cut chunk"),
        pytest.param(unsized(200, b"zz\r\n" + OK, "Transfer-Encoding: chunked"), id="N7 bad chunk"),
        pytest.param(unsized(200, OK[:-1]), id="N8 no length, cut"),
        pytest.param(unsized(200, b""), id="N8 no length, nothing"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0" * 100, id="no HTTP"),
        pytest.param(OK, id="JSON without HTTP"),
        pytest.param(b"HTTP/1.1 2", id="cut status"),
        pytest.param(b"HTTP/1.1 abc OK\r\n\r\n", id="bad status"),
        pytest.param(answer(200, OK, "Content-Length: 7"), id="two lengths"),
        pytest.param(answer(200, OK, "Transfer-Encoding: chunked"), id="length and chunks"),
        pytest.param(answer(200, OK, "Bad Header"), id="bad header"),
        pytest.param(answer(200, OK, "X-Long: " + "x" * 1_000_000), id="V15 1 MB header"),
        pytest.param(
            answer(200, OK, *(f"X-{n}: {n}" for n in range(10_000))), id="V15 10k headers"
        ),
    ],
)
async def test_n7_n8_v15_what_is_no_whole_answer_is_in_doubt(sent: bytes) -> None:
    """However it is broken, it is never a success, and never a failure before sending."""
    reply, server = await posted(saying(sent))
    assert isinstance(judged(reply), Ambiguous)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "sent",
    [
        answer(200, OK),
        unsized(200, OK),
        unsized(200, OK, "Connection: close"),
        unsized(
            200,
            b"5\r\n" + OK[:5] + b"\r\nf\r\n" + OK[5:] + b"\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked",
        ),
        unsized(100, b"") + answer(200, OK),
        unsized(103, b"", "Link: </x>") + unsized(100, b"") + answer(200, OK),
    ],
)
async def test_v1_whole_answers_of_every_form(sent: bytes) -> None:
    """With a length, up to the end, in chunks, after interim ones."""
    reply, _ = await posted(saying(sent))
    assert judged(reply) == Accepted()


@pytest.mark.parametrize(
    ("size", "whole"),
    [(MAX_ANSWER - 1, True), (MAX_ANSWER, True), (MAX_ANSWER + 1, False), (5_000_000, False)],
)
async def test_v15_at_most_64_kib_are_read(size: int, whole: bool) -> None:
    """The limit itself is whole; anything longer is cut there, and says so."""
    reply, _ = await posted(saying(answer(200, b"x" * size)))
    assert isinstance(reply, Answer)
    assert reply.complete is whole
    assert reply.body == b"x" * min(size, MAX_ANSWER)


@pytest.mark.parametrize(("more", "whole"), [(0, True), (1, False)])
async def test_v15_as_much_is_read_as_the_target_says(more: int, whole: bool) -> None:
    """Where answers list what they are for, they are long."""
    most = 3 * MAX_ANSWER
    script = saying(answer(200, b"x" * (most + more)))
    async with (
        Server(script).running() as server,
        Client(
            server.url, HEADERS, account="A", timeout=5.0, connections=1, max_answer=most
        ) as mine,
    ):
        reply = await post(mine)
    assert isinstance(reply, Answer)
    assert (len(reply.body), reply.complete) == (most, whole)


async def test_v15_an_endless_answer_is_cut_off() -> None:
    """The connection is dropped, so that the server's bytes have nowhere to go."""
    hung_up = asyncio.Event()
    sent = 0

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        nonlocal sent
        await server.request(reader)
        writer.write(unsized(200, b"", "Transfer-Encoding: chunked"))
        try:
            while True:
                writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                sent += 0x4000
                await writer.drain()
        finally:
            hung_up.set()

    async with Server(script).running() as server, client(server.url) as mine:
        reply = await post(mine)
        await asyncio.wait_for(hung_up.wait(), 5.0)
    assert isinstance(reply, Answer)
    assert (len(reply.body), reply.complete) == (MAX_ANSWER, False)
    assert sent < 50_000_000


async def test_v15_interim_answers_without_end_meet_the_deadline() -> None:
    """1xx answers put nothing off."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        while True:
            writer.write(unsized(100, b"") * 100)
            await writer.drain()
            await asyncio.sleep(0.001)

    reply, _ = await posted(script, limit=SOON)
    assert isinstance(judged(reply), Ambiguous)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_v15_compressed_answers_are_not_inflated(encoding: str) -> None:
    """We did not ask for them: their bytes are no JSON, however small they are."""
    bomb = gzip.compress(OK + b" " * 10_000_000)
    assert len(bomb) < MAX_ANSWER
    reply, _ = await posted(saying(answer(200, bomb, f"Content-Encoding: {encoding}")))
    assert isinstance(reply, Answer)
    assert reply.body == bomb
    assert judged(reply) == Ambiguous("answer_not_json")


# --- one answer, one request ---


async def test_n11_a_kept_connection_closed_as_we_send_is_in_doubt() -> None:
    """It may have been read: it is not sent again behind our back on another connection."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        writer.write(WHOLE)
        await server.request(reader)

    async with Server(script).running() as server, client(server.url) as mine:
        assert judged(await post(mine)) == Accepted()
        reply = await post(mine)
    assert reply == Lost("connection_lost", sent=True)
    assert (server.connections, len(server.requests)) == (1, 2)


async def test_n11_a_kept_connection_closed_while_idle_is_not_used() -> None:
    """The next request goes out on a new one, once."""
    async with Server(saying(WHOLE)).running() as server, client(server.url) as mine:
        for _ in range(3):
            assert judged(await post(mine)) == Accepted()
            await asyncio.sleep(0.1)
    assert (server.connections, len(server.requests)) == (3, 3)


ERROR = answer(500, b"")


@pytest.mark.parametrize("extra", [WHOLE, answer(429), OK, b"HTTP/1.1 200 OK\r\n", b"\r\n", b"x"])
@pytest.mark.parametrize("pause", [0.0, 0.02], ids=["at once", "while idle"])
async def test_n13_extra_bytes_are_credited_to_nobody(extra: bytes, pause: float) -> None:
    """A second answer on a kept connection is not that of the next request."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        if server.connections > 1 or len(server.requests) > 1:
            writer.write(ERROR)
        else:
            writer.write(WHOLE if pause else WHOLE + extra)
            if pause:
                await asyncio.sleep(pause)
                writer.write(extra)
            await server.request(reader)
            writer.write(ERROR)
        await asyncio.sleep(5)

    async with Server(script).running() as server, client(server.url) as mine:
        first = await post(mine)
        await asyncio.sleep(0.05)
        second = await post(mine)
    assert isinstance(judged(first), Accepted | Ambiguous)
    assert isinstance(judged(second), Ambiguous)


async def test_n13_an_answer_before_the_request_is_credited_to_nobody() -> None:
    """Who speaks first is no server of ours: one connection a try, and not a byte is sent."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        writer.write(WHOLE)
        server.fired += 1
        server.heard += await reader.read(65_536)

    async with Server(script).running() as server, client(server.url) as mine:
        replies = [await post(mine) for _ in range(3)]
    assert replies == [Lost("spoke_unasked", sent=False)] * 3
    assert server.fired == server.connections == 3
    assert server.heard == b""


async def test_n14_a_late_answer_is_credited_to_nobody() -> None:
    """What comes after the deadline is for a request that was given up."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        first = len(server.requests) == 1
        await asyncio.sleep(SOON + 0.1 if first else 0.15)
        with suppress(OSError):
            writer.write(WHOLE if first else ERROR)
        await asyncio.sleep(5)

    async with Server(script).running() as server, client(server.url, limit=SOON) as mine:
        assert isinstance(await post(mine), Lost)
        second = await post(mine)
    assert judged(second) == Ambiguous("http_500")
    assert server.connections == 2


async def test_n16_answers_in_another_order_find_their_requests() -> None:
    """Three at once, answered backwards."""
    arrived: list[bytes] = []
    all_there = asyncio.Event()

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        body = (await server.request(reader)).partition(b"\r\n\r\n")[2]
        arrived.append(body)
        if len(arrived) == 3:
            all_there.set()
        await all_there.wait()
        await asyncio.sleep(0.03 * (3 - arrived.index(body)))
        writer.write(answer(200, body))
        await asyncio.sleep(5)

    async with Server(script).running() as server, client(server.url) as mine:
        bodies = [CLEVERTAP.encode(Kind.GUID, [str(number)]) for number in range(3)]
        replies = await asyncio.gather(*(post(mine, body) for body in bodies))
    assert [reply.body for reply in replies if isinstance(reply, Answer)] == bodies


async def test_p16_a_request_can_be_cancelled() -> None:
    """Whoever sends hears of it: it is not turned into an answer."""
    async with Server(silent).running() as server, client(server.url) as mine:
        sending = asyncio.create_task(post(mine))
        while not server.requests:
            await asyncio.sleep(0.005)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


# --- where it may go ---


@pytest.mark.parametrize(
    "url",
    [
        "http://eu1.api.clevertap.com",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "http://0.0.0.0:80",
        "http://localhost.example.com",
        "http://",
    ],
)
def test_t5_plain_http_is_for_loopback_only(url: str) -> None:
    """Nothing is made that could send a passcode in the clear."""
    with pytest.raises(UsageError) as caught:
        client(url)
    assert caught.value.code == "endpoint"


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - asked for, not bound to
        "[fe80::1]",
        "[fd00::1]",
    ],
)
def test_t5_private_addresses_are_refused(host: str) -> None:
    """An address that is not on the public Internet is no vendor's host."""
    with pytest.raises(UsageError):
        client(f"https://{host}")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - resolved to, not bound to
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ],
)
async def test_t5_t2_a_public_name_that_resolves_to_a_private_address_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a byte goes to a listener that a forged answer of the resolver names."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    async with Server(saying(WHOLE)).running() as server:
        place = (address, server.port, 0, 0) if ":" in address else (address, server.port)

        def forged(*_: object, **__: object) -> list[object]:
            return [(family, socket.SOCK_STREAM, 6, "", place)]

        monkeypatch.setattr(socket, "getaddrinfo", forged)
        async with client(f"https://api.example.com:{server.port}", limit=2.0) as mine:
            reply = await post(mine)
    assert reply == Lost("private_address", sent=False, untrusted=True)
    assert server.connections == 0


async def test_localhost_by_name() -> None:
    """The one name that may resolve to loopback."""
    async with (
        Server(saying(WHOLE)).running() as server,
        client(f"http://localhost:{server.port}") as mine,
    ):
        assert judged(await post(mine)) == Accepted()


@pytest.mark.parametrize("url", ["https://eu1.api.clevertap.com", "https://93.184.216.34"])
@pytest.mark.parametrize("vendor", targets.BUILT_IN)
def test_emulator_credentials_go_to_loopback_only(vendor: str, url: str) -> None:
    """No client goes to another address with them, whatever its headers say of the account."""
    headers = targets.find(vendor).headers("EMULATOR", "emulator")
    with pytest.raises(UsageError) as caught:
        Client(url, headers, account="EMULATOR", timeout=5.0, connections=1)
    assert caught.value.code == "emulator_credentials"
    for here in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"):
        Client(here, headers, account="EMULATOR", timeout=5.0, connections=1)


def test_a_file_for_session_keys_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S15: it would hold what opens the passcode."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with pytest.raises(UsageError) as caught:
        client("https://eu1.api.clevertap.com")
    assert caught.value.code == "sslkeylogfile"
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "timeout"),
        (aiohttp.ServerTimeoutError(), "timeout"),
        (aiohttp.SocketTimeoutError(), "timeout"),
        (aiohttp.ServerDisconnectedError(), "connection_lost"),
        (aiohttp.ClientOSError(104, "reset"), "connection_lost"),
        (BrokenPipeError(), "connection_lost"),
        (aiohttp.ClientPayloadError(), "answer_unreadable"),
        (aiohttp.ClientError(), "answer_unreadable"),
        (ValueError(), "answer_unreadable"),
    ],
)
def test_n3_n5_n11_what_an_exception_means(error: Exception, reason: str, sent: bool) -> None:
    """In doubt once a byte may have left; a timeout then leaves the server at work."""
    assert lost(error, sent=sent) == Lost(reason, sent=sent, abandoned=sent and reason == "timeout")


def test_n2_no_connection_in_time_was_not_sent() -> None:
    """Whoever drops our packets got none of the request."""
    found = lost(aiohttp.ConnectionTimeoutError(), sent=False)
    assert found == Lost("connect_timeout", sent=False)


# --- TLS ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority that signs for servers."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Make the tests' authority the one that this machine trusts."""
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)
    return authority


async def over_tls(
    context: ssl.SSLContext | None, script: Script, host: str = "localhost", limit: float = 5.0
) -> tuple[Reply, Server]:
    """Send one request over TLS."""
    async with Server(script, context).running() as server:
        url = f"https://{host}:{server.port}"
        async with client(url, limit=limit) as mine:
            return await post(mine), server


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_server_that_proves_who_it_is(trusting: Authority, host: str) -> None:
    """By an authority that is trusted, for the name that was asked for."""
    reply, server = await over_tls(trusting.serving(), saying(WHOLE), host)
    assert judged(reply) == Accepted()
    assert len(server.requests) == 1


@pytest.mark.parametrize("make", UNPROVEN.values(), ids=UNPROVEN)
async def test_t2_t3_a_server_that_cannot_prove_who_it_is(
    trusting: Authority, make: Callable[[Authority], ssl.SSLContext]
) -> None:
    """Not a byte of the request, and no second try: the run stops."""
    reply, server = await over_tls(make(trusting), saying(WHOLE))
    assert reply == Lost("tls", sent=False, untrusted=True)
    assert judged(reply) == Abort("tls")
    assert server.requests == []


async def test_t3_an_authority_that_nobody_told_us_to_trust(authority: Authority) -> None:
    """The good certificate is none on a machine that does not know its authority."""
    reply, server = await over_tls(authority.serving(), saying(WHOLE))
    assert reply == Lost("tls", sent=False, untrusted=True)
    assert server.requests == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", OLD.values(), ids=OLD)
async def test_t4_old_tls_is_refused(
    trusting: Authority, make: Callable[[Authority], ssl.SSLContext]
) -> None:
    """TLS 1.2 at least, with ciphers that prove something."""
    reply, server = await over_tls(make(trusting), saying(WHOLE))
    assert isinstance(reply, Lost)
    assert not reply.sent
    assert isinstance(judged(reply), Abort)
    assert server.requests == []


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("script", BROKEN_HANDSHAKES.values(), ids=BROKEN_HANDSHAKES)
async def test_t4_a_handshake_that_fails_sent_nothing(script: Script) -> None:
    """Plain HTTP on the port, an alert, or a connection that ends early."""
    reply, server = await over_tls(None, script)
    assert isinstance(reply, Lost)
    assert not reply.sent
    assert isinstance(judged(reply), Abort)
    assert server.fired == 1
    assert bytes(server.heard[:2]) == TLS_RECORD
    assert b"pass-7f3a" not in server.heard


@pytest.mark.usefixtures("trusting")
async def test_t4_a_handshake_that_never_ends_is_given_up() -> None:
    """At the deadline, and nothing was sent."""
    reply, _ = await over_tls(None, deaf, limit=SOON)
    assert isinstance(reply, Lost)
    assert not reply.sent
    assert reply.reason in {"timeout", "connect_timeout"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-1] + bytes([data[-1] ^ 1]), id="a flipped bit"),
        pytest.param(lambda _: bytes.fromhex("15030300020228"), id="an alert"),
        pytest.param(lambda data: data[:10], id="a cut record"),
    ],
)
async def test_n3_t4_a_damaged_record_is_in_doubt(
    trusting: Authority, damage: Callable[[bytes], bytes]
) -> None:
    """TLS refuses what comes back, when the request is through: that is no refusal of ours."""
    async with Server(saying(WHOLE), trusting.serving()).running() as server:

        async def relay(front: Server, reader: Reader, writer: Writer) -> None:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", server.port)

            async def there() -> None:
                while data := await reader.read(65_536):
                    back_writer.write(data)

            sending = asyncio.create_task(there())
            try:
                while data := await back_reader.read(65_536):
                    front.fired += len(server.requests)
                    writer.write(damage(data) if server.requests else data)
            finally:
                sending.cancel()
                back_writer.transport.abort()

        async with Server(relay).running() as front:
            async with client(f"https://localhost:{front.port}") as mine:
                reply = await post(mine)
            assert front.fired >= 1
    assert reply == Lost("connection_lost", sent=True)
    assert len(server.requests) == 1


async def test_a_context_of_the_callers_own(authority: Authority) -> None:
    """Tests and tools may bring theirs."""
    context = ssl.create_default_context(cafile=str(authority.file))
    async with Server(saying(WHOLE), authority.serving()).running() as server:
        url = f"https://localhost:{server.port}"
        async with client(url, tls=context) as mine:
            assert judged(await post(mine)) == Accepted()


def test_no_request_lasts_longer_than_its_deadline() -> None:
    """Not even for the rest of a second, as aiohttp would have it from five seconds on."""
    mine = Client("http://127.0.0.1:1", {}, account="", timeout=60.0, connections=1)._timeout
    for seconds in (mine.total, mine.sock_connect):
        assert seconds is not None
        when = calculate_timeout_when(0.5, seconds, mine.ceil_threshold)
        assert when == 0.5 + seconds
