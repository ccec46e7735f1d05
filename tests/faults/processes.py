"""The real command as processes: killed and finished, started twice at once, told to stop.

`python -m tests.faults.processes --kills 100 --doubles 100 --signals 100` prints one JSON object;
each failure comes with the command that replays it. One seed is one story:

- kills: five SIGKILLs at seeded moments, in planning, sending or recovery; then to the end.
- doubles: the same command twice at once; one works, the other exits 7 or finds it finished.
- signals: SIGINT, SIGTERM or SIGHUP while it plans, sends, waits for an hour, or recovers; gone
  within the grace and two seconds; then to the end.

One seed in ten starts the program cold, as a user does; the others fork it from a process that has
imported it already.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bulkdelete.emulator import EmulatorConfig, Faults, running
from tests.conftest import ACCOUNT, PASSCODE, Ended, Program, times_acted

KILLS = 5
CAP = 3
GRACE = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Missed(Exception):  # noqa: N818 - not an error: the fault did not come about, once more
    """The process had ended before the fault could be made."""


class Stage:
    """An emulator, a list, and the program in a directory of its own, for one story."""

    def __init__(
        self,
        dice: random.Random,
        place: Path,
        emulator: Any,  # noqa: ANN401 - a running emulator
        ids: int,
        *,
        cold: bool,
    ) -> None:
        self.dice = dice
        self.emulator = emulator
        self.program = Program(place, emulator.url, cold=cold)
        self.path, self.ids = self.program.ids(ids)

    @property
    def requests(self) -> int:
        """How many requests came."""
        return int(self.emulator.state.stats()["requests"])

    async def start(self, *words: object) -> asyncio.subprocess.Process:
        """Start the command that sends."""
        words = ("run", self.path, "--json", "--grace", GRACE, *words)
        return await self.program.start(*self.program.sending(*words))

    async def until(self, process: asyncio.subprocess.Process, ready: Callable[[], bool]) -> None:
        """Wait for something; Missed when the process ends before."""
        while not ready():
            if process.returncode is not None:
                raise Missed
            await asyncio.sleep(0.002)
        if process.returncode is not None:
            raise Missed

    def begun(self) -> bool:
        """Tell whether a process is at work on a plan, or has one."""
        runs = self.program.place / "bulkdelete-runs"
        return runs.is_dir() and any(runs.iterdir())

    async def finish(self) -> Any:  # noqa: ANN401 - the summary
        """Run to the end; return the summary. Everything is accepted, and the log is sound."""
        ended = await self.program.run(self.path, seconds=120)
        assert ended.code == 0, (ended.code, ended.err)
        report = ended.json
        assert report["ids"]["accepted"] == report["ids"]["read"] == len(self.ids)
        assert times_acted(self.emulator).keys() == set(self.ids), "lost or invented"
        audit = await self.program("audit", self.program.run_dir(), "--json")
        assert audit.code == 0, audit.err
        return report

    def sent_again(self) -> int:
        """How many chunks were deleted once more than needed."""
        times = times_acted(self.emulator)
        return sum(times[one] - 1 for one in self.ids[::100])


@asynccontextmanager
async def stage(seed: int, ids: int, **settings: Any) -> AsyncIterator[Stage]:  # noqa: ANN401
    """Set a stage; take it down at the end."""
    place = Path(tempfile.mkdtemp(prefix="bulkdelete-stories-"))
    config = EmulatorConfig(account_id=ACCOUNT, passcode=PASSCODE, **settings)
    try:
        async with running(config) as emulator:
            yield Stage(random.Random(seed), place, emulator, ids, cold=seed % 10 == 0)
    finally:
        shutil.rmtree(place)


async def ended(process: asyncio.subprocess.Process, seconds: float = 60) -> Ended:
    """Wait for the end of a process."""
    async with asyncio.timeout(seconds):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


# --- kills ---


async def kills(seed: int) -> None:
    """Kill five times, then finish; K kills send at most K x C chunks again."""
    faults = Faults(drop_after=0.03, error_5xx=0.03, seed=seed)
    async with stage(seed, 4_000, latency=0.08, latency_spread=0.5, faults=faults) as on:
        done = 0
        while done < KILLS:
            done += await _kill(on, planning=done == 0)
        report = await on.finish()
        doubts = report["requests"]["ambiguous"]
        assert on.sent_again() <= KILLS * CAP + doubts
        assert report["requests"]["resent_chunks"] <= KILLS * CAP + doubts


async def _kill(on: Stage, *, planning: bool) -> bool:
    """Start and kill; False when it stopped by itself for the weather, and is to go on."""
    process = await on.start()
    before, more = on.requests, on.dice.randint(1, 5)
    moment = on.dice.random()
    try:
        if planning and moment < 0.5:
            await on.until(process, on.begun)
            await asyncio.sleep(moment / 10)
        elif moment < 0.2:
            await asyncio.sleep(0.2 + moment)
        else:
            await on.until(process, lambda: on.requests >= before + more)
            await asyncio.sleep(moment / 20)
    except Missed:
        pass
    if process.returncode is None:
        process.kill()
    code = (await ended(process)).code
    assert code in {-signal.SIGKILL, 75, 0}, code
    if code == 0:
        raise Missed
    return code == -signal.SIGKILL


# --- doubles ---


async def doubles(seed: int) -> None:
    """Start twice at once, with or without a run that waits to be gone on with."""
    async with stage(seed, 1_500, latency=0.1) as on:
        resumed = on.dice.random() < 0.5
        if resumed:
            begun = await on.program.run(on.path, "--hold-after", 300)
            assert begun.code == 75, begun.err
        first = await on.start()
        await asyncio.sleep(on.dice.choice((0.0, 0.0, 0.01, 0.05)))
        second = await on.start()
        if first.returncode is not None:
            raise Missed
        both = [await ended(one) for one in (first, second)]
        codes = sorted(one.code for one in both)
        assert codes in ([0, 7], [0, 0]), (codes, [one.err for one in both])
        assert times_acted(on.emulator) == dict.fromkeys(on.ids, 1), "sent twice, or lost"
        assert on.requests == len(on.ids) // 100
        on.program.run_dir()


# --- signals ---


async def signals(seed: int) -> None:
    """Tell it to stop, once or twice, at some moment of its life."""
    dice = random.Random(f"moment of {seed}")
    where = ("planning", "sending", "stuck", "waiting", "recovering")[seed % 5]
    number = dice.choice(SIGNALS)
    settings: dict[str, Any] = {"latency": 0.08}
    if where == "stuck":
        settings["script"] = ("ok", "hang", "hang", "hang")
    if where == "waiting":
        settings |= {"script": ("ok", "throttle"), "faults": Faults(retry_after="3600")}
    async with stage(seed, 4_000, **settings) as on:
        if where == "recovering":
            begun = await on.program.run(on.path, "--hold-after", 500)
            assert begun.code == 75, begun.err
        process = await on.start("--give-up-after", "2h")
        await _moment(on, process, where, dice)
        # Before the interpreter has come as far as our code, a signal ends any program.
        await on.until(process, lambda: _hears(process.pid))
        twice = dice.random() < 0.2
        seconds, told = await _signalled(process, number, twice=twice)
        most = 1.0 if where == "waiting" else GRACE + 2.0
        assert seconds <= most, f"{seconds:.2f} s in {where}"
        # A second one may arrive in the very moment in which nobody listens any more.
        ends = {128 + number, -number} if twice else {128 + number}
        assert told.code in ends, (where, told)
        if not twice:
            assert told.json["exit_code"] == 128 + number
        report = await on.finish()
        assert on.sent_again() <= report["requests"]["ambiguous"] <= CAP


async def _moment(
    on: Stage, process: asyncio.subprocess.Process, where: str, dice: random.Random
) -> None:
    before = on.requests
    match where:
        case "planning":
            await on.until(process, on.begun)
            await asyncio.sleep(dice.random() * 0.02)
        case "sending" | "recovering":
            more = dice.randint(0 if where == "recovering" else 1, 20)
            await on.until(process, lambda: on.requests >= before + more)
            await asyncio.sleep(dice.random() * 0.1)
        case "stuck":
            await on.until(process, lambda: on.requests >= before + 4)
        case _:
            await on.until(process, lambda: on.emulator.state.stats()["throttled"] > 0)
            await asyncio.sleep(dice.random() * 0.5)


def _hears(pid: int) -> bool:
    """Tell whether a process has our handlers: the interpreter itself has none for SIGTERM."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except FileNotFoundError:
        return True  # gone: whoever waits sees it
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


async def _signalled(
    process: asyncio.subprocess.Process, number: int, *, twice: bool
) -> tuple[float, Ended]:
    """Send a signal; return the seconds until it was gone, and how it ended."""
    if process.returncode is not None:
        raise Missed
    began = time.monotonic()
    process.send_signal(number)
    if twice:
        await asyncio.sleep(0.05)
        if process.returncode is None:
            process.send_signal(number)
    told = await ended(process)
    return time.monotonic() - began, told


# --- all of them ---

STORIES: dict[str, Callable[[int], Awaitable[None]]] = {
    "kills": kills,
    "doubles": doubles,
    "signals": signals,
}
TRIES = 5


async def tell(name: str, seed: int) -> dict[str, object] | None:
    """Tell one story until its fault comes about; return what failed, None when nothing did."""
    error: BaseException = Missed(f"the fault did not come about in {TRIES} tries")
    for _ in range(TRIES):
        try:
            await STORIES[name](seed)
        except Missed:
            continue
        except Exception as failed:  # noqa: BLE001 - one story's trouble is not the others'
            error = failed
            break
        else:
            return None
    return {
        "story": name,
        "seed": seed,
        "fault": f"{type(error).__name__}: {error}"[:2000],
        "replay": f"python -m tests.faults.processes --from {seed} --{name} 1",
    }


async def tell_all(wanted: dict[str, int], first: int, jobs: int) -> list[dict[str, object]]:
    """Tell so many stories of each name, several at a time; return what failed."""
    free = asyncio.Semaphore(jobs)

    async def one(name: str, seed: int) -> dict[str, object] | None:
        async with free:
            return await tell(name, seed)

    told = await asyncio.gather(
        *(one(name, first + n) for name, count in wanted.items() for n in range(count))
    )
    return [failure for failure in told if failure is not None]


def main() -> int:
    """Tell the stories that were asked for; 1 when one failed."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in STORIES:
        flags.add_argument(f"--{name}", type=int, default=0)
    flags.add_argument("--from", dest="first", type=int, default=0)
    flags.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    asked = flags.parse_args()
    wanted = {name: getattr(asked, name) for name in STORIES}
    began = time.monotonic()
    failures = asyncio.run(tell_all(wanted, asked.first, asked.jobs))
    seconds = round(time.monotonic() - began, 1)
    sums = {"from": asked.first, **wanted, "failures": failures, "seconds": seconds}
    print(json.dumps(sums))  # noqa: T201 - the result
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
