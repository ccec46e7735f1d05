"""How many per second: found out only where the number in flight does not explain the refusals.

A server that counts at once refuses the same number again and again. A server that counts per
second takes a number for a while, refuses it, and takes it again. So a level that was regained
and lost twice, with no failed try between, or a refusal with nothing else in flight, is a matter
of pace. The pace is then measured: between two refusals a bucket is empty at both ends, so what
was accepted in between is what the server allows. Starts keep that distance, and a slightly
shorter one is tried, rarely and later each time it fails.
"""

from dataclasses import dataclass

ENOUGH_FLAPS = 2
"""Levels lost after they had been regained, that make it a matter of pace."""

SAMPLE = 12
"""Accepted requests over which a pace is measured."""

BELOW = 1.02
"""The distance kept, as a multiple of the measured one."""

FIRST_TRY, LATER = 100, 1.6
"""Accepted requests before a shorter distance is tried, and how that grows when it fails."""

SHORTER = 0.95


@dataclass(slots=True)
class Tempo:
    """The least distance between two starts in seconds, `spacing`; 0.0 where none is kept."""

    spacing: float = 0.0
    _flaps: int = 0
    _measuring: bool = False
    _since: float = 0.0
    _accepted: int = 0
    _sure: float = 0.0
    _patience: float = FIRST_TRY

    @property
    def active(self) -> bool:
        """Whether it is a matter of pace, as far as is known."""
        return self._measuring or self.spacing > 0.0

    def accepted(self, natural: float) -> None:
        """Note an acceptance; starts would come every `natural` seconds by themselves."""
        self._accepted += 1
        if not self.spacing or self._accepted < self._patience:
            return
        self._accepted = 0
        self._sure = self.spacing
        self.spacing *= SHORTER
        if self.spacing < natural * 0.7:
            self.spacing = self._sure = 0.0
            self._patience = FIRST_TRY

    def suspect(self, now: float, *, flaps: bool, alone: bool) -> bool:
        """Note that a level which worked was refused; return whether pace is to be measured."""
        if alone:
            self._flaps = ENOUGH_FLAPS
        elif flaps:
            self._flaps += 1
        if self._flaps < ENOUGH_FLAPS or self.active:
            return False
        self._measuring, self._since, self._accepted = True, now, 0
        return True

    def contradict(self) -> None:
        """Note that a try of one more was refused at once: it is a matter of how many."""
        self._flaps = 0
        self._measuring = False

    def refused(self, now: float) -> None:
        """Learn from a refusal that was for the pace."""
        if self._measuring:
            if self._accepted < SAMPLE:
                return
            self.spacing = self._sure = BELOW * (now - self._since) / self._accepted
            self._measuring = False
        elif self.spacing < self._sure:
            self.spacing = self._sure
            self._patience *= LATER
        else:
            self.spacing = self._sure = self.spacing * 1.05
        self._accepted = 0
