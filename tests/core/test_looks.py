"""A look at a list: what is in it, what is guessed, and words that say it, so that it is read."""

import json

import pytest

from bulkdelete.core.layout import Format, Layout, Reading, sniff
from bulkdelete.core.looks import Look, TableHead, TextHead, flags, look
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.tables import Holds, TableColumn
from bulkdelete.errors import InputError, UsageError

IDENT, GUID = Kind.IDENTITY, Kind.GUID
EXPORT = (
    "identity,all_identities,clevertapId,clevertapIds\n"
    'a@example.com,"[""a@example.com""]",__g123456789,[__g123456789]\n'
    ",[],__g223456789,[__g223456789]\n"
)
RECORD = {
    "name": "Ann",
    "age": 31,
    "ok": True,
    "platformInfo": [{"objectId": "__g123456789"}, {"objectId": "__g223456789"}],
    "tags": ["a", "b"],
}


def seen(
    head: bytes | str, name: str = "x.csv", reading: Reading | None = None, *, complete: bool = True
) -> Look:
    """Look; what it found is beyond doubt for `sniff`, too."""
    data = head.encode() if isinstance(head, str) else head
    found = look(TextHead(data, name, complete=complete), reading or Reading())
    assert sniff(data, name, found.reading, complete=complete) == found.layout
    return found


@pytest.mark.parametrize(
    ("head", "name", "said"),
    [
        ("identity\na\n", "x.csv", Reading()),
        ("Type,Identity\ni,a\ng,b\n", "x.csv", Reading()),
        ("user\nu-1\n", "x.csv", Reading(id_type=IDENT)),
        ("x\n__g123456789\n", "x.csv", Reading(id_type=GUID)),
        ("u-1\nu-2\n", "x.txt", Reading(id_type=IDENT)),
        (EXPORT, "x.csv", Reading(column="identity")),
        (
            "n;user_id;y\nAnn;u-1;1\nAnn;u-2;1\n",
            "x",
            Reading(format=Format.CSV, column="user_id", id_type=IDENT),
        ),
        ("n,mail,zip\nA,a@b.c,1\nB,b@b.c,2\n", "x.csv", Reading(column="mail", id_type=IDENT)),
        ("a@b.c,x\nb@b.c,x\n", "x.csv", Reading(header=False, column="0", id_type=IDENT)),
        ("x,1234\ny,1235\nz,1236\n", "x.csv", Reading(header=False, column="1", id_type=IDENT)),
        ("1233,1234\n1,1235\n", "x.csv", Reading(header=False, column="0", id_type=IDENT)),
        ("user123\nuser124\n", "x.csv", Reading(header=False, id_type=IDENT)),
        (b"identit\xe9\nz\xe9\n", "x.csv", Reading(encoding="latin-1", id_type=IDENT)),
        (json.dumps(RECORD), "x.json", Reading(column="platformInfo[].objectId")),
        (json.dumps([RECORD]), "x.json", Reading(column="platformInfo[].objectId")),
        ('[{"p":[{"guid":"x"}]}]', "x.json", Reading(column="p[].guid")),
        ('{"identity":7}\n{"identity":"a"}\n', "x", Reading(normal=("numbers",))),
        ('[{"identity":7}]', "x", Reading(normal=("numbers",))),
        (b"identity\nz\xe9\nb\n", "x.csv", Reading(encoding="latin-1")),
        (b"\xef\xbb\xbfidentity\nz\xe9\nb\n", "x.csv", Reading()),
        ("[7, 8]", "x", Reading(normal=("numbers",), id_type=IDENT)),
        ('{"identity":7.5}\n{"identity":1}\n{"identity":true}\n', "x", Reading()),
        ('["a"]', "x.json", Reading(id_type=IDENT)),
        ('{"who":"__g123456789","n":"Ann"}\nx\n', "x.jsonl", Reading(column="who", id_type=GUID)),
    ],
)
def test_what_has_to_be_said_is_found(head: bytes | str, name: str, said: Reading) -> None:
    """The likeliest reading of each list, and a guess for everything that was added."""
    found = seen(head, name)
    assert found.reading == said
    assert bool(found.guesses) is (said != Reading())
    assert found.ids > 0


def test_what_was_said_is_not_guessed_again() -> None:
    """A flag stands, and decides what is guessed for the rest."""
    found = seen(EXPORT, reading=Reading(id_type=GUID))
    assert (found.reading, found.guesses) == (Reading(id_type=GUID), ())
    both = seen("x,mail,objectId,guid\n1,a@b.c,__g123456789,__g1\n", reading=Reading(id_type=GUID))
    assert both.reading.column == "objectId"
    assert "not in 'guid'" in both.guesses[0]


@pytest.mark.parametrize(
    ("head", "said", "code"),
    [
        ("identity,identity\n", Reading(), "duplicate_column"),
        ("name,user\na,b\n", Reading(column="x"), "missing_column"),
        ("identity\n", Reading(id_type=GUID), "kind_against_header"),
        ("a,b\n,\n", Reading(), "column_needed"),
        (b"\0\0\0i", Reading(), "utf16"),
        (b'"x"y\xe9\n', Reading(), "bad_header"),
        ("u-1234\n", Reading(header=False, column="1", id_type=IDENT), "column_needed"),
    ],
)
def test_what_cannot_be_guessed_is_an_error(head: bytes | str, said: Reading, code: str) -> None:
    """A look does not invent."""
    with pytest.raises(UsageError) as caught:
        seen(head, reading=said)
    assert caught.value.code == code


def test_an_empty_list_is_empty() -> None:
    """There is nothing to see, and nothing is wrong."""
    found = seen("")
    assert (found.layout.empty, found.columns, found.ids) == (True, (), 0)


def test_columns_are_described_and_masked() -> None:
    """How many are filled and differ, lists or not, what they look like; no value in the open."""
    found = seen(EXPORT)
    facts = [(one.name, one.filled, one.distinct, one.is_list) for one in found.columns]
    assert facts == [
        ("identity", 1, 1, False),
        ("all_identities", 2, 2, True),
        ("clevertapId", 2, 2, False),
        ("clevertapIds", 2, 2, True),
    ]
    assert found.columns[1].shapes["e-mail"] == 1
    assert found.columns[3].shapes == {"CleverTap ID": 2}
    assert "@" not in str(found.columns)
    assert found.columns[0].examples == ("a***m (13)",)
    assert (found.ids, dict(found.invalid), found.examples) == (2, {"empty": 1}, ("a***m (13)",))


def test_json_paths_are_columns() -> None:
    """Objects and arrays are gone into; what is no text and no whole number is no column."""
    found = seen(json.dumps(RECORD), "x.json")
    assert [(one.name, one.is_list) for one in found.columns] == [
        ("name", False),
        ("age", False),
        ("platformInfo[].objectId", False),
        ("tags", True),
    ]
    assert found.ids == 2


def test_only_whole_records_of_a_head_count() -> None:
    """What is cut off at its end is no record yet."""
    found = seen("identity\na\nb\nc", complete=False)
    assert found.ids == 2
    found = seen('[{"identity":"a"},{"identity":"b"},{"ident', "x.json", complete=False)
    assert found.ids == 2
    assert seen("identity\na\nb\nc").ids == 3


def test_many_columns_are_cut_short() -> None:
    """A hundred are enough to choose from."""
    names = [f"c{number}x" for number in range(120)]
    head = ",".join(["identity", *names]) + "\n" + ",".join(["v"] * 121) + "\n"
    assert len(seen(head).columns) == 100
    record = {"identity": "a"} | dict.fromkeys(names, "v")
    assert len(seen(json.dumps(record), "x.json").columns) == 100


def test_a_table_is_looked_at_by_its_paths() -> None:
    """Nested columns by what leads into them, lists as lists; guesses as in any list."""
    leaves = [
        TableColumn("n", 0, Holds.INTEGER, "int64"),
        TableColumn("p[].objectId", 1, Holds.TEXT, "string", is_list=True),
        TableColumn("t", 2, Holds.TEXT, "string", is_list=True),
    ]
    rows = [("7", '[{"objectId": "__g123456789"}]', '["x", "y"]'), ("8", "", "[x")]

    def read(layout: Layout, keep_cells: bool) -> list[Batch]:
        if keep_cells:
            return [Batch([""] * 2, IDENT, range(1, 3), 0, 1, {}, rows)]
        assert layout.path == ("p[]", "objectId")
        return [Batch(["__g123456789"], GUID, range(1, 2), 0, 1)]

    head = TableHead("x", Format.PARQUET, ("n", "p", "t"), leaves, read)
    found = look(head, Reading())
    assert found.reading == Reading(column="p[].objectId")
    assert [(one.name, one.filled, one.is_list) for one in found.columns] == [
        ("n", 2, False),
        ("p[].objectId", 1, False),
        ("t", 3, True),
        ("p", 0, False),
    ]
    assert found.ids == 1


def test_whole_numbers_are_ids_by_a_guess_that_is_said() -> None:
    """What is invalid without it is none then; said already, it is no guess."""
    found = seen('{"identity":7}\n{"identity":70}\n{"identity":true}\n{"identity":71}\n', "x")
    assert found.guesses == ("its IDs are whole numbers: taken by their digits",)
    assert (found.ids, found.invalid) == (4, {"not_a_string": 1})
    said = seen('{"identity":true}\n', "x", Reading(normal=("numbers",)))
    assert (said.guesses, said.invalid) == ((), {"not_a_string": 1})


def test_damage_is_told() -> None:
    """What a plan would warn of, a look says, too."""
    found = seen("identity\n1.5E+10\n12345.0\n")
    assert dict(found.invalid) == {"spreadsheet_damage": 1}
    assert "trailing_zero" in found.warnings[0]


def test_i6_a_line_without_end_is_an_error() -> None:
    """The head of a file that is no list."""
    with pytest.raises(InputError):
        seen("identity\n" + "x" * 100_000 + "\n", complete=True)


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (Reading(), []),
        (
            Reading(
                format=Format.CSV,
                delimiter="\t",
                quote="none",
                escape="\\",
                encoding="latin-1",
                column="-x y",
                header=False,
                id_type=GUID,
                explode=True,
                normal=("trim", "nfc"),
            ),
            [
                "--format=csv",
                "--delimiter=\\x09",
                "--quote=none",
                "--escape=\\",
                "--encoding=latin-1",
                "--column=-x y",
                "--id-type=guid",
                "--no-header",
                "--trim",
                "--nfc",
                "--explode",
            ],
        ),
    ],
)
def test_a_reading_is_said_in_flags(reading: Reading, words: list[str]) -> None:
    """Each that is not the default, in one word, so that a dash in front is no flag."""
    assert flags(reading) == words
