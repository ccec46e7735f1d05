"""The audit of a run: whether its files fit together to the last bit, and the input with them.

It shows that nothing was damaged, and that nobody altered a part. It cannot show that nobody with
write access rewrote all of it, checksums and chain included: for that, the chain's head must have
been noted elsewhere. Nothing here sends, and nothing is written.
"""

from typing import TYPE_CHECKING

from bulkdelete import comparing
from bulkdelete.errors import BulkdeleteError, IntegrityError
from bulkdelete.findings import SCHEMA, Audit, Book

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulkdelete.core import report as reports
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.core.snapshot import Snapshot
    from bulkdelete.io.rundir import IndexFile, RunDir
    from bulkdelete.reading import Part

    Locate = Callable[[Plan], Sequence[Part]]
    """Finds the input of a plan; what it raises is why the input was not checked."""


async def audit(run: "RunDir", locate: "Locate", noted_head: str | None = None) -> Audit:
    """Check a run; UsageError when there is none."""
    run.check()
    book = Book()
    head = ""
    plan = book.trial(
        "plan.json", "it fits its digest and the log's header: the log was begun for it", run.plan
    )
    if plan is not None:
        head = await _with_plan(book, run, plan, locate, noted_head)
    for page in (*run.pages, *run.receipts):
        book.note(page.name, comparing.page(page))
    book.note("other files", comparing.others(run))
    checks = book.checks()
    good = all(check.ok is not False for check in checks)
    return Audit(SCHEMA, str(run.path), good, head, checks)


async def _with_plan(
    book: Book, run: "RunDir", plan: "Plan", locate: "Locate", noted_head: str | None
) -> str:
    """Check what a sound plan lets one check; return the chain's head ("": unknown)."""
    index = book.trial(
        "plan.index", "it is the one whose hash plan.json has", lambda: run.index(plan)
    )
    try:
        book.note("verify.log", comparing.verified(run, plan))
        said = comparing.reported(run)
        heads = [] if isinstance(said, tuple) else [said.chain_head]
        kept = comparing.kept(run)
        noted = [*heads, *([noted_head] if noted_head else [])]
        walk = comparing.Walk(plan, index, noted, None if isinstance(kept, tuple) else kept)
        read = book.trial(
            "checkpoint.log",
            "each record's checksum, number and chain are right; none contradicts another",
            lambda: run.progress(plan, walk),
        )
        key = None
        if read is not None:
            progress, reader = read
            book.note("log's end", comparing.end(reader.torn, busy=run.busy()))
            book.note("snapshot", _snapshot(kept, walk))
            if index is not None:
                book.note("requests", comparing.requests(walk))
            book.note("balance", comparing.balance(plan, progress))
            book.note("seal", comparing.seal(plan, progress, walk))
            book.note("report.json", _report(run, plan, said, walk, reader.head))
            book.note("chain head", comparing.noted(reader.head, noted_head, walk))
            key = _key(book, run, plan, progress)
        if index is not None:
            await _input(book, plan, index, key, locate)
    finally:
        if index is not None:
            index.close()
    return "" if read is None else read[1].head


def _snapshot(kept: "Snapshot | comparing.Finding", walk: comparing.Walk) -> comparing.Finding:
    return kept if isinstance(kept, tuple) else comparing.snapshot(kept, walk)


def _report(
    run: "RunDir",
    plan: "Plan",
    said: "reports.Report | comparing.Finding",
    walk: comparing.Walk,
    head: str,
) -> comparing.Finding:
    if run.busy():
        return None, "the run is at work: it is written at the end"
    return said if isinstance(said, tuple) else comparing.report(run, plan, said, walk, head)


def _key(book: Book, run: "RunDir", plan: "Plan", progress: "Progress") -> bytes | None:
    try:
        key = run.own_key(plan, progress.header)
    except IntegrityError as error:
        ok = None if error.code == "key_missing" else False
        book.note("run.key", (ok, str(error)))
        return None
    if plan.draft:
        book.note("run.key", (None, "the plan is a draft: its log names no account by the key"))
    else:
        book.note("run.key", (True, "it names the account as the log's header does"))
    return key


async def _input(
    book: Book, plan: "Plan", index: "IndexFile", key: bytes | None, locate: "Locate"
) -> None:
    try:
        parts = locate(plan)
    except BulkdeleteError as error:
        book.note("input", (None, f"{error} (--input PATH says where it is now)"))
        return
    book.note("input", await comparing.source(plan, parts, index, key))
