"""The limit and the measurements, against a clock that is a number."""

from bulkdelete.emulator.slots import Slots
from bulkdelete.emulator.state import Profiles


def _begin(slots: Slots, now: float) -> None:
    assert slots.arrive(now, slots.in_flight)
    slots.take(now)


def test_utilisation_runs_from_the_first_answer_to_the_latest_arrival() -> None:
    """The canary and the tail are left out; in between it is the time-mean of the slots in use."""
    slots = Slots(2)
    _begin(slots, 0.0)
    slots.release(10.0)
    slots.open_window(10.0)
    assert slots.stats()["utilisation"] is None
    _begin(slots, 10.0)
    _begin(slots, 12.0)  # one of two slots for 2 s
    slots.release(16.0)  # both for 4 s
    _begin(slots, 18.0)  # one for 2 s
    assert slots.utilisation == (2 * 0.5 + 4 * 1.0 + 2 * 0.5) / 8
    slots.release(90.0)
    assert slots.utilisation == 0.75


def test_gaps_are_from_a_release_to_the_next_taker() -> None:
    """A slot's first use has no gap; later ones have the time it stood empty."""
    slots = Slots(1)
    _begin(slots, 0.0)
    slots.release(1.0)
    _begin(slots, 1.25)
    assert slots.stats()["slot_gap_ms"] == {"p50": 250.0, "p95": 250.0, "p99": 250.0}


def test_the_maximum_shows_what_the_client_tried() -> None:
    """An arrival that is turned away counts for the maxima, and takes no slot."""
    slots = Slots(1)
    _begin(slots, 0.0)
    assert not slots.arrive(0.0, live=0)
    stats = slots.stats()
    assert (stats["max_in_flight"], stats["max_live_in_flight"], stats["in_flight"]) == (2, 1, 1)


def test_a_smaller_limit_lets_the_others_finish() -> None:
    """Requests above the new limit run on, and no slot is free until they are done."""
    slots = Slots(3)
    for _ in range(3):
        _begin(slots, 0.0)
    slots.resize(1, 1.0)
    slots.release(2.0)
    slots.release(2.0)
    assert not slots.arrive(3.0, live=1)
    slots.release(3.0)
    assert slots.arrive(3.0, live=0)


def test_profiles_everybody_exists_until_acted_on() -> None:
    """Without a list every ID is a profile; kinds are apart; repeats are counted once each."""
    profiles = Profiles(None, removal_delay=0.0, record_ids=True)
    profiles.act("identity", ["a", "b"], 0.0)
    profiles.act("identity", ["a"], 0.0)
    profiles.act("identity", ["a"], 0.0)
    assert not profiles.exist("identity", "a", 0.0)
    assert profiles.exist("guid", "a", 0.0)
    assert profiles.repeated == {"identity": 1}
    assert list(profiles.lines()) == [b'identity\t3\t"a"\n', b'identity\t1\t"b"\n']


def test_profiles_of_a_list_go_after_the_delay() -> None:
    """Only those listed exist; the delay runs from the first acceptance."""
    profiles = Profiles({"guid": ["g"]}, removal_delay=5.0, record_ids=True)
    assert not profiles.exist("guid", "other", 0.0)
    profiles.act("guid", ["g"], 10.0)
    profiles.act("guid", ["g"], 14.0)
    assert profiles.exist("guid", "g", 14.9)
    assert not profiles.exist("guid", "g", 15.0)


def test_unrecorded_ids_are_only_counted() -> None:
    """With recording off the memory does not grow with the IDs."""
    profiles = Profiles(None, removal_delay=0.0, record_ids=False)
    profiles.act("guid", ["g", "g"], 0.0)
    assert profiles.total == {"guid": 2}
    assert list(profiles.lines()) == []
