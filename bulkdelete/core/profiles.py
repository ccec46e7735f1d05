"""What is known of one profile, and what an answer said of it. No answer is ever an act.

How a vendor is asked, and what its answer means, is its target's to say.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkdelete.core.model import Verdict


class Presence(StrEnum):
    """What is known of a profile."""

    GONE = "gone"
    THERE = "still there"
    UNKNOWN = "unknown"


NO_RECORD = "no_record"
NOT_FOUND = "http_404"
BAD_REQUEST = "http_400"
"""The ways in which the API may say that there is no such profile."""


@dataclass(frozen=True, slots=True)
class Look:
    """One answer: what it says of the profile, how it said so, and what the gate makes of it."""

    presence: Presence
    how: str
    verdict: "Verdict"
