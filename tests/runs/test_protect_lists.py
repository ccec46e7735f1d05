"""Protect lists as they come: whom they hold, and which mean no plan."""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from bulkdelete.core.columns import NAMES
from bulkdelete.core.model import Kind
from bulkdelete.errors import UsageError
from bulkdelete.protecting import protect_rules
from tests.conftest import Emulate, Program, times_acted

WHOLE = (12, 70_017, 12345678901234567890123)


def table(path: Path) -> None:
    """Write whole numbers as Parquet."""
    parquet.write_table(pa.table({"identity": WHOLE[:2]}), path)


def stream(path: Path) -> None:
    """Write them as a stream of Arrow."""
    rows = pa.table({"identity": WHOLE[:2]})
    with ipc.new_stream(path, rows.schema) as out:
        out.write_table(rows)


def text(form: str) -> Callable[[Path], None]:
    """Return what writes this."""

    def write(path: Path) -> None:
        path.write_text(form, "utf-8")

    return write


def keyed(ids: Iterable[object]) -> list[dict[str, object]]:
    """Return records with these."""
    return [{"identity": one} for one in ids]


async def held(path: Path) -> list[str]:
    """Return whom a list holds, of some."""
    (rules,), _ = await protect_rules([path], NAMES)
    asked = [*map(str, WHOLE), "12.0", "1000", "1e3", "1", "2", "34"]
    return [asked[place] for place in rules.matches(asked, Kind.IDENTITY)]


@pytest.mark.parametrize(
    ("write", "found"),
    [
        (text("\n".join(map(json.dumps, keyed(WHOLE)))), 3),
        (text(json.dumps(keyed(WHOLE), indent=2)), 3),
        (text(json.dumps({"status": "success", "records": keyed(WHOLE)})), 3),
        (text(json.dumps(WHOLE)), 3),
        (text(json.dumps(WHOLE, indent=1)), 3),
        (text('{"identity": "x"}\n{"identity": 12}\n{"\\u0069dentity": 70017}\n'), 2),
        (text(json.dumps({"all_identities": WHOLE})), 3),
        (table, 2),
        (stream, 2),
    ],
)
async def test_i16_a_whole_number_protects_the_id_of_its_digits(
    tmp_path: Path, write: Callable[[Path], None], found: int
) -> None:
    """In every format that has numbers, without a word: it protects more."""
    path = tmp_path / "protect"
    write(path)
    assert await held(path) == [str(one) for one in WHOLE if found == 3 or one < 10**6]


@pytest.mark.parametrize("value", ["12.0", "1e3", "-3", "-0", "true", "null", "{}"])
@pytest.mark.parametrize(
    "form",
    ['{"identity":12}\n{"identity":%s}\n', '[{"identity":12},\n{"identity":%s}]', "[12,\n%s]"],
)
async def test_i16_what_is_no_whole_number_means_no_plan(
    tmp_path: Path, form: str, value: str
) -> None:
    """Nobody has the text of it for an ID: it would silently protect nobody."""
    path = tmp_path / "protect"
    path.write_text(form % value, "utf-8")
    with pytest.raises(UsageError, match=r"protect:2: .*not_a_string; nothing was sent") as refused:
        await protect_rules([path], NAMES)
    assert refused.value.code == "protect_unreadable"
    assert "whole number" in str(refused.value.hint)


async def test_i16_items_in_brackets_are_protected(tmp_path: Path) -> None:
    """A column of a profile export, under whatever name it comes."""
    path = tmp_path / "protect"
    path.write_text('[1,2]\n[ "34" ]\n', "utf-8")
    assert await held(path) == ["1", "2", "34"]
    for head in ("vip", "identity"):  # lines, and CSV
        path.write_text(head + '\n"[1,2]"\n"[ ""34"" ]"\n12\n"1000"\n[x\n', "utf-8")
        assert await held(path) == ["12", "1000", "1", "2", "34"]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("name,city\na,b\n", "ambiguous_format"),
        ('{"a":1,"b":2}\n', "column_needed"),
        ("[[1]]", "no_json_record"),
    ],
)
async def test_i16_a_list_in_doubt_is_told_as_a_protect_list(
    tmp_path: Path, form: str, code: str
) -> None:
    """What flags say is said of the input, so they are no way out here."""
    path = tmp_path / "protect"
    path.write_text(form, "utf-8")
    with pytest.raises(UsageError, match="protect") as refused:
        await protect_rules([path], NAMES)
    assert refused.value.code == code
    assert "leave one column" in str(refused.value.hint)


EXPORT = [
    {
        "identity": "Zoe@example.com",
        "all_identities": ["zoe@example.com", "+4912345"],
        "clevertapId": "__g1",
        "clevertapIds": ["__g1", "__g2"],
        "email": "other@example.com",
        "name": "unknown",
    },
    {
        "identity": "",
        "all_identities": [],
        "clevertapId": "__h1",
        "clevertapIds": [],
        "email": "",
        "name": "x",
    },
]
OF_EXPORT = ("identity", "all_identities", "clevertapId", "clevertapIds", "email")


def export_csv(path: Path) -> None:
    """Write a profile export as CSV: lists in brackets, some without quotes; packed."""
    rows = [",".join(EXPORT[0])]
    for one in EXPORT:
        cells = [
            f"[{','.join(value)}]" if isinstance(value, list) else str(value)
            for value in one.values()
        ]
        rows.append(",".join(f'"{cell}"' for cell in cells))
    path.write_bytes(gzip.compress("\n".join(rows).encode()))


def export_table(path: Path) -> None:
    """Write it as Parquet; what is blank is null."""
    rows = [{name: value or None for name, value in one.items()} for one in EXPORT]
    parquet.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize(
    "write",
    [
        export_csv,
        export_table,
        text(json.dumps(EXPORT)),
        text("\n".join(map(json.dumps, EXPORT))),
        text("\n".join(json.dumps({k: v or None for k, v in one.items()}) for one in EXPORT)),
        text("\n".join(json.dumps({k: v for k, v in one.items() if v}) for one in EXPORT)),
    ],
)
async def test_i16_all_id_columns_of_an_export_protect(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    """Each value, each item of a list; those of a kind for that kind; it is told which columns."""
    path = tmp_path / "protect"
    write(path)
    (rules,), (found,) = await protect_rules([path], NAMES)
    people = ["zoe@example.com", "+4912345", "OTHER@example.com", "unknown", "x", "__g1"]
    assert list(rules.matches(people, Kind.IDENTITY)) == [0, 1, 2]
    devices = ["__g1", "__g2", "__h1", "zoe@example.com", "unknown"]
    assert list(rules.matches(devices, Kind.GUID)) == [0, 1, 2]
    assert found.columns == OF_EXPORT


async def test_i16_the_api_s_own_answer_protects_every_device(tmp_path: Path) -> None:
    """Its IDs are under a key that goes into an array."""
    path = tmp_path / "protect"
    devices = [{"objectId": "__g1"}, {"objectId": "__g2"}]
    answer = {"status": "success", "records": [{"identity": "a", "platformInfo": devices}]}
    path.write_text(json.dumps(answer))
    (rules,), (found,) = await protect_rules([path], NAMES)
    assert list(rules.matches(["a", "__g1"], Kind.IDENTITY)) == [0]
    assert list(rules.matches(["a", "__g1", "__g2"], Kind.GUID)) == [1, 2]
    assert found.columns == ("identity", "platformInfo[].objectId")


@pytest.mark.parametrize("value", ["12.5", "true", "{}", '["x", 1.5]'])
async def test_i16_what_cannot_be_read_in_one_column_means_no_plan(
    tmp_path: Path, value: str
) -> None:
    """Nothing may be there; something that is no ID may not."""
    path = tmp_path / "protect"
    path.write_text(f'{{"identity":"a","guid":"b"}}\n{{"identity":"c","guid":{value}}}\n')
    with pytest.raises(UsageError, match=r"protect:2: .*not_a_string; nothing was sent"):
        await protect_rules([path], NAMES)


async def test_i16_blank_columns_protect_nobody(tmp_path: Path) -> None:
    """So that such a list is empty, which means no plan."""
    path = tmp_path / "protect"
    path.write_text("identity,guid\n,\n")
    with pytest.raises(UsageError, match="is empty"):
        await protect_rules([path], NAMES)


async def test_i16_many_parts_by_a_glob(program: Program, emulate: Emulate) -> None:
    """All that match, in a stable order, each with what it held back; none that match: no run."""
    emulator = await emulate()
    program.write("list.csv", "identity", "a-1", "b-2", "c-3", "d-4")
    for name, one in (("2", "B-2"), ("10", "c-3")):
        export = f'identity,all_identities\n{one},"[x,a-1]"\n'.encode()
        (program.place / f"part-{name}.csv.gz").write_bytes(gzip.compress(export))
    ended = await program.run("list.csv", "--protect", "part-*.csv.gz", "--hold-after", 1)
    assert times_acted(emulator) == {"d-4": 1}, ended.err
    plan = json.loads((program.run_dir() / "plan.json").read_text())
    assert [Path(one).name for one in plan["protect"]] == ["part-10.csv.gz", "part-2.csv.gz"]
    assert plan["held_back"] == [2, 2]
    columns = ["identity", "all_identities"]
    assert [one["columns"] for one in plan["bound"]["protect"]] == [columns, columns]
    shown = await program("plan", "list.csv", "--protect", "part-*.csv.gz")
    assert "(3 entries of the columns identity, all_identities)" in shown.err + shown.out
    none = await program.run("list.csv", "--protect", "part-*.xyz")
    assert (none.code, none.json["reason"]["code"]) == (2, "input_missing")
