"""What follows from a delivery that failed: when it is tried again, whether singly, and whether the lane rests.

Pure but for the jitter: nothing is sent or written here.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from relay.config.settings import OutboxOptions
from relay.events.wording import clock_time
from relay.lanes.breaker import Breaker
from relay.store.outbox import Row
from sinks.base import Outcome, Reason

BEHIND_OTHERS = 0.05
"""Seconds that what was refused waits beyond a rest, so that other events get the trial that ends it."""
MOST_REFUSALS = 1000
"""Rows of which a lane remembers when they failed."""
ALONE_FAILS = -1
"""Of a row that failed while others arrived."""


class FailureAction(Enum):
    """What to do with the rows of a failed delivery."""

    RETRY = auto()
    SEND_SINGLY = auto()
    """One of them is what the place cannot take: each is its own delivery from now on."""
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What to do, and for `RETRY` when: epoch seconds. `note` is for people, behind the error."""

    action: FailureAction
    not_before: float = 0.0
    note: str = ""


class Failures:
    """The failed rows of one lane; tells the breaker what the place is to blame for."""

    def __init__(self, options: OutboxOptions, breaker: Breaker) -> None:
        self._options = options
        self._breaker = breaker
        self._refusals: dict[int, int] = {}
        """Of rows that failed: how many events had been delivered by then, or `ALONE_FAILS`."""

    def forget(self, row: Row) -> None:
        """It has come to an end."""
        self._refusals.pop(row.id, None)

    def verdict(self, rows: Sequence[Row], outcome: Outcome, delivered: int, now: float) -> RetryDecision:
        """Of a delivery whose `attempts` count this one; `delivered` are the lane's events so far."""
        most = self._options.max_attempts
        poisoned = outcome.reason is Reason.FAILED and len(rows) > 1
        if outcome.worth_retrying and not poisoned and not (most and rows[0].attempts >= most):
            return self._retry(rows, outcome, delivered, now)
        return RetryDecision(FailureAction.SEND_SINGLY if len(rows) > 1 else FailureAction.GIVE_UP)

    def _retry(self, rows: Sequence[Row], outcome: Outcome, delivered: int, now: float) -> RetryDecision:
        backoff = min(self._options.retry_most, self._options.retry_first * 2 ** min(rows[0].attempts - 1, 30))
        wait = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        asked = min(max(outcome.retry_after or 0.0, 0.0), self._options.longest_rest)
        if self._fail_alone(rows, delivered):  # the place works: only these rows wait
            if outcome.reason is Reason.SERVER_ERROR and len(rows) > 1 and not rows[0].repeat_key:
                return RetryDecision(FailureAction.SEND_SINGLY)
            return RetryDecision(FailureAction.RETRY, now + max(wait, asked))
        if outcome.reason is Reason.RATE_LIMITED:
            rest = asked or self._options.retry_first
            self._breaker.rest_until(now + rest, now)
            until = clock_time(
                datetime.fromtimestamp(now + rest, UTC), datetime.fromtimestamp(now, UTC), seconds=True, named=True
            )
            note = f"; it asked to wait, next try at {until}"
            return RetryDecision(FailureAction.RETRY, now + (asked or wait) + BEHIND_OTHERS, note)
        self._breaker.failed(now)
        return RetryDecision(FailureAction.RETRY, now + (asked or wait))

    def _fail_alone(self, rows: Sequence[Row], delivered: int) -> bool:
        """Whether others have arrived since these rows failed: then the trouble is theirs, until others fail too."""
        first = rows[0].id
        if delivered > self._refusals.get(first, delivered):
            self._refusals[first] = ALONE_FAILS
            return True
        remembered = self._refusals if len(self._refusals) < MOST_REFUSALS else ()
        self._refusals = dict.fromkeys([*remembered, first], delivered)
        return False
