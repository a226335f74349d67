"""What an error of Redis means as an `Outcome`: whether the same emit may arrive later. Pure."""

import redis

from sinks.base import Outcome, Reason

_LATER = ("LOADING", "BUSY", "MASTERDOWN", "OOM", "READONLY", "TRYAGAIN", "CLUSTERDOWN", "MISCONF", "NOREPLICAS")
_LATER_TYPES = (
    redis.exceptions.BusyLoadingError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.AskError,
)
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "DENIED")
_REFUSED_TYPES = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.AuthenticationWrongNumberOfArgsError,
)
_TOO_MANY = "max number of clients"


def outcome_of(error: Exception, timeout: float) -> Outcome:
    """The outcome. Redis' own words are not repeated where they could hold a user's name or a command's arguments."""
    words = str(error)
    if isinstance(error, TimeoutError | redis.TimeoutError):
        return Outcome(Reason.TIMEOUT, f"Redis did not answer within {timeout:g} s")
    if isinstance(error, _REFUSED_TYPES) or words.startswith(_REFUSED):
        return Outcome(
            Reason.UNAUTHORIZED, "Redis refuses: wrong user or password, or the ACL lacks `+publish` or the channel"
        )
    if isinstance(error, _LATER_TYPES) or words.startswith(_LATER) or _TOO_MANY in words:
        return Outcome(Reason.SERVER_ERROR, f"Redis cannot now ({_code(error)})")
    if isinstance(error, redis.InvalidResponse):
        return Outcome(Reason.BAD_ANSWER, "the server is not Redis")
    if isinstance(error, redis.ResponseError):
        return Outcome(Reason.REJECTED, f"Redis rejects PUBLISH ({_code(error)})")
    return Outcome(Reason.UNREACHABLE, f"no connection to Redis ({_code(error)})")


def _code(error: Exception) -> str:
    """The error's code as Redis writes it, else its type."""
    code = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    known = (*_LATER, "ERR", "MOVED", "ASK")
    return code if code in known else type(error).__name__
