"""Where each rule turns, to the ID: what mutants of the guards would move."""

import time

import pytest

from bulkdelete.core.anomaly import Night, anomalies
from bulkdelete.core.damage import Detector, Finding
from bulkdelete.core.identities import joined
from bulkdelete.core.model import Kind
from bulkdelete.core.plan import Counts
from bulkdelete.core.sketch import SKETCH_SIZE, Sketch, Sketcher, hashes
from bulkdelete.core.times import Window, instant


def looked(ids: list[str], name: str = "l.csv") -> Detector:
    """Look at a list at once; its lines are numbered from 1."""
    detector = Detector(Kind.IDENTITY)
    detector.look(ids, joined(ids), name, range(1, 1 + len(ids)))
    return detector


def only(ids: list[str]) -> Finding:
    """Return the only finding."""
    (found,) = looked(ids).findings()
    return found


def users(count: int) -> list[str]:
    """Return IDs that nobody finds odd."""
    return [f"user-{number:07d}" for number in range(count)]


def numbers(count: int) -> list[str]:
    """Return integers of one width, without zeros in front."""
    return [str(5000 + number) for number in range(count)]


def test_ten_are_many_and_half_is_many() -> None:
    """Ten of 900 are; and two of four."""
    assert only([*users(890), *["1.0"] * 10]).refuse
    assert only(["1.0", "2.0", *users(2)]).refuse
    assert not only(["1.0", *users(2)]).refuse


def test_the_places_are_those_of_the_ids() -> None:
    """The first three, wherever they are in their block, and of those that are meant."""
    ids = users(200)
    for at in (10, 60, 110, 160):
        ids[at] = "ana@example.com"
    assert only(ids).places == ("l.csv:11", "l.csv:61", "l.csv:111")
    assert len(list(looked(ids)._blocks)) == 4
    mails = [f"u{n}@example.com" for n in range(200)]
    mails[7] = mails[70] = "user-1"
    assert only(mails).places == ("l.csv:8", "l.csv:71")


def test_chance_makes_some_numbers_round() -> None:
    """Of 100 numbers of 17 digits six may end in two zeros, and of 20 two."""

    def rounded(count: int, of: int) -> list[str]:
        return ["12345678901234500"] * count + ["12345678901234567"] * (of - count)

    assert looked(rounded(6, 100)).findings() == []
    assert only(rounded(7, 100)).count == 7
    assert looked(rounded(2, 20)).findings() == []
    short = ["123456789012345"] * 5
    assert only([*short, *rounded(20, 20)]).places == ("l.csv:6", "l.csv:7", "l.csv:8")


PADDED = [f"{n:06d}" for n in range(100_000 - 10, 100_000 + 10)]


def test_lost_zeros_are_counted_one_by_one() -> None:
    """Those that kept a zero are none of them; the places are of the others."""
    found = only([*PADDED, "0042", "4242", "007", "42"])
    assert (found.count, found.places) == (2, ("l.csv:24", "l.csv:22"))
    mixed = only([*PADDED, "x", "4242"])
    assert (mixed.count, mixed.places) == (1, ("l.csv:22",))


def test_lost_zeros_need_a_column_of_numbers_and_a_usual_width() -> None:
    """Half of the column, and half of the numbers, is enough; less is not."""
    assert only([*PADDED[:9], "42", *users(10)]).rule == "lost_zeros"
    assert looked([*PADDED[:9], "42", *users(11)]).findings() == []
    half = [*PADDED[:10], *numbers(5), *["777"] * 5]
    assert only(half).count == 10
    assert looked([*half, "777"]).findings() == []


def test_a_stretch_must_be_long_and_pure_to_be_one() -> None:
    """A tenth of the list, 50 IDs, nine of ten of them alike."""
    assert only([*users(900), *numbers(100)]).rule == "changed_shape"
    assert only([*users(450), *numbers(50)]).rule == "changed_shape"
    assert looked([*users(441), *numbers(49)]).findings() == []
    assert looked([*users(950), *numbers(100)]).findings() == []
    tail = numbers(200)
    tail[3::10] = users(20)
    assert only([*users(300), *tail]).rule == "changed_shape"
    tail[4::10] = users(20)
    assert looked([*users(300), *tail]).findings() == []


def test_the_place_of_a_change_outlives_the_joining_of_blocks() -> None:
    """A long list remembers less of where, but a place it does remember."""
    detector = Detector(Kind.IDENTITY)
    for number in range(5000):
        ids = ["user-1"] if number < 2500 else ["42"]
        detector.look(ids, joined(ids), "l.csv", [number])
    (found,) = detector.findings()
    assert found.places == ("l.csv:2500",)


@pytest.mark.parametrize(
    ("now", "worst", "held"),
    [(3.0, 1.0, False), (3.1, 1.0, True), (2.0, 1.0, False), (0.5, 0.1, False)],
)
def test_i8_invalid_ids_of_a_job(now: float, worst: float, held: bool) -> None:
    """More than three times the worst, and more than half a point on top."""
    assert bool(anomalies(Night(9, now), [Night(9, worst)] * 3)) is held


def nights(*firsts: int) -> list[Night]:
    """Return runs whose lists are 20 consecutive numbers each, as their own hashes."""
    return [Night(20, 0.0, Sketch(7, 0, frozenset(range(first, first + 20)))) for first in firsts]


def test_h1_where_an_overlap_turns_strange() -> None:
    """A fifth at most is usually another list; four fifths at least the same one."""
    now = nights(4)[0]
    assert anomalies(now, nights(0, 16, 32)) != []
    assert anomalies(now, nights(0, 15, 32)) == []
    assert anomalies(nights(5)[0], nights(0, 16, 32)) == []
    far = nights(1000)[0]
    assert anomalies(far, nights(0, 4, 8)) != []
    assert anomalies(far, nights(0, 5, 8)) == []


def test_a_sketch_to_the_last_hash() -> None:
    """The largest hash belongs to a list that is small; at the limit of a level it does not."""
    sketcher = Sketcher(7)
    sketcher.add([2**64 - 1, *range(SKETCH_SIZE - 1)])
    assert sketcher.sketch().level == 0
    assert 2**64 - 1 in sketcher.sketch().hashes
    sketcher.add([2**63 - 1, 2**63])
    assert (sketcher.sketch().level, len(sketcher.sketch().hashes)) == (1, SKETCH_SIZE)
    assert 2**63 - 1 in sketcher.sketch().hashes
    one = Sketch(7, 0, frozenset([*range(20), 2**63]))
    assert one.overlap(Sketch(7, 1, frozenset(range(20)))) == 1.0
    assert len(list(hashes(b"a b\nc", 7))) == 2
    zero = Counts(**dict.fromkeys(Counts.__struct_fields__, 0))
    assert Night.of(zero, one).sketch is one


def test_a_time_without_a_zone_is_utc_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a machine in Tokyo; one with a zone is that zone's."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert instant("1970-01-02") == 86400
        assert instant("1970-01-02T00:00:00+09:00") == 86400 - 9 * 3600
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "a window such as 22:00-06:00 is wanted"),
        ("1:00-1:00", "a window such as 22:00-06:00 is wanted, and it must not be empty"),
    ],
)
def test_g3_the_words_about_a_window(text: str, words: str) -> None:
    """Each says what would be right."""
    with pytest.raises(ValueError, match="window") as caught:
        Window.parse(text)
    assert str(caught.value) == words
