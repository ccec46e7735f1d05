"""Names, certificates and redirects that lead elsewhere: the whole program sends nothing there."""

import ssl
from collections.abc import Callable
from itertools import chain

import pytest

from tests.conftest import ACCOUNT, PASSCODE, Ended, Program
from tests.faults.certificates import OLD, UNPROVEN, Authority
from tests.faults.raw_server import (
    BROKEN_HANDSHAKES,
    TLS_RECORD,
    WHOLE,
    Reader,
    Script,
    Server,
    Writer,
    answer,
    following,
    stay_silent,
)

STATUSES = [301, 302, 303, 307, 308]
PLACES = {
    "another path": "{here}/elsewhere",
    "another host": "http://localhost:{port}/1/delete/profiles.json",
    "another port": "http://127.0.0.1:{port}/1/delete/profiles.json",
    "relative": "../elsewhere?a=b",
    "a lesser scheme": "http://localhost:{port}/1/delete/profiles.json",
}
"""Where a redirect may point: `here` is the server itself, `port` that of another listener."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make the one authority that the program trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusting(program: Program, authority: Authority) -> Program:
    """Make the program trust the tests' authority."""
    program.env |= authority.environment
    return program


def refused_for_tls(ended: Ended, *reasons: str) -> None:
    """Check that the run stopped at once with 5, and says truly that nothing was sent."""
    assert ended.code == 5, ended.err
    assert ended.json["reason"]["code"] in reasons
    assert "TLS" in ended.json["reason"]["message"]
    assert ended.json["requests"]["sent"] == 0
    assert ended.json["requests"]["failed"] == 1
    assert ended.json["ids"]["unsent"] == ended.json["ids"]["read"] == 450


async def over_tls(program: Program, server: Server) -> Ended:
    """Run 450 IDs against a server by the name of localhost."""
    path, _ = program.ids(450)
    program.url = f"https://localhost:{server.port}"
    return await program.run(path)


async def test_a_server_that_proves_who_it_is_is_sent_to(
    trusting: Program, authority: Authority
) -> None:
    """The matrix below is about what is wrong in it: with the right certificate all is sent."""
    async with Server(following(), authority.serving()).running() as server:
        ended = await over_tls(trusting, server)
    assert ended.code == 0, ended.err
    assert sum(map(len, server.sent_ids)) == 450


@pytest.mark.parametrize("make", UNPROVEN.values(), ids=UNPROVEN)
async def test_t2_t3_no_proof_no_byte(
    trusting: Program, authority: Authority, make: Callable[[Authority], ssl.SSLContext]
) -> None:
    """A certificate that proves nothing: exit 5 at the first try, not a byte of a request."""
    async with Server(following(), make(authority)).running() as server:
        ended = await over_tls(trusting, server)
    refused_for_tls(ended, "tls")
    assert (server.connections, server.unproven, server.requests) == (1, 1, [])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", OLD.values(), ids=OLD)
async def test_t4_old_tls_no_byte(
    trusting: Program, authority: Authority, make: Callable[[Authority], ssl.SSLContext]
) -> None:
    """A server that offers only what is broken: exit 5 at the first try, not a byte."""
    async with Server(following(), make(authority)).running() as server:
        ended = await over_tls(trusting, server)
    refused_for_tls(ended, "tls", "handshake_cut")
    assert (server.connections, server.unproven, server.requests) == (1, 1, [])


@pytest.mark.parametrize("script", BROKEN_HANDSHAKES.values(), ids=BROKEN_HANDSHAKES)
async def test_t4_a_broken_handshake_no_byte(trusting: Program, script: Script) -> None:
    """Plain HTTP on the port, an alert, a cut: exit 5 at the first try, not a byte."""
    async with Server(script).running() as server:
        ended = await over_tls(trusting, server)
    refused_for_tls(ended, "tls", "handshake_cut")
    assert (server.connections, server.fired) == (1, 1)
    assert bytes(server.heard[:2]) == TLS_RECORD
    assert not [one for one in (ACCOUNT, PASSCODE, "user-") if one.encode() in server.heard]


async def test_t4_a_handshake_that_never_ends(trusting: Program) -> None:
    """Taken for a black hole, not for a server: tried again, given up resumable, all unsent."""
    async with Server(stay_silent).running() as server:
        path, _ = trusting.ids(450)
        trusting.url = f"https://localhost:{server.port}"
        ended = await trusting.run(path, "--timeout", 0.2, "--give-up-after", "0.1s")
    assert ended.code == 75, ended.err
    assert (ended.json["requests"]["sent"], ended.json["ids"]["unsent"]) == (0, 450)
    assert 2 <= server.connections == ended.json["requests"]["failed"]


async def test_t4_handshakes_that_fail_later_are_an_outage(
    trusting: Program, authority: Authority
) -> None:
    """A server that was there and is being restarted: the rest is unsent, 75, and then finished."""
    path, ids = trusting.ids(450)
    server = Server(following(), authority.serving())

    async def only_once(_: Server, reader: Reader, writer: Writer) -> None:
        await server.request(reader)
        server.fired += 1
        server.tls = None  # from now on whoever connects is hung up on in the handshake
        server.script = BROKEN_HANDSHAKES["hung up"]
        writer.write(answer(200, b'{"status":"success"}', "Connection: close"))

    server.script = only_once
    async with server.running():
        trusting.url = f"https://localhost:{server.port}"
        ended = await trusting.run(path, "--give-up-after", "0.1s")
        assert ended.code == 75, ended.err
        assert (ended.json["reason"]["code"], server.fired > 2) == ("outage", True)
        assert ended.json["ids"]["unsent"] == 350
        server.tls, server.script = authority.serving(), following()
        assert (await trusting.run(path)).code == 0
    assert sorted(chain.from_iterable(server.sent_ids)) == sorted(ids)


@pytest.mark.slow
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("place", PLACES)
async def test_v7_redirects_lead_nowhere(
    trusting: Program, authority: Authority, status: int, place: str
) -> None:
    """At the canary: one request, exit 5, and the other listener gets not a byte."""
    path, _ = trusting.ids(450)
    server = Server(following(), authority.serving() if place == "a lesser scheme" else None)
    async with Server(following()).running() as other, server.running():
        trusting.url = server.url if server.tls is None else f"https://localhost:{server.port}"
        location = PLACES[place].format(here=trusting.url, port=other.port)
        server.script = following(answer(status, b"", f"Location: {location}"))
        ended = await trusting.run(path)
    assert (ended.code, ended.json["reason"]["code"]) == (5, "redirect")
    assert (server.fired, len(server.requests), server.connections) == (1, 1, 1)
    assert other.connections == 0
    assert ended.json["ids"]["unsent"] == 450


@pytest.mark.parametrize("status", STATUSES)
async def test_v7_redirects_later_stop_the_run(program: Program, status: int) -> None:
    """After an acceptance: at most three more requests, exit 5, and nothing at the other place."""
    path, _ = program.ids(2000)
    async with Server(following()).running() as other:
        moved = answer(status, b"", f"Location: {other.url}/1/delete/profiles.json")
        async with Server(following(WHOLE, WHOLE, then=moved)).running() as server:
            program.url = server.url
            ended = await program.run(path)
    assert (ended.code, ended.json["reason"]["code"]) == (5, "redirect")
    assert server.fired == 2
    assert 3 <= len(server.requests) <= 2 + 3
    assert other.connections == 0
    assert ended.json["ids"]["accepted"] == 200


async def test_t3_t4_doctor_says_so_too(trusting: Program, authority: Authority) -> None:
    """`doctor` finds a server that cannot prove who it is, and one that hangs up: exit 5."""
    scripts = [(following(), UNPROVEN["expired"](authority)), (BROKEN_HANDSHAKES["hung up"], None)]
    for script, context in scripts:
        async with Server(script, context).running() as server:
            ended = await trusting("doctor", "--endpoint", f"https://localhost:{server.port}")
        assert ended.code == 5, ended.err
        assert "TLS" in ended.out
        assert server.unproven + server.fired == 1


async def test_t5_places_that_are_refused_at_once(program: Program) -> None:
    """Plain http elsewhere, private hosts, no such region: exit 2, and no run is made."""
    path, _ = program.ids(5)
    places = [("--endpoint", "http://api.example.com"), ("--endpoint", "https://10.0.0.1")]
    places += [("--endpoint", "https://169.254.169.254"), ("--region", "mars1")]
    for place in places:
        ended = await program("run", path, *place, "--yes", "--max-deletes", 9, "--json")
        assert ended.code == 2, (place, ended.err)
        assert ended.json["reason"]["code"] in {"endpoint", "region"}
    program.env |= {"BULKDELETE_ENDPOINT": "https://api.example.com"}
    ended = await program("run", path, "--yes", "--max-deletes", 9, "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (2, "endpoint")
    assert not (program.place / "bulkdelete-runs").exists()
