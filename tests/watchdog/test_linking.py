"""Which page, runbook and dashboard go with what the relay says."""

from typing import Any

import pytest

from relay.config.links import Links, LinksOptions
from relay.events import Announcement
from relay.watchdog.linking import linked

BASE = "https://relay.example"
LINKS = Links(
    LinksOptions(
        public_url=BASE,
        runbook="https://wiki.example/relay#{alert}",
        dashboard="https://grafana.example/d/relay?from={from_ms}&to={to_ms}",
    ),
    "production",
)
RUN = "2ec03b4d-4377-4f80-ab12-03488823563f"


def payload_of(channel: str, links: Links = LINKS, run_id: str | None = None, **payload: Any) -> dict[str, Any]:
    event = channel.rpartition(":")[2]
    return linked(Announcement(channel=channel, event=event, payload=payload, run_id=run_id), links).payload


@pytest.mark.parametrize(
    ("channel", "run_id", "payload", "page"),
    [
        ("relay:alert:run_failed", RUN, {"alert": f"run_failed:{RUN}"}, f"/runs/{RUN}"),
        ("relay:run:started", RUN, {"run_date": "2025-01-27"}, f"/runs/{RUN}"),
        ("relay:run:late", None, {"run_date": "2025-01-27"}, "/runs/2025-01-27"),
        ("relay:alert:never_started", None, {"alert": "x", "facts": {"run_date": "2025-01-27"}}, "/runs/2025-01-27"),
        ("relay:alert:not_subscribed", None, {"alert": "not_subscribed"}, "/#intake"),
        ("relay:alert:sink_failing", None, {"alert": "sink_failing:ops"}, "/#sinks"),
        ("relay:alert:api_unreachable", None, {"alert": "api_unreachable"}, "/#alerts"),
        ("relay:gap", None, {"title": "Gap"}, "/#intake"),
        ("relay:operator:reload", None, {}, "/"),
        ("relay:alert:incident", RUN, {"incident": RUN}, f"/runs/{RUN}"),
        ("relay:alert:incident", None, {"incident": "day:2025-01-27", "day": "2025-01-27"}, "/runs/2025-01-27"),
        ("relay:alert:incident", None, {"incident": "error:BAD_RESPONSE"}, "/#errors"),
        ("relay:alert:incident", None, {"incident": "not_subscribed"}, "/#intake"),
    ],
)
def test_each_relay_event_leads_to_its_page(
    channel: str, run_id: str | None, payload: dict[str, Any], page: str
) -> None:
    assert payload_of(channel, run_id=run_id, **payload)["url"] == BASE + page


def test_without_links_nothing_changes() -> None:
    announcement = Announcement(channel="relay:alert:incident", event="incident", payload={"incident": "x"}, run_id=RUN)
    assert linked(announcement, Links()) is announcement


def test_what_an_event_brings_itself_stays() -> None:
    assert payload_of("relay:gap", url="https://elsewhere.example")["url"] == "https://elsewhere.example"


def test_an_incident_has_runbook_dashboard_and_the_other_runs_pages() -> None:
    payload = payload_of(
        "relay:alert:incident",
        run_id=RUN,
        incident=RUN,
        url=None,
        began="2025-01-27T21:28:04Z",
        run={"run_id": RUN, "began": "2025-01-27T21:10:00Z"},
        alerts=[
            {"name": "run_stalled", "severity": "error", "state": "cleared", "fired": "2025-01-27T21:28:04Z"},
            {"name": "error_rate", "severity": "error", "state": "firing", "fired": "2025-01-27T21:39:35Z"},
            {"name": "run_failed", "severity": "critical", "state": "firing", "fired": "2025-01-27T21:42:08Z"},
        ],
        again={"run_id": "869e3b68", "url": None},
        cleared=None,
    )
    assert payload["runbook"] == "https://wiki.example/relay#run_failed"
    assert payload["dashboard"] == "https://grafana.example/d/relay?from=1738011300000&to=now"
    assert payload["again"] == {"run_id": "869e3b68", "url": f"{BASE}/runs/869e3b68"}
    assert payload["cleared"] is None
    assert payload["source"] == "production"


def test_an_incident_that_is_over_shows_its_own_time_and_who_cleared_it() -> None:
    payload = payload_of(
        "relay:alert:incident",
        run_id=RUN,
        incident=RUN,
        ended="2025-01-27T22:37:29Z",
        run={"began": "2025-01-27T21:10:00Z"},
        alerts=[{"name": "run_failed", "severity": "critical", "state": "cleared", "fired": "2025-01-27T21:42:08Z"}],
        cleared={"by_run_id": "869e3b68", "by_url": None, "text": "Cleared by the 17:02 run."},
    )
    assert payload["runbook"] == "https://wiki.example/relay#run_failed"
    assert payload["dashboard"] == "https://grafana.example/d/relay?from=1738011300000&to=1738018349000"
    assert payload["cleared"]["by_url"] == f"{BASE}/runs/869e3b68"
    assert payload["cleared"]["text"] == "Cleared by the 17:02 run."


@pytest.mark.parametrize(
    ("alerts", "name"),
    [
        ([("a", "error", "firing", "1"), ("b", "critical", "cleared", "2")], "a"),
        ([("a", "error", "firing", "1"), ("b", "critical", "firing", "0")], "b"),
        ([("a", "error", "firing", "1"), ("b", "error", "firing", "2"), ("c", "error", "firing", "0")], "b"),
        ([("a", "odd", "firing", "1"), ("b", "debug", "firing", "0")], "b"),
    ],
)
def test_the_runbook_is_that_of_the_worst_alert_that_fires_and_of_equals_the_newest(
    alerts: list[tuple[str, str, str, str]], name: str
) -> None:
    given: list[Any] = [dict(zip(("name", "severity", "state", "fired"), one, strict=True)) for one in alerts]
    payload = payload_of("relay:alert:incident", incident="x", alerts=["odd", *given])
    assert payload["runbook"] == f"https://wiki.example/relay#{name}"


def test_an_incident_without_a_run_has_a_dashboard_from_where_it_began_and_no_runbook_without_an_alert() -> None:
    payload = payload_of("relay:alert:incident", incident="x", began="2025-01-27T21:28:04Z", alerts=None, again="odd")
    assert payload["dashboard"].startswith("https://grafana.example/d/relay?from=17380")
    assert "runbook" not in payload
    assert payload["again"] == "odd"
    assert "cleared" not in payload
