"""What goes over the wire, byte for byte, and what an answer means."""

import email.utils
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.model import (
    HANDSHAKE_CUT,
    Abort,
    Accepted,
    Ambiguous,
    Answer,
    Failed,
    Kind,
    Lost,
    Partial,
    Refused,
    Throttled,
    Verdict,
)
from bulkdelete.core.target import (
    MAX_ANSWER,
    is_loopback,
    is_private,
    wait_hint,
)
from bulkdelete.targets.clevertap import CLEVERTAP, decode, encode, headers

IDS = ("a", "b", "c")
OK = b'{ "status" : "success" }'
BARE = b'{"status":"success"}'
FAIL = b'{"status": "fail", "error": "Bad request", "code": 400}'
HTML = b"<!doctype html><html><body>Sign in to this network</body></html>"


def answer(status: int, body: bytes, *, complete: bool) -> Answer:
    """Return an answer without headers."""
    return Answer(status, {}, body, complete)


def judged(status: int, body: bytes = b"", *, trusted: bool = True, **names: str) -> Verdict:
    """Return the verdict on a whole answer with these headers."""
    lines = {name.replace("_", "-"): [value] for name, value in names.items()}
    return decode(Answer(status, lines, body, complete=True), Kind.IDENTITY, IDS, trusted)


# --- encode ---


@pytest.mark.parametrize(
    ("kind", "ids", "body"),
    [
        (Kind.IDENTITY, ["u-1"], b'{"identity":["u-1"]}'),
        (Kind.GUID, ["df2e224d", "x"], b'{"guid":["df2e224d","x"]}'),
        (Kind.IDENTITY, ["Zoë", "名前", "😀"], '{"identity":["Zoë","名前","😀"]}'.encode()),
        (Kind.IDENTITY, ["Zoe\u0308"], b'{"identity":["Zoe\xcc\x88"]}'),
        (Kind.IDENTITY, ['a"b', "c\\d", "e/f"], rb'{"identity":["a\"b","c\\d","e/f"]}'),
        (Kind.IDENTITY, [" padded ", "00042"], b'{"identity":[" padded ","00042"]}'),
        (Kind.IDENTITY, ["=HYPERLINK(1)", "*a"], b'{"identity":["=HYPERLINK(1)","*a"]}'),
        (Kind.GUID, ["a\u2028b"], b'{"guid":["a\xe2\x80\xa8b"]}'),
    ],
)
def test_z1_golden_bytes(kind: Kind, ids: list[str], body: bytes) -> None:
    """S1, S3: one kind, the IDs exactly as they were read."""
    assert encode(kind, ids) == body


@given(
    st.sampled_from(Kind),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1),
)
def test_s1_what_is_sent_is_what_was_read(kind: Kind, ids: list[str]) -> None:
    """Any other JSON reader finds one key and the same IDs in the same order."""
    assert json.loads(encode(kind, ids[:100])) == {kind.value: ids[:100]}


@pytest.mark.parametrize("ids", [[], [""], ["a", ""], ["x"] * 101])
def test_s3_an_impossible_request_is_refused(ids: list[str]) -> None:
    """No request without IDs, with an empty one, or with more than 100."""
    with pytest.raises(ValueError, match=r"1\.\.100"):
        encode(Kind.GUID, ids)


def test_a_full_request_of_100() -> None:
    """The vendor's limit itself is allowed."""
    assert len(json.loads(encode(Kind.GUID, [str(n) for n in range(100)]))["guid"]) == 100


def test_headers_say_who_asks() -> None:
    """Account and passcode, and that the body is JSON."""
    assert headers("W9R-1", "secret") == {
        "X-CleverTap-Account-Id": "W9R-1",
        "X-CleverTap-Passcode": "secret",
        "Content-Type": "application/json; charset=utf-8",
    }


def test_the_target_is_pinned() -> None:
    """The regions' hosts, the one path that deletes, and the documented caps."""
    assert set(CLEVERTAP.regions) == {"in1", "us1", "sg1", "aps3", "mec1", "eu1"}
    assert CLEVERTAP.regions["in1"] == "https://in1.api.clevertap.com"
    assert all(url.startswith("https://") for url in CLEVERTAP.regions.values())
    assert CLEVERTAP.delete_path == "/1/delete/profiles.json"
    assert CLEVERTAP.probe is not None
    assert "delete" not in CLEVERTAP.probe.query(Kind.GUID, "x")
    assert (CLEVERTAP.in_flight, CLEVERTAP.max_ids) == (3, 100)
    assert (CLEVERTAP.encode, CLEVERTAP.decode, CLEVERTAP.headers) == (encode, decode, headers)


# --- decode: no answer ---


@pytest.mark.parametrize(
    ("lost", "verdict"),
    [
        (Lost("connect_failed", sent=False), Failed("connect_failed")),
        (Lost("dns", sent=False), Failed("dns")),
        (Lost("timeout", sent=True, abandoned=True), Ambiguous("timeout")),
        (Lost("connection_lost", sent=True), Ambiguous("connection_lost")),
        (Lost("tls", sent=False, untrusted=True), Abort("tls")),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_n1_n3_n5_t3_no_answer(lost: Lost, verdict: Verdict, trusted: bool) -> None:
    """In doubt once a byte may have left; a failure before that; TLS stops the run."""
    assert decode(lost, Kind.IDENTITY, IDS, trusted) == verdict


@pytest.mark.parametrize(
    ("trusted", "verdict"), [(False, Abort(HANDSHAKE_CUT)), (True, Failed(HANDSHAKE_CUT))]
)
def test_t4_a_handshake_that_is_cut(trusted: bool, verdict: Verdict) -> None:
    """At the canary the other side may be no TLS that we take; afterwards it is the network."""
    assert decode(Lost(HANDSHAKE_CUT, sent=False), Kind.IDENTITY, IDS, trusted) == verdict


# --- decode: 2xx ---


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
@pytest.mark.parametrize(
    "body",
    [
        OK,
        b'{"status":"success"}',
        b'\n{"status":"success","processed":3,"unprocessed":[]}\n',
        b'{"status":"success","more":{"deep":[1,{"status":"fail"}]}}',
    ],
)
def test_v1_v6_success(status: int, body: bytes, trusted: bool) -> None:
    """A 2xx with a whole JSON object whose status is success, and nothing less."""
    assert judged(status, body, trusted=trusted) == Accepted()


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("status", [200, 202, 204, 206, 299])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "answer_not_json", id="V3 V6 empty"),
        pytest.param(b"   ", "answer_not_json", id="V3 blank"),
        pytest.param(b"null", "answer_not_json", id="V4 null"),
        pytest.param(b"[]", "answer_not_json", id="V4 list"),
        pytest.param(b'"success"', "answer_not_json", id="V4 string"),
        pytest.param(b"true", "answer_not_json", id="V4 true"),
        pytest.param(b"[" * 100_000, "answer_not_json", id="V4 too long"),
        pytest.param(b"[" * 60_000, "answer_not_json", id="V4 deep"),
        pytest.param(b'{"a":' * 12_000, "answer_not_json", id="V4 deep objects"),
        pytest.param(
            b'{"status":"fail","status":"success"}', "answer_not_json", id="V4 status twice"
        ),
        pytest.param(
            b'{"status":"success","x":{"a":1,"a":2}}', "answer_not_json", id="V4 any key twice"
        ),
        pytest.param(b'{"status":"success","x":NaN}', "answer_not_json", id="V4 NaN"),
        pytest.param(b'{"status":"success","x":-Infinity}', "answer_not_json", id="V4 infinity"),
        pytest.param(OK[:-1], "answer_not_json", id="N8 cut"),
        pytest.param(OK + b"x", "answer_not_json", id="N13 trailing bytes"),
        pytest.param(OK + OK, "answer_not_json", id="N13 two answers"),
        pytest.param(b"\xef\xbb\xbf" + OK, "answer_not_json", id="V17 BOM"),
        pytest.param(b'{"status":"success","x":"\xe9"}', "answer_not_json", id="V17 latin-1"),
        pytest.param(b'{"status":"succ\xffess"}', "answer_not_json", id="V17 bad UTF-8"),
        pytest.param(OK.decode().encode("utf-16"), "answer_not_json", id="V17 UTF-16"),
        pytest.param(b"\x1f\x8b\x08\x00gzip", "answer_not_json", id="V15 compressed"),
        pytest.param(OK + b" " * MAX_ANSWER, "answer_not_json", id="V15 too long"),
        pytest.param(b"{}", "unknown_status", id="V2 no status"),
        pytest.param(b'{"status":"error"}', "unknown_status", id="V2 error"),
        pytest.param(b'{"status":"Success"}', "unknown_status", id="V2 other case"),
        pytest.param(b'{"status":"success "}', "unknown_status", id="V2 with a space"),
        pytest.param(b'{"status":true}', "unknown_status", id="V2 true"),
        pytest.param(b'{"status":null}', "unknown_status", id="V2 null"),
        pytest.param(b'{"status":["success"]}', "unknown_status", id="V2 list"),
        pytest.param(b'{"x":{"status":"success"}}', "unknown_status", id="V2 inside"),
    ],
)
def test_v2_v3_v4_v6_v17_what_is_no_success_is_in_doubt(
    status: int, body: bytes, reason: str, trusted: bool
) -> None:
    """Nothing is believed that the server did not say."""
    assert judged(status, body, trusted=trusted) == Ambiguous(reason)


@pytest.mark.parametrize("body", [OK, HTML, b"", FAIL])
@pytest.mark.parametrize("trusted", [True, False])
def test_n7_n8_a_cut_success_is_in_doubt(body: bytes, trusted: bool) -> None:
    """However whole it looks, it did not come completely."""
    assert decode(answer(200, body, complete=False), Kind.IDENTITY, IDS, trusted) == Ambiguous(
        "answer_cut"
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (HTML, "text/plain"),
        (b"  \n<html>", "application/json"),
        (b"moved", "text/html; charset=utf-8"),
        (b"", "TEXT/HTML"),
    ],
)
def test_v3_html_at_the_canary_is_not_the_api(body: bytes, kind: str) -> None:
    """A captive portal: stop, and say that the chunk may have been acted on."""
    found = judged(200, body, trusted=False, content_type=kind)
    assert found == Abort("not_the_api", acted=True)


def test_v3_html_after_an_acceptance_is_in_doubt() -> None:
    """The API was there a moment ago: this is an outage, not a wrong address."""
    assert judged(200, HTML, content_type="text/html") == Ambiguous("answer_not_json")


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    ("status", "unprocessed", "verdict"),
    [
        ("success", '["b"]', Partial((1,), "unprocessed")),
        ("partial", '["b"]', Partial((1,), "unprocessed")),
        ("success", '["c","a"]', Partial((0, 2), "unprocessed")),
        ("success", '["a","b","c"]', Partial((0, 1, 2), "unprocessed")),
        ("success", '["b","b"]', Partial((1,), "unprocessed")),
        ("success", '[{"identity":"b"}]', Partial((1,), "unprocessed")),
        ("success", '[{"guid":"a","error":"x"}]', Partial((0,), "unprocessed")),
        ("success", '[{"objectId":"c"},"a"]', Partial((0, 2), "unprocessed")),
        ("success", "[]", Accepted()),
        ("partial", "[]", Ambiguous("partial_unnamed")),
        ("success", '["z"]', Ambiguous("unknown_unprocessed")),
        ("partial", '["a","z"]', Ambiguous("unknown_unprocessed")),
        ("success", '["A"]', Ambiguous("unknown_unprocessed")),
        ("success", "[1]", Ambiguous("unknown_unprocessed")),
        ("success", "[null]", Ambiguous("unknown_unprocessed")),
        ("success", "[{}]", Ambiguous("unknown_unprocessed")),
        ("success", '[{"identity":1}]', Ambiguous("unknown_unprocessed")),
        ("success", '[["a"]]', Ambiguous("unknown_unprocessed")),
        ("success", "null", Ambiguous("unknown_unprocessed")),
        ("success", "3", Ambiguous("unknown_unprocessed")),
        ("success", '"a"', Ambiguous("unknown_unprocessed")),
        ("success", '{"a":1}', Ambiguous("unknown_unprocessed")),
    ],
)
def test_v5_a_list_of_failed_ids(
    status: str, unprocessed: str, verdict: Verdict, trusted: bool
) -> None:
    """The named ones are rejected, the rest accepted; a strange list puts all in doubt."""
    body = f'{{"status":"{status}","unprocessed":{unprocessed}}}'.encode()
    assert judged(200, body, trusted=trusted) == verdict


def test_v5_partial_without_a_list_is_in_doubt() -> None:
    """Somebody was not processed, and nobody says who."""
    assert judged(200, b'{"status":"partial"}') == Ambiguous("partial_unnamed")


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("400", Refused("http_400")),
        ("401", Abort("http_401")),
        ("403", Abort("http_403")),
        ("405", Abort("http_405")),
        ("409", Refused("http_409")),
        ("413", Refused("http_413")),
        ("429", Throttled("http_429", 7.0)),
        ('"429"', Throttled("http_429", 7.0)),
        ("500", Ambiguous("http_500", 7.0)),
        ("503", Ambiguous("http_503", 7.0)),
        ("408", Ambiguous("http_408", 7.0)),
        ("302", Abort("redirect")),
        ("200", Refused("status_fail")),
        ("299", Refused("status_fail")),
        ("0", Refused("status_fail")),
        ("99", Refused("status_fail")),
        ("600", Refused("status_fail")),
        ("-401", Refused("status_fail")),
        ("null", Refused("status_fail")),
        ("true", Refused("status_fail")),
        ("401.0", Refused("status_fail")),
        ('"4290"', Refused("status_fail")),
        ('"x"', Refused("status_fail")),
        ("[429]", Refused("status_fail")),
    ],
)
def test_v2_fail_with_200_is_classed_by_its_code(
    code: str, verdict: Verdict, trusted: bool
) -> None:
    """Its code counts where it is a status of its own; else it is a refusal of the chunk."""
    body = f'{{"status":"fail","code":{code}}}'.encode()
    assert judged(200, body, trusted=trusted, retry_after="7") == verdict


def test_v2_fail_with_200_without_a_code_is_a_refusal() -> None:
    """It said no, and not why."""
    assert judged(200, b'{"status":"fail"}') == Refused("status_fail")


def test_v10_fail_with_200_and_code_404() -> None:
    """As a 404 of its own: a refusal once the API is known, a stop before."""
    body = b'{"status":"fail","code":404}'
    assert judged(200, body) == Refused("http_404")
    assert judged(200, body, trusted=False) == Abort("http_404")


# --- decode: other statuses ---


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("body", [b"", OK, FAIL, HTML])
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        pytest.param(301, Abort("redirect"), id="V7 301"),
        pytest.param(302, Abort("redirect"), id="V7 302"),
        pytest.param(303, Abort("redirect"), id="V7 303"),
        pytest.param(304, Abort("redirect"), id="V7 304"),
        pytest.param(307, Abort("redirect"), id="V7 307"),
        pytest.param(308, Abort("redirect"), id="V7 308"),
        pytest.param(400, Refused("http_400"), id="V8 400"),
        pytest.param(409, Refused("http_409"), id="V8 409"),
        pytest.param(422, Refused("http_422"), id="V8 422"),
        pytest.param(401, Abort("http_401"), id="V9 401"),
        pytest.param(403, Abort("http_403"), id="V9 403"),
        pytest.param(405, Abort("http_405"), id="V10 405"),
        pytest.param(410, Abort("http_410"), id="V10 410"),
        pytest.param(413, Refused("http_413"), id="V11 413"),
        pytest.param(500, Ambiguous("http_500"), id="V12 500"),
        pytest.param(502, Ambiguous("http_502"), id="V12 502"),
        pytest.param(503, Ambiguous("http_503"), id="V12 503"),
        pytest.param(504, Ambiguous("http_504"), id="V12 504"),
        pytest.param(599, Ambiguous("http_599"), id="V12 599"),
        pytest.param(408, Ambiguous("http_408"), id="408"),
        pytest.param(429, Throttled("http_429"), id="R1 429"),
        pytest.param(402, Abort("http_402"), id="402"),
        pytest.param(418, Abort("http_418"), id="418"),
        pytest.param(101, Abort("http_101"), id="101"),
        pytest.param(600, Abort("http_600"), id="600"),
        pytest.param(999, Abort("http_999"), id="999"),
    ],
)
def test_v7_v8_v9_v10_v11_v12_r1_statuses(
    status: int, verdict: Verdict, body: bytes, trusted: bool
) -> None:
    """The status decides, whatever the body says: a success needs a 2xx."""
    assert judged(status, body, trusted=trusted) == verdict


@pytest.mark.parametrize(
    ("body", "complete", "trusted", "verdict"),
    [
        (FAIL, True, True, Refused("http_404")),
        (b"{}", True, True, Refused("http_404")),
        (FAIL, True, False, Abort("http_404")),
        (HTML, True, True, Abort("http_404")),
        (b"", True, True, Abort("http_404")),
        (b"[]", True, True, Abort("http_404")),
        (FAIL, False, True, Abort("http_404")),
        (b'{"x":"' + b"x" * MAX_ANSWER + b'"}', True, True, Abort("http_404")),
    ],
)
def test_v10_404(body: bytes, complete: bool, trusted: bool, verdict: Verdict) -> None:
    """A refusal only as the API's own JSON and after an acceptance; a stop otherwise."""
    assert decode(answer(404, body, complete=complete), Kind.IDENTITY, IDS, trusted) == verdict


@pytest.mark.parametrize("status", [429, 503])
def test_r2_hints_are_passed_on(status: int) -> None:
    """A hint comes with a refusal for too many, and with a server's trouble."""
    found = judged(status, b"", retry_after="5")
    assert isinstance(found, Throttled | Ambiguous)
    assert found.wait == 5.0


@given(
    st.integers(0, 999),
    st.one_of(st.binary(max_size=40), st.sampled_from([OK, BARE, FAIL, HTML])),
    st.booleans(),
    st.booleans(),
)
def test_s5_accepted_only_by_a_whole_success(
    status: int, body: bytes, complete: bool, trusted: bool
) -> None:
    """Any bytes with any status: accepted is said of a complete 2xx success alone."""
    found = decode(answer(status, body, complete=complete), Kind.IDENTITY, IDS, trusted)
    success = complete and 200 <= status < 300 and body in {OK, BARE}
    assert isinstance(found, Accepted) == success


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.sampled_from(IDS)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {}, optional={"status": JSON, "code": JSON, "unprocessed": JSON, "error": JSON}
    ),
    st.booleans(),
)
def test_s5_any_json_object_is_judged(content: dict[str, object], trusted: bool) -> None:
    """No answer makes the judge fail, and none but success is success."""
    found = judged(200, json.dumps(content).encode(), trusted=trusted)
    if isinstance(found, Accepted | Partial):
        assert content["status"] in {"success", "partial"}


# --- hints ---

DATE = "Mon, 23 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("5", 5.0, id="R2 seconds"),
        pytest.param(" 5 ", 5.0, id="R2 spaces"),
        pytest.param("0.5", 0.5, id="R2 fraction"),
        pytest.param("120.25", 120.25, id="R2 longer"),
        pytest.param("1e3", 1000.0, id="R3 exponent"),
        pytest.param("1E3", 1000.0, id="R3 capital exponent"),
        pytest.param("1e12", 1e12, id="R3 very long"),
        pytest.param("Mon, 23 Nov 2026 10:00:07 GMT", 7.0, id="R2 date"),
        pytest.param("Mon, 23 Nov 2026 11:00:07 +0100", 7.0, id="R2 date with a zone"),
        pytest.param("Monday, 23-Nov-26 10:01:00 GMT", 60.0, id="R2 old date"),
        pytest.param("Mon, 23 Nov 2026 09:59:59 GMT", None, id="R3 past date"),
        pytest.param("Mon, 23 Nov 2026 10:00:00 GMT", None, id="R3 now"),
        pytest.param("Mon, 23 Nov 2026 25:00:00 GMT", None, id="R3 no such hour"),
        pytest.param("Mon, 99 Nov 2026 10:00:00 GMT", None, id="R3 no such day"),
        pytest.param("0", None, id="R3 zero"),
        pytest.param("0.0", None, id="R3 zero point"),
        pytest.param("-1", None, id="R3 negative"),
        pytest.param("+5", None, id="R3 sign"),
        pytest.param("NaN", None, id="R3 NaN"),
        pytest.param("inf", None, id="R3 infinity"),
        pytest.param("1e999", None, id="R3 too large"),
        pytest.param("9" * 400, None, id="R3 many digits"),
        pytest.param("soon", None, id="R3 soon"),
        pytest.param("", None, id="R3 empty"),
        pytest.param("5, 7", None, id="R3 list"),
        pytest.param("5s", None, id="R3 unit"),
        pytest.param("0x10", None, id="R3 hex"),
        pytest.param("1_000", None, id="R3 underscore"),
    ],
)
def test_r2_r3_hints(value: str, seconds: float | None) -> None:
    """What is sane is taken, and nonsense ignored."""
    assert wait_hint({"retry-after": [value], "date": [DATE]}) == seconds


@pytest.mark.parametrize("values", [[], ["5", "7"], ["5", "5"]])
def test_r3_no_hint_or_two(values: list[str]) -> None:
    """Two headers contradict each other, even when they agree."""
    assert wait_hint({"retry-after": values}) is None
    assert wait_hint({}) is None


@pytest.mark.parametrize("dates", [[], ["noon"], ["2026"], ["Mon, 23 Nov 2026 10:00:00"]])
def test_r3_a_date_needs_the_servers_own_date(dates: list[str]) -> None:
    """Our own clock may be wrong: a date is never compared with it."""
    hint = {"retry-after": ["Mon, 23 Nov 2099 10:00:00 GMT"], "date": dates}
    assert wait_hint(hint) is None


@given(
    st.datetimes(datetime(1999, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 10**7),
)
def test_k2_a_skewed_server_clock_does_no_harm(now: datetime, seconds: int) -> None:
    """Whatever time the server believes it is, the difference is what counts."""
    later = email.utils.format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    date = email.utils.format_datetime(now, usegmt=True)
    assert wait_hint({"retry-after": [later], "date": [date]}) == seconds


@given(st.text(), st.one_of(st.none(), st.text()))
@example("\u0665", None)
@example("Mon, 23 Nov 99999999999 10:00:00 GMT", DATE)
@example("Mon, 23 Nov 2026 10:00:00 +9999999", DATE)
def test_r3_any_text_is_a_sane_hint_or_none(value: str, date: str | None) -> None:
    """No header makes the reader fail; a hint is positive and finite."""
    found = wait_hint({"retry-after": [value], "date": [] if date is None else [date]})
    assert found is None or 0 < found < float("inf")


# --- hosts ---


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - it is not bound to, it is refused
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("::", False),
        ("fe80::1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("2130706433", False),
        ("eu1.api.clevertap.com", False),
        ("", False),
    ],
)
def test_t5_what_can_only_mean_this_machine(host: str, here: bool) -> None:
    """Plain http is for these alone, so a name that merely looks like one is not enough."""
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("10.0.0.1", True),
        ("172.16.0.1", True),
        ("192.168.255.255", True),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("0.0.0.0", True),  # noqa: S104 - it is not bound to, it is refused
        ("fe80::1", True),
        ("fd00::1", True),
        ("::", True),
        ("::ffff:10.0.0.1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("93.184.216.34", False),
        ("2606:4700::1111", False),
        ("eu1.api.clevertap.com", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_t5_addresses_that_are_no_vendors(host: str, private: bool) -> None:
    """Private and link-local addresses; this machine's own, and names, are judged elsewhere."""
    assert is_private(host) is private
