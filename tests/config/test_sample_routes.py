"""The routes of the sample configuration, Slack switched on: people are told each trouble, and none twice."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay.config.settings import RouteOptions
from relay.events import Announcement, Event, Mark, Severity
from relay.routing import Routes
from tests.support.days import DUE, a_run, world
from tests.support.shapes import plain_ink
from tests.support.wire import event, read, upto
from tickstock_simulator.disturbance import failure
from tickstock_simulator.flow import Run, ending

SAMPLE = Path(__file__).parents[2] / "config.yaml"


def switched_on() -> Routes:
    """The sample's routes; a sign before a word was deleted, as its head says."""
    text = re.sub(r"(?m)^( *)#(?=[\w-])", r"\1", SAMPLE.read_text(encoding="utf-8"))
    routes = text.partition("\nroutes:\n")[2].partition("\n# ---")[0]
    found = yaml.safe_load(f"routes:\n{routes}\n")
    return Routes([RouteOptions.model_validate(route) for route in found["routes"]])


ROUTES = switched_on()


def is_told(one: Event) -> bool:
    return "ops-slack" in ROUTES.sinks_for(one)


def announced(channel: str, name: str, severity: Severity, **payload: Any) -> Event:
    announcement = Announcement(channel=channel, event=name, severity=severity, payload=payload)
    return announcement.as_event("r1", 1, DUE)


@pytest.mark.parametrize(
    ("channel", "severity"),
    [
        ("relay:alert:not_subscribed", Severity.ERROR),
        ("relay:alert:gap", Severity.WARNING),
        ("relay:alert:sink_failing", Severity.ERROR),
        ("relay:alert:run_cancelled", Severity.WARNING),
        ("relay:alert:incident", Severity.CRITICAL),
    ],
)
def test_what_the_relay_has_to_say_to_people_is_told(channel: str, severity: Severity) -> None:
    assert is_told(announced(channel, channel.rpartition(":")[2], severity))


@pytest.mark.parametrize(
    ("channel", "name", "severity"),
    [
        ("relay:gap", "gap", Severity.WARNING),
        ("relay:run:failed", "run_failed", Severity.INFO),
        ("relay:run:missed", "run_missed", Severity.INFO),
        ("relay:operator:trigger", "operator_trigger", Severity.INFO),
    ],
)
def test_the_facts_behind_it_are_not_told_again(channel: str, name: str, severity: Severity) -> None:
    assert not is_told(announced(channel, name, severity))


@pytest.mark.parametrize("phase", ["import", "indicators", "patterns"])
def test_a_run_that_fails_is_its_alert_and_its_error(phase: str) -> None:
    """Not also an `Error in daily_scheduler: Processing completed`."""
    run, at = Run("r1", items=0), DUE + timedelta(minutes=3)
    ink = plain_ink(DUE)
    wire = [ink.write(failure(run, phase, 180)), ink.write(ending(run, "failed", 180, phases_done=1))]
    day = world()
    day.play([*upto(a_run(DUE), "import_progress"), *(read(one.channel, one.body, at) for one in wire)])
    day.pass_(5)
    events = [read(one.channel, one.body, at) for one in wire]
    events += [announcement.as_event("r1", 1, at) for _, announcement in day.announcements]
    assert [one.event for one in events if is_told(one)] == ["critical_error", "run_failed"]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("processing_completed", {"status": "failed"}),
        ("daily_processing_completed", {"status": "error"}),
        ("processing_failed", {}),
        ("import_failed", {}),
        ("indicator_processing_completed", {"status": "failed"}),
    ],
)
def test_the_end_of_a_run_or_phase_is_no_trouble_of_its_own(name: str, payload: dict[str, Any]) -> None:
    domain = {"im": "import:failed", "in": "indicators:completed"}.get(name[:2], "processing:status")
    assert not is_told(event(domain, name, DUE, run_id="r1", **payload))


@pytest.mark.parametrize("severity", ["error", "critical"])
def test_an_error_from_anywhere_is_told(severity: str) -> None:
    assert is_told(event("errors", "error", DUE, component="data_import", severity=severity))
    assert is_told(event("job:status", "job_failed", DUE, severity=severity))
    assert not is_told(event("errors", "error", DUE, component="data_import", severity="warning"))


def test_a_probe_is_routed_and_left_out_by_the_lane() -> None:
    probe = event("errors", "error", DUE, component="x", severity="error", test=True)
    assert probe.has(Mark.TEST)
    assert is_told(probe)
