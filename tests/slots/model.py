"""A small model of who holds what, that the script is held against: the same rules, in Python.

Numbers of slots are not decided here: any free one below a party's count will do, the highest is
asked for. Times are in milliseconds, as the server's.
"""

from dataclasses import dataclass, field


@dataclass
class Slot:
    """A slot that somebody has: held by a stamp, or kept ready for who is called."""

    party: str
    till: int
    stamp: int | None


@dataclass
class Waiter:
    """A place in line."""

    party: str
    count: int
    wanted: int
    till: int


@dataclass
class Model:
    """The state of one account."""

    lease: int
    patience: int
    born: int
    slots: dict[int, Slot] = field(default_factory=dict)
    line: list[Waiter] = field(default_factory=list)

    def forget(self, now: int) -> None:
        """Be another server from now on."""
        self.born, self.slots, self.line = now, {}, []

    def exchange(  # noqa: PLR0917 - as the script's
        self,
        now: int,
        party: str,
        number: int,
        count: int,
        wanted: int,
        held: dict[int, int],
        given: dict[int, int],
    ) -> tuple[int, int, dict[int, int]]:
        """Return what the script answers: the hold, others in line, what is held."""
        hold = max(0, self.born + self.lease - now)
        for slot, had in list(self.slots.items()):
            back = had.party == party and had.stamp is not None and given.get(slot) == had.stamp
            if had.till <= now or back:
                del self.slots[slot]
        self.line = [one for one in self.line if one.till > now]
        if hold:
            for slot, stamp in held.items():
                self.slots.setdefault(slot, Slot(party, now + self.lease, stamp))
        wanted = self._renew(now, party, number, wanted)
        self._queue(now, party, count, wanted)
        while not hold and self._hand_out(now, party, number):
            pass
        mine = {n: s.stamp for n, s in self.slots.items() if s.party == party and s.stamp}
        return hold, sum(one.party != party for one in self.line), mine

    def _renew(self, now: int, party: str, number: int, wanted: int) -> int:
        for slot in list(self.slots):
            had = self.slots[slot]
            if had.party != party:
                continue
            if had.stamp is not None:
                had.till = now + self.lease
            elif wanted:
                wanted -= 1
                had.stamp, had.till = number, now + self.lease
            else:
                del self.slots[slot]
        return wanted

    def _queue(self, now: int, party: str, count: int, wanted: int) -> None:
        mine = next((one for one in self.line if one.party == party), None)
        if mine is None and wanted:
            self.line.append(Waiter(party, count, wanted, now + self.patience))
        elif mine is not None and wanted:
            mine.count, mine.wanted, mine.till = count, wanted, now + self.patience
        elif mine is not None:
            self.line.remove(mine)

    def _hand_out(self, now: int, party: str, number: int) -> bool:
        for waiter in self.line:
            free = [one for one in range(waiter.count) if one not in self.slots]
            if not free:
                continue
            self.line.remove(waiter)
            waiter.wanted -= 1
            if waiter.wanted:
                self.line.append(waiter)
            mine = waiter.party == party
            self.slots[max(free)] = Slot(
                waiter.party,
                now + (self.lease if mine else self.patience),
                number if mine else None,
            )
            return True
        return False
