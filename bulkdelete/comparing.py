"""What an audit compares: the log with plan, index, seal and reports, and the input with the plan.

Each look returns whether it is ok (None: it could not be checked) and why.
"""

import hashlib
import re
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.core import checkpoint as log
from bulkdelete.core import report as reports
from bulkdelete.core import stamps
from bulkdelete.core.digests import keyed, leaf
from bulkdelete.core.model import State
from bulkdelete.core.progress import Progress
from bulkdelete.core.snapshot import OtherVersionError
from bulkdelete.core.verification import says
from bulkdelete.errors import BulkdeleteError, IntegrityError
from bulkdelete.io import snapshots, sums
from bulkdelete.reading import check_unchanged, planned_chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.snapshot import Snapshot
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


class Walk:
    """What one reading of the log shows: the requests, the seal's place, and moments that matter.

    `heads` are those of the chain at which to note how things stood; `as_kept` tells whether they
    stood as the snapshot `kept` says, None when the log has no such place. Called as a witness of
    `RunDir.progress`.
    """

    def __init__(
        self,
        plan: "Plan",
        index: "IndexFile | None",
        heads: "Iterable[str]",
        kept: "Snapshot | None" = None,
    ) -> None:
        self._plan = plan
        self._index = index
        self._approved = False
        self._head = log.NO_LINE
        self.moments: dict[str, Moment | None] = dict.fromkeys(heads)
        self.sent = self.strange = 0
        self.before_seal = ""
        self._kept = kept
        self.as_kept: bool | None = None

    def __call__(self, progress: Progress, group: "Sequence[log.Record]", head: str) -> None:
        """Take the next commit group, which was applied to `progress`."""
        for record in group:
            match record:
                case log.Approval(ids=ids):
                    self._approved = ids == self._plan.counts.planned
                case log.Intent(chunk=seq, digest=digest) if self._index is not None:
                    self.sent += 1
                    known = self._index.chunk(seq).digest.hex() == digest
                    self.strange += not (self._approved and known)
                case log.Seal():
                    self.before_seal = self._head
                case _:
                    pass
        if self._kept is not None and head == self._kept.place.head:
            self.as_kept = self._kept.progress() == progress
        if head in self.moments:
            self.moments[head] = Moment.of(self._plan, progress)
        self._head = head


@dataclass(frozen=True, slots=True)
class Moment:
    """How things stood at one head of the chain."""

    ids: dict[str, int]
    chunks: dict[str, int]
    requests: dict[str, int]
    last_at: float

    @classmethod
    def of(cls, plan: "Plan", progress: Progress) -> "Moment":
        """Count as the reports do."""
        return cls(
            reports.as_dict(reports.balance(plan.counts, progress)),
            reports.chunk_counts(plan.counts, progress),
            reports.request_counts(progress),
            progress.last_at,
        )


def requests(walk: Walk) -> Finding:
    """Look whether each request was of a chunk of the plan, and approved."""
    if walk.strange:
        which = f"{walk.strange:,} of {walk.sent:,}"
        return False, f"{which} not approved, or not of a chunk of the plan"
    return (
        True,
        f"{walk.sent:,} intents, each for a chunk of the plan, after an approval of all its IDs",
    )


def balance(plan: "Plan", progress: Progress) -> Finding:
    """Look whether the eight states add up."""
    try:
        counted = reports.balance(plan.counts, progress)
    except ValueError as error:
        return False, str(error)
    states = [(name, count) for name, count in reports.as_dict(counted).items() if count]
    parts = [f"{count:,} {name}" for name, count in states if name != "read"]
    return True, f"{counted.read:,} read = {' + '.join(parts) or 'nothing'}"


def seal(plan: "Plan", progress: Progress, walk: Walk) -> Finding:
    """Look whether the seal is of this balance, and of the chain before it."""
    if progress.seal is None:
        return None, "there is none: the run has not reached its end"
    counted = reports.as_dict(reports.balance(plan.counts, progress))
    if progress.seal.ids == counted and progress.seal.head == walk.before_seal:
        return True, "it holds the balance, and the chain's head before it"
    return False, "it is of another balance, or of another chain"


def kept(run: "RunDir") -> "Snapshot | Finding":
    """Read the snapshot; a finding where there is none that is believed."""
    try:
        return snapshots.known(run.snapshot_path)
    except FileNotFoundError:
        return None, "there is none: the log is read whole"
    except OtherVersionError as error:
        return None, f"{error}: the log is read whole"
    except (OSError, ValueError):
        return False, "it was altered, so that the log is read whole; it may be deleted"


def snapshot(found: "Snapshot", walk: Walk) -> Finding:
    """Look whether the log came to what the snapshot says, where that was taken."""
    if walk.as_kept is None:
        return False, "it was taken at a place that the log does not have: the log lost records"
    if not walk.as_kept:
        return False, "it says other than the log does; it may be deleted"
    return True, f"it says what the log's first {found.place.seq:,} records say"


def reported(run: "RunDir") -> "reports.Report | Finding":
    """Read report.json; a finding where there is none that can be believed."""
    try:
        text = run.report_path.read_bytes()
        found = msgspec.json.decode(text, type=reports.Report)
    except FileNotFoundError:
        return None, "there is none; `bulkdelete report` writes it"
    except (OSError, ValueError, msgspec.MsgspecError):
        return False, "it cannot be read; `bulkdelete report` writes it again"
    if not stamps.holds(text):
        return False, "it was altered: its checksum is wrong; `bulkdelete report` writes it again"
    return found


def report(run: "RunDir", plan: "Plan", found: reports.Report, walk: Walk, head: str) -> Finding:
    """Look whether report.json says what the log said at the moment it was made."""
    then = walk.moments[found.chain_head]
    if then is None:
        return False, "it knows a chain head that the log does not have: the log lost records"
    if not _agrees(found, plan, then) or not _agrees_on_rounds(found, run, plan, then):
        return False, "it says other than the log does; `bulkdelete report` writes it again"
    why = "its checksum is right, and it says what the log says"
    return True, why if found.chain_head == head else f"{why} of an earlier moment"


def _agrees(found: reports.Report, plan: "Plan", then: Moment) -> bool:
    said = (found.plan_digest, found.ids, found.chunks, found.requests)
    return said == (plan.digest, then.ids, then.chunks, then.requests)


def _agrees_on_rounds(found: reports.Report, run: "RunDir", plan: "Plan", then: Moment) -> bool:
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


def others(run: "RunDir") -> Finding:
    """Look whether the files that nothing else vouches for are as they were written."""
    there = {one.name for one in run.path.iterdir() if _VOUCHED.fullmatch(one.name)}
    try:
        known = sums.read(run.path)
    except (ValueError, OSError):
        return False, f"{sums.NAME} was altered: what it vouches for is not known"
    if known is None:
        return (None, f"there is no {sums.NAME}") if there else (None, "there are none")
    altered = [
        name
        for name in sorted(there | known.keys())
        if name not in known or (name in there and sums.sha256(run.path / name) != known[name])
    ]
    if altered:
        names = ", ".join(altered)
        return False, f"altered, or not written by this program: {names}"
    gone = sorted(known.keys() - there)
    return True, f"{len(known) - len(gone)} as in {sums.NAME}" + (
        f"; removed since: {', '.join(gone)}" if gone else ""
    )


_VOUCHED = re.compile(
    rf"(?:{'|'.join(State)}|still-there|came-back)\.(?:csv|jsonl|parquet)|sketch\.json"
    r"|approval-\d+\.sig|receipt\.(?:html|json)\.sig"
)
"""The names of the files that SHA256SUMS vouches for."""


def noted(head: str, wanted: str | None, walk: Walk) -> Finding:
    """Compare the chain's head with the one that was noted elsewhere."""
    if wanted is None:
        return None, "no --head was given: a rewriting of everything cannot be seen from here"
    if wanted == head:
        return True, "it is the one that was noted: nothing was rewritten, cut off or added"
    if walk.moments[wanted] is not None:
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
