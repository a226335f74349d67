"""What is new in an incident's state against the one announced before, and the story of it in notes. Pure."""

import hashlib
import re
from datetime import datetime

import msgspec

from relay.events import SEVERITIES
from relay.events.wording import duration
from relay.watchdog.incident.lists import cut
from relay.watchdog.incident.record import MAX_NOTES, Announced, Incident, IncidentNote, Stage
from relay.watchdog.incident.state import IncidentState, Teller
from relay.watchdog.incident.text import second, sentence

LONGEST_NOTE = 300
_MOMENTARY = frozenset({"changed", "context"})
"""What differs between two looks at the same state."""

_AT = re.compile(r"^At \d\d:\d\d(:\d\d)?( [A-Z]{3})?,? ")
"""The moment stands before it already."""

_encode = msgspec.json.Encoder(order="sorted").encode


def digest_of(state: IncidentState) -> str:
    """The same for states that say the same."""
    lasting_facts = {name: value for name, value in state.payload.items() if name not in _MOMENTARY}
    return hashlib.sha256(_encode(lasting_facts)).hexdigest()[:32]


def change_of(incident: Incident, state: IncidentState) -> str:
    """What is new: the most urgent of it."""
    before = incident.announced
    if incident.is_over:
        return "over"
    if before is None:
        return "begins"
    if incident.highest > SEVERITIES[before.highest]:
        return "worse"
    if state.again is not None and state.again.run_id != before.again:
        return "again"
    if incident.stage is Stage.EASED and before.stage is Stage.FIRING:
        return "better"
    is_same = incident.stage is before.stage and _lead(state) == before.lead
    return "errors" if is_same and incident.errors != before.errors else "update"


def announced(incident: Incident, state: IncidentState, digest: str, now: datetime) -> Announced:
    """What to remember of a state that is announced."""
    return Announced(
        at=now,
        digest=digest,
        highest=incident.highest.label,
        stage=incident.stage,
        errors=incident.errors,
        lead=_lead(state),
        again=state.again.run_id if state.again is not None else None,
    )


def notes_of(
    incident: Incident, state: IncidentState, change: str, teller: Teller, now: datetime
) -> list[IncidentNote]:
    """The story so far, with what this state adds to it."""
    texts = [(now, sentence(state.words.title))] if change == "begins" else _news(incident, state, change, teller, now)
    new = [
        IncidentNote(
            number=incident.number,
            at=at,
            change=change,
            severity=state.payload["severity"],
            text=cut(" ".join(text.split()), LONGEST_NOTE),
        )
        for at, text in texts
    ]
    return [*incident.notes, *new][-MAX_NOTES:]


def _news(
    incident: Incident, state: IncidentState, change: str, teller: Teller, now: datetime
) -> list[tuple[datetime, str]]:
    """What happened since the last announced state, in order."""
    if change == "over":
        cleared = state.payload["cleared"] or {}
        return [(now, f"{cleared.get('text', '')} {cleared.get('reason', '')}".strip())]
    since = incident.announced.at if incident.announced is not None else incident.began
    news = []
    for part in incident.parts.values():
        if part.fired_at > since:
            title = teller.words_of(incident, part, now).title
            news.append((part.fired_at, f"{second(part.fired_at)}: {sentence(title)}"))
        if part.cleared_at is not None and part.cleared_at > since:
            ended = _AT.sub("", part.resolution) or f"No more: {part.title}"
            news.append((part.cleared_at, f"{second(part.cleared_at)}: {sentence(ended)}"))
    if change == "again" and state.again is not None:
        by_hand = "" if state.again.is_scheduled else " by hand"
        usual = teller.usual_seconds(state.again)
        takes = f" It usually takes {duration(usual)}." if usual else ""
        news.append((now, f"{second(now)}: run again{by_hand}.{takes}"))
    return sorted(news)


def _lead(state: IncidentState) -> str | None:
    return state.lead.key if state.lead is not None else None
