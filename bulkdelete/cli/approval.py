"""The question at the terminal: what is sent, and where to, is typed by a person."""

import signal
import sys
from typing import TYPE_CHECKING

from bulkdelete.approving import missing
from bulkdelete.errors import GuardError, Interrupted
from bulkdelete.settings import is_production

if TYPE_CHECKING:
    from bulkdelete.core.plan import Plan


def ask(plan: "Plan") -> None:
    """Ask for the account and the number; GuardError unless both are typed rightly."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise missing(plan, "there is no terminal to ask")
    if is_production(plan.bound.environment):
        sys.stderr.write(f"This is {plan.bound.environment.upper()}.\n")
        typed("this plan", "the environment", plan.bound.environment)
    typed("this plan", "the account ID", str(plan.bound.account))
    typed("this plan", "the number of IDs", str(plan.counts.planned))


def typed(of: str, what: str, wanted: str) -> None:
    """Have a person type what shows that they looked; GuardError unless it is that."""
    sys.stderr.write(f"To send {of}, type {what}: ")
    sys.stderr.flush()
    if _typed().strip().replace(",", "") != wanted:
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
