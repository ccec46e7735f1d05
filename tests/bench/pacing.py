"""How exactly `--rate` is kept, as figures: what `make bench-pace` prints line by line."""

import asyncio
import sys
import tempfile
from pathlib import Path

from bulkdelete.core.pace import most
from tests.bench import pace
from tests.bench.figures import Figure

SECONDS = 60.0
LEAST_SECONDS = 3.0
_FULL = 1_000_000
_RATE = f">= {pace.LEAST}, <= {pace.MOST}"


def measure(count: int, rounds: int) -> list[Figure]:
    """Return, for each rate, the pacer alone and a whole run: a minute each, with a full count.

    One round: it is the clock that is measured. `rounds` is there because all groups have it.
    """
    del rounds
    seconds = max(LEAST_SECONDS, SECONDS * count / _FULL)
    found = []
    with tempfile.TemporaryDirectory(prefix="bulkdelete-pace-") as name:
        for rate in pace.RATES:
            for what, kept in (
                (pace.PACER, asyncio.run(pace.alone(rate, seconds))),
                (pace.PROGRAM, pace.program(rate, seconds, Path(name))),
            ):
                sys.stderr.write(kept.line(rate, what) + "\n")
                found += _figures(rate, what, kept)
    return found


def _figures(rate: int, what: str, kept: pace.Kept) -> list[Figure]:
    name = f"--rate {rate:,}, the {what}"
    worst, limit = pace.worst_second(kept.times), most(rate)
    cheap = f"<= {pace.MOST_CPU}" if what == pace.PACER else ""
    return [
        Figure("pacing", f"{name}: what came", "% of the rate", (kept.share(rate),), target=_RATE),
        Figure(
            group="pacing",
            what=f"{name}: most in a second, against what may",
            unit="starts",
            ours=(float(worst),),
            theirs=(float(limit),),
            target="<= 1",
        ),
        Figure("pacing", f"{name}: CPU", "% of a core", (100 * kept.cpu,), target=cheap),
    ]
