"""What holds for every target, whoever the vendor is.

`pytest tests/targets/test_conformance.py --target NAME` runs it on one that is installed besides.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bulkdelete
from bulkdelete.core.model import (
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
from bulkdelete.emulator import Order
from tests.conftest import Program
from tests.targets.cases import ACCOUNT, SECRET, Case, acted, ids_of, listed, swift

JSON = {"content-type": ["application/json"]}
ODD = [
    " padded ",
    "Zoë",
    "Zoe\u0308",
    'a"b',
    "c\\d",
    "=1+1",
    "*",
    "名前",
    "😀",
    "00042",
    "a\u2028b",
]
NO_SUCCESS = [
    *(b"", b"{}", b"[]", b"null", b"true", b"1", b'"success"', b"success", b"<html></html>"),
    *(b'{"error": "no"}', b'[{"error": "no"}]', b'{"success": false}', b'{"message": "no"}'),
    *(b'{"status": "fail"}', b'{"status": 200}', b"[null]", b"[[]]", b"\xff", b"{" * 4000),
]


def whole(status: int, body: bytes, **names: str) -> Answer:
    """Return an answer that arrived whole."""
    lines = {name.replace("_", "-"): [value] for name, value in names.items()}
    return Answer(status, JSON | lines, body, complete=True)


# --- what goes out ---


def test_s1_s3_the_look_alike_reads_what_is_sent(case: Case) -> None:
    """One ID and as many as it takes, of each kind: one kind, all of them, in order."""
    for kind in case.kinds:
        for count in (1, case.target.max_ids):
            ids = ids_of(kind, count)
            assert case.dialect.read(case.target.encode(kind, ids)) == Order(kind.value, ids)


def test_s1_no_id_is_changed(case: Case) -> None:
    """The customer's own IDs arrive as they were read, whatever is in them."""
    if Kind.IDENTITY not in case.kinds:
        pytest.skip("it takes none")
    body = case.target.encode(Kind.IDENTITY, ODD)
    assert case.dialect.read(body) == Order("identity", ODD)


def test_s3_no_impossible_request(case: Case) -> None:
    """None without IDs, with an empty one, or with more than it takes."""
    for kind in case.kinds:
        for ids in ([], [""], ids_of(kind, case.target.max_ids + 1)):
            with pytest.raises(ValueError, match="request"):
                case.target.encode(kind, ids)


def test_who_asks(case: Case) -> None:
    """The look-alike knows the headers, and refuses those of another; none breaks a line."""
    known = case.target.headers(ACCOUNT, SECRET)
    assert case.dialect.authorised(known, ACCOUNT, SECRET)
    assert not case.dialect.authorised(case.target.headers(ACCOUNT, "other"), ACCOUNT, SECRET)
    assert all(re.fullmatch(r"[ -~]+", name + value) for name, value in known.items())


def test_the_path_is_the_same_on_both_sides(case: Case) -> None:
    """And there is a look-alike's word for each limit that the target has."""
    assert case.dialect.path == case.target.delete_path
    assert (case.target.per_minute is None) == (case.dialect.window is None)


# --- what comes back ---


def judge(case: Case, reply: Any, *, trusted: bool = True) -> Verdict:  # noqa: ANN401 - a reply
    """Return the verdict on a reply to a request of three IDs."""
    kind = case.kinds[0]
    return case.target.decode(reply, kind, ids_of(kind, 3), trusted)


def test_s5_a_success_is_accepted_when_all_of_it_came(case: Case) -> None:
    """The look-alike's own words; and no part of them, in a whole answer or a cut one."""
    body = case.success(case.kinds[0], ids_of(case.kinds[0], 3))
    for trusted in (False, True):
        accepted = whole(case.dialect.created, body)
        assert judge(case, accepted, trusted=trusted) == Accepted()
        cut = replace(accepted, complete=False)
        assert isinstance(judge(case, cut, trusted=trusted), Ambiguous)
    for length in range(len(body)):
        assert isinstance(judge(case, whole(200, body[:length])), Ambiguous)


@pytest.mark.parametrize("body", NO_SUCCESS)
def test_s5_nothing_else_is(case: Case, body: bytes) -> None:
    """Whatever else comes with a 2xx is in doubt, refused, or no API."""
    for status in (200, 201, 204):
        for trusted in (False, True):
            verdict = judge(case, whole(status, body), trusted=trusted)
            assert isinstance(verdict, Ambiguous | Refused | Abort)


def test_s5_no_other_status_is_a_success(case: Case) -> None:
    """Though the body says so."""
    body = case.success(case.kinds[0], ids_of(case.kinds[0], 3))
    for status in (*range(100, 200), *range(300, 600)):
        for trusted in (False, True):
            verdict = judge(case, whole(status, body), trusted=trusted)
            assert not isinstance(verdict, Accepted | Partial), status


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((400, 409, 413, 422), Refused),
        ((401, 402, 403, 405), Abort),
        ((301, 302, 303, 307, 308), Abort),
        ((429,), Throttled),
        ((408, 500, 502, 503, 504), Ambiguous),
    ],
)
def test_what_a_status_means(case: Case, statuses: tuple[int, ...], kind: type) -> None:
    """Refused for what is in it; us refused; too much at once; perhaps acted on."""
    for status in statuses:
        for trusted in (False, True):
            body = case.dialect.failure("no", status)
            assert isinstance(judge(case, whole(status, body), trusted=trusted), kind), status


def test_no_api_before_the_first_acceptance(case: Case) -> None:
    """A 404 and a page where an answer should be stop the run; later they are doubts."""
    page = Answer(200, {"content-type": ["text/html"]}, b"<html>Sign in</html>", complete=True)
    assert isinstance(judge(case, page, trusted=False), Abort)
    assert isinstance(judge(case, page, trusted=True), Ambiguous)
    assert isinstance(judge(case, whole(404, b"{}"), trusted=False), Abort)


def test_how_long_to_wait(case: Case) -> None:
    """A Retry-After is heeded, on a 429 and on a 5xx."""
    for status in (429, 503):
        verdict = judge(case, whole(status, b"", retry_after="12"))
        assert isinstance(verdict, Throttled | Ambiguous)
        assert verdict.wait == 12.0


def test_no_answer(case: Case) -> None:
    """In doubt once a byte may have left; a failure before that; TLS stops the run."""
    assert isinstance(judge(case, Lost("timeout", sent=True, abandoned=True)), Ambiguous)
    assert isinstance(judge(case, Lost("connect_failed", sent=False)), Failed)
    assert isinstance(judge(case, Lost("tls", sent=False, untrusted=True)), Abort)


def test_it_says_what_it_cannot_be_asked(case: Case) -> None:
    """There is a way to ask for one profile, or the reason why there is none."""
    probe = case.target.probe
    assert (probe is None) == bool(case.target.no_probe)
    for kind in case.kinds if probe else ():
        assert probe is not None
        assert "delete" not in probe.query(kind, "x")
        assert not isinstance(probe.judge(whole(500, b""), None).verdict, Accepted)


# --- whole runs, over real loopback ---


async def test_s6_s8_a_run_of_each_kind(case: Case, tmp_path: Path) -> None:
    """Each planned ID once, none of those that were left out; and the balance adds up."""
    for kind in case.kinds:
        async with case.emulator() as emulator:
            ids = ids_of(kind, 23)
            path = listed(tmp_path, kind, [*ids, ids[0], "null", ids[1]])
            vip = tmp_path / "vip.txt"
            vip.write_text(f"{ids[4]}\n")
            with swift():
                report = await case.run(emulator.url, path, protect=[vip], max_invalid=50)
            assert report.exit_code == 0
            counts = report.ids
            assert (counts["accepted"], counts["protected"]) == (22, 1)
            assert (counts["duplicate"], counts["invalid"], counts["read"]) == (2, 1, 26)
            assert acted(emulator) == dict.fromkeys([*ids[:4], *ids[5:]], 1)


@pytest.mark.conformance
async def test_s9_throttled_and_in_doubt(case: Case, tmp_path: Path) -> None:
    """What was refused for the pace is sent once more; what may have been acted on, too."""
    script = ("ok", "429", "503", "+503", "drop_after", "cut_body", "drop_before", "html_200")
    kind = case.kinds[0]
    ids = ids_of(kind, 40)
    async with case.emulator(script=script) as emulator:
        with swift():
            report = await case.run(emulator.url, listed(tmp_path, kind, ids), max_in_flight=1)
        assert (report.exit_code, report.ids["accepted"]) == (0, 40)
        assert report.requests["throttled"] == 1
        assert set(acted(emulator)) == set(ids)
        assert sum(acted(emulator).values()) == 40 + 3 * 5  # +503, drop_after, cut_body


async def test_s5_a_refused_chunk_is_searched(case: Case, tmp_path: Path) -> None:
    """The one bad ID stands alone in the end, rejected; the others are accepted."""
    kind = case.kinds[0]
    ids = ids_of(kind, 20)
    async with case.emulator(refuse_ids=frozenset({ids[7]})) as emulator:
        with swift():
            report = await case.run(emulator.url, listed(tmp_path, kind, ids))
        assert (report.exit_code, report.ids["accepted"], report.ids["rejected"]) == (3, 19, 1)
        assert acted(emulator) == {one: 1 for one in ids if one != ids[7]}


async def test_s5_what_stays_in_doubt_is_said_so(case: Case, tmp_path: Path) -> None:
    """When the attempts are spent, nobody says that it was accepted, nor that it was not."""
    kind = case.kinds[0]
    ids = ids_of(kind, 10)
    async with case.emulator(script=("ok", "500", "500")) as emulator:
        with swift():
            report = await case.run(
                emulator.url, listed(tmp_path, kind, ids), max_attempts=2, max_in_flight=1
            )
    assert (report.exit_code, report.ids["accepted"], report.ids["ambiguous"]) == (3, 5, 5)


async def test_what_cannot_be_asked_is_said(case: Case, tmp_path: Path, program: Program) -> None:
    """Verify and doctor ask, or exit with 2 and the reason; a read is never a delete."""
    kind = case.kinds[0]
    async with case.emulator() as emulator:
        report = await case.run(emulator.url, listed(tmp_path, kind, ids_of(kind, 5)))
        before = emulator.state.requests
        program.env |= {case.target.account_variable: ACCOUNT, case.target.secret_variable: SECRET}
        place = ("--target", case.target.name, "--endpoint", emulator.url)
        doctor = await program("doctor", *place, "--json")
        assert (emulator.state.reads > 0) == (case.target.probe is not None)
        if case.target.probe is None:
            verify = await program("verify", report.run_dir, "--now", "--json")
            assert (doctor.code, verify.code) == (2, 2)
            assert case.target.no_probe in doctor.json["checks"][-1]["what"]
            assert verify.json["reason"]["code"] == "no_probe"
        else:
            assert doctor.code == 0
        assert emulator.state.requests == before


async def test_s10_wrong_credentials_and_another_target(case: Case, tmp_path: Path) -> None:
    """The first stop at the first answer; a plan goes nowhere else than where it was made for."""
    kind = case.kinds[0]
    path = listed(tmp_path, kind, ids_of(kind, 20))
    async with case.emulator() as emulator:
        with swift(), pytest.raises(bulkdelete.ServerError) as caught:
            await case.run(emulator.url, path, "wrong")
        assert caught.value.exit == 5
        (run_dir,) = (tmp_path / "runs").iterdir()
        other = "braze" if case.target.name == "clevertap" else "clevertap"
        requests = emulator.state.requests
        with pytest.raises(bulkdelete.IntegrityError, match="the plan is for the target"):
            await bulkdelete.apply(
                run_dir,
                target=other,
                credentials=bulkdelete.Credentials(ACCOUNT, SECRET),
                yes=True,
                max_deletes=1000,
            )
        assert emulator.state.requests == requests == 1
        assert acted(emulator) == {}


STARTED = """
import sys
from tests.targets.cases import swift
from bulkdelete.cli import main
sys.argv[0] = "bulkdelete"
with swift():
    main()
"""


@pytest.mark.conformance
async def test_s7_s8_killed_and_resumed(case: Case, tmp_path: Path) -> None:
    """Kill -9 in the middle: the same command goes on; at most what was in flight is doubled."""
    kind = case.kinds[0]
    ids = ids_of(kind, 60)
    path = listed(tmp_path, kind, ids)
    async with case.emulator(latency=0.15) as emulator:
        words = [
            *("run", path.name, "--target", case.target.name, "--endpoint", emulator.url),
            *("--yes", "--max-deletes", "100", "--chunk-size", "5", "--max-in-flight", "2"),
            *("--accept-damage", "identity_as_guid"),
        ]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            case.target.account_variable: ACCOUNT,
            case.target.secret_variable: SECRET,
        }

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-c", STARTED, *words],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )

        process = start()
        deadline = time.monotonic() + 60
        while emulator.state.accepted_requests < 4:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert emulator.state.accepted_requests < 12
        again = start()
        _, said = await asyncio.to_thread(again.communicate)
        assert again.returncode == 0, said
        times = acted(emulator)
        assert set(times) == set(ids)
        assert sum(times.values()) - len(times) <= 2 * 5
    (run_dir,) = (tmp_path / "bulkdelete-runs").iterdir()
    assert (await bulkdelete.status(run_dir)).ids["accepted"] == 60
    for kept in run_dir.iterdir():
        if kept.is_file():
            assert SECRET.encode() not in kept.read_bytes()


@pytest.mark.conformance
async def test_s13_the_pace_is_kept(case: Case, tmp_path: Path) -> None:
    """As it comes, the look-alike with its vendor's own limit never has to refuse a request."""
    if case.target.rate is None:
        pytest.skip("it has no limit in a time")
    kind = case.kinds[0]
    count = min(1000, max(4, int(2 * case.target.rate)))
    window = case.dialect.window
    async with case.emulator(window=window, latency=0.01) as emulator:
        began = time.monotonic()
        path = listed(tmp_path, kind, ids_of(kind, count))
        report = await case.run(emulator.url, path, chunk_size=1)
        took = time.monotonic() - began
    assert (report.exit_code, report.requests["throttled"]) == (0, 0)
    assert took > (count - 1) / case.target.rate / 1.1
