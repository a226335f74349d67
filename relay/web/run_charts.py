"""Where things stand on the timeline of a run and among its results, in percent of the width. Templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from relay.events.wording import duration
from relay.runs.run_log import Span
from relay.status.run_report import PhaseLine, ResultLine, RunReport
from relay.web.charts import LEAST, STEPS, Bar, Tick, look_of
from relay.web.rendering import Clock

TOGETHER = 2.5
"""Percent: marks that stand closer are one."""
LABEL = 15.0
"""Percent that a mark's label takes beside it."""


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase: its bar, its usual span, where it made no progress, and where it broke off."""

    line: PhaseLine
    bar: Bar | None
    usual: Bar | None
    stalls: list[Bar]
    cut: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment; `side` is where its label stands: `start` right of it, `end` left, empty: nowhere."""

    x: float
    text: str
    is_over: bool = False
    count: int = 1
    side: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """The whole picture."""

    ticks: list[Tick]
    band: Bar | None
    median: float | None
    now: float | None
    ended: float | None
    due: float | None
    rows: list[PhaseRow]
    alerts: list[Mark]
    errors: list[Mark]
    gaps: list[Mark]


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result, and where it stands against the usual range."""

    line: ResultLine
    dot: float | None
    band: Bar | None
    median: float | None


class Axis:
    """A span of time as a width of 100."""

    def __init__(self, begins: datetime, ends: datetime) -> None:
        self.begins = begins
        self._seconds = max(1.0, (ends - begins).total_seconds())

    def x(self, at: datetime) -> float:
        """Where that moment is; what is outside stands at the edge."""
        return round(min(100.0, max(0.0, 100 * (at - self.begins).total_seconds() / self._seconds)), 1)

    def bar(self, began: datetime, ended: datetime, name: str = "") -> Bar:
        """The span between two moments."""
        left = self.x(began)
        return Bar(left, round(max(LEAST, self.x(ended) - left), 1), name)

    def ticks(self, clock: Clock) -> list[Tick]:
        """Full minutes of the clock, six at most."""
        step = next((step for step in STEPS if self._seconds / 60 / step <= 6), STEPS[-1])
        here = self.begins.astimezone(clock.zone)
        past = (here.hour * 60 + here.minute) % step * 60 + here.second
        at = self.begins.replace(microsecond=0) + timedelta(seconds=(step * 60 - past) % (step * 60))
        ticks: list[Tick] = []
        while self.x(at) < 100 and len(ticks) < 8:
            ticks.append(Tick(self.x(at), clock.clock(at)))
            at += timedelta(minutes=step)
        return ticks


def course(report: RunReport, clock: Clock) -> Course:
    """The timeline's picture."""
    line = report.timeline
    axis = Axis(line.begins, line.ends)
    end = line.ended or line.now or line.ends
    alerts = [
        (alert.fired_at, _short(alert.key), alert.resolved_at is not None or alert.is_notice, 1)
        for alert in report.alerts
    ]
    errors = [(group.first, "", False, group.count) for group in report.errors]
    gaps = [(gap.began, f"{_lasted(gap)} not subscribed", False, 1) for gap in line.gaps]
    usual = line.usual_end
    return Course(
        ticks=axis.ticks(clock),
        band=axis.bar(usual[0], usual[2]) if usual else None,
        median=axis.x(usual[1]) if usual else None,
        now=axis.x(line.now) if line.now else None,
        ended=axis.x(line.ended) if line.ended else None,
        due=axis.x(line.due) if line.due else None,
        rows=[_row(phase, line.stalls, axis, end, clock) for phase in line.phases],
        alerts=_marks(axis, alerts),
        errors=_marks(axis, errors),
        gaps=_marks(axis, gaps),
    )


def _row(phase: PhaseLine, stalls: Sequence[Span], axis: Axis, end: datetime, clock: Clock) -> PhaseRow:
    bar = axis.bar(phase.began, phase.ended or end, phase.name) if phase.began else None
    usual = None
    if phase.usual and phase.usually_begins:
        usual = axis.bar(phase.usually_begins, phase.usually_begins + timedelta(seconds=phase.usual.median))
    still = [stall for stall in stalls if stall.phase == phase.name]
    broke_off = phase.state in ("failed", "cancelled") and bar is not None
    return PhaseRow(
        line=phase,
        bar=bar,
        usual=usual,
        stalls=[axis.bar(stall.began, stall.ended or end) for stall in still],
        cut=round(bar.x + bar.width, 1) if broke_off and bar else None,
        words=_words(phase, still, clock),
    )


def _words(phase: PhaseLine, stalls: Sequence[Span], clock: Clock) -> str:
    """What the bar shows, for who does not see it."""
    if phase.began is None:
        return look_of(phase.state).word
    words = (
        f"{clock.short(phase.began)} to {clock.short(phase.ended)}, "
        if phase.ended
        else f"since {clock.short(phase.began)}, "
    )
    words += look_of(phase.state).word
    for stall in stalls:
        until = f" to {clock.short(stall.ended)}" if stall.ended else ""
        words += f"; no progress since {clock.short(stall.began)}{until}"
    return words


def _marks(axis: Axis, found: Sequence[tuple[datetime, str, bool, int]]) -> list[Mark]:
    """In the order of time, those too close together as one, each with room for its label or without one."""
    marks: list[Mark] = []
    for at, text, is_over, count in sorted(found):
        x, last = axis.x(at), marks[-1] if marks else None
        if last is not None and x - last.x < TOGETHER:
            both = last.count + count
            marks[-1] = Mark(
                last.x, f"{last.text}, {text}" if text not in last.text else last.text, last.is_over and is_over, both
            )
        else:
            marks.append(Mark(x, text, is_over, count))
    return [_placed(marks, number) for number in range(len(marks))]


def _placed(marks: Sequence[Mark], number: int) -> Mark:
    mark = marks[number]
    before = mark.x - (marks[number - 1].x if number else -LABEL)
    after = (marks[number + 1].x if number + 1 < len(marks) else 100 + LABEL) - mark.x
    if min(before, mark.x) >= LABEL:
        return replace(mark, side="end")
    return replace(mark, side="start") if min(after, 100 - mark.x) >= LABEL else mark


def _short(key: str) -> str:
    """`run_stalled:2ec0` as `stalled`."""
    return key.partition(":")[0].removeprefix("run_").replace("_", " ")


def _lasted(span: Span) -> str:
    return duration((span.ended - span.began).total_seconds()) if span.ended else ""


def result_rows(lines: Sequence[ResultLine]) -> list[ResultRow]:
    """Each result with its place on a scale from nothing to a little above the usual."""
    return [_result_row(line) for line in lines]


def _result_row(line: ResultLine) -> ResultRow:
    if line.usual is None or line.is_percent or line.usual.high <= line.usual.low:
        return ResultRow(line, None, None, None)
    most = max(line.usual.high, line.value or 0.0)

    def x(value: float) -> float:
        return round(100 * value / most, 1)

    band = Bar(x(line.usual.low), round(x(line.usual.high) - x(line.usual.low), 1))
    return ResultRow(line, None if line.value is None else x(line.value), band, x(line.usual.median))
