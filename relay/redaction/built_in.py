"""Redaction by the built-in rules alone, for texts that are shown or changed before a lane redacts events.

Whoever cuts a text of the wire cuts it here: redacted before, as half a secret is not seen as one.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from relay.events.values import text
from relay.redaction.redactor import Redactor

_REACH = 2200
"""Characters beyond the cut that are looked at: the longest secret that is known only with what follows it."""
_REACH_BACK = 17_000
"""The same before a cut that leaves the end: a private key is known by how it begins."""
_redactor = Redactor()


def without_secrets(value: str) -> str:
    """`value` without what the built-in rules hide."""
    return _redactor.redact_text(value)


def fields_without_secrets(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same for values with names, which may be what tells that they are secret."""
    return _redactor.redact_fields(fields)


def shortened(value: object, longest: int = 200) -> str | None:
    """As `relay.events.values.text`; a text that is cut is redacted before."""
    if isinstance(value, str) and len(value) > longest:
        value = _beginning(value, 2 * longest + _REACH)
    return text(value, longest)


def shortened_to_end(value: str, longest: int) -> str:
    """The last `longest` characters; a text that is cut is redacted before."""
    if len(value) <= longest:
        return value
    part = value[-(2 * longest + _REACH_BACK) :]
    shown = without_secrets(part)
    if len(part) < len(value):
        shown = shown[_same(part, shown, _REACH_BACK) :]
    return shown[-longest:]


def _beginning(value: str, longest: int) -> str:
    """What is known to be no secret of the first `longest` characters."""
    part = value[:longest]
    shown = without_secrets(part)
    if len(part) < len(value):
        shown = shown[: len(shown) - _same(part[::-1], shown[::-1], _REACH)]
    return shown


def _same(one: str, other: str, most: int) -> int:
    """How many characters, at most `most`, both begin with: at a cut they may be half a secret."""
    lengths = range(1, min(most, len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])
