"""How far reading is behind: the answer to a question comes behind all that was published before it was asked.

So a question that is not answered yet tells how old what is unread is, wherever it waits: in this machine's kernel, on
the network, or in Redis' own buffer for us, of which nobody else tells.
"""

from collections import deque

EVERY = 0.25
"""Seconds between two questions while there is something unread: the lag is known that exactly."""
MOST = 200
"""Questions without an answer, at most; the oldest tells the lag."""


class Lag:
    """The questions on one connection; times are seconds of a clock that is never set."""

    def __init__(self) -> None:
        self._asked: deque[tuple[float, bytes]] = deque()
        self.is_behind = False
        """Whether there was more to read than was read at once, when it was last looked at."""

    def is_due(self, now: float) -> bool:
        """Whether to ask now."""
        if not self.is_behind or len(self._asked) >= MOST:
            return False
        if not self._asked:
            return True
        last_asked_at, _ = self._asked[-1]
        return now - last_asked_at >= EVERY

    def asked(self, now: float, question: bytes) -> None:
        """It was sent."""
        self._asked.append((now, question))

    def answered(self) -> bytes | None:
        """An answer has come: to the question that is returned, the oldest."""
        if not self._asked:
            return None
        _, question = self._asked.popleft()
        return question

    def all_answered(self) -> None:
        """Whatever was asked before is answered."""
        self._asked.clear()

    def seconds(self, now: float) -> float:
        """Age of the oldest unread message, at least; 0 when all was read."""
        if not self.is_behind or not self._asked:
            return 0.0
        oldest_asked_at, _ = self._asked[0]
        return max(0.0, now - oldest_asked_at)
