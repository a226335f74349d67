"""Gathers a `Snapshot` from the living daemon: it reads, and touches nothing. Costs about a millisecond."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version
from typing import Literal

from relay.config.settings import RedactionOptions
from relay.events import Event
from relay.lanes.lane import Lane
from relay.lanes.queued import QueuedLane
from relay.lifecycle.parts import Parts
from relay.redaction.redactor import Redactor
from relay.status.hidden import without_secrets
from relay.status.run_list import ListFilter, RunList, run_list
from relay.status.run_report import NoReport, RunReport
from relay.status.run_reports import report
from relay.status.run_view import run_view
from relay.status.snapshot import FiringAlert, IntakeView, QuietView, RunView, SinkView, Snapshot, Today
from relay.status.sources import Sources, words_of_day, words_of_run
from relay.status.today import scheduled_runs, shown_run, today
from relay.store.outbox import Depth
from relay.watchdog.api_state import ApiState
from relay.watchdog.start_evidence import StartWindow, days_run

RUNS = 20
KEPT_BACK = ("silenced", "test", "replayed")
"""Reasons for which an event is kept from a sink that wakes people."""
NOT_LOST = frozenset({*KEPT_BACK, "in_incident", "superseded", "not_wanted"})
"""Reasons for not delivering by which nothing is lost: it is said elsewhere, or nobody wants it."""
MOST_TEXTS = 4096
"""Texts of which it is remembered what of them is hidden."""


class Viewpoint:
    """Looks at one daemon."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._version = version("tickstock-relay")
        self._redaction: RedactionOptions | None = None
        self._hide: Callable[[str], str] = str
        self._hide_in: Callable[[Event], Event] = _as_it_is

    def snapshot(self) -> Snapshot:
        """Everything, now."""
        parts = self._parts
        now = parts.clock.now()
        self._learn_what_to_hide()
        remembered = list(parts.runs.newest_first())
        learned, api = parts.settings.watchdog.learned, parts.watch.api
        runs = [
            run_view(run, remembered if number == 0 or run.state.is_open else [], now, learned, api)
            for number, run in enumerate(remembered[:RUNS])
        ]
        timezone, answer = self._today(runs, now)
        seen = Snapshot(
            at=now,
            version=self._version,
            name=parts.settings.installation,
            started=parts.started,
            timezone=timezone,
            today=answer,
            running=[run for run in runs if run.is_open],
            runs=runs,
            usual=runs[0].usual if runs else None,
            firing=[
                FiringAlert(
                    key=one.key,
                    severity=one.severity,
                    title=one.title,
                    message=one.message,
                    since=one.since,
                    run_id=one.run_id,
                    is_silenced=parts.quiet.silences_alert(one, parts.alerts, now),
                )
                for one in parts.alerts.firing()
            ],
            quiet=self._quiet(now),
            alerts=parts.recent.alerts,
            errors=parts.recent.error_groups(),
            errors_since=parts.recent.errors_since or parts.started,
            sinks=self._sinks(),
            intake=self._intake(),
            trouble=self._trouble(),
        )
        return without_secrets(seen, self._hide)

    def report(self, asked: str, *, with_events: bool = True) -> RunReport | NoReport:
        """The run of that id, or the run of that day; without its last events it costs a fraction."""
        return report(self.sources(), asked, with_events=with_events)

    def run_list(self, chosen: ListFilter) -> RunList:
        """The runs that are remembered."""
        return run_list(self.sources(), chosen)

    def hide_in(self, event: Event) -> Event:
        """The event without secrets."""
        self._learn_what_to_hide()
        return self._hide_in(event)

    def sources(self) -> Sources:
        """What reports of runs are made from, now."""
        parts = self._parts
        self._learn_what_to_hide()
        return Sources(
            now=parts.clock.now(),
            version=self._version,
            runs=parts.runs,
            logs=parts.run_logs,
            schedule=parts.run_schedule,
            options=parts.settings.watchdog,
            sinks=parts.settings.sinks,
            links=parts.links,
            hide=self._hide,
            api=parts.watch.api,
            subscribed_since=parts.subscription.changed_at if parts.subscription.subscribed else None,
            installation=parts.settings.name or "",
            thread=self._thread,
        )

    def _quiet(self, now: datetime) -> list[QuietView]:
        quiet, found = self._parts.quiet, []
        for one in quiet.active(now):
            alerts, errors = quiet.kept_back(one.id)
            found.append(
                QuietView(
                    id=one.id,
                    since=one.created,
                    until=one.until,
                    matches=one.matches,
                    comment=one.comment,
                    who=one.who,
                    why=one.why,
                    is_maintenance=one.is_maintenance,
                    kept_alerts=alerts,
                    kept_errors=errors,
                )
            )
        return found

    def _thread(self, incident: str) -> str | None:
        """Where a sink has told people of the incident."""
        links = (lane.sink.link(incident) for lane in self._parts.lanes.values())
        return next((link for link in links if link), None)

    def _learn_what_to_hide(self) -> None:
        rules = self._parts.settings.redaction
        if rules is not self._redaction:
            self._redaction = rules
            redactor = Redactor(rules.patterns, rules.keys) if rules.enabled else None
            self._hide_in = redactor.redact if redactor else _as_it_is
            # what is shown is mostly what was shown before
            self._hide = lru_cache(MOST_TEXTS)(redactor.redact_text if redactor else str)

    def _today(self, runs: list[RunView], now: datetime) -> tuple[str, Today]:
        parts = self._parts
        run_schedule, options = parts.run_schedule, parts.settings.watchdog
        zone = run_schedule.timetable.timezone
        if options.enabled:
            current, coming = run_schedule.current, run_schedule.coming
        else:
            known_since = min([parts.started, *(run.began for run in runs)])
            current, coming = scheduled_runs(run_schedule.timetable, known_since, now, options.start_grace)
            found = days_run(parts.runs, StartWindow(current, now), ApiState()) if current is not None else None
            if current is not None and found is not None:
                current.run_id = found.run_id
        shown = shown_run(current, runs)
        known = parts.runs.get(shown.run_id) if shown is not None else None
        sources, words = self.sources(), None
        if known is not None:
            words = words_of_run(sources, known)
        elif current is not None:
            words = words_of_day(sources, current.day, current)
        return zone, today(current, coming, shown, words, now, timezone=zone, enabled=run_schedule.enabled)

    def _sinks(self) -> list[SinkView]:
        depths = self._parts.outbox.depths()
        types = {name: str(options.get("type", "")) for name, options in self._parts.settings.sinks.items()}
        return [
            self._sink(lane, types.get(name, ""), depths.get(name, Depth())) for name, lane in self._parts.lanes.items()
        ]

    def _sink(self, lane: Lane, type_: str, depth: Depth) -> SinkView:
        breaker = lane.breaker.state.value if isinstance(lane, QueuedLane) else None
        oldest = datetime.fromtimestamp(depth.oldest, self._parts.started.tzinfo) if depth.oldest else None
        return SinkView(
            name=lane.name,
            type=type_,
            accepted=lane.accepted,
            delivered=lane.delivered,
            waiting=max(0, lane.waiting),
            dropped=sum(lane.dropped.values()),
            lost=sum(count for reason, count in lane.dropped.items() if reason not in NOT_LOST),
            kept_back={reason: count for reason in KEPT_BACK if (count := lane.dropped[reason])},
            dead=depth.dead,
            oldest=oldest,
            breaker=breaker,
            error=lane.error,
            failing_since=lane.failing_since,
        )

    def _intake(self) -> IntakeView:
        parts = self._parts
        link, api = parts.subscription, parts.watch.api
        return IntakeView(
            subscribed=link.subscribed,
            since=parts.subscription.changed_at,
            reason=parts.not_ready,
            received=parts.intake.received,
            rate=parts.recent.rate(),
            rates=parts.recent.rates(),
            lag=link.lag,
            unread_bytes=link.unread(),
            quarantined=sum(parts.quarantine.counts.values()),
            gaps=parts.gaps.count,
            gap_seconds=parts.gaps.seconds,
            last_event_at=parts.runs.last_event_at,
            errors=parts.recent.errors,
            api=_how_it_answers(api),
            api_since=api.failing_since or api.answered_at,
        )

    def _trouble(self) -> list[str]:
        parts = self._parts
        trouble = []
        if parts.store.trouble:
            trouble.append(f"The store cannot be written, all is kept in memory: {parts.store.trouble}")
        if parts.reloads.failed_tests:
            trouble.append(f"Configuration fails its own tests: {parts.reloads.failed_tests[0]}")
        if parts.reloads.refusal:
            trouble.append(f"New configuration was refused, the old one goes on: {parts.reloads.refusal[0]}")
        return trouble


def _how_it_answers(api: ApiState) -> Literal["answers", "fails", "unknown"]:
    if api.failing_since:
        return "fails"
    return "answers" if api.answers else "unknown"


def _as_it_is(event: Event) -> Event:
    return event
