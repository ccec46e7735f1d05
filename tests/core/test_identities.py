"""What a valid ID is, and what a protect list protects."""

import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.identities import (
    FORBIDDEN,
    MAX_CHARACTERS,
    SPREADSHEET_ERRORS,
    ProtectRules,
    canonical,
    canonical_all,
    fault_of,
    faults,
    mask,
    shown,
)
from bulkdelete.core.model import Kind
from bulkdelete.core.shapes import Shape

BOTH = tuple(Kind)


@pytest.mark.parametrize(
    "identifier",
    [
        "u-4242",
        "ana@example.com",
        "+4915112345678",
        "00042",
        "1.0",
        "1.23E+",
        "1.23E-05",
        "1.23E5",
        "12.3E+05",
        "x1.23E+05",
        "00",
        "-2",
        "nulls",
        "a null",
        "*a",
        "**",
        "?",
        "#ref",
        " padded ",
        "a\u00a0b",
        "a\u200bb",
        "a\u2028b",
        "\u200b",
        "Zoë",
        "Zoe\u0308",
        "名前",
        "😀",
        "=HYPERLINK(1)",
        'quo"te',
        "back\\slash",
        "x" * MAX_CHARACTERS,
        "é" * MAX_CHARACTERS,
    ],
)
def test_valid_ids(identifier: str) -> None:
    """Z1, I3, I11: what is odd but possible is sent exactly as it was read."""
    assert fault_of(identifier) is None
    assert faults([identifier]) == {}


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("", "empty"),
        (" ", "blank"),
        ("   ", "blank"),
        (" " * 40, "blank"),
        ("\u00a0", "blank"),
        ("\u2003\u3000", "blank"),
        ("x" * (MAX_CHARACTERS + 1), "too_long"),
        ("é" * (MAX_CHARACTERS + 1), "too_long"),
        (" " * (MAX_CHARACTERS + 1), "too_long"),
        ("a\x00b", "control_character"),
        ("a\tb", "control_character"),
        ("a\nb", "control_character"),
        ("\r", "control_character"),
        ("a-very-long-one\x1b[31m", "control_character"),
        ("\x7f", "control_character"),
        ("a\x85b", "control_character"),
        ("a\x9f", "control_character"),
        ("\ud800", "bad_encoding"),
        ("a\udc80b", "bad_encoding"),
        ("*", "wildcard"),
        ("1.23E+05", "spreadsheet_damage"),
        ("1E+05", "spreadsheet_damage"),
        ("1,23e+12", "spreadsheet_damage"),
        ("-4.91512345678901E+12", "spreadsheet_damage"),
        ("+1.5E+3", "spreadsheet_damage"),
    ],
)
def test_i3_i8_i9_invalid_ids(identifier: str, reason: str) -> None:
    """Each fault has its own stable word, alone and in a batch."""
    assert fault_of(identifier) == reason
    assert faults([identifier]) == {0: reason}
    assert faults(["a-plain-identity-42", identifier]) == {1: reason}


@pytest.mark.parametrize("word", sorted(FORBIDDEN | SPREADSHEET_ERRORS))
def test_i8_forbidden_values_in_any_case(word: str) -> None:
    """What the vendor forbids and what spreadsheets leave is refused, however it is spelled."""
    reason = "forbidden_value" if word in FORBIDDEN else "spreadsheet_damage"
    for spelling in (word, word.upper(), word.title(), word.swapcase()):
        assert fault_of(spelling) == reason


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_i3_every_control_character_is_refused(code: int) -> None:
    """C0, DEL and C1, inside, in front and behind."""
    for text in (f"user{chr(code)}name-of-some-length", f"{chr(code)}u", f"u{chr(code)}"):
        assert fault_of(text) == "control_character"
        assert faults([text]) == {0: "control_character"}


ODD = st.one_of(
    st.sampled_from([*FORBIDDEN, *SPREADSHEET_ERRORS, "*", "", " " * 20, "1E+5", "a\nb", "\ud800"]),
    st.text(st.characters(exclude_categories=())),
    st.text(" ab+", min_size=0, max_size=30),
    st.integers(1020, 1030).map("x".__mul__),
)
PLAIN = st.one_of(st.uuids().map(str), st.text("abcdef0123456789-", min_size=14, max_size=20))


@given(st.one_of(st.lists(PLAIN, max_size=6), st.lists(st.one_of(PLAIN, ODD), max_size=6)))
@example([])
@example(["x" * 1024])
@example(["x" * 1025])
@example(["x" * 1025, "x" * 1025])
@example(["x" * 13, "x" * 13])
@example(["#getting_data"])
@example(["#getting_data", "a-plain-identity-42"])
@example(["a\n", "a-plain-identity-42"])
@example(["abcdefghijklmn\nabcdefghijklmn", "abcdefghijklmn"])
@example(["abcdefghijklmnabcdefghijklmn\n", "abcdefghijklmnabcdefghijklmn"])
@example(["a-plain-identity-42", ""])
@example([" " * 14, "x" * 14])
@example(["x" * 14, "-4.91512345678901E+12"])
@example(["a" * 20, "b" * 30])
def test_i8_a_batch_is_judged_as_its_ids_are(ids: list[str]) -> None:
    """The quick ways over a whole batch give what the rule gives for each ID."""
    assert faults(ids) == {p: reason for p, one in enumerate(ids) if (reason := fault_of(one))}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("User@Example.COM", " user@example.com\t"),
        ("Zoë", "Zoe\u0308"),
        ("STRASSE", "straße"),
        ("\u00a0x\u3000", "X"),
        ("ΣΑΣ", "σας"),
        ("\u01c4", "\u01c6"),
        ("ﬁn", "FIN"),
    ],
)
def test_i16_canonical_forms_meet(one: str, other: str) -> None:
    """S2: trimmed, NFC, case-folded on both sides."""
    assert canonical(one) == canonical(other)


@given(st.text())
def test_i16_canonical_does_not_see_normal_forms(text: str) -> None:
    """Composed and decomposed spellings of the same text have one canonical form."""
    assert canonical(unicodedata.normalize("NFD", text)) == canonical(text)
    assert canonical(f"  {text}\u2003") == canonical(text)


# The IDs that are compared with a protect list are valid ones: no control characters.
SENDABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(st.lists(st.one_of(SENDABLE, ASCII), max_size=5))
@example([])
@example([""])
@example([" A ", "b"])
@example(["É", "b "])
def test_i16_canonical_of_a_batch(ids: list[str]) -> None:
    """Folding a batch at once is folding each of its IDs."""
    assert canonical_all(ids) == [canonical(one) for one in ids]


def rules(*entries: str, kinds: tuple[Kind, ...] = BOTH, wildcards: bool = True) -> ProtectRules:
    """Return rules that protect these entries."""
    found = ProtectRules()
    for entry in entries:
        assert found.add(entry, kinds, wildcards=wildcards)
    return found


def test_i16_no_rules_protect_nothing() -> None:
    """Rules without entries are false, so that an empty list can be refused."""
    nothing = ProtectRules()
    assert not nothing
    assert list(nothing.matches(["a", "*"], Kind.GUID)) == []


@pytest.mark.parametrize("entry", ["", " ", "\t", "\u00a0"])
def test_i16_a_blank_entry_protects_nothing(entry: str) -> None:
    """A blank entry says so, and adds nothing."""
    found = ProtectRules()
    assert not found.add(entry, BOTH, wildcards=True)
    assert not found


def test_s2_an_entry_of_one_kind_protects_that_kind_only() -> None:
    """An entry with a kind leaves the other kind alone."""
    found = rules("vip", kinds=(Kind.GUID,))
    assert found
    assert list(found.matches(["vip"], Kind.GUID)) == [0]
    assert list(found.matches(["vip"], Kind.IDENTITY)) == []
    wild = rules("v*", kinds=(Kind.IDENTITY,))
    assert wild
    assert list(wild.matches(["vip"], Kind.GUID)) == []


@pytest.mark.parametrize(
    ("entry", "ids", "protected"),
    [
        ("vip", ["vip", "vip2", " VIP ", "a"], [0, 2]),
        ("Zoe\u0308", ["Zoë", "ZOË", "Zoe"], [0, 1]),
        (
            "*@example.com",
            ["a@example.com", "A@EXAMPLE.COM ", "a@example.com.br", "@example.com"],
            [0, 1, 3],
        ),
        ("u-?", ["u-1", "u-12", "u-", "u-é"], [0, 3]),
        ("*", ["anything", "x"], [0, 1]),
        ("a.c*", ["abc", "a.c", "a.cd"], [1, 2]),
        ("[a-z]*", ["abc", "[A-Z]x"], [1]),
        ("a*b*c", ["abc", "aXbXc", "acb"], [0, 1]),
    ],
)
def test_i16_s2_what_an_entry_protects(entry: str, ids: list[str], protected: list[int]) -> None:
    """Exact entries and wild ones, generously folded; pattern characters mean only themselves."""
    for kind in Kind:
        assert list(rules(entry).matches(ids, kind)) == protected


def test_i16_wild_characters_are_plain_outside_lists_of_lines() -> None:
    """Where wildcards are off, `*` and `?` are characters like any other."""
    found = rules("a*", "b?", wildcards=False)
    assert list(found.matches(["a*", "ab", "b?", "bc"], Kind.GUID)) == [0, 2]


def test_i16_a_batch_without_any_protected_id() -> None:
    """Nothing is found, whether the entries are exact or wild."""
    assert list(rules("vip", "boss").matches(["a", "b", "vip2"], Kind.GUID)) == []
    assert list(rules("vip", "b?ss").matches(["a", "b", "vip2"], Kind.GUID)) == []


def test_i16_exact_and_wild_entries_together() -> None:
    """Either is enough."""
    found = rules("exact", "wild-*")
    assert list(found.matches(["wild-1", "exact", "free", "exac"], Kind.IDENTITY)) == [0, 1]


@pytest.mark.parametrize("entry", ["*", "x", "**"])
def test_i16_nothing_of_an_empty_batch_is_protected(entry: str) -> None:
    """Even `*` finds no position where there is no ID."""
    assert list(rules(entry).matches([], Kind.IDENTITY)) == []


@given(st.lists(SENDABLE.filter(lambda text: bool(canonical(text))), min_size=1, max_size=4))
def test_s2_an_entry_always_protects_itself(entries: list[str]) -> None:
    """Whatever stands in the list is protected in its own spelling, and in capitals."""
    found = rules(*entries, wildcards=False)
    assert list(found.matches(entries, Kind.GUID)) == list(range(len(entries)))
    padded = [f" {entry} " for entry in entries]
    assert list(found.matches(padded, Kind.GUID)) == list(range(len(entries)))


@pytest.mark.parametrize(
    ("identifier", "told"),
    [
        ("", " (0)"),
        ("a", "* (1)"),
        ("ab", "** (2)"),
        ("abc", "a***c (3)"),
        ("ana@example.com", "a***m (15)"),
        ("\x1b[31m", "?***m (5)"),
        ("a\u202e", "** (2)"),
        ("ab\u202e", "a***? (3)"),
    ],
)
def test_s15_mask(identifier: str, told: str) -> None:
    """A masked ID shows two characters at most, and nothing that steers a terminal."""
    assert mask(identifier) == told


@pytest.mark.parametrize(
    ("identifier", "told"),
    [("NULL", "'NULL'"), ("#N/A", "'#N/A'"), ("*", "'*'"), ("", ""), ("1.23E+05", "1***5 (8)")],
)
def test_s15_what_is_nobody_is_shown_as_it_is(identifier: str, told: str) -> None:
    """A forbidden value says what is wrong, and tells of no person."""
    assert shown(identifier) == told


MAIL, NUMBER = Counter({Shape.EMAIL: 1}), Counter({Shape.INTEGER: 1})
HEXES, PREFIXED = (
    [f"{n:032x}" for n in range(10**30, 10**30 + 10)],
    [f"__g{n:08x}" for n in range(9)],
)


@pytest.mark.parametrize(
    ("entries", "shapes", "unlike"),
    [
        (["a@x.org", "b@x.org"], NUMBER, True),
        (["a@x.org", "b@x.org"], MAIL, False),
        (["a@x.org", "b@x.org"], Counter({Shape.INTEGER: 100, Shape.EMAIL: 1}), True),
        (["a@x.org", "b@x.org"], Counter({Shape.INTEGER: 99, Shape.EMAIL: 1}), False),
        ([*(f"{n}@x.org" for n in range(9)), "u-1"], NUMBER, True),
        ([*(f"{n}@x.org" for n in range(8)), "u-1"], NUMBER, False),
        (["u-1", "u-2"], MAIL, True),
        (["a@x.org", "*@y.org"], NUMBER, False),
        (HEXES, Counter({Shape.PREFIXED: 5}), False),
        (PREFIXED, Counter({Shape.HEX: 5}), False),
        (HEXES, NUMBER, True),
        (["a@x.org"], Counter(), False),
        ([], NUMBER, False),
    ],
)
def test_i16_a_list_of_another_sort_of_id(
    entries: list[str], shapes: Counter[Shape], unlike: bool
) -> None:
    """Nine of ten entries of one sort, and less than one in a hundred IDs of it."""
    assert rules(*entries).unlike(shapes) is unlike
