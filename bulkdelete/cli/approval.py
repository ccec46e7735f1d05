"""Approval: typed at a terminal, or said by flags; never assumed."""

import hashlib
import signal
import sys
from typing import TYPE_CHECKING

from bulkdelete.cli.common import who
from bulkdelete.core import checkpoint as log
from bulkdelete.core import guards
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.errors import GuardError, IntegrityError, Interrupted
from bulkdelete.io import signing
from bulkdelete.settings import is_production

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.cli.flags import ApprovalFlags
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import RunDir
    from bulkdelete.settings import Settings


class Approver:
    """Decides whether a plan may be sent; asks a person when nothing else was said.

    `show` shows a plan that was not shown just now.
    """

    def __init__(
        self,
        run: "RunDir",
        flags: "ApprovalFlags",
        settings: "Settings",
        show: "Callable[[Plan], None]",
    ) -> None:
        self._run = run
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
        if plan.bound.signatures or self._settings.signatures:
            return self._signed(plan, now, renewed=before is not None)
        return log.Approval(
            how=self._how(plan),
            who=who(),
            ids=plan.counts.planned,
            at=now,
            expires=now + self._settings.plan_ttl,
            renewed=before is not None,
        )

    def _signed(self, plan: "Plan", now: float, *, renewed: bool) -> log.Approval:
        """Approve what others signed; no word of the one who sends stands in for them."""
        needed, allowed = self._settings.signatures, self._settings.signers
        if allowed is None or needed > plan.bound.signatures:
            raise GuardError(
                "signers_unknown",
                "this plan and this profile do not demand the same signatures; nothing was sent",
                "use the profile that names the signers for the plan and for apply",
            )
        if hashlib.sha256(allowed.read_bytes()).hexdigest() != plan.bound.signers:
            raise IntegrityError(
                "signers_changed",
                "the file of allowed signers changed since the plan was made; nothing was sent",
                "make a new plan",
            )
        text = plan.to_sign()
        found = [signing.signer(text, one, allowed) for one in self._run.signatures()]
        ttl = self._settings.plan_ttl
        signers = guards.check_signatures(
            [one for one in found if one],
            plan.made_by,
            plan.bound.signatures,
            now - plan.created,
            ttl,
        )
        return log.Approval(
            how="signed",
            who=", ".join(signers),
            ids=plan.counts.planned,
            at=now,
            expires=plan.created + ttl,
            renewed=renewed,
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
