"""Asking for one profile: the request byte for byte, and what its answer says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.model import Abort, Accepted, Ambiguous, Answer, Failed, Kind, Lost, Throttled
from bulkdelete.core.profiles import Look, Presence
from bulkdelete.targets.clevertap import judge, query

FAIL = b'{"status":"fail","error":"no","code":%d}'
HTML = b"<html>"


@pytest.mark.parametrize(
    ("kind", "identifier", "wanted"),
    [
        (Kind.IDENTITY, "a b+c&d=e#f?/%", "identity=a%20b%2Bc%26d%3De%23f%3F%2F%25"),
        (Kind.GUID, "__g\u00e9-1", "objectId=__g%C3%A9-1"),
    ],
)
def test_the_question(kind: Kind, identifier: str, wanted: str) -> None:
    """Each kind has its parameter, and no character of an ID means anything else."""
    assert query(kind, identifier) == f"/1/profile.json?{wanted}"


ANSWERS = [
    (200, b'{"status":"success","record":{"identity":"a"}}', "still there", Accepted),
    (200, b'{"status":"success"}', "gone", Accepted),
    (200, b'{"status":"success","record":null}', "unknown", Accepted),
    (200, b'{"status":"odd"}', "unknown", Ambiguous),
    (200, HTML, "unknown", Ambiguous),
    (200, b"", "unknown", Ambiguous),
    (200, FAIL % 404, "gone", Accepted),
    (200, FAIL % 400, "gone", Accepted),
    (200, FAIL % 401, "unknown", Abort),
    (200, FAIL % 429, "unknown", Throttled),
    (200, FAIL % 200, "unknown", Ambiguous),
    (404, FAIL % 404, "gone", Accepted),
    (400, FAIL % 400, "gone", Accepted),
    (404, b'{"message":"no route"}', "unknown", Abort),
    (404, HTML, "unknown", Abort),
    (401, FAIL % 401, "unknown", Abort),
    (403, b"", "unknown", Abort),
    (302, b"", "unknown", Abort),
    (429, FAIL % 429, "unknown", Throttled),
    (503, HTML, "unknown", Ambiguous),
    (408, b"", "unknown", Ambiguous),
]


@pytest.mark.parametrize(("status", "body", "presence", "verdict"), ANSWERS)
def test_answers(status: int, body: bytes, presence: str, verdict: type) -> None:
    """Only what the API is known to say of a profile says anything of it."""
    look = judge(Answer(status, {}, body, complete=True))
    assert (look.presence, type(look.verdict)) == (presence, verdict)


def test_an_answer_that_was_cut_says_nothing() -> None:
    """A body that did not arrive whole is no answer."""
    body = b'{"status":"success"}'
    assert judge(Answer(200, {}, body, complete=False)).presence is Presence.UNKNOWN


@pytest.mark.parametrize(
    ("nobody", "presence"),
    [(None, "gone"), ("http_400", "gone"), ("http_404", "unknown"), ("no_record", "unknown")],
)
def test_a_400_counts_only_where_nobody_is_a_400(nobody: str | None, presence: str) -> None:
    """Where the API says 404 of nobody, a 400 is a question that it did not understand."""
    assert judge(Answer(400, {}, FAIL % 400, complete=True), nobody).presence == presence
    assert judge(Answer(404, {}, FAIL % 404, complete=True), nobody).presence == "gone"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Lost("timeout", sent=True, abandoned=True), Ambiguous("timeout")),
        (Lost("dns", sent=False), Failed("dns")),
        (Lost("tls", sent=False, untrusted=True), Abort("tls")),
    ],
)
def test_no_answer_says_nothing(reply: Lost, verdict: object) -> None:
    """Whatever was lost: unknown."""
    assert judge(reply) == Look(Presence.UNKNOWN, reply.reason, verdict)  # type: ignore[arg-type]


@given(st.integers(200, 599), st.binary(max_size=40))
def test_nothing_else_is_ever_gone(status: int, body: bytes) -> None:
    """Bytes that are not the API's own words never say that a profile is gone."""
    if b'"status"' not in body:
        look = judge(Answer(status, {}, body, complete=True))
        assert look.presence is Presence.UNKNOWN
