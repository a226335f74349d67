"""Incidents: one for each trouble, with all alerts and errors that belong to it, and one event for each change of it.

Pure but for the shelf. What belongs together is decided in `relay.watchdog.incident.belonging` alone; sinks and pages
only draw the state that `relay:alert:incident` carries. A run's incident ends with a sound result of its day or a later
one, nothing less.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from relay.config.watchdog import LearnedOptions
from relay.events import Announcement, Event, utc_text
from relay.events.incidents import CHANNEL, EVENT, is_error_of_incident
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.store.shelf import Shelf
from relay.watchdog.alerts import Alerts
from relay.watchdog.incident.belonging import Belonging
from relay.watchdog.incident.changes import announced, change_of, digest_of, notes_of
from relay.watchdog.incident.ends import settle
from relay.watchdog.incident.errors import count_error
from relay.watchdog.incident.record import Incident, IncidentKind, IncidentNote, Part
from relay.watchdog.incident.state import Teller

WAIT = timedelta(seconds=5)
"""How long the first state of a run's incident waits for more of the same run, and every update after the last one."""
URGENT = frozenset({"begins", "worse", "over"})
"""Changes that are announced at once."""
KEPT = timedelta(minutes=10)
"""How long an incident that is over is kept: late errors of its run still count in it."""
MAX_INCIDENTS = 200
ERRORS_END_AFTER = 600.0
"""Seconds without a repeat after which errors outside of any run are over, where no sink says otherwise."""
_SEQUENCE, _INCIDENT = "sequence", "incident:"
"""Keys on the shelf; an id comes from the wire and can be anything."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Incident).decode

Quiet = Callable[[Event, str], bool]
"""Whether an alert or an error of that incident is silenced."""


class Incidents:
    """The incidents that are open, and those that have just ended."""

    def __init__(
        self,
        shelf: Shelf,
        runs: Runs,
        alerts: Alerts,
        learned: Callable[[], LearnedOptions],
        *,
        quiet: Quiet = lambda _event, _incident: False,
        errors_end_after: Callable[[], float] = lambda: ERRORS_END_AFTER,
    ) -> None:
        """Go on from what is on `shelf`; `learned` tells how it is worked out what is usual.

        `errors_end_after`: seconds without a repeat after which errors outside of any run are over.
        """
        self._shelf = shelf
        self._alerts = alerts
        self._runs = runs
        self._quiet = quiet
        self._errors_end_after = errors_end_after
        self._teller = Teller(runs, learned)
        self._incidents: dict[str, Incident] = {}
        self._belonging = Belonging(runs, self._incidents)
        self._changed: set[str] = set()
        """Incidents that may have another state than was announced."""
        self._unsaved: set[str] = set()
        number = shelf.get(_SEQUENCE) or ""
        self._sequence = int(number) if number.isdecimal() else 0
        for key, value in shelf.items().items():
            if key.startswith(_INCIDENT):
                self._read(key, value)

    @property
    def open(self) -> list[Incident]:
        """Those that are not over, the oldest first."""
        return self._belonging.open

    def see(self, announcements: Iterable[Announcement], now: datetime) -> list[Announcement]:
        """Take what the relay announces; each single alert comes back with the id of its incident."""
        seen = [self._see(announcement, now) for announcement in announcements]
        self.keep()
        return seen

    def observe(self, event: Event, run: Run | None, now: datetime) -> None:
        """Take an error event; `run` is the run that it belongs to. `keep` puts what changed on the shelf."""
        if not is_error_of_incident(event):
            return
        incident = self._belonging.of_error(event, run, now)
        if not self._quiet(event, incident.id):
            count_error(incident, event, now)
            self._touch(incident)

    def id_of(self, event: Event, now: datetime) -> str:
        """The id of the incident to which an alert or error belongs, or which it would begin."""
        return self._belonging.id_of(event, now)

    def tell_again(self) -> None:
        """A sink has missed states, and works again: what still fires is announced once more, as it stands now."""
        for incident in self.open:
            if incident.firing and incident.announced is not None:
                incident.announced.digest = ""
                self._touch(incident)

    def tick(self, now: datetime) -> list[Announcement]:
        """End what is over; what there is to announce. To be called about once a second, after all else."""
        for incident in list(self._incidents.values()):
            self._reconcile(incident, now)
            self._settle(incident, now)
            self._forget(incident, now)
        changed = [self._incidents[incident_id] for incident_id in sorted(self._changed)]
        announcements = [one for incident in changed if (one := self._announce(incident, now)) is not None]
        self.keep()
        return announcements

    def keep(self) -> None:
        """Put what has changed on the shelf."""
        for incident_id in self._unsaved:
            incident = self._incidents.get(incident_id)
            self._shelf.put(f"{_INCIDENT}{incident_id}", _encode(incident).decode() if incident is not None else None)
        self._unsaved.clear()

    def _see(self, announcement: Announcement, now: datetime) -> Announcement:
        payload = announcement.payload
        if announcement.channel.startswith("relay:run:"):
            self._changed |= {incident.id for incident in self.open if incident.is_of_a_day}
        key, state = payload.get("alert"), payload.get("state")
        if not isinstance(key, str) or announcement.channel == CHANNEL or state not in ("firing", "resolved"):
            return announcement
        holder = next((one for one in self.open if key in one.parts and one.parts[key].is_firing), None)
        if state == "resolved":
            if holder is None:
                return announcement
            self._clear(holder, holder.parts[key], payload, now)
            return _with_incident(announcement, holder)
        incident = holder or self._belonging.of_alert(announcement, key, now)
        announcement = _with_incident(announcement, incident)
        if not self._quiet(announcement.as_event("quiet", 0, now), incident.id):
            self._fire(incident, announcement, key, now)
        return announcement

    def _fire(self, incident: Incident, announcement: Announcement, key: str, now: datetime) -> None:
        payload = announcement.payload
        facts = dict(payload.get("facts") or {})
        run = self._runs.get(announcement.run_id) if announcement.run_id else None
        phase = run.current_phase if run is not None else None
        if run is not None and phase is not None:
            facts.setdefault("moved_at", run.phases[phase].moved_at.isoformat())
        part = Part(
            key=key,
            severity=announcement.severity.label,
            title=str(payload.get("title") or key),
            message=str(payload.get("message", "")),
            fired_at=now,
            run_id=announcement.run_id,
            facts=facts,
        )
        incident.keep_part(part)
        incident.run_id = part.run_id or incident.run_id
        incident.reach(announcement.severity, now)
        self._touch(incident)

    def _clear(self, incident: Incident, part: Part, payload: Mapping[str, Any], now: datetime) -> None:
        part.cleared_at = now
        part.resolution = str(payload.get("message", ""))
        part.facts |= payload.get("facts") or {}
        self._touch(incident)

    def _touch(self, incident: Incident) -> None:
        """It may have another state now; a new one is entered."""
        if self._incidents.get(incident.id) is not incident:
            self._incidents[incident.id] = incident
            self._make_room()
        self._changed.add(incident.id)
        self._unsaved.add(incident.id)

    def _make_room(self) -> None:
        """Of too many, what is over goes first, then errors, then the oldest."""
        while len(self._incidents) > MAX_INCIDENTS:
            order = lambda one: (not one.is_over, one.kind is not IncidentKind.ERROR, one.began)  # noqa: E731
            self._drop(min(self._incidents.values(), key=order))

    def _drop(self, incident: Incident) -> None:
        del self._incidents[incident.id]
        self._changed.discard(incident.id)
        self._unsaved.add(incident.id)

    def _reconcile(self, incident: Incident, now: datetime) -> None:
        """An alert that is no longer kept has cleared, whether or not anybody announced it."""
        for part in incident.parts.values():
            if part.is_firing and not self._alerts.is_firing(part.key):
                self._clear(incident, part, {}, now)

    def _forget(self, incident: Incident, now: datetime) -> None:
        if incident.is_over and incident.ended is not None and not timedelta(0) <= now - incident.ended < KEPT:
            self._drop(incident)

    def _announce(self, incident: Incident, now: datetime) -> Announcement | None:
        """Its state, if that has changed and it is time to say so."""
        before = incident.announced
        waits = timedelta(0) <= now - (before.at if before else incident.began) < WAIT
        more_may_come = incident.is_of_a_day and not incident.is_over
        if before is None and waits and more_may_come:
            return None
        state = self._teller.state(incident, now)
        digest = digest_of(state)
        if before is not None and before.digest == digest:
            self._changed.discard(incident.id)
            return None
        change = change_of(incident, state)
        if waits and change not in URGENT:
            return None
        self._changed.discard(incident.id)
        self._unsaved.add(incident.id)
        self._sequence += 1
        self._shelf.put(_SEQUENCE, str(self._sequence))
        incident.number = self._sequence
        incident.notes = notes_of(incident, state, change, self._teller, now)
        incident.announced = announced(incident, state, digest, now)
        news = {"change": change, "number": incident.number, "notes": [_note(note) for note in incident.notes]}
        return Announcement(
            channel=CHANNEL,
            event=EVENT,
            severity=incident.highest,
            run_id=incident.run_id,
            payload=state.payload | news,
        )

    def _settle(self, incident: Incident, now: datetime) -> None:
        """Whether it fires, has eased, or is over."""
        before = incident.stage, incident.run_id
        settle(incident, self._runs, now, self._errors_end_after())
        if before != (incident.stage, incident.run_id):
            self._touch(incident)

    def _read(self, key: str, value: str) -> None:
        try:
            incident = _decode(value)
        except msgspec.MsgspecError:
            self._shelf.put(key, None)
            return
        self._incidents[incident.id] = incident
        self._sequence = max(self._sequence, incident.number)
        self._changed.add(incident.id)


def ids_on(shelf: Shelf) -> list[str]:
    """The ids of the incidents on a shelf, for commands."""
    return [key for key in shelf.items() if key != _SEQUENCE]


def _with_incident(announcement: Announcement, incident: Incident) -> Announcement:
    payload = announcement.payload | {"incident": incident.id}
    return msgspec.structs.replace(announcement, payload=payload)


def _note(note: IncidentNote) -> dict[str, Any]:
    return {
        "number": note.number,
        "at": utc_text(note.at),
        "change": note.change,
        "severity": note.severity,
        "text": note.text,
    }
