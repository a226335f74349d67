"""Conditions that hold or not, and what is said about them: once when one fires, once when it is resolved.

Pure but for the shelf, which makes a restart say nothing twice and forget nothing. What is a condition, and in which
words, is for the rooms that call `set`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from relay.events import SEVERITIES, Announcement, Severity, utc_text
from relay.events.wording import duration
from relay.store.shelf import Shelf

MAX_ALERTS = 500
"""Conditions remembered at once; beyond it the oldest that waits, else the oldest at all, makes room."""


class Stage(StrEnum):
    """Where a condition stands. One that does not hold, and has not fired, is not kept at all."""

    PENDING = "pending"
    """It holds, but not for long enough yet."""
    FIRING = "firing"
    CLEARING = "clearing"
    """It no longer holds, but not for long enough yet."""


class Alert(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One condition that holds. `key` is `<name>` or `<name>:<what it is about>`."""

    key: str
    since: datetime
    """When the condition began to hold."""
    stage: Stage = Stage.PENDING
    severity: str = Severity.ERROR.label
    title: str = ""
    message: str = ""
    fired_at: datetime | None = None
    announced_at: datetime | None = None
    """When that was last said: again after a silence."""
    due_at: datetime | None = None
    """When the pending one fires or the clearing one is resolved."""
    resolve_after: float = 0.0
    cleared_at: datetime | None = None
    resolution: str = ""
    run_id: str | None = None
    facts: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The first part of the key: which alert it is."""
        return self.key.partition(":")[0]

    @property
    def is_firing(self) -> bool:
        """Whether it was announced and has not been resolved."""
        return self.stage is not Stage.PENDING


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Alert).decode


class Alerts:
    """The conditions that hold now."""

    def __init__(self, shelf: Shelf) -> None:
        """Go on from what is on `shelf`."""
        self._shelf = shelf
        self._alerts: dict[str, Alert] = {}
        for key, value in shelf.items().items():
            try:
                self._alerts[key] = _decode(value)
            except msgspec.MsgspecError:
                shelf.put(key, None)

    def firing(self) -> list[Alert]:
        """What was announced and is not resolved, the oldest first."""
        return sorted((one for one in self._alerts.values() if one.is_firing), key=lambda one: one.since)

    def is_firing(self, key: str) -> bool:
        """Whether the alert of exactly that key was announced and is not resolved."""
        found = self._alerts.get(key)
        return found is not None and found.is_firing

    def holds(self, key: str) -> bool:
        """Whether there is anything to be said about that key: it waits, fires or clears."""
        return key in self._alerts

    def announcement_of(self, key: str) -> Announcement | None:
        """What was announced when the alert of that key fired, to be said again where it was not heard."""
        found = self._alerts.get(key)
        return _firing(found) if found is not None and found.is_firing else None

    def announced_again(self, key: str, now: datetime) -> None:
        """Note that a firing alert was announced once more."""
        alert = self._alerts[key]
        alert.announced_at = now
        self._keep(alert)

    def holding(self, name: str) -> list[Alert]:
        """The alerts of that name, also those that wait."""
        return [one for one in self._alerts.values() if one.name == name]

    def about(self, run_id: str) -> list[Alert]:
        """The firing alerts about that run."""
        return [one for one in self.firing() if one.run_id == run_id]

    def set(
        self,
        key: str,
        firing: bool,
        now: datetime,
        *,
        severity: Severity = Severity.ERROR,
        title: str = "",
        message: str = "",
        facts: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        for_: float = 0.0,
        resolve_after: float = 0.0,
    ) -> list[Announcement]:
        """Say whether the condition `key` holds at `now`; what there is to announce about it.

        `for_` and `resolve_after` are seconds that it has to hold, and not to hold, without a break. When it does not
        hold, `message` says what ended it.
        """
        known = self._alerts.get(key)
        if not firing:
            if known is not None and resolve_after:
                known.resolve_after = resolve_after
            return self._clear(known, now, message) if known else []
        if known is None:
            known = self._begin(key, now, for_, resolve_after)
        elif known.stage is Stage.CLEARING:
            known.stage = Stage.FIRING
            known.cleared_at = None
            known.due_at = None
            self._keep(known)
        if known.stage is Stage.PENDING:  # it fires with the words of the moment
            known.title = title
            known.message = message
            known.facts = dict(facts or {})
            known.severity = severity.label
            known.run_id = run_id
            if known.since == now:
                self._keep(known)
        return self._advance(known, now)

    def _begin(self, key: str, now: datetime, for_: float, resolve_after: float) -> Alert:
        if len(self._alerts) >= MAX_ALERTS:
            self._drop(min(self._alerts.values(), key=lambda one: (one.is_firing, one.since)))
        due_at = now + timedelta(seconds=for_)
        return Alert(key=key, since=now, due_at=due_at, resolve_after=resolve_after)

    def resolve(self, key: str, now: datetime, message: str = "") -> list[Announcement]:
        """The condition is over, whatever its `resolve_after`."""
        known = self._alerts.get(key)
        if known is None:
            return []
        known.resolve_after = 0.0
        return self._clear(known, now, message)

    def clock_stepped(self, seconds: float) -> None:
        """The clock was set: what waits to fire or to clear waits as long as it would have."""
        step = timedelta(seconds=seconds)
        for alert in self._alerts.values():
            if alert.due_at is None:
                continue
            alert.due_at += step
            if alert.stage is Stage.PENDING:
                alert.since += step
            elif alert.cleared_at is not None:
                alert.cleared_at += step
            self._keep(alert)

    def tick(self, now: datetime) -> list[Announcement]:
        """Fire and resolve what time alone makes due."""
        return [announcement for alert in list(self._alerts.values()) for announcement in self._advance(alert, now)]

    def _clear(self, alert: Alert, now: datetime, message: str) -> list[Announcement]:
        if alert.stage is Stage.PENDING:
            self._drop(alert)
            return []
        if alert.stage is Stage.FIRING:
            alert.stage = Stage.CLEARING
            alert.cleared_at = now
            alert.resolution = message
            self._keep(alert)
        alert.due_at = (alert.cleared_at or now) + timedelta(seconds=alert.resolve_after)
        return self._advance(alert, now)

    def _advance(self, alert: Alert, now: datetime) -> list[Announcement]:
        if alert.due_at is None or now < alert.due_at:
            return []
        alert.due_at = None
        if alert.stage is Stage.PENDING:
            alert.stage = Stage.FIRING
            alert.fired_at = now
            alert.announced_at = now
            self._keep(alert)
            return [_firing(alert)]
        self._drop(alert)
        return [_resolved(alert, now)]

    def _keep(self, alert: Alert) -> None:
        self._alerts[alert.key] = alert
        self._shelf.put(alert.key, _encode(alert).decode())

    def _drop(self, alert: Alert) -> None:
        del self._alerts[alert.key]
        self._shelf.put(alert.key, None)


def _firing(alert: Alert) -> Announcement:
    return _announce(alert, "firing", title=alert.title, message=alert.message, since=utc_text(alert.since))


def _resolved(alert: Alert, now: datetime) -> Announcement:
    seconds = max(0.0, (now - alert.since).total_seconds())
    return _announce(
        alert,
        "resolved",
        title=f"Resolved: {alert.title}",
        message=alert.resolution or f"It is over after {duration(seconds)}.",
        since=utc_text(alert.since),
        until=utc_text(now),
        announced_at=utc_text(alert.announced_at or alert.fired_at or alert.since),
        duration_seconds=seconds,
    )


def _announce(alert: Alert, state: str, **details: Any) -> Announcement:
    about = {"run_id": alert.run_id} if alert.run_id else {}
    return Announcement(
        channel=f"relay:alert:{alert.name}",
        event=alert.name,
        severity=SEVERITIES[alert.severity],
        run_id=alert.run_id,
        payload={"alert": alert.key, "state": state}
        | details
        | about
        | ({"facts": alert.facts} if alert.facts else {}),
    )
