"""Kills at seeded points: one seed, one list, one death or more, then the same command to its end.

`python -m tests.faults.kills --from 0 --count 2000` prints one JSON object; each failure comes
with the command that replays it. What is checked, at the server and in what each death leaves:
nothing lost, invented or protected sent; no chunk sent after its acceptance was durable; intents
durable before the first byte; at most C attempts open, and a balance that adds up, after each
death; K deaths send at most K x C chunks again, and one more for each answer that said nothing;
once faults stop, one more run ends it. Every other seed keeps snapshots of its short log, and what
is read by way of one is what the whole log says.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace

from bulkdelete.io.journal import SNAPSHOT_AFTER
from tests.faults.forkserver import PASSCODE, Bench, freeze
from tests.faults.points import Point
from tests.faults.scripted import HungError
from tests.faults.stories import Story, drawn
from tests.faults.watch import Watch

KILLED = -9
_GOES_ON = frozenset({75, 3})
"""Codes after which the same command goes on, while faults last."""
_CANARY = 4
_SNAPSHOT_AFTER = 2048
"""Bytes: a few commit groups."""


@dataclass(slots=True)
class Told:
    """How a story ended.

    `open` are the attempts without an outcome after each death, `torn` the bytes to be cut off;
    `times` how often each chunk was deleted in the end, `snapshots` how often one was read.
    """

    faults: list[str]
    deaths: int = 0
    starts: int = 0
    again: int = 0
    unclear: int = 0
    missed: int | None = None
    snapshots: int = 0
    open: list[int] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)


def tell(story: Story, kill_at: int = 0, *, snapshots: bool = False) -> Told:
    """Live through a story; `missed` is the number of a point that was not reached."""
    dice = random.Random(f"server of {story.seed}")
    bench = Bench(dice, snapshot_after=_SNAPSHOT_AFTER if snapshots else SNAPSHOT_AFTER)
    try:
        watch = Watch(story, bench.place / "runs", PASSCODE, dice, kill_at)
        bench.server.act = watch.act
        bench.write("list.csv", ["identity", *story.lines])
        if story.protected:
            bench.write("protect.txt", story.protected)
        told = _tell(story, bench, watch)
        if told.faults:
            told.faults.append(f"stderr: {bench.errors()[-2000:]}")
        return told
    finally:
        bench.close()


def _tell(story: Story, bench: Bench, watch: Watch) -> Told:
    told = Told(watch.faults)
    for number, point in enumerate(story.points):
        if not _die(story, bench, watch, point, told):
            told.missed = number
            return told
    watch.calm()
    code = _canaries(story, bench, told)
    if code != (3 if story.bad else 0):
        told.faults.append(f"the last run ended with {code}")
    watch.end()
    if bench.server.most > story.command.cap:
        told.faults.append(f"{bench.server.most} requests were in flight at once")
    told.deaths, told.unclear, told.again = watch.deaths, watch.unclear, watch.sent_again()
    told.times, told.snapshots = watch.times(), watch.snapshots
    return told


def _die(story: Story, bench: Bench, watch: Watch, point: Point, told: Told) -> bool:
    """Start until it dies at the point; False when it came to an end without."""
    for _ in range(50):
        told.starts += 1
        code = bench.start(story.command, point)
        if code == KILLED:
            watch.deaths += 1
            progress = watch.look()
            told.open.append(progress.open_attempts() if progress else 0)
            told.torn.append(watch.torn)
            return True
        settled = watch.look()
        if code not in _GOES_ON | {_CANARY} or settled is None or not settled.unsettled_chunks():
            if code not in {0, 3}:
                told.faults.append(f"a run ended with {code}")
            return False
    told.faults.append("it never came to an end")
    return False


def _canaries(story: Story, bench: Bench, told: Told) -> int:
    """Run to the end. Where all of the first chunk is refused, a guard stops that run (4)."""
    code = _CANARY
    for _ in range(1 + (story.command.size == 1 and len(story.bad))):
        told.starts += 1
        code = bench.start(story.command, None)
        if code != _CANARY:
            break
    return code


def run(seed: int) -> Told:
    """Tell the story of a seed so that each of its points is reached."""
    story = drawn(seed)
    while True:
        told = tell(story, snapshots=bool(seed % 2))
        if told.missed is None or told.faults:
            return told
        points = list(story.points)
        point = points[told.missed]
        sooner = replace(point, nth=max(1, point.nth // 2))
        # A later start may have nothing left that this point is about: then any step will do.
        points[told.missed] = sooner if point.nth > 1 else Point("step", "before", 40)
        story = replace(story, points=points)


def work(first: int, count: int) -> "dict[str, object]":
    """Run seeds one after the other; return the sums."""
    freeze()
    sums = {"seeds": 0, "deaths": 0, "starts": 0, "again": 0, "unclear": 0, "snapshots": 0}
    failures = []
    for seed in range(first, first + count):
        try:
            told = run(seed)
        except (HungError, Exception) as error:  # noqa: BLE001 - one seed's trouble is not the others'
            told = Told([f"{type(error).__name__}: {error}"])
        sums["seeds"] += 1
        for name in ("deaths", "starts", "again", "unclear", "snapshots"):
            sums[name] += asdict(told)[name]
        if told.faults:
            failures.append({"seed": seed, "faults": told.faults, "replay": _replay(seed)})
    return {**sums, "failures": failures}


def _replay(seed: int) -> str:
    return f"python -m tests.faults.kills --from {seed} --count 1"


def spread(first: int, count: int, jobs: int) -> "dict[str, object]":
    """Run seeds in several processes at once; return the sums of all."""
    share = -(-count // jobs)
    pieces = [(at, min(share, first + count - at)) for at in range(first, first + count, share)]
    processes = [
        subprocess.Popen(
            [*(sys.executable, "-m", __spec__.name), *_words(at, number)], stdout=subprocess.PIPE
        )
        for at, number in pieces
    ]
    total: dict[str, object] = {}
    for process in processes:
        found = json.loads(process.communicate()[0])
        for name, value in found.items():
            total[name] = total[name] + value if name in total else value
    return total


def _words(first: int, count: int) -> list[str]:
    return ["--from", str(first), "--count", str(count), "--jobs", "1"]


def main() -> int:
    """Run the seeds that were asked for; 1 when one failed."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--from", dest="first", type=int, default=0)
    flags.add_argument("--count", type=int, default=2000)
    flags.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    asked = flags.parse_args()
    began = time.monotonic()
    alone = asked.jobs == 1 or asked.count == 1
    sums = work(asked.first, asked.count) if alone else spread(asked.first, asked.count, asked.jobs)
    sums |= {"from": asked.first, "count": asked.count}
    sums["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(sums))  # noqa: T201 - the result
    return 1 if sums["failures"] or sums["seeds"] != asked.count else 0


if __name__ == "__main__":
    sys.exit(main())
