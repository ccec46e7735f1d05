"""The sample lists are what their generator makes, and hold what their README says."""

import csv
import gzip
import json
import re
import runpy
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[1] / "sample_data"
NAMES = (
    "purge_list.csv",
    "profile_export.csv.gz",
    "api_export.jsonl",
    "spreadsheet.csv",
    "ids.txt",
    "protect.txt",
)
GZIP_HEADER = b"\x1f\x8b\x08\x00" + bytes(4)
"""Method deflate, no name, no time: nothing that depends on where and when it was made."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which the generator has written."""
    folder = tmp_path_factory.mktemp("made")
    runpy.run_path(str(SAMPLES / "generate.py"))["main"](folder)
    return folder


def rows_of(name: str, delimiter: str = ",", encoding: str = "utf-8") -> list[list[str]]:
    """Read a CSV sample without its header."""
    with (SAMPLES / name).open(encoding=encoding, newline="") as lines:
        return list(csv.reader(lines, delimiter=delimiter))[1:]


def lines_of(name: str) -> list[str]:
    """Read the lines of a sample."""
    return (SAMPLES / name).read_text(encoding="utf-8").splitlines()


def purge_list() -> list[tuple[str, str]]:
    """Read type and ID of each row."""
    return [(kind, one) for kind, one in rows_of("purge_list.csv")]


def items_of(cell: str) -> list[str]:
    """Take a bracketed list apart, simply."""
    return [item for item in re.split(r"\s*,\s*", cell.strip("[] ")) if item]


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_makes_the_same_bytes(name: str, made: Path) -> None:
    """Each file is what the generator writes (deflate libraries pack differently: unpacked)."""
    ours, theirs = (SAMPLES / name).read_bytes(), (made / name).read_bytes()
    if name.endswith(".gz"):
        assert ours.startswith(GZIP_HEADER)
        assert theirs.startswith(GZIP_HEADER)
        ours, theirs = gzip.decompress(ours), gzip.decompress(theirs)
    assert ours == theirs


def test_the_generator_makes_no_other_file(made: Path) -> None:
    """No sample is left out of this test."""
    assert sorted(path.name for path in made.iterdir()) == sorted(NAMES)


def test_purge_list_counts() -> None:
    """2,400 rows, 60 of them repeated, both kinds, some of them quoted."""
    rows = purge_list()
    distinct = set(rows)
    assert len(rows) == 2400
    assert len(distinct) == 2340
    assert sum(kind == "i" for kind, _ in distinct) == 1508
    assert sum(kind == "g" for kind, _ in distinct) == 832
    assert sum("," in one for _, one in distinct) == 46
    assert not any("\n" in one or "\r" in one for _, one in distinct)


def test_purge_list_repeats_far_apart() -> None:
    """A duplicate is never in the chunk of the first, nor near it."""
    first: dict[tuple[str, str], int] = {}
    apart = [
        place - first[row]
        for place, row in enumerate(purge_list())
        if first.setdefault(row, place) != place
    ]
    assert len(apart) == 60
    assert min(apart) > 800


def test_protected_counts() -> None:
    """17 IDs of the purge list are protected: 12 by the wildcard, 5 by name."""
    wild, *names = lines_of("protect.txt")
    assert wild.startswith("*@")
    ids = {one for _, one in purge_list()}
    exact = {name.casefold() for name in names}
    assert len(names) == 7
    assert sum(one.endswith(wild[1:]) for one in ids) == 12
    assert sum(one.casefold() in exact for one in ids) == 5
    assert sum(name in ids for name in names) == 1


def test_profile_export_counts() -> None:
    """500 profiles, 3 without identity; the lists hold 748 identities and 813 CleverTap IDs."""
    with gzip.open(SAMPLES / "profile_export.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["identity", "all_identities", "clevertapId", "clevertapIds"]
    assert len(rows) == 500
    assert sum(not row["identity"] for row in rows) == 3
    assert len({row["identity"] for row in rows}) == 498
    assert len({row["clevertapId"] for row in rows}) == 500
    identities = [one for row in rows for one in items_of(row["all_identities"])]
    guids = [one for row in rows for one in items_of(row["clevertapIds"])]
    assert (len(identities), len(set(identities))) == (748, 748)
    assert (len(guids), len(set(guids))) == (813, 813)


def test_api_export_counts() -> None:
    """300 records; their devices have 494 object IDs."""
    records = [json.loads(line) for line in lines_of("api_export.jsonl")]
    guids = [device["objectId"] for record in records for device in record["platformInfo"]]
    assert len(records) == 300
    assert len({record["identity"] for record in records}) == 300
    assert len({record["objectId"] for record in records}) == 300
    assert (len(guids), len(set(guids))) == (494, 494)


def test_spreadsheet_counts() -> None:
    """640 rows, 5 repeated, 3 damaged; a byte order mark, semicolons and CRLF."""
    raw = (SAMPLES / "spreadsheet.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfCustomer;identity;Reason\r\n")
    assert raw.count(b"\n") == raw.count(b"\r\n") == 641
    ids = [row[1] for row in rows_of("spreadsheet.csv", ";", "utf-8-sig")]
    assert len(ids) == 640
    assert len(ids) - len(set(ids)) == 5
    assert [one for one in ids if one in {"1.23E+05", "#N/A", ""}] == ["1.23E+05", "#N/A", ""]


def test_ids_counts() -> None:
    """400 lines, 4 of them repeated, no header."""
    ids = lines_of("ids.txt")
    assert len(ids) == 400
    assert len(set(ids)) == 396
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in ids)


def test_no_address_can_be_anyones() -> None:
    """Every mail address is under a name reserved for examples."""
    text = "".join(
        (SAMPLES / name).read_text(encoding="utf-8") for name in NAMES if not name.endswith(".gz")
    )
    with gzip.open(SAMPLES / "profile_export.csv.gz", "rt", encoding="utf-8") as export:
        text += export.read()
    hosts = {host.lower() for host in re.findall(r"@([\w.-]+)", text)}
    assert hosts == {"example.com", "example.org", "staff.example.com"}
