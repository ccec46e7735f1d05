"""A run that was found: how it stands, and what to do with it.

A job that is started again must go on with what it began, not begin anew: so the newest run of
the same paths (for standard input: the same content) decides, which `past` finds.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core import plan as plans
from bulkdelete.core.report import balance
from bulkdelete.errors import BulkdeleteError, GuardError, IntegrityError
from bulkdelete.io.journal import Journal, LogFile
from bulkdelete.io.rundir import RunDir
from bulkdelete.io.source import fingerprint
from bulkdelete.reading import STDIN, said
from bulkdelete.reporting import day

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.settings import Settings
    from bulkdelete.wish import Wish


class Course(Enum):
    """What to do about the earlier run."""

    NEW = auto()
    PASS_OVER = auto()
    RESUME = auto()
    FINISHED = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """The earlier run, read."""

    run: RunDir
    plan: "Plan"
    progress: "Progress"

    @property
    def unfinished(self) -> bool:
        """It neither reached its end nor was given up."""
        return not self.progress.abandoned and self.progress.seal is None

    @property
    def untouched(self) -> bool:
        """Nobody approved it, and nothing of it was sent."""
        return self.progress.approval is None and not self.progress.starts


def already_done(what: str) -> GuardError:
    """Return the refusal to send a list that was sent, once the approval of that is over."""
    return GuardError(
        "already_done",
        f"{what}; users who came back since have the same IDs; nothing was sent",
        "if the list is meant once more, make a new run with --again",
    )


def stem(wish: "Wish") -> str:
    """Return the name of the input in the name of a run directory: no option, not hidden."""
    name = "stdin" if wish.inputs == (STDIN,) else wish.parts[0].path.name
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name.lstrip(".-"))
    return plain[:60] or "list"


def name(wish: "Wish", plan: "Plan") -> str:
    """Return the name of a plan's run directory; the shards of a job differ in its end only."""
    short = plan.job_digest.removeprefix("sha256:")[: plans.SHORT_DIGEST]
    shard = f"-{plan.shard.slug}" if plan.shard else ""
    return f"{stem(wish)}-{short}{shard}"


def load(run: RunDir) -> Found:
    """Read a run; IntegrityError when it cannot be believed."""
    run.check()
    plan = run.plan()
    progress, _ = run.progress(plan)
    return Found(run, plan, progress)


def unreadable(run: RunDir, error: BulkdeleteError) -> BulkdeleteError:
    """Have an error about an earlier run say which that is, and what can be done."""
    error.args = (f"{run.path}: {error}",)
    error.hint = (
        f"see what is wrong: bulkdelete audit {run.path}; then restore it from a copy, or move it "
        "away; or pass it by, as one that is given up, with --abandon"
    )
    return error


async def course(
    found: Found,
    same: "Callable[[], Awaitable[list[str]]]",
    settings: "Settings",
    now: float,
    *,
    again: bool,
    abandon: bool,
) -> Course:
    """Decide; `same` names what differs between the plan and what was asked for now.

    IntegrityError (`input_changed`) for an unfinished run of another plan; GuardError
    (`already_done`) for a finished one past its time to live.
    """
    sealed = found.progress.seal is not None
    if found.progress.abandoned or (again if sealed else abandon):
        return Course.NEW
    differences = await same()
    if differences and found.untouched and not abandon:
        return Course.PASS_OVER
    if differences and not sealed:
        raise IntegrityError(
            "input_changed",
            f"an unfinished run of this input ({found.run.path}) has another plan: "
            f"{', '.join(differences)} changed; nothing was sent",
            "restore what changed, or start afresh with --abandon",
        )
    if differences:
        return Course.NEW
    if not sealed or doubts(found, settings):
        return Course.RESUME
    approval = found.progress.approval
    if approval is not None and now >= approval.expires:
        finished_at = found.progress.seal.at if found.progress.seal else approval.at
        raise already_done(f"this list was deleted on {day(finished_at)} already")
    return Course.FINISHED


def doubts(found: Found, settings: "Settings") -> bool:
    """Tell whether a finished run has chunks in doubt that the policy is to send again."""
    ambiguous = balance(found.plan.counts, found.progress).ambiguous
    return bool(ambiguous) and settings.on_ambiguous != "hold"


async def quick_differences(
    found: Found, wish: "Wish", sums: "tuple[str, ...]"
) -> list[str] | None:
    """Compare without planning again; None when only a new plan can tell."""
    plan = found.plan
    changed = []
    if sums != tuple(part.sha256 for part in plan.parts):
        changed.append("the input's content")
    lists = tuple([(await fingerprint(path)).sha256 for path in wish.protect])
    if lists != tuple(one.sha256 for one in plan.bound.protect):
        changed.append("a protect list")
    bound = plan.bound
    pairs = {
        "the target": (wish.target.name, bound.target),
        "the account": (wish.account, bound.account),
        "the region or endpoint": (wish.host, bound.host),
        "the environment of the profile": (wish.environment, bound.environment),
        "how many signatures are demanded": (wish.signatures, bound.signatures),
        "--last-seen or --exported-at": (
            wish.last_seen and (wish.last_seen, wish.exported_at),
            bound.last_seen,
        ),
        "--where, --skip, --limit or --sample": (wish.selection.words(), bound.selection),
        "--shard": (str(wish.shard or ""), bound.shard),
        "the chunk size": (wish.chunk_size, bound.chunk_size),
        "the planning rules (another version of the tool)": (plans.RULES_VERSION, bound.rules),
    }
    changed.extend(name for name, (now, then) in pairs.items() if now != then)
    if changed:
        return changed
    return [] if said(wish.reading) == plan.reading else None


async def abandon(found: Found, now: float) -> None:
    """Put on record that a run is given up; BusyError when a process holds it."""
    await record(found, log.Abandon(at=now))


async def record(found: Found, what: log.Record) -> None:
    """Put something on record of a run that nobody sends; BusyError when a process holds it."""
    with found.run.lock():
        progress, reader = found.run.progress(found.plan)
        journal = Journal(LogFile(found.run.log_path), reader, progress.apply)
        try:
            await journal.append(what)
        finally:
            await journal.close()


def set_aside(place: "Path") -> None:
    """Make room for a new run where an earlier one is: that gets a number behind its name."""
    if not RunDir(place).exists():
        return
    number = 1
    while (aside := place.with_name(f"{place.name}.{number}")).exists():
        number += 1
    place.rename(aside)
