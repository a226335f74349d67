"""The two pictures: what each run's phases took, and how long runs take by and by. Inline SVG, coloured by classes.

Their text stands beside them as HTML, so that it stays readable on a phone; both are told in words too.
"""

import math
from collections.abc import Sequence

from relay.events import Phase
from relay.events.wording import lasting
from relay.status.snapshot import Band, PhaseView, RunView
from relay.web.markup import Html, markup, tag

WIDTH = 1000.0
ROW = 20.0
"""Height of one run's bar, in units of the picture."""
HEIGHT = 200.0
LEAST = 3.0
"""Units that a phase is wide at least, so that the cache's few seconds can be seen."""
PHASES = [phase.value for phase in Phase]


def longest(runs: Sequence[RunView], usual: Band | None) -> float:
    """Seconds that a chart's whole width stands for."""
    spans = [run.seconds for run in runs if run.seconds]
    return max([60.0, *spans, *([usual.high] if usual else [])]) * 1.02


def bar(run: RunView, seconds: float, usual: Band | None) -> Html:
    """One run's row: its phases after one another on the time since its start, over the usual span of its end."""
    parts = []
    if usual:
        low, high = _x(usual.low, seconds), _x(usual.high, seconds)
        parts.append(_rect("band", low, high - low, 0, ROW))
    if run.seconds:
        parts.append(_rect("span", 0, _x(run.seconds, seconds), ROW * 0.42, ROW * 0.16))
    for phase in run.phases:
        if phase.began is not None and phase.seconds is not None:
            begins = _x(max(0.0, (phase.began - run.began).total_seconds()), seconds)
            width = min(max(LEAST, _x(phase.seconds, seconds)), WIDTH - begins)
            state = "" if phase.state == "completed" else f" is-{phase.state}"
            parts.append(_rect(f"p-{phase.name}{state}", begins, width, ROW * 0.15, ROW * 0.7))
    description = ", ".join(_phase_text(phase) for phase in run.phases)
    return _svg("bar", ROW, f"Phases: {description}", parts)


def span(runs: Sequence[RunView], usual: Band | None) -> tuple[float, float]:
    """The least and the most seconds that the trend shows; it begins at 0 unless all are far from there."""
    shown = [run.seconds for run in runs if run.seconds is not None] + ([usual.low, usual.high] if usual else [])
    low, high = min(shown, default=0.0), max([*shown, 60.0])
    most = math.ceil(high * 1.08 / 60) * 60.0
    return (math.floor(low * 0.85 / 60) * 60.0 if low > high / 2 else 0.0), most


def trend(runs: Sequence[RunView], usual: Band | None, least: float, most: float) -> Html:
    """Durations of runs, the oldest first, as dots over the usual band, on a scale of `least` to `most` seconds."""

    def y(seconds: float) -> float:
        return HEIGHT * (1 - (seconds - least) / (most - least))

    step = WIDTH / max(len(runs), 1)
    parts: list[Html | None] = []
    if usual:
        parts.append(_rect("band", 0, WIDTH, y(usual.high), y(usual.low) - y(usual.high)))
        parts.append(_line("median", y(usual.median)))
    points = [(step * (n + 0.5), y(run.seconds or 0.0), run) for n, run in enumerate(runs)]
    way = " ".join(f"{'L' if n else 'M'}{x:.1f} {height:.1f}" for n, (x, height, _) in enumerate(points))
    parts.append(tag("path", class_="thread", d=way) if way else None)
    parts += [
        tag("path", tag("title", _point(run)), class_=f"dot is-{run.state}", d=f"M{x:.1f} {height:.1f}h.01")
        for x, height, run in points
    ]
    usual_span = f"; usual {lasting(usual.low)} to {lasting(usual.high)}" if usual else ""
    durations = ", ".join(lasting(run.seconds) for run in runs if run.seconds is not None)
    return _svg(
        "trend", HEIGHT, f"Duration of the last {len(runs)} runs", parts, f"The oldest first: {durations}{usual_span}."
    )


def sparkline(values: Sequence[float]) -> Html:
    """A minute of rates."""
    most = max([*values, 1.0])
    step = WIDTH / max(len(values) - 1, 1)
    points = [f"{n * step:.1f} {ROW * 2 * (1 - 0.94 * value / most):.1f}" for n, value in enumerate(values)]
    way = "M" + " L".join(points) if points else ""
    area = f"{way} L{WIDTH:.0f} {ROW * 2:.0f} L0 {ROW * 2:.0f} Z" if points else ""
    parts = [tag("path", class_="area", d=area), tag("path", class_="thread", d=way)] if points else []
    return _svg("spark", ROW * 2, f"Events a second in the last minute, at most {max(values, default=0):,.0f}", parts)


def _svg(kind: str, height: float, title: str, parts: Sequence[Html | None], more: str = "") -> Html:
    return tag(
        "svg",
        tag("title", title),
        tag("desc", more) if more else None,
        markup(*parts),
        class_=f"chart {kind}",
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}. {more}" if more else title,
    )


def _rect(kind: str, x: float, width: float, y: float, height: float) -> Html:
    return tag("rect", class_=kind, x=f"{x:.1f}", y=f"{y:.1f}", width=f"{max(width, 0):.1f}", height=f"{height:.1f}")


def _line(kind: str, y: float) -> Html:
    return tag("path", class_=kind, d=f"M0 {y:.1f}H{WIDTH:.0f}")


def _x(seconds: float, most: float) -> float:
    return WIDTH * min(seconds / most, 1.0)


def _phase_text(phase: PhaseView) -> str:
    took = f" {lasting(phase.seconds)}" if phase.seconds is not None else ""
    state = "" if phase.state == "completed" else f" {phase.state}"
    return f"{phase.name}{state}{took}"


def _point(run: RunView) -> str:
    took = lasting(run.seconds) if run.seconds is not None else "unknown duration"
    return f"{run.run_date or run.run_id}: {run.state}, {took}"
