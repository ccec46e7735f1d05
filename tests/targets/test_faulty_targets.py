"""What a target of others does wrong is a doubt on record: no crash, and nothing is believed."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from structlog.testing import capture_logs

import bulkdelete
from bulkdelete import dispatch, targets
from bulkdelete.backlog import Job
from bulkdelete.core.model import (
    Accepted,
    Ambiguous,
    Answer,
    Kind,
    Partial,
    Piece,
    Refused,
    Reply,
    Span,
    Throttled,
    Verdict,
)
from bulkdelete.core.target import Target
from bulkdelete.dispatch import Dispatcher
from bulkdelete.emulator import Order
from bulkdelete.targets.amplitude import AMPLITUDE
from bulkdelete.targets.clevertap import CLEVERTAP
from tests.logs import heard_of
from tests.targets.cases import case_of, ids_of, listed

Judge = Callable[[Sequence[str]], Any]


def raises(ids: Sequence[str]) -> Verdict:
    """Fail with words that name an ID."""
    raise KeyError(ids[0])


@pytest.mark.parametrize(
    ("judge", "wrong"),
    [
        (raises, "KeyError"),
        (lambda _: None, "NoneType"),
        (lambda _: "accepted", "str"),
        (lambda _: Partial((), "x"), "Partial"),
        (lambda _: Partial((1, 1), "x"), "Partial"),
        (lambda _: Partial((0, 5), "x"), "Partial"),
        (lambda _: Partial((-1,), "x"), "Partial"),
        (lambda _: Partial(([],), "x"), "TypeError"),  # type: ignore[arg-type]
        (lambda _: Refused(400), "Refused"),  # type: ignore[arg-type]
        (lambda _: Ambiguous("x" * 65), "Ambiguous"),
        (lambda _: Throttled("x", math.nan), "Throttled"),
        (lambda _: Throttled("x", "5"), "TypeError"),  # type: ignore[arg-type]
    ],
)
async def test_s5_s8_what_cannot_be_judged_is_in_doubt(
    judge: Judge, wrong: str, tmp_path: Path
) -> None:
    """The run goes on to its end, its log can be read, and no log line names an ID."""
    answers = 0

    def decode(reply: Reply, kind: Kind, ids: Sequence[str], trusted: bool) -> Any:  # noqa: ANN401
        nonlocal answers
        answers += 1
        return CLEVERTAP.decode(reply, kind, ids, trusted) if answers == 1 else judge(ids)

    case, kind = case_of("clevertap"), Kind.IDENTITY
    ids = ids_of(kind, 10)
    faulty = replace(CLEVERTAP, decode=decode)
    with (
        mock.patch.object(targets, "find", return_value=faulty),
        heard_of(dispatch) as heard,
        capture_logs() as logs,
    ):
        async with case.emulator() as emulator:
            report = await case.run(emulator.url, listed(tmp_path, kind, ids), max_attempts=1)
    assert (report.exit_code, report.ids["accepted"], report.ids["ambiguous"]) == (3, 5, 5)
    assert report.run_dir is not None
    assert (await bulkdelete.status(report.run_dir)).ids == report.ids
    logs += heard
    (noted,) = [one for one in logs if one["event"] == "answer.unjudged"]
    assert noted["error"] == wrong
    assert not any(one in json.dumps(logs, default=str) for one in ids)


async def test_s5_an_answer_that_names_nobody_stops_the_run_at_once(tmp_path: Path) -> None:
    """Users may have been queued, and nobody can say which: no more than the first request goes."""
    case, kind = case_of("amplitude"), Kind.IDENTITY
    ids = ids_of(kind, 10)

    def unnamed(order: Order, unknown: Sequence[str]) -> bytes:
        return case.dialect.success(order, unknown).replace(b'"user_id"', b'"device_id"')

    silent = replace(case, dialect=replace(case.dialect, success=unnamed))
    async with silent.emulator() as emulator:
        with pytest.raises(bulkdelete.BulkdeleteError) as caught:
            await case.run(emulator.url, listed(tmp_path, kind, ids), max_attempts=1)
        assert (caught.value.exit, emulator.state.accepted_requests) == (75, 1)
    (run_dir,) = (tmp_path / "runs").iterdir()
    counts = (await bulkdelete.status(run_dir)).ids
    assert (counts["ambiguous"], counts["unsent"], counts["accepted"]) == (5, 5, 0)


IDS = ("u-1", "u-2")
JOB = Job(Piece(Span(0, 0, 2), Kind.IDENTITY, IDS), "")


@pytest.mark.parametrize(
    ("target", "verdict", "body", "kept"),
    [
        (CLEVERTAP, Accepted(), b"{}", True),
        (CLEVERTAP, Refused("http_400"), b"{}", True),
        (CLEVERTAP, Refused("http_400"), b"no u-2", False),
        (CLEVERTAP, Ambiguous("http_500"), b"\xffu-1", False),
        (CLEVERTAP, Partial((1,), "x"), b"{}", False),
        (AMPLITUDE, Accepted(), b"{}", False),
        (AMPLITUDE, Ambiguous("not_listed"), b"{}", False),
    ],
)
def test_s15_no_hash_is_kept_of_an_answer_that_names_ids(
    target: Target, verdict: Verdict, body: bytes, kept: bool
) -> None:
    """Whoever has a list could try it against the log."""
    nothing: Any = None
    sender = Dispatcher(
        target=target,
        transport=nothing,
        ledger=nothing,
        turns=nothing,
        pace=nothing,
        meter=nothing,
        wall=nothing,
        may_send=nothing,
    )
    answer = Answer(200, {}, body, complete=True)
    assert bool(sender._fingerprint(JOB, verdict, answer)) is kept
