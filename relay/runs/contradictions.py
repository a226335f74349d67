"""What an end that calls itself completed says against that: an error, a status that nobody knows, a `success: false`.

Pure. A "completed" is a claim; what stands beside it is read before it is believed.
"""

from collections.abc import Mapping
from typing import Any

from relay.redaction.built_in import shortened
from relay.runs.signals import State, state_named

_SUCCESS = ("success", "succeeded", "successful", "ok")
_ERRORS = ("error", "error_message", "exception")
_NOTHING = frozenset({"", "none", "null", "no", "false", "0", "n/a", "-", "ok"})
"""Words for "no error"."""


def denies_success(payload: Mapping[str, Any]) -> bool:
    """Whether it says of itself that it did not succeed."""
    return any(str(payload.get(name)).lower() == "false" for name in _SUCCESS)


def contradiction(payload: Mapping[str, Any]) -> str | None:
    """What speaks against success: `the status "skipped"`; None when nothing does."""
    status = shortened(payload.get("status"), 40)
    if isinstance(payload.get("status"), str) and status and state_named(status) is None:
        return f'the status "{status}"'
    if state_named(status) not in (None, State.COMPLETED):
        return None  # it is not called completed
    return next((words for name in _ERRORS if (words := _error(payload.get(name)))), None)


def _error(value: object) -> str | None:
    if isinstance(value, str):
        return f'the error "{shortened(value, 200)}"' if value.strip().lower() not in _NOTHING else None
    if isinstance(value, dict) and value:
        return _error(value.get("message")) or "an error"
    return "an error" if value is True else None
