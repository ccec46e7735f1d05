"""Every list that people really have gives the same plan, and the same chunks when read again."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pyarrow as pa
import pytest
from backports import zstd
from pyarrow import parquet

from bulkdelete.core.blocks import BlockParser
from bulkdelete.core.chunks import Chunker
from bulkdelete.core.layout import Format, Reading
from bulkdelete.core.model import Batch, Chunk, Kind
from bulkdelete.errors import InputError
from bulkdelete.io import inflating, source, tables
from bulkdelete.io.rundir import IndexFile
from bulkdelete.planning import Planned, make_plan
from bulkdelete.reading import Part, planned_chunks, reading_of
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish
from tests.conftest import Emulate, Program, times_acted

IDENT = Kind.IDENTITY
NAMES = [f"user-{number}@example.com" for number in range(1000)]
ODD = ["zoë", '"quoted"', "with, comma", "back\\slash", "ID with 'quote'", "=1+1", "😀"]
IDS = [*NAMES[:500], *ODD, *NAMES[500:]]


def csv_text(delimiter: str = ",", end: str = "\n") -> str:
    """Write a table of two columns as RFC 4180 has it."""
    rows = [f'"{one.replace(chr(34), chr(34) * 2)}"{delimiter}x{end}' for one in IDS]
    return f"identity{delimiter}name{end}" + "".join(rows)


def escaped() -> str:
    """Write a table as databases unload it: no quotes, a backslash before what is special."""
    special = {ord(one): f"\\{one}" for one in "\\,"}
    return "identity,name\n" + "".join(f"{one.translate(special)},x\n" for one in IDS)


def tabled(how: str) -> bytes:
    """Write a typed table, in groups of a hundred."""
    table, file = pa.table({"n": range(len(IDS)), "identity": IDS}), io.BytesIO()
    if how == "parquet":
        parquet.write_table(table, file, row_group_size=100)
    else:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    return file.getvalue()


RECORDS = [{"identity": one, "x": [{"y": "]"}]} for one in IDS]
FORMATS: dict[str, tuple[str, bytes, Reading]] = {
    "csv": ("x.csv", csv_text().encode(), Reading()),
    "csv-semicolons": ("x.csv", csv_text(";", "\r\n").encode("utf-8-sig"), Reading()),
    "csv-utf16": ("x.csv", csv_text("\t").encode("utf-16"), Reading()),
    "csv-hive": (
        "x.csv",
        "".join(f"{one}\x01x\n" for one in IDS).encode(),
        Reading(delimiter="\\x01", quote="none", header=False, column="0", id_type=IDENT),
    ),
    "csv-escaped": ("x.csv", escaped().encode(), Reading(quote="none", escape="\\")),
    "jsonl": ("x.jsonl", "\n".join(map(json.dumps, RECORDS)).encode(), Reading()),
    "json": ("x.json", json.dumps(RECORDS, ensure_ascii=False).encode(), Reading()),
    "json-pretty": ("x", json.dumps(RECORDS, indent=2).encode("utf-16"), Reading()),
    "json-answer": (
        "x.json",
        json.dumps({"status": "success", "records": RECORDS, "next_cursor": "a"}).encode(),
        Reading(),
    ),
    "json-texts": ("x.json", json.dumps(IDS).encode(), Reading(id_type=IDENT)),
    "parquet": ("x.parquet", tabled("parquet"), Reading()),
    "arrow": ("x.arrow", tabled("arrow"), Reading()),
    "lines": ("x.txt", "\n".join(IDS).encode(), Reading(id_type=IDENT, format=Format.LINES)),
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}


async def planned(reading: Reading, *paths: Path, **more: object) -> Planned:
    """Plan these files."""
    wish = Wish(
        parts=tuple(Part(path, str(path)) for path in paths),
        inputs=tuple(map(str, paths)),
        reading=reading,
        target=CLEVERTAP,
        host="https://eu1.api.clevertap.com",
        account="ACCT",
        chunk_size=100,
        **more,  # type: ignore[arg-type]
    )
    return await make_plan(wish, b"k" * 32, tool="test", created=0.0)


def opened(made: Planned, path: Path) -> IndexFile:
    """Write a plan's index, and open it."""
    path.write_bytes(b"".join(made.sections))
    return IndexFile(path)


async def read_again(made: Planned, index: IndexFile) -> list[list[Chunk]]:
    """Read the input again, as sending does: from its start, and from some of its marks."""
    parts = [Part(Path(one.path), one.path) for one in made.plan.parts]
    found = []
    try:
        for mark in [None, *list(index.marks_backwards())[::3]]:
            async with aclosing(planned_chunks(made.plan, parts, index, mark)) as chunks:
                found.append([chunk async for chunk in chunks])
    finally:
        index.close()
    return found


EXPECTED = list(Chunker(100).feed(IDS, IDENT))


@pytest.mark.parametrize(
    ("name", "compression"),
    [
        (name, compression)
        for name in FORMATS
        for compression in COMPRESSIONS
        # These have a compression of their own.
        if compression == "none" or name not in {"parquet", "arrow"}
    ],
)
async def test_each_format_in_each_compression_is_the_same_list(
    tmp_path: Path, name: str, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content, order and kinds: what is approved and sent does not depend on the format."""
    for module in (source, inflating):
        monkeypatch.setattr(module, "BLOCK", 4096)  # so that there are places to go on from
    monkeypatch.setattr(tables, "ROWS", 70)
    file, data, reading = FORMATS[name]
    path = tmp_path / file
    path.write_bytes(COMPRESSIONS[compression](data))
    made = await planned(reading, path)
    assert made.plan.counts.planned == made.plan.counts.read == len(IDS)
    assert reading_of(made.plan.reading) == reading
    chunks, *rests = await read_again(made, opened(made, tmp_path / "index"))
    assert chunks[: len(EXPECTED)] == EXPECTED
    assert [one for chunk in chunks for one in chunk.ids] == IDS
    assert (await planned(reading, path)).plan.digest == made.plan.digest
    for rest in rests:
        assert rest == chunks[len(chunks) - len(rest) :]
    assert any(0 < len(rest) < len(chunks) for rest in rests)


async def test_a_sender_holds_little_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning takes whole blocks; what is sent for hours is parsed 64 KiB at a time."""
    path, sizes = tmp_path / "x.csv", list[int]()
    path.write_text("identity\n" + "".join(f"user-{n:09}@example.com\n" for n in range(50_000)))
    feed = BlockParser.feed

    def measured(parser: BlockParser, block: bytes) -> Batch | None:
        sizes.append(len(block))
        return feed(parser, block)

    monkeypatch.setattr(BlockParser, "feed", measured)
    made = await planned(Reading(), path)
    assert max(sizes) == inflating.BLOCK
    sizes.clear()
    chunks, *_ = await read_again(made, opened(made, tmp_path / "index"))
    assert sum(len(chunk.ids) for chunk in chunks) == 50_000
    assert max(sizes) == 64 * 1024


async def test_i12_a_damaged_archive_of_many_is_no_plan(tmp_path: Path) -> None:
    """One part of an export was cut off while it was copied: nothing is planned."""
    parts = [tmp_path / f"part-{number}.csv.gz" for number in range(3)]
    for part in parts:
        part.write_bytes(gzip.compress(csv_text().encode()))
    parts[1].write_bytes(parts[1].read_bytes()[:-100])
    with pytest.raises(InputError, match=r"part-1\.csv\.gz: the gzip archive ends") as caught:
        await planned(Reading(), *parts)
    assert caught.value.code == "truncated_archive"


async def test_a_dialect_is_bound(tmp_path: Path) -> None:
    """Another quote or escape is another plan, also where it makes no difference."""
    path = tmp_path / "x.csv"
    path.write_text("identity,name\nu-1,x\n")
    readings = [Reading(), Reading(quote="'"), Reading(quote="none"), Reading(escape="\\")]
    digests = {(await planned(one, path)).plan.digest for one in readings}
    assert len(digests) == len(readings)


async def test_an_unload_is_sent_stopped_and_resumed(program: Program, emulate: Emulate) -> None:
    """Two zstd parts in a database's dialect, and outcome files in their own columns."""
    emulator = await emulate()
    names = NAMES[:300]
    rows = [f"{name}|a\\|b\n" for name in names]
    for part in range(2):
        data = zstd.compress("".join(rows[part::2]).encode())
        (program.place / f"part-{part}.csv.zst").write_bytes(data)
    words = ["part-*.csv.zst", "--no-header", "--column", "0", "--id-type", "identity"]
    words += ["--delimiter", "|", "--quote", "none", "--escape", "backslash"]
    stopped = await program.run(*words, "--hold-after", "100")
    assert stopped.code == 75, stopped.err
    ended = await program.run(*words)
    assert (ended.code, ended.json["ids"]["accepted"]) == (0, 300), ended.err
    assert times_acted(emulator) == dict.fromkeys(names, 1)
    outcomes = await program("report", program.run_dir(), "--outcomes", "accepted", "--json")
    assert outcomes.code == 0, outcomes.err
    lines = (program.run_dir() / "accepted.csv").read_text("utf-8").splitlines()
    assert lines[0] == "identity,column_1,reason,bulkdelete_outcome"
    assert lines[1].startswith("user-0@example.com,a|b,")
