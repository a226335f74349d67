"""Redaction by the built-in rules alone, for texts that are shown or changed before a lane redacts events."""

from relay.events.values import text
from relay.redaction.redactor import Redactor

_REACH = 200
"""Characters beyond the cut that help to know a secret."""
_redactor = Redactor()


def without_secrets(value: str) -> str:
    """`value` without what the built-in rules hide."""
    return _redactor.redact_text(value)


def shortened(value: object, longest: int = 200) -> str | None:
    """As `relay.events.values.text`; a text that is cut is redacted before, as half a secret is not seen as one."""
    if isinstance(value, str) and len(value) > longest:
        value = without_secrets(value[: 2 * longest + _REACH])
    return text(value, longest)
