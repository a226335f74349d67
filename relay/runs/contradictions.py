"""What speaks against an end that was published as completed: an error, an unknown status, a `success: false`.

Pure. A "completed" is a claim; what stands beside it is read before it is believed.
"""

from collections.abc import Mapping
from typing import Any

from relay.redaction.built_in import shortened
from relay.runs.signals import State, state_named

_SUCCESS = ("success", "succeeded", "successful", "ok")
_ERRORS = ("error", "error_message", "exception")
_NULLS = frozenset({"", "none", "null", "nil", "n/a", "-"})
"""What publishers write for "there is none"."""
_NO_ERRORS = _NULLS | {"no", "false", "0", "ok", "no error", "no errors", "success"}


def denies_success(payload: Mapping[str, Any]) -> bool:
    """Whether it says of itself that it did not succeed."""
    return any(str(payload.get(name)).lower() == "false" for name in _SUCCESS)


def contradiction(payload: Mapping[str, Any]) -> str | None:
    """What speaks against success: `the status "skipped"`; None when nothing does."""
    status = shortened(payload.get("status"), 40)
    if isinstance(payload.get("status"), str) and status and _is_unknown(status):
        return f'the status "{status}"'
    if state_named(status) not in (None, State.COMPLETED):
        return None  # it is not called completed
    return next((words for name in _ERRORS if (words := _error(payload.get(name)))), None)


def _is_unknown(status: str) -> bool:
    return status.lower() not in _NULLS and state_named(status) is None


def _error(value: object) -> str | None:
    if isinstance(value, str):
        return f'the error "{shortened(value, 200)}"' if _says_something(value) else None
    if isinstance(value, dict):
        return _error(value.get("message")) or ("an error" if _says_something(value) else None)
    if isinstance(value, list):
        return next((words for one in value if (words := _error(one))), None)
    return "an error" if value is True else None


def _says_something(value: object) -> bool:
    """Whether it is more than an empty form of an error: `{"code": 0, "message": null}`."""
    if isinstance(value, str):
        return value.strip(" .[]{}").lower() not in _NO_ERRORS
    if isinstance(value, dict | list):
        return any(map(_says_something, value.values() if isinstance(value, dict) else value))
    return bool(value)
