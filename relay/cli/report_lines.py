"""A run's report as lines of 80 columns. Pure; every text from the wire is made harmless here.

Nothing wraps but a command, an address and an error's message; all else that is longer is cut off with an ellipsis.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.text import Text

from relay.cli.board import LOUD, MARKS, MOOD_STYLES, cell, fitted
from relay.cli.report_timeline import timeline_lines
from relay.events.wording import clock_time, duration, figure, percent, plural
from relay.process.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from relay.runs.logged import LoggedError
    from relay.runs.recent import PastAlert
    from relay.status.run_report import EventLine, ResultLine, RunReport

WIDTH = 80
SECTION = 10
"""Columns of a section's name."""
TONES = {"good": "green", "warn": "yellow", "bad": "bold red"}
USABLE = {
    "yes": ("✓", "green"),
    "no": ("✗", "bold red"),
    "partly": ("!", "yellow"),
    "unknown": ("?", "yellow"),
    "not_yet": ("·", "yellow"),
    "not_affected": ("✓", "green"),
}


def report_lines(report: RunReport, *, stored: datetime | None = None, all_events: bool = False) -> Iterator[Text]:
    """The whole report. `stored`: when a relay that is not running wrote last what is shown."""
    zone = ZoneInfo(report.timezone)
    if stored is not None:
        at = clock_time(stored, report.at, zone=zone, seconds=True, named=True)
        yield Text(f"! The relay is not running. This is what it had stored at {at}.", style="yellow")
    yield from _head(report, zone)
    yield from _usable(report)
    yield from timeline_lines(report, zone)
    yield from _results(report.results)
    yield from _checked(report, zone)
    yield from _alerts(report.alerts, report, zone)
    yield from _errors(report, zone)
    yield from _events(report, zone, all_events=all_events)
    yield from _other_runs(report)
    if report.archive_command:
        yield Text()
        yield from _wrapped(report.archive_command, _section("ARCHIVE"), indent=SECTION + 2)


def _head(report: RunReport, zone: ZoneInfo) -> Iterator[Text]:
    verdict = report.verdict
    style = MOOD_STYLES[verdict.mood]
    yield from _wrapped(verdict.headline, Text(f"{MARKS[verdict.mood]} ", style=style), style=style)
    for text in (verdict.cause, verdict.quote, verdict.cleared, verdict.again):
        if text:
            yield from _wrapped(text, Text("  "))
    if report.began is not None:
        span = _span(report, zone)
        facts = ["scheduled" if report.is_scheduled else "by hand", report.universe, span, f"run {report.run_id}"]
        yield from _wrapped(", ".join(filter(None, facts)), Text("  "), style="dim")


def _span(report: RunReport, zone: ZoneInfo) -> str:
    begin = clock_time(report.began or report.at, report.day, zone=zone)
    if report.ended is None:
        return f"since {begin}"
    return f"{begin} to {clock_time(report.ended, report.day, zone=zone, utc=True)}"


def _usable(report: RunReport) -> Iterator[Text]:
    mark, style = USABLE[report.data.key]
    yield Text()
    begin = Text.assemble(_section("USABLE?"), (f"{mark} ", style))
    yield from _wrapped(f"{report.data.word}. {report.data.sentence}", begin)
    for number, step in enumerate(report.steps, 1):
        place = f"{number}. " if len(report.steps) > 1 else ""
        yield from _wrapped(step.text, Text.assemble(_section("DO" if number == 1 else ""), place))
        if step.command:
            yield Text(f"{'':{SECTION + len(place)}}{plain(step.command)}", style="bold")
    addresses = [plain(link.url) for link in report.links]
    for number, address in enumerate(addresses):
        yield Text.assemble(_section("SEE" if number == 0 else ""), (address, "dim"))
    if report.silence:
        yield from _wrapped(report.silence, _section("SILENCE"), style="bold")


def _results(results: list[ResultLine]) -> Iterator[Text]:
    if not results:
        return
    yield Text()
    yield _section(f"{'RESULTS':<15}{'this run':>9}   usual")
    for row in results:
        value = "–" if row.value is None else _number(row, row.value)  # noqa: RUF001 - a dash is what is meant
        usual = ""
        if row.usual is not None:
            usual = _number(row, row.usual.median)
            if row.usual.low != row.usual.high:
                usual += f" ({_number(row, row.usual.low)} to {_number(row, row.usual.high)})"
        mark = {"good": " ", "warn": "!", "bad": "✗"}.get(row.tone, " ")
        line = Text.assemble(f"  {cell(row.name, 13)}{value:>9}   {cell(usual, 26)}")
        yield fitted(line.append(f"{mark} {row.verdict}", style=TONES.get(row.tone, "dim")), WIDTH)


def _number(row: ResultLine, value: float) -> str:
    return percent(min(value, 100.0)) if row.is_percent else figure(round(value))


def _checked(report: RunReport, zone: ZoneInfo) -> Iterator[Text]:
    if not report.checks:
        return
    yield Text()
    yield _section("CHECKED")
    for check in report.checks:
        at = clock_time(check.at, report.day, zone=zone, seconds=True)
        yield fitted(Text(f"  {at}  {cell(check.asked, 18)}  {plain(check.answer)}"), WIDTH)


def _alerts(alerts: list[PastAlert], report: RunReport, zone: ZoneInfo) -> Iterator[Text]:
    if not alerts:
        return
    firing = sum(alert.resolved_at is None and not alert.is_notice for alert in alerts)
    yield Text()
    yield Text.assemble(_section("ALERTS"), f"{firing} firing, {len(alerts) - firing} cleared")
    for alert in alerts:
        over = alert.resolved_at is not None or alert.is_notice
        word = "cleared" if over else alert.severity
        mark, style = ("✓", "dim") if over else _sign(alert.severity)
        until = clock_time(alert.resolved_at, report.day, zone=zone, seconds=True) if alert.resolved_at else ""
        end = f", to {until}" if until else ""
        at = clock_time(alert.fired_at, report.day, zone=zone, seconds=True)
        title = cell(alert.title, WIDTH - 24 - len(end)).rstrip()
        yield Text.assemble(f"  {at}  ", (f"{mark} {cell(word, 8)}  ", style), title, (end, "dim"))


def _errors(report: RunReport, zone: ZoneInfo) -> Iterator[Text]:
    if not report.errors:
        return
    yield Text()
    groups = plural(len(report.errors), "group")
    yield Text.assemble(_section("ERRORS"), f"{report.error_count:,} in {groups}")
    for group in report.errors:
        yield from _error(group, report, zone)
    if report.other_errors:
        yield Text(f"  and {plural(report.other_errors, 'error')} of further kinds")


def _error(group: LoggedError, report: RunReport, zone: ZoneInfo) -> Iterator[Text]:
    at = clock_time(group.first, report.day, zone=zone, seconds=True)
    until = clock_time(group.last, report.day, zone=zone, seconds=True)
    facts = [group.component, group.severity, f"to {until}" if until != at else ""]
    head = f"  {at}  {group.count:>4,} × {plain(group.code)}  {'  '.join(map(plain, filter(None, facts)))}"  # noqa: RUF001 - "times"
    yield fitted(Text(head, style=_sign(group.severity)[1]), WIDTH)
    for text in (group.message, f"recovery action: {group.recovery}" if group.recovery else ""):
        yield from _wrapped(text, Text(" " * 19)) if text else ()


def _events(report: RunReport, zone: ZoneInfo, *, all_events: bool) -> Iterator[Text]:
    lines: list[EventLine] = report.events if all_events else report.milestones
    if not lines:
        return
    more = "" if all_events else f" ({plural(report.event_count, 'event')}: --events all)"
    what = "events" if all_events else "milestones"
    yield Text()
    yield Text.assemble(_section("EVENTS"), f"{len(lines)} {what}, newest first{more}")
    for line in lines:
        at = clock_time(line.at, report.day, zone=zone, seconds=True)
        mark, style = _sign(line.severity)
        head = f"  {at}  {mark} {cell(line.severity, 8)}  {cell(line.phase or '', 10)}  "
        times = f", {line.count:,} until {clock_time(line.until, report.day, zone=zone)}" if line.until else ""
        text = cell(line.text, WIDTH - len(head) - (len(times) if line.count > 1 else 0)).rstrip()
        yield Text.assemble((head, style), text, times if line.count > 1 else "")


def _other_runs(report: RunReport) -> Iterator[Text]:
    for name, runs in (("SAME DAY", report.same_day), ("LAST RUNS", report.runs_before)):
        if runs:
            yield Text()
            yield _section(name)
        for run in runs:
            took = f", {duration(run.seconds)}" if run.seconds is not None else ""
            words = f"  {plain(run.name)}  {plain(run.result)}{took}  {plain(run.key)}"
            yield fitted(Text(words, style=TONES.get(run.tone, "")), WIDTH)


def _section(name: str) -> Text:
    return Text(f"{name:{SECTION}}", style="bold")


def _sign(severity: str) -> tuple[str, str]:
    """Mark and style of a severity."""
    if severity in LOUD:
        return "✗", "bold red"
    return ("!", "yellow") if severity == "warning" else (" ", "")


def _wrapped(text: str, begin: Text, *, style: str = "", indent: int | None = None) -> Iterable[Text]:
    """`text` behind `begin`, wrapped at words under its own first letter; a word is never broken."""
    place = len(begin.plain)
    room = WIDTH - place
    wrapped = textwrap.wrap(plain(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    yield Text.assemble(begin, (wrapped[0], style))
    for line in wrapped[1:]:
        yield Text(f"{'':{indent or place}}{line}", style=style)
