"""The table of docs/inputs.md, walked cell by cell: the same IDs from everywhere."""

import hashlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkdelete.core.chunks import Chunker
from bulkdelete.core.digests import leaf
from bulkdelete.core.model import Kind as IdKind
from bulkdelete.errors import InputError
from bulkdelete.intake import Intake, Meant
from bulkdelete.options import chosen
from tests.io.web_server import Files, Kept, serving
from tests.stores.kinds import IDS, KINDS, PACKED, table
from tests.stores.servers import S3

TABLE = table()
HALVES = (IDS[:100], IDS[100:])


def content() -> str:
    """Return the hash of the content that every plan must have."""
    found = hashlib.sha256()
    chunker = Chunker(100)
    for chunk in (*chunker.feed(IDS, IdKind.IDENTITY), *chunker.close()):
        found.update(leaf(chunk.kind, chunk.ids))
    return found.hexdigest()


CONTENT = content()


@pytest.fixture(scope="module")
def web() -> Iterator[Files]:
    """Serve files on loopback."""
    with serving() as found:
        yield found


def test_the_table_is_whole() -> None:
    """Every format and compression that is tested stands there, and no other."""
    assert set(TABLE) == {(kind, packed) for kind in KINDS for packed in PACKED}
    assert {cell for cell in TABLE.values() if cell != "refused"} == {"F G - H S"}


def _made(kind: str, packed: str, ids: list[str]) -> bytes:
    return PACKED[packed](KINDS[kind].write(ids))


class Places:
    """Puts a list where a letter of the table says, and returns how it is named there."""

    def __init__(self, place: Path, web: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        self._place = place
        self._web = web
        self._monkeypatch = monkeypatch

    def put(self, letter: str, kind: str, packed: str) -> str:
        """Put the whole list, or for a glob its two parts."""
        if letter == "G":
            for number, ids in enumerate(HALVES):
                (self._place / f"part-{number}").write_bytes(_made(kind, packed, ids))
            return str(self._place / "part-*")
        data = _made(kind, packed, IDS)
        if letter == "-":
            self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            return "-"
        if letter == "F":
            (self._place / "list").write_bytes(data)
            return str(self._place / "list")
        assert letter == "H"
        self._web.kept["/list"] = Kept(data)
        return f"{self._web.url}/list"


async def _walk(kind: str, name: str, runs: Path, *, refused: bool) -> None:
    intake = Intake([name], chosen(None, {**KINDS[kind].options, "runs_dir": runs}), Meant())
    try:
        if refused:
            with pytest.raises(InputError, match="it has a compression of its own") as caught:
                await intake.plan(await intake.wish())
            assert caught.value.code == "archive_unsupported"
            return
        plan = (await intake.plan(await intake.wish())).plan
    finally:
        intake.draft.discard()
    assert plan.content == CONTENT
    assert plan.counts.read == plan.counts.planned == len(IDS)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("kind", KINDS)
async def test_each_cell_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Files, kind: str, packed: str
) -> None:
    """What is read gives the same plan's content; what is refused is refused everywhere."""
    cell = TABLE[kind, packed]
    places = Places(tmp_path, web, monkeypatch)
    for letter in "FG-H":
        assert letter in cell.split() or cell == "refused"
        name = places.put(letter, kind, packed)
        await _walk(kind, name, tmp_path / letter, refused=cell == "refused")


@pytest.mark.stores
@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("kind", KINDS)
async def test_each_cell_of_the_table_in_a_bucket(
    tmp_path: Path, s3_here: S3, kind: str, packed: str
) -> None:
    """The same, by a prefix with two parts under it."""
    cell = TABLE[kind, packed]
    assert "S" in cell.split() or cell == "refused"
    stem = f"bucket/table/{list(KINDS).index(kind)}-{packed}/"
    for number, ids in enumerate(HALVES):
        s3_here.put(f"{stem}{number}", _made(kind, packed, ids))
    await _walk(kind, f"s3://{stem}", tmp_path, refused=cell == "refused")
