"""Text from the wire as Slack shall show it: escaped, cut on a character, and calling nobody. Pure functions."""

import re
from collections.abc import Iterator

ELLIPSIS = "…"
NOTHING = "—"
"""Slack refuses an empty text."""
MAX_URL = 400
"""A longer one is left out: it would take the room of what must be read."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_WORD_JOINER = "\u2060"
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
"""Controls, and what turns the direction of writing: they hide what a line really says."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_CALLS = re.compile(r"@(?=here|channel|everyone)", re.IGNORECASE)
_FENCE = re.compile(r"`(?=`)")
_BLANKS = re.compile(r"\s+")
_LINK_BREAKS = re.compile(r"[<>|\s\x00-\x1f\x7f-\x9f]")
"""What would end a link's URL."""
_FORMATTING = re.compile(r"[*_~`](?!\w)|(?<!\w)[*_~`]")


def mrkdwn(text: str, limit: int) -> str:
    """`text` for a mrkdwn field of at most `limit` characters."""
    return _cut(_quiet(text[: limit + 1]).strip(), limit, longer=len(text) > limit) or NOTHING


def one_line(text: str, limit: int) -> str:
    """`text` as a title: in one line, and without formatting of its own."""
    return _cut(_plain_line(text[: limit + 1]), limit, longer=len(text) > limit) or NOTHING


def lock_screen(text: str, limit: int) -> str:
    """`text` in one line of at most `limit` characters as they are read, cut at a word: entities count as one."""
    line = _plain_line(text[: 2 * limit])
    if width(line) > limit:
        kept = "".join(_within(list(line), limit - 1))
        at_word = kept.rpartition(" ")[0]
        line = (at_word if len(at_word) > limit // 2 else kept).rstrip(" ,;:") + ELLIPSIS
    return "".join(_ENTITIES.get(character, character) for character in line) or NOTHING


def link(url: str, label: str, limit: int) -> str:
    """`label` linked to `url`; the label alone without a URL, or with one that would not fit into a message."""
    shown = one_line(label, limit).replace("|", "\N{BROKEN BAR}")
    address = _LINK_BREAKS.sub(_percent, clean(url)).replace("&", "&amp;")
    return f"<{address}|{shown}>" if address and len(url) <= MAX_URL else shown


def inline_code(text: str, limit: int) -> str:
    """`text`, in one line, as code."""
    line = _BLANKS.sub(" ", _quiet(text[: limit + 1])).replace("`", "").strip()
    return f"`{_cut(line, limit, longer=False) or NOTHING}`"


def code_block(text: str, limit: int, *, keep_end: bool = False) -> str:
    """`text` as a code block that its own backticks cannot close; of a traceback the end says most."""
    room = limit - len("```\n\n```")
    part = text[-(room + 1) :] if keep_end else text[: room + 1]
    body = _FENCE.sub("`" + _WORD_JOINER, _quiet(part).strip("\n"))
    return f"```\n{_cut(body, room, longer=len(text) > room, keep_end=keep_end) or NOTHING}\n```"


def clean(text: str) -> str:
    """`text` without characters that cannot be seen; line breaks and tabs stay."""
    return _SURROGATES.sub("\ufffd", _UNSEEN.sub("", text))


def _quiet(text: str) -> str:
    """Cleaned, and with what would call a whole channel kept from doing so."""
    return _CALLS.sub("@" + _WORD_JOINER, clean(text))


def _plain_line(text: str) -> str:
    return _FORMATTING.sub("", _BLANKS.sub(" ", _quiet(text))).strip()


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="replace"))


def width(text: str) -> int:
    """Its length as Slack may count it: in UTF-16 units, which are never fewer than characters."""
    return sum(map(_unit, text))


def _unit(character: str) -> int:
    return 2 if character > "\uffff" else 1


def _cut(text: str, limit: int, *, longer: bool, keep_end: bool = False) -> str:
    """`text` escaped, in at most `limit` units; an ellipsis stands for what is missing, or `longer` says is."""
    escaped = [_ENTITIES.get(character, character) for character in text]
    if not longer and sum(map(width, escaped)) <= limit:
        return "".join(escaped)
    kept = list(_within(escaped[::-1] if keep_end else escaped, limit - 1))
    return ELLIPSIS + "".join(kept[::-1]) if keep_end else "".join(kept) + ELLIPSIS


def _within(pieces: list[str], room: int) -> Iterator[str]:
    for piece in pieces:
        room -= width(piece)
        if room < 0:
            return
        yield piece
