"""Why the relay is not subscribed: in the server's words where it has any, and not more often in the log than helps."""

import time

import structlog

from relay.subscription.connect import ConnectError
from relay.subscription.errors import ErrorKind, ServerError
from relay.subscription.resp import ProtocolViolationError

LOG_AGAIN = 60.0
"""Seconds after which a reason is logged again while it lasts."""

_KINDS = {
    ErrorKind.REFUSED: "Redis refuses",
    ErrorKind.PASSING: "Redis cannot answer now",
    ErrorKind.MOVED: "Redis names another server",
    ErrorKind.BROKEN: "Redis speaks another protocol",
}

log = structlog.get_logger(__name__)


def kind_of_loss(error: OSError) -> ErrorKind | None:
    """What kind of error has ended a connection, or kept it from being made; None: no answer of a server's."""
    if isinstance(error, ProtocolViolationError):
        return ErrorKind.BROKEN
    return error.kind if isinstance(error, ServerError | ConnectError) else None


def reason_of_loss(error: OSError) -> str:
    """Why the connection was lost, or could not be made."""
    kind = kind_of_loss(error)
    return in_words(kind, str(error)) if kind else f"no connection: {error}"


def in_words(kind: ErrorKind, text: str) -> str:
    """An error by its kind and in the server's words."""
    return f"{_KINDS[kind]}: {text}"


class ReasonLog:
    """Logs each reason once, and now and then again: an attempt a second would fill a log in a night."""

    def __init__(self) -> None:
        self._reason = ""
        self._at = 0.0

    def warn(self, reason: str, what: str) -> None:
        """One line, if it is time for one."""
        if reason != self._reason or time.monotonic() - self._at >= LOG_AGAIN:
            self._reason = reason
            self._at = time.monotonic()
            log.warning(what, reason=reason)

    def clear(self) -> None:
        """All is well: the next reason is news."""
        self._reason = ""
