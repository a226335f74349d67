"""Why there was no answer over HTTP, in one wording for API client and sinks: of httpx's errors and of httpcore's."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

import httpcore


class Failed(Enum):
    """At what a request failed."""

    CONNECTING = auto()
    """No connection: nothing was sent."""
    TLS = auto()
    TIMEOUT = auto()
    PROXY = auto()
    """A proxy on the way answered in the server's place."""
    NOT_HTTP = auto()
    BROKEN_OFF = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """`words` may repeat what the other side said: hide secrets before they are shown."""

    at: Failed
    words: str


def failure_of(error: BaseException, timeout: float) -> Failure:
    """What `error` means; `timeout` is what the request had, in seconds."""
    causes = list(_causes(error))
    for tls in (cause for cause in causes if isinstance(cause, ssl.SSLError)):
        if isinstance(tls, ssl.SSLCertVerificationError):
            return Failure(Failed.TLS, f"cannot connect: {tls}")
        return Failure(Failed.TLS, f"TLS failed: {tls.reason or type(tls).__name__}")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Failure(Failed.CONNECTING, "cannot connect: connection refused (is it running?)")
    for cause in causes:
        match cause:
            case TimeoutError() | httpcore.TimeoutException():
                return Failure(Failed.TIMEOUT, f"no answer within {timeout:g} s")
            case httpcore.ConnectError():
                return Failure(Failed.CONNECTING, f"cannot connect: {cause}")
            case httpcore.RemoteProtocolError():
                return Failure(Failed.NOT_HTTP, "the connection ended without an HTTP answer")
            case httpcore.ProxyError():
                return Failure(Failed.PROXY, f"answered HTTP {cause}")
            case _:
                pass
    return Failure(Failed.BROKEN_OFF, f"the connection broke ({type(error).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is behind it: httpx wraps httpcore's, which wraps the system's, or not at all."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        waiting += [one for one in (*inner, cause.__cause__ or cause.__context__) if one is not None]
