"""All faults of the line at once, by seed, through the fault proxy: every promise holds."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from bulkdelete.emulator import Faults
from tests.conftest import Emulate, Program, times_acted
from tests.faults.doubts import SIZE, in_file
from tests.faults.proxy import Proxy, Weather, by_turns, seeded
from tests.faults.raw_server import WHOLE
from tests.runs.test_main_job import balanced

PATIENCE = 0.8

ENDINGS = ("close", "reset", "slow")
CUTS = [
    *(Weather(f"{e} there {n}", there=n, ending=e) for e in ENDINGS for n in (0, 100, 500)),
    *(Weather(f"{e} back {n}", back=n, ending=e) for e in ENDINGS for n in (0, 100)),
]
"""The line is cut after so many bytes there or back. The emulator's answer has about 200."""

SLOW = [
    Weather("half", there=0, ending="half"),
    Weather("hole", hole=True),
    Weather("late", after=PATIENCE + 0.3),
    Weather("drip", slice=1, pause=0.05),
]
"""Nothing within the deadline; `late` is acted on, and its answer comes when all is over."""

HARMLESS = [
    Weather("bytes", slice=1),
    Weather("threes", slice=3),
    Weather("latency", before=0.01, after=0.02),
    Weather("more latency", after=0.08),
]


async def port(emulate: Emulate, **more: Any) -> tuple[Any, int]:  # noqa: ANN401 - of the emulator
    """Start an emulator; return it with its port."""
    emulator = await emulate(limit=50, **more)
    return emulator, int(emulator.url.rpartition(":")[2])


async def test_n16_latency_slices_and_order_change_nothing(
    program: Program, emulate: Emulate
) -> None:
    """Answers in single bytes and in another order: exit 0, each ID once, nothing in doubt."""
    emulator, upstream = await port(emulate)
    path, ids = program.ids(SIZE * 150)
    async with Proxy(upstream, seeded(16, HARMLESS, 0.8)).running() as proxy:
        program.url = proxy.url
        ended = await program.run(path, "--chunk-size", SIZE)
    assert ended.code == 0, ended.err
    assert proxy.requests == 150
    assert set(proxy.fired) == {one.name for one in HARMLESS} | {"fair"}
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert ended.json["requests"]["ambiguous"] == 0


async def test_n3_n4_v13_each_cut_is_one_doubt(program: Program, emulate: Emulate) -> None:
    """Wherever and however the line is cut: in doubt; sent again just once, acted on or not."""
    emulator, upstream = await port(emulate)
    path, ids = program.ids(SIZE * (2 * len(CUTS) + 1))
    flags = ("--chunk-size", SIZE, "--max-in-flight", 1)
    async with Proxy(upstream, by_turns(*CUTS)).running() as proxy:
        program.url = proxy.url
        held = ("--on-ambiguous", "hold", "--max-failures", 100)
        ended = await program.run(path, *flags, *held)
        assert ended.code == 3, ended.err
        assert [proxy.fired[one.name] for one in CUTS] == [1] * len(CUTS)
        doubted = in_file(program, "ambiguous")
        assert len(doubted) == SIZE * len(CUTS)
        acted = times_acted(emulator)
        # What was cut on its way back was acted on, what was cut on its way there was not.
        back = sum("back" in one.name for one in CUTS)
        assert sum(one in acted for one in doubted) == SIZE * back
        again = await program.run(path, *flags)
    assert again.code == 0, again.err
    assert proxy.requests == 2 * len(CUTS) + 1 + len(CUTS)
    wanted = Counter(ids) + Counter(one for one in doubted if one in acted)
    assert Counter(times_acted(emulator)) == wanted


async def test_n4_n5_n6_n14_what_is_not_there_in_time(program: Program, emulate: Emulate) -> None:
    """Half closed, a black hole, too late, a drip: at the deadline in doubt, and never credited."""
    emulator, upstream = await port(emulate)
    path, ids = program.ids(SIZE * (2 * len(SLOW) + 1))
    flags = ("--chunk-size", SIZE, "--timeout", PATIENCE)
    async with Proxy(upstream, by_turns(*SLOW)).running() as proxy, asyncio.timeout(60):
        program.url = proxy.url
        held = ("--on-ambiguous", "hold", "--max-failures", 100)
        ended = await program.run(path, *flags, *held)
        assert ended.code == 3, ended.err
        assert [proxy.fired[one.name] for one in SLOW] == [1] * len(SLOW)
        assert ended.json["ids"]["ambiguous"] == SIZE * len(SLOW)
        again = await program.run(path, *flags)
    assert again.code == 0, again.err
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times.values()) - len(ids) <= SIZE * len(SLOW)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_n3_n13_n14_n16_v13_s5_s8_s9_any_weather(
    program: Program, emulate: Emulate, seed: int
) -> None:
    """A quarter of the requests meet something: after a few runs all is accepted, within S8."""
    faults = Faults(throttle=0.02, error_5xx=0.04, drop_after=0.04, cut_body=0.03, seed=seed)
    emulator, upstream = await port(emulate, faults=faults, latency=0.002)
    path, ids = program.ids(SIZE * 120)
    desync = Weather("desync", extra=WHOLE)
    bad = [*CUTS, *HARMLESS, desync, Weather("hole", hole=True)]
    async with Proxy(upstream, seeded(seed, bad, 0.25)).running() as proxy:
        program.url = proxy.url
        for _ in range(12):
            words = ("--chunk-size", SIZE, "--timeout", PATIENCE, "--max-failures", 100)
            ended = await program.run(path, *words)
            assert ended.code in {0, 75}, ended.err
            assert balanced(ended.json)
            accepted = ended.json["ids"]["accepted"]
            assert accepted <= len(times_acted(emulator))
            if ended.code == 0:
                break
    assert ended.code == 0, ended.err
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    assert sum(times.values()) - len(ids) <= ended.json["requests"]["ambiguous"] * SIZE
    assert sum(count for name, count in proxy.fired.items() if name != "fair") >= 15
    assert sum(emulator.state.stats()["faults"].values()) >= 5
