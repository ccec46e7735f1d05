"""Every reason to refuse, both ways, and on its exact boundary."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulkdelete.core.checkpoint import Approval
from bulkdelete.core.guards import (
    CANARY_REQUESTS,
    DOUBT_LIVES,
    FAILURES_COUNT_AFTER,
    check_account,
    check_age,
    check_alive,
    check_digest,
    check_invalid,
    check_own_file,
    check_percent,
    check_protect,
    check_signatures,
    check_size,
    doubt_too_old,
    ramp,
    too_many_failures,
    wanted,
)
from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import State
from bulkdelete.core.plan import Counts
from bulkdelete.errors import GuardError, InputError, UsageError

DIGEST = "sha256:" + "0123456789abcdef" * 4


def counts(planned: int = 0, invalid: int = 0, read: int | None = None) -> Counts:
    """Return what a plan counted."""
    return Counts(
        read=planned + invalid if read is None else read,
        planned=planned,
        duplicate=0,
        protected=0,
        invalid=invalid,
        excluded=0,
        identities=planned,
        guids=0,
        chunks=1,
    )


def refusal(check: Callable[[], object]) -> str | None:
    """Return the code of the guard that refuses with exit 4, None when none does."""
    try:
        check()
    except GuardError as error:
        return error.code if error.exit == 4 and error.hint else "without a code or a hint"
    return None


@pytest.mark.parametrize(
    ("planned", "ceiling", "expect", "code"),
    [
        (100, None, None, None),
        (100, 100, None, None),
        (101, 100, None, "max_deletes"),
        (99, 100, None, None),
        (0, 1, None, None),
        (1, 0, None, "max_deletes"),
        (100, None, 100, None),
        (101, None, 100, "expect_count"),
        (99, None, 100, "expect_count"),
        (0, None, 100, "expect_count"),
        (1, None, 0, "expect_count"),
        (0, None, 0, None),
        (100, 100, 100, None),
        (100, 99, 100, "max_deletes"),
        (100, 200, 99, "expect_count"),
        (1_000_000, 999_999, 1_000_000, "max_deletes"),
    ],
)
def test_h1_s12_size(
    planned: int, ceiling: int | None, expect: int | None, code: str | None
) -> None:
    """Not one ID more than the ceiling, and exactly the expected number."""
    assert refusal(lambda: check_size(counts(planned), ceiling, expect)) == code


def test_h1_the_refusal_says_both_numbers() -> None:
    """A person sees at once how far off the list is, and that nothing was sent."""
    with pytest.raises(GuardError, match=r"1,000,000 IDs, more than the 145,000.*nothing was sent"):
        check_size(counts(1_000_000), 145_000, None)
    with pytest.raises(GuardError, match=r"883 IDs, not the 400.*nothing was sent"):
        check_size(counts(883), None, 400)


@pytest.mark.parametrize(
    ("invalid", "read", "percent", "passes"),
    [
        (0, 0, 1.0, True),
        (0, 100, 0.0, True),
        (1, 100, 0.0, False),
        (1, 100, 1.0, True),
        (2, 100, 1.0, False),
        (1, 99, 1.0, False),
        (10_000, 1_000_000, 1.0, True),
        (10_001, 1_000_000, 1.0, False),
        (5, 1000, 0.5, True),
        (6, 1000, 0.5, False),
        (100, 100, 100.0, True),
        (1, 1, 99.9, False),
        (1, 100, float("nan"), False),
    ],
)
def test_i8_i9_h2_invalid_share(invalid: int, read: int, percent: float, passes: bool) -> None:
    """A share on the boundary passes, anything above is an input error with exit 2."""
    found = counts(read - invalid, invalid)
    if passes:
        check_invalid(found, percent, ["x:1 empty"])
        return
    with pytest.raises(InputError) as caught:
        check_invalid(found, percent, ["x:1 empty"])
    assert (caught.value.code, caught.value.exit) == ("max_invalid", 2)


def test_i8_the_share_is_of_what_was_selected() -> None:
    """What --where or --limit left out does not thin the invalid IDs."""
    found = replace(counts(93, 7, read=1000), excluded=900)
    with pytest.raises(InputError, match="7 of 100 IDs are invalid"):
        check_invalid(found, 6.9, ["x:1 empty"])
    check_invalid(found, 7.0, ["x:1 empty"])


@pytest.mark.parametrize(
    ("reasons", "hint"),
    [
        ("blank blank", "correct the list, or"),
        ("empty empty", "leave out records without an ID: --where"),
        ("blank bad_encoding bad_encoding", "if it was saved as latin-1"),
        ("not_a_string bad_encoding not_a_string", "export IDs as text"),
        ("ragged", "see whether the delimiter is right"),
    ],
)
def test_i8_the_refusal_says_what_helps(reasons: str, hint: str) -> None:
    """With what is wrong with most of those that it shows; then what always helps."""
    with pytest.raises(InputError) as caught:
        check_invalid(counts(93, 7), 1.0, [f"a b.csv:2 {one}" for one in reasons.split()])
    assert caught.value.hint.startswith(hint)
    assert caught.value.hint.endswith("allow the share with --max-invalid")
    assert ("latin-1" in caught.value.hint) == ("latin-1" in hint), "of more than one the first"


@pytest.mark.parametrize(
    ("reason", "layout", "said"),
    [
        ("ragged", Layout(Format.CSV, width=3), "(3 cells are wanted)"),
        ("missing_key", Layout(Format.JSONL, path=("a", "id")), "('a.id' is wanted)"),
        ("not_a_string", Layout(Format.JSON), "(the element wants text)"),
        ("unknown_type", Layout(Format.CSV, width=2), "(i or g is wanted)"),
        ("forbidden_value", Layout(Format.CSV, width=1), ""),
    ],
)
def test_what_was_expected_is_said(reason: str, layout: Layout, said: str) -> None:
    """Where there is no ID to show; an ID that is there says enough."""
    assert wanted(reason, layout) == said


def test_i8_the_refusal_names_the_first_five() -> None:
    """By file and line, never by ID."""
    examples = [f"list.csv:{line} empty" for line in range(2, 9)]
    with pytest.raises(InputError) as caught:
        check_invalid(counts(93, 7), 1.0, examples)
    text = str(caught.value)
    assert "7 of 100 IDs are invalid (7.0 %, allowed 1 %)" in text
    assert "list.csv:6 empty" in text
    assert "list.csv:7" not in text
    assert "nothing was sent" in text


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["'e-mail'"], "IDs in the column 'e-mail' are"),
        (["'a'", "'b'"], "IDs are"),
        ([], "IDs are"),
    ],
)
def test_i8_the_refusal_names_the_column(columns: list[str], said: str) -> None:
    """Where it is the same for all files."""
    with pytest.raises(InputError, match=f"7 of 100 {said} invalid"):
        check_invalid(counts(93, 7), 1.0, ["x:1 empty"], columns)


@pytest.mark.parametrize(
    ("given_digest", "passes"),
    [
        (DIGEST, True),
        (DIGEST.removeprefix("sha256:"), True),
        (DIGEST.upper(), True),
        (f"  {DIGEST}\n", True),
        ("0123456789ab", True),
        ("sha256:0123456789ab", True),
        ("0123456789ABC", True),
        ("0123456789a", False),
        ("sha256:0123456789a", False),
        ("", False),
        ("sha256:", False),
        ("123456789abc", False),
        ("0123456789ac", False),
        ("f" * 64, False),
        (DIGEST + "0", False),
        (DIGEST[:-1] + "0", False),
        ("yes", False),
        ("*", False),
    ],
)
def test_h4_an_approval_names_exactly_this_plan(given_digest: str, passes: bool) -> None:
    """The whole digest, or at least its first 12 digits, and nothing else."""
    code = refusal(lambda: check_digest([DIGEST], given_digest))
    assert code == (None if passes else "approve_digest")


def test_h4_the_jobs_digest_approves_its_shard_as_its_own_does() -> None:
    """Either of the two, and the refusal names the plan's own."""
    job = "sha256:" + "f" * 64
    for one in (DIGEST, job, job[7:19]):
        check_digest([DIGEST, job], one)
    with pytest.raises(GuardError, match=DIGEST):
        check_digest([DIGEST, job], "e" * 64)


APPROVAL = Approval(how="yes", who="ana", ids=5, at=1000.0, expires=2000.0)


@pytest.mark.parametrize(
    ("now", "alive"),
    [
        (1000.0, True),
        (1999.999, True),
        (2000.0, False),
        (2000.001, False),
        (1e12, False),
        (float("nan"), False),
    ],
)
def test_c3_s11_time_to_live(now: float, alive: bool) -> None:
    """At its very end the plan is over, and a clock that says nothing is no permission."""
    assert refusal(lambda: check_alive(APPROVAL, now)) == (None if alive else "expired")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    ("now", "alive"), [(0.0, True), (1999.9, True), (2000.0, False), (float("nan"), False)]
)
def test_c3_i16_our_own_outcome_files_as_input(state: State, now: float, alive: bool) -> None:
    """Protected IDs never, any others only within their run's time to live."""
    code = refusal(lambda: check_own_file("x.csv", state, 2000.0, now))
    if state is State.PROTECTED:
        assert code == "protected_file"
    else:
        assert code == (None if alive else "outcome_file_expired")


@pytest.mark.parametrize(
    ("since", "now", "renewed_at", "too_old"),
    [
        (None, 1e12, None, False),
        (1000.0, 1000.0, None, False),
        (1000.0, 1000.0 + DOUBT_LIVES - 0.5, None, False),
        (1000.0, 1000.0 + DOUBT_LIVES, None, True),
        (1000.0, 1000.0 + 30 * DOUBT_LIVES, None, True),
        (1000.0, 1000.0 + 2 * DOUBT_LIVES, 1000.0 + 2 * DOUBT_LIVES, False),
        (1000.0, 1000.0 + 2 * DOUBT_LIVES, 1000.5 + DOUBT_LIVES, False),
        (1000.0, 1000.0 + 2 * DOUBT_LIVES, 1000.0 + DOUBT_LIVES, True),
        (1000.0, 1000.0 + DOUBT_LIVES, 999.0, True),
        (1000.0, 1000.0 + DOUBT_LIVES, 1000.0, True),
        (1000.0, 1000.0 + DOUBT_LIVES, 1001.0, False),
    ],
)
def test_c3_s11_old_doubts(
    since: float | None, now: float, renewed_at: float | None, too_old: bool
) -> None:
    """From 24 h on only a renewal after the doubt, less than 24 h old, allows another try."""
    assert doubt_too_old(since, now, renewed_at) is too_old


@pytest.mark.parametrize(
    ("failed", "settled", "chunks", "percent", "stops"),
    [
        (0, 1000, 10, 5.0, False),
        (50, 1000, 10, 5.0, False),
        (51, 1000, 10, 5.0, True),
        (1000, 1000, 9, 5.0, False),
        (1000, 1000, 10, 5.0, True),
        (1, 1000, 10, 0.0, True),
        (0, 1000, 10, 0.0, False),
        (1000, 1000, 500, 100.0, False),
        (0, 0, 10, 5.0, False),
        (500, 1000, 10, float("nan"), True),
    ],
)
def test_v8_s12_failure_share(
    failed: int, settled: int, chunks: int, percent: float, stops: bool
) -> None:
    """From 10 chunks on, more than the allowed share stops; exactly the share does not."""
    assert too_many_failures(failed, settled, chunks, percent) is stops


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 100))
def test_s12_the_failure_share_is_exact(failed: int, rest: int, percent: int) -> None:
    """In whole numbers, without any rounding in the operator's favour."""
    settled = failed + rest
    assert too_many_failures(failed, settled, 10, percent) == (failed * 100 > percent * settled)


def test_the_settled_numbers() -> None:
    """What the contract says."""
    assert (DOUBT_LIVES, FAILURES_COUNT_AFTER, CANARY_REQUESTS) == (86_400, 10, 16)


@pytest.mark.parametrize(
    ("planned", "percent", "population", "code"),
    [
        (10, 1.0, 1000, None),
        (11, 1.0, 1000, "max_percent"),
        (11, None, 1000, None),
        (11, 1.0, None, None),
        (0, 0.0, 1, None),
        (1, 0.0, 1, "max_percent"),
        (5, float("nan"), 100, "max_percent"),
    ],
)
def test_h1_share_of_all_users(
    planned: int, percent: float | None, population: int | None, code: str | None
) -> None:
    """Not one ID more than the share; a share that is no number refuses."""
    assert refusal(lambda: check_percent(counts(planned), percent, population)) == code


@pytest.mark.parametrize(
    ("made", "age", "code"),
    [
        (100.0, None, None),
        (100.0, 900.0, None),
        (99.9, 900.0, "list_age"),
        (1000.0, 900.0, None),
        (1000.1, 900.0, "list_age"),
        (float("nan"), 900.0, "list_age"),
    ],
)
def test_s11_age_of_the_list(made: float, age: float | None, code: str | None) -> None:
    """At time 1000: as old as allowed, and not from the future."""
    assert refusal(lambda: check_age(made, 1000.0, age)) == code


@pytest.mark.parametrize(
    ("chunks", "first"), [(0, None), (999, None), (1000, 10), (1099, 10), (100_000, 1000)]
)
def test_a_ramp_is_a_percent_of_a_long_run(chunks: int, first: int | None) -> None:
    """Short runs have their canary; from 1,000 chunks on one in a hundred goes first."""
    assert ramp(chunks) == first


def test_i16_protect_lists_of_strangers_are_refused() -> None:
    """Each is named; none is no reason."""
    check_protect([])
    assert refusal(lambda: check_protect(["vip.txt"])) == "protect_mismatch"
    with pytest.raises(GuardError, match=r"a\.txt, b\.txt: the entries look unlike"):
        check_protect(["a.txt", "b.txt"])


@pytest.mark.parametrize(
    ("signers", "needed", "age", "code"),
    [
        (["ana@x.org"], 1, 0.0, None),
        (["ana@x.org"], 1, 100.0, None),
        (["ana@x.org"], 1, 100.1, "expired"),
        (["ana@x.org"], 1, -0.1, "expired"),
        (["ana@x.org"], 1, float("nan"), "expired"),
        ([], 1, 0.0, "signatures_missing"),
        (["Pat@x.org"], 1, 0.0, "signatures_missing"),
        (["pat"], 1, 0.0, "signatures_missing"),
        (["pat@host@x.org"], 1, 0.0, "signatures_missing"),
        (["pat", "ana"], 1, 0.0, None),
        (["ana", "ana"], 2, 0.0, "signatures_missing"),
        (["ana", "bob"], 2, 0.0, None),
        (["ana", "bob"], 3, 0.0, "signatures_missing"),
    ],
)
def test_h4_signatures_of_others(
    signers: list[str], needed: int, age: float, code: str | None
) -> None:
    """Enough different people, none of them the planner (PAT), and not too long ago."""
    assert refusal(lambda: check_signatures(signers, "PAT", needed, age, 100.0)) == code


def test_h4_who_signed_is_told() -> None:
    """The others, by name; the planner is not among them."""
    assert check_signatures(["bob", "pat@x", "ana", "bob"], "pat", 1, 1.0, 2.0) == ["ana", "bob"]


@pytest.mark.parametrize("account", [None, "EMULATOR", "W9R-TEST"])
@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:80", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("https://rest.iad-01.braze.com", False),
        ("https://93.184.216.34", False),
        ("", False),
    ],
)
def test_the_emulator_s_account_stays_here(account: str | None, url: str, here: bool) -> None:
    """It goes to this machine only, and whatever host is not certainly it is another."""
    if account != "EMULATOR" or here:
        check_account(account, url)
        return
    with pytest.raises(UsageError) as caught:
        check_account(account, url)
    assert caught.value.code == "emulator_credentials"
