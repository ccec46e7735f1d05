"""Amplitude: what goes over the wire, byte for byte, and what an answer means."""

import json

import pytest

from bulkdelete.core.model import (
    Abort,
    Accepted,
    Ambiguous,
    Answer,
    Kind,
    Partial,
    Refused,
    Throttled,
    Verdict,
)
from bulkdelete.targets.amplitude import AMPLITUDE, fault

IDS = ("11", "12", "13")
JOB = b'{"day": "2026-12-08", "status": "staging", "amplitude_ids": []'


def judged(status: int, body: bytes = b"") -> Verdict:
    """Return the verdict on a whole answer."""
    return AMPLITUDE.decode(Answer(status, {}, body, complete=True), IDS, True)


def test_z1_golden_bytes() -> None:
    """S1, S3: one kind, the IDs exactly as they were read; numbers have the same digits."""
    rest = b'"requester":"bulkdelete","ignore_invalid_id":"True"}'
    users = AMPLITUDE.encode(Kind.IDENTITY, [" Zoë ", 'a"b', "00042"])
    assert users == '{"user_ids":[" Zoë ","a\\"b","00042"],'.encode() + rest
    theirs = AMPLITUDE.encode(Kind.GUID, ["356896327775", "999999999999999999"])
    assert theirs == b'{"amplitude_ids":[356896327775,999999999999999999],' + rest


@pytest.mark.parametrize("ids", [[], [""], ["1"] * 101, ["1", "x"], ["007"]])
def test_s3_an_impossible_request_is_refused(ids: list[str]) -> None:
    """No request without IDs, with more than 100, or with what is no Amplitude ID."""
    assert len(json.loads(AMPLITUDE.encode(Kind.GUID, ["1"] * 100))["amplitude_ids"]) == 100
    with pytest.raises(ValueError, match=r"1\.\.100|whole number"):
        AMPLITUDE.encode(Kind.GUID, ids)


@pytest.mark.parametrize("one", ["", "0", "-1", "1.0", "1e3", "٣", "12 ", "1" * 19, "abc"])
def test_what_is_no_amplitude_id(one: str) -> None:
    """Only digits, none of them a leading zero, and not more than a number holds; users may."""
    assert fault(Kind.GUID, one) == "not_an_amplitude_id"
    assert fault(Kind.IDENTITY, one) is None
    assert fault(Kind.GUID, "356896327775") is None


def test_headers_say_who_asks() -> None:
    """The two keys of the project."""
    assert AMPLITUDE.headers("key", "secret") == {
        "Authorization": "Basic a2V5OnNlY3JldA==",
        "Content-Type": "application/json",
    }


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"[" + JOB + b"}]", Accepted()),
        (JOB + b"}", Accepted()),
        (b"[" + JOB + b"}, " + JOB + b"}]", Accepted()),
        (b"[" + JOB + b', "invalid_ids": []}]', Accepted()),
        (b"[" + JOB + b', "invalid_ids": ["12"]}]', Partial((1,), "not_found")),
        (b"[" + JOB + b', "invalid_ids": [13, "11"]}]', Partial((0, 2), "not_found")),
        (b'[{"invalid_ids": ["11", "12", "13"]}]', Partial((0, 1, 2), "not_found")),
        (b'[{"invalid_ids": ["11", "12"]}]', Ambiguous("unknown_job")),
        (b"[" + JOB + b', "invalid_ids": ["14"]}]', Ambiguous("unknown_invalid_ids")),
        (b"[" + JOB + b', "invalid_ids": [true]}]', Ambiguous("unknown_invalid_ids")),
        (b"[" + JOB + b', "invalid_ids": "12"}]', Ambiguous("unknown_invalid_ids")),
        (b"[]", Ambiguous("unknown_job")),
        (b"{}", Ambiguous("unknown_job")),
        (b'["staging"]', Ambiguous("unknown_job")),
        (b'[{"day": "2026-12-08", "status": "refused"}]', Ambiguous("unknown_job")),
        (b'[{"day": 20261208, "status": "staging"}]', Ambiguous("unknown_job")),
        (b"[" + JOB, Ambiguous("answer_not_json")),
    ],
)
def test_s5_what_a_success_is(body: bytes, verdict: Verdict) -> None:
    """A job of a day; those that were not found are named, and were not queued."""
    assert judged(200, body) == verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Refused("http_400")),
        (401, Abort("http_401")),
        (302, Abort("redirect")),
        (429, Throttled("http_429")),
        (500, Ambiguous("http_500")),
    ],
)
def test_what_a_failure_is(status: int, verdict: Verdict) -> None:
    """As for every target; a body that says success changes nothing."""
    assert judged(status, b"[" + JOB + b"}]") == verdict


def test_the_target_is_pinned() -> None:
    """The two hosts, the path, and less than the documented request a second."""
    assert AMPLITUDE.regions == {
        "us": "https://amplitude.com",
        "eu": "https://analytics.eu.amplitude.com",
    }
    assert AMPLITUDE.delete_path == "/api/2/deletions/users"
    assert AMPLITUDE.rate is not None
    assert 0.9 < AMPLITUDE.rate < 1
    assert (AMPLITUDE.max_ids, AMPLITUDE.dashboard("app.amplitude.com")) == (100, None)
