"""Levels that must not be passed for long: CPU, memory, health score, lag, ticks; and errors that come too often.

Pure. One number is one condition for each channel that tells it, so that two sources do not hide each other.
"""

from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from relay.config.watchdog import LevelOptions, RateOptions
from relay.events import NOT_REAL, SEVERITIES, Announcement, Event, Kind, Severity
from relay.events.errors import error_symbol
from relay.events.values import amount
from relay.events.wording import clock_time, duration, figure
from relay.redaction.built_in import shortened
from relay.runs.run import error_category
from relay.schedule.timetable import market_is_open
from relay.watchdog.alerts import Alerts

PLACES = ("metrics", "resources", "data_flow", "connection", "system")
"""Objects in a payload that hold such numbers (wire notes, "Envelopes")."""
NAMES = {
    "cpu_percent": ("cpu_percent", "cpu_usage", "cpu_usage_percent", "cpu"),
    "memory_percent": ("memory_percent", "memory_usage", "memory_usage_percent", "memory"),
    "lag_ms": ("lag_ms", "latency_ms", "streaming_lag_ms", "lag"),
}
"""Levels that come under several names."""
MAX_ERRORS = 2000
"""Errors remembered within the window; more than any threshold asks for."""
TOLD = frozenset({"monitoring", "streaming"})


def tells_levels(kind: Kind) -> bool:
    """Whether events of this kind may hold levels."""
    return kind.domain in TOLD and not kind.event.startswith("job_")


class Levels:
    """Numbers in monitoring and streaming health against their limits."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    def observe(self, event: Event, now: datetime, limits: Mapping[str, LevelOptions]) -> list[Announcement]:
        """Take the numbers of one event."""
        announcements: list[Announcement] = []
        places = _places(event.payload)
        for name, limit in limits.items():
            field = name.partition(" ")[0]
            number = _find_number(places, field)
            if number is None:
                continue
            is_bad = limit.is_passed_by(number) and (limit.when == "always" or market_is_open(now))
            key = f"{name.replace(' ', '_')}:{event.channel}"
            if is_bad or self._alerts.holds(key):
                announcements += self._set(key, field, number, limit, is_bad, event, now)
        return announcements

    def _set(
        self, key: str, field: str, number: float, limit: LevelOptions, is_bad: bool, event: Event, now: datetime
    ) -> list[Announcement]:
        words = field.replace("_", " ")
        side = f"above {figure(limit.above)}" if limit.above is not None else f"below {figure(limit.below or 0)}"
        last = f"It is {figure(number)}, told by {event.source or event.channel}"
        where = f"on {event.channel}; it has been {side} for {duration(limit.for_at_least)} without a break."
        return self._alerts.set(
            key,
            is_bad,
            now,
            severity=SEVERITIES[limit.severity],
            title=f"{words[0].upper()}{words[1:]} {side}",
            message=f"{last} {where}" if is_bad else f"{last}.",
            facts={"level": field, "value": number},
            for_=limit.for_at_least,
            resolve_after=limit.resolved_after,
        )


def _places(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where a payload may hold numbers: in itself, or one level deeper."""
    return [payload, *(payload[name] for name in PLACES if isinstance(payload.get(name), dict))]


def _find_number(places: list[Mapping[str, Any]], field: str) -> float | None:
    """The first number of that name, or of another name for the same."""
    names = NAMES.get(field) or (field,)
    for place in places:
        for name in names:
            if name in place and (found := amount(place[name])) is not None:
                return found
    return None


class _Error(NamedTuple):
    """All that is counted of one error."""

    at: datetime
    category: str
    symbol: str | None


class ErrorRates:
    """How often errors come: in all, of one category, for one symbol. Too often is one alert, whichever way."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._errors: deque[_Error] = deque(maxlen=MAX_ERRORS)
        self._dirty = False

    def observe(self, event: Event, now: datetime) -> None:
        """Count an error event; test, replayed and harmless ones are none."""
        if event.severity < Severity.ERROR or event.has(NOT_REAL):
            return
        self._errors.append(_Error(now, error_category(event), shortened(error_symbol(event), 20)))
        self._dirty = True

    def tick(self, now: datetime, limits: RateOptions) -> list[Announcement]:
        """Look at the rates of the moment."""
        while self._errors and (now - self._errors[0].at).total_seconds() > max(limits.window, 60.0):
            self._errors.popleft()
            self._dirty = True
        if not self._dirty:
            return self._alerts.set("error_rate", False, now) if not self._errors else []
        self._dirty = False
        found = self._too_often(now, limits)
        return self._alerts.set(
            "error_rate",
            bool(found),
            now,
            severity=Severity.ERROR,
            title=f"High error rate: {found[0]}" if found else "",
            message=f"At {clock_time(now, now, utc=True)}: {'; '.join(found)}. Look at the component that reports them."
            if found
            else f"Below the limits since {clock_time(now, now, utc=True)}.",
            facts={"errors_per_minute": self._last_minute(now)},
            resolve_after=limits.resolved_after,
        )

    def _too_often(self, now: datetime, limits: RateOptions) -> list[str]:
        recent = [one for one in self._errors if (now - one.at).total_seconds() <= limits.window]
        found = []
        if (rate := self._last_minute(now)) > limits.per_minute:
            found.append(f"{rate} errors in 1 min (limit {limits.per_minute})")
        span = f"in {duration(limits.window)}"
        for category, number in Counter(one.category for one in recent).most_common(1):
            if number > limits.per_category:
                found.append(f"{number} of category {category} {span} (limit {limits.per_category})")
        for symbol, number in Counter(one.symbol for one in recent if one.symbol).most_common(1):
            if number > limits.per_symbol:
                found.append(f"{number} for symbol {symbol} {span} (limit {limits.per_symbol})")
        return found

    def _last_minute(self, now: datetime) -> int:
        minute = now - timedelta(minutes=1)
        return sum(one.at > minute for one in self._errors)
