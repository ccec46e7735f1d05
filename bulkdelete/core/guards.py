"""Every reason to refuse, as pure checks: each returns quietly or raises.

A guard that cannot decide refuses: so comparisons ask for what must hold, and NaN holds nowhere.
"""

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bulkdelete.core.damage import RULES
from bulkdelete.core.model import State
from bulkdelete.core.plan import SHORT_DIGEST
from bulkdelete.core.target import is_loopback
from bulkdelete.errors import GuardError, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkdelete.core.checkpoint import Approval
    from bulkdelete.core.damage import Finding
    from bulkdelete.core.layout import Layout
    from bulkdelete.core.plan import Counts

DOUBT_LIVES = 24 * 3600.0
"""Seconds after which an unanswered request is not repeated without fresh approval."""

PLAN_LIVES = 24 * 3600.0
"""Seconds for which an approval lives when nothing else is said."""

FAILURES_COUNT_AFTER = 10
"""Chunks that must be settled before the share of failures can stop a run."""

CANARY_REQUESTS = 16
"""Requests after which a refused canary without one acceptance stops the run."""

RAMP_FROM = 1000
"""Chunks from which on a run goes through a ramp: a canary, then a percent, then the rest."""

RAMP_PERCENT = 1

_FIRST_ONES = 5
_EMULATOR_ACCOUNT = "EMULATOR"


def check_account(account: str | None, url: str) -> None:
    """Refuse the emulator's account at a host that is not this machine."""
    if account == _EMULATOR_ACCOUNT and not is_loopback(urlsplit(url).hostname or ""):
        raise UsageError("emulator_credentials", "EMULATOR credentials go to loopback only")


def check_size(counts: "Counts", max_deletes: int | None, expect: int | None) -> None:
    """Refuse a plan larger than the ceiling, or not of the size that was expected."""
    if expect is not None and counts.planned != expect:
        raise GuardError(
            "expect_count",
            f"the plan holds {counts.planned:,} IDs, not the {expect:,} of --expect-count; "
            "nothing was sent",
            "look at the plan; correct the list or the number",
        )
    if max_deletes is not None and counts.planned > max_deletes:
        raise GuardError(
            "max_deletes",
            f"the plan holds {counts.planned:,} IDs, more than the {max_deletes:,} of "
            "--max-deletes; nothing was sent",
            "look at the plan; raise --max-deletes if it is right",
        )


def check_percent(counts: "Counts", max_percent: float | None, population: int | None) -> None:
    """Refuse a plan that is too large a share of all users."""
    if max_percent is None or population is None:
        return
    if not counts.planned * 100 <= max_percent * population:
        raise GuardError(
            "max_percent",
            f"the plan holds {counts.planned:,} IDs, more than {max_percent:g} % of the "
            f"{population:,} users; nothing was sent",
            "look at the plan; raise --max-percent if it is right",
        )


def check_age(made: float, now: float, max_age: float | None) -> None:
    """Refuse a list that is older than allowed, or comes from the future."""
    if max_age is not None and not 0 <= now - made <= max_age:
        raise GuardError(
            "list_age",
            f"the list is {(now - made) / 3600:,.1f} h old, and --max-list-age allows "
            f"{max_age / 3600:,.1f} h: users may have come back since; nothing was sent",
            "make a fresh list, or say with --exported-at when this one was made",
        )


def check_invalid(
    counts: "Counts",
    max_percent: float,
    examples: "Sequence[str]",
    columns: "Sequence[str]" = (),
    looks: "Sequence[str]" = (),
) -> None:
    """Refuse a list with too large a share of invalid IDs.

    `examples` are "file:line reason", `columns` what holds the IDs, `looks` how the examples look,
    or in brackets what was wanted there.
    """
    selected = counts.read - counts.excluded
    if counts.invalid * 100 <= max_percent * selected:
        return
    share = counts.invalid * 100 / selected
    known = [one if one.startswith("(") else "" for one in looks]
    pairs = zip(examples[:_FIRST_ONES], [*known, *[""] * len(examples)], strict=False)
    first = "; ".join(f"{example} {look}".rstrip() for example, look in pairs)
    column = f" in the column {columns[0]}" if len(columns) == 1 else ""
    raise InputError(
        "max_invalid",
        f"{counts.invalid:,} of {selected:,} IDs{column} are invalid ({share:.1f} %, allowed "
        f"{max_percent:g} %); nothing was sent. The first: {first}",
        _hint(examples),
    )


def _hint(examples: "Sequence[str]") -> str:
    """Say what to do about what was found; first what helps with the most of the examples."""
    cure = cure_of(Counter(one.rpartition(" ")[2] for one in examples))
    always = "correct the list, or allow the share with --max-invalid"
    return f"{cure}; {always}" if cure else always


def cure_of(reasons: "Mapping[str, int]") -> str:
    """Say what helps with the most of what was found invalid, "" when nothing is known."""
    known = [_CURES[reason] for reason, _ in Counter(reasons).most_common() if reason in _CURES]
    return known[0] if known else ""


def wanted(reason: str, layout: "Layout", told: str = "") -> str:
    """Say what was found where a record could not be read, and what was expected there.

    "" when its ID says enough; `told` is what was there.
    """
    expected = _WANTED.get(reason, "").format(
        width=layout.width, named=layout.named or "the element"
    )
    return f"(found {told}; {expected})" if told and expected else expected and f"({expected})"


_WANTED = {
    "bad_encoding": "text in UTF-8 is wanted",
    "bad_json": "one whole JSON value is wanted",
    "bad_list": "{named} wants [a, b]",
    "bad_quotes": "a quote stands around a whole cell",
    "duplicate_key": "{named} is wanted once",
    "missing_key": "{named} is wanted",
    "not_a_string": "{named} wants text",
    "not_an_array": "{named} wants an array",
    "not_an_object": "{named} wants an object around it",
    "null": "{named} wants a value",
    "ragged": "{width} cells are wanted",
    "unknown_type": "i or g is wanted",
}


_CURES = {
    "bad_encoding": "if it was saved as latin-1 (Windows does), say --encoding latin-1",
    "bad_json": "JSON is wanted as it is defined: without NaN, comments, half characters",
    "bad_quotes": "a quote inside of quotes is written twice; --quote none where they mean nothing",
    "empty": "leave out records without an ID: --where 'COLUMN!='",
    "forbidden_value": "nobody has such an ID: who made the list had none there",
    "missing_key": "see which keys there are: bulkdelete inspect FILE",
    "not_a_string": "export IDs as text, or take whole numbers by their digits: --numbers (above"
    " 15 of them some may have been lost on the way); into an object or an array reaches --column"
    " a.b or 'a[].b' (bulkdelete inspect FILE shows them)",
    "not_an_object": "see what is there: bulkdelete inspect FILE",
    "spreadsheet_damage": "export it again without a spreadsheet, or with the column as text",
    "ragged": "see whether the delimiter is right (--delimiter), and quotes mean what they should",
    "bad_list": "see whether this column holds lists (--column)",
    "unknown_type": "the Type column must say i (identity) or g (the vendor's own ID: guid)",
}


def check_damage(findings: "Sequence[Finding]", accepted: "Sequence[str]") -> None:
    """Refuse a list that shows damage which nobody named as meant."""
    refused = [one for one in findings if one.refuse and one.rule not in accepted]
    if refused:
        raise GuardError(
            "damage",
            f"this looks like the wrong list, or a damaged one; nothing was sent. {refused[0]}"
            + "".join(f"; {one}" for one in refused[1:]),
            "correct the list; or, where it is meant so, say "
            + " ".join(f"--accept-damage {rule}" for rule in sorted({one.rule for one in refused})),
        )


def check_protect(strangers: "Sequence[str]") -> None:
    """Refuse protect lists of another sort of ID than the input's, which held back nobody."""
    if strangers:
        raise GuardError(
            "protect_mismatch",
            f"{', '.join(strangers)}: the entries look unlike the IDs of the input, and held back "
            "not one of them, so the list protects nobody; nothing was sent",
            "give a list of the same sort of ID; or, if it is meant, --accept-protect-mismatch",
        )


def check_rules(accepted: "Sequence[str]") -> None:
    """Refuse to accept damage that is no rule: a mistyped word must not pass for an answer."""
    for one in accepted:
        if one not in RULES:
            raise UsageError(
                "accept_damage",
                "--accept-damage names no rule of the damage detector",
                f"the rules are: {' '.join(RULES)}",
            )


def check_digest(digests: "Sequence[str]", given: str, what: str = "plan") -> None:
    """Refuse an approval that is of none of these (whole digest or its first 12 hex).

    They are the plan's own, the first, and that of the job which it is a shard of. `what`
    else they may be of.
    """
    bare = given.strip().lower().removeprefix("sha256:")
    wholes = [one.removeprefix("sha256:") for one in digests]
    if len(bare) < SHORT_DIGEST or not any(whole.startswith(bare) for whole in wholes):
        raise GuardError(
            "approve_digest",
            f"--approve names another {what}: this one is {digests[0]}; nothing was sent",
            f"look at this {what}, then approve its digest",
        )


def check_signatures(
    signers: "Sequence[str]", made_by: str, needed: int, age: float, ttl: float
) -> list[str]:
    """Return who signed, of others than the planner; refuse when they are too few, or too late.

    `age` is the plan's, in seconds: a signature says nothing of when it was made.
    """
    mine = made_by.casefold()
    others = {
        one for one in signers if mine not in {one.casefold(), one.partition("@")[0].casefold()}
    }
    if not 0 <= age <= ttl:
        raise GuardError(
            "expired",
            "the signed plan is older than --plan-ttl: a user may have come back since; "
            "nothing was sent",
            "make a new plan from a fresh list, and have it signed",
        )
    if not len(others) >= needed:
        raise GuardError(
            "signatures_missing",
            f"this plan needs {needed} signature(s) of others than {made_by or 'its planner'}, and "
            f"has {len(others)}; nothing was sent",
            "have it signed by somebody else: bulkdelete approve RUN_DIR --sign KEY",
        )
    return sorted(others)


def check_alive(approval: "Approval", now: float) -> None:
    """Refuse to send past the plan's time to live."""
    if not now < approval.expires:
        raise GuardError(
            "expired",
            "the plan's time to live is over: a deleted user may have come back under the same "
            "ID since; nothing more was sent",
            "make a new plan from a fresh list, or approve this one again with --renew",
        )


def check_own_file(name: str, state: State, until: float, now: float) -> None:
    """Refuse an outcome file of protected IDs, or one whose time to live is over."""
    if state is State.PROTECTED:
        raise GuardError(
            "protected_file",
            f"{name} is an outcome file of protected IDs: they must not be sent; nothing was sent",
            "give the original list, without these",
        )
    if not now < until:
        raise GuardError(
            "outcome_file_expired",
            f"{name} is an outcome file of a run whose time to live is over: a user may have come "
            "back under the same ID since; nothing was sent",
            "make a fresh list",
        )


def doubt_too_old(since: float | None, now: float, renewed_at: float | None) -> bool:
    """Tell whether an unanswered request is too old to repeat without a later renewal."""
    if since is None or now - since < DOUBT_LIVES:
        return False
    return renewed_at is None or renewed_at < since or now - renewed_at >= DOUBT_LIVES


def ramp(chunks: int) -> int | None:
    """Return how many chunks go first, and must end well before the rest; None: no ramp."""
    return chunks * RAMP_PERCENT // 100 if chunks >= RAMP_FROM else None


def too_many_failures(failed: int, settled: int, chunks: int, max_percent: float) -> bool:
    """Tell whether the share of failed IDs among the settled ones stops the run."""
    return chunks >= FAILURES_COUNT_AFTER and not failed * 100 <= max_percent * settled
