"""Looking back: which earlier run a job has, and which run elsewhere began or sent its list."""

import glob
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.archive import FLEET_LOCK, Archive, Gist, hashed, is_fleet, kept
from bulkdelete.core.anomaly import MOST_HISTORY, Night
from bulkdelete.errors import BulkdeleteError, BusyError, IntegrityError
from bulkdelete.io.rundir import RunDir
from bulkdelete.io.source import kept_as
from bulkdelete.reading import STDIN
from bulkdelete.reporting import day
from bulkdelete.runs import already_done, doubts, load, stem, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.archive import Kept
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.shard import Shard
    from bulkdelete.runs import Found
    from bulkdelete.settings import Settings
    from bulkdelete.wish import Wish


@dataclass(frozen=True, slots=True)
class Past:
    """The past of one job; `in_fleet`: its run directory is one of many in a fleet's.

    `made`: a run that is sent as it was made, whatever others there are in its place.
    """

    settings: "Settings"
    archive: Archive
    in_fleet: bool = False
    made: Path | None = None

    @classmethod
    def of(cls, run: RunDir, settings: "Settings") -> "Past":
        """Return the past of a run that was made earlier, alone or in a fleet."""
        path = run.path.resolve()
        place, in_fleet = path.parent, is_fleet(path.parent)
        if in_fleet:
            place = place.parent
        placed = replace(settings, runs_dir=place, run_dir=path if in_fleet else None)
        return cls(placed, Archive(place), in_fleet, path)

    # --- its own runs ---

    def earlier(
        self, wish: "Wish", sums: "tuple[str, ...]", passed: "Sequence[Path]" = ()
    ) -> RunDir | None:
        """Return its newest run of the same input and account; `sums` are the parts' SHA-256.

        Those in `passed` were passed over.
        The same input: the same words on the command line, or the same files. With a run directory
        named, that one, whatever it holds. What may be its plan, and is damaged, is one, too.
        """
        settings = self.settings
        if settings.run_dir is not None:
            run = RunDir(settings.run_dir, settings.key_file)
            return run if run.exists() and run.path not in passed else None
        mine = _wished(wish, sums)
        for one in self.archive.runs():
            run, gist = one.run, one.gist
            if run.path in passed or not self._owns(run):
                continue
            if gist is None:
                if run.run_id.startswith(stem(wish) + "-") and not _of_another_shard(run, wish):
                    return RunDir(run.path, settings.key_file)
                continue  # another input's damage is not this job's business
            if not gist.same_input(mine):
                continue
            if gist.shard == wish.shard or _stands_in_the_way(run, gist, wish):
                return RunDir(run.path, settings.key_file)
        return None

    def nights(self, inputs: "tuple[str, ...]") -> list[Night]:
        """Return the finished runs of it, the newest first: the same words, account and shard.

        A run that cannot be read says nothing here; it speaks up where it matters.
        """
        found: list[Night] = []
        settings = self.settings
        job = (hashed(inputs), settings.target.name, settings.account, settings.shard)
        for one in self._all():
            gist = one.gist
            # Each shard keeps the whole job's figures: a night must count once.
            if gist is None or job != (gist.words, gist.target, gist.account, gist.shard):
                continue
            with suppress(BulkdeleteError, OSError):
                plan = one.run.plan()
                progress, _ = one.run.progress(plan)
                if progress.seal is not None and plan.whole.planned:
                    found.append(Night.of(plan.whole, one.run.sketch()))
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
        known = {one.run.path.absolute() for one in found}
        more = [
            kept(one)
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

    def sent(
        self, plan: "Plan", passed: "list[Path] | None" = None, at: float | None = None
    ) -> "Found | None":
        """Return the finished run of a fleet, or from outside of this one, that sent this plan.

        GuardError (`already_done`) where its approval is over, or where it cut the same job in
        another way; IntegrityError where chunks of it are in doubt. How runs of its own stand is
        not asked here. A run whose plan cannot be read says nothing. `passed`: as of `unfinished`;
        `at`: the time at which the approval must be alive, if that is not now. For a run that was
        made earlier, those of its own count that have finished since.
        """
        for one in self._all_of(plan.job_digest):
            gist = one.gist
            if gist is None or not gist.planned:
                continue
            same = gist.shard == plan.shard
            far = self._is_elsewhere(one.run) if same else _share(gist.shard, plan.shard)
            if not far and (self.made in {None, one.run.path} or gist.shard != plan.shard):
                continue
            found = _read(one.run, passed)
            if found is None or found.progress.seal is None:
                continue
            if not far and found.progress.seal.at < plan.created:
                continue
            if same and doubts(found, self.settings):
                raise _unfinished(found, "; or send all of it once more with --again")
            what = f"shard {gist.shard} of this list" if gist.shard else "this list"
            ended = f"{what} was deleted on {day(found.progress.seal.at)} already ({one.run.path})"
            if not same:
                raise already_done(ended)
            approval = found.progress.approval
            if approval is None or (time.time() if at is None else at) >= approval.expires:
                raise already_done(ended)
            return found
        return None

    def _all_of(self, job: str) -> "Iterable[Kept]":
        if self.settings.run_dir is None or self.in_fleet:
            return self.archive.of_job(job)
        return [one for one in self._all() if one.job == job]

    def unfinished(self, plan: "Plan", passed: "list[Path] | None" = None) -> "Iterator[Found]":
        """Yield what is begun elsewhere of this input, or this list, and not finished.

        BusyError where it is not begun, and somebody is asked for its approval now. What is of this
        list and cannot be read is refused, or noted in `passed`; of another list it says nothing.
        """
        job, mine = plan.job_digest, Gist.of(plan)
        for one in self.archive.runs():
            gist, run = one.gist, one.run
            if gist is not None and not _share(gist.shard, mine.shard):
                continue
            if one.job != job and (gist is None or not gist.same_input(mine)):
                continue
            if not self._is_elsewhere(run) or self._is_sibling(run):
                continue
            same_list = one.job == job or gist is None or gist.sums == mine.sums
            found = _read(run, passed if same_list else [])
            if found is None or not found.unfinished:
                continue
            if _begun(found):
                yield found
            elif run.busy() or _fleet_at_work(run.path.parent):
                raise BusyError(
                    "busy",
                    f"another process is about to send this input, as {run.path}; nothing "
                    "was sent by this one",
                    f"watch it with: bulkdelete status {run.path}",
                )

    def check_alone(self, plan: "Plan", *, abandon: bool = False) -> None:
        """Refuse a plan of an input that is begun elsewhere, and not finished, or given up."""
        for found in self.unfinished(plan, [] if abandon else None):
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


def _read(run: RunDir, passed: "list[Path] | None") -> "Found | None":
    """Read a run; where it cannot be read, it is refused by name, or noted in `passed`."""
    try:
        return load(run)
    except BulkdeleteError as error:
        if passed is None:
            raise unreadable(run, error) from None
        passed.append(run.path)
        return None


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


def _wished(wish: "Wish", sums: "Sequence[str]") -> Gist:
    return Gist(
        target=wish.target.name,
        account=wish.account,
        shard=wish.shard,
        spooled=STDIN in wish.inputs,
        words=hashed(wish.inputs),
        paths=hashed([kept_as(part.path) for part in wish.parts]),
        sums=hashed(sums),
    )


def _of_another_shard(run: RunDir, wish: "Wish") -> bool:
    """Tell by its name that a run is another shard of so many as are wished."""
    found = re.search(r"-shard-([0-9]+)-of-([0-9]+)(?:-[0-9]+)?$", run.run_id)
    if found is None or wish.shard is None:
        return False
    return int(found[2]) == wish.shard.count and int(found[1]) != wish.shard.index


def _stands_in_the_way(run: RunDir, gist: Gist, wish: "Wish") -> bool:
    """Tell that an unfinished run cuts the same list in another way: both would send its IDs."""
    if not _share(gist.shard, wish.shard):
        return False
    try:
        return load(run).unfinished
    except BulkdeleteError:
        return True  # who reads it next says why


def _share(one: "Shard | None", other: "Shard | None") -> bool:
    """Tell that two parts of a list share IDs; None is all of it."""
    return one == other or one is None or other is None or one.count != other.count
