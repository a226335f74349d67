"""Alerts kept quiet for a while: which, until when, why and by whom. Kept on a shelf that the command line writes too.

A silenced event still goes to the archive and the metrics; only sinks that wake people do not get it. What is still
wrong when a silence ends is said again then.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from relay.events import Announcement, Event
from relay.store.shelf import Shelf
from relay.watchdog.alerts import Alerts

Predicate = Callable[[Event], bool]
MAX_SILENCES = 200
LONGEST = timedelta(days=366)
KEPT = timedelta(days=7)
"""An ended silence can still be looked at for so long."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """One silence; times are UTC."""

    id: str
    match: dict[str, Any]
    """As in a route: every condition must hold."""
    created: datetime
    until: datetime
    comment: str = ""
    who: str = ""

    def is_active(self, now: datetime) -> bool:
        """Whether it keeps anything quiet now."""
        return self.created <= now < self.until


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Silence).decode


class Silences:
    """The silences on a shelf. `compile_match` turns a match into a predicate (`relay.events.matching.predicate`)."""

    def __init__(self, shelf: Shelf, compile_match: Callable[[Mapping[str, Any]], Predicate]) -> None:
        self._shelf = shelf
        self._compile = compile_match
        self._known: dict[str, tuple[str, Silence, Predicate]] = {}
        self._ended: set[str] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take what is on the shelf now; another process may have written there."""
        found = dict(self._shelf.items())
        for silence_id in self._known.keys() - found.keys():
            del self._known[silence_id]
        for silence_id, text in found.items():
            before = self._known.get(silence_id)
            if before is None or before[0] != text:
                self._read(silence_id, text)

    def add(
        self, match: Mapping[str, Any], until: datetime, now: datetime, *, comment: str = "", who: str = ""
    ) -> Silence:
        """Keep what matches quiet from `now` until `until`.

        Raises:
            ValueError: no matcher or a wrong one (`MatchError`), an end in the past or more than a year away, or there
                are too many silences.
        """
        if not match:
            raise ValueError("a silence needs at least one matcher: without one, everything would be silenced")
        if not now < until <= now + LONGEST:
            raise ValueError("a silence must end in the future, and within a year")
        if len(self._known) >= MAX_SILENCES:
            raise ValueError(f"there are {MAX_SILENCES} silences already; expire some")
        silence_id = secrets.token_hex(4)
        silence = Silence(
            id=silence_id, match=dict(match), created=now, until=until, comment=comment[:500], who=who[:100]
        )
        self._compile(silence.match)
        self._put(silence)
        return silence

    def expire(self, silence_id: str, now: datetime) -> Silence:
        """End a silence now.

        Raises:
            KeyError: there is no active silence of that id.
        """
        _, silence, _ = self._known[silence_id]
        if not silence.is_active(now):
            raise KeyError(silence_id)
        ended = msgspec.structs.replace(silence, until=now)
        self._put(ended)
        return ended

    def listed(self, now: datetime, *, ended: bool = False) -> list[Silence]:
        """The active silences, the one that ends first first; with `ended`, those of the last days too."""
        silences = [silence for _, silence, _ in self._known.values()]
        return sorted((one for one in silences if ended or one.is_active(now)), key=lambda one: one.until)

    def silencing(self, event: Event, now: datetime) -> Silence | None:
        """The silence that keeps `event` quiet at `now`, if any does."""
        for _, silence, matches in self._known.values():
            if silence.is_active(now) and matches(event):
                return silence
        return None

    def tick(self, now: datetime, alerts: Alerts, *, forget: bool = True) -> list[Announcement]:
        """Say again what fires and was kept quiet by a silence that has just ended; `forget` what ended long ago."""
        announcements: list[Announcement] = []
        over = {silence_id for silence_id, (_, one, _) in self._known.items() if one.until <= now}
        for silence_id in over - (over if self._ended is None else self._ended):
            announcements += self._announce_again(self._known[silence_id], now, alerts)
        self._ended = over
        for silence_id in over:
            if forget and self._known[silence_id][1].until + KEPT < now:
                del self._known[silence_id]
                self._shelf.put(silence_id, None)
        return announcements

    def _announce_again(
        self, ended: tuple[str, Silence, Predicate], now: datetime, alerts: Alerts
    ) -> list[Announcement]:
        _, silence, matches = ended
        firing = [(one, alerts.announcement_of(one.key)) for one in alerts.firing()]
        return [
            announcement
            for alert, announcement in firing
            if announcement is not None
            and silence.created <= (alert.fired_at or alert.since)
            and matches(announcement.as_event("silence", 0, now))
            and self.silencing(announcement.as_event("silence", 0, now), now) is None
        ]

    def _put(self, silence: Silence) -> None:
        text = _encode(silence).decode()
        self._shelf.put(silence.id, text)
        self._read(silence.id, text)

    def _read(self, silence_id: str, text: str) -> None:
        """What cannot be read keeps nothing quiet: an alert too many is better than one too few."""
        try:
            silence = _decode(text)
            self._known[silence_id] = (text, silence, self._compile(silence.match))
        except (msgspec.MsgspecError, ValueError):
            self._known.pop(silence_id, None)
