"""Each run that has ended is judged once, and one alert says what is wrong with it; the next good run ends that alert.

Pure. What is wrong is decided in `relay.watchdog.result_findings`.
"""

from datetime import datetime

from relay.config.watchdog import WatchdogOptions
from relay.events import Announcement, Severity
from relay.events.wording import clock, lasting
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.watchdog.alerts import Alerts
from relay.watchdog.baseline import Baseline
from relay.watchdog.progress_messages import name
from relay.watchdog.result_findings import Finding, judge, judge_phase

NAMES = (
    "run_failed",
    "run_cancelled",
    "run_partial",
    "zero_results",
    "low_success_rate",
    "few_results",
    "claims_differ",
    "phase_missing",
    "out_of_order",
    "completion_not_reported",
    "too_slow",
    "too_fast",
)


class ResultCheck:
    """Judges ended runs, and ended phases of open ones."""

    def __init__(self, runs: Runs, alerts: Alerts) -> None:
        self._runs = runs
        self._alerts = alerts

    def tick(self, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        """Judge what has ended since the last time; a restart in between judges nothing twice."""
        announcements = self._end_refuted(now)
        for run in self._runs.unjudged:
            findings = self._judge(run, options)
            announcements += self._resolve_earlier(run, findings, now)
            announcements += self._resolve_corrected(run, findings, now)
            if not self._is_made_good(run, options):
                announcements += self._announce(run, findings, now)
            self._runs.judged(run, now)
        for run in self._runs.open:
            ended = [phase for phase, its in run.phases.items() if not its.state.is_open and not its.is_judged]
            if ended:
                announcements += self._announce(
                    run, [one for phase in ended for one in judge_phase(run, phase, options.quality)], now
                )
                self._runs.judged(run, now)
        return announcements

    def _judge(self, run: Run, options: WatchdogOptions) -> list[Finding]:
        return judge(run, options.quality, Baseline(options.learned, self._runs.newest_first(), run))

    def _is_made_good(self, run: Run, options: WatchdogOptions) -> bool:
        """Whether a later run of the same day has completed with sound results before this one was held to be over."""
        if not run.is_guessed:
            return False
        of_day = (other for other in self._runs.newest_first() if other.run_date == run.run_date)
        later = (other for other in of_day if other.began > run.began and other.is_whole)
        return any(other.state is State.COMPLETED and _is_sound(self._judge(other, options)) for other in later)

    def _end_refuted(self, now: datetime) -> list[Announcement]:
        """What was said of a run that was only held to be over, and goes on."""
        announcements: list[Announcement] = []
        for alert in self._alerts.firing():
            run = self._runs.get(alert.run_id) if alert.run_id and alert.facts.get("inferred") else None
            if run is not None and run.state.is_open:
                announcements += self._alerts.resolve(
                    alert.key, now, "The run goes on: that it had ended was only inferred."
                )
        return announcements

    def _resolve_corrected(self, run: Run, findings: list[Finding], now: datetime) -> list[Announcement]:
        """The real end has come: what was said of the inferred one is over, unless it is true all the same."""
        troubles = {finding.name for finding in findings}
        announcements: list[Announcement] = []
        for alert in self._alerts.about(run.run_id):
            if alert.facts.get("inferred") and alert.name not in troubles:
                ended = f" at {clock(run.ended_at)}" if run.ended_at else ""
                words = f"The run ended{ended}: {run.state}. What was said of it before was only inferred."
                announcements += self._alerts.resolve(alert.key, now, words)
        return announcements

    def _announce(self, run: Run, findings: list[Finding], now: datetime) -> list[Announcement]:
        """One alert for all findings, under the name of the worst; none if one of this run says the same already."""
        before = {alert.name for alert in self._alerts.about(run.run_id)} & set(NAMES)
        if not findings or findings[0].name in before:
            return []
        worst = findings[0]
        is_whole = run.state in (State.COMPLETED, State.PARTIAL) and run.duration_seconds is not None
        lasted = f" and took {lasting(run.duration_seconds or 0)}" if is_whole else ""
        ended = f" It began at {clock(run.began)}{lasted}."
        facts: dict[str, object] = {"run_date": run.run_date, "findings": [finding.name for finding in findings]}
        facts |= {"inferred": True} if run.is_guessed else {}
        return self._alerts.set(
            f"{worst.name}:{run.run_id}",
            True,
            now,
            severity=worst.severity,
            title=f"{name(run)} {worst.title}",
            message=" ".join(finding.sentence for finding in findings) + ended,
            run_id=run.run_id,
            facts=facts,
        )

    def _resolve_earlier(self, run: Run, findings: list[Finding], now: datetime) -> list[Announcement]:
        """A run that ends without that trouble ends the alert about an earlier one."""
        troubles = {finding.name for finding in findings}
        announcements: list[Announcement] = []
        if troubles & {"run_failed", "run_cancelled"} or not run.is_whole:
            return announcements
        for alert in self._alerts.firing():
            if alert.name in NAMES and alert.name not in troubles and alert.run_id != run.run_id:
                words = f"The run of {clock(run.began)} ended without that trouble."
                announcements += self._alerts.resolve(alert.key, now, words)
        return announcements


def _is_sound(findings: list[Finding]) -> bool:
    return all(finding.severity < Severity.ERROR for finding in findings)
