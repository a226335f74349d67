"""What was posted to the Slack stand-in as a page: the channel as its readers see it, with the threads. Pure.

Approximate, as only Slack's own clients decide; everything that was posted is escaped.
"""

import html
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from tickstock_simulator.slack_messages import CIRCLES, SlackMessage

Json = dict[str, Any]
_STYLE = """
body{margin:0;padding:16px;background:#fff;color:#1d1c1d;font:15px/1.466 Lato,"Segoe UI",system-ui,sans-serif}
h1{font-size:18px;margin:0 0 8px}
article{border-left:4px solid #fff;padding:4px 12px;margin:10px 0;max-width:46rem;overflow-wrap:anywhere}
.reply{margin-left:32px;border-left:3px solid #ddd}.gone{opacity:.4}
small,.context{color:#616061;font-size:13px}b.who{font-weight:800}a{color:#1264a3;text-decoration:none}
.b{margin:2px 0 6px}.context span{margin-right:12px}.fields{display:grid;grid-template-columns:1fr 1fr;gap:6px 16px}
code,pre{font:12px/1.5 Menlo,Consolas,"Liberation Mono",monospace;background:#f7f7f8}
code,pre{border:1px solid #ddd;border-radius:3px}code{color:#c01343;padding:1px 3px}
pre{padding:6px 8px;margin:4px 0;white-space:pre-wrap}
.at{background:#fdf3d1;border-radius:3px;padding:0 2px;font-weight:600}
.dot{display:inline-block;width:13px;height:13px;border-radius:50%;vertical-align:-2px}
"""
_TOKEN = re.compile(
    r"```(?P<block>.*?)```|`(?P<code>[^`\n]+)`|<!(?P<group>\w+)[^>]*>|<@(?P<user>\w+)>"
    r"|<(?P<url>https?://[^|>\s]+)(?:\|(?P<label>[^>]*))?>|:(?P<emoji>[a-z_]+):|\n",
    re.DOTALL,
)
_BOLD = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
_STRUCK = re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])")


def as_html(messages: list[SlackMessage], zone: tzinfo = UTC) -> str:
    """A page of the channel, the newest message first; each with its thread below it."""
    first = [each for each in messages if each.thread is None]
    rows = "".join(_with_thread(each, messages, zone) for each in reversed(first)) or "<p>Nothing yet.</p>"
    head = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Slack stand-in</title>'
    return f"{head}<style>{_STYLE}</style><h1>{len(messages)} messages</h1>{rows}"


def _with_thread(message: SlackMessage, messages: Iterable[SlackMessage], zone: tzinfo) -> str:
    replies = [each for each in messages if each.thread == message.ts and each.channel == message.channel]
    return _row(message, zone) + "".join(_row(reply, zone) for reply in replies)


def _row(message: SlackMessage, zone: tzinfo) -> str:
    at = f"{datetime.fromtimestamp(message.received, zone):%H:%M:%S}"
    facts = [at, message.channel_name, message.ts, message.via]
    if message.edits:
        facts.append(f"{len(message.edits)} edits")
    if message.is_broadcast:
        facts.append("also sent to the channel")
    kinds = ["reply"] * (message.thread is not None) + ["gone"] * message.is_deleted
    color = next((each["color"] for each in message.payload.get("attachments") or [] if each.get("color")), "")
    style = f' style="border-color:{color}"' if re.fullmatch(r"#[0-9a-zA-Z]+", color) else ""
    where = html.escape(" \N{MIDDLE DOT} ".join(facts))
    shown = "".join(_content(message.payload))
    who = f'<b class="who">TickStock Relay</b> <small>{where}</small>'
    return f'<article class="{" ".join(kinds)}"{style}>{who}{shown}</article>'


def _content(payload: Json) -> Iterator[str]:
    """Blocks take the place of `text`, as in Slack; attachments stand below either."""
    blocks = payload.get("blocks")
    if blocks:
        yield from map(_block, blocks)
    elif payload.get("text"):
        yield f'<div class="b">{_mrkdwn(str(payload["text"]))}</div>'
    for attachment in payload.get("attachments") or []:
        if attachment.get("blocks"):
            yield from map(_block, attachment["blocks"])
        elif attachment.get("text"):
            yield f'<div class="b">{_mrkdwn(str(attachment["text"]))}</div>'


def _block(block: Json) -> str:
    if block.get("type") == "context":
        return f'<div class="context">{"".join(f"<span>{_text(each)}</span>" for each in block["elements"])}</div>'
    text = _text(block["text"]) if isinstance(block.get("text"), dict) else ""
    fields = "".join(f"<div>{_text(each)}</div>" for each in block.get("fields") or [])
    return f'<div class="b">{text}</div>' + (f'<div class="b fields">{fields}</div>' if fields else "")


def _text(given: Json) -> str:
    words = str(given.get("text", ""))
    return _mrkdwn(words) if given.get("type") == "mrkdwn" else html.escape(words)


def _mrkdwn(text: str) -> str:
    """Slack's markup as HTML: tokens first, so that nothing within code or a link is taken for formatting."""
    marked: list[str] = []
    kept: list[str] = []
    at = 0
    for token in _TOKEN.finditer(text):
        marked.append(_plain(text[at : token.start()]) + f"\0{len(kept)}\0")
        kept.append(_token(token))
        at = token.end()
    marked.append(_plain(text[at:]))
    words = _STRUCK.sub(r"<s>\1</s>", _BOLD.sub(r"<b>\1</b>", "".join(marked)))
    return re.sub(r"\0(\d+)\0", lambda number: kept[int(number[1])], words)


def _token(token: re.Match[str]) -> str:
    kind = token.lastgroup
    if kind == "block":
        return f"<pre>{_plain(token['block'].strip(chr(10)))}</pre>"
    if kind == "code":
        return f"<code>{_plain(token['code'])}</code>"
    if kind in {"group", "user"}:
        return f'<span class="at">@{_plain(token[kind])}</span>'
    if token["url"]:
        return f'<a href="{_plain(token["url"])}">{_plain(token["label"] or token["url"])}</a>'
    if kind == "emoji":
        colour = CIRCLES.get(token["emoji"])
        return f'<i class="dot" style="background:{colour}"></i>' if colour else token[0]
    return "<br>"


def _plain(text: str) -> str:
    """Slack's three entities undone, and all of HTML escaped."""
    return html.escape(html.unescape(text.replace("\0", "")))
