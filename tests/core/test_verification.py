"""Rounds of asking: replayed, continued, concluded, and put into words."""

from typing import Any

import msgspec
import pytest

from bulkdelete.core import checkpoint as log
from bulkdelete.core.profiles import Presence
from bulkdelete.core.progress import Progress
from bulkdelete.core.verification import (
    DAY,
    SETTLED_AFTER,
    AllDone,
    Begin,
    GoOn,
    Now,
    Rounds,
    Scope,
    TooEarly,
    Wish,
    conclude,
    course,
    nothing,
    says,
)
from bulkdelete.errors import IntegrityError

NOW = Now(tool="1", plan="p", head="h", population=5000, ended=1000.0, at=1e6, draw=42)
ROUND = log.Round(
    at=1e6, tool="1", plan="p", head="h", scope="accepted", population=4, sample=4, seed=42
)


def look(position: int, presence: Presence, chunk: int = 0) -> log.Look:
    """Return an answer about one ID."""
    return log.Look(chunk=chunk, position=position, presence=presence, how="x", at=1e6)


def replayed(*records: log.Record) -> Rounds:
    """Return the rounds that these records tell of."""
    rounds = Rounds("p")
    for record in records:
        rounds.apply(record)
    return rounds


def answered(*presences: Presence, **more: Any) -> list[log.Record]:  # noqa: ANN401 - fields
    """Return a whole round: opened, answered, concluded."""
    opened = msgspec.structs.replace(ROUND, **more)
    records: list[log.Record] = [opened]
    records += [look(place, presence) for place, presence in enumerate(presences)]
    rounds = replayed(*records)
    return [*records, conclude(rounds, opened.at + 5, "head")]


G, T, U = Presence.GONE, Presence.THERE, Presence.UNKNOWN


def test_a_round_is_replayed() -> None:
    """The last answer about an ID counts; what was not asked is None; it ends with its counts."""
    rounds = replayed(*answered(G, G, T, U)[:-1], look(3, G), look(0, T, chunk=7))
    asked = rounds.every[-1]
    assert [asked.presence(0, place) for place in range(5)] == [G, G, T, G, None]
    assert (asked.presence(7, 0), asked.presence(8, 0)) == (T, None)
    assert sorted(asked.found(T)) == [(0, 2), (7, 0)]
    assert rounds.concluded() == []
    end = conclude(rounds, 9.0, "head")
    assert (end.gone, end.there, end.unknown, end.back, end.exit) == (3, 2, 0, 0, 3)


@pytest.mark.parametrize(
    "records",
    [
        (look(0, G),),
        (log.Conclusion(at=1.0, exit=0, gone=0, there=0, unknown=0, back=0, head=""),),
        (msgspec.structs.replace(ROUND, plan="another"),),
        (*answered(G), look(0, G)),
        (ROUND, look(100, G)),
        (ROUND, log.Look(chunk=0, position=0, presence="odd", how="", at=1.0)),
        (ROUND, log.Abandon(at=1.0)),
    ],
)
def test_contradictions_are_refused(records: tuple[log.Record, ...]) -> None:
    """What cannot follow, or is of another run, is corruption."""
    with pytest.raises(IntegrityError):
        replayed(*records)


@pytest.mark.parametrize("record", [ROUND, look(0, G), answered(G)[-1]])
def test_the_checkpoint_holds_none_of_it(record: log.Record) -> None:
    """Records of verify.log in checkpoint.log are corruption."""
    with pytest.raises(IntegrityError):
        Progress(1).apply(record)


def test_who_is_there_again_came_back() -> None:
    """Gone in an earlier round and there now: somebody new, not somebody left."""
    rounds = replayed(*answered(G, G, T, T), *answered(T, G, T, U)[:-1])
    last = rounds.every[-1]
    assert rounds.tally(last) == {"gone": 1, "there": 1, "unknown": 1, "back": 1}
    assert rounds.came_back(last, 0, 0)
    assert not rounds.came_back(last, 0, 2)
    assert not rounds.came_back(rounds.every[0], 0, 0)


# --- what to do next ---


def test_not_before_48_hours() -> None:
    """From the end of sending; `at_once` does not wait."""
    soon = Now(tool="1", plan="p", head="h", population=9, ended=1000.0, at=1001.0, draw=1)
    assert course(Rounds("p"), Wish(), soon) == TooEarly(1000.0 + SETTLED_AFTER)
    assert isinstance(course(Rounds("p"), Wish(at_once=True), soon), Begin)


@pytest.mark.parametrize(
    ("wish", "sample", "seed"),
    [
        (Wish(), 2253, 42),
        (Wish(full=True), 5000, 42),
        (Wish(sample=10, seed=3), 10, 3),
        (Wish(sample=10**6), 5000, 42),
        (Wish(scope=Scope.AMBIGUOUS), 5000, 42),
    ],
)
def test_a_new_round_is_as_wished(wish: Wish, sample: int, seed: int) -> None:
    """Size and seed: as given, or by default."""
    begun = course(Rounds("p"), wish, NOW)
    assert isinstance(begun, Begin)
    assert begun.opened.sample == pytest.approx(sample, abs=1)
    assert (begun.opened.seed, begun.opened.scope) == (seed, wish.scope)


def test_an_open_round_goes_on_when_it_is_the_same() -> None:
    """Same wish, same run: it goes on, whatever seed would be drawn now; else a new one begins."""
    begun = course(Rounds("p"), Wish(), NOW)
    assert isinstance(begun, Begin)
    rounds = replayed(begun.opened)
    later = Now(tool="2", plan="p", head="h", population=5000, ended=1000.0, at=2e6, draw=43)
    assert course(rounds, Wish(), later) == GoOn(rounds.every[-1])
    assert course(rounds, Wish(seed=42), later) == GoOn(rounds.every[-1])
    assert isinstance(course(rounds, Wish(seed=41), later), Begin)
    assert isinstance(course(rounds, Wish(full=True), later), Begin)
    moved = Now(tool="2", plan="p", head="i", population=5000, ended=1000.0, at=2e6, draw=43)
    assert isinstance(course(rounds, Wish(), moved), Begin)
    assert isinstance(course(replayed(*answered(G)), Wish(), later), Begin)


def test_watching_for_returns() -> None:
    """The same sample after 7 and 30 days from the first conclusion, then no more."""
    wish = Wish(watch=True)
    first = answered(G, G, G, G, seed=5)
    assert isinstance(course(Rounds("p"), wish, NOW), Begin)
    done = 1e6 + 5
    week, month = done + 7 * DAY, done + 30 * DAY

    def at(when: float) -> Now:
        return Now(tool="1", plan="p", head="h", population=4, ended=1e3, at=when, draw=1)

    assert course(replayed(*first), wish, at(week - 1)) == TooEarly(week)
    begun = course(replayed(*first), wish, at(week))
    assert isinstance(begun, Begin)
    assert (begun.opened.day, begun.opened.sample, begun.opened.seed) == (7, 4, 5)
    second = answered(G, T, G, G, day=7)
    assert course(replayed(*first, *second), wish, at(week + 9)) == TooEarly(month)
    rounds = replayed(*first, *second, *answered(G, G, G, G, day=30))
    assert course(rounds, wish, at(month)) == AllDone(rounds.every[-1])


@pytest.mark.parametrize(
    ("called", "begun"),
    [
        (list(range(60)), [3, 11, 34]),  # counted from the first conclusion: never too soon
        ([*range(6), *range(20, 60)], [3, 20, 34]),  # the machine was off when a look was due
        ([*range(4), *range(50, 60)], [3, 50, 51]),  # for so long that both looks are
        ([1, 5, 11, 12, 13, 36], [5, 13, 36]),
        (list(range(10)), [3]),
    ],
)
def test_called_daily_it_asks_when_it_is_due(called: list[int], begun: list[int]) -> None:
    """Once after 48 hours, then after 7 and 30 days; on all others it is too early, or done."""
    rounds, days = Rounds("p"), []
    for number, day in enumerate(called):
        # At six in the morning; sending ended at noon of day 0.
        at = day * DAY + DAY / 4
        now = Now(tool="1", plan="p", head="h", population=9, ended=DAY / 2, at=at, draw=number)
        chosen = course(rounds, Wish(watch=True), now)
        if isinstance(chosen, Begin):
            days.append(day)
            rounds.apply(chosen.opened)
            rounds.apply(conclude(rounds, at + 600.0, "head"))
        else:
            assert isinstance(chosen, AllDone if len(days) == 3 else TooEarly)
    assert days == begun
    assert [one.opened.day for one in rounds.every] == [0, 7, 30][: len(begun)]
    assert len({one.opened.seed for one in rounds.every}) == 1


# --- words ---


def words(*presences: Presence, **more: Any) -> str:  # noqa: ANN401 - fields of a round
    """Return the sentence of a whole round."""
    (asked,) = replayed(*answered(*presences, **more)).every
    return says(asked, "r", "d", 1000.0).sentence


def test_the_sentences() -> None:
    """In full it is exact; by sample it says how sure; before its time it says so."""
    assert words(G, G, G, G) == "All 4 accepted IDs were asked for: 4 gone, none left."
    assert words(G, T, U, T, scope="ambiguous") == (
        "All 4 ambiguous IDs were asked for: 1 gone, 2 still there, 1 unknown."
    )
    assert words(G, G, G, G, population=5) == (
        "4 of 5 accepted IDs, chosen at random, were asked for: 4 gone, none left. "
        "With 95 % confidence at most 1 of all (20 %) are not gone."
    )
    assert words(G, G, G, G, at=1001.0).endswith(
        "Asked before 48 hours had passed: an accepted profile may still have answered."
    )


def test_what_is_said_adds_up() -> None:
    """The numbers of the object are those of the records; nothing is said of an open round."""
    rounds = replayed(*answered(G, G, T, U, population=9))
    said = says(rounds.every[-1], "r", "d", 1000.0)
    assert said.asked == said.gone + said.still_there + said.unknown + said.came_back
    assert (said.exit_code, said.not_gone_at_most, said.confidence) == (3, 7, 0.95)
    assert rounds.concluded(Scope.AMBIGUOUS) == []
    with pytest.raises(ValueError, match="before all"):
        says(replayed(ROUND).every[-1], "r", "d", 1000.0)
    assert nothing("p", Scope.ACCEPTED, "r", "d").sentence.endswith(
        "no ID of this run is accepted."
    )
