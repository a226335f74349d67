"""That a sink is failing must not be told through that sink alone: the way round it, where there is one. Pure."""

from collections.abc import Mapping

from relay.events import Event
from relay.lanes.lane import Lane
from relay.routing import Routes, explain

ABOUT_SINKS = ("sink_failing", "events_lost")
"""Alerts whose key names a sink behind a colon."""


def detour(event: Event, routes: Routes, lanes: Mapping[str, Lane]) -> list[Lane]:
    """The lanes that are to get an alert about a sink besides those that its routes lead to.

    None when the routes reach a sink that alerts people and is not the failing one; else all such sinks. It does not
    look at how the sinks are now, so an alert's end goes where its beginning went.
    """
    failing = _failing_sink(event)
    if failing is None:
        return []
    reached = {sink for verdict in explain(routes, event) if verdict.matches for sink in verdict.route.sinks}
    others = [lane for name, lane in lanes.items() if name != failing and lane.sink.alerting]
    return [] if any(lane.name in reached for lane in others) else others


def _failing_sink(event: Event) -> str | None:
    """The sink that an alert, or the incident that it makes, is about."""
    if not event.channel.startswith("relay:alert:"):
        return None
    key = event.payload.get("alert") or event.payload.get("incident")
    name, _, sink = key.partition(":") if isinstance(key, str) else ("", "", "")
    return sink if name in ABOUT_SINKS and sink else None
