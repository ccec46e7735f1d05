"""So many requests in so many seconds, whichever seconds these are. Pure."""

from collections import deque


class Window:
    """Lets at most `count` requests come in any `seconds`; times are of one monotonic clock."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self._seconds = seconds
        self._came: deque[float] = deque()
        self.most = 0

    def arrive(self, now: float) -> bool:
        """Note a request, and return whether it may come; one that may not is not counted."""
        while self._came and now - self._came[0] >= self._seconds:
            self._came.popleft()
        self.most = max(self.most, len(self._came) + 1)
        if len(self._came) >= self.count:
            return False
        self._came.append(now)
        return True

    @property
    def left(self) -> int:
        """How many more may come now."""
        return self.count - len(self._came)

    def wait(self, now: float) -> float:
        """Return in how many seconds the next may come; 0.0: now."""
        return max(0.0, self._came[0] + self._seconds - now) if self.left <= 0 else 0.0
