"""A stop that cuts requests off: the server may be at work on them still, so their slots wait."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bulkdelete.core import checkpoint as log
from bulkdelete.core.digests import chunk_digest
from bulkdelete.core.gate import Gate
from bulkdelete.core.index import ChunkEntry
from bulkdelete.core.model import Chunk, Kind, Reply
from bulkdelete.core.progress import Progress
from bulkdelete.dispatch import Dispatcher
from bulkdelete.errors import Interrupted, Stopped
from bulkdelete.io.pacing import Pacer
from bulkdelete.sending import Limits, Sender
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.turns import Meter, Turns
from bulkdelete.verifying import _Asker
from tests.slots.conftest import TERMS, Party

SECONDS = 30.0
KEY = bytes(32)
CHUNK = Chunk(0, Kind.IDENTITY, ("one",))
PATIENT = replace(TERMS, parting=2.0)


@dataclass
class Silent:
    """A server that takes each request and never answers."""

    out: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(
        self,
        path: str,
        body: bytes,
        clear: Callable[[], Awaitable[bool]],
        departed: Callable[[], None],
    ) -> Reply:
        """Take a deletion."""
        assert path == CLEVERTAP.delete_path
        assert body
        assert await clear()
        departed()
        return await self.get(path)

    async def get(self, path: str) -> Reply:
        """Take a question."""
        assert path
        self.out.set()
        await asyncio.Event().wait()
        raise AssertionError("it answered")


@dataclass
class Noted:
    """Makes records durable at once."""

    records: list[log.Record] = field(default_factory=list)

    def append(self, record: log.Record) -> "asyncio.Future[None]":
        """Keep it."""
        self.records.append(record)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def chunks() -> AsyncGenerator[Chunk, None]:
    """Yield the only chunk there is."""
    yield CHUNK


def sender(
    slots: "Party | Counted", server: Silent, ledger: Noted, patience: float = 900.0
) -> Sender:
    """Make what sends the chunk, and is cut off at once when it is stopped."""
    meter, turns = Meter(1), Turns(Gate(1), slots, lambda: 0.0, 60.0)
    digest = chunk_digest(KEY, CHUNK)
    return Sender(
        dispatcher=partial(
            Dispatcher, CLEVERTAP, server, ledger, turns, Pacer(None), meter, lambda: 1e9
        ),
        progress=Progress(1),
        approval=log.Approval(how="yes", who="me", ids=1, at=1e9, expires=2e9),
        entry=lambda _: ChunkEntry(digest, CHUNK.kind, 1),
        key=KEY,
        limits=Limits(grace=0.0, give_up_after=patience),
        draw=lambda: 0.0,
        cap=1,
        size=1,
    )


async def cut_off(slots: Party) -> None:
    """Send, and stop while the request is at the server."""
    server, ledger = Silent(), Noted()
    mine = sender(slots, server, ledger)
    running = asyncio.create_task(mine.run(chunks()))
    await asyncio.wait_for(server.out.wait(), SECONDS)
    mine.interrupt(15, "SIGTERM")
    with pytest.raises(Interrupted):
        await asyncio.wait_for(running, SECONDS)
    assert [getattr(one, "reason", None) for one in ledger.records] == [None, "interrupted"]


@pytest.mark.redis
async def test_r1_s13_a_request_that_a_stop_cuts_off_keeps_its_leased_slot_for_a_while(
    leased: Callable[..., Awaitable[Party]],
) -> None:
    """The stop does not wait for it; the others do."""
    mine, yours = await leased(1, PATIENT), await leased(1, PATIENT)
    await cut_off(mine)
    waiting = asyncio.create_task(yours.acquire())
    began = asyncio.get_running_loop().time()
    await mine.__aexit__(None, None, None)
    assert not waiting.done()
    await asyncio.wait_for(waiting, SECONDS)
    assert asyncio.get_running_loop().time() - began >= PATIENT.parting * 0.9


async def test_a_request_that_a_stop_cuts_off_holds_a_kernel_slot_until_its_process_ends(
    make: Callable[..., Awaitable[Party]],
) -> None:
    """It is free when that is over, and the stop is not held up."""
    mine, yours = await make(1), await make(1)
    await cut_off(mine)
    waiting = asyncio.create_task(yours.acquire())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await mine.__aexit__(None, None, None)
    await asyncio.wait_for(waiting, SECONDS)


@dataclass
class Counted:
    """One slot, that counts how often it came back; none, where it says why."""

    why: str = ""
    released: int = 0

    async def acquire(self) -> Any:  # noqa: ANN401 - stands for a lease
        """Give it."""
        while self.why:
            await asyncio.sleep(0.01)
        return self

    @staticmethod
    def good() -> bool:
        """Say that it is held."""
        return True

    def release(self) -> None:
        """Take it back."""
        self.released += 1

    def resize(self, count: int) -> None:
        """Have as many as before."""

    def busy(self) -> tuple[str, float]:
        """Say why there is none."""
        return self.why, 0.0


async def test_a_redis_that_began_anew_is_waited_for_longer() -> None:
    """That ends by itself, and soon; who gave up would wait for it again."""
    server, ledger, slots = Silent(), Noted(), Counted("slots_new")
    mine = sender(slots, server, ledger, 0.05)
    running = asyncio.create_task(mine.run(chunks()))
    await asyncio.sleep(0.3)
    assert not mine.stopping
    slots.why = ""
    await asyncio.wait_for(server.out.wait(), SECONDS)
    mine.interrupt(15, "SIGTERM")
    with pytest.raises(Interrupted):
        await asyncio.wait_for(running, SECONDS)


@pytest.mark.parametrize(
    ("why", "code"),
    [("slots", "outage"), ("slots_lost", "slots_lost"), ("slots_refused", "slots_lost")],
)
async def test_a_run_that_gets_no_slot_says_why(why: str, code: str) -> None:
    """Others have them, or who keeps them is lost."""
    running = sender(Counted(why), Silent(), Noted(), 0.05).run(chunks())
    with pytest.raises(Stopped) as caught:
        await asyncio.wait_for(running, SECONDS)
    assert caught.value.code == code


def asker(server: Silent, slots: Counted, patience: float) -> _Asker:
    """Make what asks for profiles."""
    settings: Any = SimpleNamespace(target=CLEVERTAP, max_attempts=1, give_up_after=patience)
    turns = Turns(Gate(1), slots, lambda: 0.0, 60.0)
    return _Asker(cast("Any", server), turns, Pacer(None), settings)


@pytest.mark.parametrize(("why", "code"), [("slots", "outage"), ("slots_lost", "slots_lost")])
async def test_a_question_that_gets_no_slot_says_whose_fault_that_is(why: str, code: str) -> None:
    """A Redis that is lost is no outage of the vendor's service."""
    with pytest.raises(Stopped) as caught:
        await asker(Silent(), Counted(why), 0.05).ask(Kind.IDENTITY, "one")
    assert caught.value.code == code


async def test_r1_a_question_that_is_called_off_keeps_its_slot_for_a_while() -> None:
    """The server may be at work on a read as on a deletion."""
    server, slots = Silent(), Counted()
    asking = asyncio.create_task(asker(server, slots, 60.0).ask(Kind.IDENTITY, "one"))
    await asyncio.wait_for(server.out.wait(), SECONDS)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert slots.released == 0
