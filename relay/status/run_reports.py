"""Puts together what there is to know of one run. Pure: it reads what it is given, by the daemon or from its store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from relay.config.links import Links
from relay.config.watchdog import WatchdogOptions
from relay.events.values import moment
from relay.events.wording import clock_time, day_name, duration, percent, run_title
from relay.runs.recent import PastAlert
from relay.runs.run import Run
from relay.runs.run_log import RunLogs
from relay.runs.runs import Runs
from relay.status import run_course, run_verdict
from relay.status.archive_command import archive_command
from relay.status.hidden import without_secrets
from relay.status.run_report import Check, Link, NoReport, OtherRun, RunReport
from relay.status.run_verdict import Words
from relay.status.run_view import band_of, result_words, run_view
from relay.watchdog.api_state import ApiState
from relay.watchdog.baseline import Baseline
from relay.watchdog.result_check import is_sound
from relay.watchdog.run_schedule import RunSchedule, ScheduledRun

RUNS_BEFORE = 3


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the facts come from, at one moment."""

    now: datetime
    version: str
    runs: Runs
    logs: RunLogs
    schedule: RunSchedule
    options: WatchdogOptions
    sinks: Mapping[str, Mapping[str, Any]]
    """The configuration's, for the archive."""
    links: Links
    hide: Callable[[str], str] = str
    """Leaves secrets out of a text."""
    api: ApiState = field(default_factory=ApiState)
    subscribed_since: datetime | None = None
    installation: str = ""
    thread: Callable[[str], str | None] = lambda _: None
    """Where people were told of the incident with that id."""

    @property
    def zone(self) -> ZoneInfo:
        """The schedule's."""
        return ZoneInfo(self.schedule.timetable.timezone)


def report(sources: Sources, asked: str, *, with_events: bool = True) -> RunReport | NoReport:
    """The run of that id, or the run of that day (`2025-01-27`, the schedule's zone).

    Its last events cost more than all else, while many come: they can be left out.
    """
    run = sources.runs.get(asked)
    if run is not None:
        return of_run(sources, run, with_events=with_events)
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        return _nothing(sources, asked, "No run of this id is known.")
    run = run_of_day(sources, day)
    return of_run(sources, run, with_events=with_events) if run is not None else _without_run(sources, day)


def run_of_day(sources: Sources, day: date) -> Run | None:
    """The day's scheduled run: the one that the watchdog took for it, else the first that the scheduler began."""
    slot = sources.schedule.current
    if slot is not None and slot.day == day:
        return sources.runs.get(slot.run_id) if slot.run_id else None
    of_day = runs_of_day(sources, day)
    return next((run for run in of_day if run.is_scheduled), None)


def runs_of_day(sources: Sources, day: date) -> list[Run]:
    """All runs of the day, the oldest first."""
    return [run for run in sources.runs.newest_first() if day_of(run, sources.zone) == day][::-1]


def day_of(run: Run, zone: ZoneInfo) -> date:
    """The day that the run is of, as it says, else when it began."""
    try:
        return date.fromisoformat(run.run_date or "")
    except ValueError:
        return run.began.astimezone(zone).date()


def words_of_run(sources: Sources, run: Run) -> Words:
    """How the run reads: as its incident says, if it has one that the run itself has not ended by a sound result.

    Single errors alone, about which nothing fires, do not change what a run is.
    """
    log = sources.logs.log_of(run)
    incident = log.incident if log is not None and (log.incident or {}).get("alerts") else None
    is_past = incident is not None and incident.get("state") == "over" and is_sound(run)
    if incident and not is_past:
        return run_verdict.of_incident(incident)
    remembered = list(sources.runs.newest_first())
    band = band_of(Baseline(sources.options.learned, remembered, run).duration())
    others = remembered if run.state.is_open else []
    view, coming = run_view(run, others, sources.now, sources.options.learned, sources.api), sources.schedule.coming
    words = run_verdict.of_run(run, run.title, band, view.eta, coming.due if coming else None)
    return run_verdict.after(words, incident) if incident else words


def words_of_day(sources: Sources, day: date, slot: ScheduledRun | None) -> Words:
    """How a day reads whose run has not started."""
    called = run_title(day)
    if incident := sources.logs.incident_of_day(day.isoformat()):
        return run_verdict.of_incident(incident)
    if slot is None:
        return run_verdict.unknown_day(called)
    return run_verdict.of_day(slot, called, sources.now, slot.due + timedelta(seconds=sources.options.start_grace))


def of_run(sources: Sources, run: Run, *, with_events: bool = True) -> RunReport:
    """The report of a run that is known."""
    remembered = list(sources.runs.newest_first())
    baseline, log = Baseline(sources.options.learned, remembered, run), sources.logs.log_of(run)
    day, called, band = day_of(run, sources.zone), run.title, band_of(baseline.duration())
    course = run_course.timeline(run, log, baseline, sources.now)
    incident = log.incident if log else None
    words = words_of_run(sources, run)
    place, alerts = remembered.index(run), log.alerts[::-1] if log else []
    ended = None if run.state.is_open else run.ended_at
    slot = sources.schedule.current
    made = RunReport(
        at=sources.now,
        version=sources.version,
        timezone=sources.zone.key,
        installation=sources.installation,
        key=run.run_id,
        day=day,
        run_id=run.run_id,
        name=called,
        state=run.state.value,
        is_open=run.state.is_open,
        is_scheduled=run.is_scheduled,
        is_from_api=run.events == 0 and not run.phases,
        universe=run.universe,
        began=run.began,
        ended=ended,
        due=slot.due if slot and slot.run_id == run.run_id else None,
        seconds=(sources.now - run.began).total_seconds() if run.state.is_open else run.duration_seconds,
        usual=band,
        verdict=words.verdict,
        data=words.data,
        steps=words.steps,
        links=_links(sources, incident, run.began, ended),
        silence=(incident or {}).get("silence"),
        timeline=course,
        results=run_course.results(run, baseline),
        alerts=alerts,
        runbooks=_runbooks(sources, alerts),
        errors=sorted(log.errors, key=lambda group: group.last, reverse=True) if log else [],
        error_count=run.errors,
        other_errors=log.other_errors if log else 0,
        milestones=run_course.milestones(run, log),
        events=run_course.event_lines(sources.logs.events_of(run)) if with_events else [],
        event_count=log.events if log else run.events,
        phase_counts=dict(log.phases) if log else {},
        severity_counts=dict(log.severities) if log else {},
        before=other(remembered[place + 1], sources) if place + 1 < len(remembered) else None,
        after=other(remembered[place - 1], sources) if place else None,
        same_day=[other(one, sources) for one in runs_of_day(sources, day) if one is not run],
        archive_command=archive_command(sources.sinks, run.run_id, run.began, ended, sources.now),
    )
    return without_secrets(made, sources.hide)


def other(run: Run, sources: Sources) -> OtherRun:
    """A run as another page links to it."""
    result, tone = result_words(run)
    facts = [result]
    if run.symbols_processed is not None:
        facts.append(f"{run.symbols_processed:,} symbols")
    if run.success_rate is not None:
        facts.append(percent(run.success_rate))
    if run.patterns_detected is not None:
        facts.append(f"{run.patterns_detected:,} patterns")
    return OtherRun(
        key=run.run_id,
        name=clock_time(run.began, zone=sources.zone) + ("" if run.is_scheduled else ", by hand"),
        result=", ".join(facts),
        state=run.state.value,
        icon=run_verdict.STATE_ICONS.get(run.state, "unknown"),
        tone=tone,
        seconds=run.duration_seconds,
    )


def _without_run(sources: Sources, day: date) -> RunReport | NoReport:
    """The day's page before its run has begun, or when it never did."""
    slots = [slot for slot in (sources.schedule.current, sources.schedule.coming) if slot and slot.day == day]
    remembered = list(sources.runs.newest_first())
    before = [run for run in remembered if day_of(run, sources.zone) < day]
    due = slots[0].due if slots else sources.schedule.timetable.due_on(day)
    today = sources.now.astimezone(sources.zone).date()
    if due is None:
        return _nothing(sources, day.isoformat(), f"{day_name(day)} is no trading day: no run is due then.")
    if not slots and (day > today or not before):
        reason = "No run is due yet on that day." if day > today else "The relay does not remember so far back."
        return _nothing(sources, day.isoformat(), reason)
    return _of_day(sources, day, slots[0] if slots else None, due, before)


def _of_day(sources: Sources, day: date, slot: ScheduledRun | None, due: datetime, before: list[Run]) -> RunReport:
    called = run_title(day)
    incident = sources.logs.incident_of_day(day.isoformat())
    words = words_of_day(sources, day, slot)
    like = before[0] if before else None
    baseline = Baseline(sources.options.learned, before, _at(like, due)) if like else None
    made = RunReport(
        at=sources.now,
        version=sources.version,
        timezone=sources.zone.key,
        installation=sources.installation,
        key=day.isoformat(),
        day=day,
        name=called,
        state=slot.state.value if slot else "unknown",
        is_open=slot is not None and slot.is_open,
        due=due,
        usual=band_of(baseline.duration()) if baseline else None,
        verdict=words.verdict,
        data=words.data,
        steps=words.steps,
        links=_links(sources, incident, due, None if slot else due + timedelta(hours=1)),
        silence=(incident or {}).get("silence"),
        timeline=run_course.timeline_of_day(due, baseline, sources.now),
        alerts=_alerts_of(incident),
        runbooks=_runbooks(sources, _alerts_of(incident)),
        checks=_checks(sources) if slot is not None else [],
        same_day=[other(one, sources) for one in runs_of_day(sources, day)],
        runs_before=[other(one, sources) for one in before[:RUNS_BEFORE]],
        before=other(before[0], sources) if before else None,
    )
    return without_secrets(made, sources.hide)


def _alerts_of(incident: Mapping[str, Any] | None) -> list[PastAlert]:
    """The alerts of a day without a run, as its incident tells of them."""
    return [
        PastAlert(
            key=str(one.get("alert", "")),
            severity=str(one.get("severity", "")),
            title=str(one.get("title", "")),
            message=str(one.get("message", "")),
            fired_at=fired,
            resolved_at=moment(one.get("cleared")),
        )
        for one in reversed((incident or {}).get("alerts") or [])
        if (fired := moment(one.get("fired"))) is not None
    ]


def _runbooks(sources: Sources, alerts: Sequence[PastAlert]) -> dict[str, str]:
    found = {alert.key: sources.links.runbook(alert.key.partition(":")[0]) for alert in alerts}
    return {key: url for key, url in found.items() if url}


def _at(like: Run, due: datetime) -> Run:
    """A run like the last one that begins when this one is due, to ask for what is usual."""
    return replace(like, started_at=due, first_seen=due)


def _links(sources: Sources, incident: Mapping[str, Any] | None, began: datetime, ended: datetime | None) -> list[Link]:
    known = incident or {}
    worst = next((alert["name"] for alert in known.get("alerts") or () if alert.get("state") == "firing"), None)
    runbook = known.get("runbook") or (sources.links.runbook(worst) if worst else None)
    dashboard = sources.links.dashboard(began, ended)
    links = [
        ("Runbook", runbook),
        ("Slack thread", sources.thread(str(known["incident"])) if known else None),
        ("Dashboard of this time", dashboard),
    ]
    return [Link(name=title, url=url) for title, url in links if url]


def _checks(sources: Sources) -> list[Check]:
    """What was asked about a run that has not started, the newest first."""
    api, checks = sources.api, []
    if api.failing_since is not None:
        checks.append(Check(api.failing_since, "API", f"no answer since then: {api.error or 'no reason given'}"))
    elif api.status is not None and api.answered_at is not None:
        checks.append(Check(api.answered_at, "API, status", _status_words(api)))
    if api.schedule is not None and api.schedule_at is not None:
        checks.append(Check(api.schedule_at, "API, schedule", _schedule_words(api, sources)))
    if api.history_failing_since is not None:
        checks.append(Check(api.history_failing_since, "API, history", f"cannot be read: {api.history_error}"))
    elif api.history_at is not None:
        checks.append(Check(api.history_at, "API, history", _history_words(api, sources)))
    if sources.subscribed_since is not None:
        words = f"subscribed since {clock_time(sources.subscribed_since, sources.now, zone=sources.zone)} without a gap"
        checks.append(Check(sources.now, "Redis", words))
    return sorted(checks, key=lambda check: check.at, reverse=True)


def _status_words(api: ApiState) -> str:
    if api.is_running is None:
        return "answered without saying whether a run goes on"
    run_id = api.status.run_id if api.status else None
    return f"a run goes on{f': {run_id}' if run_id else ''}" if api.is_running else "idle: no run goes on"


def _schedule_words(api: ApiState, sources: Sources) -> str:
    schedule = api.schedule
    if schedule is None:
        return ""
    words = ["switched off" if schedule.enabled is False else "on"]
    if schedule.trigger_time:
        words.append(f"{schedule.trigger_time} {schedule.timezone or ''}".strip())
    if schedule.next_run:
        words.append(f"next run {clock_time(schedule.next_run, zone=sources.zone)}")
    return ", ".join(words)


def _history_words(api: ApiState, sources: Sources) -> str:
    rows = [row for row in api.history or () if row.start_time is not None]
    if not rows:
        return "no run in the last days"
    last = max(rows, key=lambda row: row.start_time or datetime.min.replace(tzinfo=UTC))
    began = clock_time(last.start_time, zone=sources.zone) if last.start_time else ""
    took = f" after {duration(last.duration_seconds)}" if last.duration_seconds is not None else ""
    return f"last run: {began}, {last.status or 'no status'}{took}"


def _nothing(sources: Sources, asked: str, reason: str) -> NoReport:
    command = archive_command(sources.sinks, asked, None, None, sources.now)
    return NoReport(
        at=sources.now,
        version=sources.version,
        timezone=sources.zone.key,
        asked=asked,
        reason=reason,
        archive_command=command,
    )
