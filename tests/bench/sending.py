"""Sending the same list to the same nginx, client after client, round by round."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.clients import (
    BARE,
    CLIENTS,
    CURL,
    GATHER,
    GO,
    OURS,
    SYSLOG,
    THREADS,
    UNDICI,
    XARGS,
    Client,
    Cost,
    FailedError,
    send,
)
from tests.bench.figures import Figure
from tests.bench.lists import one_column
from tests.bench.longlists import write_apart
from tests.bench.sink import Sink, ceiling, sink

WIDE, NARROW = 32, 3
"""Requests in flight: what another vendor might allow, and what this API does."""

LEAST_CEILING = 50_000.0
"""Requests a second that the sink must be able to answer, or its own pace would be measured."""

PROOF = 3_000
"""IDs that each client sends to the counting port before it is measured."""


@dataclass(frozen=True)
class Against:
    """A target: CPU of ours, in flight so many, against a client's."""

    client: Client
    in_flight: int
    target: str = ""


AGAINST = (
    Against(BARE, WIDE, "<= 1.25"),
    Against(BARE, NARROW, "<= 1.8"),
    Against(UNDICI, WIDE, "<= 1.0"),
    Against(GATHER, WIDE, "<= 0.5"),
    Against(THREADS, WIDE, "<= 0.12"),
    Against(CURL, WIDE),
    Against(XARGS, WIDE),
    Against(SYSLOG, WIDE),
    Against(GO, WIDE),
)
QUICK = (
    Against(BARE, WIDE, "<= 4.2"),
    Against(BARE, NARROW, "<= 5.8"),
    Against(GATHER, WIDE, "<= 2.4"),
)
"""What needs nothing but Python, and what holds on a busy machine: no aim, but what is reached.

A fifth more is let through; of a short list, start-up is half of what it costs us.
"""

STEADY = (Against(BARE, WIDE), Against(UNDICI, WIDE), Against(GO, WIDE))
"""With ten times as many IDs, so that start and end weigh little."""
STEADY_TIMES = 10
STEADY_ROUNDS = 3


def measure(count: int, rounds: int) -> list[Figure]:
    """Return what sending costs us, and what it costs whoever one would take instead."""
    return compare("sending", count, rounds, AGAINST)


def steady(count: int, rounds: int) -> list[Figure]:
    """Return the same for a long list, where start and end weigh little."""
    many = STEADY_TIMES * count
    return compare(f"sending {many:,} IDs", many, min(rounds, STEADY_ROUNDS), STEADY)


def quick(count: int, rounds: int) -> list[Figure]:
    """Return the same against those who need nothing but Python, with what must hold."""
    return compare("sending", count, rounds, QUICK)


def compare(group: str, count: int, rounds: int, against: Sequence[Against]) -> list[Figure]:
    """Return CPU seconds a million IDs, of ours and of each other, from rounds that take turns."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulkdelete-bench-")))
        found = stack.enter_context(sink(place))
        _look_at(found, place)
        race = Race(found, place, count)
        race.prove(
            [one for one in CLIENTS if one is OURS or one in {row.client for row in against}]
        )
        for number in range(rounds):
            for client, many in _turns(against):
                race.turn(client, many, number + 1)
    return [_figure(group, row, race) for row in against]


def _look_at(found: Sink, place: Path) -> None:
    """Say so where the sink's own pace would be measured; that it is not known stops nothing."""
    try:
        most = ceiling(found.plain, place)
    except (OSError, subprocess.CalledProcessError) as error:
        _say(f"how many requests a second the sink answers is not known: {error}")
        return
    busy = ": the machine is too busy" if most < LEAST_CEILING else ""
    _say(f"the sink answers {most:,.0f} requests a second{busy}")


def _turns(against: Sequence[Against]) -> list[tuple[Client, int]]:
    """Return who is measured with how many in flight: ours with each number that any other has."""
    pairs = {(row.client, row.in_flight) for row in against}
    wanted = sorted({row.in_flight for row in against})
    return [
        (one, many) for many in wanted for one in CLIENTS if one is OURS or (one, many) in pairs
    ]


class Race:
    """Who takes turns on the same work; who fails once is out, and it is known why."""

    def __init__(self, found: Sink, place: Path, count: int) -> None:
        self.costs: dict[tuple[str, int], list[Cost]] = {}
        self.out: dict[str, str] = {}
        self._sink = found
        self._place = place
        self._count = count

    def prove(self, clients: Sequence[Client]) -> None:
        """See that each client sends every ID exactly once; who does not is out."""
        path = self._place / "proof.csv"
        ids = one_column(path, PROOF, seed=7)
        for client in clients:
            if not client.lists:
                continue
            try:
                send(client, self._sink.counting, path, WIDE)
                wrong = self._sink.each_once(set(ids))
            except FailedError as error:
                wrong = str(error)
                self._sink.forget()
            if wrong:
                self._leave(client, f"it does not send each ID exactly once: {wrong}")
            else:
                _say(f"{client.name}: {PROOF:,} IDs, each exactly once")

    def turn(self, client: Client, many: int, number: int) -> None:
        """Let one send its list once, unless it is out."""
        if client.name in self.out:
            return
        count = round(self._count * client.share)
        try:
            spent = send(client, self._sink.plain, self._list(count), many)
        except FailedError as error:
            self._leave(client, str(error))
            return
        scale = 1e6 / count
        spent = Cost(spent.cpu * scale, spent.wall * scale, spent.mb)
        self.costs.setdefault((client.name, many), []).append(spent)
        _say(
            f"round {number}: {client.name}, {many} in flight: {spent.cpu:.2f} s of "
            f"CPU and {spent.wall:.2f} s a million IDs, {spent.mb:.0f} MB"
        )

    def _list(self, count: int) -> Path:
        """Return the list of so many IDs; it is written once, by a process that ends with it."""
        path = self._place / f"{count}.csv"
        if not path.exists():
            write_apart(path, count)
        return path

    def _leave(self, client: Client, why: str) -> None:
        self.out[client.name] = why
        _say(f"{client.name} is out: {why}")


def _figure(group: str, row: Against, race: Race) -> Figure:
    what = f"{row.in_flight} in flight, against {row.client.name}"
    unit = "CPU s a million IDs"
    for name in (OURS.name, row.client.name):
        if name in race.out:
            return Figure(group, what, unit, target=row.target, why=f"{name}: {race.out[name]}")
    ours = race.costs[OURS.name, row.in_flight]
    theirs = race.costs[row.client.name, row.in_flight]
    memory = f"{statistics.median(one.mb for one in ours):.0f} MB"
    other = f"{statistics.median(one.mb for one in theirs):.0f} MB"
    return Figure(
        group=group,
        what=f"{what} ({memory} and {other})",
        unit=unit,
        ours=tuple(one.cpu for one in ours),
        theirs=tuple(one.cpu for one in theirs),
        target=row.target,
    )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
