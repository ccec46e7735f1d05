"""Later: are the profiles gone? Asks the API for some of them, or for all, one ID a request.

Each answer is durable in verify.log before the next is asked for on that slot, so that a round
that was stopped goes on. Reads take the account's slots and pass the gate as deletes do.
"""

import asyncio
import random
import secrets
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import structlog

from bulkdelete import outcome_files
from bulkdelete.core import checkpoint as log
from bulkdelete.core import report as reports
from bulkdelete.core.gate import Gate
from bulkdelete.core.model import Abort, Failed, Kind, Lost, State
from bulkdelete.core.outcomes import mark
from bulkdelete.core.profiles import Look, Presence
from bulkdelete.core.retry import RetryPolicy
from bulkdelete.core.verification import (
    AllDone,
    Asked,
    Begin,
    GoOn,
    Now,
    Rounds,
    Scope,
    TooEarly,
    Verification,
    Wish,
    conclude,
    course,
    nothing,
    says,
)
from bulkdelete.errors import IntegrityError, ServerError, Stopped, UsageError
from bulkdelete.fates import fates
from bulkdelete.io.client import Client
from bulkdelete.io.journal import Journal, LogFile
from bulkdelete.io.pacing import Pacer
from bulkdelete.io.shared import shared
from bulkdelete.reading import check_unchanged
from bulkdelete.reporting import day
from bulkdelete.starting import other_target
from bulkdelete.turns import Turn, Turns
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.core.target import Probe, Target
    from bulkdelete.fates import Fate
    from bulkdelete.io.rundir import RunDir
    from bulkdelete.reading import Part
    from bulkdelete.settings import Credentials, Settings

_log = structlog.get_logger("bulkdelete")
_LINE_SECONDS = 10.0
_SEEDS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to verify: a run directory, the input it was planned from, who asks, and for what."""

    run: "RunDir"
    parts: "tuple[Part, ...]"
    settings: "Settings"
    credentials: "Credentials"
    wish: Wish


async def verify(job: Job, wall: "Callable[[], float]") -> Verification:
    """Ask; return the conclusion.

    Raises Stopped (too early, an outage), ServerError (refused, or not the API) and what the
    reading of a run may raise.
    """
    probe_of(job.settings.target)
    run = job.run
    with run.lock(name="verify.lock"):
        plan = run.plan()
        progress, checkpoint = run.progress(plan)
        await _check_bound(job, plan)
        rounds, reader = run.rounds(plan)
        population = _population(plan, progress, job.wish.scope)
        if not population:
            return nothing(plan.digest, job.wish.scope, run.run_id, str(run.path))
        now = Now(
            tool=__version__,
            plan=plan.digest,
            head=checkpoint.head,
            population=population,
            ended=progress.last_at,
            at=wall(),
            draw=secrets.randbelow(_SEEDS),
        )
        chosen = course(rounds, job.wish, now)
        if isinstance(chosen, TooEarly):
            raise _too_early(chosen.due, run.path)
        if isinstance(chosen, AllDone):
            return says(chosen.asked, run.run_id, str(run.path), progress.last_at)
        run.begin_verifying()
        journal = Journal(LogFile(run.verify_path), reader, rounds.apply)
        try:
            await _round(job, chosen, plan, progress, rounds, journal, wall)
        finally:
            await journal.close()
        paths = await _write_files(job, plan, progress, rounds)
        found = says(rounds.every[-1], run.run_id, str(run.path), progress.last_at)
    return msgspec.structs.replace(found, files=tuple(map(str, paths)))


def probe_of(target: "Target") -> "Probe":
    """Return how a target is asked for one profile; UsageError when it cannot be."""
    if target.probe is None:
        raise UsageError(
            "no_probe",
            f"{target.title} cannot be asked whether a profile is gone: {target.no_probe}; "
            "nothing was asked",
            "what it accepted is in the report: bulkdelete status RUN_DIR",
        )
    return target.probe


async def _check_bound(job: Job, plan: "Plan") -> None:
    if job.settings.target.name != plan.bound.target:
        raise other_target(plan.bound.target, "asked")
    if job.credentials.account != plan.bound.account:
        raise IntegrityError(
            "other_account",
            "the credentials are of another account than the plan's; nothing was asked",
            "use the plan's account",
        )
    await check_unchanged(plan, job.parts)


def _population(plan: "Plan", progress: "Progress", scope: Scope) -> int:
    counts = reports.as_dict(reports.balance(plan.counts, progress))
    return counts[scope.value]


def _too_early(due: float, path: "Path") -> Stopped:
    return Stopped(
        "too_early",
        f"what was accepted is removed within 48 hours: ask not before {day(due)}",
        f"bulkdelete verify {path} later, or with --now if it must be",
    )


async def _round(  # noqa: PLR0913, PLR0917 - the wiring itself
    job: Job,
    chosen: GoOn | Begin,
    plan: "Plan",
    progress: "Progress",
    rounds: Rounds,
    journal: Journal,
    wall: "Callable[[], float]",
) -> None:
    """Ask for what a round has not asked yet, and put its conclusion on record."""
    settings, credentials = job.settings, job.credentials
    host = plan.bound.host or ""
    slots = shared(settings.slots, host, credentials.account, settings.cap)
    client = Client(
        host,
        settings.target.headers(credentials.account, credentials.passcode),
        account=credentials.account,
        timeout=settings.timeout,
        connections=settings.cap,
    )
    turns = Turns(Gate(settings.cap), slots, random.random, min(settings.timeout, 10.0))
    asker = _Asker(client, turns, Pacer(settings.rate), settings)
    async with slots, client:
        await asker.meet(_kinds(plan))
        if isinstance(chosen, Begin):
            await journal.append(chosen.opened)
        asked = rounds.every[-1]
        wanted = _wanted(job, plan, progress, asked)
        async with aclosing(wanted):
            await _ask_all(asker, wanted, journal, wall, settings.cap)
    await journal.flush()
    await journal.append(conclude(rounds, wall(), journal.head))


def _kinds(plan: "Plan") -> list[Kind]:
    counts = {Kind.IDENTITY: plan.counts.identities, Kind.GUID: plan.counts.guids}
    return [kind for kind, count in counts.items() if count]


@dataclass(frozen=True, slots=True)
class _One:
    """One ID to ask for."""

    chunk: int
    position: int
    kind: Kind
    identifier: str


async def _wanted(
    job: Job, plan: "Plan", progress: "Progress", asked: Asked
) -> "AsyncGenerator[_One, None]":
    """Yield the IDs of a round's sample of which nothing is known yet, in input order."""
    opened = asked.opened
    state = State(opened.scope)
    chosen: range | set[int] = range(opened.population)
    if opened.sample < opened.population:
        dice = random.Random(opened.seed)  # noqa: S311 - it must come out the same again
        chosen = set(dice.sample(range(opened.population), opened.sample))
    index = job.run.index(plan)
    number = -1
    try:
        async with aclosing(fates(plan, job.parts, index, progress)) as stream:
            async for batch in stream:
                for fate in batch:
                    if fate.state is not state or fate.chunk is None or fate.position is None:
                        continue
                    number += 1
                    known = asked.presence(fate.chunk, fate.position)
                    if number in chosen and known in {None, Presence.UNKNOWN}:
                        yield _One(fate.chunk, fate.position, fate.kind, fate.identifier)
    finally:
        index.close()


async def _ask_all(
    asker: "_Asker",
    wanted: "AsyncGenerator[_One, None]",
    journal: Journal,
    wall: "Callable[[], float]",
    cap: int,
) -> None:
    """Ask with `cap` at a time; the first failure ends it all."""
    turn = asyncio.Lock()
    done = 0

    async def work() -> None:
        nonlocal done
        while True:
            async with turn:
                one = await anext(wanted, None)
            if one is None:
                return
            look = await asker.ask(one.kind, one.identifier)
            await journal.append(
                log.Look(
                    chunk=one.chunk,
                    position=one.position,
                    presence=look.presence.value,
                    how=look.how,
                    at=wall(),
                )
            )
            done += 1

    async def tell() -> None:
        while True:
            await asyncio.sleep(_LINE_SECONDS)
            _log.info("verify.progressed", asked=done)

    teller = asyncio.create_task(tell())
    workers = [asyncio.create_task(work()) for _ in range(cap)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in (teller, *workers):
            task.cancel()
        for task in (teller, *workers):
            with suppress(asyncio.CancelledError, Exception):
                await task


class _Asker:
    """Asks for one profile at a time on each slot, again where an answer says nothing."""

    def __init__(self, client: Client, turns: Turns, pace: Pacer, settings: "Settings") -> None:
        self._client = client
        self._turns = turns
        self._pace = pace
        self._probe = probe_of(settings.target)
        self._policy = RetryPolicy(max_attempts=settings.max_attempts)
        self._patience = settings.give_up_after
        self._nobody: dict[Kind, str] = {}
        self._trouble_since: float | None = None

    async def meet(self, kinds: "list[Kind]") -> None:
        """Ask for profiles that nobody has: to see that this is the API, and how it says so."""
        for kind in kinds:
            look = await self.ask(kind, f"bulkdelete-nobody-{secrets.token_hex(12)}")
            if look.presence is Presence.UNKNOWN:
                raise ServerError(
                    "not_the_api",
                    f"a question for a profile that nobody has got no clear answer ({look.how}); "
                    "nothing more was asked",
                    "bulkdelete doctor",
                )
            if look.presence is Presence.GONE:
                self._nobody[kind] = look.how

    async def ask(self, kind: Kind, identifier: str) -> Look:
        """Ask until the answer says something, or the attempts are spent."""
        tries = 0
        while True:
            look = await self._once(kind, identifier)
            verdict = look.verdict
            if isinstance(verdict, Abort):
                raise ServerError(
                    "refused",
                    f"the server refused to be asked ({verdict.reason}); what was answered is on "
                    "record",
                    "check account, passcode and region with: bulkdelete doctor",
                )
            tries += not isinstance(verdict, Failed)
            delay = self._policy.delay(verdict, tries, random.random())  # noqa: S311 - jitter
            if delay is None:
                return look
            self._check_outage(look)
            await asyncio.sleep(delay)

    async def _once(self, kind: Kind, identifier: str) -> Look:
        turn = await self._depart()
        abandoned = True  # who is called off meanwhile leaves the server at work on it
        try:
            reply = await self._client.get(self._probe.query(kind, identifier))
            abandoned = isinstance(reply, Lost) and reply.abandoned
            look = self._probe.judge(reply, self._nobody.get(kind))
            self._turns.observe(turn, look.verdict)
        finally:
            self._turns.give_back(turn, abandoned=abandoned)
        if look.presence is not Presence.UNKNOWN:
            self._trouble_since = None
        return look

    async def _depart(self) -> Turn:
        """Wait until one more request may start, with a turn that is still good then."""
        while True:
            turn = await self._turn()
            try:
                await self._pace.start()
            except BaseException:
                self._turns.give_back(turn)
                raise
            if self._turns.depart(turn):
                return turn
            self._turns.give_back(turn)

    async def _turn(self) -> Turn:
        """Wait for a turn; Stopped when that takes too long."""
        turns = self._turns
        due = turns.now() + self._patience
        while True:
            try:
                async with asyncio.timeout_at(due):
                    return await turns.take()
            except TimeoutError as error:
                if turns.blocked_since is None:
                    raise _outage("it asked to wait") from error
                due = turns.blocked_until(self._patience)
                if turns.now() >= due:
                    raise turns.blocked() from error

    def _check_outage(self, look: Look) -> None:
        now = asyncio.get_running_loop().time()
        wait = getattr(look.verdict, "wait", None) or 0.0
        if self._trouble_since is None:
            self._trouble_since = now
        if wait > self._patience or now - self._trouble_since >= self._patience:
            raise _outage(look.how)


def _outage(how: str) -> Stopped:
    return Stopped(
        "outage",
        f"the service did not answer as it should ({how}); what was answered is on record",
        "run the same command again to go on",
    )


# --- files ---

_FILES = ("still-there", "came-back")


async def _write_files(
    job: Job, plan: "Plan", progress: "Progress", rounds: Rounds
) -> "list[Path]":
    """Write still-there.csv and came-back.csv, each when there is anything to hold.

    What is still there may be deleted once more, for as long as an approval lives. Who came back
    is somebody new: their file is never taken as input.
    """
    asked, approval = rounds.every[-1], progress.approval
    for name in _FILES:
        (job.run.path / f"{name}.csv").unlink(missing_ok=True)
    end = asked.concluded
    if end is None or approval is None or not end.there + end.back:
        return []
    lives = approval.expires - approval.at
    markers = {
        "still-there": mark(State(asked.opened.scope), end.at + lives) if end.there else "",
        "came-back": mark(State.PROTECTED, end.at) if end.back else "",
    }

    def sort(fate: "Fate") -> "tuple[str, Fate] | None":
        if fate.chunk is None or fate.position is None:
            return None
        if asked.presence(fate.chunk, fate.position) is not Presence.THERE:
            return None
        back = rounds.came_back(asked, fate.chunk, fate.position)
        name = "came-back" if back else "still-there"
        return name, replace(fate, reason=name.replace("-", "_"))

    wanted = {name: marker for name, marker in markers.items() if marker}
    return await outcome_files.write_sorted(job.run, plan, job.parts, progress, wanted, sort)
