"""Puts links into what the relay says, so that sinks only show them: its page; an incident's runbook and dashboard.

Pure. The only place that knows which page is whose.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from relay.config.links import Links
from relay.events import SEVERITIES, Announcement
from relay.events.incidents import CHANNEL
from relay.watchdog.incident.text import moment_of

SECTIONS = {
    "not_subscribed": "intake",
    "gap": "intake",
    "gap_notice": "intake",
    "intake_behind": "intake",
    "messages_quarantined": "intake",
    "messages_set_aside": "intake",
    "sink_failing": "sinks",
    "events_lost": "sinks",
    "error": "errors",
    "error_rate": "errors",
}
"""Where the status page tells more, by the alert's name; the others are in its list of alerts."""


def linked(announcement: Announcement, links: Links) -> Announcement:
    """The same with `url` and the like in its payload, where there is such a link and it does not bring it itself."""
    payload = announcement.payload
    found: dict[str, Any] = {"url": _page(announcement, links)}
    if announcement.channel == CHANNEL:
        found |= _of_incident(payload, links)
    parts = ("again", "cleared")
    new = {
        name: value
        for name, value in found.items()
        if value is not None and (payload.get(name) is None or name in parts)
    }
    return replace(announcement, payload={**payload, **new}) if new else announcement


def _page(announcement: Announcement, links: Links) -> str | None:
    payload = announcement.payload
    facts = payload.get("facts")
    day = payload.get("run_date") or payload.get("day") or (facts.get("run_date") if isinstance(facts, dict) else None)
    about = announcement.run_id or day
    if about:
        return links.url_of(str(about))
    alert = payload.get("incident") or payload.get("alert")
    name = str(alert).partition(":")[0] if alert else announcement.event
    return links.url_of(part=SECTIONS.get(name, "alerts" if alert else ""))


def _of_incident(payload: Mapping[str, Any], links: Links) -> dict[str, Any]:
    found: dict[str, Any] = {"source": links.name or None}
    alerts = [alert for alert in payload.get("alerts") or () if isinstance(alert, dict)]
    if alerts:
        found["runbook"] = links.runbook(str(max(alerts, key=_weight).get("name")))
    run = payload.get("run") or {}
    if began := moment_of(run.get("began") or payload.get("began")):
        found["dashboard"] = links.dashboard(began, moment_of(payload.get("ended")))
    for part, run_id, key in (("again", "run_id", "url"), ("cleared", "by_run_id", "by_url")):
        found[part] = _with_page(payload.get(part), run_id, key, links)
    return found


def _with_page(part: object, run_id: str, key: str, links: Links) -> dict[str, Any] | None:
    """A part of an incident that names a run, with that run's page."""
    url = links.url_of(part[run_id]) if isinstance(part, dict) and part.get(run_id) else None
    return {**part, key: url} if isinstance(part, dict) and url is not None else None


def _weight(alert: Mapping[str, Any]) -> tuple[bool, int, str]:
    """The worst that fires still, and of equals the newest."""
    severity = SEVERITIES.get(str(alert.get("severity")), 0)
    return alert.get("state") == "firing", int(severity), str(alert.get("fired"))
