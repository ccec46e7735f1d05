"""A run that goes on is never tuned beyond what its vendor takes."""

from typing import Any

import pytest

from bulkdelete.core import live
from bulkdelete.errors import UsageError
from bulkdelete.io.pacing import Pacer
from bulkdelete.steering import Steering


class Notes:
    """A journal that only remembers."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    async def append(self, record: Any) -> None:  # noqa: ANN401 - any record
        """Remember it."""
        self.kept.append(record)


@pytest.mark.parametrize(
    ("fastest", "rate", "kept"),
    [(5.0, 4.0, 4.0), (5.0, 5.0, 5.0), (5.0, 0.0, 5.0), (None, 0.0, None), (None, 900.0, 900.0)],
)
async def test_s13_the_rate_is_tuned(
    fastest: float | None, rate: float, kept: float | None
) -> None:
    """Up to the vendor's own, which is also what `any number` means there; on record as it is."""
    notes, pacer = Notes(), Pacer(1.0)
    steering = steered(notes, pacer, fastest)
    await steering._tune(live.Tune(rate=rate))
    assert pacer.rate == kept
    assert notes.kept[0].value == ("none" if kept is None else f"{kept:g}")


async def test_s13_the_rate_is_not_tuned_beyond() -> None:
    """It is refused, and nothing is put on record."""
    notes, pacer = Notes(), Pacer(1.0)
    with pytest.raises(UsageError, match="5 requests a second at most"):
        await steered(notes, pacer, 5.0)._tune(live.Tune(rate=5.1, max_in_flight=9))
    assert (pacer.rate, notes.kept) == (1.0, [])


def steered(notes: Notes, pacer: Pacer, fastest: float | None) -> Steering:
    """Return what tunes a pace, and nothing else."""
    nothing: Any = None
    journal: Any = notes
    return Steering(
        sender=nothing,
        turns=nothing,
        pacer=pacer,
        meter=nothing,
        journal=journal,
        wall=lambda: 0.0,
        leave_free=0,
        fastest=fastest,
        counts=nothing,
        progress=nothing,
    )
