"""The script of the slots against a small model of it, on a real Redis whose clock is ours."""

from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bulkdelete.core.leases import Ask, Terms, Told
from tests.slots.model import Model
from tests.slots.server import RedisServer, redis_server

pytestmark = pytest.mark.redis

TERMS = Terms(lease=10.0, needed=5.0, renew=1.0, patience=3.0, beat=1.0)
PARTIES = ("a", "b", "c")
_KEY, _CLOCK, _RUN = "slots", "clock", "run"


def script() -> str:
    """Return the script with its two looks at the server turned to what the test says.

    Each must be found once: the rest is what is shipped, as it is.
    """
    text = resources.files("bulkdelete.io").joinpath("slots.lua").read_text("utf-8")
    for look, stand_in in (
        ("redis.call('TIME')", f"{{ 0, redis.call('GET', '{_CLOCK}') * 1000 }}"),
        ("redis.call('INFO', 'server')", f"'run_id:' .. redis.call('GET', '{_RUN}')"),
    ):
        assert text.count(look) == 1
        text = text.replace(look, stand_in)
    return text


class Slots(RuleBasedStateMachine):
    """Parties that ask, give back, forget, repeat themselves late, while time goes on."""

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.redis = redis.Redis(port=self.server.port, socket_timeout=20)
        self.redis.flushall()
        self.asks = self.redis.register_script(script())
        self.now, self.run = 1_000_000, 0
        self._tell()
        self.model = Model(10_000, 3_000, self.now)
        self.number = 0
        self.held: dict[str, dict[int, int]] = {one: {} for one in PARTIES}
        self.going: dict[str, dict[int, int]] = {one: {} for one in PARTIES}
        self.till: dict[tuple[str, int, int], int] = {}
        self.late: list[tuple[str, Ask]] = []
        self._nothing()
        self.wait(10_000)  # most of it is about what goes on when all is known

    def _nothing(self) -> None:
        """Make an exchange that says nothing: the server notes what time it is, and who it is."""
        self._said("nobody", Ask(1, 0, 0, TERMS.lease, {}, {}))

    def _tell(self) -> None:
        self.redis.set(_CLOCK, self.now)
        self.redis.set(_RUN, f"{self.run:x}")

    def _said(self, party: str, ask: Ask) -> Told:
        answer = self.asks(keys=[_KEY], args=ask.words(party, TERMS))
        told = Told.of(cast("list[int]", answer))
        hold, others, mine = self.model.exchange(
            self.now, party, ask.exchange, ask.count, ask.wanted, ask.held, ask.given
        )
        assert (told.hold, told.others) == (hold / 1000, others)
        assert told.held == mine
        return told

    @rule(
        party=st.sampled_from(PARTIES),
        count=st.sampled_from([1, 1, 2, 3]),
        wanted=st.sampled_from([0, 1, 1, 2]),
        back=st.integers(0, 7),
        fate=st.sampled_from(["heard", "heard", "heard", "lost", "late"]),
    )
    def exchange(self, party: str, count: int, wanted: int, back: int, fate: str) -> None:
        """Make an exchange; its answer may be lost, or it comes there late, given up here."""
        self.number += 1
        mine = self.held[party]
        going = self.going[party]  # it is said until it was heard
        going |= {slot: stamp for slot, stamp in mine.items() if back >> slot & 1}
        sure = {
            slot: stamp
            for slot, stamp in mine.items()
            if slot not in going and self.till[party, slot, stamp] > self.now
        }
        ask = Ask(self.number, count, wanted, TERMS.lease, sure, dict(going))
        self.held[party] = sure
        if fate == "late":
            self.late.append((party, ask))
            return
        told = self._said(party, ask)
        if fate == "heard":
            going.clear()
            self.held[party] = told.held
            for slot, stamp in told.held.items():
                self.till[party, slot, stamp] = self.now + 10_000

    @rule(which=st.integers(0, 5))
    def come_late(self, which: int) -> None:
        """Let what was said long ago be heard there: it takes nothing that was had since."""
        if which < len(self.late):
            self._said(*self.late.pop(which))

    @rule(ms=st.sampled_from([1, 1, 1, 100, 500, 2_999, 3_000, 9_999, 10_000]))
    def wait(self, ms: int) -> None:
        """Let time go by."""
        self.now += ms
        self._tell()

    @rule(how=st.sampled_from(["not", "not", "not", "restarted", "flushed", "clock back"]))
    def forget(self, how: str) -> None:
        """Let the server be another, or know nothing any more; not often, for then all waits."""
        if how == "not":
            return
        if how == "restarted":
            self.run += 1
        elif how == "flushed":
            self.redis.delete(_KEY)
        elif self.redis.exists(_KEY):
            # It is noticed by what came last; what parties measure goes on from there.
            self._nothing()
            self.now -= 5_000
            self.till = {key: till - 5_000 for key, till in self.till.items()}
        self._tell()
        self.model.forget(self.now)
        self._nothing()

    @invariant()
    def nobody_shares_a_slot(self) -> None:
        """See that what is surely held is held by one, whatever was lost or said late."""
        sure = [
            slot
            for party, slots in self.held.items()
            for slot, stamp in slots.items()
            if self.till[party, slot, stamp] > self.now
        ]
        assert len(sure) == len(set(sure)), self.held


@pytest.fixture(scope="module")
def one_server() -> Iterator[RedisServer]:
    """Run one Redis for all examples."""
    with ExitStack() as stack:
        place = stack.enter_context(TemporaryDirectory())
        yield stack.enter_context(redis_server(Path(place)))


def test_s13_a_server_that_does_not_say_who_it_is_keeps_no_slots(one_server: RedisServer) -> None:
    """A restart of it would not be noticed."""
    asks = redis.Redis(port=one_server.port, socket_timeout=20)
    asks.flushall()
    nameless = script().replace("'run_id:' ..", "'redis_version:' ..")
    asks.set(_CLOCK, 1_000)
    asks.set(_RUN, "abc")
    with pytest.raises(redis.ResponseError, match="run_id"):
        asks.eval(nameless, 1, _KEY, *Ask(1, 1, 1, 10.0, {}, {}).words("a", TERMS))
    assert not asks.exists(_KEY)


def test_s13_the_script_does_what_the_model_does(one_server: RedisServer) -> None:
    """In any order of what parties say, hear and do not hear, and of what the server forgets."""
    Slots.server = one_server
    case: Any = Slots.TestCase
    case.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
    case("runTest").runTest()
