"""`make fuzz`: bytes that nobody wrote, into every parser, guided by what code they reach.

Each parser has a process of its own, as many at a time as there are cores, and its share of the
seconds, which are of CPU. A crash, an input that takes more than a second of CPU, or one that
takes more memory than any list may, is a finding: kept under build/fuzz/findings, and the exit is
1. Look at one again, without the fuzzer, with `python -m tests.fuzz.one PARSER FILE`.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.fuzz.parsers import PARSERS

SEEDS = Path(__file__).parent / "seeds"
MEMORY_MB = 512
"""Of a whole process, with the fuzzer in it."""

_STUCK = 120
"""Seconds of the clock after which an input counts as one without end.

A busy machine may stretch a tenth of a second of CPU to twenty; `one` holds each to a second of it.
"""

_START = 4
"""Seconds that a process takes before it begins."""

_LONGEST = 50
"""How many times as long it may take where other work goes first."""


def main() -> None:
    """Fuzz, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600, help="of all parsers together")
    parser.add_argument("--each", type=int, help="of each parser, without its start")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--place", type=Path, default=Path("build/fuzz"))
    parser.add_argument("parsers", nargs="*", default=[], help=", ".join(PARSERS))
    said = parser.parse_args()
    names = said.parsers or list(PARSERS)
    rounds = -(-len(names) // said.jobs)
    share = said.each or max(1, said.seconds // rounds - _START)
    with ThreadPoolExecutor(said.jobs) as pool:
        good = list(pool.map(partial(fuzz, place=said.place, seconds=share), names))
    sys.exit(not all(good))


def fuzz(name: str, place: Path, seconds: int) -> bool:
    """Fuzz one parser; tell whether nothing was found."""
    findings, corpus = place / "findings" / name, place / "corpus" / name
    for one in (findings, corpus):
        one.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    words = [sys.executable, "-m", "tests.fuzz.one", name, "--fuzz", str(seconds)]
    words += [str(corpus), str(SEEDS / name), f"-artifact_prefix={findings}/"]
    words += [f"-max_total_time={_LONGEST * seconds}", f"-rss_limit_mb={MEMORY_MB}"]
    words += [f"-timeout={_STUCK}", f"-report_slow_units={_STUCK}"]
    words += ["-max_len=4096", "-print_final_stats=1", "-verbosity=0"]
    with (place / f"{name}.log").open("wb") as log:
        ended = subprocess.run(words, stdout=log, stderr=subprocess.STDOUT, check=False)
    text = (place / f"{name}.log").read_text("utf-8", "replace")
    runs = text.rpartition("stat::number_of_executed_units:")[2].split("\n")[0].strip() or "no"
    print(f"{name:12} {seconds} s, {runs} inputs", flush=True)  # noqa: T201
    found = sorted(set(findings.iterdir()) - before)
    if ended.returncode or found or runs == "no":
        print(text[-3000:])  # noqa: T201
        for one in found:
            print(f"look at it: python -m tests.fuzz.one {name} {one}")  # noqa: T201
        return False
    return True


if __name__ == "__main__":
    main()
