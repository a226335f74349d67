"""The course of a run in signs: a bar for each phase, what went wrong below, and the usual end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from relay.cli.board import PHASE_STYLES, cell
from relay.events.wording import clock_time, duration, usually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from relay.status.run_report import PhaseLine, RunReport

CELLS = 41
NAME = 13
OPEN = ("running", "stalled")


def timeline_lines(report: RunReport, zone: ZoneInfo) -> Iterator[Text]:
    """Head, axis, phases, marks and their legend."""
    course = report.timeline
    facts = [duration(report.seconds)] if report.seconds is not None else []
    if report.usual is not None:
        facts.append(usually(report.usual.median, report.usual.low, report.usual.high))
    yield Text()
    yield Text.assemble((f"{'TIMELINE':10}", "bold"), ", ".join(facts))
    place = _places(course.begins, course.ends)
    yield Text(f"{'':{NAME}}{_axis(course.begins, course.ends, zone)}  took  usual symbols".rstrip(), style="dim")
    usual_end = range(place(course.usual_end[0]), place(course.usual_end[2]) + 1) if course.usual_end else range(0)
    for phase in course.phases:
        yield _phase(phase, report, place, usual_end)
    yield from _marks(report, place, usual_end)
    yield Text("             █ done  ▒ no progress  ✗ failed  ░ usual end  ▲ firing  △ cleared", style="dim")


def _places(begins: datetime, ends: datetime) -> Callable[[datetime], int]:
    """The cell of a moment."""
    seconds = max(1.0, (ends - begins).total_seconds())

    def place(moment: datetime) -> int:
        return min(CELLS - 1, max(0, int((moment - begins).total_seconds() / seconds * CELLS)))

    return place


def _axis(begins: datetime, ends: datetime, zone: ZoneInfo) -> str:
    """Clock times, one each ten cells."""
    step = (ends - begins) / CELLS
    return "".join(f"{clock_time(begins + step * at, begins, zone=zone):10}" for at in range(0, CELLS - 5, 10))[:CELLS]


def _phase(phase: PhaseLine, report: RunReport, place: Callable[[datetime], int], usual_end: range) -> Text:
    course, signs = report.timeline, _background(usual_end)
    style = PHASE_STYLES.get(phase.name, "")
    if phase.began is not None:
        end = phase.ended or course.ended or report.at
        cells = range(place(phase.began), max(place(phase.began) + 1, place(end)))
        for at in cells:
            signs[at] = ("█", style)
        for stall in course.stalls:
            for at in range(place(stall.began), place(stall.ended or end) + 1):
                if at in cells:
                    signs[at] = ("▒", "red")
        if phase.state in ("failed", "cancelled"):
            signs[cells[-1]] = ("✗", "bold red")
    took = duration(phase.seconds) if phase.seconds is not None else phase.state
    usual = duration(phase.usual.median) if phase.usual else ""
    facts = f"{cell(took, 7, right=True)} {cell(usual, 6, right=True)} {cell(_symbols(phase), 7, right=True)}"
    return Text.assemble(f"  {cell(phase.name, NAME - 2)}", *signs, f" {facts}".rstrip())


def _symbols(phase: PhaseLine) -> str:
    if phase.total is None:
        return ""
    good = (phase.done or 0) - (phase.failed or 0)
    return f"{good}/{phase.total}" if phase.done is not None and good != phase.total else f"{phase.total}"


def _marks(report: RunReport, place: Callable[[datetime], int], usual_end: range) -> Iterator[Text]:
    """A line each for alerts, errors and gaps, if there are any."""
    course = report.timeline
    alerts = [(one.fired_at, "△" if one.resolved_at or one.is_notice else "▲") for one in reversed(report.alerts)]
    errors = [(one.first, "●") for one in report.errors]
    rows: dict[str, list[tuple[datetime, str]]] = {
        "alerts": alerts,
        "errors": errors,
        "gaps": [(span.began, "┆") for span in course.gaps],
    }
    for name, marks in rows.items():
        signs = _background(usual_end)
        for moment, sign in marks:
            signs[place(moment)] = (sign, "dim" if sign == "△" else "bold red")
        if marks:
            yield Text.assemble(f"  {cell(name, NAME - 2)}", *signs)


def _background(usual_end: range) -> list[tuple[str, str]]:
    return [("░", "dim") if at in usual_end else (" ", "") for at in range(CELLS)]
