"""Which run? Finds the earlier run of the same input and account, and says what to do with it.

A job that is started again must go on with what it began, not begin anew: so the newest run of
the same paths (for standard input: the same content) decides.
"""

import glob
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from bulkdelete.core import checkpoint as log
from bulkdelete.core import plan as plans
from bulkdelete.core.anomaly import MOST_HISTORY, Night
from bulkdelete.core.report import balance
from bulkdelete.errors import BulkdeleteError, GuardError, IntegrityError
from bulkdelete.io.journal import Journal, LogFile
from bulkdelete.io.rundir import RunDir, runs_in
from bulkdelete.io.source import fingerprint, kept_as
from bulkdelete.planning import said
from bulkdelete.reading import STDIN
from bulkdelete.reporting import day

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.core.shard import Shard
    from bulkdelete.planning import Wish
    from bulkdelete.settings import Settings


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


def matching(
    wish: "Wish", settings: "Settings", sums: "tuple[str, ...]", passed: "Sequence[Path]" = ()
) -> RunDir | None:
    """Return the newest run of the same input and account; `sums` are the parts' SHA-256.

    Those in `passed` were passed over.
    The same input: the same words on the command line, or the same files. With a run directory
    named, that one, whatever it holds. IntegrityError when what may be its plan is damaged.
    """
    if settings.run_dir is not None:
        run = RunDir(settings.run_dir, settings.key_file)
        return run if run.exists() and run.path not in passed else None
    for run in runs_in(settings.runs_dir):
        if run.path in passed:
            continue
        try:
            plan = run.plan()
        except IntegrityError:
            if run.run_id.startswith(stem(wish) + "-") and not _of_another_shard(run.run_id, wish):
                raise
            continue  # another input's damage is not this job's business
        if not _of(plan, wish) or plan.draft or not _same(plan, wish, sums):
            continue
        if plan.shard == wish.shard or _stands_in_the_way(run, plan, wish):
            return RunDir(run.path, settings.key_file)
    return None


def _of(plan: "Plan", wish: "Wish") -> bool:
    bound = plan.bound
    return (bound.target, bound.account) == (wish.target.name, wish.account)


def _of_another_shard(run_id: str, wish: "Wish") -> bool:
    """Tell by its name that a run is another shard of so many as are wished."""
    found = re.search(r"-shard-([0-9]+)-of-([0-9]+)(?:-[0-9]+)?$", run_id)
    if found is None or wish.shard is None:
        return False
    return int(found[2]) == wish.shard.count and int(found[1]) != wish.shard.index


def _stands_in_the_way(run: RunDir, plan: "Plan", wish: "Wish") -> bool:
    """Tell that an unfinished run cuts the same list in another way: both would send its IDs."""
    return _cut_otherwise(plan.shard, wish.shard) and load(run).unfinished


def _cut_otherwise(one: "Shard | None", other: "Shard | None") -> bool:
    """Tell that two parts of a list are not the same, and share IDs; None is all of it."""
    if one is not None and other is not None and one.count == other.count:
        return False
    return one != other


def check_sent(plan: "Plan", settings: "Settings") -> None:
    """Refuse a plan whose IDs a finished run sent that cuts the same job in another way.

    How a run of the same part stands, `course` says. A run whose plan cannot be read says nothing.
    """
    for run in _past(settings):
        try:
            other = run.plan()
        except IntegrityError:
            continue
        if not _cut_otherwise(other.shard, plan.shard) or other.job_digest != plan.job_digest:
            continue
        if other.counts.planned and (seal := load(run).progress.seal) is not None:
            what = f"shard {other.shard} of this list" if other.shard else "this list"
            raise _already_done(f"{what} was deleted on {day(seal.at)} already ({run.path})")


def _already_done(what: str) -> GuardError:
    return GuardError(
        "already_done",
        f"{what}; users who came back since have the same IDs; nothing was sent",
        "if the list is meant once more, make a new run with --again",
    )


def _same(plan: "Plan", wish: "Wish", sums: "tuple[str, ...]") -> bool:
    if STDIN in wish.inputs:
        return plan.inputs == wish.inputs and tuple(part.sha256 for part in plan.parts) == sums
    paths = tuple(kept_as(part.path) for part in wish.parts)
    return plan.inputs == wish.inputs or tuple(part.path for part in plan.parts) == paths


def nights(inputs: "tuple[str, ...]", settings: "Settings") -> list[Night]:
    """Return the finished runs of a job, the newest first: the same words, account and shard.

    A run that cannot be read says nothing here; it speaks up where it matters.
    """
    found: list[Night] = []
    job = (inputs, settings.target.name, settings.account, settings.shard)
    for run in _past(settings):
        try:
            plan = run.plan()
            # Each shard keeps the whole job's figures: a night must count once.
            if (plan.inputs, plan.bound.target, plan.bound.account, plan.shard) == job:
                progress, _ = run.progress(plan)
                if progress.seal is not None and plan.whole.planned:
                    found.append(Night.of(plan.whole, run.sketch()))
        except (BulkdeleteError, OSError):
            continue
        if len(found) == MOST_HISTORY:
            break
    return found


def _past(settings: "Settings") -> "Iterator[RunDir]":
    """Yield the runs that may be earlier ones of this job, each once, the newest first.

    Of a job whose run directory is named, they are what was set aside there, too.
    """
    yield from runs_in(settings.runs_dir)
    own = settings.run_dir
    if own is not None and own.absolute().parent != settings.runs_dir.absolute():
        asides = map(RunDir, own.parent.glob(f"{glob.escape(own.name)}.[0-9]*"))
        yield from sorted((RunDir(own), *asides), key=lambda one: one.made_at, reverse=True)


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
        raise _already_done(f"this list was deleted on {day(finished_at)} already")
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
