"""Rows of the catalogue in virtual time, and at every single step of a run."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from bulkdelete import sending
from bulkdelete.core.digests import chunk_digest
from bulkdelete.core.model import Chunk
from bulkdelete.errors import BulkdeleteError
from bulkdelete.sending import Sender
from tests.simulation.faults import ANSWERS
from tests.simulation.lists import SHAPES
from tests.simulation.oracle import ViolationError
from tests.simulation.play import calm, lasting_of, one_start
from tests.simulation.process import Lasting, SimProcess
from tests.simulation.ranges import quiet
from tests.simulation.scenario import DAY, Befalls, Scenario

pytestmark = pytest.mark.usefixtures("_quiet")

MANY = SHAPES + 1
"""A list of some dozen chunks."""

FEW = 19
"""A list of four chunks."""

Script = Callable[[int, float], str | None]


@pytest.fixture
def _quiet() -> None:
    quiet()


def scenario(number: int, *, seed: int = 1, cap: int = 3, bad_ids: float = 0.0) -> Scenario:
    """Return a scenario in which nothing happens by itself."""
    return Scenario(
        seed=seed,
        number=number,
        cap=cap,
        plan_ttl=DAY,
        illness=0.0,
        mix=dict(ANSWERS),
        bad_ids=bad_ids,
        server_slots=3,
        neighbours=0.0,
        latency=(0.2, 0.9),
        connects=(0.0, 0.0),
        starts=[],
    )


def world(number: int, script: Script | None = None, **more: int) -> Lasting:
    """Return a world that does what the script says: (request, time) -> fault."""
    lasting = lasting_of(scenario(number, **more))
    lasting.server.script = script
    return lasting


def start(lasting: Lasting, **befalls: object) -> BaseException | None:
    """Let one process live; return what it ended with, after the judge looked at it."""
    found = Befalls(**{"max_failures": 100.0, "pause": 1.0} | befalls)  # type: ignore[arg-type]
    return one_start(lasting, found).ended


def code(ended: BaseException | None) -> tuple[int, str]:
    """Return exit code and reason."""
    assert isinstance(ended, BulkdeleteError)
    return ended.exit, ended.code


def all_accepted(lasting: Lasting) -> bool:
    """Tell whether every planned ID is durably accepted."""
    return len(lasting.judge.oracle.accepted) == lasting.listed.ids


def end_of_storm(fault: str, seconds: float) -> Script:
    """Return a script: the canary and one more go well, then a storm for so long."""
    since: list[float] = []

    def script(request: int, now: float) -> str | None:
        if request <= 2:
            return None
        since.append(now)
        return fault if now < since[0] + seconds else None

    return script


@pytest.mark.parametrize("seed", range(4))
def test_r1_a_refusal_without_a_hint_lowers_the_number_in_flight(seed: int) -> None:
    """One of three is refused: two at most are out until it was quiet for a while."""
    lasting = world(MANY, lambda request, _: "http_429" if request == 6 else None, seed=seed)
    assert start(lasting) is None
    sent = lasting.judge.sent
    assert lasting.judge.fired["http_429"] == 1
    assert all_accepted(lasting)
    refused = sent[5]
    ended = refused.ended_at
    later = [one for one in sent if one.posted > ended]
    assert later[0].posted > ended + 0.002, "all hold their breath"
    for one in later[:4]:
        out = sum(1 for other in sent if other.posted <= one.posted < other.ended_at)
        assert out <= 2


def test_r1_waits_differ_from_seed_to_seed() -> None:
    """Those who were refused together come back apart."""
    gaps = set()
    for seed in range(6):
        lasting = world(FEW, lambda request, _: "http_429" if request == 1 else None, seed=seed)
        assert start(lasting) is None
        first, second = lasting.judge.sent[:2]
        gaps.add(round(second.posted - first.ended_at, 4))
    assert len(gaps) == 6


@pytest.mark.parametrize("fault", ["http_429_wait", "http_429_date", "http_503_wait"])
@pytest.mark.parametrize("seed", range(3))
def test_r2_k2_nothing_is_sent_before_the_time_that_the_server_named(fault: str, seed: int) -> None:
    """In seconds or as a date, whatever the server's own clock says."""
    lasting = world(MANY, lambda request, _: fault if request in {4, 9} else None, seed=seed)
    assert start(lasting) is None
    assert lasting.judge.fired[fault] == 2
    assert all_accepted(lasting)


@pytest.mark.parametrize("seed", range(8))
def test_r3_nonsense_is_no_hint(seed: int) -> None:
    """It goes on as after a refusal without one."""
    lasting = world(
        MANY, lambda request, _: "http_429_nonsense" if request == 4 else None, seed=seed
    )
    began = lasting.now
    assert start(lasting) is None
    assert lasting.judge.fired["http_429_nonsense"] == 1
    assert all_accepted(lasting)
    assert lasting.now - began < 120


def test_r3_a_hint_longer_than_the_patience_stops_the_run() -> None:
    """With 75, at once; the same command goes on later."""
    lasting = world(MANY, lambda request, _: "http_429_long_wait" if request == 4 else None)
    began = lasting.now
    assert code(start(lasting)) == (75, "wait_hint")
    assert lasting.judge.fired["http_429_long_wait"] == 1
    assert lasting.now - began < 15
    assert start(lasting, pause=3600.0) is None
    assert all_accepted(lasting)


@pytest.mark.parametrize("fault", ["http_429", "http_503"])
@pytest.mark.parametrize("seed", range(3))
def test_r4_v14_a_storm_of_ten_minutes_costs_few_requests(fault: str, seed: int) -> None:
    """At most 1.25 times the chunks and ten; then it stops, resumable, and goes on later."""
    lasting = world(MANY, end_of_storm(fault, 600.0), seed=seed)
    chunks = len(lasting.listed.chunks)
    assert code(start(lasting)) in {(75, "retry_budget"), (75, "outage")}
    assert lasting.judge.fired[fault] >= 5
    assert len(lasting.judge.sent) <= 1.25 * chunks + 10
    assert start(lasting, pause=600.0) is None
    assert all_accepted(lasting)


@pytest.mark.parametrize("seed", range(3))
def test_v14_every_other_request_fails(seed: int) -> None:
    """Within the budget of retries; what is left goes on with the next start."""
    lasting = world(MANY, lambda request, _: "http_500_html" if request % 2 else None, seed=seed)
    chunks = len(lasting.listed.chunks)
    ended = start(lasting)
    assert lasting.judge.fired["http_500_html"] >= 5
    assert len(lasting.judge.sent) <= 1.25 * chunks + 10
    lasting.server.script = None
    assert ended is None or code(ended)[0] == 75
    assert all_accepted(lasting) or start(lasting) is None
    assert all_accepted(lasting)


@pytest.mark.parametrize("fault", ["http_401", "http_403", "http_405", "http_3xx", "fail_401"])
@pytest.mark.parametrize("at", [1, 4])
def test_v7_v9_a_server_that_refuses_us_hears_of_at_most_three_requests(
    fault: str, at: int
) -> None:
    """From the first of its refusals on; one where it is the canary."""
    lasting = world(MANY, lambda request, _: fault if request >= at else None)
    assert code(start(lasting))[0] == 5
    refused = lasting.judge.fired[fault]
    assert 1 <= refused <= (1 if at == 1 else 3)
    assert len(lasting.judge.sent) == at - 1 + refused


def steps_of(lasting: Lasting) -> int:
    """Return how many steps a start takes to which nothing happens."""
    return one_start(lasting, Befalls(max_failures=100.0)).loop.steps


def at_every_step(befalls: Callable[[int], Befalls], *, stride: int = 1) -> Counter[str]:
    """Let something happen at each step of a run, each time anew; then it must come to its end."""
    fired: Counter[str] = Counter()
    for step in range(1, steps_of(world(FEW, bad_ids=0)), stride):
        lasting = lasting_of(scenario(FEW, seed=step))
        one_start(lasting, befalls(step))
        calm(lasting, hold=False)
        assert all_accepted(lasting)
        fired += lasting.judge.fired
    return fired


def test_p11_frozen_for_ten_minutes_at_every_step() -> None:
    """Deadlines are over then, what was out is in doubt, and no burst follows."""
    fired = at_every_step(lambda step: Befalls(events=[(step, "frozen", 0.0)], pause=0.1))
    assert fired["frozen"] > 50


def test_p11_what_was_out_when_it_was_frozen_is_in_doubt() -> None:
    """The deadline of 60 s fires, though an answer is there by then."""
    doubts = 0
    for step in range(20, 60):
        lasting = world(FEW)
        start(lasting, events=[(step, "frozen", 0.0)])
        doubts += lasting.judge.unclear
    assert doubts > 0


def test_p16_cancelled_at_every_await() -> None:
    """What was out is recorded as in doubt; nothing is sent any more; nobody waits for ever."""
    fired = at_every_step(lambda step: Befalls(events=[(step, "cancelled", 0.0)], pause=0.1))
    assert fired["cancelled"] > 50


def test_p8_a_signal_at_every_step_and_a_second_one_soon_after() -> None:
    """The first drains, the second ends it at once."""
    fired = at_every_step(
        lambda step: Befalls(events=[(step, "signal", 0.0), (step + 3, "signal", 0.0)], pause=0.1)
    )
    assert fired["signal"] > 40
    assert fired["second_signal"] > 20


@pytest.mark.parametrize("name", ["killed", "power_lost"])
def test_p1_p2_p4_p5_p6_d12_killed_or_without_power_at_every_step(name: str) -> None:
    """Unsynced writes are kept, dropped, torn or trashed: before or after, nothing between."""
    fired = at_every_step(lambda step: Befalls(crash=name, crash_at=step, pause=0.1))
    assert fired[name] > 50
    if name == "power_lost":
        assert all(fired[f"power_{fate}"] for fate in ("kept", "dropped", "torn", "trashed"))


def test_p7_killed_five_times_in_a_row() -> None:
    """Early in each start; then it comes to its end all the same."""
    for seed in range(10):
        lasting = world(FEW, seed=seed)
        dice = Random(seed)
        for _ in range(5):
            start(lasting, crash="power_lost", crash_at=dice.randint(1, 15))
        assert lasting.judge.fired["power_lost"] == 5
        assert start(lasting) is None
        assert all_accepted(lasting)


def lied_to(seed: int) -> Lasting:
    """Return a world in which a process was killed whose syncs did nothing at all."""
    lasting = world(MANY, seed=seed)
    lasting.platter.lies = lasting.judge.lies = True
    start(lasting, crash="killed", crash_at=40 + 3 * seed)
    assert lasting.judge.fired["killed"] == 1
    assert len(lasting.platter.pending) > 4
    return lasting


@pytest.mark.parametrize("seed", range(12))
def test_d6_a_sync_that_lies_costs_bounded_resends_and_no_id(seed: int) -> None:
    """Only what the disk forgot is sent again; nothing is lost."""
    lasting = lied_to(seed)
    platter, judge = lasting.platter, lasting.judge
    platter.lies = False
    kept = platter.pending[: seed % len(platter.pending)]
    platter.pending = []
    for one in kept:
        platter.durable[one.at :] = one.content
    platter.lose_power(lasting.dice)
    judge.lost_power(platter.durable)
    forgotten = judge.acted_ids - len(judge.oracle.accepted)
    assert forgotten > 0
    calm(lasting, hold=False)
    assert all_accepted(lasting)
    assert 0 < judge.twice <= forgotten


def test_d6_a_sync_that_lies_and_leaves_holes_is_corruption() -> None:
    """Where a later group survived an earlier one nobody knows what was sent: no request."""
    lasting = lied_to(5)
    platter, judge = lasting.platter, lasting.judge
    hole = platter.pending[2]
    platter.seen[hole.at : hole.at + len(hole.content)] = bytes(len(hole.content))
    before = len(judge.sent)
    process = SimProcess(lasting, Befalls())
    assert code(process.live()) == (6, "checkpoint_corrupt")
    assert len(judge.sent) == before


@pytest.mark.parametrize("name", ["clock_forward", "clock_back"])
@pytest.mark.parametrize("jump", [0.0, 0.5, 0.9])
def test_k1_the_time_of_day_jumps_at_every_step(name: str, jump: float) -> None:
    """By an hour, a day or a year: waits do not care, and no approval lives longer."""
    fired = at_every_step(lambda step: Befalls(events=[(step, name, jump)], pause=0.1), stride=3)
    assert fired[name] > 15


def test_c3_a_month_later_nothing_is_sent_without_fresh_approval() -> None:
    """Nor what was in doubt; with it, all comes to its end."""
    lasting = world(FEW)
    start(lasting, crash="killed_at_act", crash_at=2)
    assert lasting.judge.fired["killed_at_act"] == 1
    before = len(lasting.judge.sent)
    assert code(start(lasting, pause=30 * DAY)) == (4, "expired")
    assert len(lasting.judge.sent) == before
    assert start(lasting, renew=True) is None
    assert all_accepted(lasting)


def test_what_is_settled_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chunk in doubt early on: the start that sends it again passes over all behind it."""
    lasting = world(MANY, lambda request, _: "timeout_after_acting" if request == 2 else None)
    assert start(lasting, hold=True) is None
    assert not all_accepted(lasting)
    hashed: list[int] = []

    def digest(key: bytes, chunk: Chunk) -> bytes:
        hashed.append(chunk.seq)
        return chunk_digest(key, chunk)

    monkeypatch.setattr(sending, "chunk_digest", digest)
    assert start(lasting) is None
    assert all_accepted(lasting)
    assert hashed == [1]


def test_x3_the_reader_stays_a_few_chunks_ahead() -> None:
    """However slow the server is: a bounded queue, and what each worker has in hand."""
    lasting = world(MANY)
    lasting.server.latency = (5.0, 9.0)
    process = SimProcess(lasting, Befalls(max_failures=100.0))
    process.live()
    assert process.furthest_ahead > 3
    assert process.furthest_ahead <= 3 * lasting.cap + 1


def test_what_looks_around_now_and_then_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long it lasts: one timer of a kind."""
    kept: list[int] = []
    real = Sender._patrol

    def patrol(self: Sender) -> None:
        real(self)
        kept.append(len(self._timers))

    monkeypatch.setattr(Sender, "_patrol", patrol)
    lasting = world(MANY)
    lasting.server.latency = (5.0, 9.0)
    assert start(lasting, max_duration=3600.0, give_up_after=1.0) is None
    assert len(kept) > 30
    assert max(kept) == 2


def test_s10_a_log_that_was_corrupted_is_never_sent_from() -> None:
    """At any place before the last commit group: exit 6, and no request."""
    fired = 0
    for seed in range(30):
        lasting = world(FEW, seed=seed)
        start(lasting, crash="killed", crash_at=60 + seed)
        before = len(lasting.judge.sent)
        ended = start(lasting, before="log_corrupted")
        if lasting.judge.fired["log_corrupted"]:
            fired += 1
            assert code(ended) == (6, "checkpoint_corrupt")
            assert len(lasting.judge.sent) == before
    assert fired > 20


def test_a_promise_that_is_broken_ends_the_play() -> None:
    """The judge's word goes through whatever catches exceptions."""
    lasting = world(FEW)
    lasting.judge.twice = 5
    with pytest.raises(ViolationError, match="S8"):
        lasting.judge.check_duplicates()
