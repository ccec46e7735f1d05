"""The judge: what truly happened in the world, and what was promised about it.

It hears of every request at the server, every answer, every write that became durable; it never
looks at what the program counts, but to compare it with what it knows itself.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.simulation.lists import Listed
from tests.simulation.oracle import Oracle, Span, ViolationError, span_of
from tests.simulation.scenario import DAY, Befalls

LINGER = 10.0
"""Seconds that an abandoned request holds its slot on the server, at most."""

_CLEAR = {
    "accepted": {"accepted"},
    "partial": {"partial"},
    "rejected": {"refused"},
    "refused": {"refused"},
    "throttled": {"throttled"},
    "failed": {"failed"},
    "ambiguous": {"unclear"},
    "abort": {"abort"},
}
"""What may be recorded of an answer: recorded verdict -> what was truly said."""


@dataclass(slots=True)
class Sent:
    """One request, as it truly was. `said` is what the process was told, in the judge's words."""

    start: int
    span: Span
    attempt: int
    posted: float
    wall: float
    left: bool = False
    acted: bool = False
    ended: bool = False
    ended_at: float = float("inf")
    said: str = "unclear"
    bad: tuple[int, ...] = ()
    holds_until: float = 0.0


@dataclass(slots=True)
class Begun:
    """What the judge remembers of the process start that is alive."""

    number: int
    befalls: Befalls
    cap: int
    began: float
    todo: int
    settled: int
    failed: int
    may_send: bool = True
    trusted: bool = False
    stopped: str = ""
    not_before: float = 0.0
    canary: int | None = None
    cut_before: frozenset[int] = frozenset()
    posts: list[float] = field(default_factory=list)
    spans: Counter[Span] = field(default_factory=Counter)
    retries: int = 0
    out: list[Sent] = field(default_factory=list)
    interrupted_at: float | None = None
    frozen: bool = False
    slow: bool = False
    disk_failed: bool = False


class Judge:
    """Knows the plan, the durable log and all requests; `fired` counts the faults."""

    def __init__(self, listed: Listed, size: int) -> None:
        self.listed = listed
        self._size = size
        self.oracle = Oracle()
        self.fired: Counter[str] = Counter()
        self.sent: list[Sent] = []
        self._by_attempt: dict[tuple[int, Span, int], Sent] = {}
        self._times_acted: dict[tuple[int, int], int] = defaultdict(int)
        self.twice = 0
        self.unclear = 0
        self.crashes = 0
        self._crash_room = 0
        self.lies = False
        self.begun: Begun | None = None

    # --- what is durable ---

    def synced(self, durable: bytes | bytearray) -> None:
        """Check that every outcome that is durable now is what was truly said."""
        oracle = self.oracle
        approved = oracle.approval
        oracle.feed(durable)
        if oracle.approval is not approved and oracle.approval and oracle.approval.get("renewed"):
            self.fired["approval_renewed"] += 1
        for record in oracle.new:
            self._check_outcome(record)
        oracle.new.clear()

    def _check_outcome(self, record: dict[str, Any]) -> None:
        begun = self.begun
        numbers = range(begun.number if begun else 0, -1, -1)
        span, attempt = span_of(record), record["attempt"]
        keys = ((number, span, attempt) for number in numbers)
        sent = next((self._by_attempt[key] for key in keys if key in self._by_attempt), None)
        verdict = record["verdict"]
        if verdict == "withdrawn":
            return
        if sent is None:
            raise ViolationError("S5", f"{verdict} recorded of {span}, which was never sent")
        if sent.said not in _CLEAR[verdict]:
            raise ViolationError("S5", f"{verdict} recorded of {span}; truly {sent.said}")
        if verdict == "rejected" and span[2] - span[1] > 1:
            raise ViolationError("S5", f"{span} was refused as a whole, no ID of it by itself")
        if verdict == "partial":
            truly = tuple(span[1] + one for one in sent.bad)
            if truly != tuple(record["bad"]):
                raise ViolationError("S5", f"{span}: refused {record['bad']}, truly {truly}")

    # --- requests ---

    def posting(self, body: bytes, now: float, wall: float, *, starts: bool = True) -> Sent:
        """Look at a request that is about to start; `starts`: there is a connection for it."""
        begun = self._begun()
        span = self._span(body)
        intent = self.oracle.open.get(span)
        if intent is None:
            raise ViolationError("S4", f"{span} is about to be sent, its intent is not durable")
        if bytes.fromhex(intent["digest"]) != self.listed.entries[span[0]].digest:
            raise ViolationError("S4", f"the intent of {span} has another digest")
        sent = Sent(begun.number, span, intent["attempt"], now, wall)
        self._check_allowed(begun, sent)
        self._check_gate(begun, sent)
        if starts:
            self._check_rate(begun, now)
        begun.spans[span] += 1
        begun.out.append(sent)
        self.sent.append(sent)
        self._by_attempt[begun.number, span, sent.attempt] = sent
        return sent

    def _begun(self) -> Begun:
        if self.begun is None or not self.begun.may_send:
            raise ViolationError("S10", "a request where nothing may be sent")
        return self.begun

    def _span(self, body: bytes) -> Span:
        """Find what a body asks to delete: exactly a chunk, or a recorded piece of one."""
        asked = msgspec.json.decode(body, type=dict[str, list[str]])
        if len(asked) != 1:
            raise ViolationError("S3", f"a body with {len(asked)} kinds")
        ((kind, ids),) = asked.items()
        places = [self.listed.place.get((kind, one)) for one in ids]
        for one, place in zip(ids, places, strict=True):
            if (kind, one) in self.listed.kept_out:
                raise ViolationError("S2", "an ID that must not be sent is on the wire")
            if place is None:
                raise ViolationError("S1", "an ID on the wire that the plan does not have")
        found = [place for place in places if place is not None]
        seq, lo = found[0]
        if found != [(seq, lo + step) for step in range(len(found))]:
            raise ViolationError("S3", "a body that is no piece of a chunk")
        span = (seq, lo, lo + len(found))
        if not self._is_piece(span):
            raise ViolationError("S3", f"{span} is neither a chunk nor a recorded split")
        return span

    def _is_piece(self, span: Span) -> bool:
        seq, lo, hi = span
        at = (seq, 0, len(self.listed.chunks[seq].ids))
        while at != span:
            if at not in self.oracle.split:
                return False
            middle = (at[1] + at[2]) // 2
            at = (seq, at[1], middle) if hi <= middle else (seq, middle, at[2])
            if at[2] <= lo or at[1] >= hi:
                return False
        return True

    def _check_allowed(self, begun: Begun, sent: Sent) -> None:
        """Check what may be sent at all at this moment: S7, S11, S12, stops."""
        if begun.stopped:
            raise ViolationError("stop", f"{sent.span} is sent after {begun.stopped}")
        seq, lo, hi = sent.span
        if any((seq, one) in self.oracle.accepted for one in range(lo, hi)):
            raise ViolationError("S7", f"{sent.span} is durably accepted, and is sent again")
        approval = self.oracle.approval
        if approval is None or sent.wall >= approval["expires"]:
            raise ViolationError("S11", f"{sent.span} is sent without an approval that is alive")
        if approval["ids"] != self.listed.ids:
            raise ViolationError("S12", "approved was another number of IDs")
        if (since := self._doubt(sent.span)) is not None:
            self._check_doubt(begun, sent, since, approval)
        limit = begun.befalls.max_duration
        if limit is not None and not begun.frozen and sent.posted > begun.began + limit + 1e-3:
            raise ViolationError("stop", f"{sent.span} is sent after --max-duration")
        self._check_failures(begun, sent)
        if not begun.trusted:
            self._check_canary(begun, sent)

    def _doubt(self, span: Span) -> float | None:
        return self.oracle.doubts.get(span)

    def _check_doubt(
        self, begun: Begun, sent: Sent, since: float, approval: dict[str, Any]
    ) -> None:
        if begun.befalls.hold:
            raise ViolationError("hold", f"{sent.span} is in doubt, and is sent again")
        renewed = approval.get("renewed", False) and approval["at"] >= since
        if sent.wall - since >= DAY and not (renewed and sent.wall - approval["at"] < DAY):
            raise ViolationError("S11", f"{sent.span} is sent again, a day after its doubt")

    def _check_failures(self, begun: Begun, sent: Sent) -> None:
        share = begun.befalls.max_failures
        if begun.settled // self._size >= 10 and begun.failed * 100 > share * begun.settled:
            raise ViolationError("S12", f"{sent.span} is sent above --max-failures")

    def _check_canary(self, begun: Begun, sent: Sent) -> None:
        if any(not one.ended for one in begun.out):
            raise ViolationError("S12", f"{sent.span} is sent beside the canary")
        if sent.span[0] in begun.cut_before:
            return  # what an earlier start saw refused says nothing about the rest
        if begun.canary is None:
            begun.canary = sent.span[0]
        if sent.span[0] != begun.canary:
            raise ViolationError("S12", f"{sent.span} is sent before the canary came back")

    def _check_gate(self, begun: Begun, sent: Sent) -> None:
        """Check S13: in flight, holds, the budget of retries."""
        now = sent.posted
        begun.out = [one for one in begun.out if not one.ended or one.holds_until > now]
        if len(begun.out) >= begun.cap:
            raise ViolationError("S13", f"{len(begun.out) + 1} in flight, allowed {begun.cap}")
        if now < begun.not_before - 1e-6:
            raise ViolationError("S13", f"sent {begun.not_before - now:.3f} s before its time")
        begun.retries += begun.spans[sent.span] > 0
        if begun.retries > begun.todo // 4 + 10:
            raise ViolationError("S13", f"{begun.retries} retries of {begun.todo} chunks")

    def _check_rate(self, begun: Begun, now: float) -> None:
        rate = begun.befalls.rate
        if rate is not None:
            self.fired["rate_limited"] += bool(begun.posts)
            within = sum(1 for one in begun.posts if one > now - 1.0) + 1
            if within > rate + max(1.0, rate / 20):
                raise ViolationError("S13", f"{within} starts in a second at --rate {rate}")
        begun.posts.append(now)

    def first_byte(self, sent: Sent) -> None:
        """Its first byte leaves now: the intent must still be durable and unanswered."""
        sent.left = True
        if sent.span not in self.oracle.open:
            raise ViolationError("S4", f"the first byte of {sent.span} leaves without an intent")

    def acted(self, sent: Sent) -> None:
        """Note that the server acts on a request now."""
        sent.acted = True
        seq, lo, hi = sent.span
        positions = [(seq, one) for one in range(lo, hi) if one - lo not in sent.bad]
        for one in positions:
            self.twice += self._times_acted[one] > 0
            self._times_acted[one] += 1

    def told(self, sent: Sent, said: str, now: float, *, stops: bool = False) -> None:
        """Note what the process is told of a request, which ends for it with that.

        `stops`: what was said means that the run must stop.
        """
        sent.said, sent.ended = said, True
        sent.holds_until = sent.ended_at = now
        begun = self.begun
        if begun is None:
            return
        size = sent.span[2] - sent.span[1]
        self.unclear += size if said == "unclear" else 0
        if said == "accepted" or (said == "partial" and len(sent.bad) < size):
            begun.trusted = True
        if stops:
            begun.stopped = "the server refused us"
        if said in {"accepted", "partial"} or (said == "refused" and size == 1):
            begun.settled += size
            begun.failed += len(sent.bad) if said != "refused" else 1

    def hold(self, until: float) -> None:
        """Note that the server asked for nothing before a time."""
        if self.begun is not None:
            self.begun.not_before = max(self.begun.not_before, until)

    # --- starts ---

    def begin(self, begun: Begun, wall: float) -> None:
        """Note that a process starts."""
        self.begun = begun
        doubts = self.oracle.doubts
        if begun.todo and doubts:
            self.fired["held_in_doubt"] += begun.befalls.hold
            self.fired["doubt_too_old"] += wall - min(doubts.values()) >= DAY

    def end(self, *, crashed: bool) -> None:
        """Note that a process ended, one way or another."""
        begun, self.begun = self.begun, None
        if begun is not None and (crashed or begun.disk_failed):
            self.crashes += 1
            self._crash_room += begun.cap * self._size
        self.check_duplicates()

    def lost_power(self, durable: bytes | bytearray) -> None:
        """Read the log anew: what was durable is all that there is."""
        before = self.oracle
        self.oracle = Oracle()
        self.oracle.feed(durable)
        self.oracle.new.clear()
        if not self.lies and not before.accepted <= self.oracle.accepted:
            raise ViolationError("S5", "what was durably accepted is gone")

    @property
    def acted_ids(self) -> int:
        """How many IDs the server acted on."""
        return len(self._times_acted)

    def check_duplicates(self) -> None:
        """Check S8 against what the server did."""
        if not self.lies and self.twice > self._crash_room + self.unclear:
            raise ViolationError(
                "S8",
                f"{self.twice} IDs were acted on again, after {self.crashes} crashes "
                f"and unclear answers about {self.unclear}",
            )

    def check_step(self, accepted_ids: int) -> None:
        """Check that nothing counts as accepted in memory that is not durably so."""
        if accepted_ids > len(self.oracle.accepted):
            raise ViolationError(
                "S5", f"{accepted_ids} IDs count as accepted, {len(self.oracle.accepted)} durably"
            )
