"""The runs under a directory, those of its fleets among them, and of what input each is.

A fleet of 200 jobs looks back at what may be thousands of runs, several times a job. So each plan
is read once, and known again by its directory's name and number; kept in memory is what tells whose
it is. How a run stands is read from its log, each time, by who looks for it here.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bulkdelete.errors import IntegrityError
from bulkdelete.io import files
from bulkdelete.io.rundir import RunDir
from bulkdelete.reading import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.shard import Shard

    Place = tuple[str, int]

FLEET_LOCK = "fleet.lock"
_OF_A_FLEET = (FLEET_LOCK, "fleet.json")


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that is kept; `gist` is None where its plan is damaged. `job` is its job's digest.

    Of a damaged plan that is what the log says, of a shard nothing that is known here.
    """

    run: RunDir
    made_at: int
    gist: "Gist | None"
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gist:
    """What of a plan says which input and account it is of, however many files that has.

    `words` is a hash of the words that named the input, `paths` of its files' names, `sums` of
    their SHA-256. `planned`: it has anything to send.
    """

    target: str
    account: str | None
    shard: "Shard | None"
    spooled: bool
    words: bytes
    paths: bytes
    sums: bytes
    draft: bool = False
    planned: bool = True

    @classmethod
    def of(cls, plan: "Plan") -> "Gist":
        """Return that of a plan."""
        return cls(
            target=plan.bound.target,
            account=plan.bound.account,
            shard=plan.shard,
            spooled=STDIN in plan.inputs,
            words=hashed(plan.inputs),
            paths=hashed([part.path for part in plan.parts]),
            sums=hashed([part.sha256 for part in plan.parts]),
            draft=plan.draft,
            planned=bool(plan.counts.planned),
        )

    def same_input(self, other: "Gist") -> bool:
        """Tell that both are of one input and account.

        The same words on the command line, or the same files; of standard input the same content.
        """
        if self.draft or (self.target, self.account) != (other.target, other.account):
            return False
        if other.spooled:
            return (self.words, self.sums) == (other.words, other.sums)
        return self.words == other.words or self.paths == other.paths


def hashed(texts: "Sequence[str]") -> bytes:
    """Return a short name of many texts."""
    return hashlib.blake2b(msgspec.json.encode(texts), digest_size=16).digest()


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
        links: list[str] = []
        for place in _directories(self._place, links):
            self._enter(place, there, links)
        for place in list(_far(links, there)) if links else ():
            self._enter(place, there, [])
        if there == self._known:
            return
        self._known = there
        found = [one for one in there.values() if one is not None]
        self._runs = sorted(found, key=lambda one: one.made_at, reverse=True)
        self._of_job = {}
        for one in self._runs:
            self._of_job.setdefault(one.job, []).append(one)

    def _enter(self, place: "Place", there: "dict[Place, Kept | None]", links: list[str]) -> None:
        """Note the run that is there, or those of a fleet."""
        there[place] = known = self._kept(place)
        if known is None and is_fleet(place[0]):
            there.update((inner, self._kept(inner)) for inner in _directories(place[0], links))

    def _kept(self, place: "Place") -> Kept | None:
        """Return the run that is there; None for what is none, and may become one."""
        known = self._known.get(place)
        run = RunDir(Path(place[0]))
        return known or (kept(run) if run.exists() else None)


def _directories(place: "Path | str", links: list[str]) -> "list[Place]":
    """Return the directories in a place that we may enter; `links` gets the links there."""
    found = []
    try:
        with os.scandir(place) as entries:
            for one in entries:
                if one.name.startswith("."):
                    continue
                if one.is_symlink():
                    links.append(one.path)
                elif one.is_dir() and not files.is_closed(one.path):
                    found.append((one.path, one.inode()))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return found


def _far(links: "Sequence[str]", near: "Iterable[Place]") -> "Iterator[Place]":
    """Yield the directories that links lead to, unless they are near anyway.

    A link is often another name of what is beside it (`latest`), and may lead in a circle.
    """
    known = {os.path.realpath(path) for path, _ in near}
    for link in links:
        path = os.path.realpath(link)
        if path not in known and os.path.isdir(path) and not files.is_closed(path):  # noqa: PTH112 - it never raises
            known.add(path)
            yield path, Path(path).stat().st_ino


def is_fleet(path: "Path | str") -> bool:
    """Tell that runs of a fleet are in it."""
    return any(Path(path, name).exists() for name in _OF_A_FLEET)


def kept(run: RunDir) -> Kept:
    """Read the gist of a run."""
    try:
        plan = run.plan()
    except IntegrityError:
        return Kept(run, run.made_at, None, run.planned)
    return Kept(run, run.made_at, Gist.of(plan), plan.job_digest)
