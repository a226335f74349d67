"""The rule of the missed run as a property: in whatever order things come, there is evidence or an alert in time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from relay.runs.signals import State
from relay.tickstockpl.models import HistoryRun, Status
from tests.support.days import DUE, world
from tests.support.examples import examples
from tests.support.wire import event
from tests.support.world import IDLE, World

BEGINS = DUE - timedelta(minutes=35)
PATIENCE_OVER = DUE + timedelta(minutes=8)
YESTERDAY = DUE - timedelta(days=1)
DAYS_RUN: dict[str, Any] = {"run_id": "r1", "run_date": "2025-01-27"}


@dataclass
class Scene:
    """A world in which anything happens, and what of it proves that the day's run has started."""

    day: World
    proof: bool = False
    """Something that is evidence by itself was seen: a start, a status or a row of the run of this day."""
    trace: bool = False
    """Events of phases without a start came."""
    started_at: datetime = BEGINS
    """When the relay's process began."""

    def do(self, what: str) -> None:
        getattr(self, what)()

    def _hear(self, channel: str, name: str, *, stamp: datetime | None = None, **payload: Any) -> bool:
        day = self.day
        day.hear(event(channel, name, day.now, stamp=stamp, **payload))
        return day.is_alive and not day.is_disconnected

    def starts(self) -> None:
        self.proof |= self._hear("processing:status", "processing_started", **DAYS_RUN) and self.in_time

    def phase_of_the_run(self) -> None:
        self.proof |= self._hear("import:progress", "import_progress", **DAYS_RUN) and self.in_time

    def phase_of_no_run(self) -> None:
        self.trace |= self._hear("import:progress", "import_progress")

    def yesterdays_start_again(self) -> None:
        self._hear("processing:status", "processing_started", stamp=YESTERDAY, run_id="r0", run_date="2025-01-26")

    def yesterdays_phase_again(self) -> None:
        self._hear("cache:started", "cache_started", stamp=YESTERDAY)

    def api_down(self) -> None:
        self.day.api_up = False

    def api_up(self) -> None:
        self.day.api_up = True

    def history_broken(self) -> None:
        self.day.history_works = False

    def history_works(self) -> None:
        self.day.history_works = True

    def idle(self) -> None:
        self.day.status = IDLE

    def unclear(self) -> None:
        self.day.status = Status(is_running=None)

    def another(self) -> None:
        self.day.status = Status(is_running=True, run_id="r0", start_time=YESTERDAY)

    def ours(self) -> None:
        self.day.status = Status(is_running=True, run_id="r1", start_time=self.day.now)
        self.proof |= self.in_time  # if it is ever read

    def row(self) -> None:
        self.day.history = [HistoryRun("r1", None, self.day.now, None, "running")]
        self.proof |= self.in_time

    def old_row(self) -> None:
        self.day.history = [HistoryRun("r0", None, YESTERDAY, YESTERDAY + timedelta(minutes=35), "completed")]

    def gap_begins(self) -> None:
        self.day.is_disconnected = True
        self.day.watchdog.note_connection(None)

    def gap_ends(self) -> None:
        self.day.is_disconnected = False
        self.day.watchdog.note_connection(self.day.now, gap=(BEGINS, self.day.now))

    def restart(self) -> None:
        self.day.start_relay()
        self.started_at = self.day.now

    def clock_step(self) -> None:
        self.day.watchdog.clock_stepped(self.day.now)
        self.started_at = self.day.now

    @property
    def in_time(self) -> bool:
        return self.day.now >= DUE - timedelta(minutes=30)


HAPPENINGS = [name for name in vars(Scene) if not name.startswith("_") and name not in ("do", "in_time")]
HAPPENINGS = [name for name in HAPPENINGS if callable(getattr(Scene, name))]
EVENTLESS = [name for name in HAPPENINGS if name not in ("starts", "phase_of_the_run", "ours", "row")]
moments = st.integers(0, 42 * 6).map(lambda tens: BEGINS + timedelta(seconds=10 * tens))
timelines = st.lists(st.tuples(moments, st.sampled_from(HAPPENINGS)), max_size=14)
without_a_run = st.lists(st.tuples(moments, st.sampled_from(EVENTLESS)), max_size=14)
Timeline = list[tuple[datetime, str]]


def played(timeline: Timeline) -> Scene:
    """Let it all happen, and wait until the patience is over."""
    scene = Scene(world(f"{BEGINS:%Y-%m-%d %H:%M}"))
    for at, what in sorted(timeline):
        scene.day.until(at, 10)
        scene.do(what)
    scene.day.until(max(PATIENCE_OVER, scene.started_at + timedelta(minutes=3)) + timedelta(seconds=10), 10)
    return scene


def is_reported(day: World) -> bool:
    return any(alert.name == "never_started" for alert in day.alerts.firing())


@given(timelines)
@examples(150)
@example([(DUE - timedelta(minutes=2), "gap_begins"), (DUE, "gap_ends"), (DUE, "history_broken"), (DUE, "idle")])
@example([(DUE, "gap_begins"), (DUE, "api_down"), (DUE + timedelta(minutes=7), "restart")])
@example([(DUE + timedelta(minutes=1), "yesterdays_start_again"), (DUE, "api_down")])
def test_there_is_evidence_or_an_alert_when_the_patience_is_over(timeline: Timeline) -> None:
    scene = played(timeline)
    scheduled = scene.day.watchdog.run_schedule.current
    assert scheduled is not None
    has_started = scheduled.state is State.RUNNING
    assert has_started is not is_reported(scene.day)
    if has_started:
        assert scene.proof or scene.trace


@given(without_a_run)
@examples(100)
def test_nothing_but_a_run_of_this_day_keeps_the_alert_away(timeline: Timeline) -> None:
    scene = played([one for one in timeline if one[1] != "phase_of_no_run"])
    assert is_reported(scene.day)


@given(timelines)
@examples(100)
def test_a_run_that_was_heard_is_never_called_missing(timeline: Timeline) -> None:
    beside = ("gap_begins", "starts", "phase_of_the_run", "ours", "row")  # an id known before the window is no evidence
    scene = played([*[one for one in timeline if one[1] not in beside], (DUE + timedelta(seconds=5), "starts")])
    assert [alert for alert in scene.day.alerts_announced if alert.startswith("never_started firing")] == []
