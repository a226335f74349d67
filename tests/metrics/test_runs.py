"""The gauges of runs, schedule and watchdog, as a scrape finds them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client.core import Metric

from relay.config.settings import Settings
from relay.config.watchdog import ScheduleOptions
from relay.lifecycle.parts import Parts
from relay.metrics.runs import RunMetrics
from relay.runs.runs import Runs
from relay.store.shelf import MemoryShelf, Shelf
from relay.tickstockpl.models import Schedule
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import ApiState
from relay.watchdog.result_check import WORDS, ResultCheck
from relay.watchdog.run_schedule import RunSchedule
from tests.support.shapes import plain_ink, run_messages
from tests.support.wire import a_run, event, read, utc
from tickstock_simulator.flow import Run as SimulatedRun
from tickstock_simulator.flow import ending

START = utc("2025-01-27 21:10")
DONE = START.timestamp() + 2100


@dataclass
class Watching:
    """The watch's side of it."""

    api: ApiState = field(default_factory=ApiState)


@dataclass
class Watched:
    """What the collector reads of a daemon."""

    runs: Runs
    alerts: Alerts
    settings: Settings
    run_schedule: RunSchedule
    watch: Watching = field(default_factory=Watching)

    def samples(self) -> dict[str, float]:
        """Every sample, as Prometheus writes names and labels."""
        collected = RunMetrics(cast("Parts", self)).collect()
        return {_name(metric, sample.labels): sample.value for metric in collected for sample in metric.samples}

    def judge(self, now: datetime) -> None:
        """The watchdog's look at what has ended."""
        ResultCheck(self.runs, self.alerts).tick(now, self.settings.watchdog)


def _name(metric: Metric, labels: dict[str, str]) -> str:
    written = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return metric.name.removeprefix("tickstock_") + (f"{{{written}}}" if written else "")


def parts(shelf: Shelf | None = None) -> Watched:
    run_schedule = RunSchedule(ScheduleOptions(), MemoryShelf())
    run_schedule.advance(START - timedelta(hours=1))
    return Watched(Runs(shelf or MemoryShelf()), Alerts(MemoryShelf()), Settings(), run_schedule)


def hear_a_run(runs: Runs, start: datetime = START, *, until: float = 1e9, run_id: str = "r1") -> None:
    for message in run_messages(SimulatedRun(run_id, items=0), start):
        if message.offset <= until:
            now = start + timedelta(seconds=message.offset)
            runs.observe(read(message.channel, message.body, now), now)


def test_before_any_run_there_are_states_and_no_times() -> None:
    samples = parts().samples()
    assert samples["run_in_progress"] == 0
    assert {samples[f'run_last_status{{status="{state}"}}'] for state in ("running", "completed", "failed")} == {0}
    assert samples['phase_progress_ratio{phase="patterns"}'] == 0
    never = ("run_last_duration", "run_last_start", "run_last_completion", "phase_last", "symbols", "watchdog_last")
    assert [name for name in samples if name.startswith(never)] == []


def test_a_run_that_goes_on_shows_how_far_each_phase_is() -> None:
    relay = parts()
    hear_a_run(relay.runs, until=720)  # a quarter of the indicators
    samples = relay.samples()
    assert samples["run_in_progress"] == 1
    assert samples["run_last_start_timestamp_seconds"] == START.timestamp()
    assert samples['run_last_status{status="running"}'] == 1
    assert samples['phase_progress_ratio{phase="import"}'] == 1
    assert samples['phase_progress_ratio{phase="indicators"}'] == 0.25
    assert samples['phase_progress_ratio{phase="patterns"}'] == 0
    assert samples['phase_last_duration_seconds{phase="import"}'] == 600
    assert 'phase_last_duration_seconds{phase="patterns"}' not in samples
    assert "run_last_completion_timestamp_seconds" not in samples


def test_a_run_that_has_ended_leaves_what_it_took_and_what_it_did_also_after_a_restart() -> None:
    shelf = MemoryShelf()
    before = parts(shelf)
    hear_a_run(before.runs)
    before.judge(START + timedelta(hours=1))
    samples = parts(shelf).samples()
    assert samples["run_in_progress"] == 0
    assert samples["run_last_duration_seconds"] == 2100
    assert samples["run_last_completion_timestamp_seconds"] == DONE
    assert samples['run_last_status{status="completed"}'] == 1
    durations = [samples[f'phase_last_duration_seconds{{phase="{phase}"}}'] for phase in ("import", "patterns")]
    assert durations == [600, 1200]
    counts = [samples[name] for name in ("symbols_processed", "indicators_calculated", "patterns_detected")]
    assert counts == [505, 7575, 1250]


def test_a_failed_run_is_the_last_status_but_neither_the_last_completion_nor_a_phase_s_duration() -> None:
    relay = parts()
    hear_a_run(relay.runs)
    relay.judge(START + timedelta(hours=1))
    later = START + timedelta(days=1)
    hear_a_run(relay.runs, later, until=700, run_id="r2")
    end = plain_ink(later).write(ending(SimulatedRun("r2", items=0), "failed", 700, phases_done=2))
    now = later + timedelta(seconds=700)
    relay.runs.observe(read(end.channel, end.body, now), now)
    samples = relay.samples()
    assert samples['run_last_status{status="failed"}'] == 1
    assert samples['run_last_status{status="completed"}'] == 0
    assert samples["run_last_completion_timestamp_seconds"] == DONE
    assert samples["run_last_duration_seconds"] == 700
    assert samples['phase_last_duration_seconds{phase="indicators"}'] == 240


def ended(relay: Watched, start: datetime, run_id: str, **more: Any) -> dict[str, float]:
    """The samples after one more run."""
    for one in a_run(start, run_id, **more):
        relay.runs.observe(one, one.received)
    relay.judge(start + timedelta(hours=1))
    return relay.samples()


ZERO = {"symbols_processed": 0, "patterns_detected": 0, "indicators_calculated": 0}


@pytest.mark.parametrize(
    ("result", "value", "finding"),
    [
        ({}, 1.0, None),
        ({"status": "failed"}, 0.0, "run_failed"),
        ({"status": "cancelled"}, 0.0, "run_cancelled"),
        (ZERO, 0.0, "zero_results"),
        ({"status": "partial"}, 0.5, "run_partial"),
        ({"symbols_failed": 100}, 0.5, "low_success_rate"),
        ({"patterns_detected": 9}, None, "claims_differ"),
    ],
)
def test_whether_the_data_is_usable_stays_until_the_next_run_has_ended(
    result: dict[str, Any], value: float | None, finding: str | None
) -> None:
    relay = parts()
    assert "data_usable" not in relay.samples()
    events = a_run(START, "r1", **result)
    if finding == "claims_differ":
        progress = event(
            "patterns:progress", "pattern_progress", events[-1].received, run_id="r1", patterns_detected=900
        )
        events.insert(-2, progress)
    for one in events:
        relay.runs.observe(one, one.received)
    relay.judge(START + timedelta(hours=1))
    samples = relay.samples()
    assert samples.get("data_usable") == value
    found = [name for name in WORDS if samples[f'run_last_finding{{finding="{name}"}}']]
    assert found[:1] == ([finding] if finding else [])
    is_sound = finding in (None, "claims_differ")
    assert samples.get("run_last_completion_timestamp_seconds") == (DONE if is_sound else None)
    for one in a_run(START + timedelta(hours=2), "r2")[:6]:
        relay.runs.observe(one, one.received)
    assert relay.samples().get("data_usable") == value, "while a run goes on"


def test_what_is_wrong_is_not_over_by_a_run_of_which_it_is_not_known() -> None:
    relay = parts()
    assert ended(relay, START, "r1", status="failed")["data_usable"] == 0
    for one in a_run(START + timedelta(hours=2), "r2"):
        name = one.event.replace("completed", "failed") if one.event == "cache_completed" else one.event
        relay.runs.observe(event(f"{one.domain}:{one.action}", name, one.received, **one.payload), one.received)
    relay.judge(START + timedelta(hours=3))
    samples = relay.samples()
    assert samples['run_last_finding{finding="result_unclear"}'] == 1
    assert samples["data_usable"] == 0
    assert ended(relay, START + timedelta(hours=4), "r3")["data_usable"] == 1


def test_a_run_of_some_phases_says_nothing_of_the_day_s_data() -> None:
    relay = parts()
    assert ended(relay, START, "r1", status="failed")["data_usable"] == 0
    some = {"trigger_type": "manual", "phases": ["import", "cache", "indicators"]}
    later = START + timedelta(hours=2)
    samples = ended(relay, later, "r2", start_with=some)
    assert samples["data_usable"] == 0
    assert "run_last_completion_timestamp_seconds" not in samples


def test_the_newest_run_counts_though_an_older_one_still_goes_on() -> None:
    relay = parts()
    for one in a_run(START)[:3]:
        relay.runs.observe(one, one.received)
    hear_a_run(relay.runs, START + timedelta(hours=1), run_id="r2")
    samples = relay.samples()
    assert samples["run_in_progress"] == 1
    assert samples['run_last_status{status="completed"}'] == 1
    assert samples['phase_progress_ratio{phase="patterns"}'] == 0, "of the run that goes on"


def test_the_watchdog_s_day_and_the_next_run_are_shown() -> None:
    relay = parts()
    samples = relay.samples()
    assert samples["watchdog_enabled"] == 1
    assert samples["schedule_next_run_timestamp_seconds"] == START.timestamp()
    assert "watchdog_last_due_timestamp_seconds" not in samples
    relay.run_schedule.advance(START)
    relay.alerts.set("never_started:2025-01-27", True, START, title="The run has not started")
    samples = relay.samples()
    assert samples["watchdog_last_due_timestamp_seconds"] == START.timestamp()
    assert samples['watchdog_run_state{state="due"}'] == 1
    assert samples["schedule_next_run_timestamp_seconds"] == (START + timedelta(days=1)).timestamp()
    assert samples['watchdog_alerts_firing{alert="never_started"}'] == 1


def test_no_next_run_is_promised_while_the_schedule_is_switched_off() -> None:
    relay = parts()
    relay.run_schedule.learn(Schedule(enabled=False), START, START)
    samples = relay.samples()
    assert samples["schedule_enabled"] == 0
    assert "schedule_next_run_timestamp_seconds" not in samples


def test_whether_the_api_answers_is_shown_and_since_when_it_does_not() -> None:
    relay = parts()
    assert relay.samples()["watchdog_api_up"] == 0
    relay.watch.api = ApiState(answered_at=START)
    assert relay.samples()["watchdog_api_up"] == 1
    relay.watch.api = ApiState(answered_at=START, failing_since=START + timedelta(minutes=1))
    samples = relay.samples()
    assert samples["watchdog_api_up"] == 0
    assert samples["watchdog_api_last_answer_timestamp_seconds"] == START.timestamp()
