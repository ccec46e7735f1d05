"""What the head of a part says about its layout, and what has to be said by the user."""

import codecs
import gzip

import pytest

from bulkdelete.core.layout import Format, Layout, Reading, sniff
from bulkdelete.core.model import Kind
from bulkdelete.errors import InputError, UsageError

IDENT, GUID = Kind.IDENTITY, Kind.GUID
BOTH = "identity, all_identities, clevertapId, clevertapIds"


def look(
    head: bytes | str, name: str = "x.csv", reading: Reading | None = None, *, complete: bool = True
) -> Layout:
    """Sniff a short part."""
    data = head.encode() if isinstance(head, str) else head
    return sniff(data, name, reading or Reading(), complete=complete)


def code(
    head: bytes | str, name: str = "x.csv", reading: Reading | None = None, *, complete: bool = True
) -> str:
    """Return the code of the error that sniffing must end with."""
    with pytest.raises(UsageError) as caught:
        look(head, name, reading, complete=complete)
    assert name in str(caught.value) or caught.value.code in {"encoding", "dialect", "bad_column"}
    return caught.value.code


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        ("identity\na\n", "x.csv", Format.CSV),
        ("identity\na\n", "X.CSV.GZ", Format.CSV),
        ("identity\ta\n", "x.tsv", Format.CSV),
        ('{"identity":"a"}\n', "x.ndjson", Format.JSONL),
        ('\n {"identity":"a"}\n', "x", Format.JSONL),
        ("identity\na\n", "x.txt", Format.CSV),
        ('\nname;"Object_Id"\na;b\n', "x.txt", Format.CSV),
        ("name|clevertap id\n", "x.gz", Format.CSV),
    ],
)
def test_format_is_found_by_name_and_content(head: str, name: str, expected: Format) -> None:
    """The extension decides, else the first line."""
    assert look(head, name).format is expected


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (Reading(id_type=IDENT), Format.LINES),
        (Reading(id_type=IDENT, column="user"), Format.CSV),
        (Reading(id_type=IDENT, delimiter=";"), Format.CSV),
        (Reading(id_type=IDENT, header=False), Format.CSV),
        (Reading(id_type=IDENT, format=Format.CSV), Format.CSV),
    ],
)
def test_format_follows_what_was_said(reading: Reading, expected: Format) -> None:
    """A flag about columns means CSV; without one, a file with no delimiter is lines."""
    layout = look("user\nu-1\n", "x.txt", reading)
    assert (layout.format, layout.kind) == (expected, IDENT)


def test_i7_what_could_be_both_has_to_be_said() -> None:
    """A delimiter and no known header: CSV or lines, only the user knows."""
    assert code("user;name\na;b\n", "x.txt", Reading(id_type=IDENT)) == "ambiguous_format"


@pytest.mark.parametrize(
    ("head", "path", "kind"),
    [
        ('[{"identity":"a"}]', ("identity",), IDENT),
        (' [\n{"x":"]","guid":\n"a"},', ("guid",), GUID),
        ('[{"a":[{"b":{}}],"objectId":"x"}]', ("objectId",), GUID),
        ('{"status":"success","records":[{"identity":"a"}]}', ("identity",), IDENT),
        ('{ "a": {"records": []}, "records" : [ {"identity":"a"} ,', ("identity",), IDENT),
    ],
)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl.gz", "x"])
def test_a_json_array_is_known_by_content(
    head: str, path: tuple[str, ...], kind: Kind, name: str
) -> None:
    """Also under the name of JSONL, and where it is the records of an API's answer."""
    layout = look(head, name, complete=head.endswith(("]", "}")))
    assert (layout.format, layout.path, layout.kind) == (Format.JSON, path, kind)
    assert layout.envelope is head.startswith("{")
    assert layout.is_json


def test_a_json_array_of_ids() -> None:
    """Text among the elements is the ID itself; its kind has to be said."""
    layout = look('["a", "b"]', "x.json", Reading(id_type=GUID))
    assert (layout.path, layout.kind, layout.empty) == ((), GUID, False)
    assert code('["a"]', "x.json") == "id_type_needed"


@pytest.mark.parametrize(
    ("head", "numbers"),
    [
        ("[12, 3]", True),
        ("[\n 12\n]", True),
        ("[-1]", True),
        ("[1.5e3,2]", False),
        ("[null,12]", False),
        ("[true]", False),
    ],
)
def test_i10_an_array_of_numbers_is_json(head: str, *, numbers: bool) -> None:
    """Not lines of brackets and commas; its numbers are IDs where that is said."""
    assert code(head, "x.txt", Reading(id_type=GUID)) == "no_json_record"
    said = Reading(id_type=GUID, normal=("numbers",))
    if numbers:
        layout = look(head, "x.txt", said)
        assert (layout.format, layout.path, layout.kind) == (Format.JSON, (), GUID)
    else:
        assert code(head, "x.txt", said) == "no_json_record"


def test_lists_in_brackets_are_lines_where_they_are_taken_apart() -> None:
    """A profile export's, of numbers: each line is a list, not all of them an array."""
    layout = look("[12]\n[3,4]\n", "x.txt", Reading(id_type=GUID, explode=True))
    assert (layout.format, layout.is_list) == (Format.LINES, True)


@pytest.mark.parametrize("head", ["[]", " [ ]\n", '{"status":"success","records":[ ],"next":1}'])
def test_i1_an_empty_json_array_is_no_failure(head: str) -> None:
    """No element, no ID."""
    layout = look(head, "x.json")
    assert (layout.format, layout.empty) == (Format.JSON, True)
    assert look("\n", "x.json", Reading(format=Format.JSON)).empty


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("[", "broken_json"),
        ('[{"a":"b"', "broken_json"),
        ("[]x", "broken_json"),
        ('["a" "b"]', "broken_json"),
        ("[[1]]", "no_json_record"),
        ('[["a"],', "no_json_record"),
        ("[{}]", "no_json_record"),
        ('[{"a":NaN}]', "no_json_record"),
        ('[{"a":1,"b":2}]', "column_needed"),
    ],
)
def test_a_json_array_that_shows_no_record_is_refused(head: str, expected: str) -> None:
    """Its first element shows where the IDs are, or nothing is read."""
    assert code(head, "x.json", Reading(id_type=IDENT)) == expected


def test_the_first_element_need_not_show_the_key_that_is_named() -> None:
    """Records need not have the same keys."""
    said = Reading(column="a[].guid")
    assert look('[{"b":1}]', "x.json", said).path == ("a[]", "guid")
    assert look("[{}]", "x.json", said).path == ("a[]", "guid")
    assert look('["x"]', "x.json", said).path == ("a[]", "guid")


def test_json_that_is_said_to_be_an_array_must_be_one() -> None:
    """--format json with something else."""
    said = Reading(format=Format.JSON, id_type=IDENT)
    assert code("identity\na\n", "x", said) == "broken_json"
    assert code('{"identity":"a"}\n', "x", said) == "broken_json"


def test_lines_that_are_said_to_be_json_must_show_one() -> None:
    """--format jsonl with an array over many lines."""
    said = Reading(format=Format.JSONL, id_type=IDENT)
    assert code('[\n{"identity":\n"a"}]', "x", said) == "no_json_lines"


def test_a_bracketed_line_is_no_json_array() -> None:
    """A bracket alone does not make JSON."""
    assert look("[a]\n", "x.txt", Reading(id_type=IDENT)).format is Format.LINES


@pytest.mark.parametrize(
    ("header", "column", "kind", "is_list"),
    [
        ("identity", 0, IDENT, False),
        ("GUID", 0, GUID, False),
        ("name,Object Id", 1, GUID, False),
        ("name,CleverTap-ID,x", 1, GUID, False),
        ("identity,all_identities", 0, IDENT, False),
        ("x,all_identities", 1, IDENT, True),
        ("clevertapIds,clevertapId", 1, GUID, False),
        ("clevertapIds", 0, GUID, True),
        ('"identity"', 0, IDENT, False),
    ],
)
def test_known_headers_say_column_and_kind(
    header: str, column: int, kind: Kind, is_list: bool
) -> None:
    """A known header name needs no flag; a column of single IDs beats one of lists."""
    layout = look(header + "\n")
    assert (layout.column, layout.kind, layout.is_list) == (column, kind, is_list)
    assert layout.has_header
    assert layout.width == header.count(",") + 1


def test_a_profile_export_needs_the_kind_or_the_column() -> None:
    """With both kinds of ID in the header, one has to be chosen."""
    header = BOTH.replace(" ", "")
    assert code(header) == "which_column"
    assert look(header, reading=Reading(id_type=GUID)).column == 2
    layout = look(header, reading=Reading(column="all_identities"))
    assert (layout.column, layout.is_list, layout.kind) == (1, True, IDENT)
    assert code("objectId,guid\n") == "which_column"
    every = Reading(any_known=True)
    assert look(header, reading=every).column == 0
    assert look("name,objectId,guid\n", reading=every).column == 1


def test_typed_lists_are_known_by_their_header() -> None:
    """`Type` beside `Identity` says the kind of each ID, so no flag may say it again."""
    layout = look("Type,Identity\ni,a\n")
    assert (layout.type_column, layout.column, layout.kind) == (0, 1, None)
    assert look("Type,Identity\n", reading=Reading(column="Identity")).type_column == 0
    assert code("Type,Identity\n", reading=Reading(id_type=IDENT)) == "kind_against_header"
    named = look("Type,Identity,email\n", reading=Reading(column="email", id_type=IDENT))
    assert (named.type_column, named.column) == (None, 2)


def test_i7_missing_or_duplicate_columns_are_refused() -> None:
    """A named column must be there, once; the error lists what there is."""
    with pytest.raises(InputError, match="there are: 'name', 'user_id'") as caught:
        look("name,user_id\n", reading=Reading(column="identity"))
    assert caught.value.code == "missing_column"
    assert code("identity,identity\n", reading=Reading(column="identity")) == "duplicate_column"
    assert code("Id,ID\n", reading=Reading(column="id")) == "duplicate_column"
    assert code("identity,Identity\n") == "duplicate_column"
    assert look("Id,ID\n", reading=Reading(column="ID", id_type=GUID)).column == 1
    assert look("Name,User\n", reading=Reading(column="user", id_type=GUID)).column == 1


def test_unknown_columns_have_to_be_named() -> None:
    """Several columns and no known name: nothing is guessed, and no ID is shown."""
    assert code("name,user\n", reading=Reading(id_type=IDENT)) == "column_needed"
    with pytest.raises(UsageError) as caught:
        look("a@example.com,Ann\n", reading=Reading(id_type=IDENT))
    assert "example" not in str(caught.value)


def test_the_kind_is_never_guessed() -> None:
    """It comes from the header or from the flag, and the two must agree."""
    assert code("user\n") == "id_type_needed"
    assert code("name,user\n", reading=Reading(column="user")) == "id_type_needed"
    assert look("user\n", reading=Reading(id_type=GUID)).kind is GUID
    assert code("identity\n", reading=Reading(id_type=GUID)) == "kind_against_header"
    assert code("identity,name\n", reading=Reading(id_type=GUID)) == "kind_against_header"
    assert look("identity,name\n", reading=Reading(id_type=IDENT)).kind is IDENT
    assert code("a\n", "x.txt") == "id_type_needed"


@pytest.mark.parametrize(
    "first",
    ["a@b.c", "user123", "0", "-1", "1.5", "1,5", "abcdefabcdefABCDEFabcdefabcdefab", "x" * 65],
)
def test_a_header_that_looks_like_an_id_is_refused(first: str) -> None:
    """Else the first ID of a file without header would silently be lost."""
    said = Reading(id_type=IDENT, delimiter=";")
    assert code(f"{first}\nabc\n", reading=said) == "header_looks_like_id"
    named = Reading(id_type=IDENT, delimiter=";", column=first)
    assert look(f"{first}\nabc\n", reading=named).has_header


def test_without_header_the_column_is_a_number() -> None:
    """0-based; needed when there is more than one column."""
    layout = look("u1,a\n", reading=Reading(header=False, column="1", id_type=GUID))
    assert (layout.column, layout.kind, layout.has_header) == (1, GUID, False)
    assert layout.header_names == ()
    assert look("u1\n", reading=Reading(header=False, id_type=GUID)).column == 0
    for column in (None, "2", "-1", "x", "²"):
        said = Reading(header=False, column=column, id_type=GUID)
        assert code("u1,a\n", reading=said) == "column_needed"
    assert code("u1\n", reading=Reading(header=False)) == "id_type_needed"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("identity\n", ","),
        ("identity,name\n", ","),
        ("identity;name\na,b;c\n", ";"),
        ("identity\tname\n", "\t"),
        ("identity|name\n", "|"),
        ('identity;"last, first"\n', ";"),
        ("identity;price, EUR\na;1\nb;2\n", ";"),
        ('identity;price, EUR\na;"1\n2"\nb;2\n', ";"),
        ('\r\n"identity";x\r\n', ";"),
    ],
)
def test_delimiter_is_found_in_the_header(head: str, expected: str) -> None:
    """Outside quotes, and the rows decide where two could be it."""
    layout = look(head)
    assert layout.delimiter == expected
    assert repr(expected) in layout.notes[0]


def test_i7_a_tie_of_delimiters_has_to_be_decided() -> None:
    """Where two characters cut the rows alike, or none does, the user decides."""
    assert code("identity;a,b\nx;y,z\n") == "which_delimiter"
    assert code("identity;a,b\nx\ny;y;y,y,y\n") == "which_delimiter"
    assert look("identity;a,b\nx;y,z\n", reading=Reading(delimiter=";")).width == 2


@pytest.mark.parametrize(
    ("given", "taken"),
    [("\\t", "\t"), ("tab", "\t"), ("^", "^"), (" ", " "), ("\\x01", "\x01"), ("\x02", "\x02")],
)
def test_a_delimiter_can_be_given(given: str, taken: str) -> None:
    """Any ASCII character that is no letter, digit, quote or line end."""
    said = Reading(delimiter=given)
    assert look(f"identity{taken}name\n", reading=said).delimiter == taken


@pytest.mark.parametrize("given", ["", ",,", "a", "1", '"', "\n", "\0", "é", "none"])
def test_a_delimiter_that_cannot_be_one_is_refused(given: str) -> None:
    """A letter or a quote as delimiter is a mistake."""
    assert code("identity\n", reading=Reading(delimiter=given)) == "dialect"


@pytest.mark.parametrize(
    ("head", "said", "names", "note"),
    [
        ("identity,'a,b'\n", Reading(quote="'"), ("identity", "a,b"), 'the quote "\'"'),
        ("identity;'a,b'\n", Reading(quote="'"), ("identity", "a,b"), "';'"),
        ('identity,"a\n', Reading(quote="none"), ("identity", '"a'), "no quotes"),
        ("identity,a\\,b\n", Reading(escape="\\"), ("identity", "a,b"), "the escape"),
        ("identity,a\\,b\n", Reading(escape="backslash"), ("identity", "a,b"), "the escape"),
        ('identity|"a\\"|b"\n', Reading(escape="\\"), ("identity", 'a"|b'), "the escape"),
    ],
)
def test_quote_and_escape_can_be_given(
    head: str, said: Reading, names: tuple[str, ...], note: str
) -> None:
    """As warehouses and databases unload: other quotes, none, a backslash."""
    layout = look(head, reading=said)
    assert layout.header_names == names
    assert note in layout.notes[0]


@pytest.mark.parametrize(
    "said",
    [
        Reading(quote=",", delimiter=","),
        Reading(escape='"'),
        Reading(quote="|"),
        Reading(quote="ab"),
        Reading(escape=""),
        Reading(escape="x"),
    ],
)
def test_a_dialect_that_cannot_be_is_refused(said: Reading) -> None:
    """One character cannot mean two things."""
    head = "identity\n" if said.quote != "|" else "identity|x\n"
    with pytest.raises(UsageError) as caught:
        look(head, reading=said) if said.quote != "|" else look(
            head, reading=Reading(quote="|", delimiter="|")
        )
    assert caught.value.code == "dialect"


def test_i2_byte_order_marks() -> None:
    """That of UTF-8 is stepped over; UTF-16 and UTF-32 are refused, with or without one."""
    layout = look(codecs.BOM_UTF8 + b"identity\na\n")
    assert (layout.bom, layout.header_names) == (3, ("identity",))
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        assert code("identity\nabc\n".encode(encoding)) == "utf16"
    assert code(codecs.BOM_UTF16_BE + b"\0a") == "utf16"
    assert code(codecs.BOM_UTF8 + b"identity\n", reading=Reading(encoding="latin-1")) == "encoding"


def test_i3_a_nul_in_an_id_is_no_reason_to_refuse_the_file() -> None:
    """One NUL is one invalid ID; only text that is full of them is UTF-16."""
    assert look(b"identity\na\0b\n").kind is IDENT


@pytest.mark.parametrize(
    ("said", "found"),
    [("UTF8", "utf-8"), ("utf-8-sig", "utf-8"), ("ascii", "utf-8"), ("ISO-8859-1", "latin-1")],
)
def test_encodings_have_aliases(said: str, found: str) -> None:
    """Only two encodings are read, under any of their names."""
    assert look("identity\n", reading=Reading(encoding=said)).encoding == found


@pytest.mark.parametrize("said", ["utf-16", "cp1252", "no-such", "", "a\0b"])
def test_i2_other_encodings_are_refused(said: str) -> None:
    """An encoding that would need a converter is refused, with the way out."""
    with pytest.raises(UsageError, match="encoding") as caught:
        look("identity\n", reading=Reading(encoding=said))
    assert "iconv" in caught.value.hint


def test_i2_a_header_in_another_encoding_is_refused() -> None:
    """A byte that is not UTF-8 in the header stops; said to be latin-1, it is read."""
    head = b"identity,pr\xe9nom\n"
    with pytest.raises(
        InputError, match=r"line 1, column 12: the byte 0xe9 here is no UTF-8"
    ) as one:
        look(head)
    assert one.value.code == "bad_header"
    assert "--encoding latin-1" in one.value.hint
    assert look(head, reading=Reading(encoding="latin-1")).header_names[1] == "prénom"
    assert look(b"identity,name\na,\xe9\n").width == 2


def test_a_header_with_a_quote_out_of_place_is_refused() -> None:
    """Nothing is read under a header that cannot be read."""
    assert code('"identity"x,name\n') == "bad_header"
    assert code(b'"identity\n\xe9",name\n') == "bad_header"
    assert code('"identity,name\na,b\n') == "bad_header"


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.txt", "x"])
@pytest.mark.parametrize("head", [b"", b"\n\r\n", codecs.BOM_UTF8])
def test_i1_an_empty_part_is_no_failure(name: str, head: bytes) -> None:
    """Nothing in it means nothing to say about it."""
    layout = look(head, name)
    assert layout.empty
    assert layout.kind is None
    assert look(head, name, Reading(id_type=GUID)).kind is GUID


def test_i1_a_header_alone_is_no_failure() -> None:
    """A header without records is a layout like any other."""
    assert not look("identity").empty


@pytest.mark.parametrize("head", [b"x" * 1000, b"\n" * 1000 + b"x"])
def test_i6_a_head_without_a_whole_line_is_refused(head: bytes) -> None:
    """When the first line does not end in the head, it is not a header."""
    said = Reading(id_type=IDENT)
    assert code(head, "x.txt", said, complete=False) == "record_too_long"


def test_the_last_line_of_a_head_that_is_not_all_does_not_count() -> None:
    """It may be cut in the middle, of a record or of a character."""
    assert look(b"identity;a,b\nx;y\nz;y\nc,\xc3", complete=False).delimiter == ";"
    assert look(b"identity;a,b\rx;y\rz;y\rc,", complete=False).delimiter == ";"
    with pytest.raises(InputError):
        look('{"identity":"a"', "x.jsonl", complete=False)


@pytest.mark.parametrize(
    ("record", "path", "kind", "is_list"),
    [
        ('{"identity":"a","name":"b"}', ("identity",), IDENT, False),
        ('{"name":"b","objectId":"a"}', ("objectId",), GUID, False),
        ('{"x":1,"all_identities":["a"]}', ("all_identities",), IDENT, True),
        ('x\n[]\n{}\n"s"\n{"guid":"a"}', ("guid",), GUID, False),
    ],
)
def test_jsonl_keys_say_path_and_kind(
    record: str, path: tuple[str, ...], kind: Kind, is_list: bool
) -> None:
    """The first record that can be read shows its keys; a known one is the path."""
    layout = look(record + "\n", "x.jsonl")
    assert (layout.path, layout.kind, layout.is_list) == (path, kind, is_list)


def test_jsonl_keys_in_doubt_have_to_be_named() -> None:
    """As with columns: both kinds, none known, or another kind."""
    both = '{"identity":"a","objectId":"b"}'
    assert code(both, "x.jsonl") == "which_column"
    assert look(both, "x.jsonl", Reading(id_type=GUID)).path == ("objectId",)
    assert code('{"a":1,"b":2}', "x.jsonl") == "column_needed"
    assert look('{"user":"a"}', "x.jsonl", Reading(id_type=GUID)).path == ("user",)
    assert code('{"identity":"a"}', "x.jsonl", Reading(id_type=GUID)) == "kind_against_header"


@pytest.mark.parametrize(
    ("column", "path", "kind"),
    [
        ("profile.identity", ("profile", "identity"), IDENT),
        ("platformInfo[].objectId", ("platformInfo[]", "objectId"), GUID),
        ("guid[]", ("guid[]",), GUID),
    ],
)
def test_json_paths_reach_inside(column: str, path: tuple[str, ...], kind: Kind) -> None:
    """Dots reach into objects, brackets into arrays; the last key may be a known one."""
    layout = look("{}\n", "x.jsonl", Reading(column=column))
    assert (layout.path, layout.kind) == (path, kind)


@pytest.mark.parametrize("column", ["", ".", "a.", "a[0]", "[]", "a[].", "a]b"])
def test_bad_json_paths_are_refused(column: str) -> None:
    """A path is keys and dots."""
    assert code("{}\n", "x.jsonl", Reading(column=column, id_type=IDENT)) == "bad_column"


def test_jsonl_in_latin_1() -> None:
    """Keys are read in the encoding that was said."""
    said = Reading(encoding="latin-1", id_type=IDENT)
    assert look(b'{"cl\xe9":"a"}\n', "x.jsonl", said).path == ("clé",)
    assert code(b'{"cl\xe9":"a"}\n', "x.jsonl", Reading(id_type=IDENT)) == "no_json_lines"


def test_lines_have_no_columns() -> None:
    """A column cannot be named in lines."""
    said = Reading(format=Format.LINES, column="x", id_type=IDENT)
    assert code("x\n", "x.txt", said) == "column_of_lines"


def test_explode_makes_any_column_a_list() -> None:
    """What the user calls a list is one, in every format."""
    said = Reading(id_type=IDENT, explode=True)
    assert look("user\n", "x.csv", said).is_list
    assert look("user\n", "x.txt", said).is_list
    assert look('{"user":"[a]"}', "x.jsonl", said).is_list


def test_i12_an_archive_is_no_text() -> None:
    """Bytes that were not inflated are not taken for a list of IDs."""
    data = gzip.compress(b"identity\na\n", mtime=0)
    assert code(data, "x.csv", Reading(id_type=IDENT)) == "bad_header"


@pytest.mark.parametrize(
    ("head", "said", "named"),
    [
        ("a,identity\n", Reading(), "'identity'"),
        ("x,y\n", Reading(header=False, column="1", id_type=IDENT), "number 1"),
        ('{"a":{"guid":"x"}}\n', Reading(column="a.guid"), "'a.guid'"),
        ("x\n", Reading(format=Format.LINES, id_type=IDENT), ""),
        ("", Reading(id_type=IDENT), ""),
    ],
)
def test_a_layout_names_what_holds_the_ids(head: str, said: Reading, named: str) -> None:
    """For messages."""
    assert look(head, "x.csv" if "," in head else "x", said).named == named
