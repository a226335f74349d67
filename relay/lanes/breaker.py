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

    @property
    def is_open(self) -> bool:
        """Whether nothing is let through, unless its rest is over: then `waits` says so."""
        return self.state is BreakerState.OPEN

    def succeeded(self) -> None:
        """A delivery arrived; one that was under way when a rest began does not end the rest."""
        self._failures = 0
        if self.state is not BreakerState.OPEN:
            self.state = BreakerState.CLOSED
            self._until = 0.0

    def failed(self, now: float) -> None:
        """A delivery did not arrive, and the other side is to blame."""
        self._failures += 1
        if self._failures >= self._limit or self.state is BreakerState.HALF_OPEN:
            self._open(now + self._rest, now)

    def shift(self, seconds: float) -> None:
        """The clock was set forward by `seconds`, or back."""
        self._until += seconds
        self.resting_since += seconds

    def rest_until(self, moment: float, now: float) -> None:
        """The other side asked for quiet (`Retry-After`): nothing goes out before `moment`."""
        self._open(moment, now)

    def _open(self, until: float, now: float) -> None:
        """Rest at least until then; a rest that goes on keeps its beginning, and never becomes shorter."""
        if self.state is not BreakerState.OPEN:
            self.resting_since = now
        self.state = BreakerState.OPEN
        self._until = max(self._until, until)

    def end_rest(self) -> None:
        """Have one trial decide now."""
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.HALF_OPEN
            self._until = 0.0
