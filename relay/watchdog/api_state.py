"""What TickStockPL's API last said, and the little that asks it. The watchdog's pure part sees only `ApiState`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from relay.tickstockpl.errors import ApiError
from relay.tickstockpl.models import HistoryRun, Schedule, Status

if TYPE_CHECKING:
    from relay.tickstockpl.client import TickStockPL

SCHEDULE_EVERY = timedelta(minutes=5)
SCHEDULE_NOW = timedelta(seconds=75)
"""While it decides whether a run is missing."""
HISTORY_EVERY = timedelta(minutes=15)
"""Unless the watchdog wants it now."""
HISTORY_DAYS = 7
FIRST_HISTORY_DAYS = 30
"""At the start: what is usual needs five runs with sound results, which a week with a holiday does not have."""
HISTORY_AGAIN = timedelta(seconds=9)
"""However much it is wanted, a history that cannot be had is not asked for more often."""


@dataclass(frozen=True, slots=True)
class ApiState:
    """The API's last answers, and since when there have been none. Times are UTC."""

    answered_at: datetime | None = None
    """When the status was last given."""
    failing_since: datetime | None = None
    """The first attempt without an answer since then; None while it answers, or was never asked."""
    error: str | None = None
    """Why it does not answer: one line without secrets."""
    status: Status | None = None
    schedule: Schedule | None = None
    schedule_at: datetime | None = None
    history: tuple[HistoryRun, ...] | None = None
    history_at: datetime | None = None
    history_failures: int = 0
    """Attempts in a row without a history."""
    history_failing_since: datetime | None = None
    history_error: str | None = None
    """Why the history could not be had: one line without secrets."""

    @property
    def answers(self) -> bool:
        """Whether the last attempt was answered."""
        return self.answered_at is not None and self.failing_since is None

    def answered_since(self, moment: datetime) -> bool:
        """Whether it answers, and did so at `moment` or later."""
        return self.answers and self.answered_at is not None and self.answered_at >= moment

    @property
    def is_running(self) -> bool | None:
        """What it says now; None when it does not answer or does not say."""
        return self.status.is_running if self.answers and self.status else None


class Poller:
    """Asks the API: the status each time, the schedule now and then, the history when it is wanted."""

    def __init__(self, client: "TickStockPL", clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._history_tried: datetime | None = None
        self.view = ApiState()

    async def poll(self, *, want_history: bool = False) -> ApiState:
        """Ask, and keep the answers: a history that is wanted also if the status fails. Never raises for the API."""
        answers = await self._ask_status()
        if answers:
            await self._ask_schedule(SCHEDULE_NOW if want_history else SCHEDULE_EVERY)
        if want_history or (answers and _is_old(self.view.history_at, self._clock(), HISTORY_EVERY)):
            await self._ask_history()
        return self.view

    async def _ask_status(self) -> bool:
        try:
            status = await self._client.status()
        except ApiError as failed:
            since = self.view.failing_since or self._clock()
            self.view = replace(self.view, failing_since=since, error=str(failed))
            return False
        self.view = replace(self.view, status=status, answered_at=self._clock(), failing_since=None, error=None)
        return True

    async def _ask_schedule(self, every: timedelta) -> None:
        now = self._clock()
        if not _is_old(self.view.schedule_at, now, every):
            return
        try:
            schedule = await self._client.schedule()
            self.view = replace(self.view, schedule=schedule, schedule_at=now)
        except ApiError as failed:
            self.view = replace(self.view, error=str(failed))

    async def _ask_history(self) -> None:
        now = self._clock()
        if not _is_old(self._history_tried, now, HISTORY_AGAIN):
            return
        self._history_tried = now
        try:
            history = await self._client.history(HISTORY_DAYS if self.view.history_at else FIRST_HISTORY_DAYS)
            self.view = with_history(self.view, history, now)
        except ApiError as failed:
            self.view = without_history(self.view, str(failed), now)


def with_history(view: ApiState, history: Sequence[HistoryRun], now: datetime) -> ApiState:
    """The history was read."""
    known = replace(view, history=tuple(history), history_at=now)
    return replace(known, history_failures=0, history_failing_since=None, history_error=None)


def without_history(view: ApiState, error: str, now: datetime) -> ApiState:
    """The history could not be had."""
    since = view.history_failing_since or now
    return replace(view, history_failures=view.history_failures + 1, history_failing_since=since, history_error=error)


def _is_old(asked: datetime | None, now: datetime, every: timedelta) -> bool:
    return asked is None or not timedelta(0) <= now - asked < every
