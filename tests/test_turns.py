"""The meter: what share of the slots was in use while there was work for them."""

import pytest

from bulkdelete.turns import Meter


def test_nothing_is_measured_before_the_canarys_answer() -> None:
    """What was in flight before the first answer is not counted."""
    meter = Meter(cap=2)
    meter.change(+1, 0.0, fresh=True)
    assert meter.utilisation == 0.0


def test_the_share_ends_with_the_last_chunk_that_was_taken() -> None:
    """One of two slots for a second, both for a second; the tail without work does not count."""
    meter = Meter(cap=2)
    meter.begin(10.0)
    meter.change(+1, 10.0, fresh=True)
    meter.change(+1, 11.0, fresh=True)
    meter.change(-1, 12.0)
    meter.change(+1, 12.0, fresh=True)
    meter.change(-1, 30.0)
    meter.change(-1, 60.0)
    assert meter.utilisation == pytest.approx(0.75)


def test_more_in_flight_than_the_cap_counts_as_the_cap() -> None:
    """The share is never more than 1."""
    meter = Meter(cap=1)
    meter.begin(0.0)
    meter.change(+1, 0.0, fresh=True)
    meter.change(+1, 0.0, fresh=True)
    meter.change(-1, 5.0)
    meter.change(+1, 5.0, fresh=True)
    assert meter.utilisation == pytest.approx(1.0)


def test_an_outage_counts_as_idle_until_the_stop() -> None:
    """With the server gone no chunk is taken any more; the slots were idle until then."""
    meter = Meter(cap=1)
    meter.begin(0.0)
    meter.change(+1, 0.0, fresh=True)
    meter.change(-1, 10.0)
    meter.stop(40.0)
    assert meter.utilisation == pytest.approx(0.25)
