"""Knows whether every run is all right, and says so once: the rooms below it, one look a second.

Pure: `now` and what the API last said are passed in, announcements come out. The order matters: first what is known is
brought up to date, then the day's run is looked for, then open runs, then ended ones.
"""

from datetime import datetime, timedelta

from relay.config.watchdog import WatchdogOptions
from relay.events import NOT_REAL, Announcement, Event, Kind, Severity
from relay.events.wording import clock_time
from relay.process.clock import USUAL_PACE, Pace
from relay.runs.reconstruction import reconstruct, seed
from relay.runs.runs import Runs
from relay.store.shelf import Shelf
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import ApiState
from relay.watchdog.autotrigger import AutoTrigger
from relay.watchdog.levels import ErrorRates, Levels, tells_levels
from relay.watchdog.progress_check import ProgressCheck
from relay.watchdog.result_check import ResultCheck
from relay.watchdog.run_schedule import RunSchedule, ScheduledRun
from relay.watchdog.start_check import StartCheck
from relay.watchdog.start_words import SubscriptionSpan

RECENTLY = timedelta(minutes=2)
FAILURES = 3
"""Attempts in a row that fail before the history counts as broken."""
_SINCE = "watching_since"
_CONNECTED_SINCE = "connected_since"


class Watchdog:
    """The whole watch. Its alerts are on `alerts`, its runs in `runs`, the little else on `shelf`."""

    def __init__(
        self, options: WatchdogOptions, runs: Runs, alerts: Alerts, shelf: Shelf, now: datetime, pace: Pace = USUAL_PACE
    ) -> None:
        """Go on from what is on the shelves; `now` is when the watch begins, or goes on after a restart."""
        self.options = options
        self.runs = runs
        self.alerts = alerts
        self._shelf = shelf
        self._began = now
        self.run_schedule = RunSchedule(options.schedule, shelf, options.finish_grace)
        self.auto_trigger = AutoTrigger(self.run_schedule, shelf)
        self._link = SubscriptionSpan()
        self._start_check = StartCheck(self.run_schedule, runs, alerts, lambda: self._link, now)
        self._progress_check = ProgressCheck(self.run_schedule, runs, alerts, self._connected_since, pace)
        self._result_check = ResultCheck(runs, alerts)
        self._levels = Levels(alerts)
        self._rates = ErrorRates(alerts)
        self._history_seen: datetime | None = None
        since = shelf.get(_SINCE)
        self._watching_since = datetime.fromisoformat(since) if since else now
        if since is None:
            shelf.put(_SINCE, now.isoformat())

    def reload(self, options: WatchdogOptions, now: datetime) -> None:
        """Take new options; what is known stays."""
        self.options = options
        self.run_schedule.reconfigure(options.schedule, now)

    @staticmethod
    def wants(kind: Kind) -> bool:
        """Whether `observe` needs to see events of this kind; the same answer for a kind for ever."""
        return kind.domain == "errors" or _moves_schedule(kind) or tells_levels(kind)

    def note_connection(
        self, since: datetime | None, *, gap: tuple[datetime, datetime] | None = None, adopted: bool = False
    ) -> None:
        """Since when the relay is subscribed without a gap; None: it is not subscribed now.

        `gap`: from when to when it was not. `adopted`: the subscription was handed over by the process before, and
        nothing was missed since that one subscribed.
        """
        if adopted and (known := self._shelf.get(_CONNECTED_SINCE)):
            since = datetime.fromisoformat(known)
        self._link = SubscriptionSpan(since, gap or self._link.gap)
        self._shelf.put(_CONNECTED_SINCE, since.isoformat() if since else None)

    def clock_stepped(self, now: datetime) -> None:
        """The clock was set: what was asked before proves nothing, and spans begin anew."""
        self._start_check.clock_stepped(now)
        self._progress_check.clock_stepped(now)

    def observe(self, event: Event, now: datetime) -> list[Announcement]:
        """Take one event for levels, error rates and the schedule."""
        if event.has(NOT_REAL):
            return []
        kind = event.kind
        if kind.domain == "errors":
            self._rates.observe(event, now)
        elif _moves_schedule(kind):
            self.run_schedule.updated(event.payload, now)
        elif self.options.enabled and tells_levels(kind):
            return self._levels.observe(event, now, self.options.levels)
        return []

    def tick(self, now: datetime, api: ApiState) -> list[Announcement]:
        """Look at everything; what there is to say, in order. To be called about once a second."""
        announcements = self._catch_up(now, api)
        if not self.options.enabled:
            return announcements + self._result_check.tick(now, self.options)
        announcements += self._reachable(now, api)
        announcements += self._history_readable(now, api)
        announcements += self._start_check.tick(now, api, self.options)
        announcements += self._progress_check.tick(now, api, self.options)
        announcements += self._result_check.tick(now, self.options)
        announcements += self._rates.tick(now, self.options.errors)
        return announcements

    @property
    def wants_history(self) -> bool:
        """Whether the API's history should be asked for now rather than in its turn."""
        return self._start_check.wants_answers or self._progress_check.wants_history

    def trigger_wanted(self, now: datetime, api: ApiState) -> ScheduledRun | None:
        """The slot whose run the relay is to start itself, if it is configured to: see `relay.watchdog.autotrigger`."""
        return self.auto_trigger.wanted(now, api, self.options) if self.options.enabled else None

    def _connected_since(self) -> datetime | None:
        return self._link.since

    def _catch_up(self, now: datetime, api: ApiState) -> list[Announcement]:
        """Take what the API said about schedule and runs."""
        announcements = self.runs.tick(now)
        if api.schedule is not None and api.schedule_at is not None:
            self.run_schedule.learn(api.schedule, api.schedule_at, now)
        if api.history is not None and api.history_at != self._history_seen:
            self._history_seen = api.history_at
            old = [run for run in api.history if run.start_time and run.start_time < self._watching_since]
            before = [run for run in old if run.end_time is None or run.end_time < self._watching_since]
            seed(self.runs, before, now)
            announcements += reconstruct(self.runs, api.history, None, (self._watching_since, now), now)
        if api.is_running:
            announcements += reconstruct(self.runs, [], api.status, (self._watching_since, now), now)
        return announcements

    def _reachable(self, now: datetime, api: ApiState) -> list[Announcement]:
        """The API does not answer: alone, or together with the events."""
        if api.failing_since is None:
            if api.answered_at is None or not self.alerts.holds("api_unreachable"):
                return []  # not asked yet since the start: nothing shows that it answers
            words = f"It answers again, seen at {clock_time(api.answered_at, now, utc=True)}."
            return self.alerts.set("api_unreachable", False, now, message=words)
        last_event = self.runs.last_event_at
        has_no_events = last_event is None or now - last_event > RECENTLY
        if has_no_events:
            last = (
                f"The last event came at {clock_time(last_event, now, utc=True)}"
                if last_event
                else f"No event since {clock_time(self._began, now, utc=True)}"
            )
            meaning = f"{last}, so TickStockPL as a whole may be down: look whether its processes live."
        else:
            meaning = "Events still come, so runs go on and are followed; only the API is in trouble."
        scheduled = self.run_schedule.current
        if scheduled is not None and scheduled.is_open:
            meaning += f" Whether the run due at {clock_time(scheduled.due, now, utc=True)} has started is not known."
        coming = (
            f" The next run is due at {clock_time(self.run_schedule.coming.due, now, named=True)}."
            if self.run_schedule.coming
            else ""
        )
        return self.alerts.set(
            "api_unreachable",
            True,
            now,
            severity=Severity.ERROR,
            title="TickStockPL's API does not answer"
            + (", and no events come" if has_no_events else ", while events do come"),
            message=f"Not since {clock_time(api.failing_since, now, utc=True)}: {api.error}. {meaning}{coming}",
            facts={"error": api.error, "events_come": not has_no_events},
            for_=self.options.api_unreachable_after,
            resolve_after=self.options.api_back_after,
        )

    def _history_readable(self, now: datetime, api: ApiState) -> list[Announcement]:
        """The API answers, but its history cannot be read: alone, as all that does not answer has its own alert."""
        if api.history_failures == 0 or api.history_failing_since is None:
            if api.history_at is None or not self.alerts.holds("api_history_broken"):
                return []  # not asked yet since the start, or there is nothing to end
            return self.alerts.set(
                "api_history_broken", False, now, message=f"It can be read since {clock_time(now, now)}."
            )
        if api.history_failures < FAILURES or not api.answers:
            return []
        return self.alerts.set(
            "api_history_broken",
            True,
            now,
            severity=Severity.WARNING,
            title="TickStockPL's history cannot be read",
            message=(
                f"Since {clock_time(api.history_failing_since, now)} its API answers with: {api.history_error}."
                " What is usual, and how a run ended whose events were not received, cannot be looked up."
                " Look at the answer: `tickstock-relay history --days 7 --json`."
            ),
            facts={"error": api.history_error},
        )


def _moves_schedule(kind: Kind) -> bool:
    return kind.domain == "processing" and kind.action == "schedule"
