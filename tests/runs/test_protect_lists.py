"""Protect lists as they come: whom they hold, and which mean no plan."""

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
        ("identity,guid\na,b\n", "which_column"),
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
