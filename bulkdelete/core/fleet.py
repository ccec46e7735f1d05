"""A fleet as data: the file that names its jobs, the digest that is approved, which job is next.

    name = "nightly"            # or the file's own name

    [defaults]                  # holds for each job that does not say otherwise
    region = "eu1"
    protect = ["vip.txt"]       # protect lists add up

    [[job]]
    name = "shop"
    inputs = ["shop/*.csv"]
    account-id = "XXX-XXX-XXXX"
    passcode-env = "SHOP_PASSCODE"
    max-deletes = 50000         # and whatever else a profile may say

What approves or accepts anything is said on the command line, and a passcode is in no file.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice, product
from typing import Any, Final

import msgspec

from bulkdelete.core.plan import Plan
from bulkdelete.core.shard import Shard
from bulkdelete.errors import GuardError, UsageError

SCHEMA = "bulkdelete.fleet/1"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_OWN: Final = frozenset({"name", "inputs", "passcode_env"})
"""What a job says besides settings."""

_OF_ONE_JOB: Final = frozenset({"name", "inputs", "metrics_file", "metrics_port", "heartbeat"})
"""What cannot be the same for all: the second job would write over the first, or speak for it."""

_THE_FLEETS: Final = frozenset({"run_dir", "runs_dir"})
"""Where jobs live: in the fleet's directory, under their names."""

NOT_BY_VARIABLE: Final = (
    *("metrics_file", "metrics_port", "heartbeat"),
    *("passcode_file", "profile", "run_dir"),
)
"""What no environment says to a fleet: it is one job's or one account's, and would be for all."""

_FLAGS: Final = frozenset(
    {
        *("yes", "approve", "renew", "again", "abandon", "must_resume", "dry_run"),
        *("accept_damage", "accept_anomaly", "accept_protect_mismatch"),
    }
)
"""What is said by a flag, or not at all."""

_EITHER: Final = (("region", "endpoint"), ("passcode_env", "passcode_file"))
"""Of these a job has one; a job's own stands for the other one of the defaults, too."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a fleet; `said` holds its settings by name, as a profile would."""

    name: str
    inputs: tuple[str, ...]
    said: Mapping[str, Any]
    passcode_env: str | None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or not self.inputs:
            raise ValueError(f"{self.name!r} is no job")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Jobs that are planned, approved and told of as one."""

    name: str
    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        names = {job.name for job in self.jobs}
        if not _NAME.fullmatch(self.name) or not names or len(names) != len(self.jobs):
            raise ValueError(f"{self.name!r} is no fleet")


# --- the file ---


def read(document: Mapping[str, Any], file: str, known: Collection[str]) -> Fleet:
    """Read what a fleet's file says; `known` are the settings that there are.

    UsageError names the job and the key at fault. `file` is the file's name: without its ending it
    is the fleet's, unless the file says another.
    """
    reader = _Reader(file, known)
    for key in document:
        if key not in {"name", "defaults", "job"}:
            raise reader.wrong(key, "a fleet's file holds name, [defaults] and [[job]]")
    defaults = document.get("defaults", {})
    if not isinstance(defaults, Mapping):
        raise reader.wrong("defaults", "one table is wanted: [defaults]")
    tables = document.get("job", [])
    if not isinstance(tables, list) or not all(isinstance(one, Mapping) for one in tables):
        raise reader.wrong("job", "tables are wanted: [[job]]")
    if not tables:
        raise reader.wrong("job", "a fleet has one job at least: [[job]]")
    name = reader.name(document.get("name", file.rpartition(".")[0]), "name")
    base = reader.defaults(defaults)
    jobs: dict[str, Job] = {}
    for number, table in enumerate(tables, 1):
        job = reader.job(base, table, number)
        if job.name in jobs:
            raise reader.wrong(f"job {job.name!r}", "there are two jobs of this name")
        jobs[job.name] = job
    return Fleet(name, tuple(jobs.values()))


class _Reader:
    def __init__(self, file: str, known: Collection[str]) -> None:
        self._file = file
        self._known = known

    def wrong(self, where: str, message: str, hint: str = "") -> UsageError:
        return UsageError("fleet_file", f"{self._file}: {where}: {message}; nothing was sent", hint)

    def name(self, value: object, where: str) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise self.wrong(
                where, "a name of letters, digits, - and _ is wanted (60 at most): name = ..."
            )
        return value

    def defaults(self, table: Mapping[str, Any]) -> dict[str, Any]:
        return self._settings(table, "defaults", _OF_ONE_JOB)

    def job(self, base: Mapping[str, Any], table: Mapping[str, Any], number: int) -> Job:
        where = f"job {table['name']!r}" if "name" in table else f"job number {number}"
        name = self.name(table.get("name"), f"{where}: name")
        said = _merged(base, self._settings(table, where, frozenset()))
        for one, other in _EITHER:
            if one in said and other in said:
                raise self.wrong(f"{where}: {_word(other)}", f"{_word(one)} is said, too: give one")
        account = said.get("account_id", "-")
        if not isinstance(account, str) or not account.strip():
            raise self.wrong(f"{where}: account-id", "text is wanted, and not a blank one")
        for wanted in (("account_id",), ("region", "endpoint")):
            if not any(one in said for one in wanted):
                missing = " or ".join(map(_word, wanted))
                raise self.wrong(where, f"it names no {missing}, and there is no default")
        return Job(
            name, self._inputs(said, where), _without(said, _OWN), self._variable(said, where)
        )

    def _settings(
        self, table: Mapping[str, Any], where: str, not_here: Collection[str]
    ) -> dict[str, Any]:
        said = {key.replace("-", "_"): value for key, value in table.items()}
        if len(said) != len(table):
            raise self.wrong(where, "a key stands there twice, once with - and once with _")
        for key in said:
            self._check_key(key, f"{where}: {_word(key)}", not_here)
        return said

    def _check_key(self, key: str, where: str, not_here: Collection[str]) -> None:
        if key == "passcode":
            raise self.wrong(
                where,
                "a passcode is in no file like this",
                "name a variable that holds it (passcode-env), or a file (passcode-file)",
            )
        if key in _FLAGS:
            raise self.wrong(where, "this is said by a flag of `bulkdelete fleet`, or not at all")
        if key in _THE_FLEETS:
            raise self.wrong(where, "jobs live in the fleet's directory, which --runs-dir moves")
        if key in not_here:
            raise self.wrong(where, "this is said by a job, and for itself only")
        if key not in self._known and key not in _OWN:
            near = get_close_matches(_word(key), [*map(_word, {*self._known, *_OWN})], n=1)
            raise self.wrong(where, "there is no such setting", "".join(f"{n}?" for n in near))

    def _inputs(self, said: Mapping[str, Any], where: str) -> tuple[str, ...]:
        found = said.get("inputs")
        words = [found] if isinstance(found, str) else found
        whole = isinstance(words, list) and all(isinstance(one, str) and one for one in words)
        if not whole or not words or not all(one.strip() for one in words):
            raise self.wrong(
                f"{where}: inputs", 'files, globs or addresses are wanted: inputs = ["a.csv"]'
            )
        if any(one in {"-", "/dev/stdin"} for one in words):
            raise self.wrong(f"{where}: inputs", "standard input cannot be read again on a resume")
        return tuple(words)

    def _variable(self, said: Mapping[str, Any], where: str) -> str | None:
        found = said.get("passcode_env")
        if found is not None and not (isinstance(found, str) and _VARIABLE.fullmatch(found)):
            raise self.wrong(
                f"{where}: passcode-env",
                "the name of an environment variable is wanted, and not what it holds",
            )
        return found


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Put a job's settings over the defaults; only protect lists add up."""
    replaced = {name for pair in _EITHER if own.keys() & set(pair) for name in pair}
    said = {**_without(base, replaced), **own}
    if "protect" in base and "protect" in own:
        said["protect"] = [*_listed(base["protect"]), *_listed(own["protect"])]
    return said


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _without(said: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in names}


def _word(key: str) -> str:
    return key.replace("_", "-")


# --- its plans ---


def digest(plans: Mapping[str, str]) -> str:
    """Return the digest to approve a fleet by: that of its jobs' names and their plans' digests.

    It depends on no path and no order, so the same jobs and lists give the same digest everywhere.
    """
    text = msgspec.json.encode((SCHEMA, sorted(plans.items())))
    return "sha256:" + hashlib.sha256(text).hexdigest()


def check_distinct(plans: Mapping[str, Plan]) -> None:
    """Refuse a list that is there twice for one account, however it is guarded, cut or packed.

    Shards of so many are no such list, each once: no two of them hold the same ID.
    """
    seen: dict[tuple[object, ...], dict[Shard | None, str]] = {}
    for name, plan in plans.items():
        bound = plan.bound
        for one in _lists(plan) if plan.counts.planned else ():
            there = seen.setdefault((bound.target, bound.host, bound.account, one), {})
            if (other := _of_the_same(there, plan.shard)) is not None:
                raise UsageError(
                    "fleet_twice",
                    f"the jobs {other!r} and {name!r} are the same list for the same account, or "
                    "hold one; nothing was sent",
                    "leave one of them out",
                )
            there[plan.shard] = name


def _lists(plan: Plan) -> set[tuple[str, str]]:
    """Name what is in a plan: each file by its bytes and where its IDs are, and all IDs as one."""
    content = plan.content if plan.job is None else plan.job.content
    sums = [part.sha256 for part in plan.parts if part.records]
    return {("", content), *product(sums, plan.bound.column)}


def _of_the_same(there: Mapping[Shard | None, str], shard: Shard | None) -> str | None:
    """Return the job that would send IDs of this shard, too; those there share none."""
    for first, name in islice(there.items(), 1):
        if shard is None or first is None or first.count != shard.count:
            return name
    return there.get(shard)


def check_ceiling(planned: int, most: int | None) -> None:
    """Refuse more IDs in all jobs that are to be sent than the whole fleet may have."""
    if most is not None and planned > most:
        raise GuardError(
            "max_deletes",
            f"the fleet's jobs hold {planned} IDs together, more than the {most} that its "
            "--max-deletes allows; nothing was sent",
            "look whether the lists are the right ones; if they are, raise --max-deletes",
        )


def turn(
    waiting: Sequence[str], running: Collection[str], paced: Collection[str] = ()
) -> int | None:
    """Return which of the waiting jobs is next, given the accounts of those waiting and running.

    One of the account that has the fewest running: jobs of one account only share its slots. Of a
    paced account one at a time, as each keeps its rate for itself; None while that is all there is.
    """
    busy = list(running)
    free = [n for n, one in enumerate(waiting) if one not in paced or one not in busy]
    return min(free, key=lambda number: busy.count(waiting[number]), default=None)
