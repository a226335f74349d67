"""Of the states of an incident that wait for a sink only the newest is delivered; one that is underway stays."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from relay.events.incidents import incident_of
from relay.lanes.stored_event import unpacked
from relay.store.outbox import Outbox, Row

AGAIN_AFTER = timedelta(minutes=10)


class IncidentStates:
    """Withdraws what a newer state has taken the place of, in one lane."""

    def __init__(
        self,
        lane: str,
        outbox: Outbox,
        *,
        dropped: Counter[str],
        forget_arrived: Callable[[], None],
        is_taken: Callable[[Row], bool],
    ) -> None:
        """`is_taken` says whether a row is underway, or is next."""
        self._lane = lane
        self._outbox = outbox
        self._dropped = dropped
        self._forget_arrived = forget_arrived
        self._is_taken = is_taken

    def supersede(self, incident: str, newest: int) -> None:
        """A newer state is staged, under the id `newest`."""
        self._forget_arrived()
        waiting = self._states_of(incident)
        self._withdraw([row for row in waiting if row.id < newest and not self._is_taken(row)])

    def withdraw_superseded(self, row: Row) -> None:
        """A state that could not be delivered is not retried once there is a newer one."""
        if row.order_key is None:
            return
        ids = [state.id for state in self._states_of(row.order_key)]
        if row.id in ids and max(ids) > row.id:
            self._withdraw([row])
            self._outbox.commit()

    def _states_of(self, incident: str) -> list[Row]:
        """The rows that wait with a state of that incident; other events may have its order key, too."""
        rows = self._outbox.of_key(self._lane, incident)
        self._outbox.load(rows)
        return [row for row in rows if _is_state_of_incident(row)]

    def _withdraw(self, rows: Sequence[Row]) -> None:
        self._outbox.withdraw(rows)
        self._dropped["superseded"] += len(rows)


class MissedStates:
    """Whether a sink may not know how incidents stand: events for it were given up, and nothing has told it since."""

    def __init__(self) -> None:
        self._delivered: int | None = None
        """How much it had taken when it last missed something."""
        self._told_at: datetime | None = None

    def note(self, delivered: int) -> None:
        """Events were given up; so many had been delivered by then."""
        self._delivered = delivered

    def is_over(self, delivered: int, now: datetime) -> bool:
        """Whether it works again, which is said once; not again and again where it refuses just these states."""
        was_told = self._told_at is not None and timedelta(0) <= now - self._told_at < AGAIN_AFTER
        if self._delivered is None or delivered <= self._delivered or was_told:
            return False
        self._delivered = None
        self._told_at = now
        return True


def _is_state_of_incident(row: Row) -> bool:
    try:
        return bool(row.event) and incident_of(unpacked(row.event)) is not None
    except (msgspec.MsgspecError, ValueError):  # its delivery finds out
        return False
