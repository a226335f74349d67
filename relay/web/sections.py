"""The parts of the status page about runs: the verdict, what goes on, the last runs, their durations.

Each is a function of a snapshot and nothing else. Parts about the relay itself are in `relay.web.fittings`.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from relay.events.wording import figure, lasting
from relay.status.snapshot import Band, PhaseView, RunView, Snapshot
from relay.web import charts
from relay.web.markup import Html, markup, tag, wired

GLYPHS = {
    "good": "M7 12.5l3.4 3.5L17 8.8",
    "bad": "M8 8l8 8M16 8l-8 8",
    "warning": "M12 6.5v7M12 17v.01",
    "busy": "M12 6.5v5.7l3.8 2.2",
    "waiting": "M8 12v.01M12 12v.01M16 12v.01",
}
MOOD_WORDS = {
    "good": "All is well",
    "bad": "Trouble",
    "warning": "Look at this",
    "busy": "Running",
    "waiting": "Waiting",
}
STATE_WORDS = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "partial": "in part",
    "running": "running",
    "stalled": "stalled",
    "waiting": "to come",
    "skipped": "not seen",
}
TREND = 20


def verdict(snapshot: Snapshot) -> Html:
    """The answer, the next run, and whether anything fires."""
    today, zone = snapshot.today, ZoneInfo(snapshot.timezone)
    return tag(
        "div",
        glyph(today.mood),
        tag(
            "div",
            tag("h2", today.headline, id="verdict-title"),
            tag("p", today.detail) if today.detail else None,
            _alarms(snapshot),
            class_="words",
        ),
        _next(snapshot, zone),
        class_=f"hero mood-{today.mood}",
    )


def glyph(mood: str) -> Html:
    """A large sign for a mood."""
    sign = tag("path", d=GLYPHS[mood])
    disc = tag("circle", cx="12", cy="12", r="11")
    return tag(
        "svg",
        disc,
        sign,
        class_="glyph",
        viewBox="0 0 24 24",
        role="img",
        aria_label=MOOD_WORDS[mood],
        focusable="false",
    )


def _alarms(snapshot: Snapshot) -> Html:
    chips = []
    if not snapshot.intake.subscribed:
        chips.append(tag("a", "The relay hears nothing", class_="chip is-bad", href="#intake"))
    if count := len(snapshot.firing):
        worst = any(one.severity not in ("warning", "info", "debug") for one in snapshot.firing)
        words = "1 alert is firing" if count == 1 else f"{count} alerts are firing"
        chips.append(tag("a", words, class_=f"chip is-{'bad' if worst else 'warning'}", href="#alerts"))
    return tag("p", chips or tag("span", "No alert is firing", class_="quiet"), class_="chips")


def _next(snapshot: Snapshot, zone: ZoneInfo) -> Html:
    today = snapshot.today
    if today.next_due is None:
        return tag(
            "div", tag("h3", "Next run"), tag("p", today.next_note or "None is planned.", class_="dim"), class_="next"
        )
    left = (today.next_due - snapshot.at).total_seconds()
    when = today.next_due.astimezone(zone)
    here = snapshot.at.astimezone(zone).date()
    day = "Today" if when.date() == here else f"{when:%a} {when.day} {when:%b}"
    shown = tag(
        "time", f"{day} {when:%H:%M %Z}", datetime=when.isoformat(), title=f"{today.next_due:%Y-%m-%d %H:%M} UTC"
    )
    soon = tag("p", f"in {lasting(left)}", class_="dim") if left > 0 else None
    return tag("div", tag("h3", "Next run"), tag("p", shown, class_="big"), soon, class_="next")


def current(snapshot: Snapshot) -> Html:
    """What goes on: nothing at all when nothing does."""
    zone = ZoneInfo(snapshot.timezone)
    return markup(*(_going(run, zone, number) for number, run in enumerate(snapshot.running)))


def _going(run: RunView, zone: ZoneInfo, number: int) -> Html:
    percent = run.percent or 0.0
    ends = f"ends about {run.eta.astimezone(zone):%H:%M}" if run.eta else "end not known yet"
    usual = f", usually {lasting(run.usual.median)}" if run.usual else ""
    elapsed = lasting(run.seconds or 0.0)
    label = f"going-{number}"
    return tag(
        "article",
        tag(
            "header",
            tag("h2", "Running now" if run.state == "running" else "Stalled", id=label),
            tag("p", wired(run.run_id), f" · {run.trigger}" if run.trigger else None, class_="dim id"),
        ),
        tag(
            "p",
            tag("strong", f"{percent:.0f} %", class_="big"),
            tag("span", f"{elapsed} so far{usual} · {ends}", class_="dim"),
            class_="total",
        ),
        tag("ol", (_phase(phase, zone) for phase in run.phases), class_="phases"),
        class_=f"card going is-{run.state}",
        aria_labelledby=label,
    )


def _phase(phase: PhaseView, zone: ZoneInfo) -> Html:
    is_open = phase.state in ("running", "stalled")
    percent = 100.0 if phase.state == "completed" else (phase.percent or 0.0)
    facts = []
    if phase.seconds is not None:
        facts.append(lasting(phase.seconds))
    if is_open and phase.eta:
        facts.append(f"ends about {phase.eta.astimezone(zone):%H:%M}")
    if phase.usual:
        facts.append(f"usually {lasting(phase.usual.median)}")
    if is_open and phase.symbols_total:
        facts.append(f"{figure(phase.symbols_processed or 0)} of {figure(phase.symbols_total)} symbols")
    symbol = markup(" · at ", wired(phase.last_symbol)) if is_open and phase.last_symbol else None
    share = f"{percent:.0f} %" if is_open else STATE_WORDS.get(phase.state, phase.state)
    return tag(
        "li",
        tag("span", phase.name, class_="name"),
        tag("span", share, class_="share"),
        tag("progress", value=f"{percent:.1f}", max="100", aria_label=f"{phase.name}: {share}"),
        tag("span", " · ".join(facts), symbol, class_="dim facts"),
        class_=f"p-{phase.name} is-{phase.state}",
    )


def last_runs(snapshot: Snapshot) -> Html:
    """The last runs and what their phases took."""
    runs, zone = snapshot.runs[:14], ZoneInfo(snapshot.timezone)
    if not runs:
        return _card("runs", "Last runs", tag("p", "No run has been heard of yet.", class_="dim"))
    most = charts.longest(runs, snapshot.usual)
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Run", "Phases", "Took", "Result")))
    rows = [_row(run, most, snapshot.usual, zone, snapshot.at) for run in runs]
    table = tag(
        "table",
        tag("caption", "The last runs, the newest first: when, how long each phase took, the result", class_="sr"),
        tag("thead", head, class_="sr"),
        tag("tbody", rows),
        class_="gantt",
    )
    keys = [tag("li", name, class_=f"p-{name}") for name in charts.PHASES]
    if snapshot.usual:
        keys.append(tag("li", "usual end", class_="band"))
    return _card("runs", "Last runs", table, tag("ul", keys, class_="legend", aria_label="Colours"))


def _row(run: RunView, most: float, usual: Band | None, zone: ZoneInfo, now: datetime) -> Html:
    began = run.began.astimezone(zone)
    day = _day(began.date(), now.astimezone(zone).date())
    by_hand = tag("span", "manual", class_="tag") if not run.is_scheduled else None
    result = STATE_WORDS.get(run.state, run.state)
    took = lasting(run.seconds) if run.seconds is not None else "–"  # noqa: RUF001 - typography
    return tag(
        "tr",
        tag(
            "th",
            tag("time", f"{day} {began:%H:%M}", datetime=run.began.isoformat(), title=run.run_id),
            by_hand,
            scope="row",
        ),
        tag("td", charts.bar(run, most, usual), class_="wide"),
        tag("td", took, class_="number"),
        tag("td", tag("span", result, class_=f"result is-{run.state}")),
    )


def _day(day: date, here: date) -> str:
    if day == here:
        return "Today"
    return f"{day:%a} {day.day} {day:%b}"


def durations(snapshot: Snapshot) -> Html:
    """How long the last scheduled runs took, over the usual band."""
    ended = [run for run in snapshot.runs if run.seconds is not None and run.is_scheduled and not run.is_open]
    runs = ended[:TREND][::-1]
    if len(runs) < 2:  # a trend needs two
        return _card("trend", "Duration", tag("p", "After two runs, their durations are shown here.", class_="dim"))
    zone, usual = ZoneInfo(snapshot.timezone), snapshot.usual
    least, most = charts.span(runs, usual)
    first, last = (f"{run.began.astimezone(zone):%-d %b}" for run in (runs[0], runs[-1]))
    picture = tag(
        "div",
        tag(
            "div",
            tag("span", lasting(most)),
            tag("span", lasting(least) if least else "0"),
            class_="scale",
            aria_hidden="true",
        ),
        charts.trend(runs, usual, least, most),
        tag("div", tag("span", first), tag("span", last), class_="days", aria_hidden="true"),
        class_="plot",
    )
    words = (
        f"Usual: {lasting(usual.low)} to {lasting(usual.high)}, median {lasting(usual.median)} of {usual.runs} runs."
        if usual
        else "What is usual is known after some more completed runs."
    )
    return _card("trend", "Duration", picture, tag("p", words, class_="dim"))


def _card(name: str, title: str, *children: Html) -> Html:
    return markup(tag("h2", title, id=f"{name}-title"), *children)
