"""What the server sees of a run that dies, and what must never be seen."""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bulkdelete.core import checkpoint as log
from bulkdelete.core import report as reports
from bulkdelete.core.model import Span, State
from bulkdelete.core.progress import Progress
from bulkdelete.io.rundir import RunDir
from tests.faults.scripted import SUCCESS, Deed, Request, answer
from tests.faults.stories import CALM, Story

_REFUSED = Deed(answer(400, status="fail", error="bad", code=400))
_THROTTLED = Deed(answer(429, status="fail", error="slow down", code=429))
_ILL = Deed(answer(503, status="fail", error="ill", code=503))
_DROPPED = Deed(None)


def run_in(place: Path) -> RunDir | None:
    """Return the run in a directory of runs, if there is one."""
    found = [one for one in place.glob("*") if not one.name.startswith(".")]
    return RunDir(found[0]) if found else None


@dataclass
class Watch:
    """The server's side of a story; `runs` is where the run's directory will be.

    `acted` counts how often each ID was deleted; `unclear` the answers that said nothing;
    `settled` the IDs whose acceptance was durable at some death; `faults` what was wrong.
    `snapshots` is how often a log was read by way of one.
    `kill_at`: the request after whose deed, before its answer, the client is killed.
    """

    story: Story
    runs: Path
    passcode: str
    dice: random.Random
    kill_at: int = 0
    acted: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    unclear: int = 0
    deaths: int = 0
    torn: int = 0
    snapshots: int = 0
    settled: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weather = self.story.weather
        self._chunks = self.story.chunks()

    def calm(self) -> None:
        """From here on nothing goes badly."""
        self.weather = CALM

    def act(self, request: Request) -> Deed:
        """Decide about a request; note what is wrong with it."""
        self.requests += 1
        ids = request.ids
        self._check(request, ids)
        if not self.story.bad.isdisjoint(ids):
            return _REFUSED
        return self._weathered(ids)

    def _weathered(self, ids: list[str]) -> Deed:
        draw, weather = self.dice.random(), self.weather
        if (draw := draw - weather.throttle) < 0:
            return _THROTTLED
        if (draw := draw - weather.ill) < 0:
            self.unclear += 1
            return _ILL
        self.acted.update(ids)
        if draw < weather.drop + weather.acted_ill:
            self.unclear += 1
            return _DROPPED if draw < weather.drop else _ILL
        return Deed(SUCCESS.answer, kill=self.requests == self.kill_at)

    def _check(self, request: Request, ids: list[str]) -> None:
        span = self._span(ids)
        if span is None or request.kind != "identity":
            self.faults.append(f"no piece of a chunk of the plan: {request.kind} {ids}")
            return
        if request.path != "/1/delete/profiles.json":
            self.faults.append(f"another path: {request.path}")
        if request.headers.get("x-clevertap-passcode") != self.passcode:
            self.faults.append("a request without the credentials")
        if again := self.settled.intersection(ids):
            self.faults.append(f"sent although its acceptance was durable: {sorted(again)}")
        if not self._intended(span, request.durable):
            self.faults.append(f"no durable intent when the first byte of {span} came")

    def _span(self, ids: list[str]) -> Span | None:
        """Find the piece that these IDs are, in order and without a gap."""
        for seq, chunk in enumerate(self._chunks):
            if ids and ids[0] in chunk:
                lo = chunk.index(ids[0])
                found = chunk[lo : lo + len(ids)]
                return Span(seq, lo, lo + len(ids)) if found == ids else None
        return None

    def _intended(self, span: Span, durable: int) -> bool:
        """Tell whether the durable part of the log has an open intent of this piece."""
        run = run_in(self.runs)
        if run is None:
            return False
        with run.log_path.open("rb") as file:
            lines = file.read(durable).splitlines(keepends=True)
        last = None
        for record in log.Reader().read(lines):
            if isinstance(record, log.Intent | log.Outcome) and record.span == span:
                last = record
        return isinstance(last, log.Intent)

    def look(self) -> Progress | None:
        """Read what a death left behind; note what is wrong with it."""
        run = run_in(self.runs)
        if run is None:
            return None
        plan = run.plan()
        progress, reader = run.progress(plan)
        self.torn = reader.torn
        self.snapshots += bool(reader.began)
        whole, _ = run.progress(plan, lambda *_: None)
        if progress != whole:
            self.faults.append("by way of the snapshot the log says something else")
        balance = reports.balance(plan.counts, progress)
        if balance.read != len(self.story.lines):
            self.faults.append(f"the balance does not cover the list: {balance}")
        if (open_ := progress.open_attempts()) > self.story.command.cap:
            self.faults.append(f"{open_} attempts are open, more than the cap")
        accepted = self._in_state(progress, State.ACCEPTED)
        if invented := [one for one in accepted if not self.acted[one]]:
            self.faults.append(f"accepted, but the server never did it: {invented}")
        self.settled |= accepted
        return progress

    def _in_state(self, progress: Progress, state: State) -> set[str]:
        return {
            one
            for seq, chunk in enumerate(self._chunks)
            for place, one in enumerate(chunk)
            if progress.state_of(seq, place)[0] is state
        }

    def end(self) -> None:
        """Check what must hold when everything was sent."""
        progress = self.look()
        if progress is None:
            self.faults.append("there is no run")
            return
        rejected = self._in_state(progress, State.REJECTED)
        if self.settled | rejected != set(self.story.planned) or rejected != self.story.bad:
            self.faults.append(f"not all is settled as it should be; rejected: {rejected}")
        lost = set(self.story.planned) - self.story.bad - set(self.acted)
        if lost:
            self.faults.append(f"lost: {sorted(lost)}")
        again = self.sent_again()
        most = self.deaths * self.story.command.cap + self.unclear
        if again > most:
            self.faults.append(f"{again} chunks were sent again; at most {most} may be")

    def sent_again(self) -> int:
        """Count how often a chunk was deleted once more than needed."""
        return sum(max(times - 1, 0) for times in self.times())

    def times(self) -> list[int]:
        """Return how often each chunk was deleted: as often as the one of its IDs that was most."""
        return [max(self.acted[one] for one in chunk) for chunk in self._chunks]
