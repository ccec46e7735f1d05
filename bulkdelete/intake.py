"""From input to a plan on disk: the parts, the draft directory, and the guards that look at it."""

import asyncio
import getpass
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bulkdelete import planning, protecting, runs
from bulkdelete.archive import Archive
from bulkdelete.core import guards
from bulkdelete.core.anomaly import Night, check_anomaly
from bulkdelete.core.plan import Plan, changes
from bulkdelete.core.urls import MASK, Url, url_of
from bulkdelete.errors import BulkdeleteError, UsageError
from bulkdelete.io import files, source
from bulkdelete.io.rundir import Draft, RunDir
from bulkdelete.lake import Hire
from bulkdelete.past import Past
from bulkdelete.planning import Planned
from bulkdelete.reading import STDIN, Part, sum_of
from bulkdelete.settings import Settings
from bulkdelete.version import __version__
from bulkdelete.wish import Wish

_STDIN_WORDS = frozenset({STDIN, "/dev/stdin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a guard would hold, and is meant so: damage by its rule, an odd list, idle protect."""

    damage: tuple[str, ...] = ()
    anomaly: bool = False
    protect_mismatch: bool = False


class Intake:
    """The input of one command: its parts, and the draft directory that is made for it."""

    def __init__(
        self,
        inputs: Sequence[str],
        settings: Settings,
        meant: Meant,
        past: Past | None = None,
        hire: Hire | None = None,
    ) -> None:
        if not inputs:
            raise UsageError("input_missing", "no input was named", "bulkdelete plan FILE")
        guards.check_rules(meant.damage)
        self.meant = meant
        self.settings = settings
        self.past = past or Past(settings, Archive(settings.runs_dir))
        self.draft = Draft(_runs_place(settings), settings.key_file)
        self._inputs = inputs
        self._hire = hire
        self.sums: tuple[str, ...] = ()
        self.passed: list[Path] = []
        self.unreadable: list[Path] = []

    async def wish(self) -> Wish:
        """Find the parts (standard input is spooled first) and say what to plan."""
        if not _STDIN_WORDS.isdisjoint(self._inputs):
            if len(self._inputs) > 1:
                raise UsageError("input", "standard input is an input of its own")
            await source.spool(self.draft.spool_path(), sys.stdin.buffer)
            parts: tuple[Part, ...] = (Part(self.draft.spool_path(), STDIN),)
            inputs: tuple[str, ...] = (STDIN,)
        else:
            places = await source.expanded(self._inputs)
            parts = tuple(Part(place, str(place)) for place in places)
            inputs = _absolute(self._inputs)
        settings = self.settings
        # In a thread, here and wherever logs are read: a signal need not wait for the end of one.
        self.nights = await asyncio.to_thread(self.past.nights, inputs)
        sketches = [one.sketch for one in self.nights if one.sketch is not None]
        self._wished = Wish(
            parts=parts,
            inputs=inputs,
            reading=settings.reading,
            target=settings.target,
            host=settings.host,
            account=settings.account,
            chunk_size=settings.chunk_size,
            protect=await protecting.expanded(settings.protect),
            environment=settings.environment,
            made_by=who(),
            signatures=settings.signatures,
            signers=settings.signers,
            last_seen=settings.last_seen,
            exported_at=settings.exported_at,
            selection=settings.selection,
            shard=settings.shard,
            memory=settings.memory,
            scratch=self.draft.path,
            # One key for all runs of a job, so that their sketches can be compared.
            sketch_seed=sketches[0].seed if sketches else secrets.randbits(64),
        )
        return self._wished

    async def earlier(self, wish: Wish) -> RunDir | None:
        """Return the earlier run of this input, if there is one."""
        if wish.inputs == (STDIN,):
            self.sums = ((await source.fingerprint(wish.parts[0].path)).sha256,)
        return self.past.earlier(wish, self.sums, self.passed)

    async def same(self, wish: Wish, found: runs.Found) -> list[str]:
        """Name what differs between an earlier plan and what is asked for now."""
        known = dict(zip(wish.parts, found.plan.parts, strict=False))
        self.sums = tuple([await sum_of(part, known.get(part)) for part in wish.parts])
        quick = await runs.quick_differences(found, wish, self.sums)
        if quick is not None:
            return quick
        fresh = await self.plan(wish)
        return [] if fresh.plan.digest == found.plan.digest else changes(found.plan, fresh.plan)

    async def plan(self, wish: Wish) -> Planned:
        """Make the plan, in memory."""
        began = time.monotonic()
        made = await planning.make_plan(
            wish, self.draft.key, tool=__version__, created=time.time(), hire=self._hire
        )
        plan = msgspec.structs.replace(made.plan, seconds=round(time.monotonic() - began, 3))
        return Planned(plan, made.sections, made.findings, made.sketch)

    def keep(self, made: Planned) -> RunDir:
        """Write the plan under its final name; only while `alone`."""
        final = self._final(made.plan)
        self.draft.check_free(final)
        return self.draft.finish(made.plan, made.sections, final, made.sketch)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only process that makes runs where this one is to be made.

        A job of a fleet may be the run of a plain command, too: it waits for those as well.
        """
        with ExitStack() as stack:
            if self.past.in_fleet:
                stack.enter_context(files.alone_in(self.settings.runs_dir))
            stack.enter_context(files.alone_in(_runs_place(self.settings)))
            yield

    def check(self, made: Planned) -> None:
        """Apply the guards that look at the plan, and at the job's last ones."""
        settings, meant = self.settings, self.meant
        found = made.findings
        guards.check_invalid(
            made.plan.whole, settings.max_invalid, found.invalid, found.columns, found.masked
        )
        guards.check_damage(made.findings.damage, meant.damage)
        if not meant.protect_mismatch:
            guards.check_protect(made.findings.strangers)
        check_limits(made.plan, settings)
        if not meant.anomaly:
            check_anomaly(Night.of(made.plan.whole, made.sketch), self.nights)

    def _final(self, plan: Plan) -> Path:
        if self.settings.run_dir is not None:
            return self.settings.run_dir
        name = runs.name(self._wished, plan)
        place = self.settings.runs_dir
        final = place / name
        number = 2
        while final.exists():
            final = place / f"{name}-{number}"
            number += 1
        return final


def _absolute(words: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs as they were named (globs are not resolved), from the root on."""
    urls = [url_of(word) for word in words]
    return tuple(str(url or Path(word).absolute()) for word, url in zip(words, urls, strict=True))


def _runs_place(settings: Settings) -> Path:
    """Return where the draft is made: on the same file system as its final place."""
    if settings.run_dir is None:
        return settings.runs_dir
    return settings.run_dir.absolute().parent


def who() -> str:
    """Return who runs this; containers run users that have no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"
    return name.encode("utf-8", "backslashreplace").decode()


def check_limits(plan: Plan, settings: Settings) -> None:
    """Apply the guards of size and age; also before a plan that was made earlier is sent."""
    guards.check_size(plan.whole, settings.max_deletes, settings.expect_count)
    guards.check_percent(plan.whole, settings.max_percent, settings.population)
    guards.check_age(plan.list_time, time.time(), settings.max_list_age)


def target_of(run_dir: Path) -> str | None:
    """Return the target of a plan that was made earlier; None when it cannot be read."""
    try:
        return RunDir(run_dir).plan().bound.target
    except (BulkdeleteError, OSError):
        return None  # who reads it next says why


def parts_of(run: RunDir, plan: Plan, moved: Sequence[str] = ()) -> tuple[Part, ...]:
    """Return the parts of a plan: where they were, or where they are said to be now."""
    if moved:
        return tuple(Part(place, str(place)) for place in source.expand(moved))
    found = []
    for facts in plan.parts:
        if (url := url_of(facts.path)) is not None:
            found.append(_elsewhere(url))
            continue
        path = run.spool_path if facts.path == STDIN else Path(facts.path)
        if not path.exists():
            raise UsageError(
                "input_missing",
                f"{path}: the input of this run is not there; nothing was sent",
                "restore it, or name it with: bulkdelete apply RUN_DIR --input PATH",
            )
        found.append(Part(path, STDIN if facts.path == STDIN else facts.path))
    return tuple(found)


def _elsewhere(url: Url) -> Part:
    if url.text.endswith(f"?{MASK}"):
        raise UsageError(
            "input_missing",
            f"{url}: what follows the question mark may be a secret and was not kept; nothing "
            "was sent",
            "name the address again: bulkdelete apply RUN_DIR --input URL",
        )
    return Part(source.remote(url), str(url))


def not_kept(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs as they were named now, if a plan does not hold all of one; else none."""
    urls = map(url_of, inputs)
    return tuple(inputs) if any(url is not None and url.secret for url in urls) else ()


def refuse_emulator(settings: Settings) -> None:
    """Refuse the emulator's account at a real host, before anything is planned."""
    if settings.host is not None:
        guards.check_account(settings.account, settings.host)


def check_region(settings: Settings) -> None:
    """Refuse to send nowhere in particular."""
    if settings.host is None:
        raise UsageError(
            "region_missing",
            "the region is not named, and there is no default; nothing was sent",
            "read it off your dashboard's address and give --region",
        )
