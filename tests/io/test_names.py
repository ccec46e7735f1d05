"""Names to addresses: which count, and that a silent resolver holds nothing up."""

import asyncio
import socket
import sys
import threading

import pytest

from bulkdelete.io.names import Names, NotPublicError, PublicNames

PUBLIC = "93.184.216.34"


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Make the machine's resolver give these addresses for any name."""

    def found(*_: object, **__: object) -> list[object]:
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, 443, 0, 0) if ":" in one else (one, 443),
            )
            for one in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)


async def test_t2_public_addresses_count_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a mixed answer the private ones are left out."""
    answering(monkeypatch, "10.0.0.1", PUBLIC, "127.0.0.1", "fe80::1%eth0", "2606:4700::1111")
    found = await PublicNames().resolve("api.example.com", 443)
    assert [one["host"] for one in found] == [PUBLIC, "2606:4700::1111"]
    assert {(one["hostname"], one["port"]) for one in found} == {("api.example.com", 443)}


async def test_hooks_may_be_in_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told of a run may have a private address: nothing is deleted there."""
    answering(monkeypatch, "10.0.0.1", PUBLIC)
    found = await Names().resolve("alerts.example.com", 443)
    assert [one["host"] for one in found] == ["10.0.0.1", PUBLIC]


async def test_t2_a_name_without_a_public_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever its addresses are, and however many."""
    answering(monkeypatch, "10.0.0.1", "::1", "169.254.169.254")
    with pytest.raises(NotPublicError):
        await PublicNames().resolve("api.example.com", 443)


async def test_localhost_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own name may lead to loopback, and to nothing else that is private."""
    answering(monkeypatch, "127.0.0.1", "10.0.0.1")
    names = PublicNames()
    assert [one["host"] for one in await names.resolve("localhost", 1)] == ["127.0.0.1"]
    await names.close()


async def test_t1_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the resolver says is passed on."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        await PublicNames().resolve("no-such-host.example", 443)


async def test_t1_who_asks_may_stop_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late answer, or a late failure, is for nobody: nothing complains of it."""
    asked, answered = threading.Event(), threading.Event()

    def late(*_: object, **__: object) -> None:
        asked.set()
        answered.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", late)
    waiting = asyncio.create_task(PublicNames().resolve("api.example.com", 443))
    while not asked.is_set():
        await asyncio.sleep(0.005)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    answered.set()
    while any(one.name == "names" for one in threading.enumerate()):
        await asyncio.sleep(0.005)


_SILENT = """
import asyncio, socket, time
from bulkdelete.io.hooks import call
from bulkdelete.io.names import PublicNames

def silent(*_, **__):
    print("asked", flush=True)
    time.sleep(60)

socket.getaddrinfo = silent

async def main():
    try:
        async with asyncio.timeout(0.2):
            await {}
    except TimeoutError:
        print("gave up", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "asking",
    ['PublicNames().resolve("api.example.com", 443)', 'call("https://hooks.example.org/x", None)'],
)
async def test_t1_a_silent_resolver_does_not_hold_the_process(asking: str) -> None:
    """The process ends although a look-up is still under way."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SILENT.format(asking), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, out.split(b"\n")) == (0, [b"asked", b"gave up", b""])
