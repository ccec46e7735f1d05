"""From a fleet's file to jobs that may be sent: all planned, all guarded, before any request.

Nothing here stops at the first job that is refused: who corrects a fleet wants to hear of all.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bulkdelete import choosing, runs
from bulkdelete.approving import Consent
from bulkdelete.archive import Archive
from bulkdelete.concluding import as_far_as_read, disk_error, read, refusal
from bulkdelete.core import fleet as fleets
from bulkdelete.core.report import Report
from bulkdelete.core.urls import url_of
from bulkdelete.errors import BulkdeleteError, BusyError, IntegrityError, UsageError
from bulkdelete.intake import Intake, Meant, check_limits, refuse_emulator
from bulkdelete.io.orders import Words
from bulkdelete.io.rundir import RunDir, runs_in
from bulkdelete.outlets import check_extras
from bulkdelete.past import Past
from bulkdelete.settings import (
    FIELDS,
    PREFIX,
    Credentials,
    Settings,
    credentials,
    resolve,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkdelete.core.plan import Plan
    from bulkdelete.events import Event, Tell
    from bulkdelete.lake import Hire
    from bulkdelete.wish import Wish

    Look = Callable[["Job", Tell], Awaitable[Report]]
    """Finds or makes the run of a job."""

_PATHS = frozenset(
    {
        *("protect", "passcode_file", "slots_password_file", "signers"),
        *("kill_file", "key_file", "metrics_file"),
    }
)
"""Settings that name files: they are where the fleet's file says, seen from where that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command says of a fleet, and its file does not.

    `elsewhere`: other processes send it, which have the passcodes themselves.
    """

    consent: Consent
    meant: Meant
    max_deletes: int | None = None
    endpoints: tuple[str, ...] = ()
    again: bool = False
    abandon: bool = False
    must_resume: bool = False
    dry_run: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job with all that it needs; `credentials` is None where nothing is sent by this process.

    `words`: as it was asked for.
    """

    name: str
    inputs: tuple[str, ...]
    settings: Settings
    credentials: Credentials | None
    past: Past
    words: Words

    @property
    def run(self) -> RunDir:
        """Where it lives."""
        if self.settings.run_dir is None:
            raise ValueError("a job of a fleet has a directory of its own")
        return RunDir(self.settings.run_dir, self.settings.key_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mustered:
    """A job that may be sent, as far as its list goes; or `error`: why it must not."""

    job: Job
    report: Report
    found: runs.Found | None = None
    error: BulkdeleteError | None = None

    @property
    def plan(self) -> "Plan":
        """Return its plan; only of a job that was not refused."""
        if self.found is None:
            raise ValueError("a job that was refused has no plan")
        return self.found.plan

    @property
    def over(self) -> bool:
        """Tell that there is nothing left to do for it."""
        if self.found is None:
            return False
        doubts = runs.doubts(self.found, self.job.settings)
        return self.found.progress.seal is not None and not doubts


# --- who is meant ---


def read_file(path: Path) -> fleets.Fleet:
    """Read a fleet's file; UsageError names job and key at fault."""
    import tomllib  # noqa: PLC0415 - half a megabyte that only a fleet needs

    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            "fleet_file", f"{path}: the fleet's file cannot be read: {reason}; nothing was sent"
        ) from error
    return fleets.read(document, path.name, FIELDS.keys())


def crew(
    fleet: fleets.Fleet,
    file: Path,
    place: Path,
    order: Order,
    environment: MutableMapping[str, str],
) -> tuple[Job, ...]:
    """Give each job its settings and credentials; UsageError names the job at fault.

    The variables with passcodes are taken out of the environment, as no child needs them.
    """
    _check_variables(environment)
    archive = Archive(place.parent)
    jobs = []
    for one in fleet.jobs:
        with naming(one.name):
            words = _words(one, file, place, order)
            settings = _settings(words, order, environment)
            idle = order.dry_run or order.elsewhere
            who = None if idle else _credentials(one, settings, environment)
            if not order.dry_run:
                check_extras(settings)
            jobs.append(
                Job(
                    name=one.name,
                    inputs=words.inputs,
                    settings=settings,
                    credentials=who,
                    past=Past(settings, archive, in_fleet=True),
                    words=words,
                )
            )
    for one in fleet.jobs:
        if one.passcode_env is not None:
            environment.pop(one.passcode_env, None)
    return tuple(jobs)


def _check_variables(environment: Mapping[str, str]) -> None:
    """Refuse what would hold for each job, and is meant for one: a passcode, for example."""
    for name in fleets.NOT_BY_VARIABLE:
        variable = PREFIX + name.upper()
        if variable in environment:
            raise UsageError(
                "fleet_variable",
                f"the environment sets {variable}, which speaks for one job, and a fleet has many; "
                "nothing was sent",
                f"unset {variable}; each [[job]] says for itself what it needs",
            )


def _words(job: fleets.Job, file: Path, place: Path, order: Order) -> Words:
    said = {name: _placed(file.parent, name, value) for name, value in job.said.items()}
    # Like a flag: a variable names one account, and has no say where each job names its own.
    flags: dict[str, Any] = {
        "run_dir": str(place / job.name),
        "runs_dir": str(place.parent),
        "account_id": said.pop("account_id"),
    }
    named = {one.rstrip("/") for one in order.endpoints}
    if isinstance(endpoint := said.get("endpoint"), str) and endpoint.rstrip("/") in named:
        flags["endpoint"] = said.pop("endpoint")
    return Words(
        inputs=tuple(_from(file.parent, word) for word in job.inputs),
        flags=flags,
        said=said,
        file=file.name,
        passcode_env=job.passcode_env,
    )


def _settings(words: Words, order: Order, environment: Mapping[str, str]) -> Settings:
    settings = resolve(words.flags, environment, words.said, file=words.file)
    refuse_emulator(settings)
    order.consent.check(settings)
    return settings


def _credentials(
    job: fleets.Job, settings: Settings, environment: Mapping[str, str]
) -> Credentials:
    variable = job.passcode_env
    if variable is None and settings.passcode_file is None:
        raise UsageError(
            "passcode_missing",
            "there is no passcode; nothing was sent",
            "name a variable that holds it (passcode-env), or a file (passcode-file)",
        )
    if variable is None:
        return credentials(settings, {})
    if variable not in environment:
        raise UsageError(
            "passcode_missing",
            # What stands there may be the passcode itself, by mistake: it is not repeated.
            "the environment has no variable of the name that passcode-env gives; nothing was sent",
            "set it; it is to hold the passcode",
        )
    return credentials(settings, {settings.target.secret_variable: environment[variable]})


def _placed(base: Path, name: str, value: object) -> object:
    """Return a setting's value; what names files, seen from where the fleet's file is."""
    if name not in _PATHS:
        return value
    if isinstance(value, list):
        return [_from(base, one) if isinstance(one, str) else one for one in value]
    return _from(base, value) if isinstance(value, str) else value


def seen_anywhere(environment: Mapping[str, str]) -> dict[str, str]:
    """Return our variables, for a process that has another working directory, or another home."""
    here = Path.cwd()
    return {
        name: str(_placed(here, name.removeprefix(PREFIX).lower(), value))
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }


def _from(base: Path, word: str) -> str:
    blank = not word.strip()  # that is for the settings to refuse
    return word if blank or url_of(word) else str(base.absolute() / Path(word).expanduser())


class naming:  # noqa: N801 - a context manager, used like a function
    """Have an error say whose it is."""

    def __init__(self, job: str) -> None:
        self._job = job

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, BulkdeleteError):
            error.args = (f"job {self._job!r}: {error}",)


# --- their lists ---


async def muster(
    jobs: Sequence[Job],
    place: Path,
    order: Order,
    tell: "Callable[[str, Event], None]",
    hire: "Hire | None" = None,
) -> list[Mustered]:
    """Plan all, or find their runs again; those that are refused say so in their place.

    `hire` brings workers, who plan what is large.
    """
    found = _begun(place, {job.name for job in jobs}, abandon=order.abandon)
    begun = [one.run.run_id for one in found]
    if begun and order.again:
        raise UsageError(
            "fleet_unfinished",
            f"this fleet is not finished ({', '.join(begun)}), so none of it is sent again",
            "run the same command without --again first, or give it up with --abandon",
        )
    look: Look = partial(_chosen, order=order, hire=hire)
    if begun and not order.abandon:
        look = partial(_bound, order=order, hire=hire, since=max(one.plan.created for one in found))
    return [await _one(job, look, partial(tell, job.name), begun=bool(begun)) for job in jobs]


def _begun(place: Path, names: set[str], *, abandon: bool) -> list[runs.Found]:
    """Return the jobs here that were approved or begun and did not end: what the fleet is bound to.

    IntegrityError when one of them is not in the file any more, or when a job that is not in the
    file cannot be read (unless the fleet is given up); of one that is in it, who looks at it tells.
    """
    found = []
    for run in runs_in(place):
        if "." in run.run_id:  # what was set aside has a number behind its name
            continue
        try:
            with naming(run.run_id):
                found.append(runs.load(run))
        except BulkdeleteError:
            if run.run_id not in names and not abandon:
                raise
    begun = [one for one in found if one.unfinished and not one.untouched]
    if gone := sorted({one.run.run_id for one in begun} - names):
        raise IntegrityError(
            "fleet_changed",
            f"the file does not name the job {gone[0]!r} any more, which is not finished; "
            "nothing was sent",
            f"put it back; or finish it by itself: bulkdelete apply {place / gone[0]}",
        )
    return begun


async def _one(job: Job, look: "Look", tell: "Tell", *, begun: bool) -> Mustered:
    """Look at one job; whatever refuses it is its answer.

    In a fleet that was begun, what its run has sent is told all the same.
    """
    try:
        if job.run.busy():
            raise BusyError("busy", "another process holds its run; nothing was sent")
        report = await look(job, tell)
        run = job.run
        if report.run_dir != str(run.path):  # what sent its list is of another fleet, or of none
            run = RunDir(Path(report.run_dir))
            report = msgspec.structs.replace(report, run_id=job.name)
        made = Mustered(job=job, report=report, found=runs.load(run))
        if not made.over:
            check_limits(made.plan, job.settings)
    except OSError as error:
        return refused(job, disk_error(error), begun=begun)
    except BulkdeleteError as error:
        return refused(job, error, begun=begun)
    return made


def refused(job: Job, error: BulkdeleteError, *, begun: bool) -> Mustered:
    """Return a job that must not be sent."""
    if begun and job.run.exists():
        report = as_far_as_read(job.run, error)
    else:
        report = msgspec.structs.replace(refusal(error), run_id=job.name)
    return Mustered(job=job, report=report, error=error)


async def _chosen(job: Job, tell: "Tell", *, order: Order, hire: "Hire | None") -> Report:
    """Find the run that goes on or is finished, or make a new one, as `run` does."""
    found = await choosing.choose(
        Intake(job.inputs, job.settings, order.meant, job.past, hire),
        tell,
        again=order.again,
        abandon=order.abandon,
        must_resume=order.must_resume,
    )
    return found if isinstance(found, Report) else read(found)


async def _bound(job: Job, _: "Tell", *, order: Order, hire: "Hire | None", since: float) -> Report:
    """Find the run of a fleet that is not finished: it is as it was approved, or refused.

    `since` is when the last of its plans was made.
    """
    intake = Intake(job.inputs, job.settings, order.meant, job.past, hire)
    try:
        wish = await intake.wish()
        if not job.run.exists():
            return await _sent_elsewhere(intake, wish, since)
        differences = await intake.same(wish, runs.load(job.run))
    finally:
        intake.draft.discard()
    if differences:
        raise IntegrityError(
            "input_changed",
            f"{', '.join(differences)} changed, and the fleet is not finished; nothing was sent",
            "restore what changed; or give the fleet up with --abandon",
        )
    return read(job.run)


async def _sent_elsewhere(intake: Intake, wish: "Wish", since: float) -> Report:
    """Find the run outside of an unfinished fleet that sent a job's list, so that it has none.

    It is over for as long as the fleet is not, if the approval of that run was alive then.
    """
    found = intake.past.sent((await intake.plan(wish)).plan, at=since)
    if found is None:
        raise IntegrityError(
            "fleet_changed",
            "it is not of the fleet that was approved and is not finished (or its run directory "
            "is gone); nothing was sent",
            "take it out of the file again; or give the fleet up with --abandon",
        )
    return choosing.already_finished(found)
