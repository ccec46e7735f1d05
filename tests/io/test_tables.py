"""Parquet and Arrow: read exactly, from any record on, and refused when they are not whole."""

import datetime as dt
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from bulkdelete.core.layout import Format, Reading
from bulkdelete.core.model import Kind
from bulkdelete.errors import InputError, UsageError
from bulkdelete.io import tables
from bulkdelete.reading import Part, batches, layout_of

IDENT, GUID = Kind.IDENTITY, Kind.GUID
Row = tuple[str, str, int, str | None]


def write(path: Path, table: pa.Table, how: str = "parquet", rows: int = 100) -> Part:
    """Write a table in one of the formats, in groups of so many rows."""
    if how == "parquet":
        parquet.write_table(table, path, row_group_size=rows)
    else:
        kind = pa.ipc.new_file if how == "arrow file" else pa.ipc.new_stream
        with path.open("wb") as file, kind(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    return Part(path, str(path))


def cut(path: Path, end: int) -> None:
    """Take the last bytes away."""
    path.write_bytes(path.read_bytes()[:end])


async def read(
    part: Part, reading: Reading | None = None, first: int = 0, *, keep_cells: bool = False
) -> tuple[list[Row], list[Any]]:
    """Read a part from a record on: IDs, kinds, lines and faults; and the cells."""
    layout = await layout_of(part, reading or Reading())
    found: list[Row] = []
    cells: list[Any] = []
    stream = batches(part, layout, offset=first, keep_cells=keep_cells)
    async with aclosing(stream):
        async for one in stream:
            assert one.line == one.offset + 1
            assert one.offset >= first
            kinds = [one.kind(at).value for at in range(len(one.ids))]
            faults = [one.faults.get(at) for at in range(len(one.ids))]
            found += zip(one.ids, kinds, one.lines, faults, strict=True)
            cells += one.cells or []
    return found, cells


@pytest.mark.parametrize("how", ["parquet", "arrow file", "arrow stream"])
@pytest.mark.parametrize("rows", [7, 100_000])
async def test_a_table_is_read_from_any_record_on(
    tmp_path: Path, how: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records are numbered; groups, batches and the format make no difference."""
    monkeypatch.setattr(tables, "ROWS", 10)
    ids = [f"user-{number}" for number in range(100)]
    part = write(tmp_path / "x", pa.table({"n": range(100), "identity": ids}), how, rows)
    layout = await layout_of(part, Reading())
    assert layout.format is (Format.PARQUET if how == "parquet" else Format.ARROW)
    expected = [(one, "identity", at + 1, None) for at, one in enumerate(ids)]
    for first in (0, 1, 6, 7, 8, 99, 100):
        assert (await read(part, first=first))[0] == expected[first:]
    found, cells = await read(part, keep_cells=True)
    assert found == expected
    assert cells == [(str(at), one) for at, one in enumerate(ids)]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.string(), ["a", "ü", ""], ["a", "ü", ""]),
        (pa.large_string(), ["a", "a\nb"], ["a", "a\nb"]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a"], ["a", "b", "a"]),
        (pa.binary(), [b"a", "ü".encode()], ["a", "ü"]),
        (pa.int64(), [2**63 - 1, -1, 0], ["9223372036854775807", "-1", "0"]),
        (pa.uint64(), [2**64 - 1], ["18446744073709551615"]),
        (pa.decimal128(38, 0), [Decimal(10**30)], ["1" + "0" * 30]),
    ],
)
async def test_i9_typed_values_are_exact(
    tmp_path: Path, kind: pa.DataType, values: list[Any], expected: list[str]
) -> None:
    """Whole numbers as all their digits, text as it is."""
    part = write(tmp_path / "x", pa.table({"identity": pa.array(values, kind)}))
    assert [row[0] for row in (await read(part))[0]] == expected


@given(st.lists(st.one_of(st.none(), st.text()), max_size=30))
async def test_any_text_is_read_as_pyarrow_reads_it(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None]
) -> None:
    """A null is a fault of its record."""
    path = tmp_path_factory.mktemp("t") / "x"
    part = write(path, pa.table({"identity": pa.array(values, pa.string())}), rows=7)
    expected = [
        (one or "", "identity", at + 1, "null" if one is None else None)
        for at, one in enumerate(parquet.read_table(path)["identity"].to_pylist())
    ]
    assert (await read(part))[0] == expected


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (pa.float64(), "float_ids"),
        (pa.float16(), "float_ids"),
        (pa.decimal128(10, 2), "float_ids"),
        (pa.timestamp("ms"), "no_id_type"),
        (pa.bool_(), "no_id_type"),
        (pa.binary(16), "no_id_type"),
    ],
)
async def test_i9_a_column_that_holds_no_ids_is_refused(
    tmp_path: Path, kind: pa.DataType, code: str
) -> None:
    """Before anything is read of it."""
    part = write(tmp_path / "x", pa.table({"identity": pa.array([None], kind)}))
    with pytest.raises(InputError, match="'identity'") as caught:
        await layout_of(part, Reading())
    assert caught.value.code == code


async def test_lists_and_structs_are_gone_into(tmp_path: Path) -> None:
    """Each ID of a list counts; what is missing is a fault."""
    table = pa.table(
        {
            "identity": ["a", "b", "c"],
            "all_identities": ['["a", "x"]', "[b]", "[c"],
            "ids": [["g1", "g2"], [], ["g3", None]],
            "p": [[{"objectId": "o1"}, {"objectId": "o2"}], [], [{"objectId": None}]],
            "s": [{"id": "s1"}, {"id": None}, None],
        }
    )
    part = write(tmp_path / "x", table)
    assert [row[0::3] for row in (await read(part, Reading(column="all_identities")))[0]] == [
        ("a", None),
        ("x", None),
        ("b", None),
        ("", "bad_list"),
    ]
    found, cells = await read(part, Reading(column="ids", id_type=GUID), keep_cells=True)
    assert [(row[0], row[2], row[3]) for row in found] == [
        ("g1", 1, None),
        ("g2", 1, None),
        ("g3", 3, None),
        ("", 3, "null"),
    ]
    assert cells[0] == cells[1]
    assert cells[0][2:4] == ('["g1", "g2"]', '[{"objectId": "o1"}, {"objectId": "o2"}]')
    assert cells[2][4] == ""
    inside, _ = await read(part, Reading(column="p[].objectId"))
    assert [(row[0], row[1], row[3]) for row in inside] == [
        ("o1", "guid", None),
        ("o2", "guid", None),
        ("", "guid", "null"),
    ]
    struct, _ = await read(part, Reading(column="s.id", id_type=IDENT))
    assert [(row[0], row[3]) for row in struct] == [("s1", None), ("", "null"), ("", "null")]


async def test_kinds_of_typed_lists(tmp_path: Path) -> None:
    """Each record says its own."""
    table = pa.table({"Type": ["i", "g", "x", None], "Identity": ["a", "b", "c", "d"]})
    found, _ = await read(write(tmp_path / "x", table))
    assert [(row[0], row[1], row[3]) for row in found] == [
        ("a", "identity", None),
        ("b", "guid", None),
        ("", "identity", "unknown_type"),
        ("", "identity", "unknown_type"),
    ]


async def test_i2_bytes_that_are_no_text_are_a_fault(tmp_path: Path) -> None:
    """Also in a column that says that it is text."""
    broken = pa.array([b"a", b"\xff"], pa.binary())
    for column in (broken, broken.view(pa.string()), broken.cast(pa.large_binary())):
        found, _ = await read(write(tmp_path / "x", pa.table({"identity": column})))
        assert [row[0::3] for row in found] == [("a", None), ("", "bad_encoding")]


async def test_cells_of_all_types_are_text(tmp_path: Path) -> None:
    """As a person would write them."""
    table = pa.table(
        {
            "identity": ["a"],
            "t": [dt.datetime(2026, 1, 2, tzinfo=dt.UTC)],
            "b": [True],
            "f": [1.5],
            "d": [Decimal("1.50")],
            "n": pa.array([None], pa.null()),
        }
    )
    _, cells = await read(write(tmp_path / "x", table), keep_cells=True)
    assert cells == [("a", "2026-01-02T00:00:00+00:00", "true", "1.5", "1.50", "")]


@pytest.mark.parametrize("how", ["parquet", "arrow file"])
async def test_i12_a_truncated_table_is_refused(tmp_path: Path, how: str) -> None:
    """Its schema stands at its end."""
    part = write(tmp_path / "x", pa.table({"identity": ["a"] * 1000}), how)
    cut(tmp_path / "x", -20)
    with pytest.raises(InputError, match="cannot be read") as caught:
        await read(part)
    assert caught.value.code == "table_corrupt"


async def test_i12_a_truncated_stream_is_refused(tmp_path: Path) -> None:
    """In the middle of a batch; what came before is not taken for all."""
    part = write(tmp_path / "x", pa.table({"identity": ["a"] * 1000}), "arrow stream")
    cut(tmp_path / "x", -300)
    with pytest.raises(InputError) as caught:
        await read(part)
    assert caught.value.code == "table_corrupt"


async def test_i12_a_stream_cut_off_between_two_batches_is_refused(tmp_path: Path) -> None:
    """Each batch is whole, and the end is missing."""
    part = write(tmp_path / "x", pa.table({"identity": ["a"] * 1000}), "arrow stream")
    assert len((await read(part))[0]) == 1000
    cut(tmp_path / "x", -8)
    with pytest.raises(InputError, match="end") as caught:
        await read(part)
    assert caught.value.code == "table_corrupt"


async def test_what_is_said_and_what_it_is_must_agree(tmp_path: Path) -> None:
    """A table by name only; one in an archive; no extra."""
    text = tmp_path / "x.parquet"
    text.write_text("identity\na\n")
    with pytest.raises(InputError, match="no parquet file"):
        await layout_of(Part(text, "x.parquet"), Reading(format=Format.PARQUET))
    assert (await layout_of(Part(text, "x.parquet"), Reading())).format is Format.CSV
    write(tmp_path / "y", pa.table({"identity": ["a"]}))
    packed = tmp_path / "y.gz"
    packed.write_bytes(pa.compress((tmp_path / "y").read_bytes(), "gzip", asbytes=True))
    with pytest.raises(InputError, match="inside of gzip"):
        await layout_of(Part(packed, "y.gz"), Reading())


async def test_without_its_extra_a_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install."""
    part = write(tmp_path / "x", pa.table({"identity": ["a"]}))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match="extra `parquet`") as caught:
        await layout_of(part, Reading())
    assert (caught.value.code, caught.value.exit) == ("missing_extra", 2)
