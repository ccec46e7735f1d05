"""The whole report of a run, as data: the summary, and how it went over time. report.json.

Everything in it is derived from plan.json and the logs, but for the examples of failures, which
need the input: places and masked IDs. Its size does not depend on that of the run.
"""

from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core.checkpoint import Approval
from bulkdelete.core.plan import Plan
from bulkdelete.core.report import Report
from bulkdelete.core.stamps import BLANK
from bulkdelete.core.timeline import Band, Series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkdelete.core.progress import Progress

MOST_PARTS = 50
MOST_REASONS = 40
MOST_EXAMPLES = 3


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that were not answered with success, by reason; some of the IDs, masked."""

    reason: str
    requests: int
    examples: tuple[str, ...] = ()


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """How many are not listed, because there were too many: input files, starts, reasons."""

    parts: int = 0
    bands: int = 0
    reasons: int = 0


class FullReport(Report, frozen=True, kw_only=True):
    """report.json: the summary, then everything that the page shows.

    `checksum`: SHA-256 of the file, with zeros in its place.
    """

    made_by: str
    plan: Plan
    approval: Approval | None
    bands: tuple[Band, ...]
    series: Series
    slots_s: dict[str, float]
    failures: tuple[Failure, ...]
    left_out: LeftOut
    checksum: str = BLANK


def full(
    report: Report,
    plan: Plan,
    progress: "Progress",
    tool: str,
    examples: "Mapping[str, list[str]]",
) -> FullReport:
    """Put the whole report together."""
    reasons = progress.reasons.most_common()
    bound, timeline = plan.bound, progress.timeline
    short = msgspec.structs.replace(
        bound,
        format=_different(bound.format),
        delimiter=_different(bound.delimiter),
        column=_different(bound.column),
    )
    return FullReport(
        **{name: getattr(report, name) for name in Report.__struct_fields__},
        made_by=f"bulkdelete {tool}",
        plan=msgspec.structs.replace(plan, bound=short, parts=plan.parts[:MOST_PARTS]),
        approval=progress.approval,
        bands=tuple(timeline.bands),
        series=timeline.series(),
        slots_s=timeline.slots(),
        failures=tuple(
            Failure(
                reason=reason,
                requests=number,
                examples=tuple(examples.get(reason, [])[:MOST_EXAMPLES]),
            )
            for reason, number in reasons[:MOST_REASONS]
        ),
        left_out=LeftOut(
            parts=max(0, len(plan.parts) - MOST_PARTS),
            bands=timeline.dropped,
            reasons=max(0, len(reasons) - MOST_REASONS),
        ),
    )


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return each value once, in order: a thousand parts are mostly laid out alike."""
    return tuple(dict.fromkeys(values))[:MOST_PARTS]
