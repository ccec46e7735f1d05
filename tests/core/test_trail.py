"""The attempts of one ID, out of a whole log."""

from bulkdelete.core import checkpoint as log
from bulkdelete.core.trail import Trail, Try


def intent(chunk: int, lo: int, hi: int, attempt: int, at: float) -> log.Intent:
    """Make an intent."""
    return log.Intent(chunk=chunk, lo=lo, hi=hi, attempt=attempt, digest="d", at=at)


def outcome(intended: log.Intent, verdict: str, *bad: int) -> log.Outcome:
    """Make its outcome, half a second later."""
    return log.Outcome(
        chunk=intended.chunk,
        lo=intended.lo,
        hi=intended.hi,
        attempt=intended.attempt,
        verdict=verdict,
        at=intended.at + 0.5,
        reason="why",
        status=200,
        ms=500.0,
        bad=bad,
    )


WHOLE, OTHER = intent(3, 0, 100, 1, 10.0), intent(4, 0, 100, 1, 10.0)
LEFT, RIGHT, AGAIN = (
    intent(3, 0, 50, 1, 20.0),
    intent(3, 50, 100, 1, 20.0),
    intent(3, 50, 100, 2, 30.0),
)
RECORDS: list[log.Record] = [
    log.Start(at=9.0, pid=1, machine="m", in_flight=3, todo=5),
    WHOLE,
    OTHER,
    outcome(OTHER, "accepted"),
    outcome(WHOLE, "refused"),
    log.Split(chunk=3, lo=0, hi=100, at=10.5),
    LEFT,
    RIGHT,
    outcome(RIGHT, "throttled"),
    outcome(LEFT, "partial", 7, 9),
    AGAIN,
]
FIRST = Try(
    attempt=1,
    lo=0,
    hi=100,
    sent=10.0,
    answered=10.5,
    verdict="refused",
    status=200,
    reason="why",
    ms=500.0,
)


def followed(*places: tuple[int, int]) -> Trail:
    """Follow these through the log."""
    trail = Trail(places)
    for record in RECORDS:
        trail.apply(record)
    return trail


def test_an_id_is_followed_into_its_piece() -> None:
    """The whole chunk, then its half, twice: the last has no answer."""
    tries = followed((3, 60)).tries(3, 60)
    assert tries[0] == FIRST
    assert [(one.lo, one.hi, one.attempt, one.verdict) for one in tries[1:]] == [
        (50, 100, 1, "throttled"),
        (50, 100, 2, ""),
    ]
    assert (tries[2].sent, tries[2].answered) == (30.0, None)


def test_several_are_followed_at_once() -> None:
    """In the same chunk and in others; one that the answer named, and its neighbour."""
    trail = followed((3, 7), (3, 8), (4, 0), (5, 1))
    assert [(one.verdict, one.refused) for one in trail.tries(3, 7)] == [
        ("refused", False),
        ("partial", True),
    ]
    assert [one.refused for one in trail.tries(3, 8)] == [False, False]
    assert [one.verdict for one in trail.tries(4, 0)] == ["accepted"]
    assert trail.tries(5, 1) == []
