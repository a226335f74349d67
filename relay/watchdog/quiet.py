"""Of which alerts and errors nobody is told now, and what is said when that begins and ends: the one judgement.

A silence of an operator and a maintenance window of the configuration are the same thing here. What they keep back
still goes to the archive, the metrics and every sink that wakes nobody.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from relay.config.watchdog import WatchdogOptions
from relay.events import NOT_REAL, Announcement, Event, utc_text
from relay.events.incidents import CHANNEL
from relay.events.wording import clock_time, plural
from relay.store.shelf import Shelf
from relay.watchdog.alerts import Alert, Alerts
from relay.watchdog.silences import Silence, Silences

NOTICES = "relay:alert:silence"
"""A notice's channel: whoever routes alerts gets these lines too."""
NEVER_QUIET = (NOTICES, CHANNEL)
"""The notices themselves, and incidents: these are made of what was judged already."""
MOST_NAMED = 5
"""Alerts that the summary names."""


class Kept(msgspec.Struct, kw_only=True):
    """A silence under way, and what it has kept back."""

    silence: Silence
    alerts: int = 0
    errors: int = 0
    is_announced: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


class Quiet:
    """Silences and maintenance windows together."""

    def __init__(
        self,
        silences: Silences,
        options: Callable[[], WatchdogOptions],
        shelf: Shelf,
        incident_id: Callable[[Event], str] | None = None,
    ) -> None:
        """`options` are those in force, with the maintenance windows; what was begun is on `shelf`.

        `incident_id` knows to which incident an alert or error belongs, where whoever asks does not say it.
        """
        self._silences = silences
        self._incident_id = incident_id or incident_of
        self._options = options
        self._shelf = shelf
        self._kept: dict[str, Kept] = {}
        self._changed: set[str] = set()
        self._windows: tuple[int, WatchdogOptions | None, list[Silence]] = (0, None, [])
        for key, text in shelf.items().items():
            try:
                self._kept[key] = _decode(text)
            except (msgspec.MsgspecError, ValueError):
                shelf.put(key, None)

    def active(self, now: datetime) -> list[Silence]:
        """What keeps anything quiet at `now`, what ends first first."""
        found = [*self._maintenance(now), *self._silences.listed(now)]
        return sorted(found, key=lambda one: one.until)

    def kept_back(self, silence_id: str) -> tuple[int, int]:
        """How many alerts and errors an active silence has kept back so far."""
        kept = self._kept.get(silence_id)
        return (kept.alerts, kept.errors) if kept else (0, 0)

    def silencing(self, event: Event, now: datetime, incident: str = "") -> Silence | None:
        """Why nobody is told of a single alert or error now; `incident` is the id of the one that it belongs to.

        An alert's end is told if its beginning was, and the other way round: it is judged at that time.
        """
        if event.channel.startswith(NEVER_QUIET):
            return None
        moment = _judged_at(event, now)
        window = next(iter(self._maintenance(moment)), None)
        return window or self._silenced_by(event, moment, incident)

    def _silenced_by(self, event: Event, moment: datetime, incident: str = "") -> Silence | None:
        if not incident and self._silences.name_incidents:
            incident = self._incident_id(event)
        return self._silences.silencing(event, moment, incident)

    def silences_alert(self, alert: Alert, alerts: Alerts, now: datetime) -> bool:
        """Whether nobody is told of a firing alert now."""
        firing = alerts.announcement_of(alert.key) if self.active(now) else None
        return firing is not None and self.silencing(firing.as_event("quiet", 0, now), now) is not None

    def observe(self, events: Iterable[Event], now: datetime) -> None:
        """Count the alerts and errors that are kept back."""
        if not self.active(now):
            return
        for event in events:
            is_error = event.domain == "errors"
            if event.has(NOT_REAL) or not (is_error or _is_firing(event)):
                continue
            if silence := self.silencing(event, now):
                kept = self._begun(silence)
                kept.errors += is_error
                kept.alerts += not is_error
                self._changed.add(silence.id)

    def announced(self, announcements: Iterable[Announcement], now: datetime) -> None:
        """The same for what the relay announces."""
        self.observe([each.as_event("quiet", 0, now) for each in announcements if "alert" in each.payload], now)

    def tick(self, now: datetime, alerts: Alerts, *, forget: bool = True) -> list[Announcement]:
        """Say which silences have begun or ended, and again what fires and was kept back by one that has ended.

        `forget` those that ended long ago.
        """
        announcements: list[Announcement] = []
        active = {silence.id: silence for silence in self.active(now)}
        for silence in active.values():
            kept = self._begun(silence)
            if not kept.is_announced:
                kept.is_announced = True
                self._changed.add(silence.id)
                announcements.append(_began(silence))
        for ended in [kept for key, kept in self._kept.items() if key not in active]:
            again = self._announced_again(ended.silence, now, alerts)
            announcements += [_ended(ended, [str(one.payload["title"]) for one in again]), *again]
            del self._kept[ended.silence.id]
            self._changed.add(ended.silence.id)
        if forget:
            self._silences.forget(now)
        self._save()
        return announcements

    def _begun(self, silence: Silence) -> Kept:
        return self._kept.setdefault(silence.id, Kept(silence=silence))

    def _save(self) -> None:
        for key in self._changed:
            kept = self._kept.get(key)
            self._shelf.put(key, _encode(kept).decode() if kept else None)
        self._changed.clear()

    def _maintenance(self, moment: datetime) -> list[Silence]:
        """The windows that cover a moment, as silences; asked for each event, so an answer holds for its second."""
        options, second = self._options(), int(moment.timestamp())
        if self._windows[0] != second or self._windows[1] is not options:
            self._windows = (second, options, windows(options, moment))
        return self._windows[2]

    def _announced_again(self, ended: Silence, now: datetime, alerts: Alerts) -> list[Announcement]:
        """What fires, was kept back when it was announced, and is no longer quiet."""
        found = []
        for alert in alerts.firing():
            firing, at = alerts.announcement_of(alert.key), alert.announced_at or alert.fired_at
            if firing is None or at is None:
                continue
            event = firing.as_event("quiet", 0, now)
            was_in_window = ended.is_maintenance and ended.is_active(at)  # a reload may have taken the window away
            was_quiet = was_in_window or self._silenced_by(event, at)
            if was_quiet and self.silencing(event, now) is None:
                alerts.announced_again(alert.key, now)
                found.append(replace(firing, payload={**firing.payload, "after_silence": ended.id}))
        return found


def incident_of(event: Event) -> str:
    """The id of the incident that an alert or error belongs to: the one that it names, its run's, else its own key."""
    if event.domain != "alert":
        return event.run_id or ""
    payload = event.payload
    return str(payload.get("incident") or event.run_id or payload.get("alert") or "")


def _is_firing(event: Event) -> bool:
    return event.domain == "alert" and event.payload.get("state") == "firing"


def _judged_at(event: Event, now: datetime) -> datetime:
    """For the end of an alert: when its beginning was last announced."""
    if event.domain != "alert" or event.payload.get("state") != "resolved":
        return now
    announced_at = event.payload.get("announced_at")
    return datetime.fromisoformat(announced_at) if isinstance(announced_at, str) else now


def windows(options: WatchdogOptions, moment: datetime) -> list[Silence]:
    """The maintenance windows that cover a moment, as silences."""
    found = []
    for window in options.maintenance:
        if span := window.covering(moment):
            begin, end = span
            found.append(
                Silence(
                    id=f"maintenance:{utc_text(begin)}",
                    match={},
                    created=begin,
                    until=end,
                    comment=window.comment,
                    is_maintenance=True,
                )
            )
    return found


def _began(silence: Silence) -> Announcement:
    what = "Maintenance" if silence.is_maintenance else "Silenced"
    why = silence.why or "Nobody is told of alerts and errors."
    return _notice(silence, "silence_began", f"{what} until {_clock(silence)}", why)


def _clock(silence: Silence) -> str:
    """`18:30 EST`; with the day where that is not the day on which it began."""
    return clock_time(silence.until, silence.created, named=True)


def _ended(kept: Kept, still_firing: list[str]) -> Announcement:
    what = "Maintenance" if kept.silence.is_maintenance else "Silence"
    message = _kept_back(kept)
    if still_firing:
        count = len(still_firing)
        more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
        fires = f"{plural(count, 'alert')} still {'fires' if count == 1 else 'fire'}"
        message += f"; {fires}: {', '.join(still_firing[:MOST_NAMED])}{more}"
    elif kept.alerts:
        message += "; none of the alerts fires now"
    return _notice(
        kept.silence,
        "silence_ended",
        f"{what} ended",
        f"{message}.",
        kept_alerts=kept.alerts,
        kept_errors=kept.errors,
        still_firing=still_firing,
    )


def _kept_back(kept: Kept) -> str:
    parts = [plural(count, what) for count, what in ((kept.alerts, "alert"), (kept.errors, "error")) if count]
    if not parts:
        return "Nothing was kept back"
    return f"{' and '.join(parts)} {'was' if kept.alerts + kept.errors == 1 else 'were'} kept back"


def _notice(silence: Silence, event: str, title: str, message: str, **more: object) -> Announcement:
    return Announcement(
        channel=NOTICES,
        event=event,
        payload={
            "title": title,
            "message": message,
            "silence": silence.id,
            "maintenance": silence.is_maintenance,
            "matches": silence.matches,
            "until": utc_text(silence.until),
            "comment": silence.comment,
            "who": silence.who,
            **more,
        },
    )
