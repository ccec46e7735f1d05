"""Sending the same list to the same nginx, client after client, round by round."""

import statistics
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
    send,
)
from tests.bench.figures import Figure
from tests.bench.lists import one_column
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
QUICK = tuple(one for one in AGAINST if one.client in {BARE, GATHER})
"""What needs nothing but Python."""


def prove(clients: Sequence[Client], found: Sink, place: Path) -> None:
    """See that each client sends every ID exactly once; SystemExit when one does not."""
    path, ids = place / "proof.csv", one_column(place / "proof.csv", PROOF, seed=7)
    for client in clients:
        if client.lists:
            send(client, found.counting, path, WIDE)
            if wrong := found.each_once(set(ids)):
                raise SystemExit(f"{client.name} does not send each ID exactly once: {wrong}")
            _say(f"{client.name}: {PROOF:,} IDs, each exactly once")


def measure(count: int, rounds: int, against: Sequence[Against]) -> list[Figure]:
    """Return CPU seconds a million IDs, of ours and of each other, from rounds that take turns."""
    clients = [one for one in CLIENTS if one is OURS or one in {row.client for row in against}]
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulkdelete-bench-")))
        found = stack.enter_context(sink(place))
        if (most := ceiling(found.plain, place)) < LEAST_CEILING:
            _say(f"the sink answers only {most:,.0f} requests a second: the machine is too busy")
        prove(clients, found, place)
        lists = {share: place / f"{share}.csv" for share in sorted({one.share for one in clients})}
        for share, path in lists.items():
            one_column(path, round(count * share), seed=1)
        wanted = sorted({row.in_flight for row in against})
        turns = [
            (one, many)
            for many in wanted
            for one in clients
            if one is OURS or any((row.client, row.in_flight) == (one, many) for row in against)
        ]
        costs: dict[tuple[str, int], list[Cost]] = {}
        for number in range(rounds):
            for client, many in turns:
                spent = send(client, found.plain, lists[client.share], many)
                scale = 1e6 / (count * client.share)
                spent = Cost(spent.cpu * scale, spent.wall * scale, spent.mb)
                costs.setdefault((client.name, many), []).append(spent)
                _say(
                    f"round {number + 1}: {client.name}, {many} in flight: {spent.cpu:.2f} s of "
                    f"CPU and {spent.wall:.2f} s a million IDs, {spent.mb:.0f} MB"
                )
    return [_figure(row, costs) for row in against]


def _figure(row: Against, costs: dict[tuple[str, int], list[Cost]]) -> Figure:
    ours = costs[OURS.name, row.in_flight]
    theirs = costs[row.client.name, row.in_flight]
    memory = f"{statistics.median(one.mb for one in ours):.0f} MB"
    other = f"{statistics.median(one.mb for one in theirs):.0f} MB"
    return Figure(
        group="sending",
        what=f"{row.in_flight} in flight, against {row.client.name} ({memory} and {other})",
        unit="CPU s a million IDs",
        ours=tuple(one.cpu for one in ours),
        theirs=tuple(one.cpu for one in theirs),
        target=row.target,
    )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
