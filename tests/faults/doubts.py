"""The whole program through answers that leave a doubt: held, told truly, sent again once."""

import csv
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from tests.faults.raw_server import WHOLE, Server, Step, following

if TYPE_CHECKING:
    from tests.conftest import Program

SIZE = 10
"""IDs of a chunk."""

HELD = ("--on-ambiguous", "hold", "--max-failures", 100)


def between(steps: Sequence[Step]) -> list[Step]:
    """Put a success before and after each step, so that no row of failures opens the breaker."""
    return [WHOLE, *chain.from_iterable((one, WHOLE) for one in steps)]


async def leaves_doubts(program: "Program", *steps: Step, patience: float = 5.0) -> Server:
    """Send one chunk into each step; each is in doubt, the others accepted, and then all are.

    With --on-ambiguous hold the doubts end up in ambiguous.csv, with exit 3. The same command
    without it sends just those again. Every step must have fired.
    """
    script = between(steps)
    path, ids = program.ids(SIZE * len(script))
    flags = ("--chunk-size", SIZE, "--max-in-flight", 1, "--timeout", patience)
    async with Server(following(*script)).running() as server:
        program.url = server.url
        held = await program.run(path, *flags, *HELD)
        assert server.fired == len(server.requests) == len(script)
        assert held.code == 3, held.err
        assert held.json["ids"]["ambiguous"] == SIZE * len(steps)
        assert held.json["ids"]["accepted"] == SIZE * (len(steps) + 1)
        assert held.json["requests"]["ambiguous"] == len(steps)
        doubted = list(chain.from_iterable(server.sent_ids[1::2]))
        assert in_file(program, "ambiguous") == doubted
        again = await program.run(path, *flags)
        assert again.code == 0, again.err
        assert again.json["ids"]["accepted"] == len(ids)
    times = Counter(chain.from_iterable(server.sent_ids))
    assert times == Counter([*ids, *doubted])
    return server


def in_file(program: "Program", state: str) -> list[str]:
    """Return the IDs in an outcome file."""
    with (program.run_dir() / f"{state}.csv").open(newline="", encoding="utf-8") as file:
        return [row["identity"] for row in csv.DictReader(file)]
