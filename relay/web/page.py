"""The status page: its frame, and the parts that live updates swap. It shows a snapshot and decides nothing."""

from functools import cache
from pathlib import Path

from relay.status.snapshot import Snapshot
from relay.web import fittings, sections
from relay.web.markup import Html, markup, tag

ASSETS = Path(__file__).parent
REFRESH = 30
"""Seconds between reloads for a browser without JavaScript."""
MOOD_COLOURS = {"good": "#1a8f4c", "bad": "#c4332b", "warning": "#c27c0e", "busy": "#2f6fd0", "waiting": "#66758a"}

PARTS = {
    "verdict": sections.verdict,
    "current": sections.current,
    "alerts": fittings.alerts,
    "runs": sections.last_runs,
    "trend": sections.durations,
    "errors": fittings.errors,
    "past": fittings.past,
    "sinks": fittings.sinks,
    "intake": fittings.intake,
}
"""Each part's name is the id of its section."""


def parts(snapshot: Snapshot) -> dict[str, str]:
    """The parts by name; beside them `title` and `said` (one sentence for those who listen), as text, and `mood`."""
    made: dict[str, str] = {name: str(part(snapshot)) for name, part in PARTS.items()}  # a plain str, for JSON
    return made | {"title": title(snapshot), "said": announcement(snapshot), "mood": snapshot.today.mood}


def title(snapshot: Snapshot) -> str:
    """What stands on the browser's tab."""
    return f"{snapshot.today.headline} – TickStock Relay ({snapshot.name})"  # noqa: RUF001 - typography


def announcement(snapshot: Snapshot) -> str:
    """What a screen reader says when it changes: the verdict and the alerts, not every tick of a bar."""
    alerts = "; ".join(one.title for one in snapshot.firing)
    return f"{snapshot.today.headline}. {f'Firing: {alerts}.' if alerts else 'Nothing is firing.'}"


def page(snapshot: Snapshot) -> str:
    """The whole document."""
    made = {name: part(snapshot) for name, part in PARTS.items()}
    wide = {"verdict", "current", "alerts"}
    shown = [
        tag(
            "section",
            made[name],
            id=name,
            class_=None if name in wide - {"alerts"} else "card wide" if name in wide else "card",
            aria_labelledby=f"{name}-title" if name != "current" else None,
        )
        for name in PARTS
    ]
    body = tag(
        "body",
        tag("a", "Skip to the answer", class_="skip", href="#verdict"),
        _header(snapshot),
        tag("main", shown, id="main"),
        tag("p", announcement(snapshot), id="said", class_="sr", role="status", aria_live="polite"),
        _footer(snapshot),
    )
    return f"<!doctype html>\n{tag('html', _head(snapshot), body, lang='en')}\n"


def _head(snapshot: Snapshot) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title(snapshot)),
        tag("link", rel="icon", type="image/svg+xml", id="icon", href=f"icon-{snapshot.today.mood}.svg"),
        tag("link", rel="stylesheet", href="style.css"),
        tag("noscript", tag("meta", http_equiv="refresh", content=REFRESH)),
        tag("script", src="live.js", defer=True),
    )


def _header(snapshot: Snapshot) -> Html:
    mark = tag(
        "svg",
        tag("path", d="M3 15l5-6 4 4 6-8 3 3"),
        class_="mark",
        viewBox="0 0 24 24",
        aria_hidden="true",
        focusable="false",
    )
    beat = tag("span", f"as of {snapshot.at:%H:%M:%S} UTC", id="beat", class_="beat")
    return tag("header", mark, tag("h1", "TickStock Relay"), beat, class_="top")


def _footer(snapshot: Snapshot) -> Html:
    links = markup(
        tag("a", "State as JSON", href="api/state"),
        tag("a", "Metrics", href="metrics"),
        tag("span", f"Times are {snapshot.timezone}; point at one for its date."),
    )
    return tag("footer", links)


@cache
def asset(name: str) -> str:
    """The style sheet or the script."""
    return (ASSETS / name).read_text(encoding="utf-8")


def icon(mood: str) -> str:
    """The tab's icon: the verdict's colour and sign. `mood` must be one of `MOOD_COLOURS`."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
        f'<circle cx="12" cy="12" r="11.5" fill="{MOOD_COLOURS[mood]}"/>'
        f'<path d="{sections.GLYPHS[mood]}" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"'
        ' stroke-linejoin="round"/></svg>\n'
    )
