"""What an ID looks like: the rules one by one, and the quick way against them."""

import random
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.identities import fault_of, joined
from bulkdelete.core.shapes import (
    HEADERS,
    Mark,
    Shape,
    looked_at,
    marks_of,
    proven,
    shape_of,
    uniform,
)

UUID = "2a92bc43-9daf-46ea-b1d2-437f69d94e41"
HEX = "0e88f6833c217c3dc611b6efe82cf0e1"


@pytest.mark.parametrize(
    ("identifier", "shape"),
    [
        ("ana@example.com", Shape.EMAIL),
        ("a@b", Shape.EMAIL),
        ("@b", Shape.OTHER),
        ("a@", Shape.OTHER),
        ("a@b@c", Shape.OTHER),
        ("+4915112345678", Shape.PHONE),
        ("+12345", Shape.PHONE),
        ("+1234", Shape.OTHER),
        ("+12345a", Shape.OTHER),
        ("1", Shape.INTEGER),
        ("0" * 32, Shape.INTEGER),
        ("1a", Shape.OTHER),
        ("\u0661\u0662", Shape.OTHER),
        (UUID, Shape.UUID),
        (UUID.upper(), Shape.UUID),
        (UUID[:-1], Shape.OTHER),
        (UUID.replace("-", "_"), Shape.OTHER),
        (HEX, Shape.HEX),
        (HEX.upper(), Shape.HEX),
        (HEX[:-1], Shape.OTHER),
        (HEX[:-1] + "g", Shape.OTHER),
        ("__g473e700876dbcedc2326b5605f51aabe", Shape.PREFIXED),
        ("__12345678", Shape.PREFIXED),
        ("__1234567", Shape.OTHER),
        ("-g12345678", Shape.PREFIXED),
        ("-h12345678", Shape.PREFIXED),
        ("-v1234567", Shape.OTHER),
        ("-x12345678", Shape.OTHER),
        ("user-0000001", Shape.OTHER),
    ],
)
def test_shapes(identifier: str, shape: Shape) -> None:
    """Only what is unmistakable has a shape of its own."""
    assert shape_of(identifier) is shape


@pytest.mark.parametrize(
    ("identifier", "marks"),
    [
        ("1.23E5", [Mark.SCIENTIFIC]),
        ("1,23e-05", [Mark.SCIENTIFIC]),
        ("-1.5E3", [Mark.SCIENTIFIC]),
        ("12E5", []),
        ("12.5E5", []),
        ("1.5E", []),
        ("12345.0", [Mark.TRAILING_ZERO]),
        ("12345.000", [Mark.TRAILING_ZERO]),
        ("12345.01", []),
        ("v1.0", []),
        (".0", []),
        ("ana@x.org;bob@x.org", [Mark.TWO_IDS]),
        ("123,456", [Mark.TWO_IDS]),
        ("123|u4", [Mark.TWO_IDS]),
        ("u1; u2", [Mark.TWO_IDS]),
        ("u1;", []),
        ("Doe, John", []),
        ("u1, John", []),
        ("+49 151 234567", []),
        ("a b", []),
        (f"{UUID} {UUID}", [Mark.TWO_IDS]),
        (f"{HEX}  ana@x.org", [Mark.TWO_IDS]),
        (f"{HEX}\u00a0{HEX}", [Mark.TWO_IDS]),
        (f"{UUID} x", []),
        ("identity", [Mark.HEADER]),
        ("IDENTITY", [Mark.HEADER]),
        ("ObjectId", [Mark.HEADER]),
        ("identities", []),
        ("Zo\u0065\u0308", [Mark.DECOMPOSED]),
        ("Zo\u00eb", []),
    ],
)
def test_i9_i11_marks(identifier: str, marks: list[Mark]) -> None:
    """Each kind of damage leaves its mark, and its near neighbours leave none."""
    assert marks_of(identifier) == marks
    assert looked_at(identifier) == (shape_of(identifier), marks)


ODD = st.sampled_from(
    [UUID, UUID.upper(), HEX, HEX.upper(), "1" * 32, "1" * 36, "ana@example.com", "a@b", "@", "a@",
     "@a", "+12345", "+1234", "12+34", "0", "007", "12345.0", "1.5E5", "__g12345678", "__1",
     "-g12345678", "-x", "identity", "ClevertapId", "a;b", "1;2", f"{UUID} {UUID}", "Zoe\u0308",
     "Zo\u00eb", "e.E", "1.2", "x1.2y", "\u0661", "à 1", "a b@c d", "x" * 32, "x" * 36, "-"]
)  # fmt: skip
LISTS = st.lists(ODD | st.text("ab1@.+-_;e ", min_size=1, max_size=38), min_size=1, max_size=6)
ALIKE = st.tuples(ODD, st.integers(1, 5), ODD | st.none()).map(
    lambda drawn: [drawn[0]] * drawn[1] + ([drawn[2]] if drawn[2] else [])
)


@given(LISTS | ALIKE)
def test_the_quick_look_at_a_batch_is_the_slow_one(ids: list[str]) -> None:
    """What is said of a whole batch holds for each of its IDs, by the rules for one."""
    shape = uniform(ids, joined(ids))
    if shape is not None:
        assert {shape_of(one) for one in ids} == {shape}
        assert not any(map(marks_of, ids))
    for one in ids:
        assert looked_at(one) == (shape_of(one), marks_of(one))


@example(["-" * 36])
@given(st.lists(ODD | st.text("0aF-\n", max_size=36), min_size=1, max_size=5))
def test_what_is_proven_of_any_text_is_valid(ids: list[str]) -> None:
    """Line feeds inside, blanks, other lengths: nothing slips through as a proven ID."""
    shape = proven(ids, joined(ids))
    if shape is not None:
        assert {shape_of(one) for one in ids} == {shape}
        assert not any(map(fault_of, ids))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (UUID, HEX),
        (UUID, UUID[:-1] + "\n"),
        (UUID, UUID[:8] + "a" + UUID[9:]),
        (UUID, UUID[:12] + "-0" + UUID[14:]),
        (HEX, "1" * 32),
        (HEX, HEX[:-1] + "g"),
        (HEX, HEX[:15]),
        ("12", "1x"),
        ("+12345", "+1234"),
        ("+12345", "12345+"),
        ("a@b", "@ab"),
        ("a@b", "ab@"),
        ("@ab", "a@b"),
        ("a@b", "ab"),
        ("a@b", "a@b;"),
        ("a@b", "a b@c"),
        ("__12345678", "_12345678_"),
        ("__12345678", "__1234567"),
        ("__12345678", "__12345678."),
        ("-g12345678", "-g12345678"),
        ("user-1", "a@b"),
        ("user-1", "+1"),
        ("user-1", "1"),
        ("user-1", "x1.2"),
        ("user-1", "__x"),
        ("user-1", "-x"),
        ("-x", "user-1"),
        ("user-1", HEX),
        ("user-1", UUID),
        ("user-1", "guid"),
        ("a-name-of-its-length", "all_identities"),
        ("user-1", "Zoe\u0308"),
    ],
)
def test_one_other_id_ends_the_uniformity(one: str, other: str) -> None:
    """A batch is of one shape only when all of it is; also when the other one is in its middle."""
    for ids in ([one, other], [one, other, one], [one] * 3 + [other]):
        assert uniform(ids, joined(ids)) is None
    assert uniform([one], joined([one])) in {shape_of(one), None}


@pytest.mark.parametrize("shape", list(Shape))
def test_batches_of_each_shape_are_quick(shape: Shape) -> None:
    """The quick way exists for each shape of list there is."""
    examples = {
        Shape.EMAIL: "ana.lark@example.com",
        Shape.PHONE: "+4915112345678",
        Shape.INTEGER: "4242",
        Shape.UUID: UUID,
        Shape.HEX: HEX,
        Shape.PREFIXED: "__g473e700876dbcedc2326b5605f51aabe",
        Shape.OTHER: "cust_0001",
    }
    ids = [examples[shape]] * 3
    assert uniform(ids, joined(ids)) is shape
    assert proven(ids, joined(ids)) is (shape if shape in {Shape.UUID, Shape.HEX} else None)


def test_others_of_the_width_of_a_uuid_are_still_others() -> None:
    """The lengths alone decide nothing; names of 32 and 36 characters are names."""
    for width in (32, 36):
        ids = ["x" * width, "y" * width, "a-longer-one-than-any-header"]
        assert uniform(ids, joined(ids)) is Shape.OTHER


def test_headers_are_the_known_names_in_their_usual_spellings() -> None:
    """As people write them: plain, all small, all large, with a capital."""
    for spelling in ("identity", "Identity", "IDENTITY", "objectId", "objectid", "OBJECTID"):
        assert spelling in HEADERS
    assert all(unicodedata.is_normalized("NFC", one) for one in HEADERS)
    assert random.Random(1).choice(sorted(HEADERS)).isascii()
