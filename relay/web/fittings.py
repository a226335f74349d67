"""The parts of the status page about what is around runs: alerts, errors, sinks, intake. Functions of a snapshot."""

from datetime import datetime
from zoneinfo import ZoneInfo

from relay.events.wording import figure, lasting
from relay.runs.recent import ErrorGroup, PastAlert
from relay.status.snapshot import FiringAlert, SinkView, Snapshot
from relay.web import charts
from relay.web.markup import Html, markup, tag, wired

SHOWN = 12
"""Rows of a list; the rest is in `/api/state`."""
LOUD = ("error", "critical", "emergency", "fatal")


def alerts(snapshot: Snapshot) -> Html:
    """What fires now, and what is wrong with the relay itself; nothing at all when nothing is."""
    rows = [tag("li", tag("strong", "The relay itself"), tag("p", text), class_="is-bad") for text in snapshot.trouble]
    rows += [_firing(alert, snapshot.at) for alert in snapshot.firing]
    return markup(tag("h2", "Firing now", id="alerts-title"), tag("ul", rows, class_="alerts")) if rows else markup()


def _firing(alert: FiringAlert, now: datetime) -> Html:
    for_ = lasting(max(0.0, (now - alert.since).total_seconds()))
    return tag(
        "li",
        tag("strong", wired(alert.title)),
        tag("span", f"{alert.severity} · for {for_}", class_="dim"),
        tag("p", wired(alert.message)) if alert.message else None,
        class_=f"is-{_loudness(alert.severity)}",
    )


def past(snapshot: Snapshot) -> Html:
    """The last alerts, fired and resolved."""
    title = tag("h2", "Recent alerts", id="past-title")
    if not snapshot.alerts:
        return markup(title, tag("p", "None so far.", class_="calm"))
    zone = ZoneInfo(snapshot.timezone)
    rows = [_past(alert, zone, snapshot.at) for alert in snapshot.alerts[:SHOWN]]
    return markup(title, tag("ul", rows, class_="log"))


def _past(alert: PastAlert, zone: ZoneInfo, now: datetime) -> Html:
    if alert.is_notice:
        end = "notice"
    elif alert.resolved_at:
        end = f"resolved after {lasting((alert.resolved_at - alert.fired_at).total_seconds())}"
    else:
        end = "firing"
    words = alert.message if alert.is_notice else alert.resolution  # what still fires is told above
    state = "ok" if alert.resolved_at else "notice" if alert.is_notice else _loudness(alert.severity)
    return tag(
        "li",
        _moment(alert.fired_at, zone, now),
        tag(
            "div",
            tag("strong", wired(alert.title)),
            tag("p", wired(words), class_="dim") if words else None,
        ),
        tag("span", end, class_=f"state is-{state}"),
    )


def errors(snapshot: Snapshot) -> Html:
    """Error events, grouped."""
    title = tag("h2", "Recent errors", id="errors-title")
    if not snapshot.errors:
        return markup(title, tag("p", "None since the relay started.", class_="calm"))
    zone = ZoneInfo(snapshot.timezone)
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Times", "Error", "Last")))
    rows = [_error(group, zone, snapshot.at) for group in snapshot.errors[:SHOWN]]
    caption = tag(
        "caption", "Error events since the relay started, like ones together, the last heard first", class_="sr"
    )
    return markup(title, tag("table", caption, tag("thead", head), tag("tbody", rows), class_="errors"))


def _error(group: ErrorGroup, zone: ZoneInfo, now: datetime) -> Html:
    origin = " · ".join(word for word in (group.severity, group.component, group.code) if word)
    return tag(
        "tr",
        tag("td", tag("span", figure(group.count), class_=f"count is-{_loudness(group.severity)}"), class_="number"),
        tag("td", tag("p", wired(group.message)), tag("p", wired(origin), class_="dim")),
        tag("td", _moment(group.last, zone, now)),
    )


def sinks(snapshot: Snapshot) -> Html:
    """Where events go, and how that works."""
    title = tag("h2", "Sinks", id="sinks-title")
    if not snapshot.sinks:
        return markup(title, tag("p", "None is configured: events go nowhere.", class_="dim"))
    names = ("Sink", "State", "Delivered", "Waiting", "Lost")
    head = tag(
        "tr", *(tag("th", name, scope="col", class_="number" if n > 1 else None) for n, name in enumerate(names))
    )
    caption = tag("caption", "Each sink, whether it works, and its events: delivered, waiting, lost", class_="sr")
    rows = [_sink(sink, snapshot.at) for sink in snapshot.sinks]
    return markup(title, tag("table", caption, tag("thead", head), tag("tbody", rows), class_="sinks"))


def _sink(sink: SinkView, now: datetime) -> Html:
    state = "failing" if sink.error else "works"
    if sink.breaker == "open":
        state = "resting"
    oldest = f"oldest {lasting(max(0.0, (now - sink.oldest).total_seconds()))}" if sink.oldest else None
    trouble = tag("p", wired(sink.error), class_="dim") if sink.error else None
    return tag(
        "tr",
        tag("th", sink.name, tag("span", sink.type, class_="dim kind"), trouble, scope="row"),
        tag("td", tag("span", state, class_=f"state is-{'bad' if sink.error else 'ok'}")),
        tag("td", figure(sink.delivered), class_="number"),
        tag("td", figure(sink.waiting), tag("span", oldest, class_="dim kind") if oldest else None, class_="number"),
        tag("td", figure(sink.dropped), class_="number"),
    )


def intake(snapshot: Snapshot) -> Html:
    """How the relay hears."""
    zone, view, now = ZoneInfo(snapshot.timezone), snapshot.intake, snapshot.at
    state = tag(
        "span",
        "subscribed" if view.subscribed else "not subscribed",
        class_=f"state is-{_good(view.subscribed)}",
    )
    since = markup(" since ", _moment(view.since, zone, now)) if view.since else None
    gaps = f"{figure(view.gaps)}, together {lasting(view.gap_seconds)}" if view.gaps else "none since the start"
    facts: dict[str, object] = {
        "Redis": markup(state, since, f" – {view.reason}" if view.reason else None),  # noqa: RUF001 - typography
        "API": _api(snapshot, zone),
        "Last event": _moment(view.last_event_at, zone, now) if view.last_event_at else "none yet",
        "Received": f"{figure(view.received)} events since the start",
        "Lag": f"{view.lag:.1f} s" if view.lag else "none, all is read",
        "Gaps": gaps,
    }
    if view.unread_bytes:
        facts["Unread"] = f"{view.unread_bytes:,} bytes"
    if view.quarantined:
        facts["Quarantined"] = f"{figure(view.quarantined)} messages that could not be read"
    facts["Relay"] = markup(f"{snapshot.version}, up ", lasting((now - snapshot.started).total_seconds()))
    rate = tag(
        "p",
        tag("strong", figure(round(view.rate, 1)), class_="big"),
        tag("span", "events a second", class_="dim"),
    )
    rows = [tag("div", tag("dt", name), tag("dd", fact)) for name, fact in facts.items()]
    return markup(
        tag("h2", "Intake", id="intake-title"),
        tag("div", rate, charts.sparkline(view.rates), class_="rate"),
        tag("dl", rows),
    )


def _api(snapshot: Snapshot, zone: ZoneInfo) -> Html:
    view = snapshot.intake
    if view.api == "unknown":
        return markup("not asked yet")
    word = tag(
        "span",
        "answers" if view.api == "answers" else "does not answer",
        class_=f"state is-{_good(view.api == 'answers')}",
    )
    since = (
        markup(" since ", _moment(view.api_since, zone, snapshot.at))
        if view.api == "fails" and view.api_since
        else None
    )
    return markup(word, since)


def _good(well: object) -> str:
    return "ok" if well else "bad"


def _loudness(severity: str) -> str:
    return "bad" if severity in LOUD else "warning"


def _moment(moment: datetime, zone: ZoneInfo, now: datetime) -> Html:
    """The wall clock's time; the day too, where it is another."""
    here = moment.astimezone(zone)
    same = here.date() == now.astimezone(zone).date()
    shown = f"{here:%H:%M:%S}" if same else f"{here.day} {here:%b %H:%M}"
    return tag("time", shown, datetime=moment.isoformat(), title=f"{here:%Y-%m-%d %H:%M:%S %Z}")
