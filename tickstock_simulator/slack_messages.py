"""What was posted to the Slack stand-in: read from the wire, kept, and shown as a reader would see it.

No limits and no HTTP here; everything shown as HTML is escaped.
"""

import hashlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]
CIRCLES = {"red_circle": "#e01e5a", "large_yellow_circle": "#ecb22e", "large_green_circle": "#2eb67d"}
CIRCLES |= {"large_blue_circle": "#1264a3"}
CIRCLE = re.compile(r"^:(\w+):")


@dataclass(slots=True)
class SlackMessage:
    """One message in a channel. `payload` is what was posted (after the last update), `received` seconds since 1970."""

    ts: str
    channel: str
    channel_name: str
    via: str
    payload: Json
    received: float
    edits: list[Json] = field(default_factory=list)
    """What it was before each edit."""
    edited_at: list[float] = field(default_factory=list)
    thread: str | None = None
    """The `ts` of the message that it replies to."""
    is_broadcast: bool = False
    """A reply that the channel sees too."""
    is_deleted: bool = False
    """Somebody has deleted it; replies to it stay where they are."""

    @property
    def text(self) -> str:
        """The top-level text."""
        return str(self.payload.get("text") or "")

    @property
    def color(self) -> str | None:
        """The colour of the bar, of the first attachment that has one; else of the circle that it begins with."""
        bars = (a["color"] for a in self.payload.get("attachments") or [] if a.get("color"))
        circle = CIRCLE.search(next(_texts(self.payload.get("blocks")), ""))
        return next(bars, CIRCLES.get(circle[1]) if circle else None)

    def as_body(self) -> Json:
        """One entry of GET /messages."""
        return {
            "ts": self.ts,
            "channel": self.channel,
            "channel_name": self.channel_name,
            "via": self.via,
            "color": self.color,
            "plain": self.plain(),
            "edits": len(self.edits),
            "thread": self.thread,
            "broadcast": self.is_broadcast,
            "payload": self.payload,
        }

    def plain(self) -> str:
        """Everything that a reader sees, one part a line, Slack's escapes undone."""
        seen = dict.fromkeys(part for part in [self.text, *_texts(self.payload)] if part)
        return html.unescape("\n".join(seen))


def channel_id(name: str) -> str:
    """An id such as Slack's, the same for the same name; an id stays what it is."""
    if name[:1] in "CGD" and name[1:].isalnum() and name == name.upper():
        return name
    return "C" + hashlib.sha256(name.lstrip("#").encode()).hexdigest()[:10].upper()


def posted(raw: bytes, content_type: str) -> Json | None:
    """The posted object: JSON, or a form whose `payload`, `blocks` and `attachments` are JSON."""
    try:
        if "json" in content_type or raw.lstrip()[:1] == b"{":
            body = json.loads(raw)
        else:
            form = dict(parse_qsl(raw.decode()))
            body = json.loads(form["payload"]) if "payload" in form else dict[str, Any](form)
            for name in ("blocks", "attachments"):
                if isinstance(body.get(name), str):
                    body[name] = json.loads(body[name])
    except (ValueError, AttributeError):
        return None
    return body if isinstance(body, dict) else None


def _texts(node: object) -> Iterator[str]:
    """The texts of blocks and attachments, in reading order."""
    if isinstance(node, list):
        for each in node:
            yield from _texts(each)
    elif isinstance(node, dict):
        if node.get("type") in ("mrkdwn", "plain_text"):
            yield str(node.get("text", ""))
            return
        for name in ("pretext", "title", "text", "fallback"):
            if isinstance(node.get(name), str) and "ts" not in node and not node.get("blocks"):
                yield node[name]
        for name in ("text", "fields", "elements", "blocks", "attachments", "value"):
            if isinstance(node.get(name), (dict, list)):
                yield from _texts(node[name])
