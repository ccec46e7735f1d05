"""Approval: typed at a terminal, or said by flags; never assumed."""

import getpass
import os
import signal
import sys
from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core import guards
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.errors import GuardError, Interrupted
from bulkdelete.settings import is_production

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.cli.flags import ApprovalFlags
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.settings import Settings


class Approver:
    """Decides whether a plan may be sent; asks a person when nothing else was said.

    `show` shows a plan that was not shown just now.
    """

    def __init__(
        self, flags: "ApprovalFlags", settings: "Settings", show: "Callable[[Plan], None]"
    ) -> None:
        self._flags = flags
        self._settings = settings
        self._show = show

    def __call__(self, plan: "Plan", progress: "Progress", now: float) -> log.Approval | None:
        """Return a new approval, or None when the one on record is good; GuardError otherwise."""
        before = progress.approval
        if self._flags.approve is not None:
            guards.check_digest(plan.digest, self._flags.approve)
        if before is not None and not self._flags.renew:
            guards.check_alive(before, now)
            return None
        return log.Approval(
            how=self._how(plan),
            who=_who(),
            ids=plan.counts.planned,
            at=now,
            expires=now + self._settings.plan_ttl,
            renewed=before is not None,
        )

    def _how(self, plan: "Plan") -> str:
        if self._flags.approve is not None:
            return "digest"
        if self._flags.yes:
            self._check_yes(plan)
            return "yes"
        self._show(plan)
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            short = plan.digest.removeprefix("sha256:")[:SHORT_DIGEST]
            raise GuardError(
                "approval_missing",
                "this plan is not approved, and there is no terminal to ask; nothing was sent",
                f"look at the plan, then give --approve {short}, or --yes with --max-deletes",
            )
        if is_production(plan.bound.environment):
            sys.stderr.write(f"This is {plan.bound.environment.upper()}.\n")
            self._ask("the environment", plan.bound.environment)
        self._ask("the account ID", str(plan.bound.account))
        self._ask("the number of IDs", str(plan.counts.planned))
        return "typed"

    def _check_yes(self, plan: "Plan") -> None:
        """Ask for the count where it hurts, also when the profile was forgotten."""
        if is_production(plan.bound.environment) and self._settings.expect_count is None:
            raise GuardError(
                "production_needs_count",
                "this plan is for production: --yes needs --expect-count there; nothing was sent",
                "say how many IDs it must be, or approve the plan by its digest",
            )

    def _ask(self, what: str, wanted: str) -> None:
        sys.stderr.write(f"To send this plan, type {what}: ")
        sys.stderr.flush()
        typed = _typed().strip().replace(",", "")
        if typed != wanted:
            raise GuardError(
                "approval_refused",
                f"what was typed is not {what}; nothing was sent",
                "look at the plan again",
            )


def _typed() -> str:
    """Read a line from the terminal; a signal there ends the program, since nothing was sent."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline()
    except KeyboardInterrupt:
        raise Interrupted(
            signal.SIGINT, "stopped at the question; nothing was sent", "run it again"
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _who() -> str:
    """Return who runs this; containers run users that have no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"
    return name.encode("utf-8", "backslashreplace").decode()
