"""What stood where an ID could not be read is told: how much, where, of which sort; never what."""

import pytest

from bulkdelete.core.guards import wanted
from bulkdelete.core.layout import Format, Layout
from bulkdelete.core.model import Kind
from bulkdelete.core.records import open_parser

CSV = Layout(
    Format.CSV, delimiter=",", width=3, column=1, kind=Kind.IDENTITY, header_names=("a", "b", "c")
)
TYPED = Layout(Format.CSV, delimiter=",", width=2, column=1, type_column=0)
JSON = Layout(Format.JSONL, path=("id",), kind=Kind.IDENTITY)


@pytest.mark.parametrize(
    ("layout", "record", "reason", "says"),
    [
        (CSV, b"secret-1", "ragged", "(found 1 cell; 3 cells are wanted)"),
        (CSV, b"secret-1,x", "ragged", "(found 2 cells; 3 cells are wanted)"),
        (
            CSV,
            b"secret-1,x,y,z,\xff",
            "bad_encoding",
            "(found the byte 0xff in cell 5; text in UTF-8",
        ),
        (CSV, b'x,"secret"-1,y', "bad_quotes", "(a quote stands around a whole cell)"),
        (TYPED, b"secret,x", "unknown_type", "(found s***t (6); i or g is wanted)"),
        (TYPED, b",x", "unknown_type", "(found nothing; i or g is wanted)"),
        (JSON, b'{"id":12345}', "not_a_string", "(found a number; 'id' wants text)"),
        (JSON, b'{"id":null}', "not_a_string", "(found null; 'id' wants text)"),
        (JSON, b'{"id":false}', "not_a_string", "(found true or false; 'id' wants text)"),
        (JSON, b'{"id":{"secret":1}}', "not_a_string", "(found an object; 'id' wants text)"),
        (JSON, b'{"id":[["secret"]]}', "not_a_string", "(found an array; 'id' wants text)"),
        (JSON, b'{"id":"secret\xe9"}', "bad_encoding", "(found the byte 0xe9 at column 14; text"),
        (JSON, b'{"id":"secret"', "bad_json", "(one whole JSON value is wanted)"),
        (JSON, b'{"secret":1}', "missing_key", "('id' is wanted)"),
    ],
)
def test_what_was_found_and_what_was_expected(
    layout: Layout, record: bytes, reason: str, says: str
) -> None:
    """In one bracket, for one record."""
    parser = open_parser(layout)
    batch = parser.feed(b"\n" + record + b"\n") or parser.close()
    assert batch is not None
    assert (batch.faults, list(batch.lines)) == ({0: reason}, [2])
    told = wanted(reason, layout, batch.told.get(0, ""))
    assert told.startswith(says)
    assert "secret" not in told


def test_where_an_id_says_enough_nothing_is_added() -> None:
    """It is shown itself, masked."""
    assert wanted("control_character", CSV, "anything") == ""
