"""The logs that are looked at: what a process would have written, from seeded dice."""

import random
from dataclasses import dataclass, field

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import Span

SLOTS = 3
_SIZE = 100
_VERDICTS = ("accepted",) * 12 + ("ambiguous", "throttled", "refused", "partial", "failed")


@dataclass
class Story:
    """Makes the records of a run: `plot` says how the first attempt at each chunk ends."""

    chunks: int
    dice: random.Random
    plot: tuple[str, ...] = ()
    now: float = 1_700_000_000.0
    open: list[tuple[Span, int]] = field(default_factory=list)
    queue: list[tuple[Span, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = [(Span(seq, 0, _SIZE), 1) for seq in range(self.chunks)]

    def at(self) -> float:
        """Let some time go by."""
        self.now = round(self.now + self.dice.random(), 6)
        return self.now

    def opening(self) -> list[list[log.Record]]:
        """Return the groups before the first request."""
        header = log.Header(
            format=1,
            tool="0.1.0",
            run="list.csv-c0ffee123456",
            plan=f"sha256:{self._hex(64)}",
            plan_file=self._hex(64),
            host="https://eu1.api.clevertap.com",
            account=self._hex(32),
            chunks=self.chunks,
            at=self.at(),
        )
        ids, at = self.chunks * _SIZE, self.at()
        approval = log.Approval(how="yes", who="ana", ids=ids, at=at, expires=at + 86_400)
        return [[header], [approval], [self.start()]]

    def start(self, torn: int = 0) -> log.Start:
        """Return the start of a process: what was open is open no more."""
        self.queue[:0] = [(span, attempt + 1) for span, attempt in self.open]
        self.open = []
        machine, todo = self._hex(32), len(self.queue)
        at, pid = self.at(), self.dice.randrange(2, 9999)
        return log.Start(at=at, pid=pid, machine=machine, in_flight=SLOTS, todo=todo, torn=torn)

    def stop(self) -> log.Stop:
        """Return the end of a process that leaves in order."""
        return log.Stop(
            at=self.at(),
            code="max_duration",
            exit=75,
            message="stopped after --max-duration; the rest is unsent",
            hint="run the same command again to go on",
            utilisation=0.98,
        )

    def seal(self, head: str) -> log.Seal:
        """Return the end of a run."""
        ids = self.chunks * _SIZE
        return log.Seal(at=self.at(), exit=0, ids={"read": ids, "accepted": ids}, head=head)

    def step(self) -> list[log.Record]:
        """Return what belongs together: an intent, or an outcome with the split it asks for."""
        if self.queue and len(self.open) < SLOTS and (not self.open or self.dice.random() < 0.6):
            span, attempt = self.queue.pop(0)
            self.open.append((span, attempt))
            where = {"chunk": span.seq, "lo": span.lo, "hi": span.hi}
            return [log.Intent(**where, attempt=attempt, digest=self._hex(32), at=self.at())]
        return self._answer(*self.open.pop(self.dice.randrange(len(self.open))))

    def _answer(self, span: Span, attempt: int) -> list[log.Record]:
        verdict = "accepted"
        if attempt == 1 and len(span) == _SIZE:
            verdict = self.plot[span.seq] if self.plot else self.dice.choice(_VERDICTS)
        again = verdict in {"ambiguous", "throttled", "failed"}
        if again:
            self.queue.append((span, attempt + 1))
        outcome = log.Outcome(
            chunk=span.seq,
            lo=span.lo,
            hi=span.hi,
            attempt=attempt,
            verdict=verdict,
            at=self.at(),
            reason="" if verdict == "accepted" else f"http_{429 if again else 400}",
            status=200 if verdict == "accepted" else 429 if again else 400,
            body=self._hex(16),
            ms=round(self.dice.random() * 1000, 3),
            bad=(span.lo + 3, span.lo + 7) if verdict == "partial" else (),
        )
        if verdict != "refused":
            return [outcome]
        self.queue[:0] = [(half, 1) for half in span.halves()]
        return [outcome, log.Split(chunk=span.seq, lo=span.lo, hi=span.hi, at=self.at())]

    def _hex(self, digits: int) -> str:
        return f"{self.dice.getrandbits(4 * digits):0{digits}x}"


@dataclass(frozen=True)
class Written:
    """A log: its groups as records and as bytes, and the chain's head after each of them."""

    groups: list[list[log.Record]]
    parts: list[bytes]
    heads: list[str]

    @property
    def data(self) -> bytes:
        """The whole file."""
        return b"".join(self.parts)


def written(groups: list[list[log.Record]]) -> Written:
    """Write groups as the program does."""
    writer = log.Writer()
    parts, heads = [], []
    for records in groups:
        parts.append(writer.group(records))
        heads.append(writer.head)
    return Written(groups, parts, heads)


def long_log(records: int, seed: int = 1) -> Written:
    """Return a log of so many records: several processes, groups of 1 to 5, and a seal."""
    dice = random.Random(seed)
    story = Story(records, dice)
    groups = story.opening()
    while (room := records - 1 - sum(map(len, groups))) > 0:
        if dice.random() < 0.06 and room > 1:
            groups += [[story.stop()], [story.start(torn=dice.randrange(300))]]
            continue
        group: list[log.Record] = []
        while not group or (dice.random() < 0.5 and len(group) < 4):
            group += story.step()
        groups.append(group[:room])
    groups.append([story.seal(written(groups).heads[-1])])
    return written(groups)


def short_log(plot: tuple[str, ...], seed: int) -> Written:
    """Return the whole log of a run of a few chunks, each record in a group of the dice's size."""
    dice = random.Random(seed)
    story = Story(len(plot), dice, plot)
    groups = story.opening()
    while story.queue or story.open:
        group = story.step()
        if dice.random() < 0.5 and (story.queue or story.open):
            group += story.step()
        groups.append(group)
    groups.append([story.seal(written(groups).heads[-1])])
    return written(groups)
