"""Events -> what Slack is told, within Slack's limits. Pure; loads Slack's block models, so import it when needed.

The headline is the message's text, which notifications show; the rest stands in an attachment, for its colour.
Limits: docs.slack.dev, "Block Kit" and "Section block". The sum of all texts is not documented; messages of 9,600
characters were seen to pass and of 11,300 to fail (slackapi/bolt-js issue 2867), so it stays below 9,000.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import Block, ContextBlock, MarkdownTextObject, SectionBlock

from relay.events import Event, Mark, Severity
from sinks.slack.facts import Facts, alert_of, read
from sinks.slack.repeats import grouped, in_words
from sinks.slack.text import code_block, mrkdwn, one_line

MAX_HEADLINE = 150
MAX_MESSAGE = 2000
MAX_TRACEBACK = 2900
MAX_FIELDS = 10
"""Slack's own limit for one section."""
MAX_FIELD = 180
MAX_LABEL = 40
MAX_FOOTER = 150
MAX_GROUPS = 8
"""So many different things in one message; the rest is counted."""

COLOURS = {
    Severity.DEBUG: "#9e9e9e",
    Severity.INFO: "#1264a3",
    Severity.WARNING: "#ecb22e",
    Severity.ERROR: "#e01e5a",
    Severity.CRITICAL: "#a30200",
    Severity.EMERGENCY: "#5c0000",
}
RESOLVED = "#2eb67d"
TIMES = "\N{MULTIPLICATION SIGN}"

_MARKS = {
    Mark.RECONSTRUCTED: "reconstructed from the API after a gap",
    Mark.REPLAYED: "replayed from an archive",
    Mark.TEST: "a test",
    Mark.UNDATED: "came without a time",
}

Message = dict[str, Any]
"""Keyword arguments of `chat.postMessage`, and the body of an incoming webhook."""


@dataclass(frozen=True, slots=True)
class Look:
    """How messages look to their readers."""

    zone: ZoneInfo
    mentions: Mapping[str, str] = field(default_factory=dict)
    """Severity label -> ready mrkdwn."""


def compose(events: Sequence[Event], look: Look, after: str = "") -> Message:
    """One message for `events`, repeats counted; `after` says how long the alert lasted that they resolve."""
    groups = grouped(events)
    first = groups[0]
    text = _headline(first, after)
    if len(groups) > 1:
        text += f" and {len(groups) - 1} more"
    mention = look.mentions.get(first[-1].severity.label)
    if mention and not _is_resolved(first[-1]):
        text = f"{mention} {text}"
    if len(groups) == 1:
        attachments = [_attachment(first, _whole(first, look), after)]
    else:
        attachments = [_attachment(group, _brief(group, look), after) for group in groups[:MAX_GROUPS]]
    return {"text": text, "attachments": attachments, "parse": "none", "unfurl_links": False, "unfurl_media": False}


def settled(severity: Severity, title: str, message: str, after: str, *, is_lasting: bool = False) -> Message:
    """The first message of an alert, once it is resolved: still readable, struck out and green.

    `is_lasting`: what it told of is not mended, so it keeps its colour.
    """
    headline = one_line(f"{severity.label.capitalize()}: {title}", MAX_HEADLINE)
    blocks: list[Block] = [_section(mrkdwn(message, MAX_MESSAGE))]
    colour = COLOURS[severity] if is_lasting else RESOLVED
    attachment = BlockAttachment(color=colour, fallback=headline, blocks=blocks).to_dict()
    return {"text": f"~{headline}~ *Resolved* {after}".rstrip(), "attachments": [attachment], "parse": "none"}


def _headline(group: list[Event], after: str) -> str:
    event = group[-1]
    headline = read(event).headline
    if after and _is_resolved(event):  # behind the title it would read "has not started after 5 min"
        headline = headline.replace("Resolved:", f"Resolved {after}:", 1)
    text = f"*{one_line(headline, MAX_HEADLINE)}*"
    return f"{text} ({TIMES}{len(group)})" if len(group) > 1 else text


def _attachment(group: list[Event], blocks: list[Block], after: str) -> dict[str, Any]:
    event = group[-1]
    alert = alert_of(event)
    is_mended = alert is not None and alert.resolved and not alert.is_lasting
    colour = RESOLVED if is_mended else COLOURS[event.severity]
    attachment: dict[str, Any] = BlockAttachment(
        color=colour, fallback=_headline(group, after).replace("*", ""), blocks=blocks
    ).to_dict()
    return attachment


def _is_resolved(event: Event) -> bool:
    alert = alert_of(event)
    return alert is not None and alert.resolved


def _whole(group: list[Event], look: Look) -> list[Block]:
    """All that is known of the last of a group of repeats."""
    facts = read(group[-1])
    blocks: list[Block] = []
    if facts.message:
        blocks.append(_section(mrkdwn(facts.message, MAX_MESSAGE)))
    blocks += [_fields(some) for some in (facts.facts, facts.details[:MAX_FIELDS]) if some]
    if facts.traceback:
        blocks.append(_section(code_block(facts.traceback, MAX_TRACEBACK)))
    return [*blocks, _footer(group, look, facts)]


def _brief(group: list[Event], look: Look) -> list[Block]:
    """One of several groups in a message: headline, the beginning of its message, footer."""
    facts = read(group[-1])
    text = _headline(group, "")
    if facts.message:
        text += "\n" + mrkdwn(facts.message, MAX_FIELD)
    return [_section(text), _footer(group, look, facts, brief=True)]


def _footer(group: list[Event], look: Look, facts: Facts, *, brief: bool = False) -> ContextBlock:
    """When, where from, how often, and what is unusual about it."""
    event = group[-1]
    texts = []
    if len(group) > 1:
        first, last = (_local(moment, look.zone) for moment in _span(group))
        span = in_words((last - first).total_seconds())
        texts.append(f"*{TIMES}{len(group)} in {span}*, first {first:%H:%M:%S}, last {last:%H:%M:%S %Z}")
    texts.append(_both_clocks(event.time, look.zone))
    if not brief:
        source = f" from {event.source}" if event.source else ""
        texts.append(mrkdwn(event.channel + source, MAX_FOOTER))
        texts += [words for mark, words in _MARKS.items() if event.marks & mark]
        if event.time != event.timestamp:
            texts.append(f"claims {event.timestamp:%Y-%m-%d %H:%M:%S} UTC, which cannot be true")
        if len(facts.details) > MAX_FIELDS:
            texts.append(f"and {len(facts.details) - MAX_FIELDS} more fields")
    return ContextBlock(elements=[_text(text) for text in texts])


def _span(group: list[Event]) -> tuple[datetime, datetime]:
    times = [event.time for event in group]
    return min(times), max(times)


def _both_clocks(moment: datetime, zone: ZoneInfo) -> str:
    return f"{_local(moment, zone):%Y-%m-%d %H:%M:%S %Z} ({moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:  # claimed at the end or the beginning of all time
        return moment.astimezone(UTC)


def _fields(pairs: list[tuple[str, str]]) -> SectionBlock:
    return SectionBlock(
        fields=[_text(f"*{one_line(name, MAX_LABEL)}*\n{mrkdwn(value, MAX_FIELD)}") for name, value in pairs]
    )


def _section(text: str) -> SectionBlock:
    return SectionBlock(text=_text(text))


def _text(text: str) -> MarkdownTextObject:
    return MarkdownTextObject(text=text, verbatim=True)
