"""An error and an alert reach each part that has to know of them; how each counts is tested with the part."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from relay.config.settings import Settings
from relay.events import Announcement, Severity
from relay.lifecycle.parts import Parts
from relay.process.clock import Clock
from tests.support.days import DUE
from tests.support.wire import event

LATER = DUE + timedelta(hours=1)
BEGIN = event("processing:status", "processing_started", DUE, run_id="r1", trigger_type="automatic")
ERROR = event("errors", "error", DUE, run_id="r1", error_code="DB", severity="error", message="locked")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = Parts(Settings.model_validate({"state_dir": tmp_path}), tmp_path / "config.yaml", Clock())
    parts.silences.add({}, LATER, DUE, everything=True)
    parts.tracker.observe([BEGIN], DUE)
    yield parts
    parts.store.close()


def test_an_error_is_known_to_run_log_history_day_and_what_is_kept_back(parts: Parts) -> None:
    parts.tracker.observe([ERROR], DUE)
    (run,) = parts.runs.open
    log = parts.run_logs.log_of(run)
    assert log is not None
    assert [group.count for group in log.errors] == [1]
    assert run.errors == 1
    assert parts.recent.errors == 1
    assert parts.summary.counts.of(DUE).errors == {"DB": 1}
    assert parts.quiet.kept_back(parts.quiet.active(DUE)[0].id) == (0, 1)


def test_an_error_begins_or_joins_an_incident(parts: Parts) -> None:
    silence = parts.quiet.active(DUE)[0]
    parts.tracker.observe([event("errors", "error", LATER, run_id="r1", error_code="DB", message="locked")], LATER)
    assert not silence.is_active(LATER)
    assert [incident.errors for incident in parts.incidents.open] == [1]


def test_an_alert_is_known_to_each_and_comes_back_with_its_incident(parts: Parts) -> None:
    payload = {"alert": "run_stalled:r1", "state": "firing", "title": "T", "message": "M"}
    alert = Announcement(
        channel="relay:alert:run_stalled", event="run_stalled", severity=Severity.ERROR, payload=payload, run_id="r1"
    )
    (seen,) = parts.tracker.announced([alert], DUE)
    assert seen.payload["incident"] == "r1"
    (run,) = parts.runs.open
    log = parts.run_logs.log_of(run)
    assert log is not None
    assert [past.key for past in log.alerts] == ["run_stalled:r1"]
    assert [past.key for past in parts.recent.alerts] == ["run_stalled:r1"]
    assert parts.summary.counts.of(DUE).alerts == 1
    assert parts.quiet.kept_back(parts.quiet.active(DUE)[0].id) == (1, 0)
