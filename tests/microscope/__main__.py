"""Every damage of every kind: `python -m tests.microscope [--jobs N] [--step N]`.

With --step 1 (the default) nothing is left out. Exits 1 when one reading is wrong.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.microscope import looks
from tests.microscope.lens import Tally
from tests.microscope.papers import bytes_of, finished_run, make_run, papers

LOOKS = (looks.cuts, looks.flips, looks.sectors, looks.edits, looks.crashes, looks.snapshots)


def _papers(part: int, parts: int, step: int) -> Tally:
    with tempfile.TemporaryDirectory() as place:
        return papers(make_run(Path(place)), part, parts, step)


def _audits(part: int, parts: int, step: int) -> Tally:
    with tempfile.TemporaryDirectory() as place:
        return asyncio.run(bytes_of(finished_run(Path(place)), part, parts, step))


def main() -> int:
    """Look, print a line for each kind of damage, and one for all."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--jobs", type=int, default=2, help="processes (2)")
    words.add_argument("--step", type=int, default=1, help="each N-th case only (1: all)")
    chosen = words.parse_args()
    total, began = Tally(), time.monotonic()
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for look in (*LOOKS, _papers, _audits):
            share = partial(look, parts=chosen.jobs, step=chosen.step)
            tally = Tally()
            for seen in pool.map(share, range(chosen.jobs)):
                tally.add(seen)
            total.add(tally)
            print(_line(look.__name__.strip("_"), tally), flush=True)  # noqa: T201 - the result
    seconds = time.monotonic() - began
    print(_line("all", total), f"in {seconds:.0f} s")  # noqa: T201 - the result
    for wrong in total.wrong[:20]:
        print("WRONG", wrong, file=sys.stderr)  # noqa: T201 - the findings
    return 1 if total.wrong else 0


def _line(name: str, tally: Tally) -> str:
    seen = ", ".join(f"{count:,} {kind}" for kind, count in sorted(tally.seen.items()))
    wrong = len(tally.wrong)
    return f"{name:9} {tally.seen.total() + wrong:>10,} damages: {seen}; {wrong} wrong"


if __name__ == "__main__":
    sys.exit(main())
