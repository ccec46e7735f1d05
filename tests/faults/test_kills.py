"""SIGKILL at named moments and at seeded ones, on real files and sockets, and what is left."""

import asyncio
import json
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # dozens of lives and deaths, one after the other


async def python(*words: str) -> Any:  # noqa: ANN401 - what it printed
    """Run Python with these arguments; return the JSON that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert out, err.decode()
    return json.loads(out)


async def tales(name: str) -> list[dict[str, Any]]:
    """Live through the deaths of this name; each must have happened, and have broken nothing."""
    found: list[dict[str, Any]] = await python("-m", "tests.faults.named", name)
    assert found
    for tale in found:
        assert tale["faults"] == []
        assert tale["missed"] is None
        assert tale["deaths"] == (6 if name == "p7" else 1), "the injector did not fire"
        tale["mine"] = tale["times"][tale["chunk"] - 1]
        tale["others"] = sum(tale["times"]) - tale["mine"] - len(tale["times"]) + 1
    return found


async def test_p1_killed_before_the_intent_is_durable() -> None:
    """The chunk is sent once in total; the one before it, whose outcome died too, once more."""
    for tale in await tales("p1"):
        assert tale["mine"] == 1
        assert tale["others"] <= 1


async def test_p2_killed_with_a_durable_intent_before_the_first_byte() -> None:
    """It is in doubt, and sent once: nobody can know that no byte had left."""
    for tale in await tales("p2"):
        assert tale["open"] == [1]
        assert (tale["mine"], tale["others"]) == (1, 0)


async def test_p3_killed_in_the_middle_of_the_body() -> None:
    """It is in doubt; the server could not act on half a request."""
    for tale in await tales("p3"):
        assert tale["open"] == [1]
        assert (tale["mine"], tale["others"]) == (1, 0)


async def test_p4_killed_after_the_server_acted() -> None:
    """Sent once more, and no other with it."""
    for tale in await tales("p4"):
        assert tale["open"] == [1]
        assert (tale["mine"], tale["others"]) == (2, 0)


async def test_p5_killed_before_the_outcome_is_durable() -> None:
    """Sent once more, and no other with it."""
    for tale in await tales("p5"):
        assert tale["open"] == [1]
        assert (tale["mine"], tale["others"]) == (2, 0)


async def test_p6_killed_after_the_outcome_is_durable() -> None:
    """Never sent again."""
    for tale in await tales("p6"):
        assert tale["again"] == 0


async def test_p7_killed_in_five_recoveries_in_a_row() -> None:
    """The recoveries send nothing: what is sent again was in flight at the first death."""
    for tale in await tales("p7"):
        assert tale["again"] <= tale["open"][0] <= 3
        assert sum(size > 0 for size in tale["torn"]) >= 3, "no recovery met a torn end"
        assert sum(tale["times"]) == len(tale["times"]) + tale["again"]


_REMNANT = """
import json
from dataclasses import asdict, replace
from tests.faults import kills
from tests.faults.points import Point
from tests.faults.stories import plain
kills.freeze()
story = plain(Point("send", "before", 6), cap=1, size=4, chunks=3)
print(json.dumps(asdict(kills.tell(replace(story, bad=frozenset(["user-7"]))))))
"""


async def test_s9_a_start_that_begins_with_what_was_refused_goes_on() -> None:
    """Killed before the last ID of a cut chunk: its refusal is no reason to distrust the rest."""
    told = await python("-c", _REMNANT)
    assert told["faults"] == []
    assert (told["deaths"], told["starts"]) == (1, 2)


async def test_seeded_deaths() -> None:
    """A few of those that `make kills` goes through by the thousand."""
    told = await python("-m", "tests.faults.kills", "--from", "0", "--count", "12", "--jobs", "1")
    assert told["failures"] == []
    assert told["seeds"] == 12
    assert told["deaths"] >= 12


_UNSYNCED = """
import asyncio
from bulkdelete.core import checkpoint as log
from bulkdelete.io.journal import Journal
append = Journal.append
def hasty(self, record):
    future = append(self, record)
    if isinstance(record, log.Intent):
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
    return future
Journal.append = hasty
"""

_CREDULOUS = """
from bulkdelete.core.model import Accepted
from bulkdelete.targets.clevertap import CLEVERTAP
object.__setattr__(CLEVERTAP, "decode", lambda *_: Accepted())
"""

_FORGETFUL = """
from bulkdelete.core.model import State
from bulkdelete.core.progress import Progress
reopen = Progress._start
def forget(self, record):
    reopen(self, record)
    for pieces in self.pieces.values():
        for piece in pieces.values():
            if piece.doubt is not None:
                piece.settled = State.ACCEPTED
Progress._start = forget
"""


_UNTIL_SEEN = """
import json, sys
from tests.faults import kills
kills.freeze()
faults = (fault for seed in range(40) for fault in kills.run(seed).faults)
print(json.dumps(next((fault for fault in faults if sys.argv[1] in fault), "")))
"""


@pytest.mark.parametrize(
    ("sabotage", "seen"),
    [
        (_UNSYNCED, "no durable intent"),
        (_CREDULOUS, "the server never did it"),
        (_FORGETFUL, "lost"),
    ],
    ids=["intents that are not waited for", "any answer is a yes", "doubts are forgotten"],
)
async def test_sabotage_is_seen(sabotage: str, seen: str) -> None:
    """What the seeds check can fail: a program that breaks a promise is caught within a few."""
    found = await python("-c", sabotage + _UNTIL_SEEN, seen)
    assert found, "no seed saw it"
