"""The program's own gate, in the laboratory's terms."""

from bulkdelete.core.gate import Gate, Start


class Ours:
    """Asks the gate as the program does."""

    def __init__(self, cap: int) -> None:
        self.gate = Gate(cap)

    def wait(self, out: int, now: float) -> float | None:
        return self.gate.wait(out, now)

    def started(self, out: int, now: float) -> Start:
        self.gate.taken(out, now)
        return self.gate.started(out, now)

    def accepted(self, start: Start, out: int, now: float) -> None:
        self.gate.accepted(start, now)

    def throttled(self, start: Start, out: int, now: float, draw: float) -> None:
        self.gate.throttled(start, out, now, None, draw)

    def failed(self, start: Start, out: int, now: float, draw: float) -> None:
        self.gate.failed(now, None, draw)
