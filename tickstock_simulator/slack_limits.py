"""Slack's documented limits on a message (reference pages of chat.postMessage, Block Kit and attachments).

Pure: a message in, what Slack would object to out, worded as Slack words it.
"""

from collections.abc import Iterator
from typing import Any

MAX_TEXT = 40_000
MAX_ATTACHMENTS = 100
MAX_BLOCKS = 50
MAX_BLOCK_ID = 255
MAX_SECTION_TEXT = 3_000
MAX_FIELDS = 10
MAX_FIELD_TEXT = 2_000
MAX_HEADER_TEXT = 150
MAX_CONTEXT_ELEMENTS = 10
MAX_ACTIONS = 25
MAX_BUTTON_TEXT = 75
MAX_URL = 3_000
_TEXT_TYPES = ("mrkdwn", "plain_text")
_OTHER_BLOCKS = ("divider", "rich_text", "image", "video", "file", "input", "markdown", "table")
Json = dict[str, Any]


def refusal(message: Json) -> tuple[str, list[str]] | None:
    """Slack's error code and its remarks on a message, or None where it would be taken."""
    text, blocks, attachments = message.get("text"), message.get("blocks"), message.get("attachments")
    if not (text or blocks or attachments):
        return "no_text", []
    if text is not None and not isinstance(text, str):
        return "invalid_arguments", ["must be a string [json-pointer:/text]"]
    if len(text or "") > MAX_TEXT:
        return "msg_too_long", []
    if attachments is not None:
        if not isinstance(attachments, list):
            return "invalid_attachments", ["must be an array [json-pointer:/attachments]"]
        if len(attachments) > MAX_ATTACHMENTS:
            return "too_many_attachments", []
    remarks = list(_blocks(blocks, "/blocks")) if blocks is not None else []
    for number, attachment in enumerate(attachments or []):
        remarks += _attachment(attachment, f"/attachments/{number}")
    return ("invalid_blocks", remarks) if remarks else None


def _attachment(attachment: object, at: str) -> Iterator[str]:
    if not isinstance(attachment, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    if not any(attachment.get(name) for name in ("blocks", "text", "fallback", "title", "pretext", "fields")):
        yield f"no content [json-pointer:{at}]"
    if (blocks := attachment.get("blocks")) is not None:
        yield from _blocks(blocks, f"{at}/blocks")


def _blocks(blocks: object, at: str) -> Iterator[str]:
    if not isinstance(blocks, list):
        yield f"must be an array [json-pointer:{at}]"
        return
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:{at}]"
    seen: set[object] = set()
    for number, block in enumerate(blocks):
        where = f"{at}/{number}"
        if not isinstance(block, dict):
            yield f"must be an object [json-pointer:{where}]"
            continue
        yield from _block(block, where)
        name = block.get("block_id")
        if isinstance(name, str) and len(name) > MAX_BLOCK_ID:
            yield f"must be less than {MAX_BLOCK_ID + 1} characters [json-pointer:{where}/block_id]"
        if name is not None and name in seen:
            yield f"`block_id` {name} already exists [json-pointer:{where}/block_id]"
        seen.add(name)


def _block(block: Json, at: str) -> Iterator[str]:
    match block.get("type"):
        case "section":
            yield from _section(block, at)
        case "header":
            yield from _text(block.get("text"), f"{at}/text", MAX_HEADER_TEXT, ("plain_text",))
        case "context":
            yield from _context(block.get("elements"), f"{at}/elements")
        case "actions":
            yield from _actions(block.get("elements"), f"{at}/elements")
        case kind if kind not in _OTHER_BLOCKS:
            yield f"unsupported type: {kind} [json-pointer:{at}/type]"


def _section(block: Json, at: str) -> Iterator[str]:
    if block.get("text") is None and not block.get("fields"):
        yield f"missing required field: text [json-pointer:{at}]"
    if block.get("text") is not None:
        yield from _text(block["text"], f"{at}/text", MAX_SECTION_TEXT)
    if (fields := block.get("fields")) is not None:
        yield from _array(fields, f"{at}/fields", MAX_FIELDS)
        for number, each in enumerate(fields if isinstance(fields, list) else []):
            yield from _text(each, f"{at}/fields/{number}", MAX_FIELD_TEXT)


def _context(elements: object, at: str) -> Iterator[str]:
    yield from _array(elements, at, MAX_CONTEXT_ELEMENTS)
    for number, each in enumerate(elements if isinstance(elements, list) else []):
        if not (isinstance(each, dict) and each.get("type") == "image"):
            yield from _text(each, f"{at}/{number}", MAX_SECTION_TEXT)


def _actions(elements: object, at: str) -> Iterator[str]:
    yield from _array(elements, at, MAX_ACTIONS)
    for number, each in enumerate(elements if isinstance(elements, list) else []):
        if isinstance(each, dict) and each.get("type") == "button":
            yield from _text(each.get("text"), f"{at}/{number}/text", MAX_BUTTON_TEXT, ("plain_text",))
            if len(str(each.get("url", ""))) > MAX_URL:
                yield f"must be less than {MAX_URL + 1} characters [json-pointer:{at}/{number}/url]"


def _array(items: object, at: str, most: int) -> Iterator[str]:
    if not isinstance(items, list) or not items:
        yield f"must be an array with at least one item [json-pointer:{at}]"
    elif len(items) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}]"


def _text(text: object, at: str, most: int, types: tuple[str, ...] = _TEXT_TYPES) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in types:
        yield f"must be a text object of type {' or '.join(types)} [json-pointer:{at}]"
        return
    words = text.get("text")
    if not isinstance(words, str) or not words:
        yield f"must be more than 0 characters [json-pointer:{at}/text]"
    elif len(words) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{at}/text]"
