"""The push parsers: any cut of the bytes gives the same records, and so does any resume."""

import codecs
import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.blocks import MAX_RECORD
from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import Batch, Kind
from bulkdelete.core.records import open_parser
from bulkdelete.errors import InputError

IDENT, GUID = Kind.IDENTITY, Kind.GUID
Row = tuple[str, Kind, int, str | None]

ONE = Layout(Format.CSV, delimiter=",", width=1, kind=IDENT)
TWO = Layout(Format.CSV, delimiter=",", width=2, column=1, kind=IDENT)
FIRST_OF_TWO = Layout(Format.CSV, delimiter=",", width=2, kind=IDENT)
HEADED = Layout(Format.CSV, delimiter=",", width=2, kind=GUID, has_header=True, bom=3)
TYPED = Layout(Format.CSV, delimiter=",", width=2, column=1, type_column=0)
LISTS = Layout(Format.CSV, delimiter=",", width=1, kind=IDENT, is_list=True)
LINES = Layout(Format.LINES, width=1, kind=IDENT)
LATIN = Layout(Format.CSV, delimiter=",", width=1, kind=IDENT, encoding="latin-1")
JSONL = Layout(Format.JSONL, path=("id",), kind=IDENT)
NESTED = Layout(Format.JSONL, path=("a[]", "id"), kind=GUID)
DOTTED = Layout(Format.JSONL, path=("a", "id"), kind=GUID)
JSON_LISTS = Layout(Format.JSONL, path=("id",), kind=IDENT, is_list=True)
JSON_LATIN = Layout(Format.JSONL, path=("id",), kind=IDENT, encoding="latin-1")

QUOTED = Layout(Format.CSV, delimiter=",", width=2, column=1, kind=IDENT, quote="'")
BARE = Layout(Format.CSV, delimiter=",", width=2, column=1, kind=IDENT, quote="")
ESCAPED = Layout(Format.CSV, delimiter=",", width=2, column=1, kind=IDENT, escape="\\")
ONLY_ESCAPED = Layout(Format.CSV, delimiter=",", width=2, kind=IDENT, quote="", escape="\\")
NUMBERED = Layout(Format.JSONL, path=("id",), kind=IDENT, normal=("numbers",))
ARRAY = Layout(Format.JSON, path=("id",), kind=IDENT)
MARKED_ARRAY = Layout(Format.JSON, path=("id",), kind=IDENT, bom=3)
TEXTS = Layout(Format.JSON, kind=IDENT)
ANSWER = Layout(Format.JSON, path=("a[]", "id"), kind=GUID, envelope=True)
LATIN_ARRAY = Layout(Format.JSON, path=("id",), kind=IDENT, encoding="latin-1")

DIALECTS = [QUOTED, BARE, ESCAPED, ONLY_ESCAPED]
ARRAYS = [ARRAY, MARKED_ARRAY, TEXTS, ANSWER, LATIN_ARRAY]
CSV_LAYOUTS = [*DIALECTS, ONE, TWO, FIRST_OF_TWO, HEADED, TYPED, LISTS, LINES, LATIN]
JSON_LAYOUTS = [JSONL, NESTED, DOTTED, JSON_LISTS, JSON_LATIN]


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut `data` at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def fit(layout: Layout, data: bytes) -> bytes:
    """Put the byte order mark in front of `data` that the layout speaks of."""
    return codecs.BOM_UTF8[: layout.bom] + data


def batches(
    layout: Layout,
    blocks: Iterable[bytes],
    place: tuple[int, int] = (0, 1),
    *,
    keep_cells: bool = False,
) -> list[Batch]:
    """Push blocks through a parser opened at `place`; check what holds of every batch."""
    parser = open_parser(layout, offset=place[0], line=place[1], keep_cells=keep_cells)
    found = []
    for block in [*blocks, None]:
        batch = parser.close() if block is None else parser.feed(block)
        if batch is None:
            continue
        assert len(batch.ids) == len(batch.lines) > 0
        assert all(batch.ids[position] == "" for position in batch.faults)
        assert parser.place > (batch.offset, batch.line)
        found.append(batch)
    return found


def flat(found: Sequence[Batch]) -> list[Row]:
    """Return batches as one list of ID, kind, line and fault."""
    return [
        (batch.ids[i], batch.kind(i), batch.lines[i], batch.faults.get(i))
        for batch in found
        for i in range(len(batch.ids))
    ]


def read(layout: Layout, data: bytes, cuts: Iterable[int] = ()) -> list[Row] | tuple[str, str]:
    """Return the records, or the error's code and place."""
    try:
        return flat(batches(layout, pieces(data, cuts)))
    except InputError as error:
        return error.code, error.where


def ids(layout: Layout, data: bytes) -> list[str]:
    """Return only the IDs, for tables."""
    return [row[0] for row in read(layout, data)]


def faults(layout: Layout, data: bytes) -> list[str | None]:
    """Return only the faults, for tables."""
    return [row[3] for row in flat(batches(layout, [data]))]


CSV_BITS = r"""a bc " "" ' \x5c ,  \n \r \r\n i, g,x\n "a"\n [ ] a,b\n \x20 \0 \x0b \x0c \x1c"""
JSON_BITS = r"""{"id":"a"}\n {"id":"b"}\r\n {"id":" "}\n \n \r \x20 x {"id":1}\n {"id":["a",2]}\n
    {"id":"a","id":"b"}\n {"\\u0069d":"c"}\n {"a":[{"id":"g"},{"id":null},3]}\n {"id":"[a,b]"}\n
    {"a":{"id":"g"}}\n {"id":"a"}\x20{"id":"b"}\n {"id":\n"a"}\n"""
ARRAY_BITS = r"""[ ] , [ ] ,
    {"id":"a"} {"id":"b"}, , \n \x20 \t "a" "a", "b] 1 nul {"id":["a",2]},\n
    {"id":"a","id":"b"}, {"\\u0069d":"c"} {"a":[{"id":"g"},{"id":null},3]}, {"id":"[a,\\"b]"}\n,
    {"records":[ {"x":1,"records":\n[ } ,"next":"x"} ]} {"id":\n"a"},\n {"id":"\\\\"},"""
NON_ASCII = [b"\xff", b"\xe9", b"\xef\xbb\xbf", *(one.encode() for one in "é\u2028\x85")]


def made_of(bits: str) -> st.SearchStrategy[bytes]:
    """Make bytes out of bits that are likely to matter, and bytes that are not ASCII."""
    known = [bit.encode().decode("unicode_escape").encode() for bit in bits.split()]
    return st.lists(st.sampled_from(known + NON_ASCII), max_size=40).map(b"".join)


csv_bytes = made_of(CSV_BITS)
json_bytes = made_of(JSON_BITS)
array_bytes = st.one_of(
    made_of(ARRAY_BITS),
    st.lists(made_of(ARRAY_BITS.replace("[ ] , [ ] ,\n", "")), max_size=9).map(
        lambda parts: b"[" + b",".join([*parts, b'{"id":"z"}']) + b"]"
    ),
)
cuts = st.lists(st.integers(0, 200), max_size=12)
json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)
person = st.fixed_dictionaries({"id": st.text(max_size=5)}, optional={"x": json_value})


@given(st.sampled_from(CSV_LAYOUTS), csv_bytes, cuts)
def test_any_cut_of_csv_gives_the_same_records(
    layout: Layout, data: bytes, where: list[int]
) -> None:
    """CSV and lines: where the blocks are cut does not matter, nor for the error at the end."""
    data = fit(layout, data)
    assert read(layout, data, where) == read(layout, data)


@given(st.sampled_from(JSON_LAYOUTS), json_bytes, cuts)
def test_any_cut_of_jsonl_gives_the_same_records(
    layout: Layout, data: bytes, where: list[int]
) -> None:
    """JSONL: where the blocks are cut does not matter."""
    assert read(layout, data, where) == read(layout, data)


@given(st.sampled_from(ARRAYS), array_bytes, cuts)
def test_any_cut_of_a_json_array_gives_the_same_records(
    layout: Layout, data: bytes, where: list[int]
) -> None:
    """A JSON array: where the blocks are cut does not matter, nor for the error at the end."""
    data = fit(layout, data)
    assert read(layout, data, where) == read(layout, data)


@given(
    st.one_of(
        st.tuples(st.sampled_from(CSV_LAYOUTS), csv_bytes),
        st.tuples(st.sampled_from(JSON_LAYOUTS), json_bytes),
        st.tuples(st.sampled_from(ARRAYS), array_bytes),
    ),
    cuts,
    cuts,
)
def test_a_parser_opened_at_any_batch_gives_the_same_rest(
    what: tuple[Layout, bytes], where: list[int], again: list[int]
) -> None:
    """Resuming at the place of any batch gives exactly the records from there on."""
    layout, data = what[0], fit(*what)
    try:
        found = batches(layout, pieces(data, where))
    except InputError:
        return
    for number, batch in enumerate(found):
        place = batch.offset, batch.line
        rest = batches(layout, pieces(data[batch.offset :], again), place)
        assert flat(rest) == flat(found[number:])


@given(
    st.sampled_from([*CSV_LAYOUTS, *JSON_LAYOUTS, *ARRAYS]),
    st.one_of(csv_bytes, json_bytes, array_bytes),
    cuts,
)
def test_keeping_the_cells_changes_nothing_else(
    layout: Layout, data: bytes, where: list[int]
) -> None:
    """With cells, the records are the same, and the cells are as many."""
    data = fit(layout, data)
    plain = read(layout, data)
    if isinstance(plain, tuple):
        with pytest.raises(InputError, match=plain[1]):
            batches(layout, pieces(data, where), keep_cells=True)
        return
    kept = batches(layout, pieces(data, where), keep_cells=True)
    assert flat(kept) == plain
    assert all(len(batch.cells or ()) == len(batch.ids) for batch in kept)


cell = st.text(st.sampled_from('ab ,"\n\ré\x85\u2028\x0b\0'), max_size=6)


def quoted(one: str, *, always: bool) -> str:
    """Write a cell as RFC 4180 has it."""
    if always or any(c in one for c in '",\r\n'):
        return '"' + one.replace('"', '""') + '"'
    return one


@given(
    st.lists(st.tuples(cell, cell), max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    cuts,
)
def test_valid_csv_is_read_as_the_csv_module_reads_it(
    rows: list[tuple[str, str]], end: str, always: bool, where: list[int]
) -> None:
    """What RFC 4180 can write comes back exactly, quotes, delimiters and line ends included."""
    text = "".join(f"{quoted(a, always=always)},{quoted(b, always=always)}{end}" for a, b in rows)
    oracle = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))]
    assert oracle == rows
    found = batches(TWO, pieces(text.encode(), where), keep_cells=True)
    assert [tuple(cells) for batch in found for cells in batch.cells or ()] == rows
    assert [row[0] for row in flat(found)] == [b for _, b in rows]
    assert read(TWO, text.encode(), where) == flat(found)


odd_text = st.text("a\"', ;\n\r\té\u2028=\\", min_size=1)


@given(st.lists(st.tuples(odd_text, odd_text), min_size=1), cuts)
def test_what_is_written_as_csv_is_read_as_pyarrow_reads_it(
    rows: list[tuple[str, str]], where: list[int]
) -> None:
    """With line ends, quotes and delimiters inside: a reader of another descent."""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    data = file.getvalue().encode()
    table = pyarrow.csv.read_csv(
        io.BytesIO(data),
        pyarrow.csv.ReadOptions(column_names=["id", "x"], use_threads=False),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(column_types={"id": "string", "x": "string"}),
    )
    theirs = table.column("id").to_pylist()
    assert [row[0] for row in read(FIRST_OF_TWO, data, where)] == theirs == [a for a, _ in rows]


@given(st.lists(person, min_size=1, max_size=6), st.booleans(), cuts)
def test_what_is_written_as_json_lines_is_read_as_msgspec_reads_it(
    people: list[dict[str, str]], ascii_only: bool, where: list[int]
) -> None:
    """With anything beside the IDs."""
    lines = (json.dumps(one, ensure_ascii=ascii_only) for one in people)
    data = "".join(f"{line}\n" for line in lines).encode()
    theirs = [one["id"] for one in msgspec.json.Decoder().decode_lines(data)]
    assert [row[0] for row in read(JSONL, data, where)] == theirs == [one["id"] for one in people]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"))), cuts)
def test_i3_odd_characters_never_split_a_line(lines: list[str], where: list[int]) -> None:
    """NUL, NEL, U+2028 and the like are part of an ID: only CR and LF end a line."""
    data = "".join(f"{line}\n" for line in lines).encode()
    expected = [(one, IDENT, line, None) for line, one in enumerate(lines, 1) if one]
    assert read(LINES, data, where) == expected
    data = "".join(json.dumps({"id": one}) + "\n" for one in lines).encode()
    expected = [(one, IDENT, line, None) for line, one in enumerate(lines, 1)]
    assert read(JSONL, data, where) == expected


@pytest.mark.parametrize("layout", [ONE, LINES])
def test_i4_mixed_line_ends_give_the_same_ids(layout: Layout) -> None:
    """CR, LF and CRLF end a line alike, and count as one."""
    assert read(layout, b"a\nb\r\nc\rd\r\re") == [
        ("a", IDENT, 1, None),
        ("b", IDENT, 2, None),
        ("c", IDENT, 3, None),
        ("d", IDENT, 4, None),
        ("e", IDENT, 6, None),
    ]


def test_line_ends_inside_quotes_are_kept_exactly() -> None:
    """A quoted cell keeps its LF, CR and CRLF, and its record starts on its first line."""
    data = b'x,"a\nb\r\nc\rd"\r\ny,e\n'
    assert read(TWO, data) == [("a\nb\r\nc\rd", IDENT, 1, None), ("e", IDENT, 5, None)]


def test_blank_lines_are_no_records_but_empty_cells_are() -> None:
    """A line of no length is skipped; an empty cell is an ID of no length, judged elsewhere."""
    assert read(ONE, b'\na\n\n""\n') == [("a", IDENT, 2, None), ("", IDENT, 4, None)]
    assert read(TWO, b"x,\n\ny,b") == [("", IDENT, 1, None), ("b", IDENT, 3, None)]
    assert read(ONE, b"\n\n") == []
    assert read(LINES, b" \n") == [(" ", IDENT, 1, None)]


def test_lines_are_taken_exactly() -> None:
    """In lines, quotes and delimiters mean nothing."""
    assert ids(LINES, b'"a","b"\n"\n') == ['"a","b"', '"']


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'x,"a"b\ny,c\n', ["bad_quotes", None]),
        (b'"x"y,"a\nb"\nz,c\n', ["bad_quotes", None]),
        (b'x,a"b\n', [None]),
        (b"x\ny,b\n", ["ragged", None]),
        (b"x,a,b\ny\n", ["ragged", "ragged"]),
        (b'"x",a,b\ny,c\n', ["ragged", None]),
        (b"x,\xff\ny,b\n", ["bad_encoding", None]),
        (b'"\xff",a\ny,b\n', ["bad_encoding", None]),
        (b'x,"a"b\n\nx,"a"b', ["bad_quotes", "bad_quotes"]),
        (b'x,a\n\ny,"b"\n', [None, None]),
    ],
)
def test_i7_an_odd_record_is_a_fault_of_its_own(data: bytes, expected: list[str | None]) -> None:
    """A record that cannot be read is a fault, and the next one is read again."""
    assert faults(TWO, data) == expected


def test_a_delimiter_in_a_one_column_file_is_ragged() -> None:
    """One column means one cell: a delimiter is not taken for a part of the ID."""
    assert read(ONE, b"a,b\nc\n") == [("", IDENT, 1, "ragged"), ("c", IDENT, 2, None)]


def test_a_bad_record_ends_where_a_spreadsheet_would_end_it() -> None:
    """A quoted line end after a misplaced quote does not start a record of its own."""
    assert read(TWO, b'"x"y,"a\nz,b"\nq,c\n') == [
        ("", IDENT, 1, "bad_quotes"),
        ("c", IDENT, 3, None),
    ]


@pytest.mark.parametrize("cut", [0, 1, 5, 9])
def test_i5_unterminated_quote_is_refused(cut: int) -> None:
    """A quote that never closes stops the reading, with the line where its record starts."""
    assert read(TWO, b'x,a\ny,"b\nz,c\n', [cut]) == ("unterminated_quote", "line 2")
    assert read(TWO, b'x,a\n"y"z,"b\nz,c\n', [cut]) == ("unterminated_quote", "line 2")
    assert read(HEADED, b'identity,"name\n', [cut]) == ("unterminated_quote", "line 1")


LONG = b"x" * (MAX_RECORD + 1)


@pytest.mark.parametrize("size", [1 << 10, 1 << 15, 1 << 18, 1 << 22])
@pytest.mark.parametrize(
    ("layout", "data"),
    [
        (LINES, b"a\n" + LONG + b"\nb\n"),
        (ONE, b"a\r" + LONG + b"\rb\r"),
        (JSONL, b'{"id":"a"}\n{"id":"' + LONG + b'"}\n{"id":"b"}\n'),
        (TWO, b'x,"a"\nx,"' + LONG + b'"\ny,b\n'),
        (TWO, b'x,a\nx,"' + b"y\n" * MAX_RECORD + b'"\n"y",b\n'),
        (TWO, b'x,a\nx,"' + b"y\n" * (MAX_RECORD // 2) + b'"\n' + b"y,b\n" * 9),
        (TWO, b'x,a\nx,"' + b"y\n" * MAX_RECORD + b"z,a\n" * 9),
        (TWO, b'x,a\nx,"' + LONG + b"\nz,a"),
        (TWO, b'x,"a"\nx,"y"' + LONG * 3 + b'"\n'),
    ],
)
def test_i6_a_record_over_the_cap_is_refused(layout: Layout, data: bytes, size: int) -> None:
    """More than 64 KiB in one record stop the reading, however the blocks are cut."""
    assert read(layout, data, range(0, len(data), size)) == ("record_too_long", "line 2")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("layout", "frame"), [(ONE, b"%s"), (TWO, b'x,"%s"'), (JSONL, b'{"id":"%s"}')]
)
def test_i6_a_record_of_just_the_cap_is_read(layout: Layout, frame: bytes, end: bytes) -> None:
    """64 KiB without the line end are allowed."""
    one = b"y" * (MAX_RECORD - len(frame) + 2)
    rows = read(layout, (frame % one + end) * 2, range(0, 3 * MAX_RECORD, 4096))
    assert [row[0] for row in rows] == [one.decode()] * 2


def test_i6_memory_stays_flat_on_an_endless_line() -> None:
    """The cap is noticed with the block that passes it, not at the end."""
    parser = open_parser(LINES)
    with pytest.raises(InputError, match="line 1") as caught:
        parser.feed(LONG)
    assert caught.value.code == "record_too_long"


@pytest.mark.parametrize("step", [1, 2, 3, 100])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_i2_byte_order_mark_and_header_are_stepped_over(bom: bytes, step: int) -> None:
    """The mark, blank lines and the header, quoted line ends and all, are no records."""
    data = bom + b'\r\n\n"a\nb",name\nx,y\n'
    layout = Layout(Format.CSV, delimiter=",", width=2, kind=GUID, has_header=True, bom=len(bom))
    found = batches(layout, pieces(data, range(0, len(data), step)))
    assert flat(found) == [("x", GUID, 5, None)]
    assert found[0].offset == data.index(b"x,y")


def test_a_bom_alone_or_cut_off_is_nothing() -> None:
    """A part that ends within or after its mark holds no records."""
    assert read(HEADED, b"\xef\xbb\xbf") == []
    assert read(HEADED, b"") == []
    assert read(HEADED, b"\xef\xbb\xbf\n\n", [4]) == []


def test_place_is_that_of_the_next_record() -> None:
    """The place moves with what was returned, not with what was fed."""
    parser = open_parser(ONE)
    assert parser.place == (0, 1)
    assert parser.feed(b"abc") is None
    assert parser.place == (0, 1)
    assert parser.feed(b"\r") is None
    parser.feed(b"\nde")
    assert parser.place == (5, 2)


def test_typed_lists_name_the_kind_of_each_id() -> None:
    """`i` and `g`, in any case, are kinds; anything else is a fault."""
    assert read(TYPED, b"i,a\nG,b\nI,c\n") == [
        ("a", IDENT, 1, None),
        ("b", GUID, 2, None),
        ("c", IDENT, 3, None),
    ]
    assert read(TYPED, b'i,"a"\ng,b\n') == [("a", IDENT, 1, None), ("b", GUID, 2, None)]
    assert read(TYPED, b"g,a\nx,b\n") == [("a", GUID, 1, None), ("", IDENT, 2, "unknown_type")]
    assert read(TYPED, b'g,"a"\nx,b\n') == [("a", GUID, 1, None), ("", IDENT, 2, "unknown_type")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abc", ["abc"]),
        (" [a]", [" [a]"]),
        ("[]", []),
        ("[  ]", []),
        ("[a]", ["a"]),
        ("[a, b c ,d] ", ["a", "b c", "d"]),
        ('[ "a, b", "c\\u00e9" ]', ["a, b", "cé"]),
        ('["a", b]', ["a", "b"]),
        ('[""]', [""]),
        ("[", None),
        ("[a", None),
        ("[a,]", None),
        ("[,a]", None),
        ('[a"b]', None),
        ('["a"b]', None),
        ("[a[b]", None),
        ('["\\ud800"]', None),
        ("[" + " " * 60_000 + 'x"]', None),
    ],
)
def test_lists_are_taken_apart(value: str, expected: list[str] | None) -> None:
    """Bracketed lists, bare or as JSON, give their items; malformed ones are one fault."""
    cells = '"' + value.replace('"', '""') + '"\n'
    rows = (
        [(one, IDENT, 1, None) for one in expected]
        if expected is not None
        else [("", IDENT, 1, "bad_list")]
    )
    assert read(LISTS, cells.encode()) == rows
    assert read(JSON_LISTS, json.dumps({"id": value}).encode()) == rows


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id":"a"}', "a"),
        (b' {"x":{"id":"z","y":"\\u0041"},"id":"a"} ', "a"),
        (b'{"x":"id","id":"a"}', "a"),
        (b'{"\\u0069d":"a"}', "a"),
        (b'{"id":""}', ""),
        (b'{"id":1}', "not_a_string"),
        (b'{"id":1.5}', "not_a_string"),
        (b'{"id":true}', "not_a_string"),
        (b'{"id":null}', "not_a_string"),
        (b'{"id":{}}', "not_a_string"),
        (b'{"id":[["a"]]}', "not_a_string"),
        (b'{"id":"a","id":"b"}', "duplicate_key"),
        (b'{"id":"a","\\u0069d":"b"}', "duplicate_key"),
        (b'{"x":"a"}', "missing_key"),
        (b"[]", "not_an_object"),
        (b'"id"', "not_an_object"),
        (b'{"id":"\\ud800"}', "bad_json"),
        (b'{"id":NaN}', "bad_json"),
        (b'{"id":"a"} {"id":"b"}', "bad_json"),
        (b'{"id":"a"', "bad_json"),
        (b'{"id":"a","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "bad_json"),
        (b'{"id":"\xff"}', "bad_encoding"),
        (b'{"id":"a","x":"\xff"}', "bad_encoding"),
    ],
)
def test_i10_only_strings_are_ids(line: bytes, expected: str) -> None:
    """JSON is taken by its letter: strings only, no key twice, nothing that is not JSON."""
    fault = expected if "_" in expected else None
    row = ("" if fault else expected, IDENT, 1, fault)
    assert read(JSONL, line) == [row]
    after = ("b", IDENT, 3, None)
    assert read(JSONL, line + b'\n\r\n{"id":"b"}\r\n') == [row, after]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "0"),
        ("1234567890123456789012", "1234567890123456789012"),
        ("7" * 1025, "7" * 1025),
        ('"007"', "007"),
        ('[1,"2"]', "1 2"),
        ("-1", None),
        ("-0", None),
        ("1.0", None),
        ("1e3", None),
        ("true", None),
        ("null", None),
    ],
)
def test_i10_whole_numbers_where_they_are_asked_for(value: str, expected: str | None) -> None:
    """By their digits, whether many lines are decoded at once, one by one, or out of an array."""
    line = b'{"id":%s}' % value.encode()
    wanted = ["", ""] if expected is None else [one for one in expected.split(" ") for _ in "ab"]
    if value.startswith("["):
        wanted = expected.split(" ") * 2 if expected else []
    fault = "not_a_string" if expected is None else None
    array = replace(NUMBERED, format=Format.JSON)
    for layout, data in (
        (NUMBERED, line + b"\n" + line + b"\n"),
        (NUMBERED, line + b"\n" + line.replace(b"id", b"\\u0069d") + b"\n"),
        (array, b"[%s,%s]" % (line, line)),
    ):
        rows = read(layout, data)
        assert [(row[0], row[3]) for row in rows] == [(one, fault) for one in wanted]


@given(
    st.lists(
        st.one_of(
            st.integers().map(str),
            st.integers(10**18, 10**40).map(str),
            st.sampled_from(["-0", "1.0", "1e2", "true", "null", '"-0"', '"a"', '"7"']),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_numbers_at_once_are_numbers_one_by_one(values: list[str]) -> None:
    """A decoder reads them as numbers, the slow way as text: it comes to the same."""
    lines = [b'{"id":%s}\n' % value.encode() for value in values]
    slow = [b'{"\\u0069d":%s}\n' % value.encode() for value in values]
    assert read(NUMBERED, b"".join(lines)) == read(NUMBERED, b"".join(slow))


def test_i10_an_array_of_strings_counts_each() -> None:
    """Each string of an array is an ID; an empty array is nothing; others are faults."""
    assert read(JSONL, b'{"id":["a","b",3]}\n{"id":[]}\n') == [
        ("a", IDENT, 1, None),
        ("b", IDENT, 1, None),
        ("", IDENT, 1, "not_a_string"),
    ]


def test_a_key_with_more_than_one_spelling_is_read_with_care() -> None:
    """A slash may be escaped in JSON, so such a key is never counted in the raw text."""
    layout = Layout(Format.JSONL, path=("a/b",), kind=IDENT)
    assert read(layout, b'{"a\\/b":"x","a/b":"y"}') == [("", IDENT, 1, "duplicate_key")]
    assert read(layout, b'{"a\\/b":"x"}') == [("x", IDENT, 1, None)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a":[{"id":"x"},{"id":"y"}]}', [("x", None), ("y", None)]),
        (b'{"a":[]}', []),
        (b'{"a":[{"id":"x"},{},3]}', [("x", None), ("", "missing_key"), ("", "not_an_object")]),
        (b'{"a":{"id":"x"}}', [("", "not_an_array")]),
        (b"{}", [("", "missing_key")]),
        (b'{"a":[{"id":"x","id":"x"}]}', [("", "duplicate_key")]),
    ],
)
def test_paths_go_into_arrays(line: bytes, expected: list[tuple[str, str | None]]) -> None:
    """`a[].id` takes the ID of each element, or says for each why there is none."""
    assert read(NESTED, line) == [(one, GUID, 1, fault) for one, fault in expected]


def test_paths_go_into_objects() -> None:
    """`a.id` takes the ID of the inner object."""
    assert ids(DOTTED, b'{"id":"z","a":{"id":"x"}}') == ["x"]
    assert faults(DOTTED, b'{"a":"x"}\n{"a":{}}') == ["not_an_object", "missing_key"]


def test_latin_1_is_read_as_such() -> None:
    """In latin-1 every byte is a character, 0x85 too, and places are still those of the bytes."""
    assert ids(LATIN, b"\xe9\x85\n\xff") == ["é\x85", "ÿ"]
    assert read(JSON_LATIN, b'{"id":"\xc3\xa9"}\n{"id":"\xff"}') == [
        ("Ã©", IDENT, 1, None),
        ("ÿ", IDENT, 2, None),
    ]


def test_cells_are_those_of_the_record() -> None:
    """Kept cells are the record's own: its columns, its line, or its raw JSON."""
    assert [batch.cells for batch in batches(TWO, [b"x,a\ny\n"], keep_cells=True)] == [
        [["x", "a"], ["y"]]
    ]
    assert batches(LINES, [b"a\r\n"], keep_cells=True)[0].cells == [["a"]]
    line = b'{"id": ["a", "b"]}\r\n\xff\n'
    assert batches(JSONL, [line], keep_cells=True)[0].cells == [
        ('{"id": ["a", "b"]}',),
        ('{"id": ["a", "b"]}',),
        ("\udcff",),
    ]


def test_an_empty_layout_yields_nothing() -> None:
    """The layout of an empty part reads blank lines, and takes anything else for a fault."""
    layout = Layout(Format.CSV, empty=True)
    assert read(layout, b"\n") == []
    assert faults(layout, b"x\n") == ["ragged"]


@given(
    st.lists(person, max_size=6), st.sampled_from([None, 0, 2]), st.booleans(), st.booleans(), cuts
)
def test_a_json_array_is_read_as_the_json_module_reads_it(
    people: list[dict[str, str]], indent: int | None, ascii_only: bool, answer: bool, at: list[int]
) -> None:
    """Written in any way, with anything beside the IDs, in an API's answer or not."""
    what = {"status": "success", "x": {"records": ["]"]}, "records": people, "next": [1]}
    text = json.dumps(what if answer else people, indent=indent, ensure_ascii=ascii_only)
    layout = Layout(Format.JSON, path=("id",), kind=IDENT, envelope=answer)
    data = f" {text}\n".encode()
    kept = batches(layout, pieces(data, at), keep_cells=True)
    assert [json.loads(cells[0]) for batch in kept for cells in batch.cells or ()] == people
    assert [row[0] for row in flat(kept)] == [one["id"] for one in people]
    rows = read(layout, data, at)
    assert rows == flat(kept)
    lines = data.decode().split("\n")
    assert all("{" in lines[row[2] - 1] for row in flat(kept))


@pytest.mark.parametrize(
    ("layout", "data", "place", "why"),
    [
        (ARRAY, b'[{"id":"a"},\n{"id":"b"}', (2, 1), "has an element here that never ends"),
        (ARRAY, b'[{"id":"a"}\n{"id":"b"}]', (1, 2), "no comma or ] after it"),
        (ARRAY, b'[{"id":"a"},\n]', (2, 1), "with ']', where an element should come"),
        (ARRAY, b'[\n,{"id":"a"}]', (2, 1), "with ',', where an element, or ] should come"),
        (ARRAY, b'[{"id":"a"}, // b\n', (1, 14), "goes on here with '/'"),
        (ARRAY, '[{"id":"é"},,'.encode(), (1, 13), "goes on here with ','"),
        (ARRAY, b'[{"id":"a"}]\n\n,', (3, 1), "',', where a JSON array, or the end"),
        (ARRAY, b'[{"id":"a"}]\nann', (2, 1), "goes on here with something, where"),
        (ARRAY, b'\n{"id":"a"}', (2, 1), "goes on here with '{'"),
        (ARRAY, b'[{"id":"a"}', (1, 2), "has an element here"),
        (ARRAY, b'[{"id":"a"},', (1, 13), "ends here, where an element should come"),
        (ARRAY, b"[", (1, 2), "ends here, where an element, or ] should come"),
        (ARRAY, b'[{"id":"a"},\n' + b"[" * 99 + b"]" * 99 + b"]", (2, 1), "is too deep"),
        (ANSWER, b'{"records":[{"a":[]}]', (1, 22), "ends here, where another member"),
        (ANSWER, b'{"records":[]\n,"x"}', (2, 1), "goes on here with ','"),
        (ANSWER, b'{"next":1}', (1, 1), "goes on here with '{'"),
    ],
)
def test_a_json_array_that_is_broken_is_refused(
    layout: Layout, data: bytes, place: tuple[int, int], why: str
) -> None:
    """What is not whole, or has something else between its elements: where, and what is there."""
    for size in (1, 5, len(data)):
        parser = open_parser(layout)
        for start in range(0, len(data), size):
            parser.feed(data[start : start + size])
        with pytest.raises(InputError, match=f"line {place[0]}, column {place[1]}: ") as caught:
            parser.close()
        assert caught.value.code == "broken_json"
        assert why in str(caught.value)


def test_a_broken_array_that_was_not_read_from_its_start() -> None:
    """Its column is not known where its line began earlier; on a later line it is."""
    for data, place in ((b'{"id":"a"},,', "line 9: "), (b'{"id":"a"},\n,', "line 10, column 1: ")):
        parser = open_parser(ARRAY, offset=70, line=9)
        parser.feed(data)
        with pytest.raises(InputError, match=f"^{place}"):
            parser.close()


@pytest.mark.parametrize(
    "data",
    [
        b'{"records":[{"a":[]}],"x":1,"records":[{"a":[{"id":"b"}]}]}',
        b'{"records":[{"a":[]}],"x":1,"r\\u0065cords":[{"a":[{"id":"b"}]}]}',
        b'{"records":[{"a":[]}],"r\\"\\u0065":1}',
        b'{"r\\u0065cords":[{"a":[{"id":"b"}]}],"records":[{"a":[]}]}',
    ],
)
def test_i10_an_answer_has_its_records_once(data: bytes) -> None:
    """Equal keys are refused here, too: the second array would be passed over without a word."""
    assert read(ANSWER, data)[0] == "broken_json"


def test_what_is_wrong_in_an_element_is_a_fault_of_its_own() -> None:
    """The others are read."""
    data = b'[{"id":"a"},\n{"id":1}, {"x":"b"},\n{"id":"c"],{"id":"\xff"},\n\n3,{"id":NaN}]\n'
    assert read(ARRAY, data) == [
        ("a", IDENT, 1, None),
        ("", IDENT, 2, "not_a_string"),
        ("", IDENT, 2, "missing_key"),
        ("", IDENT, 3, "bad_json"),
        ("", IDENT, 3, "bad_encoding"),
        ("", IDENT, 5, "not_an_object"),
        ("", IDENT, 5, "bad_json"),
    ]
    assert read(TEXTS, b'["a",1,["b","c"],null]') == [
        ("a", IDENT, 1, None),
        ("", IDENT, 1, "not_a_string"),
        ("b", IDENT, 1, None),
        ("c", IDENT, 1, None),
        ("", IDENT, 1, "not_a_string"),
    ]
    assert read(LATIN_ARRAY, b'[{"id":"\xe9"}]') == [("é", IDENT, 1, None)]


def test_arrays_may_follow_each_other() -> None:
    """Answers that were put together are one list."""
    page = b'{"status":"success","records":[{"a":[{"id":"x"}]}],"next_cursor":"b"}\n'
    assert read(ANSWER, page + b'{"records":[]}' + page) == [
        ("x", GUID, 1, None),
        ("x", GUID, 2, None),
    ]
    assert ids(ARRAY, b'[{"id":"a"}]\n[]\n[{"id":"b"}]') == ["a", "b"]


@pytest.mark.parametrize("size", [1 << 10, 1 << 15, 1 << 18, 1 << 22])
@pytest.mark.parametrize(
    "element",
    [
        b'{"id":"' + LONG + b'"}',
        b'{"id":"b"}' + b" " * 3 * MAX_RECORD,
        b"[" * MAX_RECORD * 2,
        b'{"id":"' + LONG * 3,
    ],
)
def test_i6_an_element_over_the_cap_is_refused(element: bytes, size: int) -> None:
    """Also one that never ends, and space without end before the next comma."""
    data = b'[{"id":"a"},\n' + element + b',{"id":"c"}]'
    assert read(ARRAY, data, range(0, len(data), size)) == ("record_too_long", "line 2")


def test_i6_space_between_elements_is_not_kept() -> None:
    """However much of it there is."""
    data = b'[\n{"id":"a"},' + b"\n" * 3 * MAX_RECORD + b'{"id":"b"}' + b" " * MAX_RECORD + b"]"
    rows = read(ARRAY, data, range(0, len(data), 4096))
    assert rows == [("a", IDENT, 2, None), ("b", IDENT, 2 + 3 * MAX_RECORD, None)]


@given(
    st.lists(st.tuples(cell, cell), max_size=8),
    st.sampled_from(["'", "", '"']),
    st.sampled_from(["\\", ""]),
    cuts,
)
def test_any_dialect_is_read_as_the_csv_module_reads_it(
    rows: list[tuple[str, str]], quote: str, escape: str, where: list[int]
) -> None:
    """What the csv module writes with other quotes, none, or an escape comes back exactly."""
    said: dict[str, Any] = {
        "quotechar": quote or None,
        "escapechar": escape or None,
        "quoting": csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    }
    if not escape:
        rows = [(a.translate(PLAIN), b.translate(PLAIN)) for a, b in rows]
    file = io.StringIO(newline="")
    csv.writer(file, doublequote=not escape, lineterminator="\r\n", **said).writerows(rows)
    text = file.getvalue()
    oracle = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), **said)]
    layout = Layout(
        Format.CSV, delimiter=",", width=2, column=1, kind=IDENT, quote=quote, escape=escape
    )
    found = batches(layout, pieces(text.encode(), where), keep_cells=True)
    assert [tuple(cells) for batch in found for cells in batch.cells or ()] == oracle
    assert quote != "'" or oracle == rows
    assert read(layout, text.encode(), where) == flat(found)


PLAIN = str.maketrans(dict.fromkeys(',"\n\r', "x"))


def test_i5_without_quotes_none_can_be_left_open() -> None:
    """A stray quote is part of the ID when quotes mean nothing."""
    assert ids(BARE, b'x,"a\ny,b"c\n') == ['"a', 'b"c']
    assert read(QUOTED, b"x,a\ny,'b\nz,c\n") == ("unterminated_quote", "line 2")
    assert read(ESCAPED, b'x,a\ny,"b\\"\nz,c\n') == ("unterminated_quote", "line 2")
