"""What `top` shows, as lines that fit a terminal of any size: nothing wraps, whatever the wire's texts hold. Pure."""

from __future__ import annotations

from datetime import datetime
from operator import lt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from relay.events.wording import clock_time, duration, figure, size, usually
from relay.process.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relay.runs.recent import ErrorGroup, PastAlert
    from relay.status.snapshot import FiringAlert, PhaseView, RunView, SinkView, Snapshot

MOOD_STYLES = {
    "good": "bold green",
    "busy": "bold cyan",
    "waiting": "bold",
    "warning": "bold yellow",
    "bad": "bold red",
}
MARKS = {"good": "✓", "busy": "▶", "waiting": "·", "warning": "!", "bad": "✗"}
STATE_STYLES = {
    "completed": "green",
    "running": "bold cyan",
    "stalled": "bold red",
    "failed": "bold red",
    "partial": "yellow",
    "cancelled": "yellow",
}
TONE_STYLES = {"good": "green", "busy": "bold cyan", "warn": "yellow", "bad": "bold red"}
LOUD = ("error", "critical", "emergency")
PHASE_STYLES = {"import": "blue", "cache": "magenta", "indicators": "cyan", "patterns": "yellow"}
BAR = 20
LEAST_HEIGHT = 12


def board(snapshot: Snapshot, width: int, height: int) -> list[Text]:
    """Lines of at most `width` cells, at most `height` of them (or `LEAST_HEIGHT`)."""
    zone = ZoneInfo(snapshot.timezone)
    top = [*_answer(snapshot, zone), Text(), *(_run(snapshot, zone) or _last_runs(snapshot, zone)), Text()]
    bottom = [*_quiet(snapshot, zone), *_intake(snapshot)]
    parts = [_alerts(snapshot, zone), _errors(snapshot, zone), _sinks(snapshot)]
    urgent = [1 + len(snapshot.firing) + len(snapshot.trouble), 1, 1 + sum(bool(sink.error) for sink in snapshot.sinks)]
    room = max(height, LEAST_HEIGHT) - len(top) - len(bottom) - 1
    shown = [_cut(part, count, width) for part, count in zip(parts, shares(parts, urgent, room), strict=True)]
    lines = [*top, *(line for part in shown for line in part), Text(), *bottom]
    return [fitted(line, width) for line in lines[: max(height, LEAST_HEIGHT)]]


def trouble(words: str, width: int) -> Text:
    """One line of bad news."""
    return fitted(Text(plain(words), style="bold white on red"), width)


def fitted(line: Text, width: int) -> Text:
    """`line` in at most `width` cells, its end cut off with an ellipsis."""
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line


def shares(parts: Sequence[list[Text]], urgent: Sequence[int], room: int) -> list[int]:
    """How many lines of each part fill `room` together: first the `urgent` ones, then each in its turn."""
    kept = [0] * len(parts)
    for limits in (urgent, [len(part) for part in parts]):
        while sum(kept) < room and any(map(lt, kept, limits)):
            for number, limit in enumerate(limits):
                kept[number] += kept[number] < limit and sum(kept) < room
    return kept


def _cut(part: list[Text], count: int, width: int) -> list[Text]:
    """The first lines; the last of them says how many more there are."""
    shown = part[:count]
    if shown and count < len(part):
        more = f"  +{len(part) - count} more"
        last = fitted(shown[-1].copy(), width - len(more))
        last.pad_right(width - len(more) - last.cell_len)
        shown[-1] = last.append(more, style="dim")
    return shown


def cell(value: object, width: int, *, right: bool = False) -> str:
    """`value` in exactly `width` cells: wide characters count for two."""
    text = plain(str(value))
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    padding = " " * (width - cell_len(text))
    return padding + text if right else text + padding


def _answer(snapshot: Snapshot, zone: ZoneInfo) -> list[Text]:
    today, now = snapshot.today, snapshot.at
    style = MOOD_STYLES[today.mood]
    head = Text.assemble(
        ("TickStock Relay ", "bold"),
        (f"{snapshot.version}   ", "dim"),
        f"{clock_time(now, now, zone=zone, seconds=True, named=True)}",
    )
    if today.next_due is not None:
        when = clock_time(today.next_due, now, zone=zone, named=True)
        coming = f"next run {when}, in {duration((today.next_due - now).total_seconds())}"
    else:
        coming = today.next_note or "no next run is planned"
    return [
        Text.assemble(head, ("   ", ""), (plain(coming), "dim")),
        Text.assemble((f"{MARKS[today.mood]} ", style), (plain(today.headline), style)),
        Text(f"  {plain(today.detail)}"),
    ]


def _run(snapshot: Snapshot, zone: ZoneInfo) -> list[Text]:
    if not snapshot.running:
        return []
    run = snapshot.running[0]
    percent = run.percent or 0.0
    facts = [f"{duration(run.seconds or 0.0)} so far"]
    if run.usual:
        facts.append(f"usually {duration(run.usual.median)}")
    if run.eta:
        facts.append(f"ends {clock_time(run.eta, run.eta, zone=zone)}")
    if len(snapshot.running) > 1:
        facts.append(f"and {len(snapshot.running) - 1} more")
    facts.append(run.run_id)
    head = Text.assemble(
        (cell("RUN", 11), "bold"),
        bar(percent, BAR, STATE_STYLES[run.state]),
        f" {percent:3.0f} %  ",
        plain(" · ".join(facts)),
    )
    return [head, *(_phase(phase, zone) for phase in run.phases)]


def _phase(phase: PhaseView, zone: ZoneInfo) -> Text:
    is_open = phase.state in ("running", "stalled")
    percent = 100.0 if phase.state == "completed" else phase.percent or 0.0
    facts = []
    if phase.seconds is not None:
        facts.append(duration(phase.seconds))
    if phase.usual:
        facts.append(f"usually {duration(phase.usual.median)}")
    if is_open and phase.eta:
        facts.append(f"ends {clock_time(phase.eta, phase.eta, zone=zone)}")
    if is_open and phase.last_symbol:
        facts.append(f"at {phase.last_symbol}")
    style = STATE_STYLES.get(phase.state, "dim")
    state = f"{percent:3.0f} %" if phase.state == "running" else phase.state
    return Text.assemble(
        cell(phase.name, 11),
        bar(percent, BAR, PHASE_STYLES.get(phase.name, "white")),
        (f" {cell(state, 10)}", style),
        (plain(" · ".join(facts)), "" if is_open else "dim"),
    )


def bar(percent: float, width: int, style: str) -> Text:
    """A bar of `width` cells."""
    full = min(width, max(0, round(percent / 100 * width)))
    return Text.assemble(("█" * full, style), ("░" * (width - full), "dim"))


def _last_runs(snapshot: Snapshot, zone: ZoneInfo) -> list[Text]:
    runs = snapshot.runs[:4]
    longest = max((run.seconds or 0.0 for run in runs), default=0.0) or 1.0
    usual = usually(snapshot.usual.median, snapshot.usual.low, snapshot.usual.high) if snapshot.usual else ""
    head = Text.assemble(("LAST RUNS  ", "bold"), (usual if runs else "none yet", "dim"))
    return [head, *(_past_run(run, longest, zone) for run in runs)]


def _past_run(run: RunView, longest: float, zone: ZoneInfo) -> Text:
    took = duration(run.seconds) if run.seconds is not None else "?"
    return Text.assemble(
        f"  {cell(clock_time(run.began, zone=zone), 17)}",
        bar(100 * (run.seconds or 0.0) / longest, BAR, "dim cyan"),
        f" {cell(took, 11, right=True)}  ",
        (plain(run.result), TONE_STYLES[run.tone]),
        "" if run.is_scheduled else ("  manual", "dim"),
    )


def _alerts(snapshot: Snapshot, zone: ZoneInfo) -> list[Text]:
    firing = [_firing(alert, snapshot.at) for alert in snapshot.firing]
    firing += [Text.assemble(("  ! ", "bold red"), plain(words)) for words in snapshot.trouble]
    past = [_past_alert(alert, zone, snapshot.at) for alert in snapshot.alerts if alert.resolved_at or alert.is_notice]
    summary = (f"{len(firing)} firing", "bold red") if firing else ("none firing", "green")
    return [Text.assemble((cell("ALERTS", 11), "bold"), summary), *firing, *past[:3]]


def _firing(alert: FiringAlert, now: datetime) -> Text:
    style = "bold red" if alert.severity in LOUD else "bold yellow"
    lasts = duration((now - alert.since).total_seconds())
    return Text.assemble(("  ! ", style), (plain(alert.title), style), (f"  {alert.severity}, for {lasts}", "dim"))


def _past_alert(alert: PastAlert, zone: ZoneInfo, now: datetime) -> Text:
    end = f"  resolved {clock_time(alert.resolved_at, now, zone=zone, named=True)}" if alert.resolved_at else ""
    return Text.assemble(("    ", ""), (plain(alert.title), "dim"), (end, "dim"))


def _errors(snapshot: Snapshot, zone: ZoneInfo) -> list[Text]:
    total = snapshot.intake.errors
    summary = (
        f"{figure(total)} since {clock_time(snapshot.started, snapshot.at, zone=zone, named=True)}"
        if total
        else "none since the start"
    )
    head = Text.assemble((cell("ERRORS", 11), "bold"), (summary, "" if total else "green"))
    return [head, *(_error(group, zone, snapshot.at) for group in snapshot.errors)]


def _error(group: ErrorGroup, zone: ZoneInfo, now: datetime) -> Text:
    style = "red" if group.severity in LOUD else "yellow"
    origin = " ".join(word for word in (group.component, group.code) if word)
    return Text.assemble(
        (f"  {cell(figure(group.count), 5, right=True)}× ", style),  # noqa: RUF001 - times
        f"{clock_time(group.last, now, zone=zone)}  {plain(group.message)}",
        (f"  {plain(origin)}", "dim"),
    )


def _sinks(snapshot: Snapshot) -> list[Text]:
    failing = sum(bool(sink.error) for sink in snapshot.sinks)
    untried = sum(sink.state == "not tried yet" for sink in snapshot.sinks)
    summary = ("all work", "green") if snapshot.sinks else ("none", "dim")
    if failing:
        summary = (f"{failing} failing", "bold red")
    elif untried:
        summary = (f"{untried} not tried yet", "dim")
    ordered = sorted(snapshot.sinks, key=lambda sink: not sink.error)
    return [Text.assemble((cell("SINKS", 11), "bold"), summary), *(_sink(sink, snapshot.at) for sink in ordered)]


def _sink(sink: SinkView, now: datetime) -> Text:
    style = {"works": "green", "not tried yet": "dim"}.get(sink.state, "red")
    waiting = f"{figure(sink.waiting)} waiting"
    if sink.oldest:
        waiting += f" since {duration((now - sink.oldest).total_seconds())}"
    lost = f" · {figure(sink.lost)} lost" if sink.lost else ""
    return Text.assemble(
        f"  {cell(sink.name, 16)} ",
        (cell(sink.state, 14), style),
        f"{figure(sink.delivered)} delivered · {waiting}{lost}",
        (f"  {plain(sink.error)}", "red"),
    )


def _quiet(snapshot: Snapshot, zone: ZoneInfo) -> list[Text]:
    """What keeps alerts and errors from people now: the one that ends first."""
    if not snapshot.quiet:
        return []
    first, more = snapshot.quiet[0], len(snapshot.quiet) - 1
    what = "maintenance, " if first.is_maintenance else ""
    words = f"{what}until {clock_time(first.until, snapshot.at, zone=zone, named=True)} {first.why}"
    return [Text.assemble((cell("QUIET", 11), "bold"), (plain(words), "yellow"), f"   +{more} more" if more else "")]


def _intake(snapshot: Snapshot) -> list[Text]:
    view = snapshot.intake
    subscribed = ("subscribed", "green") if view.subscribed else (plain(view.reason) or "not subscribed", "bold red")
    facts = [
        f"{figure(round(view.rate, 1))} events/s",
        f"lag {view.lag:.1f} s" if view.lag else "no lag",
        f"{figure(view.gaps)} gaps" if view.gaps else "no gaps",
    ]
    if view.unread_bytes:
        facts.insert(2, f"{size(view.unread_bytes)} unread")
    api = {"answers": ("API answers", "green"), "fails": ("API does not answer", "bold red")}
    shown = api.get(view.api, ("API not asked", "dim"))
    return [Text.assemble((cell("INTAKE", 11), "bold"), subscribed, f" · {' · '.join(facts)} · ", shown)]
