"""`inspect`: what it prints is true, and the command line that it prints works."""

import gzip
import json
import shlex
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.conftest import Program

README = Path(__file__).parents[2] / "README.md"
EXPORT = (
    "identity,all_identities,clevertapId,clevertapIds\n"
    'a@example.com,"[""a@example.com""]",__g123456789,[__g123456789]\n'
)


def written(place: Path, name: str) -> str:
    """Write one of the lists, and return its name."""
    lists = {
        "part-*.csv.gz": EXPORT.encode(),
        "a list's.csv": "n;E Mail\nAnn;zoë@example.com\nBob;b@example.com\n".encode("utf-16"),
        "hive.csv": b"u-12345\x01x\nu-12346\x01x\n",
        "page.json": json.dumps(
            {"records": [{"platformInfo": [{"objectId": "__g123456789"}]}]}
        ).encode(),
    }
    if name == "x.parquet":
        table = {"n": [1], "platformInfo": [[{"objectId": "__g123456789"}]]}
        parquet.write_table(pa.table(table), place / name)
        return name
    data = lists[name]
    for number in range(1 + ("*" in name)):
        path = place / name.replace("*", str(number))
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


@pytest.mark.parametrize(
    ("name", "words", "planned"),
    [
        ("part-*.csv.gz", [], 1),
        ("a list's.csv", [], 2),
        ("hive.csv", ["--delimiter", "\\x01"], 2),
        ("page.json", [], 1),
        ("x.parquet", [], 1),
    ],
)
async def test_the_command_line_that_it_prints_works(
    program: Program, name: str, words: list[str], planned: int
) -> None:
    """Copied into a shell, it plans the list; masked, nothing of it was shown."""
    ended = await program("inspect", written(program.place, name), *words, "--json")
    assert ended.code == 0, ended.err
    assert "example.com" not in ended.out + ended.err
    program_name, *command = shlex.split(ended.json["command"])
    assert program_name == "bulkdelete"
    made = await program(*command, "--json")
    assert (made.code, made.json["ids"]["unsent"]) == (0, planned), made.err


async def test_it_is_said_to_a_person(program: Program) -> None:
    """Dialect, columns, guesses and the command; and an error for what cannot be looked at."""
    written(program.place, "part-*.csv.gz")
    ended = await program("inspect", "part-*.csv.gz")
    assert ended.code == 0, ended.err
    assert "part-0.csv.gz: 95 bytes" not in ended.err
    assert ", gzip, csv" in ended.out
    assert "GUESSED: the IDs are in the column 'identity', not in 'all_identities'" in ended.out
    assert "clevertapIds (lists): 1 filled, 1 different; CleverTap ID 1" in ended.out
    assert ended.out.rstrip().endswith("bulkdelete plan 'part-*.csv.gz' --column=identity")
    assert not (program.place / "bulkdelete-runs").exists()
    missing = await program("inspect", "-", "--json")
    assert (missing.code, missing.json["reason"]["code"]) == (2, "input_missing")


async def test_of_many_files_the_one_that_cannot_be_read_is_named(program: Program) -> None:
    """With its line, as `plan` does."""
    program.write("good.csv", "identity", "u-1")
    program.write("bad.csv", "identity,name", 'u-1,"Ann', "u-2,Bob")
    ended = await program("inspect", "good.csv", "bad.csv")
    assert ended.code == 2
    assert ended.err.startswith("bulkdelete: bad.csv: line 2: the quote")


async def test_of_many_files_each_kind_is_told_once(program: Program) -> None:
    """How many more look like it, and the one that does not."""
    for number in range(30):
        program.write(f"part-{number:02}.csv", "identity", f"user-{number:04}", "user-9999")
    program.write("part-77.csv", "identity", "someone@example.com")
    ended = await program("inspect", "part-*.csv")
    assert ended.code == 0, ended.err
    told = [line for line in ended.out.splitlines() if "part-" in line]
    assert [line.strip().partition(":")[0] for line in told] == [
        "part-00.csv",
        "29 more look like it, to part-29.csv",
        "part-77.csv",
        "bulkdelete plan 'part-*.csv'",
    ]


async def test_what_helps_is_said(program: Program) -> None:
    """A list in Windows' encoding is taken for one, and the offered command line reads it."""
    (program.place / "win.csv").write_bytes("Name;Kunde\nMüller;K-1\n".encode("latin-1"))
    ended = await program("inspect", "win.csv", "--column", "Name")
    assert ended.code == 0, ended.err
    assert "GUESSED: some of its IDs are no UTF-8: taken for latin-1" in ended.out
    assert "--encoding=latin-1" in ended.out.splitlines()[-1]
    (program.place / "odd.jsonl").write_text('{"identity": 1.5}\n{"identity": true}\n')
    ended = await program("inspect", "odd.jsonl")
    assert "what helps: export IDs as text, or take whole numbers by their digits" in ended.out
