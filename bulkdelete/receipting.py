"""The receipt: written beside the report, as a page and as JSON, and signed when asked.

A signature is detached and made over the bytes of one file, under a namespace of its own, so that
whoever gets the page can check it with ssh-keygen alone.
"""

from typing import TYPE_CHECKING

import msgspec

from bulkdelete import reporting
from bulkdelete.core import stamps
from bulkdelete.core.receipt import receipt
from bulkdelete.core.verification import says
from bulkdelete.errors import UsageError
from bulkdelete.io import files, signing, sums
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.receipt import Receipt
    from bulkdelete.io.rundir import RunDir


def make(run: "RunDir", plan: "Plan", now: float, made_by: str) -> "Receipt":
    """Put the receipt together; UsageError for a draft, or while a process is sending."""
    if plan.draft:
        raise UsageError("draft", "this plan is a draft: there is nothing to give a receipt of")
    if run.busy():
        raise UsageError(
            "running",
            "a process is sending this run: what it says now will not be true in a moment",
            f"wait for its end: bulkdelete status --watch {run.path}",
        )
    progress, reader = run.progress(plan, whole=True)
    rounds, _ = run.rounds(plan)
    return receipt(
        plan=plan,
        progress=progress,
        report=reporting.summary(run, plan, progress, head=reader.head),
        rounds=[says(one, "", "", progress.last_at) for one in rounds.concluded()],
        signatures=run.signatures(),
        made=now,
        made_by=made_by,
        tool=f"bulkdelete {__version__}",
    )


def write(run: "RunDir", found: "Receipt", key: "Path | None") -> "list[Path]":
    """Write receipt.html and receipt.json, and a signature of each; return the paths.

    Without a key an older signature goes: it is of another text. UsageError when the key does
    not sign; then nothing is written.
    """
    from bulkdelete.render import receipt as page  # noqa: PLC0415 - jinja2 is slow to import

    text = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    html = page.render(msgspec.to_builtins(found, builtin_types=()))
    papers = {
        run.receipts[0]: stamps.stamp(f"{html}\n<!-- checksum: {stamps.BLANK} -->\n".encode()),
        run.receipts[1]: stamps.stamp(text),
    }
    made = {
        _signature(path): signing.sign(content, key, signing.RECEIPT) if key else None
        for path, content in papers.items()
    }
    for place in made:
        place.unlink(missing_ok=True)
    for path, content in (papers | made).items():
        if content is not None:
            files.replace(path, content)
    sums.note(run.path, {place.name: sums.sha256(place) if key else None for place in made})
    return [path for path in (*papers, *made) if path.exists()]


def _signature(path: "Path") -> "Path":
    return path.with_name(f"{path.name}.sig")
