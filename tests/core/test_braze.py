"""Braze: what goes over the wire, byte for byte, and what an answer means."""

import time
from collections.abc import Iterator

import pytest

from bulkdelete.core.model import (
    Abort,
    Accepted,
    Ambiguous,
    Answer,
    Kind,
    Refused,
    Throttled,
    Verdict,
)
from bulkdelete.targets.braze import BRAZE

IDS = ("a", "b", "c")
DATE = "Wed, 25 Nov 2026 12:00:00 GMT"
NOON = 1_795_608_000


def judged(status: int, body: bytes = b"", **names: str) -> Verdict:
    """Return the verdict on a whole answer with these headers."""
    lines = {name.replace("_", "-"): [value] for name, value in names.items()}
    return BRAZE.decode(Answer(status, lines, body, complete=True), Kind.IDENTITY, IDS, True)


@pytest.mark.parametrize(
    ("kind", "ids", "body"),
    [
        (Kind.IDENTITY, ["u-1"], b'{"external_ids":["u-1"]}'),
        (Kind.GUID, ["52160aa1", "x"], b'{"braze_ids":["52160aa1","x"]}'),
        (Kind.IDENTITY, [" Zoë ", 'a"b', "00042"], '{"external_ids":[" Zoë ","a\\"b","00042"]}'),
    ],
)
def test_z1_golden_bytes(kind: Kind, ids: list[str], body: bytes | str) -> None:
    """S1, S3: one kind, the IDs exactly as they were read."""
    assert BRAZE.encode(kind, ids) == (body.encode() if isinstance(body, str) else body)


@pytest.mark.parametrize("ids", [[], [""], ["x"] * 51])
def test_s3_an_impossible_request_is_refused(ids: list[str]) -> None:
    """No request without IDs, with an empty one, or with more than 50."""
    assert BRAZE.encode(Kind.GUID, ["x"] * 50)
    with pytest.raises(ValueError, match=r"1\.\.50"):
        BRAZE.encode(Kind.GUID, ids)


def test_headers_say_who_asks() -> None:
    """The key; the workspace's name is for people, and stays here."""
    assert BRAZE.headers("our workspace", "secret") == {
        "Authorization": "Bearer secret",
        "Content-Type": "application/json",
    }


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put this machine into another zone of time."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'{"deleted": 3, "message": "success"}', Accepted()),
        (b'{"deleted": 1, "message": "success", "errors": []}', Accepted()),
        (b'{"deleted": 0, "message": "success"}', Accepted()),
        (b'{"deleted": 4, "message": "success"}', Ambiguous("unknown_deleted")),
        (b'{"deleted": -1, "message": "success"}', Ambiguous("unknown_deleted")),
        (b'{"deleted": true, "message": "success"}', Ambiguous("unknown_deleted")),
        (b'{"deleted": "3", "message": "success"}', Ambiguous("unknown_deleted")),
        (b'{"message": "success"}', Ambiguous("unknown_deleted")),
        (b'{"deleted": 2, "message": "success", "errors": [1]}', Ambiguous("errors_unnamed")),
        (b'{"deleted": 3}', Ambiguous("unknown_message")),
        (b'{"deleted": 3, "message": "queued"}', Ambiguous("unknown_message")),
        (b'[{"deleted": 3, "message": "success"}]', Ambiguous("answer_not_json")),
        (b"success", Ambiguous("answer_not_json")),
    ],
)
def test_s5_what_a_success_is(status: int, body: bytes, verdict: Verdict) -> None:
    """The word and a number that can be; fewer than asked for is no result of any one ID."""
    assert judged(status, body) == verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Refused("http_400")),
        (401, Abort("http_401")),
        (403, Abort("http_403")),
        (307, Abort("redirect")),
        (503, Ambiguous("http_503")),
    ],
)
def test_what_a_failure_is(status: int, verdict: Verdict) -> None:
    """As for every target; a body that says success changes nothing."""
    assert judged(status, b'{"deleted": 3, "message": "success"}') == verdict


@pytest.mark.parametrize(
    ("names", "wait"),
    [
        ({"retry_after": "7", "x_ratelimit_reset": str(NOON + 9), "date": DATE}, 7.0),
        ({"x_ratelimit_reset": str(NOON + 9), "date": DATE}, 9.0),
        ({"x_ratelimit_reset": str(NOON), "date": DATE}, None),
        ({"x_ratelimit_reset": str(NOON + 9), "date": DATE.replace("GMT", "-0000")}, 9.0),
        ({"x_ratelimit_reset": str(NOON + 9)}, None),
        ({"x_ratelimit_reset": "soon", "date": DATE}, None),
        ({"x_ratelimit_reset": str(NOON + 9), "date": "today"}, None),
        ({}, None),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_when_the_window_ends(names: dict[str, str], wait: float | None) -> None:
    """By the server's own clock, wherever this machine is; a plain Retry-After comes first."""
    assert judged(429, b"", **names) == Throttled("http_429", wait)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("dashboard-01.braze.com", "us-01"),
        ("dashboard-02.braze.eu", "eu-02"),
        ("dashboard.us-10.braze.com", "us-10"),
        ("dashboard.au-01.braze.com", "au-01"),
        ("rest.iad-01.braze.com", None),
        ("dashboard-01.braze.com.example", None),
    ],
)
def test_a_dashboard_says_the_instance(host: str, region: str | None) -> None:
    """By its host's name, whole; and there is an endpoint for it."""
    assert BRAZE.dashboard(host) == region
    assert region is None or region in BRAZE.regions


def test_the_target_is_pinned() -> None:
    """Some hosts of each sort, the path, and the documented limits."""
    assert BRAZE.regions["us-06"] == "https://rest.iad-06.braze.com"
    assert BRAZE.regions["eu-01"] == "https://rest.fra-01.braze.eu"
    assert BRAZE.regions["us-10"] == "https://rest.us-10.braze.com"
    assert len(BRAZE.regions) == 15
    assert (BRAZE.delete_path, BRAZE.max_ids, BRAZE.per_minute) == ("/users/delete", 50, 19_900)
