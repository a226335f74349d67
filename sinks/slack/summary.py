"""The day's summary, as the relay's event words it. Pure; loads Slack's block models, so import it when needed."""

from typing import Any

from sinks.slack.blocks import BLUE, GREEN, MAX_PART, MAX_TEXT, MAX_TITLE, RED, context, fields, section
from sinks.slack.message import Message
from sinks.slack.text import link, lock_screen, mrkdwn, one_line

MAX_FIELDS = 10
"""Slack's own limit for one section."""
MAX_FIELD = 200
MAX_LABEL = 40
_CIRCLES = {"good": GREEN, "bad": RED}


def compose(payload: dict[str, Any], label: str = "") -> Message:
    """One message, with the installation's name before its title; it never mentions anybody."""
    title = f"[{label}] {_text(payload, 'title')}" if label else _text(payload, "title")
    url = _text(payload, "url")
    head = f"{_CIRCLES.get(_text(payload, 'state'), BLUE)} *{link(url, title, MAX_TITLE)}*"
    cause = _text(payload, "cause")
    blocks = [section(f"{head}\n{one_line(cause, MAX_PART)}" if cause else head)]
    if pairs := _pairs(payload.get("fields")):
        blocks.append(fields(pairs))
    notes = payload.get("context")
    small = [one_line(str(text), MAX_PART) for text in notes[:MAX_FIELDS]] if isinstance(notes, list) else []
    if url:
        small.insert(0, link(url, "Day page", MAX_LABEL))
    if small:
        blocks.append(context([" \N{MIDDLE DOT} ".join(small)[: 2 * MAX_PART]]))
    text = _text(payload, "text") or title
    return Message(lock_screen(f"[{label}] {text}" if label else text, MAX_TEXT), blocks)


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def _pairs(given: object) -> list[str]:
    """The fields as Slack shows them: name in bold, text below."""
    pairs = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return [
        f"*{one_line(_text(one, 'name'), MAX_LABEL)}*\n{mrkdwn(_text(one, 'text'), MAX_FIELD)}"
        for one in pairs[:MAX_FIELDS]
    ]
