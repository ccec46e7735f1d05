"""How a run stands after a command: read from its files, with what refused or stopped it."""

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from bulkdelete import reporting
from bulkdelete.core import report as reports
from bulkdelete.core.model import Balance
from bulkdelete.core.report import Reason, Report
from bulkdelete.errors import BulkdeleteError, BusyError, IntegrityError, Stopped, UsageError
from bulkdelete.io.room import advice
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import RunDir

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


def read(run: "RunDir") -> Report:
    """Work out the summary of a run, alive or dead; IntegrityError when it cannot be believed."""
    return _read(run)[2]


def _read(run: "RunDir") -> "tuple[Plan, Progress, Report]":
    run.check()
    plan = run.plan()
    progress, reader = run.progress(plan)
    report = reporting.summary(run, plan, progress, head=reader.head, busy=run.busy())
    return plan, progress, report


def concluded(run: "RunDir", error: BulkdeleteError) -> Report:
    """Return the summary of a run that `error` refused or stopped, and write it there."""
    if isinstance(error, IntegrityError):
        return as_far_as_read(run, error)
    if isinstance(error, BusyError):  # the reports are the other process's
        return _with(read(run), error)
    plan, progress, report = _read(run)
    report = _with(report, error)
    with suppress(OSError):  # a full disk: the balance is told all the same
        reporting.write(run, report, plan, progress, __version__)
    return report


def rewrite(run: "RunDir") -> None:
    """Write the reports of a run anew."""
    plan, progress, report = _read(run)
    reporting.write(run, report, plan, progress, __version__)


def _with(report: Report, error: BulkdeleteError) -> Report:
    """Put this command's refusal into the summary, where the checkpoint does not have it."""
    refused = report.state in {"planned", "draft"}
    return msgspec.structs.replace(
        report,
        state="refused" if refused else report.state,
        exit_code=error.exit,
        reason=Reason(error.code, str(error), error.hint),
    )


def as_far_as_read(run: "RunDir", error: BulkdeleteError) -> Report:
    """Return the summary of a run that `error` refused, as far as its files can be read."""
    try:
        return _with(read(run), error)
    except (BulkdeleteError, OSError):
        return msgspec.structs.replace(refusal(error), run_id=run.run_id, run_dir=str(run.path))


def refusal(error: BulkdeleteError) -> Report:
    """Return the summary of a command that refused before there was a run."""
    return Report(
        run_id="",
        run_dir="",
        plan_digest="",
        state="refused",
        exit_code=error.exit,
        reason=Reason(error.code, str(error), error.hint),
        ids=reports.as_dict(Balance()),
        chunks=dict.fromkeys(("planned", "accepted", "rejected", "ambiguous", "unsent"), 0),
        requests=reports.request_counts(None),
        timing=reports.Timing(),
    )


def disk_error(error: OSError) -> BulkdeleteError:
    """Say what an error of the operating system means for the caller."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in _NO_ROOM:
        return Stopped("disk", f"{error.strerror}{where}", advice(error))
    return UsageError("os_error", f"{error.strerror or error}{where}")


def bug(error: Exception) -> BulkdeleteError:
    """Name what nobody foresaw, without the values that it stumbled over."""
    name = type(error).__name__
    return BulkdeleteError("bug", f"unexpected {name}: a bug; what was sent is on record")
