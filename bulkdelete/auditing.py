"""The audit of a run: checksums, chain, seal, digests, and the report against the log.

It shows that the files fit together. It cannot show that nobody with write access rewrote all of
them: for that, note the chain head elsewhere and compare.
"""

from typing import TYPE_CHECKING

import msgspec

from bulkdelete import reporting
from bulkdelete.core import report as reports
from bulkdelete.errors import BulkdeleteError

if TYPE_CHECKING:
    from bulkdelete.core import checkpoint as log
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import RunDir


class Check(msgspec.Struct, frozen=True):
    """One thing that was checked."""

    what: str
    ok: bool


class Audit(msgspec.Struct, frozen=True):
    """All of them; `chain_head` is the hash of the log's last record."""

    schema: str
    run_dir: str
    ok: bool
    chain_head: str
    checks: tuple[Check, ...]


def audit(run: "RunDir", noted_head: str | None = None) -> Audit:
    """Check a run; UsageError when there is none."""
    run.check()
    checks: list[Check] = []
    head = ""
    try:
        plan = run.plan()
        checks.append(Check("plan.json fits its digest", ok=True))
        run.index(plan).close()
        checks.append(Check("plan.index is the plan's", ok=True))
        progress, reader = run.progress(plan)
        head = reader.head
        checks.append(Check("checkpoint.log: checksums, chain and plan fit", ok=True))
        checks.append(Check("checkpoint.log: no torn tail", ok=not reader.torn or run.busy()))
        checks.extend(_checks(run, plan, progress, reader))
        checks.extend(_verification(run, plan))
    except BulkdeleteError as error:
        checks.append(Check(str(error), ok=False))
    if noted_head is not None:
        checks.append(Check("the chain head is the one that was noted", ok=noted_head == head))
    good = all(check.ok for check in checks)
    return Audit("bulkdelete.audit/1", str(run.path), good, head, tuple(checks))


def _checks(run: "RunDir", plan: "Plan", progress: "Progress", reader: "log.Reader") -> list[Check]:
    balance = reports.balance(plan.counts, progress)
    checks = [Check("the balance adds up", ok=True)]
    if progress.seal is not None:
        checks.append(
            Check("the seal holds the balance", ok=progress.seal.ids == reports.as_dict(balance))
        )
    if run.report_path.exists() and not run.busy():
        checks.extend(_report(run, plan, progress, reader.head))
    return checks


def _verification(run: "RunDir", plan: "Plan") -> list[Check]:
    """Check that what was concluded afterwards is what was answered."""
    rounds, _ = run.rounds(plan)
    if not rounds.every:
        return []
    checks = [Check("verify.log: checksums, chain and plan fit", ok=True)]
    for asked in rounds.concluded():
        end = asked.concluded
        said = end and {"gone": end.gone, "there": end.there, "unknown": end.unknown}
        counted = rounds.tally(asked)
        back = counted.pop("back")
        ok = said == counted and end is not None and end.back == back
        checks.append(Check("verify.log: a conclusion counts what was answered", ok=ok))
    return checks


def _report(run: "RunDir", plan: "Plan", progress: "Progress", head: str) -> list[Check]:
    try:
        report = msgspec.json.decode(run.report_path.read_bytes(), type=reports.Report)
    except msgspec.MsgspecError:
        return [Check("report.json can be read", ok=False)]
    derived = reporting.summary(run, plan, progress, head=head)
    asked = report.verification == derived.verification
    return [
        Check("report.json holds the log's chain head", ok=report.chain_head == head),
        Check("report.json holds what was verified, as verify.log has it", ok=asked),
    ]
