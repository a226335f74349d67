"""Which errors are the same: one answer for page, Slack, incidents and whoever counts them. Pure.

The texts are whole: who shows them cuts them (`relay.redaction.built_in`), and redacts them before.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from relay.events.model import Event
from relay.events.values import WHOLE, text

MAX_COMPARED = 300
"""Characters of a text that tell one error from another."""
GROUP_BYTES = 6

_MESSAGES = ("message", "error_message", "error", "reason", "description")
_VARYING = re.compile(
    r"0x[0-9a-f]+"
    r"|\b(?=[a-z-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}\b"  # UUIDs, hashes; "facade" is a word
    r"|\b(?=[a-z]*\d[a-z]*\d)[a-z0-9]{20,}\b"  # other long ids
    r"|\d+(?:[.,:]\d+)*",
    re.IGNORECASE,
)


def error_group(event: Event) -> str:
    """The same for errors that say the same thing, whatever numbers, ids and symbols they name: 12 hex digits.

    Severity, component and code must be equal; an incident of errors outside of runs is called `error:<group>`.
    """
    parts = (
        event.event,
        event.severity.label,
        error_place(event),
        error_code(event),
        _shape((error_message(event) or "")[:MAX_COMPARED], (error_symbol(event) or "")[:MAX_COMPARED], event.run_id),
    )
    return blake2b(
        "\0".join(part[:MAX_COMPARED] for part in parts).encode(errors="replace"), digest_size=GROUP_BYTES
    ).hexdigest()


def error_place(event: Event) -> str:
    """The component that reports it, else who published it."""
    return text(event.payload.get("component"), WHOLE) or event.source or ""


def error_code(event: Event) -> str:
    """Its code, else its category; empty when it has neither."""
    return text(event.payload.get("error_code"), WHOLE) or text(event.payload.get("category"), WHOLE) or ""


def error_message(event: Event) -> str | None:
    """What an error says in words; None when it has none."""
    payload = event.payload
    return next((words for name in _MESSAGES if (words := text(payload.get(name), WHOLE))), None)


def error_symbol(event: Event) -> str | None:
    """The symbol that an error is about."""
    context = event.payload.get("context")
    inner = context.get("symbol") if isinstance(context, dict) else None
    return text(event.payload.get("symbol"), WHOLE) or text(inner, WHOLE)


@lru_cache(maxsize=1024)
def _shape(message: str, *own: str | None) -> str:
    """The message without what varies from one error to the next, its `own` symbol and run among that.

    Remembered, as page, log and incident each ask for it.
    """
    for name in filter(None, own):
        message = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "#", message)
    return _VARYING.sub("#", message)
