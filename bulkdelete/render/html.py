"""The report as one HTML page: no script, nothing loaded, whatever is in it stays text."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bulkdelete.core.model import State
from bulkdelete.render.charts import bands, charts, stack

MEANINGS = {
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
    "incomplete": "Incomplete: runs of shards are missing here",
}
_BEFORE_SENDING = frozenset({"draft", "planned", "refused"})
_RESUMABLE = frozenset({"interrupted", "stopped"})

_BAR = 1000.0
_THINNEST = 4.0
"""Width of the bar, and of a segment that stands for very few IDs: it must be seen."""

_LEAST_SHARE = 0.0005
"""What would be rounded to nothing."""

# Controls, marks that turn the direction of text around, and halves of characters.
_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Segment(NamedTuple):
    """A piece of the bar, in units of its width."""

    state: str
    ids: int
    x: float
    width: float


def render(report: Mapping[str, Any]) -> str:
    """Return the page of a full report (`core.full`), given as builtins."""
    ids = report["ids"]
    shown = [(name, seconds, _SPENT[name]) for name, seconds in _spent(report["slots_s"]).items()]
    return template("report.html.jinja").render(
        report=report,
        plan=report["plan"],
        title=f"{report['made_by']}: {report['run_id']}",
        verdict=verdict(report),
        mood=mood(report),
        states=[(state.value, ids[state], MEANINGS[state]) for state in State],
        segments=segments(ids),
        charts=charts(report),
        strips=bands(report),
        ends=_HOW,
        spent=shown,
        spent_total=sum(seconds for _, seconds, _ in shown),
        spent_strips=stack({name: seconds for name, seconds, _ in shown}),
        seconds=max((band["end"] for band in report["bands"]), default=0.0),
        guards=_set(report["bands"], GUARDS, wanted=True),
        settings=_set(report["bands"], GUARDS, wanted=False),
    )


_HOW = {
    "sealed": "reached the end",
    "stopped": "stopped",
    "crashed": "crashed: the next one found no word of its end",
    "open": "no word of its end yet",
}
_SPENT = {
    "server": "waiting for an answer: the slot was in use",
    "gate": "no turn yet: the gate held back, or others had the slots",
    "disk": "until the intent was durable",
    "pace": "held back by --rate",
    "input": "nothing was read and checked yet",
    "retry": "until a retry was due",
    "canary": "while the first chunk was out alone",
    "end": "nothing left to send for this slot",
}
"""Where a slot's time can go, in the order in which it is shown."""

GUARDS = (
    *("max-deletes", "expect-count", "max-invalid", "max-failures", "hold-after", "plan-ttl"),
    "on-ambiguous",
)


def _spent(slots: Mapping[str, float]) -> dict[str, float]:
    return {name: slots[name] for name in _SPENT if slots.get(name)}


def _set(
    starts: Sequence[Mapping[str, Any]], names: Sequence[str], *, wanted: bool
) -> dict[str, str]:
    """Return the settings of the last start: those that are guards, or the others."""
    last = starts[-1]["settings"] if starts else {}
    return {name: value for name, value in last.items() if (name in names) is wanted}


@cache
def template(name: str) -> Template:
    """Return a page's template, with what all pages need."""
    environment = Environment(
        loader=PackageLoader("bulkdelete", "render"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_showable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "percent": _percent,
        "time": _time,
        "period": period,
    }
    return environment.get_template(name)


def _showable(value: object) -> object:
    """Make text safe to show and to encode; escaping it is the template's part."""
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def _percent(value: float) -> str:
    """Say a share; all and nothing are said of those only."""
    if 0.0 < value < _LEAST_SHARE:
        return "< 0.1 %"
    if 1.0 - _LEAST_SHARE < value < 1.0:
        return "> 99.9 %"
    return f"{100 * value:.1f} %"


def period(seconds: float) -> str:
    """Say how long, in the unit that fits."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _planned(ids: Mapping[str, int]) -> int:
    return sum(ids[state] for state in (*_SENT, State.UNSENT))


_SENT = (State.ACCEPTED, State.REJECTED, State.AMBIGUOUS)


def verdict(report: Mapping[str, Any]) -> str:
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


def mood(report: Mapping[str, Any]) -> str:
    """Name the colour of the verdict."""
    ids, state = report["ids"], report["state"]
    if state != "finished":
        return "plain" if state in _BEFORE_SENDING | {"running"} else "open"
    return "good" if ids[State.ACCEPTED] == _planned(ids) else "open"


def segments(ids: Mapping[str, int]) -> list[Segment]:
    """Lay the states side by side, each that has any IDs wide enough to be seen."""
    counts = {state.value: ids[state] for state in State if ids[state]}
    total = sum(counts.values())
    widths = {name: max(_BAR * count / total, _THINNEST) for name, count in counts.items()}
    scale = _BAR / sum(widths.values()) if widths else 1.0
    found: list[Segment] = []
    at = 0.0
    for name, width in widths.items():
        found.append(Segment(name, counts[name], round(at, 2), round(width * scale, 2)))
        at += width * scale
    return found
