"""The damage detector: each rule at its threshold, and no alarm over clean lists."""

import random
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core import guards
from bulkdelete.core.damage import RULES, Detector, Finding
from bulkdelete.core.identities import joined
from bulkdelete.core.model import Kind
from bulkdelete.core.shapes import looked_at, shape_of
from bulkdelete.errors import GuardError, UsageError

HEX = "0e88f6833c217c3dc611b6efe82cf0e{:x}"
BATCH = 7000


def findings(ids: list[str], kind: Kind = Kind.IDENTITY, batch: int = BATCH) -> list[Finding]:
    """Look at a list batch by batch, as the plan does; line 1 is the header."""
    detector = Detector(kind)
    for start in range(0, len(ids), batch):
        some = ids[start : start + batch]
        detector.look(some, joined(some), "l.csv", range(start + 2, start + 2 + len(some)))
    return detector.findings()


def one_finding(ids: list[str], kind: Kind = Kind.IDENTITY) -> Finding:
    """Return the only finding."""
    (found,) = findings(ids, kind)
    return found


def users(count: int) -> list[str]:
    """Return IDs that nobody finds odd."""
    return [f"user-{number:07d}" for number in range(count)]


def emails(count: int) -> list[str]:
    """Return addresses."""
    return [f"user.{number}@example.com" for number in range(count)]


DICE = random.Random(20)
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAME = "abcdefghijklmnopqrstuvwxyz0123456789_."


def _hexes() -> str:
    return f"{DICE.getrandbits(128):032x}"


CLEAN: dict[str, tuple[Kind, Callable[[int], str]]] = {
    "uuids": (Kind.IDENTITY, lambda _: str(uuid.UUID(int=DICE.getrandbits(128)))),
    "e-mails": (Kind.IDENTITY, lambda n: f"ana.{DICE.getrandbits(24)}+{n}@mail{n % 9}.example.org"),
    "phones": (Kind.IDENTITY, lambda _: f"+49{DICE.randrange(10**9, 10**11)}"),
    "sequence": (Kind.IDENTITY, lambda n: str(n + 1)),
    "long sequence": (Kind.IDENTITY, lambda n: str(1234567890000000 + n)),
    "random integers": (Kind.IDENTITY, lambda _: str(DICE.randrange(1, 10**9))),
    "64-bit integers": (Kind.IDENTITY, lambda _: str(DICE.getrandbits(63))),
    "padded integers": (Kind.IDENTITY, lambda n: f"{n:08d}"),
    "hex guids": (Kind.GUID, lambda _: _hexes()),
    "__g ids": (Kind.GUID, lambda _: f"__g{_hexes()}"),
    "-h ids": (Kind.GUID, lambda _: f"-h{_hexes()}"),
    "mixed case": (Kind.GUID, lambda _: "-".join("".join(DICE.choices(BASE62, k=7)) for _ in "ab")),
    "base62": (Kind.IDENTITY, lambda _: "".join(DICE.choices(BASE62, k=11))),
    "usernames": (
        Kind.IDENTITY,
        lambda _: DICE.choice(NAME[:26]) + "".join(DICE.choices(NAME, k=DICE.randint(2, 9))),
    ),
    "prefixed codes": (Kind.IDENTITY, lambda n: f"cust_{n:06d}"),
    "ulids": (Kind.IDENTITY, lambda n: "01H" + "".join(DICE.choices(CROCKFORD, k=23)) + str(n % 9)),
    "national phones": (Kind.IDENTITY, lambda _: f"0{DICE.randrange(10**8, 10**10)}"),
    "names": (Kind.IDENTITY, lambda n: f"Müller, Zoë {'I' * (n % 5)}"),
}


@pytest.mark.parametrize("name", list(CLEAN))
def test_h2_clean_lists_raise_no_alarm(name: str) -> None:
    """100,000 IDs of each real shape: no refusal, and not even a warning."""
    kind, make = CLEAN[name]
    assert findings([make(number) for number in range(100_000)], kind) == []


@pytest.mark.parametrize(
    ("rule", "odd", "kind"),
    [
        ("scientific", "1.23E5", Kind.IDENTITY),
        ("trailing_zero", "4242.0", Kind.IDENTITY),
        ("two_ids", "u-1;u-2", Kind.IDENTITY),
        ("emails_among_ids", "ana@example.com", Kind.IDENTITY),
        ("guid_as_identity", HEX.format(1), Kind.IDENTITY),
        ("guid_as_identity", "__g473e700876dbcedc2326b5605f51aabe", Kind.IDENTITY),
        ("identity_as_guid", "ana@example.com", Kind.GUID),
        ("identity_as_guid", "+4915112345678", Kind.GUID),
        ("identity_as_guid", "4242", Kind.GUID),
    ],
)
def test_i9_h2_more_than_a_percent_and_ten_is_refused(rule: str, odd: str, kind: Kind) -> None:
    """At a percent it warns, with the count and the first lines; above, it refuses."""
    at = one_finding([*users(990), *[odd] * 10], kind)
    assert (at.rule, at.count, at.of, at.refuse) == (rule, 10, 1000, False)
    assert at.places[0] == "l.csv:992"
    above = one_finding([*users(989), *[odd] * 11], kind)
    assert (above.rule, above.count, above.refuse) == (rule, 11, True)
    few = one_finding([*users(800 // 10), *[odd] * 9], kind)
    assert (few.count, few.refuse) == (9, False), "a short list may hold odd ones"


@pytest.mark.parametrize(("count", "refuse"), [(1, True), (2, True), (3, False)])
def test_h2_a_short_list_that_is_half_damaged_is_refused(count: int, refuse: bool) -> None:
    """Three GUIDs under `identity` are a wrong kind, however short the list is."""
    found = one_finding([HEX.format(1), HEX.format(2), *users(count - 1), *users(count)][:5])
    assert found.rule == "guid_as_identity"
    assert found.refuse is (2 * found.count >= found.of)
    assert found.refuse is refuse or found.count == 2


def test_i9_a_finding_says_it_in_words() -> None:
    """The rule, the share, what it means, the first three lines."""
    text = str(one_finding(["1.0", "2.0", "3.0", "4.0", *users(996)]))
    assert text == (
        "trailing_zero: 4 of 1,000 IDs are whole numbers that became decimals (12345.0)"
        " (the first: l.csv:2, l.csv:3, l.csv:4)"
    )
    assert str(Finding("lost_zeros", 1, 2, (), refuse=False)).endswith("zero-padded column")


def test_h2_one_header_among_the_ids_is_refused() -> None:
    """Two files put together: one line tells, wherever it is."""
    found = one_finding([*users(50_000), "identity", *users(50_000)])
    assert (found.rule, found.count, found.refuse) == ("header_as_data", 1, True)
    assert found.places == ("l.csv:50002",)


def test_i11_separate_accents_are_warned_of_and_never_refused() -> None:
    """NFD and NFC are two IDs, both sent: so it is said."""
    found = one_finding(["Zoe\u0308", "Zo\u00eb"])
    assert (found.rule, found.count, found.refuse) == ("decomposed", 1, False)


@pytest.mark.parametrize("digits", [16, 17, 18, 20])
def test_i9_numbers_rounded_to_15_digits_are_refused(digits: int) -> None:
    """A spreadsheet keeps 15 digits; as many zeros at the end by chance raise no alarm."""
    dice = random.Random(digits)
    whole = [str(dice.randrange(10 ** (digits - 1), 10**digits)) for _ in range(3000)]
    rounded = [one[:15] + "0" * (digits - 15) for one in whole]
    assert findings(whole) == []
    found = one_finding(rounded)
    assert (found.rule, found.count, found.refuse) == ("rounded", 3000, True)
    assert found.places == ("l.csv:2", "l.csv:3", "l.csv:4")
    assert one_finding(rounded[:3]).refuse
    assert findings([one[:15] for one in whole]) == []


@pytest.mark.parametrize("width", [5, 9])
def test_i9_lost_zeros_are_refused_in_a_padded_column(width: int) -> None:
    """Some kept their zeros, so that the shorter ones must have lost theirs."""
    dice = random.Random(width)
    codes = [f"{dice.randrange(1, 10**width):0{width}d}" for _ in range(2000)]
    assert findings(codes) == []
    half = [code.lstrip("0") if number % 2 else code for number, code in enumerate(codes)]
    found = one_finding(half)
    lost = [number for number, code in enumerate(half) if len(code) < width]
    assert (found.rule, found.count, found.refuse) == ("lost_zeros", len(lost), True)
    assert found.places[0].startswith("l.csv:")
    few = [*codes, "42"]
    assert [(one.rule, one.count, one.refuse) for one in findings(few)] == [
        ("lost_zeros", 1, False)
    ]


def test_i9_numbers_without_zeros_in_front_lost_none() -> None:
    """A column of integers of all lengths, or one where digits are rare, is no padded column."""
    assert findings([str(number) for number in range(1, 5000)]) == []
    assert findings([*users(1000), "007", "42"]) == []
    assert findings([*(f"{n:04d}" for n in range(10)), *(f"9{n:05d}" for n in range(40))]) == []
    wide = [f"{n:05d}" for n in range(40)] + [str(10**k - 1) for k in range(1, 30)] * 2
    assert [one.rule for one in findings(wide)] == []


def test_h2_others_among_emails() -> None:
    """The minority is named; a column that is a mixture by its nature is only warned of."""
    found = one_finding(["u-1" if n % 10 == 3 else one for n, one in enumerate(emails(1000))])
    assert (found.rule, found.count, found.refuse) == ("ids_among_emails", 100, True)
    mixed = findings([one for pair in zip(emails(500), users(500), strict=True) for one in pair])
    assert [(one.rule, one.count, one.refuse) for one in mixed] == [
        ("emails_among_ids", 500, False)
    ]
    assert findings([*emails(3), "u-1", "u-2"])[0].rule == "ids_among_emails"


@pytest.mark.parametrize("batch", [40, 330, BATCH])
def test_h2_a_column_that_changes_half_way_is_refused(batch: int) -> None:
    """Names first and numbers then, wherever the batches are cut; the place is near."""
    ids = [*users(1000), *(str(number) for number in range(5000, 6500))]
    (found,) = findings(ids, batch=batch)
    assert (found.rule, found.refuse) == ("changed_shape", True)
    assert abs(found.count - 1500) <= 50
    assert abs(int(found.places[0].partition(":")[2]) - 1002) <= 50
    few = [*ids[:1000], *ids[-20:]]
    assert findings(few) == [], "a few at the end are a few"


def test_h2_a_long_mixed_list_takes_little_memory() -> None:
    """The blocks are joined; what they tell stays right."""
    pair = [str(uuid.UUID(int=1)), "user-1"]
    detector = Detector(Kind.IDENTITY)
    for batch in range(5000):
        ids = pair * 2 if batch < 2500 else ["42", "42", "42", "42"]
        detector.look(ids, joined(ids), "l.csv", [batch] * 4)
    assert len(list(detector._blocks)) <= 4096
    assert detector.findings() == []
    for batch in range(5000):
        ids = ["42"] * 4 if batch < 2500 else ["user-1"] * 4
        detector.look(ids, joined(ids), "l.csv", [batch] * 4)
    assert sum(block.shapes.total() for block in detector._blocks) == 40_000


def test_nothing_is_found_in_nothing() -> None:
    """An empty batch says nothing."""
    assert findings([]) == []
    detector = Detector(Kind.GUID)
    detector.look([], b"", "l.csv", [])
    assert detector.findings() == []


ODD = st.sampled_from(
    ["ana@example.com", "4242", "0042", "1.0", "1.5E5", "a;1", "x", "user-1", "guid",
     HEX.format(7), "__g12345678", "1234567890123450", "1234567890123456", "+4912345"]
)  # fmt: skip


@given(st.lists(ODD, max_size=40), st.integers(1, 12), st.sampled_from(list(Kind)))
def test_any_cut_into_batches_finds_the_same(ids: list[str], cut: int, kind: Kind) -> None:
    """Quickly or slowly, a list is the same list: the plain way is the oracle."""
    plain = Detector(kind)
    for number, one in enumerate(ids):
        plain._look_closely([one], "l.csv", [number + 2])

    def told(found: list[Finding]) -> list[tuple[str, int, bool]]:
        return [(one.rule, one.count, one.refuse) for one in found]

    assert told(findings(ids, kind, cut)) == told(plain.findings())
    assert all(looked_at(one)[0] is shape_of(one) for one in ids)


def test_damage_that_is_named_is_let_through() -> None:
    """Each rule by its name; one that is not named still refuses, and says how to name it."""
    found = findings(["1.0", "2.0", "identity"])
    with pytest.raises(GuardError) as caught:
        guards.check_damage(found, ["trailing_zero"])
    assert caught.value.code == "damage"
    assert caught.value.exit == 4
    assert "header_as_data: 1 of 3" in str(caught.value)
    assert "trailing_zero" not in str(caught.value)
    assert caught.value.hint.endswith("say --accept-damage header_as_data")
    guards.check_damage(found, ["trailing_zero", "header_as_data"])
    with pytest.raises(GuardError, match=r"trailing_zero: 2 of 3 .*; header_as_data: 1") as caught:
        guards.check_damage(found, [])
    assert "--accept-damage header_as_data --accept-damage trailing_zero" in caught.value.hint
    guards.check_damage(findings(["Zoe\u0308"]), [])


def test_a_rule_that_does_not_exist_is_no_answer() -> None:
    """A mistyped name is exit 2, and the rules are listed."""
    guards.check_rules(list(RULES))
    with pytest.raises(UsageError) as caught:
        guards.check_rules(["trailing_zero", "all"])
    assert caught.value.code == "accept_damage"
    assert "lost_zeros" in caught.value.hint


def test_i16_the_ids_are_counted_by_shape() -> None:
    """What a protect list is compared with: how many IDs of each shape the list holds."""
    detector = Detector(Kind.IDENTITY)
    ids = ["ana@example.com", "4242", "4243"]
    detector.look(ids, joined(ids), "l.csv", range(2, 5))
    assert sorted(detector.shapes.values()) == [1, 2]
    assert detector.shapes[shape_of("4242")] == 2
