"""Did the day's run start? Late, never, not planned, switched off; each reported once, in words that fit what is known.

Pure. What is evidence is in `relay.watchdog.start_evidence`, what follows from it in `relay.watchdog.start_decision`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from relay.config.watchdog import WatchdogOptions
from relay.events import Announcement, Severity, utc_text
from relay.events.wording import clock_time, day_name
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.runs.transitions import of_day, of_run
from relay.watchdog import start_words
from relay.watchdog.alerts import Alert, Alerts
from relay.watchdog.api_state import ApiState
from relay.watchdog.run_schedule import RunSchedule, ScheduledRun
from relay.watchdog.start_decision import StartVerdict
from relay.watchdog.start_evidence import Evidence, StartWindow, gather
from relay.watchdog.start_words import SubscriptionSpan

ASKED_AHEAD = 90.0
"""Seconds before the end of the grace from which on the API is asked, so that the alert is not late by a poll."""
PATIENCE = timedelta(minutes=3)
"""How much longer than the grace is waited when only one witness says that no run has started."""
SETTLING = timedelta(seconds=20)
"""Nothing is decided before it was asked twice: by a relay that has just started, or whose clock jumped."""
TWICE = timedelta(seconds=9)
"""Two answers so far apart are two witnesses; they are asked for every ten seconds."""


class StartCheck:
    """Watches the current slot of the agenda."""

    def __init__(
        self, run_schedule: RunSchedule, runs: Runs, alerts: Alerts, link: Callable[[], SubscriptionSpan], now: datetime
    ) -> None:
        """`link` tells since when the relay is subscribed; `now` is when this process began to look."""
        self._run_schedule = run_schedule
        self._runs = runs
        self._alerts = alerts
        self._link = link
        self._since = now
        self._asking: tuple[datetime, datetime] | None = None
        """Of the slot that was due then, and since when this process asks whether it has started."""
        self._idle_from: datetime | None = None
        self._is_idle = False
        self._first_answer: datetime | None = None
        """When the API first answered this process."""
        self.wants_answers = False
        """The API's answers decide now: they are asked for every ten seconds."""

    def clock_stepped(self, now: datetime) -> None:
        """The clock was set: only what is asked from now on counts."""
        self._since = now
        self._asking = None
        self._idle_from = None
        self._is_idle = False

    def tick(self, now: datetime, api: ApiState, options: WatchdogOptions) -> list[Announcement]:
        """Look at the slot whose time has come."""
        self._first_answer = self._first_answer or api.answered_at
        announcements = [*self._run_schedule.advance(now), *self._schedule_on(now), *self._moved(now)]
        scheduled = self._run_schedule.current
        self._expect(now)
        self.wants_answers = False
        if scheduled is None:
            return announcements
        if scheduled.state is State.RUNNING:
            self._follow(scheduled, now, api)
        else:
            announcements += self._check(scheduled, now, api, options)
        return announcements

    def _check(
        self, scheduled: ScheduledRun, now: datetime, api: ApiState, options: WatchdogOptions
    ) -> list[Announcement]:
        window, asked_from = StartWindow(scheduled, now), max(_asked_from(scheduled, options), self._since)
        self._note_idle(api, asked_from)
        link = self._link()
        evidence = gather(
            self._runs, window, api, asked_from=asked_from, is_idle=self._is_idle, connected_since=link.since
        )
        grace_ends = scheduled.due + timedelta(seconds=options.start_grace)
        has_asked = self._has_asked(scheduled, now, options) and now >= grace_ends
        verdict = evidence.decision.verdict
        if verdict is StartVerdict.STARTED or (verdict is StartVerdict.INFERRED and has_asked):
            return self._started(scheduled, evidence, now, options)
        if scheduled.state is not State.DUE or scheduled.is_excused:
            return self._still_not_started(scheduled, now, options)
        self.wants_answers = now >= _asked_from(scheduled, options)
        asked_since = self._run_schedule.note_asked(now) if now >= grace_ends else now
        late = start_words.asked_late(self._first_answer, self._since, grace_ends)
        return self._not_started(window, evidence, api, asked_since, late) if has_asked else []

    def _has_asked(self, scheduled: ScheduledRun, now: datetime, options: WatchdogOptions) -> bool:
        """Whether this process has asked for long enough that silence means something."""
        if now < _asked_from(scheduled, options):
            return False
        if self._asking is None or self._asking[0] != scheduled.due:
            self._asking = (scheduled.due, now)
        return now - self._asking[1] >= SETTLING

    def _note_idle(self, api: ApiState, asked_from: datetime) -> None:
        """Since when the API has said that it is idle, in answers that count."""
        says_idle = api.status is not None and api.status.is_running is False
        if api.answered_at is None or api.answered_at < asked_from or not says_idle:
            self._idle_from = None
            self._is_idle = False
        else:
            self._idle_from = self._idle_from or api.answered_at
            self._is_idle = api.answered_at - self._idle_from >= TWICE

    def _expect(self, now: datetime) -> None:
        """Until a run is due, events without a run are too weak a sign to begin one."""
        coming = self._run_schedule.coming
        if coming is not None:
            self._runs.loose.not_inferred = (StartWindow(coming, now).opens, coming.due)

    def _follow(self, scheduled: ScheduledRun, now: datetime, api: ApiState) -> None:
        """The day's run may have got its name after it had started, or have begun again as another."""
        known = self._runs.get(scheduled.run_id) if scheduled.run_id is not None else None
        if known is not None and known.followed_by is not None:
            self._run_schedule.settle(State.RUNNING, run_id=known.followed_by)
        elif known is None:
            found = gather(
                self._runs, StartWindow(scheduled, now), api, asked_from=now, is_idle=False, connected_since=None
            ).run
            if found is not None:
                self._run_schedule.settle(State.RUNNING, run_id=found.run_id)

    def _started(
        self, scheduled: ScheduledRun, evidence: Evidence, now: datetime, options: WatchdogOptions
    ) -> list[Announcement]:
        run = evidence.run
        self._run_schedule.settle(State.RUNNING, run_id=evidence.run_id)
        announcements: list[Announcement] = []
        if run is not None and (late := (run.began - scheduled.due).total_seconds()) > options.start_grace:
            announcements.append(of_run(run, "started_late", due_at=scheduled.due, late_seconds=late))
        for alert in self._about_starts():
            if _is_of(alert, scheduled):
                words = start_words.started(run, scheduled, now)
            else:
                words = start_words.next_started(run, now)
                alert.facts |= {"never_ran": True}
            announcements += self._alerts.resolve(alert.key, now, words)
        return announcements

    def _about_starts(self) -> list[Alert]:
        return [alert for name in ("never_started", "run_not_planned") for alert in self._alerts.holding(name)]

    def _still_not_started(
        self, scheduled: ScheduledRun, now: datetime, options: WatchdogOptions
    ) -> list[Announcement]:
        """The alert fires; it ends when the schedule is switched off, and the day is missed when it is too late."""
        if scheduled.state is State.MISSED or scheduled.is_excused:
            return []
        if not self._run_schedule.enabled:
            self._run_schedule.settle(scheduled.state, excused=True)
            words = f"TickStockPL's schedule was switched off at {clock_time(now, now)}; no run is due."
            return self._alerts.resolve(f"never_started:{scheduled.day}", now, words)
        if now < scheduled.due + timedelta(seconds=max(options.finish_grace, options.start_grace)):
            return []
        self._run_schedule.settle(State.MISSED)
        return [of_day(scheduled.day, State.MISSED, scheduled.due)]

    def _not_started(
        self, window: StartWindow, evidence: Evidence, api: ApiState, asked_since: datetime, late: str
    ) -> list[Announcement]:
        """The grace is over, and nothing shows a run of this day; no answer has shown one since `asked_since`.

        `late` says, where that is so, that the API was first asked when the grace was over.
        """
        scheduled, now = window.scheduled, window.now
        if not self._run_schedule.enabled:
            return self._switched_off(scheduled, now, late)
        if not scheduled.is_planned:
            return self._not_planned(scheduled, now)
        decision = evidence.decision
        if decision.after_patience and now < asked_since + PATIENCE:
            return []
        self._run_schedule.settle(State.LATE, no_sign=decision.verdict is StartVerdict.NO_SIGN)
        shown = ", ".join(f"{name} {getattr(evidence, name)}" for name in ("events", "status", "history", "connection"))
        announcements = self._alerts.set(
            f"never_started:{scheduled.day}",
            True,
            now,
            severity=Severity.CRITICAL,
            title=start_words.title(scheduled, decision.verdict),
            message=start_words.message(window, evidence, api, self._link(), self._runs, late),
            facts=_facts(scheduled) | {"api_answers": api.answers, "evidence": shown},
        )
        return [of_day(scheduled.day, State.LATE, scheduled.due), *announcements]

    def _moved(self, now: datetime) -> list[Announcement]:
        """A run that is reported missing was moved to a later time of its day."""
        coming = self._run_schedule.coming
        if coming is None or not self._alerts.holds(f"never_started:{coming.day}"):
            return []
        words = f"The run was moved to {clock_time(coming.due, now, utc=True)}."
        return self._alerts.resolve(f"never_started:{coming.day}", now, words)

    def _switched_off(self, scheduled: ScheduledRun, now: datetime, late: str) -> list[Announcement]:
        self._run_schedule.settle(scheduled.state, excused=True)
        return self._alerts.set(
            "schedule_disabled",
            True,
            now,
            severity=Severity.WARNING,
            title="TickStockPL's schedule is switched off",
            message=(
                f"A run was due at {clock_time(scheduled.due, now, utc=True)}; none will start by itself."
                f" {late}{' ' if late else ''}"
                "If nobody meant that: `tickstock-relay schedule --enable`."
            ),
            facts=_facts(scheduled),
        )

    def _schedule_on(self, now: datetime) -> list[Announcement]:
        if not self._run_schedule.enabled or not self._alerts.holds("schedule_disabled"):
            return []
        return self._alerts.resolve(
            "schedule_disabled", now, f"TickStockPL's schedule is on again since {clock_time(now, now)}."
        )

    def _not_planned(self, scheduled: ScheduledRun, now: datetime) -> list[Announcement]:
        self._run_schedule.settle(scheduled.state, excused=True)
        return self._alerts.set(
            f"run_not_planned:{scheduled.day}",
            True,
            now,
            severity=Severity.WARNING,
            title=f"No run is planned for {day_name(scheduled.day)}, a trading day",
            message=(
                f"By the calendar a run was due at {clock_time(scheduled.due, now, utc=True)}, but"
                " TickStockPL's API gave a later day as its"
                " next run, and none has started. Look at the scheduler's calendar: `tickstock-relay schedule`."
                " To start a run: `tickstock-relay trigger`."
            ),
            facts=_facts(scheduled),
        )


def _facts(scheduled: ScheduledRun) -> dict[str, object]:
    return {"run_date": scheduled.day.isoformat(), "due_at": utc_text(scheduled.due)}


def _is_of(alert: Alert, scheduled: ScheduledRun) -> bool:
    return bool(alert.facts.get("run_date") == scheduled.day.isoformat())


def _asked_from(scheduled: ScheduledRun, options: WatchdogOptions) -> datetime:
    """From when on the API's answers count: just before the grace is over."""
    return scheduled.due + timedelta(seconds=max(options.start_grace - ASKED_AHEAD, options.start_grace / 2))
