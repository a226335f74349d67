"""What the alerts about the day's start say: facts and moments, no ages. Pure."""

from dataclasses import dataclass
from datetime import datetime

from relay.events.wording import clock_time, day_name, duration, run_title
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.watchdog.api_state import ApiState
from relay.watchdog.run_schedule import ScheduledRun
from relay.watchdog.start_decision import ConnectionShows, HistoryShows, StartVerdict, StatusShows
from relay.watchdog.start_evidence import Evidence, StartWindow

LONGEST_ID = 60
"""Characters of a run's id in a sentence."""


@dataclass(frozen=True, slots=True)
class SubscriptionSpan:
    """Since when the relay is subscribed to Redis; None: it is not. `gap`: when it was not, the last time."""

    since: datetime | None = None
    gap: tuple[datetime, datetime] | None = None


def title(scheduled: ScheduledRun, verdict: StartVerdict) -> str:
    """The alert's headline."""
    if verdict is StartVerdict.NO_SIGN:
        return f"No sign of the run of {day_name(scheduled.day)}"
    return f"{run_title(scheduled.day)} has not started"


def asked_late(first_answer: datetime | None, asked_since: datetime, grace_ends: datetime) -> str:
    """That the API first answered when the grace was over: what it said may have come about since; else nothing."""
    if first_answer is None or first_answer <= grace_ends:
        return ""
    what = "was first asked" if asked_since > grace_ends else "first answered"
    return f"TickStockPL {what} at {clock_time(first_answer, grace_ends)}, after the run was due."


def message(
    window: StartWindow, evidence: Evidence, api: ApiState, link: SubscriptionSpan, runs: Runs, late: str = ""
) -> str:
    """When it was due, what each witness shows, and what to do; `late`: see `asked_late`."""
    sentences = [
        f"It was due at {clock_time(window.scheduled.due, window.scheduled.day, utc=True)}.",
        late,
        _status(window.scheduled, evidence, api),
        _history(evidence, api),
        _events(window, evidence, link, runs),
        *_beside(window, runs),
        _advice(evidence),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def started(run: Run | None, scheduled: ScheduledRun, now: datetime) -> str:
    """What ends the alert about `scheduled` when its run has started after all."""
    if run is None:
        return f"It has started, as TickStockPL's API says at {clock_time(now, scheduled.day, named=True)}."
    if run.is_reconstructed and not run.events and run.ended_at is not None:
        return f"It had started at {clock_time(run.began, scheduled.day, named=True)}; the relay could not see it."
    late = (run.began - scheduled.due).total_seconds()
    how = f" ({run.trigger_type})" if run.trigger_type else ""
    began = f"Started at {clock_time(run.began, scheduled.day, named=True)}{how}"
    return f"{began}, {duration(late)} late." if late > 0 else f"{began}."


def next_started(run: Run | None, now: datetime) -> str:
    """What ends the alert about an earlier day when the next run starts."""
    began = run.began if run is not None else now
    how = f" ({run.trigger_type})" if run is not None and run.trigger_type else ""
    return f"That run never happened; the next one started at {clock_time(began, utc=True)}{how}."


def _status(scheduled: ScheduledRun, evidence: Evidence, api: ApiState) -> str:
    asked = clock_time(api.answered_at, scheduled.day) if api.answered_at else ""
    running = f" the run {api.status.run_id[:LONGEST_ID]}" if api.status and api.status.run_id else " a run"
    start = api.status.start_time if api.status else None
    began = f", begun at {clock_time(start, scheduled.day)}" if start else ""
    since = f" since {clock_time(api.failing_since, scheduled.day)}" if api.failing_since else ""
    why = f": {api.error}" if api.error and api.failing_since else ""
    return {
        StatusShows.IDLE: f"TickStockPL said at {asked} that it is idle.",
        StatusShows.ANOTHER: f"TickStockPL said at {asked} that it is busy with another run:{running}{began}.",
        StatusShows.UNCLEAR: f"TickStockPL answered at {asked}; its status does not say what it does.",
        StatusShows.SILENT: f"TickStockPL has not answered{since}{why}.",
    }.get(evidence.status, "")


def _history(evidence: Evidence, api: ApiState) -> str:
    if evidence.history is HistoryShows.HAS_NOT:
        return "Its history has no run of that day."
    if api.failing_since is not None and api.history_error in (None, api.error):
        return ""  # that nothing answers has been said
    return f"Its history cannot be read: {api.history_error or 'it has not answered yet'}."


def _events(window: StartWindow, evidence: Evidence, link: SubscriptionSpan, runs: Runs) -> str:
    scheduled, strays = window.scheduled, len(runs.loose.strays(window.opens))
    last = f" came at {clock_time(runs.loose.strays(window.opens)[-1].received, scheduled.day)}" if strays else ""
    if strays:
        received = (
            f"One progress event without a run{last}." if strays == 1 else f"{strays} events without a run{last}."
        )
    elif evidence.run is not None and not evidence.run.events:
        shown = clock_time(evidence.run.first_seen, scheduled.day)
        received = f"No event of a run came, though TickStockPL's API showed one at {shown}."
    elif evidence.run is not None:
        received = (
            f"Events without the start of a run have come since {clock_time(evidence.run.first_seen, scheduled.day)}."
        )
    else:
        received = "No event of a run came."
    if evidence.connection is ConnectionShows.WHOLE:
        return received
    if link.since is None:
        return f"{received} The relay is not subscribed to Redis, so it may have started unseen."
    if link.gap is not None and link.gap[1] > window.opens:
        begin, end = (clock_time(moment, scheduled.day) for moment in link.gap)
        when = f"from {begin} to {end}" if begin != end else f"for a moment at {begin}"
        return f"{received} The relay was not subscribed {when}, so it may have started unseen."
    since = clock_time(link.since, scheduled.day)
    return f"{received} The relay is subscribed only since {since}, so it may have started unseen."


def _beside(window: StartWindow, runs: Runs) -> list[str]:
    """What else is known: events that were sent again, a run by hand that may be in the way."""
    sentences, scheduled = [], window.scheduled
    again = runs.loose.sent_again
    if again is not None and again.received >= window.opens:
        sentences.append(
            f"Events of the run of {day_name(again.day)} came at {clock_time(again.received, scheduled.day)},"
            " sent again; they do not count."
        )
    manual = next((run for run in runs.open if not run.is_scheduled and not window.counts(run)), None)
    if manual is not None:
        sentences.append(
            f"A manual run begun at {clock_time(manual.began, scheduled.day)} goes on ({manual.run_id[:LONGEST_ID]});"
            " the scheduled one may have been left out for it."
        )
    return sentences


def _advice(evidence: Evidence) -> str:
    if evidence.status is StatusShows.SILENT:
        return "Check its host first, then `tickstock-relay status`."
    if evidence.decision.verdict is StartVerdict.NO_SIGN:
        return "Check `tickstock-relay status`, then `tickstock-relay history --days 2`."
    return "Check the scheduler; `tickstock-relay trigger` starts a run."
