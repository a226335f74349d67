"""That a sink fails is told through another one that alerts people, when the routes lead to the failing one alone."""

from types import SimpleNamespace
from typing import Any

import pytest

from relay.config.settings import RouteOptions
from relay.events import Announcement, Event, Severity
from relay.lanes.detour import detour
from relay.routing import Routes
from tests.support.wire import utc

ALERTING = {"archive": False, "app": False, "ops": True, "phone": True, "boss": True}
SHOW_INCIDENTS = {"ops", "boss"}
LANES: Any = {
    name: SimpleNamespace(name=name, sink=SimpleNamespace(alerting=alerting, renders_incidents=name in SHOW_INCIDENTS))
    for name, alerting in ALERTING.items()
}


def alert(name: str, key: str, channel: str = "", **payload: Any) -> Event:
    announcement = Announcement(
        channel=channel or f"relay:alert:{name}",
        event=name,
        severity=Severity.ERROR,
        payload={"alert": key, "state": "firing", **payload},
    )
    return announcement.as_event("r1", 1, utc("2025-01-27 21:15"))


def beside(event: Event, *to: str, lanes: Any = None) -> list[str]:
    """The sinks that get it although no route says so, when all alerts go `to` these."""
    routes = Routes([RouteOptions(name="alerts", match={"channel": "relay:alert:*"}, to=list(to))])
    return [lane.name for lane in detour(event, routes, lanes or LANES)]


def incident(sink: str, **more: Any) -> Event:
    """The state of the incident that an alert about a sink makes."""
    found = alert("incident", "", incident=f"sink_failing:{sink}", **more)
    del found.payload["alert"]
    return found


@pytest.mark.parametrize("name", ["sink_failing", "events_lost"])
def test_the_other_sinks_that_alert_people_get_it_as_they_show_it(name: str) -> None:
    assert beside(alert(name, f"{name}:ops", incident=f"{name}:ops"), "archive", "app", "ops") == ["phone"]
    assert beside(alert(name, f"{name}:app"), "archive") == ["phone"]
    assert beside(incident("ops"), "archive", "app", "ops") == ["boss"]
    assert beside(incident("app"), "archive") == ["ops", "boss"]


def test_its_end_goes_the_same_way() -> None:
    assert beside(alert("sink_failing", "sink_failing:ops", state="resolved"), "ops") == ["phone"]
    assert beside(incident("ops", state="over"), "ops") == ["boss"]


@pytest.mark.parametrize("other", ["phone", "boss"])
def test_nothing_is_added_where_the_routes_reach_another_one(other: str) -> None:
    assert beside(alert("sink_failing", "sink_failing:ops"), "ops", other) == []
    assert beside(incident("ops"), "ops", other) == []


def test_a_route_for_the_single_alert_alone_is_enough() -> None:
    routes = Routes([RouteOptions(name="one", match={"channel": "relay:alert:sink_failing"}, to=["boss"])])
    assert detour(incident("ops"), routes, LANES) == []
    assert detour(alert("sink_failing", "sink_failing:ops"), routes, LANES) == []


@pytest.mark.parametrize(
    ("match", "added"),
    [
        ({"event": "sink_failing"}, []),
        ({"event": "incident"}, []),
        ({"event": "events_lost"}, ["phone"]),
        ({"severity": "error"}, []),
        ({"severity": "critical"}, ["phone"]),
        ({"source": "tickstock-relay", "version": "1.0"}, []),
        ({"source": "other"}, ["phone"]),
    ],
)
def test_routes_are_asked_with_all_that_they_may_ask_for(match: dict[str, Any], added: list[str]) -> None:
    options = [RouteOptions(name="one", match=match, to=["boss"]), RouteOptions(name="all", to=["ops"])]
    assert [lane.name for lane in detour(alert("sink_failing", "sink_failing:ops"), Routes(options), LANES)] == added


def test_nothing_is_added_where_there_is_no_other_one() -> None:
    lanes = {name: LANES[name] for name in ("archive", "app", "ops")}
    assert beside(alert("sink_failing", "sink_failing:ops"), "ops", lanes=lanes) == []


@pytest.mark.parametrize(
    "event",
    [
        alert("run_failed", "run_failed:ops"),
        alert("sink_failing", "sink_failing"),
        alert("sink_failing", "sink_failing:ops", channel="tickstock:alerts:x"),
    ],
)
def test_only_alerts_about_sinks_take_that_way(event: Event) -> None:
    assert beside(event, "archive") == []


def test_a_throttle_that_holds_it_back_is_not_counted_by_looking() -> None:
    options = RouteOptions.model_validate({"name": "alerts", "to": ["phone"], "throttle": {"every": "1h"}})
    routes = Routes([options])
    assert detour(alert("sink_failing", "sink_failing:ops"), routes, LANES) == []
    assert routes.sinks_for(alert("sink_failing", "sink_failing:ops")) == ("phone",)
