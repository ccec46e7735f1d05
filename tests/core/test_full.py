"""The whole report: bounded, whatever the run was."""

import msgspec

from bulkdelete.core import checkpoint as log
from bulkdelete.core.full import MOST_PARTS, MOST_REASONS, full
from bulkdelete.core.model import Balance
from bulkdelete.core.plan import PartFacts, Plan
from bulkdelete.core.progress import Progress
from bulkdelete.core.report import Report, Timing, as_dict
from tests.render.test_html import planned


def test_what_is_too_much_is_counted_not_listed() -> None:
    """A thousand parts and reasons: the first of them, how many more, and nothing repeated."""
    plan = msgspec.convert(planned(), Plan)
    part = PartFacts(path="p", sha256="c" * 64, size=1, records=1)
    bound = msgspec.structs.replace(plan.bound, format=("csv",) * 1000, column=("1", "2") * 500)
    plan = msgspec.structs.replace(plan, parts=(part,) * 1000, bound=bound)
    progress = Progress(9)
    progress.reasons.update({f"reason-{number}": number + 1 for number in range(100)})
    summary = Report(
        run_id="r",
        run_dir="d",
        plan_digest="p",
        state="finished",
        ids=as_dict(Balance()),
        chunks={},
        requests={},
        timing=Timing(),
    )
    progress.timeline.apply(log.Start(at=1.0, pid=1, machine="m", in_flight=3, todo=1))
    found = full(summary, plan, progress, "1", {"reason-99": ["a", "b", "c", "d"]})
    assert (len(found.plan.parts), found.left_out.parts) == (MOST_PARTS, 1000 - MOST_PARTS)
    assert (len(found.failures), found.left_out.reasons) == (MOST_REASONS, 100 - MOST_REASONS)
    assert found.failures[0].examples == ("a", "b", "c")
    assert (found.plan.bound.format, found.plan.bound.column) == (("csv",), ("1", "2"))
    assert found.made_by == "bulkdelete 1"
