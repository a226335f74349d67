"""Each run that has ended is judged once, and one alert says what is wrong with it; the next good run ends that alert.

Pure. What is wrong is decided in `relay.watchdog.quality`.
"""

from datetime import datetime

from relay.config.thresholds import WatchdogOptions
from relay.events import Announcement
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.watchdog.alerts import Alerts
from relay.watchdog.expectations import Expectations
from relay.watchdog.plight import name
from relay.watchdog.quality import Finding, judge, judge_phase
from relay.watchdog.wording import clock, lasting

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
    "end_not_told",
    "too_slow",
    "too_fast",
)


class Verdicts:
    """Judges ended runs, and ended phases of open ones."""

    def __init__(self, runs: Runs, alerts: Alerts) -> None:
        self._runs = runs
        self._alerts = alerts

    def tick(self, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        """Judge what has ended since the last time; a restart in between judges nothing twice."""
        said: list[Announcement] = []
        for run in self._runs.unjudged:
            expectations = Expectations(options.learned, self._runs.newest_first(), run)
            findings = judge(run, options.quality, expectations)
            said += self._resolve_earlier(run, findings, now)
            said += self._say(run, findings, now)
            self._runs.judged(run, now)
        for run in self._runs.open:
            ended = [phase for phase, its in run.phases.items() if not its.state.is_open and not its.is_judged]
            if ended:
                said += self._say(
                    run, [one for phase in ended for one in judge_phase(run, phase, options.quality)], now
                )
                self._runs.judged(run, now)
        return said

    def _say(self, run: Run, findings: list[Finding], now: datetime) -> list[Announcement]:
        """One alert for all findings, under the name of the worst; none if one of this run says the same already."""
        before = {alert.name for alert in self._alerts.about(run.run_id)} & set(NAMES)
        if not findings or findings[0].name in before:
            return []
        worst = findings[0]
        is_whole = run.state in (State.COMPLETED, State.PARTIAL) and run.duration_seconds is not None
        lasted = f" and took {lasting(run.duration_seconds or 0)}" if is_whole else ""
        ended = f" It began at {clock(run.began)}{lasted}."
        facts = {"run_date": run.run_date, "findings": [finding.name for finding in findings]}
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
        said: list[Announcement] = []
        if troubles & {"run_failed", "run_cancelled"}:
            return said
        for alert in self._alerts.firing():
            if alert.name in NAMES and alert.name not in troubles and alert.run_id != run.run_id:
                words = f"The run of {clock(run.began)} ended without that trouble."
                said += self._alerts.resolve(alert.key, now, words)
        return said
