"""One simulated process start: the real `starting.Start` over a world of fakes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, Self

from bulkdelete.approving import Approver, Consent
from bulkdelete.core import checkpoint as log
from bulkdelete.core import snapshot
from bulkdelete.core.model import Chunk, State
from bulkdelete.core.progress import Progress
from bulkdelete.core.report import balance
from bulkdelete.errors import IntegrityError
from bulkdelete.io import journal, snapshots
from bulkdelete.io.rundir import RunDir
from bulkdelete.settings import Credentials, Settings, resolve
from bulkdelete.starting import Start, View
from bulkdelete.version import __version__
from tests.simulation.disk import Platter, SimDisk, broken, no_room
from tests.simulation.judge import Begun, Judge
from tests.simulation.lists import ACCOUNT, HOST, KEY, Listed
from tests.simulation.loop import CrashError, VirtualLoop
from tests.simulation.network import Server, SimTransport
from tests.simulation.oracle import Oracle, ViolationError
from tests.simulation.scenario import Befalls

PASSCODE = "sim-passcode"
SIGTERM = 15
MOST_STEPS = 400_000

Note = Callable[..., None]


@dataclass(slots=True)
class Lasting:
    """What outlives a process: the list, the disk, the server, the judge, time and chance."""

    listed: Listed
    platter: Platter
    server: Server
    judge: Judge
    dice: Random
    cap: int
    plan_ttl: float
    now: float = 1_000.0
    skew: float = 1_800_000_000.0
    starts: int = 0
    trace: list[str] | None = None

    def wall(self) -> float:
        """Return the time of day, as the world's clock has it."""
        return self.now + self.skew


class SimSlots:
    """The account's slots; other processes of the machine hold them now and then."""

    def __init__(self, process: "SimProcess", count: int) -> None:
        self._process = process
        self._free = count

    async def acquire(self) -> "SimLease":
        """Wait for a free slot."""
        process = self._process
        if process.befalls.slots_busy > process.dice.random():
            long = process.dice.random() < 0.1
            process.fire("slots_taken_for_long" if long else "slots_busy")
            await asyncio.sleep(100_000.0 if long else process.dice.uniform(0.005, 3.0))
        while self._free <= 0:
            await asyncio.sleep(0.005)
        self._free -= 1
        return SimLease(self)

    def give_back(self) -> None:
        """Free one."""
        self._free += 1

    def resize(self, count: int) -> None:
        """Use so many from now on."""
        raise NotImplementedError(count)

    @staticmethod
    def busy() -> tuple[str, float]:
        """Others have them."""
        return "slots", 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is kept open."""


class SimLease:
    """A slot that is held; giving it back twice is once."""

    def __init__(self, slots: SimSlots) -> None:
        self._slots: SimSlots | None = slots

    @staticmethod
    def good() -> bool:
        """Say yes: nobody loses it."""
        return True

    def release(self) -> None:
        """Give it back."""
        if self._slots is not None:
            self._slots.give_back()
            self._slots = None


class SimProcess:
    """A process from its birth to its end; it is the `starting.World` of its start."""

    pid = 4242
    machine = "simulated"

    def __init__(self, lasting: Lasting, befalls: Befalls) -> None:
        self.lasting = lasting
        self.befalls = befalls
        self.dice = lasting.dice
        self.judge = lasting.judge
        self.alive = True
        self.crashed = False
        self.disk_trouble = False
        self.opened: SimDisk | None = None
        self._events = iter(befalls.events)
        self._next = next(self._events, None)
        self._occasions = 0
        self._interrupt: Callable[[int, str], None] | None = None
        self._main: asyncio.Task[Any] | None = None
        self._progress = Progress(len(lasting.listed.chunks))
        self.loop = VirtualLoop(lasting.now, self._before_step, MOST_STEPS)
        self.interrupted_at: float | None = None
        self.cancelled = False
        self.ended: BaseException | None = None
        self.furthest_ahead = 0
        self._cut_before: frozenset[int] = frozenset()

    # --- its life ---

    def live(self) -> BaseException | None:
        """Run to the end; return what it ended with, None when it reached its end."""
        lasting = self.lasting
        self.note("start", lasting.starts, self.befalls)
        try:
            self.loop.live(self._run())
        except CrashError as error:
            return error
        except (ViolationError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the judge looks at whatever it is
            return error
        finally:
            self.alive = False
            lasting.now = self.loop.now
            lasting.starts += 1
        return None

    async def _run(self) -> None:
        self._main = asyncio.current_task()
        lasting, befalls = self.lasting, self.befalls
        reader = self._load(self._log())
        self._compare()
        settings = self._settings()
        approver = Approver(_RUN, Consent(yes=True, renew=befalls.renew), settings)
        account = "ANOTHER" if befalls.before == "other_account" else ACCOUNT
        start = Start(
            plan=lasting.listed.plan,
            progress=self._progress,
            reader=reader,
            key=KEY,
            entry=lasting.listed.entries.__getitem__,
            settings=settings,
            credentials=Credentials(account, PASSCODE),
            approve=approver,
            watch=_watch,
            world=self,
        )
        self._begin()
        await start.run()

    def _load(self, content: bytes) -> log.Reader:
        """Read the log, by way of the snapshot where there is one: it must make no difference."""
        chunks = len(self.lasting.listed.chunks)
        whole = _replayed(content, Progress(chunks), log.Reader())
        known = _recalled(self.lasting.platter.snapshot, chunks, content)
        if known is None:
            self.judge.fired["snapshot_passed_over"] += bool(self.lasting.platter.snapshot)
        else:
            self.fire("snapshot_used")
            found = _replayed(content, *known)
            if _told(found) != _told(whole):
                raise ViolationError("S10", "with the snapshot the log says something else")
            whole = found
        if isinstance(whole, IntegrityError):
            raise whole
        self._progress, reader = whole
        return reader

    def _log(self) -> bytes:
        seen = bytes(self.lasting.platter.seen)
        if self.befalls.before != "log_corrupted":
            return seen
        mine = Oracle()
        mine.feed(seen)
        sound = last_group_at(seen)
        if not sound or mine.size < len(seen):  # damage before a torn end may be torn itself
            self.befalls.before = None
            return seen
        self.fire("log_corrupted")
        at = self.dice.randrange(sound)
        return seen[:at] + bytes([seen[at] ^ 1 << self.dice.randrange(8)]) + seen[at + 1 :]

    def _compare(self) -> None:
        """Check that what the program replays is what the judge reads from the same bytes."""
        if self.befalls.before == "log_corrupted":
            raise ViolationError("S10", "a corrupted log was read as if it were whole")
        mine = Oracle()
        mine.feed(self.lasting.platter.seen)
        compare(self._progress, mine, self.lasting.listed)
        self._cut_before = frozenset(span[0] for span in mine.split)

    def _begin(self) -> None:
        befalls, listed = self.befalls, self.lasting.listed
        before = befalls.before
        progress = self._progress
        if before in {"too_many_ids", "other_account", "input_changed"}:
            self.fire(before)
        settled = [
            one
            for one in listed.place.values()
            if one in self.judge.oracle.accepted or one in self.judge.oracle.rejected
        ]
        self.judge.begin(
            Begun(
                number=self.lasting.starts,
                befalls=befalls,
                cap=self.lasting.cap,
                began=self.loop.now,
                todo=progress.unsettled_chunks(),
                cut_before=self._cut_before,
                settled=len(settled),
                failed=len(self.judge.oracle.rejected),
                may_send=before not in {"too_many_ids", "other_account", "input_changed"},
            ),
            self.wall(),
        )

    def _settings(self) -> Settings:
        befalls = self.befalls
        ids = self.lasting.listed.ids
        return replace(
            _BASE,
            max_in_flight=self.lasting.cap,
            rate=befalls.rate,
            chunk_size=self.lasting.listed.plan.bound.chunk_size,
            max_deletes=ids - 1 if befalls.before == "too_many_ids" else ids,
            max_failures=befalls.max_failures,
            hold_after=befalls.hold_after,
            plan_ttl=self.lasting.plan_ttl,
            on_ambiguous="hold" if befalls.hold else "resend",
            max_attempts=befalls.max_attempts,
            timeout=befalls.timeout,
            grace=befalls.grace,
            give_up_after=befalls.give_up_after,
            max_duration=befalls.max_duration,
        )

    # --- what befalls it ---

    def _before_step(self, step: int) -> None:
        befalls = self.befalls
        if self._next is not None and step >= self._next[0]:
            _, name, chance = self._next
            self._next = next(self._events, None)
            self._befall(name, chance)
        if befalls.crash in {"killed", "power_lost"} and step >= befalls.crash_at:
            self._crash(befalls.crash)
        if self.opened is not None and self.opened.mended:
            self.judge.check_step(self._progress.accepted_ids)

    def _befall(self, name: str, chance: float) -> None:
        self.note("event", name, chance)
        match name:
            case "signal":
                self._signal()
            case "cancelled":
                if self._main is not None:
                    self.fire(name)
                    self.cancelled = True
                    self._main.cancel()
                    # What can run now still does, before the cancellation arrives.
                    self.loop.call_later(0.0005, self._stop_sending, "a cancellation")
            case "frozen":
                self.fire(name)
                if self.judge.begun is not None:
                    self.judge.begun.frozen = True
                self.loop.now += 600.0
            case _:
                self.fire(name)
                size = (3600.0, 90_000.0, 31_536_000.0)[int(chance * 3)]
                self.lasting.skew += size if name == "clock_forward" else -size

    def _signal(self) -> None:
        if self._interrupt is None:
            self._crash("killed")
        elif self.interrupted_at is not None:
            self._crash("second_signal")
        else:
            self.fire("signal")
            self.interrupted_at = self.loop.now
            self._interrupt(SIGTERM, "SIGTERM")
            self._stop_sending("a signal")

    def _stop_sending(self, why: str) -> None:
        if self.judge.begun is not None:
            self.judge.begun.stopped = why

    def occasion(self, name: str) -> None:
        """Crash, if this was the occasion for it."""
        if self.befalls.crash == name:
            self._occasions += 1
            if self._occasions >= self.befalls.crash_at:
                self._crash(name)

    def _crash(self, name: str) -> None:
        self.note("crash", name)
        self.fire(name)
        self.alive = False
        self.crashed = True
        raise CrashError(name)

    def fire(self, name: str) -> None:
        """Count a fault that happened."""
        self.judge.fired[name] += 1

    def note(self, *words: object) -> None:
        """Write a line of the trace, when there is one."""
        trace = self.lasting.trace
        if trace is not None:
            text = " ".join(map(str, words))
            trace.append(f"{self.loop.now:14.6f} {self.loop.steps:6} {text}")

    # --- starting.World ---

    def wall(self) -> float:
        """Return the world's time of day."""
        return self.loop.now + self.lasting.skew

    def monotonic(self) -> float:
        """Return the virtual time."""
        return self.loop.now

    def draw(self) -> float:
        """Draw from the world's chance."""
        return self.dice.random()

    async def check_bound(self) -> None:
        """Say whether the input is that of the plan."""
        await asyncio.sleep(0)
        if self.befalls.before == "input_changed":
            raise IntegrityError("input_changed", "the input changed; nothing was sent")

    def disk(self) -> SimDisk:
        """Open the log to write on."""
        if self.befalls.before == "log_corrupted":
            raise ViolationError("S10", "a corrupted log is written on")
        self.opened = SimDisk(
            self.lasting.platter, self, self.loop.call_later, lambda: self.alive, self._synced
        )
        return self.opened

    def slots(self, host: str, account: str, count: int) -> SimSlots:
        """Return the account's slots."""
        if (host, account, count) != (HOST, ACCOUNT, self.lasting.cap):
            raise ViolationError("S3", f"slots of {account} at {host}")
        return SimSlots(self, count)

    def client(self, host: str, credentials: Credentials) -> SimTransport:
        """Return what can send."""
        if (host, credentials) != (HOST, Credentials(ACCOUNT, PASSCODE)):
            raise ViolationError("S3", f"a client of {host}")
        return SimTransport(self.lasting.server, self, self.befalls.timeout)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Read the list again; it may have changed where nobody looked."""
        changed = self.befalls.before == "input_changed_unseen"
        for chunk in self.lasting.listed.chunks[self._progress.first_unsettled() :]:
            posted = {one.span[0] for one in self.judge.sent}
            self.furthest_ahead = max(self.furthest_ahead, chunk.seq + 1 - len(posted))
            if self.befalls.feeder_waits:
                await asyncio.sleep(self.befalls.feeder_waits)
            if changed and self.dice.random() < 0.5:
                changed = False
                self.fire("input_changed_unseen")
                yield Chunk(chunk.seq, chunk.kind, (*chunk.ids[:-1], "sim-somebody-else"))
            else:
                yield chunk

    @staticmethod
    def listen(_: object) -> AbstractAsyncContextManager[None]:
        """Hear of nobody."""
        return nullcontext()

    def watch_signals(self, interrupt: Callable[[int, str], None]) -> None:
        """Hear of the first signal."""
        self._interrupt = interrupt
        if self.judge.begun is not None:
            self.judge.begun.began = self.loop.now

    # --- disk.Troubles ---

    def of_write(self, content: memoryview, at: int) -> int | OSError:
        """Let a write go wrong, or the process die in the middle of it."""
        self._look_for_secrets(bytes(content))
        if self.befalls.crash == "killed_in_write":
            self._occasions += 1
            if self._occasions >= self.befalls.crash_at:
                part = bytes(content[: self.dice.randrange(len(content))])
                if part:
                    self.lasting.platter.write(part, at)
                self._crash("killed_in_write")
        chance = self.dice.random()
        if chance >= self.befalls.write_trouble:
            return len(content)
        kind = self.dice.choice(("write_no_room", "write_error", "write_short", "write_short"))
        self.fire(kind)
        if kind == "write_short":
            return self.dice.randint(1, len(content))
        self._disk_failed()
        return no_room() if kind == "write_no_room" else broken()

    def of_sync(self) -> tuple[float, OSError | None]:
        """Let a sync be slow, or fail."""
        seconds = 0.0005
        if self.dice.random() < self.befalls.slow_sync:
            self.fire("sync_slow")
            seconds = self.dice.choice((0.2, 30.0))
            if self.judge.begun is not None:
                self.judge.begun.slow = True
        if self.dice.random() < self.befalls.sync_trouble:
            self.fire("sync_error")
            self._disk_failed()
            return seconds, broken()
        return seconds, None

    def of_cut(self) -> OSError | None:
        """Let the cut of a torn end fail."""
        if self.dice.random() < self.befalls.cut_trouble:
            self.fire("cut_error")
            self._disk_failed()
            return broken()
        return None

    def of_hold(self, size: int) -> OSError | None:
        """Let there be no room ahead."""
        _ = size
        if self.dice.random() < self.befalls.write_trouble / 4:
            self.fire("no_room_ahead")
            self._disk_failed()
            return no_room()
        return None

    def sync_failed(self) -> None:
        """Let the process die before it hears of a sync that failed."""
        if self.dice.random() < 0.3:
            self._crash("killed_at_sync_error")

    def _disk_failed(self) -> None:
        self.disk_trouble = True
        if self.judge.begun is not None:
            self.judge.begun.disk_failed = True

    def _synced(self) -> None:
        platter = self.lasting.platter
        self.judge.synced(platter.seen if platter.lies else platter.durable)
        self.occasion("killed_after_sync")

    @staticmethod
    def _look_for_secrets(content: bytes) -> None:
        if PASSCODE.encode() in content or b'"sim-' in content or ACCOUNT.encode() in content:
            raise ViolationError("S15", "the log holds an ID, the account or the passcode")


_RUN = RunDir(Path("nowhere"))
"""Asked for signatures only, and only where a plan demands some."""

_BASE = resolve({"account_id": ACCOUNT, "region": "in1"}, {}, {})


async def _watch(view: View) -> None:
    """Look at the progress now and then, as a display does."""
    while True:
        await asyncio.sleep(10.0)
        if view.sender.tally.settled_ids < 0 or view.meter.in_flight > view.meter.cap:
            raise ViolationError("S13", "more in flight than the cap, as a display sees it")


Loaded = tuple[Progress, log.Reader]


def _recalled(text: bytes, chunks: int, content: bytes) -> Loaded | None:
    try:
        found = snapshot.decode(text, __version__)
    except ValueError:
        return None
    return snapshots.recall(found, chunks, lambda size, at: content[at : at + size])


def _replayed(content: bytes, progress: Progress, reader: log.Reader) -> Loaded | IntegrityError:
    try:
        journal.replay(BytesIO(content[reader.size :]), reader, progress.apply)
    except IntegrityError as error:
        return error
    return progress, reader


def _told(loaded: Loaded | IntegrityError) -> object:
    """Return all that a process goes by that read a log."""
    if isinstance(loaded, IntegrityError):
        return loaded.code
    progress, reader = loaded
    next_group = reader.writer().group([log.Abandon(at=0.0)])
    return progress, reader.size, reader.torn, reader.tail, next_group


def last_group_at(content: bytes) -> int:
    """Return where the last commit group of a sound log begins; 0 when there is one only."""
    lines = content.splitlines(keepends=True)
    groups = [line[9:].split(b",", 1)[0] for line in lines]
    first = groups.index(groups[-1])
    return sum(map(len, lines[:first]))


def compare(progress: Progress, mine: Oracle, listed: Listed) -> None:
    """Check that two readings of one log agree about every ID, and that the balance adds up."""
    for seq, position in listed.place.values():
        state, _ = progress.state_of(seq, position)
        one = (seq, position)
        doubt = any(
            span[0] == seq and span[1] <= position < span[2]
            for spans in (mine.doubts, mine.open)
            for span in spans
        )
        truly = (
            State.ACCEPTED
            if one in mine.accepted
            else State.REJECTED
            if one in mine.rejected
            else State.AMBIGUOUS
            if doubt
            else State.UNSENT
        )
        if state is not truly:
            raise ViolationError("S5", f"ID {one} counts as {state}; durably it is {truly}")
    found = balance(listed.plan.counts, progress)
    if (found.accepted, found.rejected) != (len(mine.accepted), len(mine.rejected)):
        raise ViolationError("S6", f"the balance says {found}")
