"""How a line of the log looks for people: on a terminal, and in systemd's journal.

A call of the log may bring `text`, the whole sentence; the other facts are then for JSON only. Without one the sentence
is made of the facts.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from relay.process.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Any

WIDTH = 120
"""Columns that a line on a terminal has at most; what is longer goes on below."""
PRIORITIES = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "info": 6, "debug": 7}
"""syslog(3)'s, by the log's level."""
_SIGNS = {"critical": "✗", "error": "✗", "exception": "✗", "warning": "!"}
_COLOURS = {"✗": "\x1b[31m", "!": "\x1b[33m"}
_REASONS = ("reason", "error", "failure", "why")
_OURS = frozenset({"event", "text", "level", "timestamp", "exception", "stack", *_REASONS})


def names_our_stderr(stream: str, descriptor: int = 2) -> bool:
    """Whether `JOURNAL_STREAM` (systemd.exec(5)) says that the journal reads what this descriptor writes."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def sentence(line: Mapping[str, Any]) -> str:
    """What happened, in one line: `sink is failing: TLS failed (sink ops)`."""
    if text := line.get("text"):
        return plain(str(text))
    why = next((plain(str(line[name])) for name in _REASONS if line.get(name)), "")
    facts = [f"{name.replace('_', ' ')} {_shown(value)}" for name, value in line.items() if _is_fact(name, value)]
    rest = f" ({', '.join(facts)})" if facts else ""
    return f"{plain(str(line.get('event', '')))}{f': {why}' if why else ''}{rest}"


def _is_fact(name: str, value: object) -> bool:
    return name not in _OURS and not name.startswith("_") and value not in (None, "", [], {})


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{_shown(name)} {_shown(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return plain(str(value))


def for_journal(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    """The sentence, and a traceback below it, each line with its priority in front (sd-daemon(3))."""
    return with_priority("\n".join([sentence(line), *_below(line)]), str(line.get("level", "info")))


def with_priority(text: str, level: str) -> str:
    """Each line of `text` with the level's priority in front, which the journal takes off."""
    return "\n".join(f"<{PRIORITIES.get(level, 6)}>{each}" for each in text.splitlines())


def for_terminal(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    """`16:28:04 ✗ alert: …` in local time, within 120 columns."""
    sign = _SIGNS.get(str(line.get("level", "info")), " ")
    from relay.events.wording import clock_time  # noqa: PLC0415 - needs time zone data, which `check` reports missing

    now = datetime.now().astimezone()
    head = f"{clock_time(now, now, zone=now.tzinfo or UTC, seconds=True)} {sign} "
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    body = textwrap.wrap(sentence(line), max(20, width - len(head)), break_on_hyphens=False) or [""]
    if sign in _COLOURS and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        head = head.replace(sign, f"{_COLOURS[sign]}{sign}\x1b[0m")
    return "\n".join([f"{head}{body[0]}", *(f"{'':11}{each}" for each in body[1:]), *_below(line)])


def _below(line: Mapping[str, Any]) -> list[str]:
    """A traceback: as it is, without what steers a terminal."""
    text = line.get("exception") or line.get("stack")
    return [f"  {_harmless(each)}" for each in str(text).splitlines()] if text else []


def _harmless(text: str) -> str:
    """The line with its indentation."""
    return text[: len(text) - len(text.lstrip())] + plain(text)
