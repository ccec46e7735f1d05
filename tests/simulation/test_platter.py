"""The simulated disk: what a later write leaves of an earlier one."""

from random import Random

import pytest

from tests.simulation.disk import Platter, Write


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (0, 10, [(10, b"abcdefghij")]),
        (0, 12, [(12, b"cdefghij")]),
        (12, 15, [(10, b"ab"), (15, b"fghij")]),
        (10, 20, []),
        (5, 40, []),
        (15, 30, [(10, b"abcde")]),
        (20, 30, [(10, b"abcdefghij")]),
    ],
)
def test_a_write_over_another(start: int, end: int, left: list[tuple[int, bytes]]) -> None:
    """What is covered is the later one's; the rest stays as it was, lost or not."""
    found = list(Write(10, b"abcdefghij", lost=True).outside(start, end))
    assert [(one.at, one.content) for one in found] == left
    assert all(one.lost for one in found)


@pytest.mark.parametrize("pieces", [[10], [3, 7], [1, 4, 5]])
def test_what_was_lost_is_durable_once_it_is_written_again_whole(pieces: list[int]) -> None:
    """In one write or in several that are short: no later loss of power takes it."""
    platter = Platter(bytearray())
    platter.write(b"0123456789", 0)
    platter.fail_sync()
    at = 0
    for size in pieces:
        platter.write(b"0123456789"[at : at + size], at)
        at += size
    platter.sync()
    platter.lose_power(Random(1))
    assert platter.seen == b"0123456789"


def test_what_was_lost_stays_so_where_nothing_is_written_again() -> None:
    """A sync after the one that failed says nothing of it."""
    platter = Platter(bytearray())
    platter.write(b"0123456789", 0)
    platter.fail_sync()
    platter.write(b"01234", 0)
    platter.sync()
    for seed in range(9):
        other = Platter(bytearray(platter.durable))
        other.pending = [*platter.pending]
        other.lose_power(Random(seed))
        assert other.seen != b"0123456789"
