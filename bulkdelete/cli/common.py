"""What plan, run and apply share: from flags to settings, from input to a plan on disk."""

import getpass
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bulkdelete import planning, runs
from bulkdelete.cli import STDIN_PATH
from bulkdelete.cli.console import plan_lines
from bulkdelete.cli.flags import AcceptFlags, OutputFlags, given
from bulkdelete.core import guards
from bulkdelete.core.anomaly import Night, check_anomaly
from bulkdelete.core.plan import Plan
from bulkdelete.errors import UsageError
from bulkdelete.io import files, source
from bulkdelete.io.rundir import Draft, RunDir
from bulkdelete.planning import Planned, Wish
from bulkdelete.reading import STDIN, Part
from bulkdelete.settings import Settings, load_profile, resolve
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console


def settings_of(output: OutputFlags, *groups: object) -> Settings:
    """Resolve the settings from groups of flags, environment and profile."""
    return load_settings(output, given(*groups))


def load_settings(output: OutputFlags, flags: Mapping[str, Any]) -> Settings:
    """Resolve the settings from flags by name, environment and profile."""
    name = output.profile or os.environ.get("BULKDELETE_PROFILE")
    return resolve(flags, os.environ, load_profile(name, Path.cwd()))


class Intake:
    """The input of one command: its parts, and the draft directory that is made for it."""

    def __init__(self, inputs: Sequence[str], settings: Settings, accept: AcceptFlags) -> None:
        if not inputs:
            raise UsageError("input_missing", "no input was named", "bulkdelete plan FILE")
        guards.check_rules(accept.accept_damage)
        self.accept = accept
        self.settings = settings
        self.draft = Draft(_runs_place(settings), settings.key_file)
        self._inputs = inputs
        self.planned = False
        self.sums: tuple[str, ...] = ()
        self.passed: list[Path] = []

    async def wish(self) -> Wish:
        """Find the parts (standard input is spooled first) and say what to plan."""
        if STDIN_PATH in self._inputs:
            if len(self._inputs) > 1:
                raise UsageError("input", "standard input is an input of its own")
            await source.spool(self.draft.spool_path(), sys.stdin.buffer)
            parts: tuple[Part, ...] = (Part(self.draft.spool_path(), STDIN),)
            inputs: tuple[str, ...] = (STDIN,)
        else:
            paths = source.expand(self._inputs)
            parts = tuple(Part(path, str(path)) for path in paths)
            inputs = _absolute(self._inputs)
        settings = self.settings
        self.nights = runs.nights(inputs, settings)
        sketches = [one.sketch for one in self.nights if one.sketch is not None]
        self._wished = Wish(
            parts=parts,
            inputs=inputs,
            reading=settings.reading,
            target=settings.target,
            host=settings.host,
            account=settings.account,
            chunk_size=settings.chunk_size,
            protect=settings.protect,
            environment=settings.environment,
            made_by=who(),
            signatures=settings.signatures,
            signers=settings.signers,
            last_seen=settings.last_seen,
            exported_at=settings.exported_at,
            selection=settings.selection,
            # One key for all runs of a job, so that their sketches can be compared.
            sketch_seed=sketches[0].seed if sketches else secrets.randbits(64),
        )
        return self._wished

    async def earlier(self, wish: Wish) -> RunDir | None:
        """Return the earlier run of this input, if there is one."""
        if wish.inputs == (STDIN,):
            self.sums = ((await source.fingerprint(wish.parts[0].path)).sha256,)
        return runs.matching(wish, self.settings, self.sums, self.passed)

    async def same(self, wish: Wish, found: runs.Found) -> list[str]:
        """Name what differs between an earlier plan and what is asked for now."""
        self.sums = tuple([(await source.fingerprint(part.path)).sha256 for part in wish.parts])
        quick = await runs.quick_differences(found, wish, self.sums)
        if quick is not None:
            return quick
        from bulkdelete.core.plan import changes

        fresh = await self.plan(wish)
        return [] if fresh.plan.digest == found.plan.digest else changes(found.plan, fresh.plan)

    async def plan(self, wish: Wish) -> Planned:
        """Make the plan, in memory."""
        began = time.monotonic()
        made = await planning.make_plan(wish, self.draft.key, tool=__version__, created=time.time())
        plan = msgspec.structs.replace(made.plan, seconds=round(time.monotonic() - began, 3))
        return Planned(plan, made.sections, made.findings, made.sketch)

    def keep(self, made: Planned) -> RunDir:
        """Write the plan under its final name; only while `alone`."""
        self.planned = True
        final = self._final(made.plan)
        self.draft.check_free(final)
        return self.draft.finish(made.plan, made.sections, final, made.sketch)

    def alone(self) -> AbstractContextManager[None]:
        """Be the only process that makes runs where this one is to be made."""
        return files.alone_in(_runs_place(self.settings))

    def _final(self, plan: Plan) -> Path:
        if self.settings.run_dir is not None:
            return self.settings.run_dir
        short = plan.digest.removeprefix("sha256:")[:12]
        stem = runs.stem(self._wished)
        place = self.settings.runs_dir
        final = place / f"{stem}-{short}"
        number = 2
        while final.exists():
            final = place / f"{stem}-{short}-{number}"
            number += 1
        return final


def _absolute(words: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs as they were named (globs are not resolved), from the root on."""
    return tuple(str(Path(word).absolute()) for word in words)


def _runs_place(settings: Settings) -> Path:
    """Return where the draft is made: on the same file system as its final place."""
    if settings.run_dir is None:
        return settings.runs_dir
    return settings.run_dir.absolute().parent


def check(made: Planned, settings: Settings, accept: AcceptFlags) -> None:
    """Apply the guards that look at the plan alone."""
    guards.check_invalid(made.plan.counts, settings.max_invalid, made.findings.invalid)
    guards.check_damage(made.findings.damage, accept.accept_damage)
    if not accept.accept_protect_mismatch:
        guards.check_protect(made.findings.strangers)
    check_limits(made.plan, settings)


def check_usual(made: Planned, intake: Intake) -> None:
    """Hold a job's list that is out of the usual, unless that is said to be meant."""
    if not intake.accept.accept_anomaly:
        counts = made.plan.counts
        check_anomaly(Night.of(counts, made.sketch), intake.nights)


def who() -> str:
    """Return who runs this; containers run users that have no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"
    return name.encode("utf-8", "backslashreplace").decode()


def check_limits(plan: Plan, settings: Settings) -> None:
    """Apply the guards of size and age; also before a plan that was made earlier is sent."""
    guards.check_size(plan.counts, settings.max_deletes, settings.expect_count)
    guards.check_percent(plan.counts, settings.max_percent, settings.population)
    guards.check_age(plan.list_time, time.time(), settings.max_list_age)


def warn_long(console: "Console", plan: Plan, settings: Settings) -> None:
    """Warn when the plan would outlive its approval."""
    seconds = -(-plan.counts.chunks // settings.cap)
    if seconds > settings.plan_ttl:
        console.note(
            f"warning: at 1 s an answer this takes {seconds / 3600:.1f} h, longer than --plan-ttl;"
            " the run will stop in between and ask for --renew"
        )


def show_plan(console: "Console", made: Planned, settings: Settings) -> None:
    """Print the plan for a person, on stderr when stdout is for JSON or a result."""
    for line in plan_lines(made.plan, made.findings, settings.cap):
        console.note(line)
    warn_long(console, made.plan, settings)


def parts_of(run: RunDir, plan: Plan, moved: Sequence[str] = ()) -> tuple[Part, ...]:
    """Return the parts of a plan: where they were, or where they are said to be now."""
    if moved:
        return tuple(Part(path, str(path)) for path in source.expand(moved))
    found = []
    for facts in plan.parts:
        path = run.spool_path if facts.path == STDIN else Path(facts.path)
        if not path.exists():
            raise UsageError(
                "input_missing",
                f"{path}: the input of this run is not there; nothing was sent",
                "restore it, or name it with: bulkdelete apply RUN_DIR --input PATH",
            )
        found.append(Part(path, STDIN if facts.path == STDIN else facts.path))
    return tuple(found)


def check_yes(yes: bool, settings: Settings) -> None:  # noqa: FBT001 - the flag itself
    """Refuse --yes without a ceiling."""
    if yes and settings.max_deletes is None:
        raise UsageError(
            "yes_needs_max_deletes",
            "--yes needs --max-deletes: say how many IDs it may be at most; nothing was sent",
        )
    if yes and settings.production and settings.expect_count is None:
        raise UsageError(
            "production_needs_count",
            "this profile is production: --yes needs --expect-count there; nothing was sent",
            "say how many IDs it must be, or approve the plan by its digest",
        )


def refuse_emulator(settings: Settings) -> None:
    """Refuse the emulator's account at a real host, before anything is planned."""
    from bulkdelete.core.target import is_loopback

    host = (settings.host or "http://localhost").split("//")[1].rsplit(":", 1)[0].strip("[]")
    if settings.account == "EMULATOR" and not is_loopback(host):
        raise UsageError("emulator_credentials", "EMULATOR credentials go to loopback only")
