"""What an audit compares: the log with plan, index, seal and reports, and the input with the plan.

Each look returns whether it is ok (None: it could not be checked) and why.
"""

import hashlib
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import checkpoint as log
from bulkdelete.core import report as reports
from bulkdelete.core import stamps
from bulkdelete.core.digests import keyed, leaf
from bulkdelete.core.progress import Progress
from bulkdelete.core.verification import says
from bulkdelete.errors import BulkdeleteError, IntegrityError
from bulkdelete.io import journal
from bulkdelete.reading import check_unchanged, planned_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.io.rundir import IndexFile, RunDir
    from bulkdelete.reading import Part

Finding = tuple[bool | None, str]


def end(torn: int, *, busy: bool) -> Finding:
    """Look at what stands behind the last whole commit group."""
    if busy:
        return None, "a process is writing to it now"
    if torn:
        return False, (
            f"{torn} bytes after the last whole group: a process died while it wrote them (then the"
            " same command goes on), or that group was altered"
        )
    return True, "it ends with a whole commit group"


def requests(run: "RunDir", plan: "Plan", index: "IndexFile") -> Finding:
    """Look whether each request was of a chunk of the plan, and approved."""
    approved, sent, strange = False, 0, 0
    for group, _ in journal.groups(run.log_path):
        for record in group:
            match record:
                case log.Approval(ids=ids):
                    approved = ids == plan.counts.planned
                case log.Intent(chunk=seq, digest=digest):
                    sent += 1
                    strange += not approved or index.chunk(seq).digest.hex() != digest
                case _:
                    pass
    if strange:
        return False, f"{strange:,} of {sent:,} not approved, or not of a chunk of the plan"
    return True, f"{sent:,} intents, each for a chunk of the plan, after an approval of all its IDs"


def balance(plan: "Plan", progress: Progress) -> Finding:
    """Look whether the eight states add up."""
    try:
        counted = reports.balance(plan.counts, progress)
    except ValueError as error:
        return False, str(error)
    states = [(name, count) for name, count in reports.as_dict(counted).items() if count]
    parts = [f"{count:,} {name}" for name, count in states if name != "read"]
    return True, f"{counted.read:,} read = {' + '.join(parts) or 'nothing'}"


def seal(run: "RunDir", plan: "Plan", progress: Progress) -> Finding:
    """Look whether the seal is of this balance, and of the chain before it."""
    if progress.seal is None:
        return None, "there is none: the run has not reached its end"
    before = log.NO_LINE
    for group, head in journal.groups(run.log_path):
        if progress.seal in group:
            break
        before = head
    counted = reports.as_dict(reports.balance(plan.counts, progress))
    if progress.seal.ids == counted and progress.seal.head == before:
        return True, "it holds the balance, and the chain's head before it"
    return False, "it is of another balance, or of another chain"


def report(run: "RunDir", plan: "Plan", head: str) -> Finding:
    """Look whether report.json says what the log said at the moment it was made."""
    try:
        text = run.report_path.read_bytes()
        found = msgspec.json.decode(text, type=reports.Report)
    except FileNotFoundError:
        return None, "there is none; `bulkdelete report` writes it"
    except (OSError, ValueError, msgspec.MsgspecError):
        return False, "it cannot be read; `bulkdelete report` writes it again"
    if not stamps.holds(text):
        return False, "it was altered: its checksum is wrong; `bulkdelete report` writes it again"
    then = _moment(run, plan, found.chain_head)
    if then is None:
        return False, "it knows a chain head that the log does not have: the log lost records"
    if not _agrees(found, plan, then) or not _agrees_on_rounds(found, run, plan, then):
        return False, "it says other than the log does; `bulkdelete report` writes it again"
    why = "its checksum is right, and it says what the log says"
    return True, why if found.chain_head == head else f"{why} of an earlier moment"


def _moment(run: "RunDir", plan: "Plan", wanted: str) -> Progress | None:
    """Replay the log up to the group whose head is `wanted`."""
    progress = Progress(plan.counts.chunks)
    for group, head in journal.groups(run.log_path):
        progress.replay(group)
        if head == wanted:
            return progress
    return None


def _agrees(found: reports.Report, plan: "Plan", then: Progress) -> bool:
    return (
        found.plan_digest == plan.digest
        and found.ids == reports.as_dict(reports.balance(plan.counts, then))
        and found.chunks == reports.chunk_counts(plan.counts, then)
        and found.requests == reports.request_counts(then)
    )


def _agrees_on_rounds(found: reports.Report, run: "RunDir", plan: "Plan", then: Progress) -> bool:
    """Tell whether the last verification is as verify.log has it, if that can be read."""
    try:
        rounds, _ = run.rounds(plan)
    except IntegrityError:
        return True  # `verified` says so
    concluded = [says(one, found.run_id, found.run_dir, then.last_at) for one in rounds.concluded()]
    return found.verification == (concluded[-1] if concluded else None)


def verified(run: "RunDir", plan: "Plan") -> Finding:
    """Look whether what was concluded afterwards is what was answered."""
    try:
        rounds, _ = run.rounds(plan)
    except IntegrityError as error:
        return False, str(error)
    if not rounds.every:
        return None, "there is none: nobody asked whether the profiles are gone"
    for asked in rounds.concluded():
        end = asked.concluded
        said = end and {"gone": end.gone, "there": end.there, "unknown": end.unknown}
        counted = rounds.tally(asked)
        back = counted.pop("back")
        if said != counted or end is None or end.back != back:
            return False, "a conclusion counts other than what was answered"
    return True, "its checksums and chain are right; each conclusion counts what was answered"


def page(path: "Path") -> Finding:
    """Look whether a report for the eye is as it was written."""
    try:
        text = path.read_bytes()
    except OSError:
        return None, "there is none; `bulkdelete report` writes it"
    if stamps.holds(text):
        return True, "its checksum is right; it is made from the log, and proves nothing by itself"
    return False, "it was altered: its checksum is wrong; `bulkdelete report` writes it again"


def noted(run: "RunDir", head: str, wanted: str | None) -> Finding:
    """Compare the chain's head with the one that was noted elsewhere."""
    if wanted is None:
        return None, "no --head was given: a rewriting of everything cannot be seen from here"
    if wanted == head:
        return True, "it is the one that was noted: nothing was rewritten, cut off or added"
    if any(one == wanted for _, one in journal.groups(run.log_path)):
        return (
            False,
            "records were added after the one that was noted; only those before are proven",
        )
    return False, "the log does not lead to the one that was noted: it was cut off or rewritten"


async def source(
    plan: "Plan", parts: "Sequence[Part]", index: "IndexFile", key: bytes | None
) -> Finding:
    """Read the input again: its bytes, and the chunks that they give."""
    try:
        await check_unchanged(plan, parts)
        count = await _chunks(plan, parts, index, key)
    except BulkdeleteError as error:
        return False, str(error)
    without = "" if key is not None else "; not compared with the digests under the key"
    files = f"{len(parts)} file{'s' * (len(parts) != 1)}"
    return True, f"{files}, {count:,} chunks: byte for byte what was approved{without}"


async def _chunks(
    plan: "Plan", parts: "Sequence[Part]", index: "IndexFile", key: bytes | None
) -> int:
    """Count the chunks; IntegrityError unless they are exactly the plan's."""
    content, count = hashlib.sha256(), 0
    async with aclosing(planned_chunks(plan, parts, index, None)) as chunks:
        async for chunk in chunks:
            digest = leaf(chunk.kind, chunk.ids)
            content.update(digest)
            count += 1
            if key is not None and keyed(key, digest) != index.chunk(chunk.seq).digest:
                raise IntegrityError("chunk_other", f"chunk {chunk.seq} has another digest")
    if count != plan.counts.chunks or content.hexdigest() != plan.content:
        raise IntegrityError("content_other", "it gives other chunks than those that were approved")
    return count
