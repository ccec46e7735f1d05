"""What an audit found: each thing it looked at, whether it is ok, and why.

What was not looked at is said, too, with the reason: a check that did not happen proves nothing.
"""

from typing import TYPE_CHECKING, TypeVar

import msgspec

from bulkdelete.errors import BulkdeleteError

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

SCHEMA = "bulkdelete.audit/1"

PROVES = (
    "every file that is ok above is whole, and they fit each other: a bit, a line or a file that"
    " was changed alone would show"
)
DOES_NOT_PROVE = (
    "that nobody with write access rewrote all of it, unless the chain head was noted elsewhere and"
    " is given with --head; nor that the server did what it said"
)
WHATS = (
    *("plan.json", "plan.index", "checkpoint.log", "log's end", "snapshot"),
    *("requests", "balance", "seal"),
    *("run.key", "input", "report.json", "report.html", "report.md", "receipt.html"),
    *("receipt.json", "other files", "verify.log", "chain head"),
)


class Check(msgspec.Struct, frozen=True):
    """One thing; `ok` is None when it was not checked, and `why` says why in each case."""

    what: str
    ok: bool | None
    why: str


class Audit(msgspec.Struct, frozen=True):
    """All of them. `ok`: none that was checked is wrong. `chain_head`: of the log's last group."""

    schema: str
    run_dir: str
    ok: bool
    chain_head: str
    checks: tuple[Check, ...]
    proves: str = PROVES
    does_not_prove: str = DOES_NOT_PROVE


class Book:
    """Takes down what was found; what nothing was found of was not checked."""

    def __init__(self) -> None:
        self._found: dict[str, Check] = {}

    def note(self, what: str, finding: tuple[bool | None, str]) -> None:
        """Take down whether a thing is ok, and why."""
        ok, why = finding
        self._found[what] = Check(what, ok, why.replace("; nothing was sent", ""))

    def trial(self, what: str, why: str, look: "Callable[[], Found]") -> "Found | None":
        """Note that it is ok, or what was wrong."""
        try:
            found = look()
        except BulkdeleteError as error:
            self.note(what, (False, str(error)))
            return None
        self.note(what, (True, why))
        return found

    def checks(self) -> tuple[Check, ...]:
        """Return all of them, in their order."""
        missing = "what it would be compared with is not ok"
        return tuple(self._found.get(one, Check(one, None, missing)) for one in WHATS)
