"""Whether and when to try again: a policy, apart from what happened and from what is recorded.

Delays are drawn with full jitter: uniformly from 0 to a ceiling that doubles with each attempt.
A retry is taken from a budget for the whole process start, so that a sick server is not stormed.
"""

from dataclasses import dataclass

from bulkdelete.core.model import Ambiguous, Failed, Throttled, Verdict

BUDGET_SHARE = 0.25
BUDGET_BASE = 10


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_attempts` per piece and process start; the ceilings in seconds."""

    max_attempts: int = 5
    throttled_base: float = 0.5
    base: float = 1.0
    ceiling: float = 30.0

    def delay(self, verdict: Verdict, attempt: int, draw: float) -> float | None:
        """Return the seconds to wait before trying again, None for no other try.

        `attempt` counts the tries that spent one (from 1); `draw` is uniform in [0, 1). A sane
        hint of the server is a floor, to which the jitter is added.
        """
        match verdict:
            case Throttled(wait=wait):
                return (wait or 0.0) + draw * self._ceiling(self.throttled_base, attempt)
            case Ambiguous(wait=wait):
                if attempt >= self.max_attempts:
                    return None
                return (wait or 0.0) + draw * self._ceiling(self.base, attempt)
            case Failed():
                return draw * self._ceiling(self.base, attempt)
            case _:
                return None

    def _ceiling(self, base: float, attempt: int) -> float:
        return min(self.ceiling, base * 2.0 ** min(max(attempt, 1) - 1, 30))


def budget(chunks: int) -> int:
    """Return how many retries one process start may make that has `chunks` chunks to send."""
    return int(chunks * BUDGET_SHARE) + BUDGET_BASE
