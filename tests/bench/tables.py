"""Figures that were kept as JSON, as tables of Markdown."""

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = "| what | unit | ours | theirs | ratio | target | |\n|---|---|---|---|---|---|---|\n"
_MARKED = "<!-- {name}: begin -->\n{text}<!-- {name}: end -->"
_GROWTH_HEAD = "| command | what | at each size | steepest slope |\n|---|---|---|---|\n"


def filled(page: str, name: str, text: str) -> str:
    """Return the page with another text between the marks of that name; ValueError without them."""
    marks = re.compile(f"<!-- {name}: begin -->.*?<!-- {name}: end -->", re.DOTALL)
    new, count = marks.subn(lambda _: _MARKED.format(name=name, text=text), page)
    if count != 1:
        raise ValueError(f"the page has the marks of {name} {count} times")
    return new


def group_tables(groups: Mapping[str, Any]) -> str:
    """Return a table for each group, with when and on what it was measured."""
    return "\n".join(_group(name, one) for name, one in groups.items())


def _group(name: str, group: Mapping[str, Any]) -> str:
    when = (
        f"Measured on {group['date']}, with Python {group['python']} on {group['machine']}, in "
        f"{group['seconds']:,.0f} s: at most {group['rounds']} rounds, {group['count']:,} IDs "
        "unless a line says otherwise.\n\n"
    )
    lines = "\n".join(_line(one) for one in group["figures"])
    absent = "".join(
        f"\nNot measured: {one['what']}: `{_plain(one['why'])}`\n"
        for one in group["figures"]
        if one["why"]
    )
    title = name.replace("_", ", ").capitalize()
    return f"### {title}\n\n{when}{_HEAD}{lines}\n{absent}"


def _plain(text: str) -> str:
    """Return it on one line, without what would end a quotation."""
    return " ".join(text.replace("`", "'").split())[:300]


def _line(one: Mapping[str, Any]) -> str:
    ratio = "" if one["ratio"] is None else f"{one['ratio']:.2f}"
    verdict = one["verdict"].replace("MISSED", "**missed**")
    cells = (one["what"], one["unit"], spread(one["ours"]), spread(one["theirs"]), ratio)
    return "| " + " | ".join((*cells, one["target"], verdict)) + " |"


def spread(values: Sequence[float], to: str = " to ") -> str:
    """Return the middle, and between which it lies."""
    if not values:
        return ""
    middle, least, most = statistics.median(values), min(values), max(values)
    return short(middle) if least == most else f"{short(middle)} ({short(least)}{to}{short(most)})"


def short(value: float) -> str:
    """Return three digits of it, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def growth_table(growth: Mapping[str, Any]) -> str:
    """Return a line for each command: what it cost at each size, and how steeply that rose."""
    text = f"Measured on {growth['date']}.\n"
    axis = ""
    for one in growth["lines"]:
        if one["axis"] != axis:
            axis = one["axis"]
            sizes = ", ".join(f"{size:,}" for size in one["sizes"])
            text += f"\nOf {sizes} {axis}:\n\n{_GROWTH_HEAD}"
        slopes = [slope for _, _, slope in one["slopes"]]
        steepest = f"{max(slopes):.2f}" if slopes else "start-up only"
        values = ", ".join(map(short, one["values"]))
        what = "requests" if one["command"] == "requests" else _WAYS[one["what"]]
        text += f"| {one['command']} | {what} | {values} | {steepest} |\n"
    return text


_WAYS = {"cpu": "CPU seconds", "mb": "peak MB"}


def soak_table(soak: Mapping[str, Any]) -> str:
    """Return the figures of both runs beside each other, and what was out of bounds."""
    runs = {name: one for name, one in soak.items() if isinstance(one, dict)}
    heads = " | ".join(name.replace("_", " ") for name in runs)
    lines = [f"| | {heads} |\n|---{'|---' * len(runs)}|\n"]
    for name in next(iter(runs.values())):
        cells = " | ".join(_said(one[name]) for one in runs.values())
        lines.append(f"| {name.replace('_', ' ')} | {cells} |\n")
    bad = ", ".join(soak["wrong"]) or "nothing"
    return "".join(lines) + f"\nOut of bounds: {bad}.\n"


def _said(value: float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    return f"{value:,}"
