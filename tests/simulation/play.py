"""One seed, played: several starts of one run, and (calming) the end that must come."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from bulkdelete.errors import BulkdeleteError, GuardError, IntegrityError, Interrupted, Stopped
from tests.simulation.disk import Platter
from tests.simulation.judge import Judge
from tests.simulation.lists import planned_list
from tests.simulation.network import Server
from tests.simulation.oracle import ViolationError
from tests.simulation.process import Lasting, SimProcess
from tests.simulation.scenario import Befalls, Scenario, draw

MODES = ("storm", "calming")


@dataclass(slots=True)
class Played:
    """What came of a seed. `log` hashes the log as it ended: the same seed gives the same."""

    seed: int
    mode: str
    violation: str | None = None
    fired: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    starts: int = 0
    steps: int = 0
    log: str = ""
    trace: list[str] = field(default_factory=list)


def play(seed: int, mode: str, *, trace: bool = False) -> Played:
    """Play a seed; what was violated, if anything, is in the result."""
    return play_scenario(draw(seed), mode, trace=trace)


def play_scenario(scenario: Scenario, mode: str, *, trace: bool = False) -> Played:
    """Play a scenario."""
    played = Played(scenario.seed, mode)
    lasting = lasting_of(scenario, trace=trace)
    try:
        for befalls in scenario.starts:
            played.steps += one_start(lasting, befalls).loop.steps
        if mode == "calming":
            played.steps += calm(lasting, hold=scenario.starts[-1].hold)
    except ViolationError as error:
        played.violation = str(error)
    played.fired = lasting.judge.fired
    played.requests = len(lasting.judge.sent)
    played.starts = lasting.starts
    played.trace = lasting.trace or []
    played.log = hashlib.sha256(lasting.platter.seen).hexdigest()[:16]
    return played


def lasting_of(scenario: Scenario, *, trace: bool = False) -> Lasting:
    """Make the world of a scenario."""
    listed = planned_list(scenario.number)
    judge = Judge(listed, listed.plan.bound.chunk_size)
    dice = Random(f"world {scenario.seed}")
    places = listed.place.values()
    bad = frozenset(one for one in places if dice.random() < scenario.bad_ids)
    server = Server(
        dice=dice,
        judge=judge,
        ill=scenario.illness,
        mix=scenario.mix,
        bad=bad,
        slots=scenario.server_slots,
        neighbours=scenario.neighbours,
        latency=scenario.latency,
        connects=scenario.connects,
    )
    platter = Platter(bytearray(listed.header))
    judge.synced(platter.durable)
    return Lasting(
        listed=listed,
        platter=platter,
        server=server,
        judge=judge,
        dice=dice,
        cap=scenario.cap,
        plan_ttl=scenario.plan_ttl,
        trace=[] if trace else None,
    )


def one_start(lasting: Lasting, befalls: Befalls) -> SimProcess:
    """Let one process live and end, and have the judge look at how."""
    lasting.now += befalls.pause
    process = SimProcess(lasting, befalls)
    judge = lasting.judge
    stops_before = judge.oracle.stops
    ended = process.ended = process.live()
    process.note("end", repr(ended))
    _check_end(lasting, process, ended, stops_before)
    judge.end(crashed=process.crashed or process.cancelled)
    badly = process.crashed or process.disk_trouble
    if badly and (befalls.power_too or befalls.crash == "power_lost"):
        _lose_power(lasting)
    return process


def _lose_power(lasting: Lasting) -> None:
    platter, judge = lasting.platter, lasting.judge
    platter.lose_power(lasting.dice)
    for fate in platter.fates:
        judge.fired[f"power_{fate}"] += 1
    platter.fates.clear()
    judge.lost_power(platter.durable)


def _check_end(
    lasting: Lasting, process: SimProcess, ended: BaseException | None, stops_before: int
) -> None:
    if process.crashed:
        return
    judge, befalls = lasting.judge, process.befalls
    if process.loop.complaints:
        raise ViolationError("bug", process.loop.complaints[0])
    if process.opened is not None and not process.opened.closed:
        raise ViolationError("bug", "the log was not closed")
    if ended is None:
        _check_finished(lasting)
    elif isinstance(ended, BulkdeleteError):
        _note_ending(judge.fired, ended)
        _check_codes(befalls, ended)
        begun = judge.begun
        recorded = judge.oracle.stops > stops_before or process.disk_trouble or process.cancelled
        if begun is not None and begun.spans and not recorded:
            raise ViolationError("record", f"{ended.code} stopped it and is not on record")
    elif not (process.cancelled and type(ended).__name__ == "CancelledError"):
        raise ViolationError("bug", f"it ended with {ended!r}")
    _check_grace(process)


def _check_finished(lasting: Lasting) -> None:
    """Check S6 of a run that reached its end."""
    judge = lasting.judge
    seal, ids = judge.oracle.seal, lasting.listed.ids
    if seal is None:
        raise ViolationError("S6", "it reached its end without a durable seal")
    accepted, rejected = len(judge.oracle.accepted), len(judge.oracle.rejected)
    told = seal["ids"]
    if (told["accepted"], told["rejected"]) != (accepted, rejected):
        raise ViolationError("S6", f"the seal says {told}; durably {accepted} and {rejected}")
    if told["read"] != sum(count for name, count in told.items() if name != "read"):
        raise ViolationError("S6", f"{told} does not add up")
    if (seal["exit"] == 0) != (accepted == ids):
        raise ViolationError("S6", f"exit {seal['exit']} with {accepted} of {ids} accepted")


def _check_codes(befalls: Befalls, ended: BulkdeleteError) -> None:
    wanted = {
        "log_corrupted": (6, "checkpoint_corrupt"),
        "input_changed": (6, "input_changed"),
        "other_account": (6, "other_account"),
        "too_many_ids": (4, "max_deletes"),
    }.get(befalls.before or "")
    if wanted is not None and (ended.exit, ended.code) != wanted:
        raise ViolationError("S10", f"{befalls.before} ended with {ended!r}")


def _check_grace(process: SimProcess) -> None:
    """Check that a signal is followed by the end within the grace and 2 seconds."""
    at, begun = process.interrupted_at, process.judge.begun
    if at is None or begun is None or begun.slow or begun.frozen:
        return
    if process.loop.now > at + process.befalls.grace + 2.0:
        raise ViolationError("grace", f"it ended {process.loop.now - at:.1f} s after a signal")


def _note_ending(fired: Counter[str], ended: BulkdeleteError) -> None:
    name = _ENDINGS.get(ended.code)
    if name is not None:
        fired[name] += 1
    if isinstance(ended, Stopped | Interrupted | GuardError | IntegrityError):
        fired[f"exit_{ended.exit}"] += 1


_ENDINGS = {
    "expired": "approval_expired",
    "hold_after": "held_after",
    "max_failures": "too_many_failures",
    "max_duration": "out_of_time",
    "retry_budget": "out_of_retries",
    "outage": "outage",
    "canary": "canary_refused",
    "canary_ambiguous": "canary_in_doubt",
    "wait_hint": "waits_too_long",
}


def calm(lasting: Lasting, *, hold: bool) -> int:
    """Let all faults stop: starting again must bring every ID to its end (S9).

    Return the steps that took. A start may end early only where a guard asks for a look, and
    then it has brought something forward.
    """
    server, judge = lasting.server, lasting.judge
    server.ill, server.neighbours, server.slots = 0.0, 0.0, 3
    server.script = None
    steps = 0
    for _ in range(len(lasting.listed.chunks) + 2):
        settled = len(judge.oracle.accepted) + len(judge.oracle.rejected)
        began = lasting.now
        sealed = judge.oracle.starts
        befalls = Befalls(pause=1.0, renew=True, hold=hold, max_failures=100.0)
        steps += one_start(lasting, befalls).loop.steps
        if lasting.now - began > 3600.0:
            raise ViolationError("S9", f"{lasting.now - began:.0f} s without faults")
        if judge.oracle.seal is not None:
            break
        done = len(judge.oracle.accepted) + len(judge.oracle.rejected)
        if done <= settled or judge.oracle.starts <= sealed:
            raise ViolationError("S9", "a start without faults brought nothing forward")
    _check_all_settled(lasting, hold=hold)
    return steps


def _check_all_settled(lasting: Lasting, *, hold: bool) -> None:
    oracle = lasting.judge.oracle
    for seq, position in lasting.listed.place.values():
        if (seq, position) in oracle.accepted or (seq, position) in oracle.rejected:
            continue
        doubt = any(span[0] == seq and span[1] <= position < span[2] for span in oracle.doubts)
        if not (hold and doubt):
            raise ViolationError("S9", f"ID {position} of chunk {seq} has no end")


def replay_command(played: Played) -> str:
    """Return the command that plays a seed again and shows what happens."""
    return f"python -m tests.simulation --mode {played.mode} --seed {played.seed} --trace"
