"""The report of a fleet as one HTML page, in the look of a run's."""

from collections.abc import Mapping
from typing import Any

from bulkdelete.core.model import State
from bulkdelete.render.html import MEANINGS, mood, segments, template, verdict


def render(report: Mapping[str, Any]) -> str:
    """Return the page of a fleet's report (`core.fleet_report`), given as builtins."""
    ids = report["ids"]
    return template("fleet.html.jinja").render(
        report=report,
        title=f"Fleet {report['fleet']}",
        verdict=verdict(report),
        mood=mood(report),
        states=[(state.value, ids[state], MEANINGS[state]) for state in State],
        segments=segments(ids),
        planned=lambda job: sum(job["ids"][one] for one in _PLANNED),
    )


_PLANNED = (State.ACCEPTED, State.REJECTED, State.AMBIGUOUS, State.UNSENT)
