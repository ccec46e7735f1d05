"""What the emulated account knows: profiles, IDs acted on, requests, counts. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bulkdelete.emulator.dialect import Kind
from bulkdelete.emulator.slots import Slots

KINDS: Final[tuple[Kind, ...]] = ("identity", "guid")
_REJECTED: Final = ("unauthorized", "bad_request", "refused_ids", "too_large")


@dataclass(slots=True)
class Attempt:
    """One delete request; a row of the log. Times in seconds, `arrived` and `ended` monotonic.

    `in_flight`: requests in processing when it came, itself not counted. `answered`: the answer
    was handed whole to a connection that was still open.
    """

    seq: int
    arrived: float
    wall: float
    in_flight: int
    epoch: int
    kind: Kind | None = None
    count: int = 0
    digest: bytes = b""
    verdict: str = "pending"
    acted: bool = False
    answered: bool = False
    ended: float | None = None

    def row(self) -> dict[str, object]:
        """Return it as a JSON object; `sha256` is of the body, null if that was not read."""
        return {
            "seq": self.seq,
            "arrived": self.arrived,
            "wall": self.wall,
            "in_flight": self.in_flight,
            "kind": self.kind,
            "count": self.count,
            "sha256": self.digest.hex() or None,
            "verdict": self.verdict,
            "acted": self.acted,
            "answered": self.answered,
            "ended": self.ended,
        }


class Profiles:
    """Who exists, and which IDs were acted on how often.

    `existing` None: everybody does. An ID acted on is gone `removal_delay` seconds after the first
    time. With `record_ids` False nothing is remembered.
    """

    def __init__(
        self,
        existing: Mapping[Kind, Collection[str]] | None,
        *,
        removal_delay: float,
        record_ids: bool,
    ) -> None:
        self._existing = (
            None
            if existing is None
            else {kind: frozenset(existing.get(kind, ())) for kind in KINDS}
        )
        self._delay = removal_delay
        self._record = record_ids
        self.times: dict[Kind, dict[str, int]] = {kind: {} for kind in KINDS}
        self._first: dict[Kind, dict[str, float]] = {kind: {} for kind in KINDS}
        self.repeated: Counter[Kind] = Counter()
        self.total: Counter[Kind] = Counter()

    def act(self, kind: Kind, ids: Sequence[str], now: float) -> None:
        """Delete the profiles of these IDs."""
        self.total[kind] += len(ids)
        if not self._record:
            return
        times = self.times[kind]
        for one in ids:
            seen = times.get(one, 0)
            times[one] = seen + 1
            if seen == 1:
                self.repeated[kind] += 1
        if self._delay:
            first = self._first[kind]
            for one in ids:
                first.setdefault(one, now)

    def known(self, kind: Kind, one: str) -> bool:
        """Return whether there ever was such a profile; all are, where none are listed."""
        return self._existing is None or one in self._existing[kind]

    def exist(self, kind: Kind, one: str, now: float) -> bool:
        """Return whether a read would find the profile."""
        if not self.known(kind, one):
            return False
        if one not in self.times[kind]:
            return True
        return bool(self._delay) and now < self._first[kind][one] + self._delay

    def lines(self) -> Iterator[bytes]:
        """Yield `kind TAB times TAB json-string LF` of every ID acted on, as of this moment."""
        encode = msgspec.json.encode
        for kind in KINDS:
            times = self.times[kind]
            for one in list(times):  # a copy: requests go on while a slow reader takes the lines
                yield b"%s\t%d\t%s\n" % (kind.encode(), times[one], encode(one))


class State:
    """Profiles, slots, log and counts of one account."""

    def __init__(self, profiles: Profiles, slots: Slots, *, record_requests: bool = True) -> None:
        self.slots = slots
        self._record = record_requests
        self._epoch = 0
        self.reset(profiles, 0.0)

    def reset(self, profiles: Profiles, now: float) -> None:
        """Begin anew; requests still in flight keep their slots and are counted nowhere."""
        self.profiles = profiles
        self.slots.reset(now)
        self._epoch += 1
        self.log: list[Attempt] = []
        self.requests = 0
        self.accepted_requests = 0
        self.acted_requests = 0
        self.reads = 0
        self.strays = 0
        self.verdicts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def arrive(self, now: float, wall: float) -> Attempt:
        """Note a delete request whose headers are here."""
        self.requests += 1
        attempt = Attempt(self.requests, now, wall, self.slots.in_flight, self._epoch)
        if self._record:
            self.log.append(attempt)
        return attempt

    def act(self, attempt: Attempt, kind: Kind, ids: Sequence[str], now: float) -> None:
        """Delete the profiles the request names."""
        attempt.acted = True
        self.profiles.act(kind, ids, now)

    def settle(self, attempt: Attempt, now: float, *, fault: str, success: bool) -> None:
        """Note its end. `fault`: what it met, or `ok`; `success`: its answer would say success."""
        attempt.ended = now
        if attempt.epoch != self._epoch:
            return
        self.verdicts[attempt.verdict] += 1
        if fault != "ok":
            self.faults[fault] += 1
        self.acted_requests += attempt.acted
        if attempt.acted and attempt.answered and success:
            self.accepted_requests += 1
            self.slots.open_window(now)

    def stats(self) -> dict[str, object]:
        """Return the counts and measurements as a JSON object."""
        profiles, verdicts = self.profiles, self.verdicts
        return {
            "requests": self.requests,
            "accepted_requests": self.accepted_requests,
            "acted_requests": self.acted_requests,
            "throttled": verdicts["throttled"] + verdicts["throttle"] + verdicts["429"],
            "rejected": sum(verdicts[name] for name in _REJECTED),
            "verdicts": dict(verdicts),
            "faults": dict(self.faults),
            "ids_acted": {kind: len(profiles.times[kind]) for kind in KINDS},
            "ids_acted_more_than_once": {kind: profiles.repeated[kind] for kind in KINDS},
            "ids_acted_total": {kind: profiles.total[kind] for kind in KINDS},
            "profile_reads": self.reads,
            "strays": self.strays,
            **self.slots.stats(),
        }
