"""What a process knows of the slots that are leased to it, and what it says in an exchange.

A lease is held until a time that is counted from before it was asked for, so it ends here no later
than there. Times are in seconds on a clock of this process that nobody sets; the other side's time
of day is never compared with ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

NEEDED = 70.0
"""Seconds that must be left of a lease when a request leaves: its deadline (60 at most), and then
as long as a request that was given up is taken to hold its slot on the server (10)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things last, in seconds; the same for all who share an account.

    `lease`: a slot, unless it is renewed, every `renew`. `needed`: what must be left of it when a
    request leaves. `patience`: a place in line, or a slot that is kept ready, without a sign of
    life; who waits gives one every `beat`. `parting`: a slot in use, after its process ended.
    `turn`: how long a process may use a slot for one request after the other while others wait; to
    hand it over costs two ways to Redis and back, which short requests would feel.
    """

    lease: float = NEEDED + 20.0
    needed: float = NEEDED
    renew: float = 5.0
    patience: float = 4.0
    beat: float = 1.0
    parting: float = 10.0
    turn: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.beat < self.patience or not 0 < self.renew < self.lease - self.needed:
            raise ValueError("there must be time for a second try")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a process says in one exchange: what it holds and gives back (number to stamp)."""

    exchange: int
    count: int
    wanted: int
    lasts: float
    held: dict[int, int]
    given: dict[int, int]

    def words(self, party: str, terms: Terms) -> list[str | int]:
        """Return the arguments of the script."""
        return [
            *(party, self.exchange, _ms(terms.lease), _ms(terms.patience), _ms(self.lasts)),
            *(self.count, self.wanted, _pairs(self.held), _pairs(self.given)),
        ]


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered: seconds until slots are handed out, others in line, what is held now."""

    hold: float
    others: int
    held: dict[int, int]

    @classmethod
    def of(cls, answer: Sequence[int]) -> "Told":
        """Read the script's answer; ValueError when it is none."""
        hold, others, *rest = map(int, answer)
        if len(rest) % 2 or min(hold, others, *rest, 0) < 0:
            raise ValueError("that is no answer of the script")
        return cls(hold / 1000, others, dict(zip(rest[::2], rest[1::2], strict=True)))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _pairs(stamps: dict[int, int]) -> str:
    return ",".join(f"{number}:{stamp}" for number, stamp in sorted(stamps.items()))


@dataclass(slots=True)
class _Slot:
    """A slot that is ours: which holding of it, until when at least, and since when."""

    stamp: int
    till: float
    since: float


@dataclass(slots=True)
class Book:
    """The slots of one process: those that are held, in use, and on their way back.

    While nobody else waits a slot is kept from one request to the next; `others` is whether
    somebody does. `hold` is until when nothing is handed out to anybody.
    """

    terms: Terms
    count: int
    others: bool = False
    hold: float = 0.0
    _held: dict[int, _Slot] = field(default_factory=dict)
    _out: set[int] = field(default_factory=set)
    _going: dict[int, int] = field(default_factory=dict)
    _known: dict[int, int] = field(default_factory=dict)
    _exchange: int = 0
    _word: int = 0
    _said: int = 0
    _called: bool = False
    _at: float = 0.0

    def good(self, number: int, stamp: int, now: float) -> bool:
        """Tell whether a request may leave on a slot: it is held for longer than that can take."""
        slot = self._held.get(number)
        return slot is not None and slot.stamp == stamp and self._lasts(slot, now)

    def _lasts(self, slot: _Slot, now: float) -> bool:
        return slot.till - now >= self.terms.needed

    def take(self, now: float) -> tuple[int, int] | None:
        """Use the highest slot that is held and free; its number and stamp, None: there is none."""
        free = [
            number
            for number, slot in self._held.items()
            if number < self.count and number not in self._out and self._lasts(slot, now)
        ]
        if not free:
            return None
        number = max(free)
        self._out.add(number)
        return number, self._held[number].stamp

    def release(self, number: int, now: float) -> None:
        """Use it no more; it goes back where others wait and this turn is over.

        Within the turn it may be taken at once again; else it goes back by `make_way`.
        """
        self._out.discard(number)
        slot = self._held.get(number)
        over = slot is not None and self.others and now - slot.since >= self.terms.turn
        if over or number >= self.count:
            self._give_back(number)

    def resize(self, count: int) -> None:
        """Use so many from now on; those above that are in use go back when they are released."""
        self.count = count
        for number in self._idle():
            if number >= count:
                self._give_back(number)

    def make_way(self) -> None:
        """Give back what is not in use, if others wait."""
        if self.others:
            for number in self._idle():
                self._give_back(number)

    def others_came(self) -> None:
        """Note that somebody waits now; an answer that is on its way may not know it yet."""
        self.others = True
        self._word = self._exchange
        self.make_way()

    def called(self) -> None:
        """Note that a slot is kept ready for this process."""
        self._called = True

    def _idle(self) -> list[int]:
        return [number for number in self._held if number not in self._out]

    def _give_back(self, number: int) -> None:
        if (slot := self._held.pop(number, None)) is not None:
            self._going[number] = slot.stamp

    def due(self, now: float, wanted: int) -> float | None:
        """Return in how many seconds there is something to say; None: nothing, as it is."""
        if self._going or self._called or wanted != self._said:
            return 0.0
        if wanted:
            beat = self._at + self.terms.beat
            return max(0.0, (min(beat, self.hold) if self.hold > now else beat) - now)
        return max(0.0, self._at + self.terms.renew - now) if self._held else None

    def ask(self, now: float, wanted: int) -> Ask:
        """Return what to say now; a lease that may be over is not claimed."""
        self._exchange += 1
        self._called = False
        held = {number: slot.stamp for number, slot in self._held.items() if slot.till > now}
        lasts = self.terms.lease
        return Ask(self._exchange, self.count, wanted, lasts, held, dict(self._going))

    def part(self, now: float) -> Ask:
        """Return what to say last: all goes back, what is in use a while later."""
        for number in self._idle():
            self._give_back(number)
        last = self.ask(now, 0)
        return Ask(last.exchange, 0, 0, self.terms.parting, last.held, last.given)

    def hear(self, ask: Ask, told: Told, sent: float, now: float) -> None:
        """Take in what was answered to what was said at `sent`."""
        for number, stamp in ask.given.items():
            if self._going.get(number) == stamp:
                del self._going[number]
        stale = self._stale(ask, told)
        self._going |= stale
        till, before = sent + self.terms.lease, self._held
        self._held = {
            number: _Slot(stamp, till, before[number].since)
            if number in before and before[number].stamp == stamp
            else _Slot(stamp, till, now)
            for number, stamp in told.held.items()
            if self._going.get(number) != stamp  # it was released meanwhile, or is stale
        }
        self._known |= {number: slot.stamp for number, slot in self._held.items()}
        fresh = sum(stamp == ask.exchange for stamp in told.held.values())
        self._said = max(0, ask.wanted - fresh)
        self._at = now
        self.others = told.others > 0 or self._word >= ask.exchange
        self.hold = now + told.hold if told.hold else 0.0

    def _stale(self, ask: Ask, told: Told) -> dict[int, int]:
        """Return what is ours there only by a claim that came late: it is another's meanwhile.

        An exchange that was given up here may be heard by a server that forgot who holds what. Its
        claim of a holding that was given back since keeps out who really has the slot by now.
        """
        return {
            number: stamp
            for number, stamp in told.held.items()
            if ask.held.get(number) != stamp and stamp <= self._known.get(number, 0)
        }
