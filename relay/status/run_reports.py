"""Puts together what there is to know of one run, or of a day without one. Pure; its facts come from `Sources`."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from relay.events.values import moment
from relay.events.wording import clock_time, day_name, percent, run_title
from relay.runs.recent import PastAlert
from relay.runs.run import Run
from relay.status import run_course, run_verdict
from relay.status.archive_command import archive_command
from relay.status.hidden import without_secrets
from relay.status.run_report import Link, NoReport, OtherRun, RunReport
from relay.status.run_view import band_of, result_words
from relay.status.sources import Sources, day_of, run_of_day, runs_of_day, words_of_day, words_of_run
from relay.status.start_checks import checks_of_start
from relay.watchdog.baseline import Baseline
from relay.watchdog.run_schedule import ScheduledRun

RUNS_BEFORE = 3


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


def of_run(sources: Sources, run: Run, *, with_events: bool = True) -> RunReport:
    """The report of a run that is known."""
    remembered = list(sources.runs.newest_first())
    place = remembered.index(run)
    baseline = Baseline(sources.options.learned, remembered, run)
    log = sources.logs.log_of(run)
    incident = log.incident if log else None
    alerts = log.alerts[::-1] if log else []
    day = day_of(run, sources.zone)
    words = words_of_run(sources, run)
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
        shared_id=run.shared_id,
        name=run.title,
        state=run.state.value,
        is_open=run.state.is_open,
        is_scheduled=run.is_scheduled,
        is_from_api=run.events == 0 and not run.phases,
        universe=run.universe,
        began=run.began,
        ended=ended,
        due=slot.due if slot and slot.run_id == run.run_id else None,
        seconds=(sources.now - run.began).total_seconds() if run.state.is_open else run.duration_seconds,
        usual=band_of(baseline.duration()),
        verdict=words.verdict,
        data=words.data,
        steps=words.steps,
        links=_links(sources, incident, run.began, ended),
        silence=(incident or {}).get("silence"),
        timeline=run_course.timeline(run, log, baseline, sources.now),
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
        archive_command=archive_command(sources.sinks, run.published_id, run.began, ended, sources.now),
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
        checks=checks_of_start(sources) if slot is not None else [],
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
