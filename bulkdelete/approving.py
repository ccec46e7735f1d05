"""Approval: said by whoever calls, typed at a terminal, or signed; never assumed."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core import guards
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.errors import GuardError, IntegrityError, UsageError
from bulkdelete.intake import who
from bulkdelete.io import signing
from bulkdelete.settings import is_production

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import RunDir
    from bulkdelete.settings import Settings

    Ask = Callable[[Plan], None]
    """Shows a plan to a person and asks; GuardError unless the answer is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What was said beforehand: yes to any plan within its ceiling, or to the one of a digest.

    `renew` approves again what has expired.
    """

    yes: bool = False
    approve: str | None = None
    renew: bool = False

    def check(self, settings: "Settings") -> None:
        """Refuse a yes without a ceiling, and one without a count where it hurts."""
        if self.yes and settings.max_deletes is None:
            raise UsageError(
                "yes_needs_max_deletes",
                "--yes needs --max-deletes: say how many IDs it may be at most; nothing was sent",
            )
        if self.yes and settings.production and settings.expect_count is None:
            raise UsageError(
                "production_needs_count",
                "this profile is production: --yes needs --expect-count there; nothing was sent",
                "say how many IDs it must be, or approve the plan by its digest",
            )


class Approver:
    """Decides whether a plan may be sent; `ask` asks a person when nothing else was said."""

    def __init__(
        self, run: "RunDir", consent: Consent, settings: "Settings", ask: "Ask | None" = None
    ) -> None:
        self._run = run
        self._consent = consent
        self._settings = settings
        self._ask = ask

    def __call__(self, plan: "Plan", progress: "Progress", now: float) -> log.Approval | None:
        """Return a new approval, or None when the one on record is good; GuardError otherwise."""
        before = progress.approval
        if self._consent.approve is not None:
            guards.check_digest((plan.digest, plan.job_digest), self._consent.approve)
        if before is not None and not self._consent.renew:
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
        if self._consent.approve is not None:
            return "digest"
        if self._consent.yes:
            self._check_yes(plan)
            return "yes"
        if self._ask is None:
            raise missing(plan, "nobody is asked here")
        self._ask(plan)
        return "typed"

    def _check_yes(self, plan: "Plan") -> None:
        """Ask for the count where it hurts, also when the profile was forgotten."""
        if is_production(plan.bound.environment) and self._settings.expect_count is None:
            raise GuardError(
                "production_needs_count",
                "this plan is for production: --yes needs --expect-count there; nothing was sent",
                "say how many IDs it must be, or approve the plan by its digest",
            )


def missing(plan: "Plan", why: str) -> GuardError:
    """Say that a plan is not approved, and how that is done."""
    short = plan.job_digest.removeprefix("sha256:")[:SHORT_DIGEST]
    return GuardError(
        "approval_missing",
        f"this plan is not approved, and {why}; nothing was sent",
        f"look at the plan, then give --approve {short}, or --yes with --max-deletes",
    )
