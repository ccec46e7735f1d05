"""Faults of the network below TCP, and of names, each in a network namespace of its own."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Emulate, Ended, Program, times_acted
from tests.faults.certificates import Authority
from tests.faults.namespace import PUBLIC, Enclosed, Namespace, Resolver
from tests.faults.raw_server import Server, following

pytestmark = pytest.mark.faults

HOST = "eu1.api.clevertap.com"


@pytest.fixture
def network() -> Iterator[Namespace]:
    """Make a network."""
    made = Namespace()
    yield made
    made.close()


@pytest.fixture
def enclosed(program: Program, network: Namespace) -> Enclosed:
    """Make the program in that network."""
    return Enclosed(program.place, network=network)


@pytest.fixture
async def emulated(
    enclosed: Enclosed,
    network: Namespace,
    emulate: Emulate,
) -> Any:  # noqa: ANN401 - a running emulator
    """Start an emulator in that network."""
    with network.inside():
        emulator = await emulate(latency=0.005)
    enclosed.url = emulator.url
    return emulator


def doubles(emulator: Any, ids: list[str]) -> int:  # noqa: ANN401 - a running emulator
    """Return how many IDs were acted on too often, all of them having been acted on."""
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    return sum(times.values()) - len(ids)


async def test_n2_connections_that_vanish(
    enclosed: Enclosed,
    network: Namespace,
    emulated: Any,  # noqa: ANN401
) -> None:
    """Each try is given up after ten seconds, not after the sixty of a request; 75, all unsent."""
    path, ids = enclosed.ids(300)
    network.drop("-p", "tcp", "--syn")
    began = asyncio.get_running_loop().time()
    ended = await enclosed.run(path, "--give-up-after", "1s")
    took = asyncio.get_running_loop().time() - began
    assert (ended.code, ended.json["reason"]["code"]) == (75, "outage"), ended.err
    assert network.dropped >= 2
    assert (ended.json["requests"]["sent"], ended.json["requests"]["failed"]) == (0, 2)
    assert ended.json["ids"]["unsent"] == 300
    assert 20 <= took < 50
    network.drop()
    assert (await enclosed.run(path)).code == 0
    assert times_acted(emulated) == dict.fromkeys(ids, 1)


async def test_n9_packets_are_lost(
    enclosed: Enclosed,
    network: Namespace,
    emulated: Any,  # noqa: ANN401
) -> None:
    """One in ten, for a while three in ten: it completes, with no more doubles than doubts."""
    path, ids = enclosed.ids(3000)
    network.drop("-m", "statistic", "--mode", "random", "--probability", "0.1")
    lost = 0

    async def worse() -> int:
        while emulated.state.stats()["requests"] < 60:
            await asyncio.sleep(0.02)
        before = network.dropped
        network.drop("-m", "statistic", "--mode", "random", "--probability", "0.3")
        while emulated.state.stats()["requests"] < 100:
            await asyncio.sleep(0.02)
        during = network.dropped
        network.drop("-m", "statistic", "--mode", "random", "--probability", "0.1")
        assert before >= 3
        assert during >= 3
        return before + during

    shaking = asyncio.create_task(worse())
    for _ in range(5):
        ended = await enclosed.run(path, "--chunk-size", 20, "--timeout", 10, seconds=200)
        if ended.code != 75:
            break
    lost = await shaking + network.dropped
    assert ended.code == 0, ended.err
    assert lost >= 15
    assert doubles(emulated, ids) <= ended.json["requests"]["ambiguous"] * 20


def slow_line(network: Namespace) -> None:
    """Let a kilobyte a second through, and keep what has to wait."""
    network.tc(
        *[
            "qdisc",
            "add",
            "dev",
            "lo",
            "root",
            "tbf",
            "rate",
            "8kbit",
            "burst",
            "1600",
            "limit",
            "100000",
        ]
    )


def overlimits(network: Namespace) -> int:
    """Return how often a packet had to wait."""
    (found,) = json.loads(network.tc("-s", "-j", "qdisc", "show", "dev", "lo"))
    return int(found["overlimits"])


async def test_n10_a_slow_line_is_only_slow(
    enclosed: Enclosed,
    network: Namespace,
    emulated: Any,  # noqa: ANN401
) -> None:
    """A kilobyte a second: it takes its time, and nothing is in doubt or sent twice."""
    path, ids = enclosed.ids(150)
    slow_line(network)
    ended = await enclosed.run(path, "--chunk-size", 30, seconds=120)
    assert ended.code == 0, ended.err
    assert overlimits(network) > 5
    assert ended.json["requests"]["ambiguous"] == 0
    assert times_acted(emulated) == dict.fromkeys(ids, 1)


async def test_n10_a_line_too_slow_for_the_deadline_is_no_storm(
    enclosed: Enclosed,
    network: Namespace,
    emulated: Any,  # noqa: ANN401
) -> None:
    """Requests that cannot be through in time: few of them, 75, and then all is finished."""
    path, ids = enclosed.ids(1000)
    slow_line(network)
    ended = await enclosed.run(path, "--timeout", 1, "--give-up-after", "8s", seconds=120)
    assert (ended.code, ended.json["reason"]["code"]) == (75, "outage"), ended.err
    assert overlimits(network) > 5
    assert 1 <= ended.json["requests"]["sent"] <= 12
    network.tc("qdisc", "del", "dev", "lo", "root")
    again = await enclosed.run(path)
    assert again.code == 0, again.err
    assert doubles(emulated, ids) <= 100 * ended.json["requests"]["ambiguous"]


async def test_n12_large_packets_vanish(
    enclosed: Enclosed,
    network: Namespace,
    emulated: Any,  # noqa: ANN401
) -> None:
    """Connections stand and bodies never arrive: in doubt at the deadline, then all is finished."""
    path, ids = enclosed.ids(1000)
    network.drop("-m", "length", "--length", "600:65535")
    ended = await enclosed.run(path, "--timeout", 1, "--max-attempts", 2)
    assert (ended.code, ended.json["reason"]["code"]) == (75, "canary_ambiguous"), ended.err
    assert network.dropped >= 2
    assert ended.json["requests"]["sent"] == ended.json["requests"]["ambiguous"] == 2
    assert ended.json["ids"]["ambiguous"] == 100
    assert times_acted(emulated) == {}
    network.drop()
    assert (await enclosed.run(path)).code == 0
    # The kernel may still deliver what was given up: that is what "in doubt" means.
    assert doubles(emulated, ids) <= 100 * 2


async def cut_link(network: Namespace, emulated: Any, seen: int) -> None:  # noqa: ANN401
    """Take the link down in the middle of a run."""
    while emulated.state.stats()["requests"] < seen:
        await asyncio.sleep(0.005)
    network.ip("link", "set", "lo", "down")


async def test_n15_the_link_goes_down(
    enclosed: Enclosed,
    network: Namespace,
    emulated: Any,  # noqa: ANN401
) -> None:
    """In the middle of a run: 75, at most what was out is in doubt; with the link, all is done."""
    path, ids = enclosed.ids(20_000)
    words = (path, "--timeout", 1, "--give-up-after", "2s")
    ended, _ = await asyncio.gather(enclosed.run(*words), cut_link(network, emulated, 20))
    assert (ended.code, ended.json["reason"]["code"]) == (75, "outage"), ended.err
    assert '"DOWN"' in network.ip("-j", "link", "show", "lo")
    assert ended.json["ids"]["ambiguous"] <= 300
    assert ended.json["requests"]["failed"] >= 1
    assert ended.json["ids"]["unsent"] > 0
    network.ip("link", "set", "lo", "up")
    again = await enclosed.run(path)
    assert again.code == 0, again.err
    assert doubles(emulated, ids) <= 300


async def test_n15_a_link_that_comes_back_in_time(
    enclosed: Enclosed,
    network: Namespace,
    emulated: Any,  # noqa: ANN401
) -> None:
    """Within --give-up-after: the same run goes on by itself to its end."""
    path, ids = enclosed.ids(20_000)

    async def flap() -> None:
        await cut_link(network, emulated, 20)
        await asyncio.sleep(2)
        network.ip("link", "set", "lo", "up")

    ended, _ = await asyncio.gather(enclosed.run(path, "--timeout", 1), flap())
    assert ended.code == 0, ended.err
    requests = ended.json["requests"]
    assert requests["failed"] + requests["ambiguous"] >= 1
    assert doubles(emulated, ids) <= 100 * requests["ambiguous"]


# --- names ---


@asynccontextmanager
async def asking(enclosed: Enclosed, code: int | None, *options: str) -> AsyncIterator[Resolver]:
    """Give the program a resolver that answers with an error (or, for None, not at all)."""
    place = enclosed.write("resolv.conf", "nameserver 127.0.0.1", f"options {' '.join(options)}")
    enclosed.files = {"/etc/resolv.conf": place, "/etc/hosts": enclosed.write("hosts", "")}
    resolver = Resolver(code)
    loop = asyncio.get_running_loop()
    with enclosed.network.inside():
        transport, _ = await loop.create_datagram_endpoint(lambda: resolver, ("127.0.0.1", 53))
    try:
        yield resolver
    finally:
        transport.close()


def to_region(path: Path, *flags: object) -> list[object]:
    """Return a command that sends to the real name of a region."""
    return ["run", path, "--region", "eu1", "--yes", "--max-deletes", 10**6, "--json", *flags]


def nothing_sent(ended: Ended, count: int) -> None:
    """Check that it was given up as an outage, resumable, with all unsent."""
    assert (ended.code, ended.json["reason"]["code"]) == (75, "outage"), ended.err
    assert ended.json["ids"]["unsent"] == count
    assert ended.json["requests"]["sent"] == 0
    assert ended.json["requests"]["failed"] >= 2


@pytest.mark.parametrize("code", [3, 2, None], ids=["NXDOMAIN", "SERVFAIL", "silent"])
async def test_t1_names_that_do_not_resolve(enclosed: Enclosed, code: int | None) -> None:
    """Not a byte leaves; tried again for --give-up-after, then 75."""
    path, _ = enclosed.ids(300)
    async with asking(enclosed, code, "timeout:1", "attempts:1") as resolver:
        ended = await enclosed(*to_region(path, "--give-up-after", "1s"))
    assert any(b"\x03eu1\x03api\x09clevertap\x03com" in one for one in resolver.asked)
    nothing_sent(ended, 300)
    assert "(dns)" in ended.json["reason"]["message"]


async def test_t1_p9_a_silent_resolver_holds_nobody(enclosed: Enclosed) -> None:
    """SIGTERM while a resolver is silent for a minute: gone within the grace and two seconds."""
    path, _ = enclosed.ids(300)
    async with asking(enclosed, None, "timeout:30", "attempts:2") as resolver:
        process = await enclosed.start(*to_region(path, "--grace", 1))
        while not resolver.asked:
            await asyncio.sleep(0.02)
        began = asyncio.get_running_loop().time()
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    assert process.returncode == 143, err
    assert asyncio.get_running_loop().time() - began < 1 + 2 + 5  # five more on a busy machine
    assert json.loads(out)["ids"]["unsent"] == 300


async def test_t2_the_name_leads_elsewhere(
    enclosed: Enclosed, network: Namespace, tmp_path: Path
) -> None:
    """Between two starts the name gets another address: whoever is there hears no request."""
    path, ids = enclosed.ids(300)
    authority = Authority(tmp_path)
    enclosed.env |= authority.environment
    hosts = enclosed.write("hosts", f"{PUBLIC[0]} {HOST}")
    enclosed.files = {"/etc/hosts": hosts}
    real = Server(following(), authority.serving(HOST), PUBLIC[0], 443)
    other = Server(following(), authority.serving("elsewhere.example.com"), PUBLIC[1], 443)
    async with AsyncExitStack() as stack:
        with network.inside():
            await stack.enter_async_context(real.running())
            await stack.enter_async_context(other.running())
        held = await enclosed(*to_region(path, "--hold-after", 100))
        assert (held.code, len(real.requests)) == (75, 1), held.err
        hosts.write_text(f"{PUBLIC[1]} {HOST}\n")
        moved = await enclosed(*to_region(path))
        assert (moved.code, moved.json["reason"]["code"]) == (5, "tls"), moved.err
        assert (other.connections, other.unproven, other.requests) == (1, 1, [])
        hosts.write_text(f"10.0.0.1 {HOST}\n")
        private = await enclosed(*to_region(path))
        assert (private.code, private.json["reason"]["code"]) == (5, "private_address")
        hosts.write_text(f"{PUBLIC[0]} {HOST}\n")
        ended = await enclosed(*to_region(path))
    assert ended.code == 0, ended.err
    assert Counter(chain.from_iterable(real.sent_ids)) == Counter(ids)
