"""What goes wrong when TickStockPL's API is asked: one of four reasons, and one line of text without secrets."""

from enum import StrEnum

_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class ApiErrorReason(StrEnum):
    """Why a call failed: a closed set, fit for a metric's label."""

    UNREACHABLE = "unreachable"
    """No connection, or it ended before an answer began."""
    TIMEOUT = "timeout"
    HTTP_STATUS = "http_status"
    """It answered, with anything but 2xx; redirects are not followed."""
    BAD_BODY = "bad_body"
    """The body is cut off, too large, no JSON object, or lacks what it is all about."""


class ApiError(Exception):
    """A call failed. `str()` is one line without secrets; `status` is the HTTP status, if one came."""

    def __init__(self, reason: ApiErrorReason, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether the same question may be answered in a moment."""
        if self.reason is ApiErrorReason.HTTP_STATUS:
            return self.status in _RETRIED_STATUS
        return self.reason in {ApiErrorReason.UNREACHABLE, ApiErrorReason.TIMEOUT}
