"""Events that are no incident, each in a message of its own: headline, message, facts, details, traceback. Pure.

Loads Slack's block models, so import it when needed.
"""

from collections.abc import Sequence
from datetime import UTC
from functools import partial
from zoneinfo import ZoneInfo

from relay.events import Event, Mark
from relay.events.wording import clock_time, duration
from sinks.slack.blocks import GREEN, MAX_TEXT, circle_of, context, fields, section
from sinks.slack.facts import Facts, alert_of, read
from sinks.slack.message import Message
from sinks.slack.text import code_block, link, lock_screen, mrkdwn, one_line

MAX_HEADLINE = 150
MAX_MESSAGE = 1500
MAX_TRACEBACK = 2900
MAX_FIELDS = 10
"""Slack's own limit for one section."""
MAX_FIELD = 150
MAX_LABEL = 40
MAX_FOOTER = 150
TIMES = "\N{MULTIPLICATION SIGN}"
_MARKS = {
    Mark.RECONSTRUCTED: "reconstructed from the API after a gap",
    Mark.REPLAYED: "replayed from an archive",
    Mark.TEST: "a test",
    Mark.UNDATED: "came without a time",
}


def compose(events: Sequence[Event], zone: ZoneInfo, mention: str = "", label: str = "") -> Message:
    """One message for an event, or for repeats of one, which are counted.

    Args:
        events: the event and its repeats; the last one is shown.
        zone: whose clock is shown beside UTC.
        mention: whom to call, ready mrkdwn.
        label: the installation's name, where it stands in titles.
    """
    event = events[-1]
    facts = read(event)
    count = f"{len(events)} {TIMES} " if len(events) > 1 else ""
    title = (f"[{label}] " if label else "") + count + facts.headline
    blocks = [section(f"{_circle(event)} *{link(_page(event), title, MAX_HEADLINE)}* {mention}".strip())]
    if facts.message:
        is_ours = event.channel.startswith("relay:")
        blocks.append(
            section(mrkdwn(facts.message, MAX_MESSAGE) if is_ours else code_block(facts.message, MAX_MESSAGE))
        )
    blocks += [fields(_pairs(some)) for some in (facts.facts, facts.details[:MAX_FIELDS]) if some]
    if facts.traceback:
        blocks.append(section(code_block(facts.traceback, MAX_TRACEBACK, keep_end=True)))
    blocks.append(context(_small_print(events, zone, facts)))
    return Message(f"{mention} {lock_screen(title, max(MAX_TEXT - len(mention), MAX_TEXT // 2))}".strip(), blocks)


def _page(event: Event) -> str:
    """The page that the relay links what it says itself to; nobody else's links are shown."""
    url = event.payload.get("url") if event.channel.startswith("relay:") else None
    return url if isinstance(url, str) else ""


def _circle(event: Event) -> str:
    alert = alert_of(event)
    return GREEN if alert and alert.resolved and not alert.is_lasting else circle_of(event.severity)


def _small_print(events: Sequence[Event], zone: ZoneInfo, facts: Facts) -> list[str]:
    """When, where from, how often, and what is unusual about it."""
    event = events[-1]
    texts = []
    if len(events) > 1:
        times = [one.time for one in events]
        first, last = min(times), max(times)
        clock = partial(clock_time, today=event.received, zone=zone, seconds=True)
        taken = duration((last - first).total_seconds())
        texts.append(f"{len(events)} {TIMES} in {taken}, first {clock(first)}, last {clock(last, named=True)}")
    texts.append(clock_time(event.time, event.received, zone=zone, seconds=True, utc=True))
    source = f" from {event.source}" if event.source else ""
    texts.append(one_line(event.channel + source, MAX_FOOTER))
    texts += [words for mark, words in _MARKS.items() if event.marks & mark]
    if event.time != event.timestamp:
        claimed = clock_time(event.timestamp, event.received, zone=UTC, seconds=True, named=True)
        texts.append(f"claims {claimed}, which cannot be true")
    if len(facts.details) > MAX_FIELDS:
        texts.append(f"and {len(facts.details) - MAX_FIELDS} more fields")
    return texts


def _pairs(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"*{one_line(name, MAX_LABEL)}*\n{mrkdwn(value, MAX_FIELD)}" for name, value in pairs]
