"""The report as Markdown: for a merge request, a ticket, or the summary page of a CI job."""

import re
from collections.abc import Mapping
from typing import Any

from bulkdelete.core.model import State
from bulkdelete.render.html import MEANINGS, period, verdict

_LIVE = re.compile(r"([\\`*_{}\[\]<>#|!~])")
_UNSHOWABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def text(value: object) -> str:
    """Return text that no Markdown reads as anything but text."""
    return _LIVE.sub(r"\\\1", _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", str(value)))


def table(head: tuple[str, ...], rows: "list[tuple[object, ...]]") -> list[str]:
    """Return a table; all columns but the first and the last are numbers."""
    marks = ["---", *("---:" for _ in head[1:-1]), "---"]
    lines = [head, tuple(marks), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines] + [""]


def render(report: Mapping[str, Any]) -> str:
    """Return the Markdown of a full report (`core.full`), given as builtins."""
    plan, approval, verified = report["plan"], report["approval"], report["verification"]
    lines = [f"## {text(report['run_id'])}", "", f"**{text(verdict(report))}**", ""]
    if (reason := report["reason"]) is not None:
        hint = f" Next: {text(reason['hint'])}" if reason["hint"] else ""
        lines += [f"> **{text(reason['code'])}**: {text(reason['message'])}.{hint}", ""]
    if verified is not None:
        lines += [f"Verified: {text(verified['sentence'])}", ""]
    ids = report["ids"]
    rows: list[tuple[object, ...]] = [
        (state.value, f"{ids[state]:,}", MEANINGS[state]) for state in State
    ]
    lines += table(("IDs", "", "it means"), [*rows, ("read", f"{ids['read']:,}", "the sum")])
    requests = report["requests"]
    counted = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in requests.items())
    timing = report["timing"]
    latency = timing["latency_ms"]
    lines += [
        f"Requests: {counted}.",
        "",
        (
            f"Sending took {period(timing['send_s'])}; latency {latency['p50']:,} ms (median), "
            f"{latency['p95']:,} ms (95 %), {latency['p99']:,} ms (99 %)."
        ),
        "",
    ]
    if report["failures"]:
        lines += table(
            ("reason", "requests", "for example"),
            [
                (text(one["reason"]), f"{one['requests']:,}", text("; ".join(one["examples"])))
                for one in report["failures"]
            ],
        )
    bound = plan["bound"]
    lines += [
        f"- plan `{plan['digest']}`",
        f"- account {text(bound['account'] or 'none')} at {text(bound['host'] or 'nowhere')}",
        f"- approved by {text(approval['who'])} ({text(approval['how'])})"
        if approval
        else "- not approved",
        f"- process starts: {len(report['bands']) + report['left_out']['bands']:,}",
        f"- chain head `{report['chain_head'] or 'none'}`",
        "",
    ]
    return "\n".join(lines)
