"""What one seed stands for: a list, settings, how ill the world is, and what befalls each start."""

from dataclasses import dataclass, field
from random import Random

from tests.simulation.faults import ANSWERS
from tests.simulation.lists import LARGE, SHAPES

CRASHES = (
    "killed",
    "power_lost",
    "killed_at_first_byte",
    "killed_at_act",
    "killed_in_write",
    "killed_after_sync",
)
EVENTS = ("signal", "cancelled", "frozen", "clock_forward", "clock_back")
BEFORE = ("input_changed", "input_changed_unseen", "log_corrupted", "too_many_ids", "other_account")

DAY = 86_400.0


@dataclass(slots=True)
class Befalls:
    """What one process start meets. `at` counts steps, or occasions of that crash."""

    crash: str | None = None
    crash_at: int = 0
    power_too: bool = False
    events: list[tuple[int, str, float]] = field(default_factory=list)
    before: str | None = None
    pause: float = 5.0
    renew: bool = False
    hold: bool = False
    hold_after: int | None = None
    max_duration: float | None = None
    rate: float | None = None
    max_attempts: int = 5
    max_failures: float = 5.0
    grace: float = 10.0
    timeout: float = 60.0
    give_up_after: float = 900.0
    slots_busy: float = 0.0
    write_trouble: float = 0.0
    sync_trouble: float = 0.0
    slow_sync: float = 0.0
    cut_trouble: float = 0.0
    feeder_waits: float = 0.0


@dataclass(slots=True)
class Scenario:
    """One seed, drawn. `illness` is the share of requests that meet a fault."""

    seed: int
    number: int
    cap: int
    plan_ttl: float
    illness: float
    mix: dict[str, float]
    bad_ids: float
    server_slots: int
    neighbours: float
    latency: tuple[float, float]
    connects: tuple[float, float]
    starts: list[Befalls]


def draw(seed: int) -> Scenario:
    """Draw the scenario of a seed."""
    dice = Random(f"scenario {seed}")
    number = dice.randrange(SHAPES)
    if dice.random() < 0.1:
        number = SHAPES + dice.randrange(LARGE)
    cap = dice.randint(1, 3)
    found = Scenario(
        seed=seed,
        number=number,
        cap=cap,
        plan_ttl=dice.choice((DAY, DAY, DAY, DAY, DAY, DAY, 3600.0, 30.0)),
        illness=dice.choice((0.0, 0.05, 0.15, 0.3, 0.6)),
        mix=_mix(dice),
        bad_ids=dice.choice((0.0, 0.0, 0.05, 0.2, 0.6)),
        server_slots=dice.choice((3, 3, 3, 2, 1)),
        neighbours=dice.choice((0.0, 0.0, 0.0, 0.3)),
        latency=dice.choice(((0.05, 0.3), (0.5, 3.0), (0.0, 0.001))),
        connects=dice.choice(((0.0, 0.0), (0.0, 0.0), (0.05, 10.0), (0.5, 2.0))),
        starts=[_befalls(dice) for _ in range(dice.choice((1, 1, 2, 2, 3, 5)))],
    )
    if number >= SHAPES and dice.random() < 0.5:
        # What only shows after many chunks needs a start that gets there.
        found.illness = min(found.illness, 0.05)
        found.starts[0] = Befalls(max_failures=dice.choice((5.0, 20.0)))
    return found


def _mix(dice: Random) -> dict[str, float]:
    """Return weights of the faults: all of them, or a few that come in droves."""
    if dice.random() < 0.5:
        return dict(ANSWERS)
    few = dice.sample(sorted(ANSWERS), dice.randint(1, 4))
    return {name: ANSWERS[name] for name in few}


def _befalls(dice: Random) -> Befalls:
    chance = dice.random
    found = Befalls(
        pause=dice.choice((0.1, 5.0, 100.0)) if chance() < 0.9 else 30 * 3600.0,
        renew=chance() < 0.1,
        hold=chance() < 0.15,
        power_too=chance() < 0.5,
        grace=dice.choice((10.0, 10.0, 0.5)),
        give_up_after=dice.choice((900.0, 60.0)),
        max_attempts=dice.choice((5, 5, 2, 1)),
        max_failures=dice.choice((5.0, 100.0)),
        timeout=dice.choice((60.0, 60.0, 2.0)),
    )
    if chance() < 0.45:
        found.crash = dice.choice(CRASHES)
        found.crash_at = _when(dice, found.crash)
    if chance() < 0.4:
        found.events = sorted(
            (_when(dice, "killed"), dice.choice(EVENTS), chance())
            for _ in range(dice.randint(1, 2))
        )
    if chance() < 0.08:
        found.before = dice.choice(BEFORE)
    if chance() < 0.08:
        found.hold_after = dice.randint(1, 20)
    if chance() < 0.06:
        found.max_duration = dice.choice((0.5, 20.0))
    if chance() < 0.1:
        found.rate = dice.choice((0.5, 2.0, 40.0))
    if chance() < 0.12:
        found.slots_busy = dice.choice((0.2, 0.9))
    if chance() < 0.2:
        found.write_trouble = dice.choice((0.02, 0.2))
    if chance() < 0.2:
        found.sync_trouble = dice.choice((0.02, 0.2))
    if chance() < 0.2:
        found.slow_sync = dice.choice((0.05, 0.3))
    found.cut_trouble = dice.choice((0.0,) * 9 + (0.5,))
    found.feeder_waits = dice.choice((0.0, 0.0, 0.05))
    return found


def _when(dice: Random, crash: str) -> int:
    """Draw the moment of a crash: steps grow with the work, occasions are few."""
    if crash in {"killed", "power_lost"}:
        return int(2 ** (dice.random() * 10)) + dice.randrange(8)
    return 1 + int(dice.expovariate(0.25))
