"""What was measured of one controller in one scenario."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of one controller in one scenario; shares in percent."""

    scenario: str
    controller: str
    use: float
    at_server: float
    rejected: float
    lost: float
    adapt: tuple[float, ...]
    neighbour_refused: float
