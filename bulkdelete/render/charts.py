"""The geometry of the charts: paths for inline SVG, in a box of 1000 x 100 that is stretched.

Text is never drawn: labels are HTML around the picture, so that they stay readable at any size.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

WIDTH = 1000.0
HEIGHT = 100.0


class Layer(NamedTuple):
    """One shape of a chart: its class, the path, and what it stands for."""

    name: str
    path: str
    line: bool
    label: str


class Chart(NamedTuple):
    """A picture over the time of sending; `top` is the value at its upper edge."""

    title: str
    unit: str
    top: float
    layers: tuple[Layer, ...]
    summary: str


class Strip(NamedTuple):
    """A rectangle of a bar that fills the width."""

    name: str
    x: float
    width: float
    label: str


def charts(report: Mapping[str, Any]) -> list[Chart]:
    """Return the charts of a report; none where nothing was sent."""
    series = report["series"]
    if not any(series["requests"]):
        return []
    seconds = max(1e-9, max((band["end"] for band in report["bands"]), default=0.0))
    width = series["width"]
    covered = [
        min(width, max(width * 1e-3, seconds - width * number))
        for number in range(len(series["requests"]))
    ]
    edges = [min(WIDTH, WIDTH * width * n / seconds) for n in range(len(covered) + 1)]
    return [
        _speed(series, covered, edges),
        _in_flight(series, report["bands"], edges, seconds),
        _latency(series, edges),
        _trouble(series, edges),
    ]


def bands(report: Mapping[str, Any]) -> list[Strip]:
    """Return the process starts as strips over the time of sending."""
    every = report["bands"]
    seconds = max((band["end"] for band in every), default=0.0)
    if not seconds:
        return []
    return [
        Strip(
            band["how"],
            round(WIDTH * band["begin"] / seconds, 2),
            round(max(1.0, WIDTH * (band["end"] - band["begin"]) / seconds), 2),
            f"process {band['pid']}: {band['how']}",
        )
        for band in every
    ]


def stack(amounts: Mapping[str, float]) -> list[Strip]:
    """Lay amounts side by side over the whole width."""
    total = sum(amounts.values())
    found: list[Strip] = []
    x = 0.0
    for name, amount in amounts.items():
        width = WIDTH * amount / total if total else 0.0
        found.append(Strip(name, round(x, 2), round(width, 2), f"{name}: {amount:,.1f} s"))
        x += width
    return found


def _speed(series: Mapping[str, Any], covered: Sequence[float], edges: Sequence[float]) -> Chart:
    rates = [ids / time for ids, time in zip(series["accepted_ids"], covered, strict=True)]
    mean = sum(series["accepted_ids"]) / max(1e-9, sum(covered))
    return Chart(
        "Accepted IDs per second",
        "IDs/s",
        *_areas(edges, {"accepted": rates}, "accepted"),
        f"mean {mean:,.0f}",
    )


def _in_flight(
    series: Mapping[str, Any],
    starts: Iterable[Mapping[str, Any]],
    edges: Sequence[float],
    seconds: float,
) -> Chart:
    caps = [(WIDTH * band["begin"] / seconds, band["in_flight"]) for band in starts]
    top = max([*series["in_flight"], *(cap for _, cap in caps)], default=1.0) * 1.1
    area = Layer("protected", _steps(edges, series["in_flight"], top), line=False, label="mean")
    corners = []
    for number, (x, cap) in enumerate(caps):
        end = caps[number + 1][0] if number + 1 < len(caps) else WIDTH
        corners += [f"{x:.1f},{_y(cap, top)}", f"{end:.1f},{_y(cap, top)}"]
    line = Layer("rejected", "M" + " L".join(corners), line=True, label="the cap")
    return Chart(
        "Requests in flight, against the cap", "", top, (area, line), "the line is the cap"
    )


def _latency(series: Mapping[str, Any], edges: Sequence[float]) -> Chart:
    columns = {"ambiguous": series["p95_ms"], "protected": series["p50_ms"]}
    return Chart(
        "Latency of an answer",
        "ms",
        *_areas(edges, columns, "95th percentile", "median"),
        "to the nearest fifth",
    )


def _trouble(series: Mapping[str, Any], edges: Sequence[float]) -> Chart:
    retries = series["retries"]
    columns = {
        "duplicate": [
            sum(row) for row in zip(retries, series["throttled"], series["in_doubt"], strict=True)
        ],
        "ambiguous": [sum(row) for row in zip(retries, series["throttled"], strict=True)],
        "unsent": retries,
    }
    counted = {"retries": retries, "429": series["throttled"], "in doubt": series["in_doubt"]}
    words = ", ".join(f"{name} {sum(column):,}" for name, column in counted.items())
    return Chart(
        "Retries, 429s and answers in doubt",
        "",
        *_areas(edges, columns, "in doubt", "429", "retries"),
        words,
    )


def _areas(
    edges: Sequence[float], columns: Mapping[str, Sequence[float]], *labels: str
) -> tuple[float, tuple[Layer, ...]]:
    top = max((max(column, default=0.0) for column in columns.values()), default=0.0) or 1.0
    layers = [
        Layer(name, _steps(edges, column, top), line=False, label=label)
        for (name, column), label in zip(columns.items(), labels, strict=True)
    ]
    return top, tuple(layers)


def _steps(edges: Sequence[float], values: Sequence[float], top: float) -> str:
    """Draw one flat step for each bucket, and close the area at the bottom."""
    corners = [f"{edges[0]:.1f},{HEIGHT:.0f}"]
    for number, value in enumerate(values):
        y = _y(value, top)
        corners += [f"{edges[number]:.1f},{y}", f"{edges[number + 1]:.1f},{y}"]
    corners.append(f"{edges[len(values)]:.1f},{HEIGHT:.0f}")
    return "M" + " L".join(corners) + " Z"


def _y(value: float, top: float) -> str:
    return f"{HEIGHT * (1 - min(1.0, value / top)):.1f}"
