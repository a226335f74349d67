"""What was posted to the Slack stand-in: read from the wire, kept, and shown as a reader would see it.

No limits and no HTTP here; everything shown as HTML is escaped.
"""

import hashlib
import html
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]


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

    @property
    def text(self) -> str:
        """The top-level text."""
        return str(self.payload.get("text") or "")

    @property
    def color(self) -> str | None:
        """The bar's colour, of the first attachment that has one."""
        return next((a["color"] for a in self.payload.get("attachments") or [] if a.get("color")), None)

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


def as_html(messages: list[SlackMessage]) -> str:
    """A page of all messages, the newest first."""
    rows = "".join(_row(each) for each in reversed(messages)) or "<p>Nothing yet.</p>"
    head = '<!doctype html><meta charset="utf-8"><title>Slack stand-in</title><style>body{font:16px sans-serif}'
    style = "article{border-left:6px solid #888;margin:1em;padding:0 1em}pre{white-space:pre-wrap}</style>"
    return f"{head}{style}<h1>{len(messages)} messages</h1>{rows}"


def _row(message: SlackMessage) -> str:
    color = message.color or ""
    known = color if color.startswith("#") and color[1:].isalnum() else "#888"
    where = html.escape(f"{message.channel_name} · {message.ts} · {message.via} · {len(message.edits)} edits")
    text = html.escape(message.plain())
    return f'<article style="border-color:{known}"><small>{where}</small><pre>{text}</pre></article>'
