"""A circuit breaker: after some failures in a row, rest; then one trial decides."""

from enum import StrEnum


class BreakerState(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Times are epoch seconds, passed in."""

    def __init__(self, failures: int, rest: float) -> None:
        """`failures` in a row open it; it rests for `rest` seconds."""
        self._limit = failures
        self._rest = rest
        self._failures = 0
        self._until = 0.0
        self.state = BreakerState.CLOSED
        self.resting_since = 0.0

    def waits(self, now: float) -> float:
        """Seconds until something may be tried; 0 is now."""
        if self.state is BreakerState.OPEN and now >= self._until:
            self.state = BreakerState.HALF_OPEN
        return max(0.0, self._until - now) if self.state is BreakerState.OPEN else 0.0

    def succeeded(self) -> None:
        """A delivery arrived."""
        self._failures, self.state = 0, BreakerState.CLOSED

    def failed(self, now: float) -> None:
        """A delivery did not arrive, and the other side is to blame."""
        self._failures += 1
        if self._failures >= self._limit or self.state is BreakerState.HALF_OPEN:
            self.state, self.resting_since, self._until = BreakerState.OPEN, now, now + self._rest

    def shift(self, seconds: float) -> None:
        """The clock was set forward by `seconds`, or back."""
        self._until += seconds
        self.resting_since += seconds

    def rest_until(self, moment: float, now: float) -> None:
        """The other side asked for quiet (`Retry-After`): nothing goes out before `moment`."""
        self.state, self.resting_since, self._until = BreakerState.OPEN, now, max(self._until, moment)

    def end_rest(self) -> None:
        """Have one trial decide now."""
        if self.state is BreakerState.OPEN:
            self.state, self._until = BreakerState.HALF_OPEN, 0.0
