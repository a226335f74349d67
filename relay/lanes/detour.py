"""That a sink is failing must not be told through that sink alone: the way round it, where there is one. Pure."""

from collections.abc import Mapping

from msgspec.structs import replace

from relay.events import Event, KindFacts, kind_of
from relay.events.incidents import CHANNEL, EVENT, incident_of
from relay.lanes.lane import Lane
from relay.routing import Routes, explain

ABOUT_SINKS = ("sink_failing", "events_lost")
"""Alerts whose key names a sink behind a colon."""


def detour(event: Event, routes: Routes, lanes: Mapping[str, Lane]) -> list[Lane]:
    """The lanes that are to get an alert about a sink besides those that its routes lead to.

    None when the routes bring the alert, or the incident that it makes, to a sink that alerts people and is not the
    failing one; else all such sinks, of which those that show incidents get the incident, and the others the alert. It
    does not look at how the sinks are now, so an alert's end goes where its beginning went.
    """
    name, failing = _about(event)
    if not failing:
        return []
    is_incident = incident_of(event) is not None
    both = ((CHANNEL, EVENT), (f"relay:alert:{name}", name))
    reached = {sink for channel, kind in both for sink in _reached(event, channel, kind, routes)}
    others = [lane for lane in lanes.values() if lane.name != failing and lane.sink.alerting]
    if any(lane.name in reached for lane in others):
        return []
    return [lane for lane in others if lane.sink.renders_incidents == is_incident]


def _about(event: Event) -> tuple[str, str]:
    """The alert's name and the sink that it, or the incident that it makes, is about; empty for all other events."""
    if not event.channel.startswith("relay:alert:"):
        return "", ""
    key = event.payload.get("alert") or incident_of(event)
    name, _, sink = key.partition(":") if isinstance(key, str) else ("", "", "")
    return (name, sink) if name in ABOUT_SINKS else ("", "")


def _reached(event: Event, channel: str, name: str, routes: Routes) -> set[str]:
    """The sinks that the routes give such an event; throttles are not asked, and count nothing."""
    like = replace(event, kind=kind_of(KindFacts(channel, name, None, event.severity, event.source, event.version)))
    taking = [verdict.route for verdict in explain(routes, like) if verdict.matches]
    return {sink for route in taking for sink in route.sinks}
