"""The demo on a terminal: runs with their phases, alerts as Slack got them, sinks and counts, on 80 by 24 cells.

It shows what the relay's own `/api/state` says and what arrived at the stand-ins; it decides nothing.
"""

from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from relay.events.wording import clock_time, duration
from relay.process.terminal import plain
from relay.status.snapshot import PhaseView, RunView, Snapshot
from tickstock_simulator.demo.notes import DemoNote, Notes

BAR = 10
ALERTS = 4
RUNS = 2
STYLES = {"completed": "green", "running": "cyan", "stalled": "red", "failed": "red", "late": "red", "missed": "red"}
WAITING = "░"
DONE = "█"


class View:
    """A live picture; the last one stays.

    Args:
        console: a terminal.
        notes: what has happened.
        footer: lines that say where to look.
        real: what the real clock of the demo says, such as `23 s of 60`.
    """

    def __init__(self, console: Console, notes: Notes, footer: list[str], real: Callable[[], str]) -> None:
        self._notes = notes
        self._footer = footer
        self._real = real
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def note(self, note: DemoNote) -> None:
        """Nothing by itself: `show` has all notes."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw anew."""
        self._live.update(self._picture(snapshot), refresh=True)

    def close(self) -> None:
        """Leave the last picture."""
        self._live.stop()

    def _picture(self, snapshot: Snapshot) -> RenderableType:
        head = Text.assemble(
            ("TickStock Relay demo", "bold"),
            f"   {clock_time(snapshot.at, named=True)}   {self._real()}",
        )
        return Group(
            _short(head),
            _short(Text(self._notes.scene, "bold yellow")),
            _rule("Runs"),
            *_runs(snapshot),
            _rule(f"Slack {len(self._notes.alerts)} messages"),
            *_alerts(self._notes.alerts),
            _rule("Sinks"),
            _sinks(snapshot),
            _rule(""),
            *(_short(Text(line, "dim")) for line in self._footer),
        )


def _rule(title: str) -> Rule:
    return Rule(Text(title, "bold"), align="left", style="dim")


def _short(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _runs(snapshot: Snapshot) -> list[RenderableType]:
    """The day's due run, and the demo's own runs; those of the days before are history."""
    found: list[RenderableType] = []
    today = snapshot.today
    style = {"bad": "red", "good": "green", "busy": "cyan", "warning": "yellow"}.get(today.mood, "")
    found.append(_short(Text(today.headline, style)))
    runs = [run for run in snapshot.runs if run.began >= snapshot.started][:RUNS]
    for run in reversed(runs):
        found += [_short(_run(run)), _phases(run)]
    return found + [Text("")] * (RUNS - len(runs)) * 2


def _run(run: RunView) -> Text:
    lasted = f" {duration(run.seconds)}" if run.seconds is not None else ""
    results = ""
    if run.patterns_detected is not None and not run.is_open:
        results = f"  {run.symbols_processed or 0:,} symbols, {run.patterns_detected:,} patterns"
    where = f"  {plain(run.last_symbol)}" if run.is_open and run.last_symbol else ""
    return Text.assemble(
        f"{clock_time(run.began, run.began)} {plain(run.trigger or 'run')}  ",
        (run.state, STYLES.get(run.state, "")),
        f"{lasted}{results}{where}",
    )


def _phases(run: RunView) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    cells: list[Text] = []
    for phase in run.phases:
        grid.add_column(no_wrap=True)
        cells.append(_phase(phase))
    grid.add_row(*cells)
    return grid


def _phase(phase: PhaseView) -> Text:
    done = 100.0 if phase.state == "completed" else phase.percent or 0.0
    full = round(done / 100 * BAR) if phase.state != "waiting" else 0
    bar = (DONE * full, STYLES.get(phase.state, "")), (WAITING * (BAR - full), "dim")
    return Text.assemble(f"{phase.name} ", *bar)


def _alerts(alerts: list[DemoNote]) -> list[RenderableType]:
    lines = [_alert(note) for note in alerts[-ALERTS:]]
    return [*lines, *[Text("")] * (ALERTS - len(lines))]


def _alert(note: DemoNote) -> Text:
    return _short(Text.assemble(("▌", note.color or ""), f"{clock_time(note.at, note.at)}  {note.text}"))


def _sinks(snapshot: Snapshot) -> Table:
    grid = Table.grid(padding=(0, 3, 0, 0))
    for justify in ("left", "right", "right", "right"):
        grid.add_column(justify="right" if justify == "right" else "left", no_wrap=True)
    for sink in snapshot.sinks:
        state = Text(f"failing: {plain(sink.error)}", "red") if sink.error else Text("ok", "green")
        counts = (f"{sink.accepted:,} accepted", f"{sink.delivered:,} delivered", f"{sink.waiting:,} wait")
        grid.add_row(Text(sink.name), *map(Text, counts), _short(state))
    return grid
