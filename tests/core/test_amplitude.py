"""Amplitude: what goes over the wire, byte for byte, and what an answer means."""

import json
from typing import Any

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
from bulkdelete.core.target import MAX_ANSWER
from bulkdelete.targets.amplitude import AMPLITUDE, fault

IDS = ("11", "12", "13")
DAY: dict[str, Any] = {"day": "2026-12-08", "status": "staging"}
ALL = {"amplitude_ids": [{"amplitude_id": one} for one in (11, 12, 13)]}
TWO = {"amplitude_ids": [{"amplitude_id": 11, "user_id": "u"}, {"amplitude_id": 13}]}


def judged(status: int, answer: object, kind: Kind = Kind.GUID) -> Verdict:
    """Return the verdict on a whole answer to a request of three IDs."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return AMPLITUDE.decode(Answer(status, {}, body, complete=True), kind, IDS, True)


def test_z1_golden_bytes() -> None:
    """S1, S3: one kind, the IDs exactly as they were read; numbers have the same digits."""
    rest = b'"requester":"bulkdelete","ignore_invalid_id":"True"'
    users = AMPLITUDE.encode(Kind.IDENTITY, [" Zoë ", 'a"b', "00042"])
    assert users == '{"user_ids":[" Zoë ","a\\"b","00042"],'.encode() + rest + (
        b',"include_mapped_user_ids":"True"}'
    )
    theirs = AMPLITUDE.encode(Kind.GUID, ["356896327775", "999999999999999999"])
    assert theirs == b'{"amplitude_ids":[356896327775,999999999999999999],' + rest + b"}"


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
    ("answer", "verdict"),
    [
        ([DAY | ALL], Accepted()),
        (DAY | ALL, Accepted()),
        (DAY | {"status": "submitted"} | ALL, Accepted()),
        ([DAY | TWO, DAY | {"amplitude_ids": [{"amplitude_id": "12"}]}], Accepted()),
        ([DAY | ALL | {"invalid_ids": [], "error": None}], Accepted()),
        ([DAY | TWO | {"invalid_ids": ["12"]}], Partial((1,), "not_found")),
        ([DAY | TWO, {"invalid_ids": [12]}], Partial((1,), "not_found")),
        ([{"invalid_ids": ["12"]}, DAY | TWO], Partial((1,), "not_found")),
        ([{"invalid_ids": ["11", "12", "13"]}], Partial((0, 1, 2), "not_found")),
        ([DAY | TWO], Ambiguous("not_listed")),
        ([DAY], Ambiguous("not_listed")),
        ([DAY | {"amplitude_ids": []}], Ambiguous("not_listed")),
        ([DAY | {"amplitude_ids": [{"user_id": one} for one in IDS]}], Ambiguous("not_listed")),
        ([DAY | {"user_ids": list(IDS)}], Ambiguous("not_listed")),
        ([{"invalid_ids": ["11", "12"]}], Ambiguous("not_listed")),
        ([], Ambiguous("not_listed")),
        ([DAY | ALL | {"invalid_ids": ["12"]}], Ambiguous("unknown_invalid_ids")),
        ([DAY | ALL | {"invalid_ids": ["14"]}], Ambiguous("unknown_invalid_ids")),
        ([DAY | ALL | {"invalid_ids": [True]}], Ambiguous("unknown_invalid_ids")),
        ([DAY | ALL | {"invalid_ids": "12"}], Ambiguous("unknown_invalid_ids")),
        ([DAY | ALL | {"amplitude_ids": [11, 12, 13]}], Ambiguous("unknown_job")),
        ([DAY | ALL | {"amplitude_ids": {"11": "12"}}], Ambiguous("unknown_job")),
        ([DAY | {"amplitude_ids": [{"amplitude_id": [11]}]}], Ambiguous("unknown_job")),
        ([DAY | ALL | {"error": "no"}], Ambiguous("unknown_job")),
        ([DAY | ALL | {"errors": []}], Ambiguous("unknown_job")),
        ([DAY | ALL, {"error": "no"}], Ambiguous("unknown_job")),
        ([{"invalid_ids": list(IDS), "error": "no"}], Ambiguous("unknown_job")),
        (
            [DAY | {"amplitude_ids": [*ALL["amplitude_ids"], {"error": "no"}]}],
            Ambiguous("unknown_job"),
        ),
        ({}, Ambiguous("unknown_job")),
        (["staging"], Ambiguous("unknown_job")),
        ([DAY | ALL | {"status": "refused"}], Ambiguous("unknown_job")),
        ([DAY | ALL | {"status": ["staging"]}], Ambiguous("unknown_job")),
        ([DAY | ALL | {"status": {"staging": 1}}], Ambiguous("unknown_job")),
        ([DAY | ALL | {"day": 20261208}], Ambiguous("unknown_job")),
        (b'"No valid IDs"', Ambiguous("answer_not_json")),
        (b"[{", Ambiguous("answer_not_json")),
    ],
)
def test_s5_what_a_success_is(answer: object, verdict: Verdict) -> None:
    """Each ID listed in a job of a day; those that were not found are named, and not queued."""
    assert judged(200, answer) == verdict


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ([DAY | {"amplitude_ids": [{"amplitude_id": 7, "user_id": o} for o in IDS]}], Accepted()),
        ([DAY | {"user_ids": ["11", 12], "amplitude_ids": [{"user_id": "13"}]}], Accepted()),
        ([DAY | ALL], Ambiguous("not_listed")),
        ([DAY | TWO | {"user_ids": ["11", "12"]}], Ambiguous("not_listed")),
        ([DAY | {"user_ids": "11"}], Ambiguous("unknown_job")),
        (
            [DAY | {"user_ids": ["11", "13"]}, {"invalid_ids": ["12"]}],
            Partial((1,), "not_found"),
        ),
        ([DAY | {"user_ids": list(IDS), "invalid_ids": ["12"]}], Ambiguous("unknown_invalid_ids")),
    ],
)
def test_s5_a_user_is_listed_by_name(answer: object, verdict: Verdict) -> None:
    """An Amplitude ID with the same digits is somebody else's."""
    assert judged(200, answer, Kind.IDENTITY) == verdict


def test_v15_a_whole_day_s_job_is_read() -> None:
    """Its list is longer than the answers of others may be."""
    others = [{"amplitude_id": one, "requester": "x" * 80} for one in range(10_000, 15_000)]
    answer = [DAY | {"amplitude_ids": others + ALL["amplitude_ids"]}]
    assert MAX_ANSWER < len(json.dumps(answer)) < AMPLITUDE.max_answer
    assert judged(200, answer) == Accepted()
    assert judged(200, b" " * AMPLITUDE.max_answer + b"[]") == Ambiguous("answer_not_json")


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
    assert judged(status, [DAY | ALL]) == verdict


def test_the_target_is_pinned() -> None:
    """The two hosts, the path, and less than the documented request a second."""
    assert AMPLITUDE.regions == {
        "us": "https://amplitude.com",
        "eu": "https://analytics.eu.amplitude.com",
    }
    assert AMPLITUDE.delete_path == "/api/2/deletions/users"
    assert AMPLITUDE.rate is not None
    assert AMPLITUDE.rate == 55 / 60
    assert AMPLITUDE.names_ids
    assert (AMPLITUDE.max_ids, AMPLITUDE.dashboard("app.amplitude.com")) == (100, None)
