"""Play seeds of the simulation: `python -m tests.simulation --mode both --from 0 --count 1000`.

Ends with 1 when a promise was broken, or a fault never happened over the whole range. One seed
with its trace: `python -m tests.simulation --mode storm --seed 7 --trace`.
"""

import argparse
import json
import sys

from tests.simulation.play import MODES, play
from tests.simulation.ranges import Tally, commit, play_all, quiet, version


def main() -> int:
    """Read the command line and play."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--mode", choices=(*MODES, "both"), default="both")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000, help="seeds in each mode")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--trace", action="store_true", help="show what happens in that seed")
    words = parser.parse_args()
    modes = MODES if words.mode == "both" else (words.mode,)
    if words.seed is not None:
        return _one(modes, words.seed, trace=words.trace)
    tally = play_all(modes, range(words.first, words.first + words.count), words.jobs)
    return _report(modes, words.first, words.count, tally)


def _one(modes: tuple[str, ...], seed: int, *, trace: bool) -> int:
    quiet()
    broken = 0
    for mode in modes:
        played = play(seed, mode, trace=trace)
        _say(*played.trace)
        _say(
            f"{mode} {seed}: {played.violation or 'all promises held'} "
            f"({played.starts} starts, {played.requests} requests, log {played.log})"
        )
        broken += played.violation is not None
    return min(broken, 1)


def _report(modes: tuple[str, ...], first: int, count: int, tally: Tally) -> int:
    for violation, command in tally.violations[:20]:
        _say(f"VIOLATION {violation}\n  {command}")
    never = tally.never_fired()
    if never:
        _say(f"never happened over this range: {' '.join(never)}")
    summary = {
        "simulated": f"{first}..{first + count - 1}",
        "modes": modes,
        "runs": tally.runs,
        "starts": tally.starts,
        "requests": tally.requests,
        "violations": len(tally.violations),
        "seconds": round(tally.seconds, 1),
        "version": version(),
        "commit": commit(),
        "faults": dict(sorted(tally.fired.items())),
    }
    _say(json.dumps(summary))
    return 1 if tally.violations or never else 0


def _say(*lines: str) -> None:
    for line in lines:
        print(line)  # noqa: T201 - a program of its own


if __name__ == "__main__":
    sys.exit(main())
