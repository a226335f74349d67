"""What was asked about a run that has not started, and what was answered: the evidence that a day's page shows."""

from datetime import UTC, datetime

from relay.events.wording import clock_time, duration
from relay.status.run_report import Check
from relay.status.sources import Sources
from relay.watchdog.api_state import ApiState


def checks_of_start(sources: Sources) -> list[Check]:
    """What was asked about a run that has not started, the newest first."""
    api = sources.api
    checks = []
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
    if not api.is_running:
        return "idle: no run goes on"
    run_id = api.status.run_id if api.status else None
    return f"a run goes on: {run_id}" if run_id else "a run goes on"


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
