"""Delete user profiles in bulk through CleverTap's API: checked, checkpointed, resumable.

    import bulkdelete

    planned = await bulkdelete.plan("users.csv", region="eu1", account_id="XXX-XXX-XXXX")
    report = await bulkdelete.apply(
        planned.run_dir,
        approve=planned.plan_digest,
        credentials=bulkdelete.Credentials("XXX-XXX-XXXX", passcode),
        audience=bulkdelete.Audience(tell=print),
    )

`run` does both, and resumes; `status`, `report` and `story` look back, offline; `verify` asks later
whether the profiles are gone. What refuses or stops is a `BulkdeleteError`. Names are resolved when
they are used: the import itself costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bulkdelete.version import __version__

if TYPE_CHECKING:
    from bulkdelete.audience import Audience
    from bulkdelete.core.report import Report
    from bulkdelete.core.verification import Verification
    from bulkdelete.errors import (
        BulkdeleteError,
        BusyError,
        GuardError,
        InputError,
        IntegrityError,
        Interrupted,
        ServerError,
        Stopped,
        UsageError,
    )
    from bulkdelete.events import (
        Answered,
        Ended,
        Event,
        Fleeting,
        Holding,
        Kept,
        Looked,
        PassedOver,
        Removed,
        Resuming,
        Sending,
        Settled,
        Tuned,
        Wrote,
    )
    from bulkdelete.library import apply, plan, run, verify
    from bulkdelete.options import ApplyOptions, PlanOptions, RunOptions, VerifyOptions
    from bulkdelete.reviewing import report, story
    from bulkdelete.settings import Credentials, Settings
    from bulkdelete.standing import status

__all__ = [
    "Answered",
    "ApplyOptions",
    "Audience",
    "BulkdeleteError",
    "BusyError",
    "Credentials",
    "Ended",
    "Event",
    "Fleeting",
    "GuardError",
    "Holding",
    "InputError",
    "IntegrityError",
    "Interrupted",
    "Kept",
    "Looked",
    "PassedOver",
    "PlanOptions",
    "Removed",
    "Report",
    "Resuming",
    "RunOptions",
    "Sending",
    "ServerError",
    "Settings",
    "Settled",
    "Stopped",
    "Tuned",
    "UsageError",
    "Verification",
    "VerifyOptions",
    "Wrote",
    "__version__",
    "apply",
    "plan",
    "report",
    "run",
    "status",
    "story",
    "verify",
]

_HOMES = {
    "bulkdelete.audience": ("Audience",),
    "bulkdelete.core.report": ("Report",),
    "bulkdelete.core.verification": ("Verification",),
    "bulkdelete.errors": (
        *("BulkdeleteError", "BusyError", "GuardError", "InputError", "IntegrityError"),
        *("Interrupted", "ServerError", "Stopped", "UsageError"),
    ),
    "bulkdelete.events": (
        *(
            "Answered",
            "Ended",
            "Event",
            "Fleeting",
            "Holding",
            "Kept",
            "Looked",
            "PassedOver",
            "Removed",
        ),
        *("Resuming", "Sending", "Settled", "Tuned", "Wrote"),
    ),
    "bulkdelete.library": ("apply", "plan", "run", "verify"),
    "bulkdelete.options": ("ApplyOptions", "PlanOptions", "RunOptions", "VerifyOptions"),
    "bulkdelete.reviewing": ("report", "story"),
    "bulkdelete.settings": ("Credentials", "Settings"),
    "bulkdelete.standing": ("status",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a name that is not public is an error to the type checker, too

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(_HOME[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """Name what is public, also what is not imported yet."""
    return sorted({*globals(), *__all__})
