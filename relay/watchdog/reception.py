"""Does the relay receive anything? An alert in the server's words when it is not subscribed; then what was missed.

Pure. People are told once: by the end of that alert, or, after a gap too short for one, by a notice; and only when the
API has been asked what runs did in the gap, or has not answered for a minute.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from relay.events import Announcement, Severity, utc_text
from relay.events.wording import clock_time, duration
from relay.runs.gaps import Gap, Gaps
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.subscription.errors import remedy
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import ApiState

KEY = "not_subscribed"
NOT_SUBSCRIBED_FOR = 60.0
"""Seconds without a subscription before it is reported: a restart of Redis is not worth an alert."""
ISOLATED_FOR = 15.0
"""The same for a connection to a server that does not get what is published: nothing looks wrong there, so sooner."""
API_PATIENCE = timedelta(minutes=1)
"""How long after a gap the API may take to show what runs did in it."""
SILENT_API_PATIENCE = timedelta(seconds=15)
"""The same when it was not answering anyway: it is asked every ten seconds then."""
NEXT_NOTICE = timedelta(minutes=10)
"""What is missed so soon after a notice is put together into the next one: a connection may come and go."""


class SubscriptionStatus(Protocol):
    """What of the subscription matters here."""

    lost_since: datetime | None
    reason: str
    problem: str


class Reception:
    """Looks at the subscription about once a second."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._noticed: datetime | None = None

    def tick(
        self, now: datetime, link: SubscriptionStatus, gaps: Gaps, runs: Runs, api: ApiState
    ) -> list[Announcement]:
        """What there is to say now."""
        if link.lost_since is not None:
            return self._not_subscribed(link, link.lost_since, now)
        if not self._alerts.is_firing(KEY):
            self._alerts.set(KEY, False, now)  # one that was pending is dropped
        gap = gaps.unreported
        if gap is None:
            return self._alerts.set(
                KEY, False, now, message=f"Subscribed to Redis, seen at {clock_time(now, now, utc=True)}."
            )
        patience = SILENT_API_PATIENCE if api.failing_since is not None else API_PATIENCE
        if not _is_asked(gap, api) and timedelta(0) <= now - gap.until < patience:
            return []
        if self._alerts.is_firing(KEY):
            gaps.reported()
            return self._alerts.set(KEY, False, now, message=_again(gap, runs, api))
        if self._noticed is not None and timedelta(0) <= now - self._noticed < NEXT_NOTICE:
            return []
        gaps.reported()
        self._noticed = now
        return [_notice(gap, runs, api)]

    def _not_subscribed(self, link: SubscriptionStatus, since: datetime, now: datetime) -> list[Announcement]:
        return self._alerts.set(
            KEY,
            True,
            now,
            severity=Severity.ERROR,
            title="Relay is not subscribed to Redis",
            message=f"Since {clock_time(since, now, utc=True)}: {link.reason.rstrip('.')}. Runs are followed by"
            f" TickStockPL's API alone; what is published now is missing from the archive. {remedy(link.reason)}",
            facts={"since": utc_text(since), "reason": link.reason},
            for_=ISOLATED_FOR if link.problem else NOT_SUBSCRIBED_FOR,
        )


def _again(gap: Gap, runs: Runs, api: ApiState) -> str:
    return f"Subscribed again since {clock_time(gap.until, utc=True)}. {_missed(gap)} {_worked_out(gap, runs, api)}"


def _notice(gap: Gap, runs: Runs, api: ApiState) -> Announcement:
    number = "Gap" if gap.count == 1 else f"{gap.count} gaps"
    return Announcement(
        channel="relay:alert:gap",
        event="gap_notice",
        severity=Severity.WARNING,
        payload={
            "title": f"{number} of {duration(gap.seconds)}: events were not received",
            "message": f"{_missed(gap)} The reason: {gap.reason}. {_worked_out(gap, runs, api)}",
            "facts": {
                "from": utc_text(gap.since),
                "to": utc_text(gap.until),
                "seconds": round(gap.seconds, 3),
                "gaps": gap.count,
                "reason": gap.reason,
            },
        },
    )


def _missed(gap: Gap) -> str:
    span = f"from {clock_time(gap.since, gap.until, seconds=True)} to"
    span += f" {clock_time(gap.until, gap.until, seconds=True, utc=True)}"
    if gap.count == 1:
        return f"What was published {span} ({duration(gap.seconds)}) is missing."
    return f"In {gap.count} gaps {span}, {duration(gap.seconds)} in all, what was published is missing."


def _worked_out(gap: Gap, runs: Runs, api: ApiState) -> str:
    """What is known of the runs that went on in a gap."""
    if not _is_asked(gap, api):
        why = (
            f" TickStockPL's API has not answered since {clock_time(api.failing_since, gap.until)}."
            if api.failing_since
            else ""
        )
        why = why or (f" Its history could not be read: {api.history_error}." if api.history_error else "")
        return f"What runs did in that time is not known.{why}"
    sentences = [_course(run, gap, api) for run in _in_gap(gap, runs)]
    return " ".join(sentences) or "By TickStockPL's history no run went on in that time."


def _in_gap(gap: Gap, runs: Runs) -> Iterator[Run]:
    for run in runs.newest_first():
        if run.began <= gap.until and (run.state.is_open or (run.ended_at is not None and run.ended_at >= gap.since)):
            yield run


def _course(run: Run, gap: Gap, api: ApiState) -> str:
    if not run.state.is_open and run.ended_at is not None:
        by = "by TickStockPL's history" if run.is_reconstructed else "by its events"
        return f"{run.title} {run.state} at {clock_time(run.ended_at, gap.until)}, {by}."
    status = api.status if api.is_running else None
    if status is None or status.run_id not in (None, run.published_id):
        seen = "its events come again" if run.last_seen > gap.until else "nothing has shown its end"
        return f"{run.title} goes on: {seen}."
    phase = f", in {status.current_phase}" if status.current_phase else ""
    reached = f" at {status.progress:.0f} %" if status.progress is not None else ""
    return f"{run.title} goes on{phase}{reached}, by TickStockPL's API."


def _is_asked(gap: Gap, api: ApiState) -> bool:
    return api.history_at is not None and api.history_at >= gap.until
