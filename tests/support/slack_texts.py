"""Messages to Slack as they are composed in tests, and the texts that stand in them."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from relay.events import Event
from sinks.slack import plain
from sinks.slack.incident import Incident, incident_of
from sinks.slack.message import Message
from tests.support import incidents

NEW_YORK = ZoneInfo("America/New_York")


def compose(events: list[Event], mention: str = "") -> dict[str, Any]:
    """What is posted of these events."""
    return plain.compose(events, NEW_YORK, mention).body()


def texts_in(value: object) -> Iterator[str]:
    """Every text that Slack would read as mrkdwn, the top-level one included."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts_in(item)


def section(text: str) -> dict[str, Any]:
    """A block with this text."""
    return {"type": "section", "text": mrkdwn_object(text)}


def mrkdwn_object(text: str) -> dict[str, Any]:
    """The text as a part of a block."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def incident(**changes: Any) -> Incident:
    """The incident of `tests.support.incidents` with these changes, as the sink reads it."""
    read = incident_of(incidents.as_event(incidents.state(**changes)))
    assert read is not None
    return read


def shown(message: Message) -> list[str]:
    """What each block says."""
    return [text for block in message.body()["blocks"] for text in texts_in(block)]
