"""What a run's result means for the day's data; one alert says what is wrong, the next sound run ends it.

Pure. What is wrong is decided once, when a run has ended, in `relay.watchdog.result_findings`, and kept on the run;
what that means is decided here, for every screen, alert and metric.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from relay.config.watchdog import WatchdogOptions
from relay.events import Announcement
from relay.events.wording import clock_time, day_name, duration
from relay.runs.findings import Finding, Usable
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.runs.transitions import of_run
from relay.watchdog import data_sentences
from relay.watchdog.alerts import Alert, Alerts
from relay.watchdog.baseline import Baseline
from relay.watchdog.result_findings import judge, judge_phase
from relay.watchdog.soundness import is_sound

WORDS = {
    "run_failed": Usable.NO,
    "run_cancelled": Usable.NO,
    "run_partial": Usable.PARTLY,
    "zero_results": Usable.NO,
    "low_success_rate": Usable.PARTLY,
    "few_results": Usable.PARTLY,
    "result_unclear": Usable.UNKNOWN,
    "claims_differ": Usable.UNKNOWN,
    "phase_missing": Usable.PARTLY,
    "out_of_order": Usable.UNKNOWN,
    "completion_not_reported": Usable.YES,
    "too_slow": Usable.YES,
    "too_fast": Usable.UNKNOWN,
}
"""For each finding, whether the day's data can be used in spite of it."""
_WORST_FIRST = (Usable.NO, Usable.UNKNOWN, Usable.PARTLY, Usable.YES)


@dataclass(frozen=True, slots=True)
class DataUsable:
    """Whether the data that a run computed can be used, and the one reason, without the word."""

    word: Usable
    reason: str
    finding: str | None = None
    """The name of the finding that decides."""


def data_usable(run: Run) -> DataUsable:
    """The word of the run's worst finding; `NOT_YET` while it runs, `YES` when there is no finding."""
    if run.state.is_open or run.findings is None:
        return DataUsable(Usable.NOT_YET, data_sentences.unfinished(run))
    if not run.findings:
        return DataUsable(Usable.YES, data_sentences.complete(run))
    worst = min(run.findings, key=lambda finding: _WORST_FIRST.index(WORDS[finding.name]))
    return DataUsable(WORDS[worst.name], data_sentences.because_of(worst, run), worst.name)


def last_good(runs: Iterable[Run], before: datetime | None = None) -> Run | None:
    """The newest run with all phases and a sound result; of those that began before that time, if one is given."""
    good = (run for run in runs if run.is_whole and is_sound(run) and (before is None or run.began < before))
    return max(good, key=lambda run: run.began, default=None)


def usable_now(runs: Iterable[Run]) -> float | None:
    """Whether the newest data can be used: 1, 0.5 or 0 by the last run with all phases that has ended; None: unknown.

    A run that goes on changes nothing yet. One of which it is not known leaves what was wrong before it as it was,
    unless its result is sound: nothing that still fires may seem to be over.
    """
    ended = [run for run in runs if run.is_whole and run.ended_at is not None and run.findings is not None]
    for run in sorted(ended, key=lambda run: run.ended_at or run.began, reverse=True):
        value = data_usable(run).word.gauge
        if value is not None or is_sound(run):
            return value
    return None


class ResultCheck:
    """Judges ended runs, and ended phases of open ones."""

    def __init__(self, runs: Runs, alerts: Alerts) -> None:
        self._runs = runs
        self._alerts = alerts

    def tick(self, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        """Check what has ended since the last time; a restart in between announces nothing twice.

        With the watchdog switched off there are no alerts; the results are known and announced all the same.
        """
        unannounced = self._check_results(now, options)
        announcements = [_checked(run) for run in unannounced]
        if not options.enabled:
            return announcements
        announcements += self._end_refuted(now)
        for run in unannounced:
            findings = run.findings or []
            announcements += self._resolve_made_good(run, now)
            announcements += self._resolve_corrected(run, findings, now)
            if not self._is_made_good(run):
                announcements += self._announce(run, findings, now)
        for run in self._runs.open:
            ended = [phase for phase, its in run.phases.items() if not its.state.is_open and not its.is_judged]
            if ended:
                announcements += self._announce(
                    run, [one for phase in ended for one in judge_phase(run, phase, options.quality)], now
                )
                self._runs.judged(run, now)
        return announcements

    def _check_results(self, now: datetime, options: WatchdogOptions) -> list[Run]:
        """Note what is wrong with each run that has ended; those among them of which nothing was announced yet."""
        # The oldest first: what is usual for a run is learned from the checked ones before it.
        unchecked = sorted(self._runs.unjudged, key=lambda run: run.began)
        unannounced = [run for run in unchecked if not run.is_judged]
        for run in unchecked:
            run.findings = judge(run, options.quality, Baseline(options.learned, self._runs.newest_first(), run))
            self._runs.judged(run, now)
        return unannounced

    def _is_made_good(self, run: Run) -> bool:
        """Whether a later run of the same day has completed with sound results before this one was held to be over."""
        if not run.is_guessed:
            return False
        of_day = (other for other in self._runs.newest_first() if other.run_date == run.run_date)
        later = (other for other in of_day if other.began > run.began and other.is_whole)
        return any(is_sound(other) for other in later)

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
                ended = f" at {clock_time(run.ended_at, run.began, named=True)}" if run.ended_at else ""
                words = f"The run ended{ended}: {run.state}. What was said of it before was only inferred."
                announcements += self._alerts.resolve(alert.key, now, words)
        return announcements

    def _announce(self, run: Run, findings: list[Finding], now: datetime) -> list[Announcement]:
        """One alert for all findings, under the name of the worst; none if one of this run says the same already."""
        before = {alert.name for alert in self._alerts.about(run.run_id)} & WORDS.keys()
        if not findings or findings[0].name in before:
            return []
        worst = findings[0]
        is_whole = run.state in (State.COMPLETED, State.PARTIAL) and run.duration_seconds is not None
        lasted = f" and took {duration(run.duration_seconds or 0)}" if is_whole else ""
        ended = f" It began at {clock_time(run.began, now, utc=True)}{lasted}."
        facts: dict[str, object] = {"run_date": run.run_date, "findings": [finding.name for finding in findings]}
        usable = data_usable(run)
        facts |= {"data_usable": usable.word, "data_reason": usable.reason}
        facts |= {"inferred": True} if run.is_guessed else {}
        return self._alerts.set(
            f"{worst.name}:{run.run_id}",
            True,
            now,
            severity=worst.severity,
            title=f"{run.title} {worst.title}",
            message=" ".join(finding.sentence for finding in findings) + ended,
            run_id=run.run_id,
            facts=facts,
        )

    def _resolve_made_good(self, run: Run, now: datetime) -> list[Announcement]:
        """A run with a sound result ends what is said of others of its day, or of an older one."""
        if not is_sound(run):
            return []
        troubles = {finding.name for finding in run.findings or ()}
        announcements: list[Announcement] = []
        for alert in self._alerts.firing():
            if alert.name in WORDS and alert.name not in troubles and self._is_made_good_by(run, alert):
                alert.facts |= {"cleared_by": run.run_id}
                announcements += self._alerts.resolve(alert.key, now, self._made_good(run, alert))
        return announcements

    def _is_made_good_by(self, run: Run, alert: Alert) -> bool:
        """Whether the sound `run` covers the day and the phases that an alert is about, and ended after it."""
        other = self._runs.get(alert.run_id or "")
        if other is None:
            return run.is_whole and str(alert.facts.get("run_date") or "") <= run.day.isoformat()
        if other.run_id == run.run_id or other.state.is_open or not set(other.expected) <= set(run.expected):
            return False
        ended_before = other.ended_at is None or run.ended_at is None or other.ended_at <= run.ended_at
        return ended_before and other.day <= run.day

    def _made_good(self, run: Run, alert: Alert) -> str:
        ended = f" at {clock_time(run.ended_at, run.began, named=True)}" if run.ended_at else ""
        words = f"{run.title} completed{ended} with sound results."
        day = str(alert.facts.get("run_date") or "")
        if day == run.day.isoformat():
            return f"{words} {data_usable(run).word.short}"
        of_day = (other for other in self._runs.newest_first() if other.day.isoformat() == day)
        return words if any(map(is_sound, of_day)) else f"{words} {_named(day)} was not run again."


def _checked(run: Run) -> Announcement:
    """`relay:run:checked`: the run's state with what the check of its result found, soon after its end."""
    findings = [finding.name for finding in run.findings or ()]
    return of_run(run, "checked", sound=is_sound(run), findings=findings, data_usable=data_usable(run).word.value)


def _named(day: str) -> str:
    try:
        return day_name(date.fromisoformat(day))
    except ValueError:
        return "That day"
