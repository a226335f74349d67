"""Where things stand in the pictures: places and widths in percent, heights in pixels. Templates draw them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.events import Phase
from relay.events.wording import duration
from relay.status.snapshot import Band, PhaseView, RunView

PHASES = tuple(phase.value for phase in Phase)
LEAST = 0.3
"""Percent that a phase is wide at least, so that the cache's few seconds can be seen."""
HEIGHT = 150
"""Pixels of the trend's plot."""
STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 480, 720, 1440)
"""Minutes between two ticks of an axis."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a run's state or result is shown: sign, colour and word."""

    icon: str
    tone: str
    word: str


LOOKS = {
    "completed": Look("ok", "good", "completed"),
    "failed": Look("failed", "bad", "failed"),
    "cancelled": Look("cancelled", "warn", "cancelled"),
    "partial": Look("warn", "warn", "partial"),
    "running": Look("running", "busy", "running"),
    "stalled": Look("stalled", "bad", "stalled"),
    "waiting": Look("waiting", "wait", "waiting"),
    "skipped": Look("unknown", "warn", "no event"),
}
"""By the state of a run or a phase."""


def look_of(state: str) -> Look:
    """The look of a state; one that is not known shows its own name."""
    return LOOKS.get(state, Look("unknown", "warn", state))


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the picture and its text; `x` in percent."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """From `x` on so wide, in percent; `name` is its phase."""

    x: float
    width: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class GanttRow:
    """One run; `cut` where it broke off, `whole` the width of one whose phases are not known."""

    run: RunView
    bars: list[Bar]
    cut: float | None
    whole: float
    words: str


@dataclass(frozen=True, slots=True)
class Gantt:
    """Runs under each other, on the time since their start."""

    rows: list[GanttRow]
    ticks: list[Tick]
    band: Bar | None
    has_unknown: bool


def gantt(runs: Sequence[RunView], usual: Band | None) -> Gantt:
    """What each run's phases took, over the usual span of its end."""
    spans = [run.seconds for run in runs if run.seconds]
    longest = max([60.0, *spans, *([usual.high] if usual else [])]) * 1.04
    rows = [_row(run, longest) for run in runs]
    return Gantt(
        rows=rows,
        ticks=axis(longest),
        band=Bar(_x(usual.low, longest), _x(usual.high - usual.low, longest)) if usual else None,
        has_unknown=any(row.whole for row in rows),
    )


def axis(longest: float) -> list[Tick]:
    """At most six ticks from 0 to `longest` seconds; the last names the unit."""
    step = next((step for step in STEPS if longest / 60 / step <= 5), STEPS[-1])
    minutes = list(range(0, int(longest / 60) + 1, step))
    last = minutes[-1]
    return [Tick(_x(each * 60, longest), f"{each} min" if each == last else str(each)) for each in minutes]


def _row(run: RunView, longest: float) -> GanttRow:
    bars = [bar for phase in run.phases if (bar := _bar(run, phase, longest))]
    broke_off = run.state in ("failed", "cancelled", "stalled") and run.seconds is not None
    words = ", ".join(phase_words(phase) for phase in run.phases) if bars else "phases not known (from the API)"
    return GanttRow(
        run=run,
        bars=bars,
        cut=_x(run.seconds or 0, longest) if broke_off else None,
        whole=0.0 if bars or run.seconds is None else _x(run.seconds, longest),
        words=words,
    )


def _bar(run: RunView, phase: PhaseView, longest: float) -> Bar | None:
    if phase.began is None or phase.seconds is None:
        return None
    begins = _x(max(0.0, (phase.began - run.began).total_seconds()), longest)
    return Bar(begins, round(min(max(LEAST, _x(phase.seconds, longest)), 100 - begins), 1), phase.name)


def phase_words(phase: PhaseView) -> str:
    """`import 10 min`, `cache stalled 3 min`, for who does not see the bars."""
    took = f" {duration(phase.seconds)}" if phase.seconds is not None else ""
    state = "" if phase.state == "completed" else f" {look_of(phase.state).word}"
    return f"{phase.name}{state}{took}"


@dataclass(frozen=True, slots=True)
class Dot:
    """One run in the trend."""

    x: float
    y: float
    run: RunView


@dataclass(frozen=True, slots=True)
class Level:
    """A line at a height, and its text."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Trend:
    """Durations by and by, the oldest first; heights in pixels from the top."""

    dots: list[Dot]
    levels: list[Level]
    band: tuple[float, float] | None
    """Its top and its height."""
    median: float
    first: datetime
    last: datetime


def trend(runs: Sequence[RunView], usual: Band | None) -> Trend | None:
    """The runs' durations, the oldest first; None when there are too few to show a trend."""
    ended = [run for run in runs if run.seconds is not None]
    if len(ended) < 2:
        return None
    most = max([60.0, *(run.seconds or 0 for run in ended), *([usual.high] if usual else [])]) * 1.08

    def y(seconds: float) -> float:
        return round(HEIGHT * (1 - seconds / most), 1)

    step = 100 / len(ended)
    minutes = next((step for step in STEPS if most / 60 / step <= 3), STEPS[-1])
    return Trend(
        dots=[Dot(round(step * (n + 0.5), 1), y(run.seconds or 0), run) for n, run in enumerate(ended)],
        levels=[Level(y(at * 60), f"{at} min") for at in range(0, math.floor(most / 60) + 1, minutes)],
        band=(y(usual.high), round(y(usual.low) - y(usual.high), 1)) if usual else None,
        median=y(usual.median) if usual else 0.0,
        first=ended[0].began,
        last=ended[-1].began,
    )


def _x(seconds: float, longest: float) -> float:
    return round(100 * min(seconds / longest, 1.0), 1)
