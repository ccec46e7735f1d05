"""What is usual for a job that runs again and again, judged by its own finished runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.core.plan import Counts
    from bulkdelete.core.sketch import Sketch

LEAST_HISTORY = 3
"""Finished runs of a job from which on there is a usual."""

MOST_HISTORY = 10
_TIMES = 3
_AT_LEAST = 100
_POINTS = 0.5
_LOW, _HIGH = 0.2, 0.8


@dataclass(frozen=True, slots=True)
class Night:
    """One run of a job: IDs planned, percent of the IDs read that were invalid, its sketch."""

    planned: int
    invalid: float
    sketch: "Sketch | None" = None

    @classmethod
    def of(cls, counts: "Counts", sketch: "Sketch | None") -> "Night":
        """Return what counts of a plan."""
        share = counts.invalid * 100 / counts.read if counts.read else 0.0
        return cls(counts.planned, share, sketch)


def anomalies(now: Night, before: "Sequence[Night]") -> list[str]:
    """Say what is out of the usual; `before` are the job's finished runs, the newest first."""
    past = before[:MOST_HISTORY]
    if len(past) < LEAST_HISTORY:
        return []
    found = []
    largest = max(one.planned for one in past)
    if now.planned > largest * _TIMES and now.planned - largest > _AT_LEAST:
        found.append(
            f"it holds {now.planned:,} IDs, more than {_TIMES} times as many as the largest of "
            f"the last {len(past)} runs ({largest:,})"
        )
    worst = max(one.invalid for one in past)
    if now.invalid > worst * _TIMES and now.invalid - worst > _POINTS:
        found.append(
            f"{now.invalid:.1f} % of its IDs are invalid, and never more than {worst:.1f} % were"
        )
    return found + _strange_overlap(now, past)


def _strange_overlap(now: Night, past: "Sequence[Night]") -> list[str]:
    usual = [one for one in map(_shared, past, past[1:]) if one is not None]
    this = _shared(now, past[0])
    if this is None or not usual:
        return []
    if max(usual) <= _LOW and this >= 1 - _LOW:
        return [f"{this:.0%} of its IDs were in the list before, and it is usually another list"]
    if min(usual) >= _HIGH and this <= 1 - _HIGH:
        return [f"only {this:.0%} of its IDs were in the list before, and usually nearly all were"]
    return []


def _shared(one: Night, before: Night) -> float | None:
    if one.sketch is None or before.sketch is None:
        return None
    return one.sketch.overlap(before.sketch)


def check_anomaly(now: Night, before: "Sequence[Night]") -> None:
    """Hold a job's list that is out of the usual."""
    if found := anomalies(now, before):
        raise GuardError(
            "anomaly",
            f"this list is out of the usual for this job: {'; '.join(found)}; nothing was sent",
            "look at the list; if it is right, run it once with --accept-anomaly",
        )
