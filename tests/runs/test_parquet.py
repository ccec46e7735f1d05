"""Outcome files in the original columns and order, also as Parquet, also of parts that differ."""

import csv
import json
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from bulkdelete.errors import UsageError
from bulkdelete.io import columnar
from bulkdelete.io.columnar import ParquetRows, check_extra
from tests.conftest import Emulate, Program, times_acted


def table(path: Path) -> list[dict[str, str]]:
    """Read a Parquet file; every column is text."""
    found = parquet.read_table(path)
    assert {str(one.type) for one in found.schema} == {"string"}
    rows: list[dict[str, str]] = found.to_pylist()
    return rows


async def test_outcomes_as_parquet_hold_what_was_read(program: Program, emulate: Emulate) -> None:
    """In the columns, order and exact text of the input; a state without IDs is an empty table."""
    lines = ["name;identity", "A;=a-1", 'B;"b""2"', "C;", "É;'=x", "A;=a-1", "long;b-3;more"]
    path = program.write("list.csv", *lines)
    await emulate()
    ended = await program.run(path, "--max-invalid", 50)
    assert ended.code == 0, ended.err
    words = ("--outcomes", "all", "--outcome-format", "parquet")
    wrote = await program("report", program.run_dir(), *words)
    assert wrote.code == 0, wrote.err
    found = {one.stem: table(one) for one in program.run_dir().glob("*.parquet")}
    names = ["name", "identity", "reason", "bulkdelete_outcome"]
    assert parquet.read_schema(program.run_dir() / "unsent.parquet").names == names
    pairs = [(row["name"], row["identity"]) for row in found["accepted"]]
    assert pairs == [("A", "=a-1"), ("B", 'b"2'), ("É", "'=x")]
    assert found["accepted"][0]["bulkdelete_outcome"].startswith("accepted until ")
    assert [row["identity"] for row in found["duplicate"]] == ["=a-1"]
    assert [(row["identity"], row["reason"]) for row in found["invalid"]] == [
        ("", "empty"),
        ("b-3;more", "ragged"),
    ]
    assert found["unsent"] == []
    assert (program.run_dir() / "accepted.parquet").stat().st_mode & 0o777 == 0o600


async def test_an_outcome_file_as_parquet_is_a_list_again(
    program: Program, emulate: Emulate
) -> None:
    """With the same IDs, exactly; but what was protected stays so: exit 4."""
    path = program.write("list.csv", "name,identity", "A,=a-1", "B,'=b", "V,vip")
    protect = program.write("vip.txt", "vip")
    emulator = await emulate()
    held = await program.run(path, "--protect", protect, "--chunk-size", 1, "--hold-after", 1)
    assert held.code == 75, held.err
    words = ("--outcomes", "unsent,protected", "--outcome-format", "parquet")
    assert (await program("report", program.run_dir(), *words)).code == 0
    run_dir = program.run_dir()
    again = await program.run(run_dir / "unsent.parquet", "--runs-dir", "other")
    assert again.code == 0, again.err
    assert times_acted(emulator) == {"=a-1": 1, "'=b": 1}
    refused = await program.run(run_dir / "protected.parquet", "--runs-dir", "third")
    assert (refused.code, refused.json["reason"]["code"]) == (4, "protected_file")


async def test_parts_whose_columns_differ_are_put_under_the_same_names(
    program: Program, emulate: Emulate
) -> None:
    """No cell comes under another's name: a file of them is a list again, with the same IDs."""
    program.write("1.csv", "identity,name", "a-1,Ann")
    program.write("2.csv", "name,city,identity", "Bob,Bonn,b-2")
    program.write("3.jsonl", json.dumps({"identity": "c-3", "n": 1}))
    await emulate()
    assert (await program.run("1.csv", "2.csv", "3.jsonl")).code == 0
    run_dir = program.run_dir()
    for form in ("csv", "parquet", "jsonl"):
        words = ("--outcomes", "accepted", "--outcome-format", form)
        assert (await program("report", run_dir, *words)).code == 0
    with (run_dir / "accepted.csv").open(encoding="utf-8", newline="") as file:
        rows = [list(row.values())[:3] for row in csv.DictReader(file)]
    assert rows == [["a-1", "Ann", ""], ["b-2", "Bob", "Bonn"], ["c-3", "", ""]]
    found = table(run_dir / "accepted.parquet")
    assert [[row[name] for name in ("identity", "name", "city")] for row in found] == rows
    assert json.loads(found[2]["record"]) == {"identity": "c-3", "n": 1}
    lines = [json.loads(one) for one in (run_dir / "accepted.jsonl").read_text().splitlines()]
    assert [one["identity"] for one in lines] == ["a-1", "b-2", "c-3"]
    again = await program("plan", run_dir / "accepted.csv", "--json")
    assert (again.code, again.json["ids"]["unsent"]) == (0, 3)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, with what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match="the extra `parquet`") as caught:
        check_extra("--outcome-format parquet")
    assert (caught.value.exit, caught.value.code) == (2, "missing_extra")
    assert "bulkdelete[parquet]" in caught.value.hint


def test_rows_go_out_group_by_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their number, and sooner when their text is long; what is no text is spelled out."""
    monkeypatch.setattr(columnar, "GROUP_ROWS", 3)
    monkeypatch.setattr(columnar, "GROUP_CHARACTERS", 100)
    with (tmp_path / "x.parquet").open("wb") as file:
        rows = ParquetRows(file, ["a", "b"])
        for number in range(7):
            rows.add([str(number), "x" * 60 * (number >= 5)])
        rows.add(["\udcff", ""])
        rows.close()
    found = parquet.ParquetFile(tmp_path / "x.parquet")
    groups = [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert groups == [3, 3, 2]
    assert found.read().column("a").to_pylist() == [*map(str, range(7)), "\\udcff"]
