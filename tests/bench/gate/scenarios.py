"""What the controllers meet, as values: how many the server takes, of whom, how fast, and when.

Times are seconds of a world in which a request takes about one. A phase lasts until so many of
our requests were accepted in it. `TUNED` are those that the controller's numbers were chosen on;
`HELD_OUT` were only ever measured, with seeds of their own.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Somebody else on the account: wants 1..`most` slots for `on` seconds, none for `off`."""

    most: int
    on: float
    off: float
    patience: float = 0.5


@dataclass(frozen=True, slots=True)
class Rate:
    """Refuses what comes faster: a bucket of `burst`, or (`window`) `burst` in so many seconds."""

    per_second: float
    burst: float = 1.0
    window: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world. `hop` is the way to the server in seconds, `latency` its work, +- `spread`.

    With a `tail` the work is never shorter than `latency` x (1 - tail), and exponential beyond.
    """

    name: str
    cap: int
    phases: tuple[tuple[int, int], ...]
    hop: float = 0.02
    latency: float = 1.0
    spread: float = 0.1
    tail: float = 0.0
    drift: float = 0.0
    spikes: float = 0.0
    errors: float = 0.0
    outage: tuple[float, float] | None = None
    queues: bool = False
    neighbour: Neighbour | None = None
    rate: Rate | None = None
    warm_up: int = 20
    shake: float = 0.0
    """The lengths of the phases differ by so much either way, by the seed: no period fits them."""
    moving: bool = False
    """Whether the limit is hidden or moves, so that there is something to find."""


def _hidden(limit: int, cap: int) -> Scenario:
    return Scenario(f"hidden {limit} under {cap}", cap, ((limit, 2000),), moving=True)


def _known(limit: int) -> Scenario:
    return Scenario(f"known {limit}", limit, ((limit, 2000),), warm_up=1)


def _any_length(scenario: Scenario) -> Scenario:
    return replace(scenario, name=f"{scenario.name}, any length", shake=0.4)


THREE_ONE_THREE = Scenario("3-1-3", 3, ((3, 300), (1, 300), (3, 300)), moving=True)
FIFTEEN = Scenario("15-6-15", 15, ((15, 700), (6, 700), (15, 700)), moving=True)
BURSTS = Scenario(
    "neighbour in bursts", 3, ((3, 2000),), neighbour=Neighbour(2, 60, 60), moving=True
)
TUNED_RISES = (
    Scenario("1 then 2", 2, ((1, 500), (2, 1200)), spread=0.25, moving=True),
    Scenario("2 then 4", 4, ((2, 300), (4, 1500)), spread=0.15, moving=True),
    Scenario("4-3-4", 4, ((4, 600), (3, 900), (4, 600)), spread=0.2, moving=True),
)
BUCKET = Scenario("token bucket", 15, ((15, 2000),), rate=Rate(9.4, 20.0), moving=True)


def _far(scenario: Scenario) -> Scenario:
    """Two fifths of the time from start to answer are the way: a refusal takes as long as those."""
    return replace(scenario, name=f"{scenario.name}, far", hop=0.2, latency=0.6)


PUBLISHED = (
    Scenario("15 under 17", 17, ((15, 5000),), hop=0.007, tail=0.15, moving=True),
    Scenario(
        "15-6-15 under 17",
        17,
        ((15, 5000), (6, 1000), (15, 5000)),
        hop=0.007,
        tail=0.15,
        moving=True,
    ),
)
"""The two whose figures are known of the others, to show that they are no straw men."""

TUNED = (
    *(_known(limit) for limit in (1, 2, 3, 6, 15)),
    _hidden(1, 3),
    _hidden(2, 3),
    _hidden(3, 6),
    _hidden(6, 15),
    _hidden(15, 20),
    THREE_ONE_THREE,
    FIFTEEN,
    _any_length(THREE_ONE_THREE),
    _any_length(FIFTEEN),
    BURSTS,
    replace(BURSTS, name="one slot left free", cap=2, neighbour=Neighbour(1, 60, 60)),
    BUCKET,
    Scenario("bucket beneath 3", 3, ((3, 2000),), rate=Rate(1.5, 5.0), moving=True),
    Scenario("strict spacing", 3, ((3, 2000),), rate=Rate(2.2), moving=True),
    Scenario("fixed windows", 3, ((3, 2000),), rate=Rate(1.8, 108, 60.0), moving=True),
    Scenario("spacing under 4", 4, ((4, 2000),), rate=Rate(3.1), spread=0.2, moving=True),
    Scenario("windows of 20 s", 5, ((5, 2000),), rate=Rate(3.0, 60, 20.0), moving=True),
    Scenario("bucket of 3 under 5", 5, ((5, 2000),), rate=Rate(2.7, 3.0), moving=True),
    Scenario("slow drift of latency", 3, ((3, 2000),), drift=0.8),
    Scenario("spikes of latency", 3, ((3, 2000),), spikes=0.02),
    Scenario("5 % of 5xx", 3, ((3, 2000),), errors=0.05),
    Scenario("outage of 60 s", 3, ((3, 2000),), outage=(200.0, 60.0)),
    Scenario("queues, never refuses", 15, ((6, 2000),), queues=True),
    *(_any_length(one) for one in TUNED_RISES),
    *(_far(one) for one in (_hidden(2, 3), _hidden(6, 15), THREE_ONE_THREE, FIFTEEN, BURSTS)),
)

HELD_OUT_MOVING = (
    Scenario("3-2-3, long", 3, ((3, 500), (2, 700), (3, 500)), spread=0.3, moving=True),
    Scenario("8-3-8", 8, ((8, 500), (3, 400), (8, 500)), hop=0.04, spread=0.2, moving=True),
    Scenario("1 then 3", 3, ((1, 400), (3, 1600)), spread=0.2, moving=True),
    Scenario("15-6-15, uneven", 15, ((15, 900), (6, 500), (15, 900)), spread=0.4, moving=True),
)

HELD_OUT = (
    Scenario("hidden 4 under 10", 10, ((4, 2000),), hop=0.05, spread=0.3, moving=True),
    *HELD_OUT_MOVING,
    *(_any_length(one) for one in HELD_OUT_MOVING),
    Scenario(
        "one neighbour, short bursts",
        3,
        ((3, 2000),),
        neighbour=Neighbour(1, 25, 90, 1.0),
        spread=0.3,
        moving=True,
    ),
    Scenario(
        "two neighbours, long bursts",
        6,
        ((6, 3000),),
        neighbour=Neighbour(3, 150, 120),
        spread=0.2,
        moving=True,
    ),
    Scenario("token bucket, deep", 15, ((15, 2000),), rate=Rate(11.7, 60.0), moving=True),
    Scenario("token bucket, shallow", 6, ((6, 2000),), rate=Rate(3.3, 2.0), moving=True),
    Scenario("spacing under 6", 6, ((6, 2000),), rate=Rate(4.1), spread=0.3, moving=True),
    Scenario("windows of 10 s", 6, ((6, 2000),), rate=Rate(3.5, 35, 10.0), moving=True),
    Scenario("queues 3 under 8", 8, ((3, 2000),), queues=True, spread=0.3),
    Scenario("2 % of 5xx and spikes", 3, ((3, 2000),), errors=0.02, spikes=0.01),
)

HELD_OUT_SEEDS = 1000
"""Where the seeds of the held-out scenarios begin."""

WANTED = (
    *("known 1", "known 3", "known 15", "hidden 1 under 3", "hidden 2 under 3"),
    *("hidden 6 under 15", "3-1-3", "15-6-15", "neighbour in bursts", "one slot left free"),
)
"""Those that something is wanted of over real HTTP, too."""
