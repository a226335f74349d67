"""What belongs together: to which incident an alert or an error belongs. Decided here and nowhere else."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from relay.events import Announcement, Event
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.watchdog.incident.errors import error_id
from relay.watchdog.incident.record import Incident, IncidentKind
from relay.watchdog.incident.state import STARTS

A_MOMENT = timedelta(minutes=1)
"""So long after an error, too many errors are those of its incident."""
MAX_ERROR_INCIDENTS = 40
"""Kinds of errors outside of any run that have an incident of their own at once; all others share one."""
OTHER_ERRORS = "error:others"


class Belonging:
    """Looks among the incidents that are kept."""

    def __init__(self, runs: Runs, incidents: Mapping[str, Incident]) -> None:
        """`incidents` by their ids, as they are at each look."""
        self._runs = runs
        self._incidents = incidents

    @property
    def open(self) -> list[Incident]:
        """Those that are not over, the oldest first."""
        return [incident for incident in self._incidents.values() if not incident.is_over]

    def id_of(self, event: Event, now: datetime) -> str:
        """The id of the incident to which an alert or error belongs, or which it would begin."""
        key = event.payload.get("alert") if event.domain == "alert" else None
        if not isinstance(key, str):
            return self.of_error(event, self._runs.run_of(event, now), now).id
        named = event.payload.get("incident")
        if isinstance(named, str):
            return named
        alert = Announcement(channel=event.channel, event=event.event, payload=event.payload, run_id=event.run_id)
        return self.of_alert(alert, key, now).id

    def of_alert(self, announcement: Announcement, key: str, now: datetime) -> Incident:
        """The incident that an alert belongs to: an open one, or a new one that is not entered yet."""
        name = key.partition(":")[0]
        facts = announcement.payload.get("facts") or {}
        run_id = announcement.run_id
        if name == "error_rate" and run_id is None:
            if (incident := self._of_newest_error(now)) is not None:
                return incident
            run_id = self._runs.open[-1].run_id if self._runs.open else None
        if run_id is not None:
            run = self._runs.get(run_id)
            day = run.run_date if run is not None else facts.get("run_date")
            return self._of_day(day) or Incident(id=run_id, kind=IncidentKind.RUN, began=now, day=day, run_id=run_id)
        if name in STARTS and isinstance(day := facts.get("run_date"), str):
            return self._of_day(day) or Incident(id=f"day:{day}", kind=IncidentKind.DAY, began=now, day=day)
        return Incident(id=key, kind=IncidentKind.ALERT, began=now)

    def of_error(self, event: Event, run: Run | None, now: datetime) -> Incident:
        """The incident that an error belongs to: that of its run, or of its kind; a new one is not entered yet."""
        if run is not None:
            of_run = self._of_day(run.run_date) or self._incidents.get(run.run_id)
            if of_run is not None:
                return of_run
            if not run.is_judged:
                run_id = run.run_id
                return Incident(id=run_id, kind=IncidentKind.RUN, began=now, day=run.run_date, run_id=run_id)
        incident_id = error_id(event)
        of_errors = [one.id for one in self.open if one.kind is IncidentKind.ERROR]
        if incident_id not in of_errors and len(of_errors) >= MAX_ERROR_INCIDENTS:
            incident_id = OTHER_ERRORS
        known = self._incidents.get(incident_id)
        if known is not None and not known.is_over:
            return known
        return Incident(id=incident_id, kind=IncidentKind.ERROR, began=now)

    def _of_newest_error(self, now: datetime) -> Incident | None:
        """The incident that an error was counted in a moment ago."""
        errors = [one for one in self.open if one.last_error_at is not None and now - one.last_error_at < A_MOMENT]
        return max(errors, key=lambda one: one.last_error_at or one.began, default=None)

    def _of_day(self, day: str | None) -> Incident | None:
        """The open incident about a day's run."""
        return next((one for one in self.open if one.is_of_a_day and day is not None and one.day == day), None)
