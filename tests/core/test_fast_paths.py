"""What is done at once is what is done one by one: each quick way against the slow one."""

import io
import json
import re
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core import dialect, line_ends
from bulkdelete.core.blocks import MAX_RECORD
from bulkdelete.core.csv_records import CsvParser
from bulkdelete.core.csv_rows import kinds_of
from bulkdelete.core.json_elements import DEPTH, ELEMENT, Cut, after_space, cut_at_once
from bulkdelete.core.json_records import lines_of, one_a_line
from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import Kind
from bulkdelete.core.records import open_parser
from bulkdelete.errors import InputError

BITS = [
    *(b'"a"', b'{"id":"a"}', b'{"id":"},{"}', b'{"a":[{"id":"g"},{"id":"h"}]}', b"1", b"12", b"2"),
    *(b",", b",", b",", b", ", b",\n", b"]", b"[", b"{", b"}", b'"', b"\\", b" ", b"\xff", b"nul"),
]
TEXTS = st.lists(st.sampled_from(BITS), max_size=14).map(b"".join)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(0, 20), st.text('a{[,"\\]}é', max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def one_by_one(data: bytes, at: int) -> Cut:
    """Cut all elements with a comma behind them, by the pattern."""
    found = Cut([], [], [], at)
    while (match := ELEMENT.match(data, at)) and match[2] == b",":
        found.elements.append(match[1])
        found.starts.append(at)
        found.lines.append(data.count(b"\n", found.starts[0], at))
        found = found._replace(end=match.end())
        at = after_space(data, match.end())
    return found


def check(data: bytes) -> bool:
    """Hold the quick cut, if there is one, against the slow one."""
    quick, slow = cut_at_once(data, 0, MAX_RECORD), one_by_one(data, 0)
    if quick is None:
        return False
    count = len(quick.elements)
    assert quick.elements == slow.elements[:count]
    assert quick.starts == slow.starts[:count]
    assert one_by_one(data[: quick.end], 0) == quick
    return True


@given(TEXTS)
def test_elements_cut_at_once_are_those_cut_one_by_one(data: bytes) -> None:
    """On bytes that are hardly JSON."""
    check(data)


@given(st.lists(VALUES, min_size=3, max_size=8), st.sampled_from([None, 0, 2]), st.integers(0, 9))
def test_well_formed_elements_are_cut_at_once(
    values: list[Any], indent: int | None, less: int
) -> None:
    """Written in any way, cut off anywhere."""
    data = json.dumps(values, indent=indent, ensure_ascii=False).encode()[1:].lstrip()
    check(data[: len(data) - less])


@pytest.mark.parametrize("between", [b",", b", ", b",\n  ", b" ,\r\n"])
@pytest.mark.parametrize(
    "one", [b'{"id":"a","x":1}', b'"a"', b'{"a":[{"id":"g"},{"id":"h"}]}', b'["a,b"]']
)
def test_what_a_program_wrote_is_cut_at_once(one: bytes, between: bytes) -> None:
    """All but the last element, of which nobody knows that it is whole; the rest is for later."""
    data = between.join([one] * 50)
    quick = cut_at_once(data + between + one[:-1], 0, MAX_RECORD)
    assert quick is not None
    assert quick.elements in ([one] * 49, [one] * 50)
    assert check(data + between + one[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"]",
        b'{"id":"a"}]',
        b'{"id":"a"}, {"id":"b"}',
        b'{"id":"a"},nul,{"id":"b"},{"id":"c"}',
        b'{"id":"a"},{"id":NaN},{"id":"b"},{"id":"c"},{"id":"d"},{"id":"e"},',
        b'{"id":"a"},' + b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1) + b',{"id":"b"},{"id":"c"}',
        b'{"id":"a"},{"id":"' + b"x" * MAX_RECORD + b'"},{"id":"b"},{"id":"c"}',
        b'{"id":"a"},' + b" " * 2 * MAX_RECORD + b'{"id":"b"},{"id":"c"},{"id":"d"}',
    ],
)
def test_what_is_odd_is_left_to_the_slow_way(data: bytes) -> None:
    """Too short, broken, too deep, too long."""
    assert cut_at_once(data, 0, MAX_RECORD) is None


LINES = [
    *(b'{"id":"a"}', b'{"id":"b","x":{"id":1}}', b'{"id":', b'"a"}', b"{}", b"}", b"{", b" "),
    *(b"\n", b"\n", b"\n", b"\r\n", b'{"id":"a"}{"id":"b"}', b'"}\\n{"', b'{"id":"}\\n{"}'),
]


@given(st.lists(st.sampled_from(LINES), max_size=10).map(b"".join))
def test_lines_read_at_once_are_those_read_one_by_one(data: bytes) -> None:
    """Where each line begins and ends with a brace, and the key is there once a line."""
    lines = data.removesuffix(b"\n").split(b"\n")
    if data.count(b'"id"') != len(lines) or not one_a_line(data, len(lines)):
        return
    decoder = msgspec.json.Decoder(msgspec.defstruct("One", [("id", str)]))

    def read(many: bool) -> Any:  # noqa: ANN401 - any records, or the failure
        try:
            return decoder.decode_lines(data) if many else list(map(decoder.decode, lines))
        except msgspec.MsgspecError:
            return "broken"

    assert read(many=True) == read(many=False)


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=10).map(b"".join))
def test_lines_looked_at_in_arrays_are_those_looked_at_as_bytes(data: bytes) -> None:
    """How many there are, and whether each is a record."""
    assert line_ends.lines_of(data) == lines_of(data)


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=12).map(b"".join))
def test_what_is_read_with_arrays_is_what_is_read_without(data: bytes) -> None:
    """The IDs, their lines and the faults of any block."""
    layout = Layout(Format.JSONL, path=("id",), kind=Kind.IDENTITY)
    found = []
    for arrays in (True, False):
        parser = open_parser(layout, arrays=arrays)
        batches = [one for one in (parser.feed(data), parser.close()) if one]
        found.append([(one.ids, list(one.lines), dict(one.faults)) for one in batches])
    assert found[0] == found[1]


@given(
    st.lists(st.sampled_from([*LINES, b'"key"', b'ey"', b"k"]), max_size=12).map(b"".join),
    st.sampled_from([b'"id"', b'"key"', b'"a"', b'"identity"']),
)
def test_a_key_is_never_there_more_often_than_its_parts(data: bytes, key: bytes) -> None:
    """Wherever in the block it stands; where nothing else has a part, it is there just as often."""
    often = line_ends.by_last_bytes(data, key)
    assert often >= data.count(key)
    assert often == data.count(key[-4:]) or len(key) < 4 or len(data) < 8
    assert line_ends.by_one_byte(data, key) == min(map(data.count, key)) >= data.count(key)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"id":"a"}\n{"id":"b"}\n', True),
        (b'{"id":"a"}\n{"id":"b"}', True),
        (b'{"id":"a"}', True),
        (b'{"id":"a"}\r\n{"id":"b"}', False),
        (b'{"id":\n"a"}\n{"id":"b"} {"id":"c"}', False),
        (b' {"id":"a"}', False),
        (b'{"id":"a"} ', False),
        (b'{"id":"a"}\n\n{"id":"b"}', False),
    ],
)
def test_lines_that_may_be_read_at_once(data: bytes, expected: bool) -> None:
    """Those of a program that writes one object a line."""
    count = data.removesuffix(b"\n").count(b"\n") + 1
    assert one_a_line(data, count) is expected
    assert lines_of(data) == line_ends.lines_of(data) == (count, expected)


@pytest.mark.parametrize(
    ("types", "kinds"),
    [
        (["i"], Kind.IDENTITY),
        (["g", "G"], Kind.GUID),
        (["i", "I", "i"], Kind.IDENTITY),
        (["i", "G"], [Kind.IDENTITY, Kind.GUID]),
        (["i", ""], None),
        (["identity"], None),
    ],
)
def test_kinds_of_a_column_of_types(types: list[str], kinds: object) -> None:
    """One kind for all where all say the same; one each where not; none where one says nothing."""
    assert kinds_of(types) == kinds


PIECES = [
    "identity",
    "a",
    '"',
    '"',
    "\\",
    ",",
    ";",
    " ",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "x" * MAX_RECORD,
]
TABLES = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def headed(data: bytes, *, cut: int) -> tuple[list[object], bool]:
    """Parse a CSV of one column in two blocks; return what came out, and if a header was met."""
    layout = Layout(Format.CSV, delimiter=",", has_header=True, width=1, kind=Kind.IDENTITY)
    parser = CsvParser(layout, 0, 1, keep_cells=False)
    try:
        found = [parser.feed(data[:cut]), parser.feed(data[cut:]), parser.close()]
    except InputError as error:
        return [error.code, str(error)], False
    batches = [(one.ids, list(one.lines), one.faults) for one in found if one]
    return [*batches, parser.place], True


@given(TABLES, st.integers(0, 20))
def test_a_header_of_one_line_is_stepped_over_as_any_other(text: str, cut: int) -> None:
    """Without making rows of the block behind it; whatever that is, and however it is cut."""
    data = text.encode()
    quick = headed(data, cut=cut)
    with mock.patch.object(CsvParser, "_plain_header", return_value=0):
        assert headed(data, cut=cut) == quick


@given(TABLES, st.sampled_from(['"', "'", "]", "^"]))
def test_the_first_record_is_found_without_reading_on(text: str, quote: str) -> None:
    """What is between quotes is left out of it, as if it were left out of the whole text."""
    text = text.replace('"', quote)
    bare = re.sub("{0}[^{0}]*{0}?".format(re.escape(quote)), "", text.lstrip("\r\n"))
    assert dialect.unquoted(text, quote) == re.split(r"[\r\n]", bare, maxsplit=1)[0]
    plain = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    assert dialect.unquoted(text, "") == plain


@given(TABLES)
def test_lines_are_cut_one_after_the_other_as_all_at_once(text: str) -> None:
    """LF, CRLF and CR end a line, and nothing else does."""
    assert list(dialect.lines(text)) == list(io.StringIO(text, newline=""))
