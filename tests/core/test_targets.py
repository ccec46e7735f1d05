"""Targets: found by name, whole or not at all; what is asked of one that is not CleverTap."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkdelete import targets
from bulkdelete.core import columns
from bulkdelete.core.damage import Detector
from bulkdelete.core.layout import Reading, sniff
from bulkdelete.core.looks import TextHead, look
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.shapes import Shape
from bulkdelete.core.sieve import sift
from bulkdelete.core.target import Target, check_ids
from bulkdelete.errors import UsageError
from bulkdelete.targets.amplitude import AMPLITUDE
from bulkdelete.targets.clevertap import CLEVERTAP

ELSEWHERE = replace(CLEVERTAP, name="elsewhere", kinds={Kind.IDENTITY: "user_id"})
MODULE = """
from dataclasses import replace
from bulkdelete.targets.clevertap import CLEVERTAP
ELSEWHERE = replace(CLEVERTAP, name="elsewhere")
NO_TARGET = "elsewhere"
"""


def installed(place: Path, entry: str, package: str = "vendor") -> None:
    """Install a package that says where a target is."""
    facts = place / f"{package}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{targets.GROUP}]\n{entry}\n")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory on the path of modules."""
    (tmp_path / "a_vendor_of_tests.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_built_in_target_is_found() -> None:
    """By its name, and under its own."""
    assert targets.find("clevertap") is CLEVERTAP
    for name in targets.BUILT_IN:
        assert targets.find(name).name == name


def test_s15_what_holds_credentials() -> None:
    """The variables of the chosen target, and of each built-in one."""
    chosen = replace(CLEVERTAP, account_variable="ACME_ACCOUNT", secret_variable="ACME_KEY")
    assert targets.secrets_of(chosen) == {
        *("ACME_ACCOUNT", "ACME_KEY", "CLEVERTAP_ACCOUNT_ID", "CLEVERTAP_PASSCODE"),
        *("BRAZE_WORKSPACE", "BRAZE_API_KEY", "AMPLITUDE_API_KEY", "AMPLITUDE_SECRET_KEY"),
    }


def test_a_target_of_another_package_is_found(place: Path) -> None:
    """By an entry point of the group; and it is named where one asks for what there is."""
    installed(place, "elsewhere = a_vendor_of_tests:ELSEWHERE")
    assert targets.find("elsewhere").name == "elsewhere"
    assert targets.names() == sorted([*targets.BUILT_IN, "elsewhere"])


def test_no_package_takes_the_place_of_a_built_in_target(place: Path) -> None:
    """An entry point with such a name is not even loaded."""
    installed(place, "clevertap = a_module_that_is_not_there:X")
    assert targets.find("clevertap") is CLEVERTAP


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([], "there is no target 'elsewhere'; there are: "),
        (["elsewhere = a_module_that_is_not_there:X"], "cannot be loaded: ModuleNotFoundError"),
        (["elsewhere = a_vendor_of_tests:NO_TARGET"], "is not one"),
        (["elsewhere = a_vendor_of_tests:CLEVERTAP"], "is not one"),
        (
            ["elsewhere = a_vendor_of_tests:ELSEWHERE", "elsewhere = a_vendor_of_tests:CLEVERTAP"],
            "two packages say",
        ),
    ],
)
def test_what_is_no_target_is_refused(place: Path, entries: list[str], complaint: str) -> None:
    """None of that name, a broken one, something else, another's name, and two of them."""
    for number, entry in enumerate(entries):
        installed(place, entry, f"vendor{number}")
    with pytest.raises(UsageError, match="target") as caught:
        targets.find("elsewhere")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "Two Words"},
        {"max_ids": 0},
        {"max_ids": 101},
        {"in_flight": 0},
        {"per_minute": 0},
        {"max_answer": 0},
        {"kinds": {}},
        {"regions": {}},
        {"regions": {"x": "http://x.example"}},
        {"delete_path": "delete"},
        {"account_variable": ""},
        {"secret_variable": "with space"},
        {"probe": None},
        {"no_probe": "because"},
    ],
)
def test_an_impossible_target_is_refused(wrong: dict[str, Any]) -> None:
    """Whatever would be found out at the first request is found out when it is made."""
    with pytest.raises(ValueError, match=r"target"):
        replace(CLEVERTAP, **wrong)


def test_a_rate_is_that_of_a_minute() -> None:
    """As requests in a second; any number where none is said."""
    assert CLEVERTAP.rate is None
    assert replace(CLEVERTAP, per_minute=90).rate == 1.5


@pytest.mark.parametrize(
    ("word", "kind"),
    [("identity", Kind.IDENTITY), ("user_id", Kind.IDENTITY), ("guid", None), ("User_id", None)],
)
def test_a_kind_has_the_program_s_word_and_the_vendor_s(word: str, kind: Kind | None) -> None:
    """And no other; a kind that is not taken has none."""
    assert ELSEWHERE.kind_of(word) is kind


@pytest.mark.parametrize("ids", [[], [""], ["a", ""], ["a"] * 3])
def test_s3_no_impossible_request(ids: list[str]) -> None:
    """Of none, of an empty one, of too many."""
    check_ids(["a", "b"], 2)
    with pytest.raises(ValueError, match=r"1\.\.2 IDs"):
        check_ids(ids, 2)


# --- what the core asks of it ---

THEIRS: columns.Names = (
    *columns.OWN,
    ("braze", columns.Meaning(Kind.GUID, is_list=False)),
    ("many", columns.Meaning(Kind.IDENTITY, is_list=True)),
)


def test_names_of_columns_are_the_target_s() -> None:
    """Another vendor's name says nothing; the program's own words are always known."""
    reading = Reading(names=THEIRS)
    assert sniff(b"Braze,x\n1,2\n", "f.csv", reading, complete=True).kind is Kind.GUID
    assert sniff(b"x,identity\n1,2\n", "f.csv", reading, complete=True).column == 1
    found = sniff(b'{"x": 1, "many": ["a"]}\n', "f.jsonl", reading, complete=True)
    assert (found.path, found.is_list) == (("many",), True)
    with pytest.raises(UsageError, match="none of the columns has a known name"):
        sniff(b"clevertapId,x\n1,2\n", "f.csv", reading, complete=True)


def test_what_looks_like_the_other_kind_is_the_target_s() -> None:
    """Whole numbers are no CleverTap IDs, and those of another vendor."""
    ids = [str(number) for number in range(100_000, 100_200)]
    found = []
    for unlike in (None, {}, {Kind.GUID: (Shape.INTEGER,)}):
        detector = Detector(Kind.GUID, unlike)
        detector.look(ids, "\n".join(ids).encode(), "f", range(len(ids)))
        found.append([one.rule for one in detector.findings() if one.refuse])
    assert found == [["identity_as_guid"], [], ["identity_as_guid"]]


def test_an_id_that_the_target_does_not_take_is_invalid() -> None:
    """By its own word, unless it is invalid anyhow; also where all have one shape."""

    def fault(kind: Kind, one: str) -> str | None:
        return "not_theirs" if kind is Kind.GUID and not one.isdigit() else None

    mixed = Batch(
        ["null", "12", "x1"], [Kind.GUID, Kind.GUID, Kind.GUID], range(1, 4), offset=0, line=1
    )
    assert dict(sift(mixed, None, fault).out) == {0: "forbidden_value", 2: "not_theirs"}
    uuid = "0f8fad5b-d9cb-469f-a165-70867728950e"
    alike = Batch([uuid, uuid], Kind.GUID, range(1, 3), offset=0, line=1)
    sifted = sift(alike, None, fault)
    assert dict(sifted.out) == {0: "not_theirs", 1: "not_theirs"}
    assert list(sifted.kinds()) == []


def test_a_look_goes_by_the_target() -> None:
    """What it does not take is invalid, and its own IDs are no damage."""
    lines = "".join(f"{number}\n" for number in range(100_000, 100_100))
    head = TextHead(f"guid\n{lines}abc\n".encode(), "f.csv", complete=True)
    plain = look(head, Reading())
    assert "identity_as_guid" in plain.warnings[0]
    theirs = look(head, Reading(names=AMPLITUDE.columns), AMPLITUDE)
    assert theirs.warnings == ()
    assert theirs.invalid == {"not_an_amplitude_id": 1}


def test_the_default_target_is_whole() -> None:
    """It is a `Target`, with a way to ask for one profile."""
    assert isinstance(CLEVERTAP, Target)
    assert CLEVERTAP.probe is not None


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("in1.dashboard.clevertap.com", "in1"),
        ("dashboard.clevertap.com", "eu1"),
        ("dashboard.clevertap.com.example", None),
        ("in1.api.clevertap.com", None),
    ],
)
def test_a_dashboard_says_the_region(host: str, region: str | None) -> None:
    """By its host's name, whole."""
    assert CLEVERTAP.dashboard(host) == region
