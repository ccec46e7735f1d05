"""Times as exports write them, and the hours in which a run may send."""

import pytest

from bulkdelete.core.times import Window, instant


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86400),
        ("19700102", 86400),
        ("1970-01-02T00:00:00Z", 86400),
        ("1970-01-02T01:00:00+01:00", 86400),
        (" 1970-01-02 00:00:01 ", 86401),
        ("1700000000", 1_700_000_000),
        ("1700000000.5", 1_700_000_000.5),
        ("1700000000123", 1_700_000_000.123),
        ("170000000012", 170_000_000.012),
        ("17000000001", 17_000_000_001),
    ],
)
def test_instants(text: str, seconds: float) -> None:
    """ISO dates and times, UTC unless they say otherwise; epoch seconds and milliseconds."""
    assert instant(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "12", "1e9", "99999999", "-1"])
def test_what_is_no_instant(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises((ValueError, TypeError)):
        instant(text)


HOUR = 3600


@pytest.mark.parametrize(
    ("window", "at", "closed"),
    [
        ("22:00-06:00", 22 * HOUR, 0),
        ("22:00-06:00", 22 * HOUR - 1, 1),
        ("22:00-06:00", 0, 0),
        ("22:00-06:00", 6 * HOUR - 1, 0),
        ("22:00-06:00", 6 * HOUR, 16 * HOUR),
        ("9:30-10:00", 9 * HOUR + 1800, 0),
        ("9:30-10:00", 10 * HOUR, 23.5 * HOUR),
        ("9:30-10:00", 9 * HOUR, 1800),
        (" 00:00-00:01 ", 59, 0),
        ("00:00-00:01", 60, 24 * HOUR - 60),
    ],
)
def test_how_long_a_window_is_closed(window: str, at: int, closed: float) -> None:
    """To the second, on both sides, and over midnight."""
    assert Window.parse(window).closed_for(at) == closed
    assert Window.parse(str(Window.parse(window))) == Window.parse(window)


@pytest.mark.parametrize("text", ["", "22-6", "24:00-06:00", "22:60-06:00", "06:00-06:00", "22:00"])
def test_g3_what_is_no_window(text: str) -> None:
    """An empty window would never open, a malformed one means nothing."""
    with pytest.raises(ValueError, match="22:00-06:00"):
        Window.parse(text)
