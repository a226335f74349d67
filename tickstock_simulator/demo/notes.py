"""What happened in the demo, in order, for whoever shows it: scenes, TickStockPL's doings, alerts as Slack got them.

Only facts; how they look is for `lines` and `view`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from relay.process.terminal import plain
from tickstock_simulator.slack_messages import SlackMessage

SHOWN = {
    "run_started": "run {run_id} starts ({trigger_type})",
    "phase_started": "{phase} starts",
    "phase_completed": "{phase} completed",
    "run_ended": "run {run_id} {status}",
    "run_never_starts": "starts no run: its scheduler is dead",
    "faults_changed": "",
    "broken": "the stand-in is broken: {why}",
}


@dataclass(frozen=True, slots=True)
class DemoNote:
    """One thing that happened. `kind` is `scene`, `tickstockpl` or `slack`."""

    at: datetime
    kind: str
    text: str
    color: str | None = None


@dataclass
class Notes:
    """Collects; `listener` is told each note as it comes."""

    now: Callable[[], datetime]
    listener: Callable[[DemoNote], None]
    alerts: list[DemoNote] = field(default_factory=list)
    scene: str = "The parts come up"
    _shown: int = 0

    def tell_scene(self, text: str) -> None:
        """A scene begins."""
        self.scene = text
        self.listener(DemoNote(self.now(), "scene", text))

    def say(self, event: str, **facts: object) -> None:
        """The TickStockPL stand-in says what it does."""
        if text := SHOWN.get(event, ""):
            known = {"run_id": "?", "trigger_type": "?", "phase": "?", "status": "?", "why": "?"} | facts
            known["run_id"] = str(known["run_id"])[:8]
            self.listener(DemoNote(self.now(), "tickstockpl", plain(text.format(**known))))

    def slack(self, messages: list[SlackMessage]) -> None:
        """Take the messages that have arrived since the last time."""
        for message in messages[self._shown :]:
            note = DemoNote(self.now(), "slack", plain(message.text.replace("*", "")), message.color)
            self.alerts.append(note)
            self.listener(note)
        self._shown = len(messages)
