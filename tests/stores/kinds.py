"""The formats and compressions of docs/inputs.md: how each is written, and what is said of it."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from backports import zstd
from pyarrow import parquet

DOCS = Path(__file__).parents[2] / "docs" / "inputs.md"
IDS = [f"user-{number:05d}" for number in range(1, 301)]
"""What every list holds, so that every plan of one has the same content."""


@dataclass(frozen=True)
class Kind:
    """A format: what writes IDs in it, and the options that it needs."""

    write: Callable[[list[str]], bytes]
    options: Mapping[str, Any] = field(default_factory=dict)


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _csv(ids: list[str]) -> bytes:
    return _lines("name,identity", *(f'"N, {one}",{one}' for one in ids))


def _lists(ids: list[str]) -> bytes:
    pairs = zip(ids[::2], ids[1::2], strict=True)
    return _lines("all_identities,x", *(f'"[{one},{two}]",1' for one, two in pairs))


def _records(ids: list[str]) -> list[dict[str, str]]:
    return [{"name": "é", "identity": one} for one in ids]


def _table(ids: list[str]) -> pa.Table:
    return pa.table({"x": list(range(len(ids))), "identity": ids})


def _parquet(ids: list[str]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(_table(ids), out, row_group_size=100)
    return out.getvalue()


def _arrow(new: Callable[..., Any]) -> Callable[[list[str]], bytes]:
    def write(ids: list[str]) -> bytes:
        out = io.BytesIO()
        with new(out, _table(ids).schema) as writer:
            writer.write_table(_table(ids), max_chunksize=100)
        return out.getvalue()

    return write


IDENTITY = {"id_type": "identity"}
KINDS: Mapping[str, Kind] = {
    "CSV": Kind(_csv),
    "CSV in UTF-16": Kind(lambda ids: _csv(ids).decode().encode("utf-16")),
    "CleverTap's custom list": Kind(
        lambda ids: _lines("Type,Identity", *(f"i,{one}" for one in ids))
    ),
    "CSV with bracketed lists": Kind(_lists, IDENTITY | {"column": "all_identities"}),
    "JSON lines": Kind(lambda ids: _lines(*(json.dumps(one) for one in _records(ids)))),
    "a JSON array": Kind(lambda ids: json.dumps(_records(ids), indent=1).encode()),
    "the API's own answer": Kind(
        lambda ids: json.dumps({"status": "success", "records": _records(ids)}).encode()
    ),
    "one ID a line": Kind(lambda ids: _lines(*ids), IDENTITY),
    "Parquet": Kind(_parquet),
    "Arrow, file": Kind(_arrow(pa.ipc.new_file)),
    "Arrow, stream": Kind(_arrow(pa.ipc.new_stream)),
}


def _members(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Pack in two members, as parallel compressors do."""
    return lambda data: pack(data[: len(data) // 3]) + pack(data[len(data) // 3 :])


PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": _members(gzip.compress),
    "bzip2": _members(bz2.compress),
    "xz": _members(lzma.compress),
    "zstd": _members(zstd.compress),
}


def table() -> dict[tuple[str, str], str]:
    """Return the table of the docs: (format, compression) -> what its cell says."""
    text = DOCS.read_text("utf-8").partition("<!-- table -->")[2].partition("<!-- /table -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()
    ]
    head, _, *body = rows
    return {
        (row[0], packed): cell
        for row in body
        for packed, cell in zip(head[1:], row[1:], strict=True)
    }
