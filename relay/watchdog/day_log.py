"""What a day had that its runs do not keep: errors by kind, alerts, gaps, what was silenced. Pure but for its shelf."""

from collections.abc import Iterable
from datetime import date, datetime

import msgspec

from relay.events import Announcement, Event
from relay.events.errors import error_code
from relay.events.incidents import is_error_of_incident
from relay.events.wording import NEW_YORK
from relay.redaction.built_in import shortened
from relay.runs.run import error_category
from relay.store.shelf import Shelf

MAX_KINDS = 50
OTHERS = "others"
_KEY = "day"


class DayLog(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Counts of one day in New York."""

    day: date
    errors: dict[str, int] = {}
    """By code, else category; beyond `MAX_KINDS` under `OTHERS`."""
    alerts: int = 0
    cleared: int = 0
    gaps: list[tuple[datetime, float]] = []
    """When each began, and for how many seconds."""
    silenced_alerts: int = 0
    silenced_errors: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell of the day."""
        return not any((self.errors, self.alerts, self.gaps, self.silenced_alerts, self.silenced_errors))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DayLog).decode
MAX_GAPS = 20


class DayCounts:
    """Keeps the present day's counts; a new day begins anew."""

    def __init__(self, shelf: Shelf) -> None:
        """Go on from what is on `shelf`."""
        self._shelf = shelf
        self._is_saved = True
        self._log: DayLog | None = None
        try:
            self._log = _decode(text) if (text := shelf.get(_KEY)) else None
        except msgspec.MsgspecError:
            shelf.put(_KEY, None)

    def of(self, now: datetime) -> DayLog:
        """The counts of the day of `now`."""
        day = now.astimezone(NEW_YORK).date()
        if self._log is None or self._log.day != day:
            self._log = DayLog(day=day)
        return self._log

    def observe(self, events: Iterable[Event], now: datetime) -> None:
        """Count errors."""
        for event in events:
            if is_error_of_incident(event):
                errors = self.of(now).errors
                kind = shortened(error_code(event), 80) or error_category(event)
                name = kind if kind in errors or len(errors) < MAX_KINDS else OTHERS
                errors[name] = errors.get(name, 0) + 1
                self._is_saved = False

    def announced(self, announcements: Iterable[Announcement], now: datetime) -> None:
        """Count alerts, gaps and what a silence has kept back."""
        for announcement in announcements:
            self._count(announcement, self.of(now), now)

    def keep(self) -> None:
        """Put what has changed on the shelf."""
        if not self._is_saved and self._log is not None:
            self._shelf.put(_KEY, _encode(self._log).decode())
            self._is_saved = True

    def _count(self, announcement: Announcement, log: DayLog, now: datetime) -> None:
        payload = announcement.payload
        if announcement.channel == "relay:gap":
            seconds = float(payload.get("seconds") or 0.0)
            log.gaps = [*log.gaps, (datetime.fromtimestamp(now.timestamp() - seconds, now.tzinfo), seconds)][-MAX_GAPS:]
        elif announcement.event == "silence_ended":
            log.silenced_alerts += int(payload.get("kept_alerts") or 0)
            log.silenced_errors += int(payload.get("kept_errors") or 0)
        elif "alert" in payload and "after_silence" not in payload:
            log.alerts += payload.get("state") == "firing"
            log.cleared += payload.get("state") == "resolved"
        else:
            return
        self._is_saved = False
