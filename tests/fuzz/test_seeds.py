"""What the fuzzer begins with, without the fuzzer: each parser holds on each of them."""

from pathlib import Path

import pytest

from tests.fuzz.one import held
from tests.fuzz.parsers import PARSERS, pieces
from tests.fuzz.seeds import PLACE, made

SEEDS = sorted(PLACE.glob("*/*"))


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_parser_holds(path: Path) -> None:
    """No crash, no other answer than another reader's, no second of CPU."""
    held(PARSERS[path.parent.name], path.read_bytes())


def test_the_seeds_are_what_the_script_makes() -> None:
    """No real data, and none that nobody knows the origin of; one at least for each parser."""
    there = {(path.parent.name, path.name): path.read_bytes() for path in SEEDS}
    compressed = {key for key in there if key[0] == "archives" and key[1].startswith("zstd")}
    want = {(parser, name): data for parser, some in made().items() for name, data in some.items()}
    assert there.keys() == want.keys()
    assert {parser for parser, _ in there} == PARSERS.keys()
    # Another version of the compressor may write other bytes.
    assert all(there[key] == want[key] for key in there.keys() - compressed)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("csv", b'\0\0"a"b\n'),
        ("jsonl", b'\0\0{"id":"a"}\n'),
        ("json", b'\0\0[{"id":"a"}]'),
        ("lines", b"\0\0a\n"),
    ],
)
def test_a_wrong_parser_is_noticed(name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that depends on the cut, and one that reads other records, both raise."""
    from tests.fuzz import parsers  # noqa: PLC0415 - patched

    read = parsers.read
    answers = iter([1, 2])
    monkeypatch.setattr(parsers, "read", lambda *_: [("", next(answers))])
    with pytest.raises(AssertionError, match="where the bytes are cut"):
        PARSERS[name](data)
    monkeypatch.setattr(parsers, "read", lambda *words: [("other", *r[1:]) for r in read(*words)])
    if name != "csv":
        with pytest.raises(AssertionError):
            PARSERS[name](data)


@pytest.mark.parametrize("seed", range(256))
def test_pieces_are_the_whole(seed: int) -> None:
    """Each at least a byte."""
    found = list(pieces(bytes(range(100)), seed))
    assert b"".join(found) == bytes(range(100))
    assert all(found)
