"""Looking back: the runs under a directory, those of its fleets among them, and what they sent.

A fleet of 200 jobs looks back at what may be thousands of runs, several times a job. So each plan
is read once, and known again by its directory's name and number. What is decided by it here is
which runs to look at; how one of them stands is read from its log, each time.
"""

import glob
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.core.anomaly import MOST_HISTORY, Night
from bulkdelete.errors import BulkdeleteError, BusyError, IntegrityError
from bulkdelete.io.rundir import RunDir
from bulkdelete.io.source import kept_as
from bulkdelete.reading import STDIN
from bulkdelete.reporting import day
from bulkdelete.runs import already_done, doubts, load, stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.shard import Shard
    from bulkdelete.runs import Found
    from bulkdelete.settings import Settings
    from bulkdelete.wish import Wish

    Place = tuple[str, int]

FLEET_LOCK = "fleet.lock"
_OF_A_FLEET = (FLEET_LOCK, "fleet.json")


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that is kept; `plan` is None where it is damaged. `job` is its job's digest."""

    run: RunDir
    made_at: int
    plan: "Plan | None"
    job: str


class Archive:
    """All runs under a directory, one fleet deep; each plan is read once, whoever asks."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._known: dict[Place, Kept | None] = {}
        self._runs: list[Kept] = []
        self._of_job: dict[str, list[Kept]] = {}

    def runs(self) -> "Sequence[Kept]":
        """Return those that are there now, the newest first."""
        self._look()
        return self._runs

    def of_job(self, digest: str) -> "Sequence[Kept]":
        """Return the runs of a job and of its shards, the newest first."""
        self._look()
        return self._of_job.get(digest, ())

    def _look(self) -> None:
        there: dict[Place, Kept | None] = {}
        for place in _directories(self._place):
            there[place] = kept = self._kept(place)
            if kept is None and _is_fleet(place[0]):
                there.update((inner, self._kept(inner)) for inner in _directories(place[0]))
        if there == self._known:
            return
        self._known = there
        found = [kept for kept in there.values() if kept is not None]
        self._runs = sorted(found, key=lambda one: one.made_at, reverse=True)
        self._of_job = {}
        for one in self._runs:
            self._of_job.setdefault(one.job, []).append(one)

    def _kept(self, place: "Place") -> Kept | None:
        """Return the run that is there; None for what is none, and may become one."""
        known = self._known.get(place)
        run = RunDir(Path(place[0]))
        return known or (_kept(run) if run.exists() else None)


def _directories(place: "Path | str") -> "list[Place]":
    try:
        with os.scandir(place) as found:
            return [
                (one.path, one.inode())
                for one in found
                if not one.name.startswith(".") and one.is_dir()
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_fleet(path: str) -> bool:
    return any(Path(path, name).exists() for name in _OF_A_FLEET)


def _kept(run: RunDir) -> Kept:
    try:
        plan = run.plan()
    except IntegrityError:
        return Kept(run, run.made_at, None, "")
    return Kept(run, run.made_at, plan, plan.job_digest)


@dataclass(frozen=True, slots=True)
class Past:
    """The past of one job; `in_fleet`: its run directory is one of many in a fleet's."""

    settings: "Settings"
    archive: Archive
    in_fleet: bool = False

    # --- its own runs ---

    def earlier(
        self, wish: "Wish", sums: "tuple[str, ...]", passed: "Sequence[Path]" = ()
    ) -> RunDir | None:
        """Return its newest run of the same input and account; `sums` are the parts' SHA-256.

        Those in `passed` were passed over.
        The same input: the same words on the command line, or the same files. With a run directory
        named, that one, whatever it holds. IntegrityError when what may be its plan is damaged.
        """
        settings = self.settings
        if settings.run_dir is not None:
            run = RunDir(settings.run_dir, settings.key_file)
            return run if run.exists() and run.path not in passed else None
        for kept in self.archive.runs():
            run, plan = kept.run, kept.plan
            if run.path in passed or not self._owns(run):
                continue
            if plan is None:
                if run.run_id.startswith(stem(wish) + "-") and not _of_another_shard(run, wish):
                    run.plan()
                continue  # another input's damage is not this job's business
            if not _of(plan, wish) or plan.draft or not _same(plan, wish, sums):
                continue
            if plan.shard == wish.shard or _stands_in_the_way(run, plan, wish):
                return RunDir(run.path, settings.key_file)
        return None

    def nights(self, inputs: "tuple[str, ...]") -> list[Night]:
        """Return the finished runs of it, the newest first: the same words, account and shard.

        A run that cannot be read says nothing here; it speaks up where it matters.
        """
        found: list[Night] = []
        settings = self.settings
        job = (inputs, settings.target.name, settings.account, settings.shard)
        for kept in self._all():
            plan = kept.plan
            # Each shard keeps the whole job's figures: a night must count once.
            if plan is None or job != (
                *(plan.inputs, plan.bound.target, plan.bound.account, plan.shard),
            ):
                continue
            with suppress(BulkdeleteError, OSError):
                progress, _ = kept.run.progress(plan)
                if progress.seal is not None and plan.whole.planned:
                    found.append(Night.of(plan.whole, kept.run.sketch()))
            if len(found) == MOST_HISTORY:
                break
        return found

    def _all(self) -> "Iterable[Kept]":
        """Return the runs that may be earlier ones, each once, the newest first.

        Of a job whose run directory is named, they are what was set aside there, too.
        """
        found, own = self.archive.runs(), self.settings.run_dir
        if own is None or self.in_fleet:
            return found
        asides = map(RunDir, own.parent.glob(f"{glob.escape(own.name)}.[0-9]*"))
        known = {kept.run.path.absolute() for kept in found}
        more = [
            _kept(one)
            for one in (RunDir(own), *asides)
            if one.path.absolute() not in known and one.exists()
        ]
        return sorted((*found, *more), key=lambda one: one.made_at, reverse=True)

    def _owns(self, run: RunDir) -> bool:
        """Tell that `earlier` is about this run: how it stands is decided there."""
        own = self.settings.run_dir
        if own is None:
            return run.path.parent == self.settings.runs_dir
        return run.path == own or (
            run.path.parent == own.parent
            and re.fullmatch(re.escape(own.name) + r"\.[0-9]+", run.path.name) is not None
        )

    # --- what others sent ---

    def sent(self, plan: "Plan") -> "Found | None":
        """Return the finished run of a fleet, or from outside of this one, that sent this plan.

        GuardError (`already_done`) where its approval is over, or where it cut the same job in
        another way; IntegrityError where chunks of it are in doubt. How runs of its own stand is
        not asked here. A run whose plan cannot be read says nothing.
        """
        for kept in self._all_of(plan.job_digest):
            other = kept.plan
            if other is None or not other.counts.planned:
                continue
            same = other.shard == plan.shard
            if (not self._is_elsewhere(kept.run)) if same else not _cut_otherwise(other, plan):
                continue
            found = load(kept.run)
            if found.progress.seal is None:
                continue
            if same and doubts(found, self.settings):
                raise _unfinished(found, "; or send all of it once more with --again")
            what = f"shard {other.shard} of this list" if other.shard else "this list"
            ended = f"{what} was deleted on {day(found.progress.seal.at)} already ({kept.run.path})"
            if not same:
                raise already_done(ended)
            if found.progress.approval is None or time.time() >= found.progress.approval.expires:
                raise already_done(ended)
            return found
        return None

    def _all_of(self, job: str) -> "Iterable[Kept]":
        if self.settings.run_dir is None or self.in_fleet:
            return self.archive.of_job(job)
        return [kept for kept in self._all() if kept.job == job]

    def unfinished(self, plan: "Plan") -> "Iterator[Found]":
        """Yield what is begun elsewhere of this input, or this list, and not finished.

        BusyError where it is not begun, and somebody is asked for its approval now.
        """
        job = plan.job_digest
        for kept in self.archive.runs():
            other = kept.plan
            if other is None or not _share(other.shard, plan.shard):
                continue
            if kept.job != job and not _of_the_same_input(other, plan):
                continue
            if not self._is_elsewhere(kept.run) or self._is_sibling(kept.run):
                continue
            found = load(kept.run)
            if not found.unfinished:
                continue
            if _begun(found):
                yield found
            elif kept.run.busy() or _fleet_at_work(kept.run.path.parent):
                raise BusyError(
                    "busy",
                    f"another process is about to send this input, as {kept.run.path}; nothing "
                    "was sent by this one",
                    f"watch it with: bulkdelete status {kept.run.path}",
                )

    def check_alone(self, plan: "Plan") -> None:
        """Refuse a plan of an input that is begun elsewhere, and not finished."""
        for found in self.unfinished(plan):
            raise _unfinished(found, "; or give it up with --abandon")

    def _is_elsewhere(self, run: RunDir) -> bool:
        """Tell that it is a fleet's and this is not of that, or the other way round."""
        if self.in_fleet or self.settings.run_dir is None:
            return not self._owns(run)
        return False  # who names a run directory means that one

    def _is_sibling(self, run: RunDir) -> bool:
        """Tell that it is of the same fleet, which is bound as a whole to what is not finished."""
        own = self.settings.run_dir
        return own is not None and run.path.parent == own.parent


def _begun(found: "Found") -> bool:
    return not found.progress.abandoned and not found.untouched


def _fleet_at_work(place: Path) -> bool:
    return (place / FLEET_LOCK).exists() and RunDir(place).busy(FLEET_LOCK)


def _unfinished(found: "Found", more: str) -> IntegrityError:
    return IntegrityError(
        "unfinished_elsewhere",
        f"this list was begun by another run, which is not finished ({found.run.path}); nothing "
        "was sent by this one",
        f"finish it: bulkdelete apply {found.run.path}{more}",
    )


def _of(plan: "Plan", wish: "Wish") -> bool:
    bound = plan.bound
    return (bound.target, bound.account) == (wish.target.name, wish.account)


def _of_another_shard(run: RunDir, wish: "Wish") -> bool:
    """Tell by its name that a run is another shard of so many as are wished."""
    found = re.search(r"-shard-([0-9]+)-of-([0-9]+)(?:-[0-9]+)?$", run.run_id)
    if found is None or wish.shard is None:
        return False
    return int(found[2]) == wish.shard.count and int(found[1]) != wish.shard.index


def _stands_in_the_way(run: RunDir, plan: "Plan", wish: "Wish") -> bool:
    """Tell that an unfinished run cuts the same list in another way: both would send its IDs."""
    return _share(plan.shard, wish.shard) and load(run).unfinished


def _cut_otherwise(one: "Plan", other: "Plan") -> bool:
    return one.shard != other.shard and _share(one.shard, other.shard)


def _share(one: "Shard | None", other: "Shard | None") -> bool:
    """Tell that two parts of a list share IDs; None is all of it."""
    return one == other or one is None or other is None or one.count != other.count


def _same(plan: "Plan", wish: "Wish", sums: "tuple[str, ...]") -> bool:
    if STDIN in wish.inputs:
        return plan.inputs == wish.inputs and tuple(part.sha256 for part in plan.parts) == sums
    paths = tuple(kept_as(part.path) for part in wish.parts)
    return plan.inputs == wish.inputs or tuple(part.path for part in plan.parts) == paths


def _of_the_same_input(one: "Plan", other: "Plan") -> bool:
    """Tell that two plans are of one input and account."""
    bound = (one.bound.target, one.bound.account)
    if one.draft or bound != (other.bound.target, other.bound.account):
        return False
    if STDIN in one.inputs:
        sums = [tuple(part.sha256 for part in plan.parts) for plan in (one, other)]
        return one.inputs == other.inputs and sums[0] == sums[1]
    paths = [tuple(part.path for part in plan.parts) for plan in (one, other)]
    return one.inputs == other.inputs or paths[0] == paths[1]
