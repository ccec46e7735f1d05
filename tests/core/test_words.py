# ruff: noqa: E501 - the words as they are printed
"""What each guard says, word for word: a refusal is read by somebody in a hurry."""

from collections.abc import Callable

import pytest

from bulkdelete import errors
from bulkdelete.core import guards as g
from bulkdelete.core.activity import ActivityColumn
from bulkdelete.core.anomaly import Night, check_anomaly
from bulkdelete.core.checkpoint import Approval
from bulkdelete.core.damage import Finding
from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import Batch, Kind, State
from bulkdelete.core.plan import Counts

DIGEST = "sha256:" + "0123456789abcdef" * 4
APPROVAL = Approval(how="yes", who="me", ids=1, at=0.0, expires=100.0, renewed=False)
JSONL = Layout(Format.JSONL, path=("i",))
BATCH = Batch(["u"], Kind.IDENTITY, [7], 0, 7, {}, [['{"p": 1}']])


def counts(planned: int, invalid: int = 0) -> Counts:
    """Return what a plan counted."""
    zeros = dict.fromkeys(Counts.__struct_fields__, 0)
    return Counts(**zeros | {"read": planned + invalid, "planned": planned, "invalid": invalid})


WORDS: list[tuple[Callable[[], object], type[errors.BulkdeleteError], str, str, str]] = [
    (
        lambda: g.check_size(counts(12345), 1000, None),
        errors.GuardError,
        "max_deletes",
        "the plan holds 12,345 IDs, more than the 1,000 of --max-deletes; nothing was sent",
        "look at the plan; raise --max-deletes if it is right",
    ),
    (
        lambda: g.check_size(counts(12345), None, 2000),
        errors.GuardError,
        "expect_count",
        "the plan holds 12,345 IDs, not the 2,000 of --expect-count; nothing was sent",
        "look at the plan; correct the list or the number",
    ),
    (
        lambda: g.check_percent(counts(12345), 0.5, 1000000),
        errors.GuardError,
        "max_percent",
        "the plan holds 12,345 IDs, more than 0.5 % of the 1,000,000 users; nothing was sent",
        "look at the plan; raise --max-percent if it is right",
    ),
    (
        lambda: g.check_age(3600.0, 18_003_600.0, 14_400_000.0),
        errors.GuardError,
        "list_age",
        "the list is 5,000.0 h old, and --max-list-age allows 4,000.0 h: users may have come back since; nothing was sent",
        "make a fresh list, or say with --exported-at when this one was made",
    ),
    (
        lambda: g.check_invalid(
            counts(7, 3), 1.5, ["l:1 empty", "l:2 empty", "l:3 x", "l:4 x", "l:5 x", "l:6 x"]
        ),
        errors.InputError,
        "max_invalid",
        "3 of 10 IDs are invalid (30.0 %, allowed 1.5 %); nothing was sent. The first: l:1 empty; l:2 empty; l:3 x; l:4 x; l:5 x",
        "leave out records without an ID: --where 'COLUMN!='; correct the list, or allow the share with --max-invalid",
    ),
    (
        lambda: g.check_damage([Finding("rounded", 1, 2, ("l:1",), refuse=True)], []),
        errors.GuardError,
        "damage",
        "this looks like the wrong list, or a damaged one; nothing was sent. rounded: 1 of 2 IDs are long numbers that end in zeros after the 15th digit, as a spreadsheet rounds (the first: l:1)",
        "correct the list; or, where it is meant so, say --accept-damage rounded",
    ),
    (
        lambda: g.check_protect(["a", "b"]),
        errors.GuardError,
        "protect_mismatch",
        "a, b: the entries look unlike the IDs of the input, and held back not one of them, so the list protects nobody; nothing was sent",
        "give a list of the same sort of ID; or, if it is meant, --accept-protect-mismatch",
    ),
    (
        lambda: g.check_rules(["x"]),
        errors.UsageError,
        "accept_damage",
        "--accept-damage names no rule of the damage detector",
        "the rules are: scientific trailing_zero rounded lost_zeros two_ids header_as_data emails_among_ids ids_among_emails guid_as_identity identity_as_guid changed_shape decomposed",
    ),
    (
        lambda: g.check_digest([DIGEST], "0" * 12),
        errors.GuardError,
        "approve_digest",
        "--approve names another plan: this one is sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; nothing was sent",
        "look at this plan, then approve its digest",
    ),
    (
        lambda: g.check_signatures(["pat"], "pat", 2, 1.0, 9.0),
        errors.GuardError,
        "signatures_missing",
        "this plan needs 2 signature(s) of others than pat, and has 0; nothing was sent",
        "have it signed by somebody else: bulkdelete approve RUN_DIR --sign KEY",
    ),
    (
        lambda: g.check_signatures([], "", 1, 1.0, 9.0),
        errors.GuardError,
        "signatures_missing",
        "this plan needs 1 signature(s) of others than its planner, and has 0; nothing was sent",
        "have it signed by somebody else: bulkdelete approve RUN_DIR --sign KEY",
    ),
    (
        lambda: g.check_signatures([], "pat", 1, 10.0, 9.0),
        errors.GuardError,
        "expired",
        "the signed plan is older than --plan-ttl: a user may have come back since; nothing was sent",
        "make a new plan from a fresh list, and have it signed",
    ),
    (
        lambda: g.check_alive(APPROVAL, 100.0),
        errors.GuardError,
        "expired",
        "the plan's time to live is over: a deleted user may have come back under the same ID since; nothing more was sent",
        "make a new plan from a fresh list, or approve this one again with --renew",
    ),
    (
        lambda: g.check_own_file("f.csv", State.PROTECTED, 9.0, 1.0),
        errors.GuardError,
        "protected_file",
        "f.csv is an outcome file of protected IDs: they must not be sent; nothing was sent",
        "give the original list, without these",
    ),
    (
        lambda: g.check_own_file("f.csv", State.REJECTED, 9.0, 9.0),
        errors.GuardError,
        "outcome_file_expired",
        "f.csv is an outcome file of a run whose time to live is over: a user may have come back under the same ID since; nothing was sent",
        "make a fresh list",
    ),
    (
        lambda: check_anomaly(Night(3001, 9.0), [Night(1000, 1.0)] * 3),
        errors.GuardError,
        "anomaly",
        "this list is out of the usual for this job: it holds 3,001 IDs, more than 3 times as many as the largest of the last 3 runs (1,000); 9.0 % of its IDs are invalid, and never more than 1.0 % were; nothing was sent",
        "look at the list; if it is right, run it once with --accept-anomaly",
    ),
    (
        lambda: ActivityColumn(Layout(Format.CSV, header_names=("a",), width=1), "l.csv", "b"),
        errors.UsageError,
        "last_seen",
        "l.csv: there is not exactly one column of the name that --last-seen gives",
        "correct --last-seen; it needs a header",
    ),
    (
        lambda: ActivityColumn(JSONL, "l", "p.s").active_after(BATCH, 0.0),
        errors.InputError,
        "last_seen",
        "l:7: the column that --last-seen names holds no time here",
        "correct it; an ISO date or time, or seconds since 1970, is understood",
    ),
]


@pytest.mark.parametrize(("refuse", "kind", "code", "message", "hint"), WORDS)
def test_the_words_of_a_refusal(
    refuse: Callable[[], object],
    kind: type[errors.BulkdeleteError],
    code: str,
    message: str,
    hint: str,
) -> None:
    """What happened, that nothing was sent, and what to do next."""
    with pytest.raises(kind) as caught:
        refuse()
    assert (caught.value.code, str(caught.value), caught.value.hint) == (code, message, hint)


def test_findings_are_told_apart() -> None:
    """With a semicolon between each two, and nothing else."""
    rules = ("rounded", "two_ids", "lost_zeros")
    found = [Finding(rule, 1, 2, (), refuse=True) for rule in rules]
    with pytest.raises(errors.GuardError) as caught:
        g.check_damage(found, [])
    assert str(caught.value).endswith("nothing was sent. " + "; ".join(map(str, found)))
