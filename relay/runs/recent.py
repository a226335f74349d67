"""What was lately: errors in groups, alerts fired and resolved, events a second. For people; it decides nothing.

Bounded, and next to free on the hot path: only error events and the relay's own announcements are looked at. Alerts
and errors outlive a restart, rates do not.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from relay.events import NOT_REAL, Announcement, Event
from relay.events.errors import error_group, error_message
from relay.events.incidents import CHANNEL as INCIDENT
from relay.events.incidents import SUMMARY
from relay.redaction.built_in import shortened
from relay.runs.run import error_category
from relay.store.shelf import Shelf

MAX_MESSAGE = 1000
MAX_GROUPS = 100
COMMANDS = "relay:operator:"
"""What operators do is no alert: it is recorded in the archive and the log."""
MAX_ALERTS = 50
NO_NOTICES = (INCIDENT, SUMMARY)
"""They tell of alerts that are kept already."""
MAX_SAMPLES = 61
"""Counts of events, one a second: a minute of rates."""
SAVE_EVERY = timedelta(seconds=10)
"""Between two times that the groups of errors are put on the shelf."""
RATE_OVER = 10
"""Seconds that the rate of now is taken over."""


class ErrorGroup(msgspec.Struct, kw_only=True):
    """Errors that say the same thing. `message` is the newest one's, as it came from the wire."""

    group: str
    """What `relay.events.errors.error_group` says of each of them."""
    component: str | None
    code: str | None
    severity: str
    message: str
    count: int
    first: datetime
    last: datetime


class PastAlert(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An alert that was announced, or a notice (`is_notice`) such as a gap, that has no end."""

    key: str
    severity: str
    title: str
    message: str
    fired_at: datetime
    resolved_at: datetime | None = None
    resolution: str = ""
    run_id: str | None = None
    is_notice: bool = False


class _KeptErrors(msgspec.Struct, kw_only=True):
    """The groups of errors as they are on the shelf."""

    since: datetime
    groups: list[ErrorGroup]


_ERRORS = "errors"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PastAlert).decode
_decode_errors = msgspec.json.Decoder(_KeptErrors).decode


class Recent:
    """A small memory for viewers."""

    def __init__(self, shelf: Shelf) -> None:
        """Go on from the alerts that are on `shelf`."""
        self._shelf = shelf
        self._groups: dict[str, ErrorGroup] = {}
        self._alerts: dict[int, PastAlert] = {}
        self._samples: deque[tuple[datetime, int]] = deque(maxlen=MAX_SAMPLES)
        self.errors = 0
        """Error events since the start."""
        self.errors_since: datetime | None = None
        """Since when errors are remembered; None before the first look at the clock."""
        self._saved_errors: tuple[datetime, int] | None = None
        """When the groups were put on the shelf, and how many errors there had been by then."""
        for key, value in sorted(shelf.items().items()):
            try:
                if key == _ERRORS:
                    kept = _decode_errors(value)
                    self.errors_since = kept.since
                    self._groups = {group.group: group for group in kept.groups}
                else:
                    self._alerts[int(key)] = _decode(value)
            except (ValueError, msgspec.MsgspecError):
                shelf.put(key, None)

    @property
    def alerts(self) -> list[PastAlert]:
        """The last alerts, the newest first."""
        return list(reversed(self._alerts.values()))

    def error_groups(self, most: int = 20) -> list[ErrorGroup]:
        """The groups of errors, the one received last first."""
        return list(reversed(self._groups.values()))[:most]

    def observe(self, events: Iterable[Event], now: datetime) -> None:
        """See what was heard; only errors count."""
        for event in events:
            if event.kind.domain == "errors" and not event.has(NOT_REAL):
                self._error(event, now)

    def announced(self, announcements: Iterable[Announcement], now: datetime) -> None:
        """See what the relay itself says; only alerts and notices count."""
        for announcement in announcements:
            payload = announcement.payload
            if announcement.channel in NO_NOTICES:
                continue
            if "alert" in payload:
                self._alert(announcement, str(payload["alert"]), now)
            elif "title" in payload and not announcement.channel.startswith(COMMANDS):
                self._remember(past_alert(announcement, announcement.event, now, is_notice=True))

    def count(self, now: datetime, received: int) -> None:
        """Note how many messages have been received in all; about once a second."""
        self._samples.append((now, received))
        self.errors_since = self.errors_since or now
        saved_at, saved = self._saved_errors or (None, 0)
        if self.errors != saved and (saved_at is None or not timedelta(0) <= now - saved_at < SAVE_EVERY):
            self.save_errors(now)

    def save_errors(self, now: datetime) -> None:
        """Put the groups of errors on the shelf."""
        kept = _KeptErrors(since=self.errors_since or now, groups=list(self._groups.values()))
        self._shelf.put(_ERRORS, _encode(kept).decode())
        self._saved_errors = now, self.errors

    def rates(self) -> list[float]:
        """Events a second between each two of the last notes, the oldest first: about a minute."""
        pairs = zip(self._samples, list(self._samples)[1:], strict=False)
        return [_rate(before, after) for before, after in pairs]

    def rate(self) -> float:
        """Events a second now."""
        if len(self._samples) < 2:  # a rate needs two counts
            return 0.0
        newest = self._samples[-1]
        since = newest[0] - timedelta(seconds=RATE_OVER + 0.5)
        oldest = next(sample for sample in self._samples if sample[0] >= since)
        return _rate(oldest, newest)

    def _error(self, event: Event, now: datetime) -> None:
        payload = event.payload
        component, code = shortened(payload.get("component"), 80), shortened(payload.get("error_code"), 80)
        message = shortened(error_message(event), MAX_MESSAGE) or error_category(event)
        key = error_group(event)
        group = self._groups.pop(key, None)
        if group is None:
            group = ErrorGroup(
                group=key,
                component=component,
                code=code or shortened(payload.get("category"), 80),
                severity=event.severity.label,
                message=message,
                count=0,
                first=now,
                last=now,
            )
            if len(self._groups) >= MAX_GROUPS:
                del self._groups[next(iter(self._groups))]
        self.errors += 1
        group.count += 1
        group.last = now
        group.message = message
        self._groups[key] = group

    def _alert(self, one: Announcement, key: str, now: datetime) -> None:
        if one.payload.get("state") != "resolved":
            is_new = not any(known.key == key and known.resolved_at is None for known in self._alerts.values())
            if is_new:  # else it was announced again, after a silence
                self._remember(past_alert(one, key, now))
            return
        for number, known in reversed(self._alerts.items()):
            if known.key == key and known.resolved_at is None:
                known.resolved_at = now
                known.resolution = str(one.payload.get("message", ""))
                self._shelf.put(_name(number), _encode(known).decode())
                return

    def _remember(self, record: PastAlert) -> None:
        number = max(self._alerts, default=0) + 1
        self._alerts[number] = record
        self._shelf.put(_name(number), _encode(record).decode())
        while len(self._alerts) > MAX_ALERTS:
            oldest = next(iter(self._alerts))
            del self._alerts[oldest]
            self._shelf.put(_name(oldest), None)


def past_alert(one: Announcement, key: str, now: datetime, *, is_notice: bool = False) -> PastAlert:
    """What is remembered of an alert or notice that is announced."""
    return PastAlert(
        key=key,
        severity=one.severity.label,
        title=str(one.payload.get("title") or key),
        message=str(one.payload.get("message", "")),
        fired_at=now,
        run_id=one.run_id,
        is_notice=is_notice,
    )


def _name(number: int) -> str:
    return f"{number:09}"


def _rate(before: tuple[datetime, int], after: tuple[datetime, int]) -> float:
    seconds = (after[0] - before[0]).total_seconds()
    return max(0.0, (after[1] - before[1]) / seconds) if seconds > 0 else 0.0
