"""What can be turned while the emulator runs. Pure: chance is a generator seeded here."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from random import Random
from typing import Final

import msgspec

from bulkdelete.emulator.faults import OK, RATES, Decision, Faults, draw, scripted


class Tuning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limit in flight, the latency in seconds, and its spread as a fraction of it."""

    limit: int = 3
    latency: float = 0.1
    latency_spread: float = 0.0

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError("limit must be at least 1: 0 does not mean unlimited")
        if not (math.isfinite(self.latency) and self.latency >= 0.0):
            raise ValueError("latency must be a number of seconds, 0 or more")
        if not 0.0 <= self.latency_spread <= 1.0:
            raise ValueError("latency_spread must be within 0..1")


_SCRIPTS: Final = ("script", "profile_script")


class Dials:
    """The live settings, and the decision each request takes from them in order of arrival.

    Raises ValueError on a script with a word it does not know.
    """

    def __init__(
        self,
        faults: Faults,
        tuning: Tuning,
        script: Iterable[str] = (),
        profile_script: Iterable[str] = (),
    ) -> None:
        self.faults = faults
        self.tuning = tuning
        self._rng = _seeded(faults)
        self._scripts = {"script": _words(script), "profile_script": _words(profile_script)}

    def next_delete(self) -> tuple[Decision, float]:
        """Return what the next delete request meets, and its latency in seconds."""
        word = self._pop("script")
        if word is None and not self._is_chancy:
            return OK, self.tuning.latency
        # Three draws a request, whatever is used of them: one rate changed does not shift the rest.
        which, variant, spread = self._rng.random(), self._rng.random(), self._rng.random()
        seconds = self.tuning.latency * (1.0 + self.tuning.latency_spread * (2.0 * spread - 1.0))
        if word is not None:
            return scripted(word, self.faults, variant), seconds
        return draw(self.faults, which, variant), seconds

    def next_read(self) -> Decision:
        """Return what the next profile read meets: by script only, rates are for deletes."""
        word = self._pop("profile_script")
        return OK if word is None else scripted(word, self.faults, 0.0)

    def turn(self, patch: Mapping[str, object]) -> None:
        """Merge `patch` (fields of Faults and Tuning, scripts); all of it or, on ValueError, none.

        A script given replaces what is left of the old one. A new seed starts its sequence afresh.
        """
        of_faults = {k: v for k, v in patch.items() if k in Faults.__struct_fields__}
        of_tuning = {k: v for k, v in patch.items() if k not in of_faults and k not in _SCRIPTS}
        try:
            faults = msgspec.convert(_merged(self.faults, of_faults), Faults)
            tuning = msgspec.convert(_merged(self.tuning, of_tuning), Tuning)
            scripts = {
                name: _words(msgspec.convert(patch[name], list[str]))
                for name in _SCRIPTS
                if name in patch
            }
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        if "seed" in of_faults:
            self._rng = _seeded(faults)
        self.faults, self.tuning = faults, tuning
        self._scripts.update(scripts)

    def snapshot(self) -> dict[str, object]:
        """Return the settings as they are now, in the form `turn` takes."""
        settings = msgspec.structs.asdict(self.faults) | msgspec.structs.asdict(self.tuning)
        return settings | {name: list(words) for name, words in self._scripts.items()}

    @property
    def _is_chancy(self) -> bool:
        rates = any(getattr(self.faults, name) for name in RATES)
        return rates or self.tuning.latency_spread > 0.0

    def _pop(self, name: str) -> str | None:
        words = self._scripts[name]
        return words.popleft() if words else None


def _merged(settings: msgspec.Struct, patch: Mapping[str, object]) -> dict[str, object]:
    return {**msgspec.structs.asdict(settings), **patch}


def _words(script: Iterable[str]) -> deque[str]:
    words = deque(script)
    for word in words:
        scripted(word, Faults(), 0.0)
    return words


def _seeded(faults: Faults) -> Random:
    return Random(faults.seed)  # noqa: S311 - reproducible, not secret
