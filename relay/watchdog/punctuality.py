"""Did the day's run start? Late, never, not planned, switched off; each said once, in words that fit what is known.

Pure. It alerts from the config's timetable on, not from a first success, and only on evidence: what the relay heard,
or what the API answers.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from relay.config.thresholds import WatchdogOptions
from relay.events import Announcement, Severity, utc_text
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.runs.transitions import of_day, of_run
from relay.watchdog.agenda import Agenda, Slot
from relay.watchdog.alerts import Alerts
from relay.watchdog.apiview import ApiView
from relay.watchdog.wording import clock, lasting

EARLY = timedelta(minutes=10)
"""A run that began so long before it was due is still that day's run: clocks differ, and people are quick."""
ASKED_AHEAD = 90.0
"""Seconds before the end of the grace at which the API is asked, so that the alert is not late by a poll."""
HISTORY_PATIENCE = timedelta(minutes=3)
"""How long an answer to "was there a run meanwhile?" is waited for before an alert is given without it."""


class Punctuality:
    """Watches the current slot of the agenda."""

    def __init__(
        self, agenda: Agenda, runs: Runs, alerts: Alerts, hearing_since: Callable[[], datetime | None]
    ) -> None:
        """`hearing_since` tells since when the relay is subscribed without a gap; None when it is not."""
        self._agenda = agenda
        self._runs = runs
        self._alerts = alerts
        self._hearing_since = hearing_since
        self.wants_history = False
        """The API's history would tell whether a run was missed or only not heard."""

    def tick(self, now: datetime, api: ApiView, options: WatchdogOptions) -> list[Announcement]:
        """Look at the slot whose time has come."""
        self.wants_history = False
        said = [*self._agenda.advance(now), *self._schedule_on(now)]
        slot = self._agenda.current
        if slot is None:
            return said
        run = self._run_of(slot)
        if run is not None:
            if slot.state is not State.RUNNING:
                said += self._started(slot, run, now, options)
        elif slot.is_open and now >= slot.due + timedelta(seconds=options.start_grace):
            said += self._not_started(slot, now, api, options)
        elif slot.is_open:
            asked_from = _asked_from(slot, options)
            self.wants_history = now >= asked_from and (api.history_at is None or api.history_at < asked_from)
        return said

    def _run_of(self, slot: Slot) -> Run | None:
        """The first run that began at the slot's time or later: by the scheduler or by hand, it is the day's run."""
        if slot.run_id is not None and (known := self._runs.get(slot.run_id)) is not None:
            return known
        since = slot.due - EARLY
        return min((run for run in self._runs.newest_first() if run.began >= since), key=_began, default=None)

    def _started(self, slot: Slot, run: Run, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        self._agenda.settle(State.RUNNING, run_id=run.run_id)
        said: list[Announcement] = []
        late = (run.began - slot.due).total_seconds()
        if late > options.start_grace:
            said.append(of_run(run, "started_late", due_at=slot.due, late_seconds=late))
        for alert in [*self._alerts.named("never_started"), *self._alerts.named("run_not_planned")]:
            is_its_own = alert.facts.get("run_date") == slot.day.isoformat()
            how = f" ({run.trigger_type})" if run.trigger_type else ""
            if is_its_own:
                words = f"The run started late, at {clock(run.began)}{how}, {lasting(max(late, 0))} after it was due."
            else:
                words = f"That day's run never happened. The next one started at {clock(run.began)}{how}."
            said += self._alerts.resolve(alert.key, now, words)
        return said

    def _not_started(self, slot: Slot, now: datetime, api: ApiView, options: WatchdogOptions) -> list[Announcement]:
        if slot.is_excused:
            return []
        if slot.state is State.LATE:
            if now < slot.due + timedelta(seconds=max(options.finish_grace, options.start_grace)):
                return []
            self._agenda.settle(State.MISSED)
            return [of_day(slot.day, State.MISSED, slot.due)]
        if not self._agenda.enabled:
            return self._switched_off(slot, now)
        if not slot.is_planned:
            return self._not_planned(slot, now)
        if not self._is_proven(slot, now, api, options):
            return []
        self._agenda.settle(State.LATE)
        title, message = self._words(slot, now, api)
        facts = {"run_date": slot.day.isoformat(), "due_at": utc_text(slot.due), "api_answers": api.answers}
        said = self._alerts.set(
            f"never_started:{slot.day}",
            True,
            now,
            severity=Severity.CRITICAL,
            title=title,
            message=message,
            facts=facts,
        )
        return [of_day(slot.day, State.LATE, slot.due), *said]

    def _is_proven(self, slot: Slot, now: datetime, api: ApiView, options: WatchdogOptions) -> bool:
        """Whether it is known that no run started: the API says so, or the relay has listened all the time."""
        hearing_since = self._hearing_since()
        has_listened = hearing_since is not None and hearing_since <= slot.due - EARLY / 2
        asked_from = _asked_from(slot, options)
        if not api.answered_since(asked_from):
            return has_listened and not api.answers
        if api.history_at is not None and api.history_at >= asked_from:
            return True
        self.wants_history = True
        return has_listened and now >= asked_from + HISTORY_PATIENCE

    def _words(self, slot: Slot, now: datetime, api: ApiView) -> tuple[str, str]:
        day = f"{slot.day:%a} {slot.day.day} {slot.day:%b}"
        title = f"The run of {day} has not started"
        due = f"It was due at {clock(slot.due)}, {lasting((now - slot.due).total_seconds())} ago"
        act = "Look at TickStockPL's scheduler; `tickstock-relay trigger` starts a run by hand."
        if not api.answers:
            since = f" since {clock(api.failing_since)}" if api.failing_since else ""
            why = f" ({api.error})" if api.error else ""
            title += ", and TickStockPL does not answer"
            return title, (
                f"{due}; nothing was heard of it, and the API has not answered{since}{why}."
                " TickStockPL as a whole may be down: look at its host and its processes first."
            )
        manual = next((run for run in self._runs.open if run.began < slot.due - EARLY), None)
        if manual is not None:
            act = (
                f"The run {manual.run_id}, begun at {clock(manual.began)}, still goes on; the scheduled one may have"
                f" been left out for it. {act}"
            )
        if self._hearing_since() is None:
            heard = "the relay is not subscribed to Redis, but the API shows no run either"
        else:
            heard = "no event of a run has come"
        says = {False: "says that it is idle", True: "says that it is running"}
        state = says.get(api.is_running) if api.is_running is not None else "does not say what it is doing"
        return title, f"{due}; {heard}. The API answers and {state}: the scheduler has not fired. {act}"

    def _switched_off(self, slot: Slot, now: datetime) -> list[Announcement]:
        self._agenda.settle(slot.state, excused=True)
        return self._alerts.set(
            "schedule_disabled",
            True,
            now,
            severity=Severity.WARNING,
            title="No run: TickStockPL's schedule is switched off",
            message=(
                f"A run would have been due at {clock(slot.due)}, and the schedule is disabled, so none will start."
                " If nobody meant that: `tickstock-relay schedule --enable`."
            ),
            facts={"run_date": slot.day.isoformat(), "due_at": utc_text(slot.due)},
        )

    def _schedule_on(self, now: datetime) -> list[Announcement]:
        if not self._agenda.enabled:
            return []
        return self._alerts.resolve("schedule_disabled", now, "TickStockPL's schedule is switched on again.")

    def _not_planned(self, slot: Slot, now: datetime) -> list[Announcement]:
        self._agenda.settle(slot.state, excused=True)
        return self._alerts.set(
            f"run_not_planned:{slot.day}",
            True,
            now,
            severity=Severity.WARNING,
            title=f"TickStockPL planned no run for {slot.day:%a} {slot.day.day} {slot.day:%b}, a trading day",
            message=(
                f"By its timetable a run was due at {clock(slot.due)}, but the API gave a later day as its next run,"
                " and none has started. Look at the scheduler's calendar, or start one: `tickstock-relay trigger`."
            ),
            facts={"run_date": slot.day.isoformat(), "due_at": utc_text(slot.due)},
        )


def _asked_from(slot: Slot, options: WatchdogOptions) -> datetime:
    """From when on the API's answers prove that no run started: just before the grace is over."""
    return slot.due + timedelta(seconds=max(options.start_grace - ASKED_AHEAD, options.start_grace / 2))


def _began(run: Run) -> datetime:
    return run.began
