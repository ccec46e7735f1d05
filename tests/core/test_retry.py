"""Whether and when to try again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.model import (
    Abort,
    Accepted,
    Ambiguous,
    Failed,
    Partial,
    Refused,
    Throttled,
    Verdict,
)
from bulkdelete.core.retry import RetryPolicy, budget

POLICY = RetryPolicy()
DRAWS = st.floats(0, 1, exclude_max=True, allow_subnormal=False)
WAITS = st.one_of(st.none(), st.floats(0, 1e6))


@pytest.mark.parametrize(
    "verdict",
    [Accepted(), Partial((0,), "unprocessed"), Refused("http_400"), Abort("http_401")],
)
@pytest.mark.parametrize("attempt", [1, 4])
def test_v8_v9_what_is_decided_is_not_tried_again(verdict: Verdict, attempt: int) -> None:
    """An answer is an answer: a split is no retry, and a refusal of us ends the run."""
    assert POLICY.delay(verdict, attempt, 0.5) is None


@given(st.sampled_from(["throttled", "ambiguous", "failed"]), st.integers(1, 4), DRAWS)
def test_r1_full_jitter(name: str, attempt: int, draw: float) -> None:
    """Uniform from 0 to a ceiling that doubles with each attempt."""
    verdicts: dict[str, Verdict] = {
        "throttled": Throttled("http_429"),
        "ambiguous": Ambiguous("timeout"),
        "failed": Failed("dns"),
    }
    verdict = verdicts[name]
    base = 0.5 if name == "throttled" else 1.0
    assert POLICY.delay(verdict, attempt, draw) == draw * (base * 2 ** (attempt - 1))
    assert POLICY.delay(verdict, attempt, 0.0) == 0.0


@given(st.integers(-5, 10**6), DRAWS)
def test_r4_the_ceiling_holds(attempt: int, draw: float) -> None:
    """However many attempts there were, a delay without a hint stays below the ceiling."""
    policy = RetryPolicy(max_attempts=10**9, ceiling=7.0)
    for verdict in (Throttled("http_429"), Ambiguous("http_503"), Failed("connect_failed")):
        delay = policy.delay(verdict, attempt, draw)
        assert delay is not None
        assert 0 <= delay < 7.0


@given(WAITS, st.integers(1, 4), DRAWS)
def test_r2_a_hint_is_a_floor(wait: float | None, attempt: int, draw: float) -> None:
    """The jitter is added to what the server asks for, never taken from it."""
    for verdict in (Throttled("http_429", wait), Ambiguous("http_503", wait)):
        delay = POLICY.delay(verdict, attempt, draw)
        assert delay is not None
        assert (wait or 0.0) <= delay <= (wait or 0.0) + 8.0


@pytest.mark.parametrize(
    ("attempt", "again"), [(1, True), (4, True), (5, False), (6, False), (100, False)]
)
def test_v12_ambiguous_attempts_are_spent(attempt: int, again: bool) -> None:
    """The fifth attempt of five is the last."""
    assert (POLICY.delay(Ambiguous("http_500"), attempt, 0.5) is not None) is again


@pytest.mark.parametrize("verdict", [Throttled("http_429"), Failed("dns")])
def test_n1_r4_what_was_no_act_is_not_limited_by_attempts(verdict: Verdict) -> None:
    """Gate, breaker and budget limit these; no ID may be given up for them."""
    assert POLICY.delay(verdict, 1000, 0.5) is not None


def test_one_attempt_means_no_retry() -> None:
    """--max-attempts 1 sends each piece once."""
    assert RetryPolicy(max_attempts=1).delay(Ambiguous("timeout"), 1, 0.5) is None


@pytest.mark.parametrize(
    ("chunks", "retries"), [(0, 10), (1, 10), (3, 10), (4, 11), (100, 35), (1_000_000, 250_010)]
)
def test_s13_the_budget(chunks: int, retries: int) -> None:
    """25 % of a process start's chunks, and 10."""
    assert budget(chunks) == retries


@given(st.integers(0, 10**9))
def test_r4_a_storm_stays_within_the_budget(chunks: int) -> None:
    """First tries and retries together are at most 1.25 x chunks + 10."""
    assert chunks + budget(chunks) <= 1.25 * chunks + 10
