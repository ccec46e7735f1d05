"""`audit`: each file altered is named, what was not checked is said, and what that proves."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from bulkdelete import auditing, receipting
from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import State
from bulkdelete.core.plan import Plan
from bulkdelete.core.stamps import BLANK, stamp
from bulkdelete.errors import UsageError
from bulkdelete.findings import WHATS
from bulkdelete.io import journal, sums
from bulkdelete.io.rundir import RunDir
from bulkdelete.outcome_files import write_outcomes
from bulkdelete.reading import Part
from tests.conftest import Emulate, Program
from tests.microscope.papers import bytes_of, finished_run
from tests.snapshots import keep_snapshot

NOT_THERE = dict.fromkeys(("snapshot", "verify.log", "receipt.html", "receipt.json"))
ALL_OK = dict.fromkeys(WHATS, True) | NOT_THERE
"""Of a short run that nobody verified afterwards, nor made a receipt of."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Make a finished run with refused, protected, duplicate and invalid IDs."""
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def audited(finished: RunDir, tmp_path: Path) -> RunDir:
    """Give a copy of the finished run."""
    return RunDir(Path(shutil.copytree(finished.path, tmp_path / "run")))


def parts(plan: Plan) -> Sequence[Part]:
    """Find the input where the plan says that it is."""
    return [Part(Path(one.path), one.path) for one in plan.parts]


async def found(run: RunDir, head: str | None = None) -> dict[str, bool | None]:
    """Audit; return what was ok."""
    return {one.what: one.ok for one in (await auditing.audit(run, parts, head)).checks}


async def why(run: RunDir, what: str, head: str | None = None) -> str:
    """Audit; return why one thing is as it is."""
    audit = await auditing.audit(run, parts, head)
    return next(one.why for one in audit.checks if one.what == what)


def wrong(checks: dict[str, bool | None]) -> set[str]:
    """Return what was not ok."""
    return {what for what, ok in checks.items() if ok is False}


def groups_of(run: RunDir) -> list[tuple[list[log.Record], str]]:
    """Return the commit groups of the log, each with the chain's head after it."""
    found: list[tuple[list[log.Record], str]] = []
    journal.read(run.log_path, lambda _: None, lambda group, head: found.append((group, head)))
    return found


def forge(run: RunDir, change: Callable[[log.Record], log.Record]) -> str:
    """Write the whole log anew, checksums and chain included; return the old head."""
    groups = groups_of(run)
    writer = log.Writer()
    run.log_path.write_bytes(
        b"".join(writer.group([change(one) for one in group]) for group, _ in groups)
    )
    return groups[-1][1]


async def test_a_sound_run_is_ok_in_all_that_can_be_checked(audited: RunDir) -> None:
    """Only the head that nobody noted is open, and with it nothing is."""
    assert await found(audited) == ALL_OK | {"chain head": None}
    head = (await auditing.audit(audited, parts)).chain_head
    assert await found(audited, head) == ALL_OK


async def test_z3_any_byte_of_any_file_that_is_altered_shows(audited: RunDir) -> None:
    """Every 61st byte here, and every one of them in `make microscope`."""
    seen = await bytes_of(audited, 0, 1, 61)
    assert (seen.wrong, seen.seen["refused"] > 400) == ([], True)


async def test_z3_any_file_of_a_run_that_was_edited_alone_shows(audited: RunDir) -> None:
    """Outcome files, sketch, signatures and receipts, too: a byte altered, added or taken away."""
    plan = audited.plan()
    progress, _ = audited.progress(plan)
    for form in ("csv", "parquet", "jsonl"):
        await write_outcomes(audited, plan, parts(plan), progress, list(State), form)
    audited.add_signature(b"a signature")
    receipting.write(audited, receipting.make(audited, plan, 0.0, "ana"), None)
    keep_snapshot(audited, before_end=2)
    checks = await found(audited)
    assert (wrong(checks), checks["other files"], checks["receipt.html"]) == (set(), True, True)
    papers = [one for one in audited.path.iterdir() if one.suffix != ".lock"]
    assert len(papers) >= 30
    missed = []
    for path in papers:
        whole = path.read_bytes()
        place = len(whole) // 2
        altered = bytearray(whole)
        altered[place : place + 1] = bytes(one ^ 1 for one in altered[place : place + 1])
        for text in {bytes(altered), whole[:-1], whole[1:], whole + b"\n"} - {whole}:
            path.write_bytes(text)
            if not wrong(await found(audited)):
                missed.append((path.name, len(text) - len(whole)))
        path.write_bytes(whole)
    assert missed == []


async def test_what_vouches_for_the_other_files(audited: RunDir) -> None:
    """One that was removed is said; one that nobody wrote is not ok; no SHA256SUMS: not checked."""
    (audited.path / "rejected.csv").unlink()
    assert "removed since: rejected.csv" in await why(audited, "other files")
    (audited.path / "accepted.csv").write_text("identity\nuser-1\n", "utf-8")
    assert "altered, or not written by this program: accepted.csv" in await why(
        audited, "other files"
    )
    (audited.path / sums.NAME).unlink()
    assert (await found(audited))["other files"] is None
    assert "no SHA256SUMS" in await why(audited, "other files")
    for name in ("accepted.csv", "sketch.json"):
        (audited.path / name).unlink()
    assert await why(audited, "other files") == "there are none"
    sums.note(audited.path, {"rejected.csv": "0" * 64})
    (audited.path / sums.NAME).write_text("nonsense", "utf-8")
    sums.note(audited.path, {"unsent.csv": "1" * 64, "rejected.csv": None})
    assert sums.read(audited.path) == {"unsent.csv": "1" * 64}


async def test_z3_a_report_that_says_other_than_the_log(audited: RunDir) -> None:
    """Also when it was altered with care, checksum and all."""
    facts = json.loads(audited.report_path.read_text("utf-8"))
    facts["ids"]["accepted"] += 1
    facts["ids"]["read"] += 1
    facts["checksum"] = BLANK
    audited.report_path.write_bytes(stamp(json.dumps(facts, indent=2).encode()))
    assert wrong(await found(audited)) == {"report.json"}
    assert "other than the log" in await why(audited, "report.json")


async def test_z3_d10_a_log_that_lost_its_end_is_known_by_the_report(audited: RunDir) -> None:
    """A cut between groups is sound in itself; the report's head is not in it any more."""
    text = audited.log_path.read_bytes().splitlines(keepends=True)
    audited.log_path.write_bytes(b"".join(text[:-1]))
    checks = await found(audited)
    assert (checks["checkpoint.log"], checks["log's end"], checks["seal"]) == (True, True, None)
    assert wrong(checks) == {"report.json"}
    assert "lost records" in await why(audited, "report.json")


async def test_z3_d10_the_snapshot_says_what_the_log_says(audited: RunDir) -> None:
    """Of its end or of an earlier place; a log that lost that place, or says other, is known."""
    for before_end in (0, 3):
        kept = keep_snapshot(audited, before_end)
        assert (await found(audited))["snapshot"] is True
        assert f"first {kept.place.seq:,} records" in await why(audited, "snapshot")
    keep_snapshot(audited)
    whole = audited.log_path.read_bytes()
    audited.log_path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert wrong(await found(audited)) == {"snapshot", "report.json"}
    assert "the log lost records" in await why(audited, "snapshot")
    audited.log_path.write_bytes(whole)
    kept = keep_snapshot(audited)
    other = msgspec.structs.replace(kept, accepted_ids=kept.accepted_ids + 1)
    audited.snapshot_path.write_bytes(other.encode())
    assert wrong(await found(audited)) == {"snapshot"}
    assert "other than the log" in await why(audited, "snapshot")


async def test_a_receipt_is_made_from_the_whole_log(audited: RunDir) -> None:
    """Whatever a snapshot says: it is given to others as evidence."""
    plan = audited.plan()
    before = receipting.make(audited, plan, 0.0, "ana")
    kept = keep_snapshot(audited)
    other = msgspec.structs.replace(kept, accepted_ids=kept.accepted_ids - 1)
    audited.snapshot_path.write_bytes(other.encode())
    assert audited.progress(plan)[0].accepted_ids == kept.accepted_ids - 1
    assert receipting.make(audited, plan, 0.0, "ana") == before


async def test_c5_a_snapshot_of_another_version_is_no_fault(audited: RunDir) -> None:
    """It is not read, and says so."""
    kept = keep_snapshot(audited)
    audited.snapshot_path.write_bytes(msgspec.structs.replace(kept, tool="0").encode())
    assert (await found(audited))["snapshot"] is None
    assert "another version" in await why(audited, "snapshot")


async def test_z3_a_log_rewritten_with_care_is_known_by_plan_seal_and_head(audited: RunDir) -> None:
    """Chain and checksums made anew: a request for another chunk, a seal of another balance."""

    def other_chunk(record: log.Record) -> log.Record:
        if isinstance(record, log.Intent):
            return msgspec.structs.replace(record, digest="0" * 32)
        return record

    head = forge(audited, other_chunk)
    assert wrong(await found(audited, head)) == {"requests", "seal", "report.json", "chain head"}


async def test_z3_a_seal_of_another_balance(audited: RunDir) -> None:
    """The seal alone forged: its counts are not those that the log gives."""

    def other_counts(record: log.Record) -> log.Record:
        if isinstance(record, log.Seal):
            return msgspec.structs.replace(record, ids=record.ids | {"rejected": 0})
        return record

    forge(audited, other_counts)
    assert wrong(await found(audited)) == {"seal", "report.json"}


async def test_z3_requests_without_an_approval(audited: RunDir) -> None:
    """An approval of another number of IDs is none."""

    def fewer(record: log.Record) -> log.Record:
        return (
            msgspec.structs.replace(record, ids=1) if isinstance(record, log.Approval) else record
        )

    forge(audited, fewer)
    assert "requests" in wrong(await found(audited))


async def test_records_added_after_the_head_that_was_noted(audited: RunDir) -> None:
    """Not ok: what is behind the head that was noted is not proven by it, and that is said."""
    head = groups_of(audited)[-2][1]
    assert wrong(await found(audited, head)) == {"chain head"}
    assert "added after" in await why(audited, "chain head", head)
    assert "cut off or rewritten" in await why(audited, "chain head", "0" * 64)


async def test_an_older_report_is_of_an_earlier_moment(audited: RunDir) -> None:
    """A process that died after it: the report is still what the log was then."""
    progress, reader = audited.progress(audited.plan())
    assert progress.seal is not None
    more = reader.writer().group([progress.starts[-1]])
    audited.log_path.write_bytes(audited.log_path.read_bytes() + more)
    checks = await found(audited)
    assert (checks["report.json"], checks["seal"], wrong(checks)) == (True, None, set())
    assert "earlier moment" in await why(audited, "report.json")


async def test_what_is_not_there_is_not_checked(audited: RunDir) -> None:
    """Key, reports and input gone: said as such, and no fault; the plan gone is one."""
    for path in (audited.path / "run.key", audited.report_path, *audited.pages):
        path.unlink()

    def nowhere(_: Plan) -> Sequence[Part]:
        raise UsageError("input_missing", "it is not there; nothing was sent")

    audit = await auditing.audit(audited, nowhere)
    open_ = {one.what for one in audit.checks if one.ok is None}
    pages = {"report.json", "report.html", "report.md"}
    assert open_ == pages | NOT_THERE.keys() | {"run.key", "input", "chain head"}
    assert audit.ok
    assert "nothing was sent" not in " ".join(one.why for one in audit.checks)
    (audited.path / "plan.json").unlink()
    checks = await found(audited)
    assert (checks["plan.json"], checks["checkpoint.log"]) == (False, None)


async def test_the_input_without_the_key_is_compared_with_the_approved_content(
    audited: RunDir,
) -> None:
    """The content's digest needs no key: the input is proven by it alone."""
    (audited.path / "run.key").unlink()
    checks = await found(audited)
    assert (checks["run.key"], checks["input"]) == (None, True)
    assert "under the key" in await why(audited, "input")


async def test_audit_on_the_command_line(program: Program, emulate: Emulate) -> None:
    """Exit 0 and 6, one JSON object, lines that say what is proven; the input where it moved."""
    await emulate()
    path, _ = program.ids(250)
    assert (await program.run(path)).code == 0
    run_dir = program.run_dir()
    moved = shutil.move(path, program.place / "moved.csv")
    text = await program("audit", run_dir)
    assert text.code == 0, text.out
    assert "not checked  input" in text.out
    assert "It does not prove" in text.out
    wide = [line for line in text.out.splitlines() if len(line) > 80]
    assert all(str(path) in line for line in wide)  # a path is not broken
    ended = await program("audit", run_dir, "--input", moved, "--json")
    checks = {one["what"]: one["ok"] for one in ended.json["checks"]}
    assert (ended.code, checks) == (0, ALL_OK | {"chain head": None})
    other = program.write("other.csv", "identity", "somebody-else")
    ended = await program("audit", run_dir, "--input", other)
    assert ended.code == 6
    assert "NOT OK       input" in ended.out
