"""The report as one HTML page: no script, nothing loaded, whatever is in it stays text."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bulkdelete.core.model import State

_MEANINGS = {
    State.ACCEPTED: "the server answered success for it",
    State.REJECTED: "the server refused it",
    State.AMBIGUOUS: "sent, and not clearly answered: it may have been acted on",
    State.UNSENT: "planned, and not sent or not acted on",
    State.PROTECTED: "on a protect list, so never sent",
    State.DUPLICATE: "read before, so sent once only",
    State.INVALID: "cannot be an ID, so never sent",
    State.EXCLUDED: "not selected, so never sent",
}

_ENDS = {
    "draft": "A draft to look at: nothing was sent",
    "planned": "Planned: nothing was sent",
    "refused": "Refused: nothing was sent",
    "running": "Still running when this was written",
    "paused": "Paused",
    "interrupted": "Interrupted before the end",
    "stopped": "Stopped before the end",
    "finished": "Finished",
    "abandoned": "Abandoned",
}
_BEFORE_SENDING = frozenset({"draft", "planned", "refused"})
_RESUMABLE = frozenset({"interrupted", "stopped"})

_BAR = 1000.0
_THINNEST = 4.0
"""Width of the bar, and of a segment that stands for very few IDs: it must be seen."""

# Controls, marks that turn the direction of text around, and halves of characters.
_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class _Segment(NamedTuple):
    """A piece of the bar, in units of its width."""

    state: str
    ids: int
    x: float
    width: float


class _Event(NamedTuple):
    """A process started or stopped."""

    at: float
    what: str
    facts: Mapping[str, Any]


def render(facts: Mapping[str, Any]) -> str:
    """Return the page for `facts`, as `reporting.facts` puts them together."""
    ids = facts["report"]["ids"]
    return _template().render(
        facts,
        verdict=_verdict(facts["report"]),
        mood=_mood(facts["report"]),
        states=[(state.value, ids[state], _MEANINGS[state]) for state in State],
        segments=_segments(ids),
        events=_events(facts["starts"], facts["settings"], facts["stops"]),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("bulkdelete", "render"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_showable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "time": _time}
    return environment.get_template("report.html.jinja")


def _showable(value: object) -> object:
    """Make text safe to show and to encode; escaping it is the template's part."""
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def _number(value: float) -> str:
    return f"{value:,}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _planned(ids: Mapping[str, int]) -> int:
    return sum(ids[state] for state in (*_SENT, State.UNSENT))


_SENT = (State.ACCEPTED, State.REJECTED, State.AMBIGUOUS)


def _verdict(report: Mapping[str, Any]) -> str:
    """Say in a sentence how it ended."""
    ids, state = report["ids"], report["state"]
    end = _ENDS.get(state, state)
    planned = _planned(ids)
    if not planned:
        return f"{end}. There was nothing to send: none of the {ids['read']:,} IDs read is planned."
    if state in _BEFORE_SENDING:
        return f"{end}. {planned:,} IDs are planned."
    if ids[State.ACCEPTED] == planned:
        return f"{end}: the server accepted all {planned:,} planned IDs."
    rest = [f"{ids[one]:,} {one}" for one in (*_SENT[1:], State.UNSENT) if ids[one]]
    text = f"{end}: {ids[State.ACCEPTED]:,} of {planned:,} planned IDs accepted, {_listed(rest)}."
    return f"{text} The same command goes on." if state in _RESUMABLE else text


def _listed(parts: list[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _mood(report: Mapping[str, Any]) -> str:
    """Name the colour of the verdict."""
    ids, state = report["ids"], report["state"]
    if state != "finished":
        return "plain" if state in _BEFORE_SENDING | {"running"} else "open"
    return "good" if ids[State.ACCEPTED] == _planned(ids) else "open"


def _segments(ids: Mapping[str, int]) -> list[_Segment]:
    """Lay the states side by side, each that has any IDs wide enough to be seen."""
    counts = {state.value: ids[state] for state in State if ids[state]}
    total = sum(counts.values())
    widths = {name: max(_BAR * count / total, _THINNEST) for name, count in counts.items()}
    scale = _BAR / sum(widths.values()) if widths else 1.0
    found: list[_Segment] = []
    at = 0.0
    for name, width in widths.items():
        found.append(_Segment(name, counts[name], round(at, 2), round(width * scale, 2)))
        at += width * scale
    return found


def _events(
    starts: Iterable[Mapping[str, Any]],
    settings: Iterable[Mapping[str, Any]],
    stops: Iterable[Mapping[str, Any]],
) -> list[_Event]:
    """Put starts, changes and stops in the order of time; of equal times in this order."""
    events = [_Event(one["at"], "start", one) for one in starts]
    events += [_Event(one.get("at", 0.0), "setting", one) for one in settings]
    events += [_Event(one["at"], "stop", one) for one in stops]
    return sorted(events, key=lambda event: event.at)
