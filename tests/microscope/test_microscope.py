"""A sample of what `make microscope` looks at whole: no damaged run is taken for a sound one."""

from pathlib import Path

import pytest

from bulkdelete.core import checkpoint as log
from tests.microscope import looks
from tests.microscope.papers import make_run, papers


def test_d9_a_flipped_bit_is_never_read_cleanly() -> None:
    """Refused, or torn when it is in the last group."""
    seen = looks.flips(0, 1, 61)
    assert (seen.wrong, seen.seen["refused"] > 5000, seen.seen["torn"] > 20) == ([], True, True)


def test_d7_d10_a_cut_log_is_that_of_an_earlier_moment() -> None:
    """At whatever byte: the whole groups before it, and a head that `audit --head` refuses."""
    seen = looks.cuts(0, 1, 23)
    assert (seen.wrong, seen.seen["torn"] > 10, seen.seen["earlier"] > 1000) == ([], True, True)


def test_d8_a_sector_never_takes_more_than_the_last_group() -> None:
    """Zeroed, trashed or replaced: refused, but for the sectors of the last group."""
    seen = looks.sectors(0, 1, 97)
    assert (seen.wrong, seen.seen["refused"] > 1000, seen.seen["torn"] >= 3) == ([], True, True)


def test_d8_sectors_that_groups_share_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the filling the look at sectors finds what it is there to find."""
    monkeypatch.setattr(log, "SECTOR", 1)
    assert looks.sectors(0, 1, 10**9).wrong


def test_d11_d17_two_edits_of_records_are_refused() -> None:
    """Dropped, repeated, swapped, or from another log, in any two places."""
    seen = looks.edits(0, 1, 397)
    assert (seen.wrong, seen.seen["refused"] > 500) == ([], True)


def test_d12_d7_whatever_the_disk_made_of_the_last_write() -> None:
    """A process that died leaves what had been synced, and is never refused for it."""
    seen = looks.crashes(0, 1, 211)
    assert (seen.wrong, seen.seen["torn"] > 5000) == ([], True)


def test_d9_d7_a_snapshot_never_hides_a_damage() -> None:
    """Of the log it is not of any more, or altered itself, it is passed over."""
    seen = looks.snapshots(0, 1, 211)
    passed, as_without = seen.seen["passed over"], seen.seen["as without"]
    assert (seen.wrong, passed > 1000, as_without > 300) == ([], True, True)


def test_z3_d17_plan_index_and_key_are_refused_when_altered(tmp_path: Path) -> None:
    """By what every process asks before it sends, with exit 6: whatever byte it is."""
    seen = papers(make_run(tmp_path), 0, 1, 17)
    assert (seen.wrong, seen.seen["refused"] > 1000) == ([], True)
