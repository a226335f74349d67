"""One request over HTTP, bounded in time and size, and what its answer means as an `Outcome`.

For sinks that post: no redirect is followed, certificates are always verified, and neither the address nor a header
gets into an error, a log or a detail. What to send, and whether to try again, is for the sink.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol, cast

import certifi
import httpcore

from relay.config.environment import Environment, Proxy
from relay.network.bodies import read_bounded
from relay.network.connections import Connections
from relay.network.failures import Failed, failure_of
from relay.network.resolver import Resolver
from relay.network.tls import tls_context
from relay.redaction.known_secrets import KnownSecrets
from sinks.base import Outcome, Reason, SinkError

MAX_ANSWER = 64 << 10
"""Bytes of an answer that are read; the rest is left on the wire and the connection closed."""
MAX_EXCERPT = 200
"""Characters of an answer that a detail may show."""
LONGEST_RETRY_AFTER = 86400.0
"""Seconds: who asks for more gets this. The lane waits for less (`outbox.longest_rest`)."""

# httpx writes each address at INFO, and an address can be the secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_REASONS = {401: Reason.UNAUTHORIZED, 403: Reason.UNAUTHORIZED, 408: Reason.TIMEOUT, 413: Reason.TOO_LARGE}
_REASONS |= {429: Reason.RATE_LIMITED}
_REASONS |= {407: Reason.UNREACHABLE, 421: Reason.UNREACHABLE}
"""A proxy on the way, or the wrong server at the end of this connection: nothing about the events."""
_REASONS |= {423: Reason.SERVER_ERROR, 425: Reason.SERVER_ERROR}
"""Locked, and too early: it may take them later."""
_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError)
_FAILED = {Failed.TIMEOUT: Reason.TIMEOUT, Failed.NOT_HTTP: Reason.BAD_ANSWER}
_UNSEEN = r"\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
"""Of these some turn the direction of writing: they hide what a line really says."""
_UNPRINTABLE = re.compile(rf"(?:[^\x21-\x7e\xa1-\ud7ff\uf900-\ufffc]|[{_UNSEEN}])+")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers with lower-case names, and the first `MAX_ANSWER` bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    broke_off: bool = False
    """The connection or the time ended within the body; the status is known all the same."""


class NoAnswerError(Exception):
    """Nothing that could be called an HTTP answer came in time."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class Poster:
    """An HTTP client that keeps `secrets` out of everything it says.

    Args:
        timeout: seconds from connecting to the last byte of the answer.
        user_agent: who we say we are.
        secrets: texts that `redacted` hides, should the other side echo them.
        ca_file: PEM file with the authorities to trust in place of the usual ones.
        cert_file: PEM file with our own certificate, for a server that asks for one.
        key_file: its key, where that is not in `cert_file`; without a passphrase.
        environment: proxies and certificates; the process' own unless given.

    Raises:
        SinkError: one of the files or the environment cannot be used.
    """

    def __init__(
        self,
        *,
        timeout: float,
        user_agent: str,
        secrets: Iterable[str],
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
        environment: Environment | None = None,
    ) -> None:
        self._timeout = timeout
        headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            environment = environment or Environment.read()
            tls = tls_context(environment, ca_file, cert_file, key_file, authorities=certifi.where())
        except ValueError as error:
            raise SinkError(str(error)) from None
        self._connections = Connections(Resolver(), tls, environment, headers)
        passwords = (proxy.password for proxy in environment.proxies.values())
        self._secrets = KnownSecrets((*secrets, *passwords))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST `body`.

        Raises:
            NoAnswerError: see its `outcome` (TIMEOUT, UNREACHABLE or BAD_ANSWER).
        """
        return await self._request(b"POST", url, body, headers)

    async def reach(self, url: str) -> Answer:
        """Ask `url` for its options, which delivers nothing; any answer shows that it can be reached.

        Raises:
            NoAnswerError: it cannot.
        """
        return await self._request(b"OPTIONS", url, None, {})

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    def redacted(self, text: str) -> str:
        """What the other side said, fit for a detail: no secret of ours, no control characters, not long."""
        text = _UNPRINTABLE.sub(" ", self._secrets.hide(text)).strip()
        return text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…"

    async def _request(self, method: bytes, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        target = self._connections.target(url)
        request = target.request(method, body, headers)
        read = bytearray()
        head: httpcore.Response | None = None
        connection: httpcore.AsyncConnectionInterface | None = None
        broke_off = False
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._connections.take(target)
                head = await connection.handle_async_request(request)
                await _read(head, read)
        except (*_BROKEN, OSError) as error:  # OSError: a TimeoutError, and TLS alerts, which come raw
            if head is None:
                raise NoAnswerError(self._no_answer(error, target.proxy)) from None
            broke_off = True
        finally:
            if connection is not None:
                await self._connections.give_back(target, connection)
        answer = Answer(head.status, _named_headers(head), bytes(read), broke_off)
        if target.proxy is not None and _is_by_the_proxy(url, answer):
            detail = f"{_named(target.proxy)} answered HTTP {answer.status} itself"
            raise NoAnswerError(Outcome(Reason.UNREACHABLE, detail))
        return answer

    def _no_answer(self, error: Exception, proxy: Proxy | None) -> Outcome:
        failure = failure_of(error, self._timeout)
        if failure.at is Failed.PROXY:
            return Outcome(Reason.UNREACHABLE, self.redacted(f"{_named(proxy)} {failure.words}"))
        by = f"by way of {_named(proxy)}: " if proxy else ""
        return Outcome(_FAILED.get(failure.at, Reason.UNREACHABLE), self.redacted(f"{by}{failure.words}"))


def outcome_of(answer: Answer, now: datetime, detail: str = "") -> Outcome:
    """What the status alone says; `detail` may add what the body said."""
    text = f"HTTP {answer.status}" + (f": {detail}" if detail else "")
    if 200 <= answer.status < 300:  # the range that means success
        return Outcome(Reason.OK, text)
    if answer.status in _REASONS:
        reason = _REASONS[answer.status]
    elif answer.status >= 500:
        reason = Reason.SERVER_ERROR
    elif answer.status >= 400:
        reason = Reason.REJECTED
    else:
        reason, text = Reason.BAD_ANSWER, f"{text} (redirects are not followed)"
    return Outcome(reason, text, retry_after(answer, now) if reason is not Reason.REJECTED else None)


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds to wait by the `Retry-After` header (RFC 9110, 10.2.3: seconds or a date), None without a usable one."""
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d{1,6})?", value, re.ASCII):
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


class _Body(Protocol):
    """An answer's body, as httpcore has it; to close it makes the connection free for the next request."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


async def _read(response: httpcore.Response, body: bytearray) -> None:
    """The body's first bytes as they come: what is compressed stays so, lest a small answer become a large one."""
    stream = cast("_Body", response.stream)
    try:
        await read_bounded(stream, body, MAX_ANSWER)
    finally:
        await stream.aclose()


def _named_headers(response: httpcore.Response) -> dict[str, str]:
    """The headers by name; those of one name in one value, as RFC 9110 (5.2) has it."""
    named: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        named[name] = f"{named[name]}, {value}" if name in named else value
    return named


def _named(proxy: Proxy | None) -> str:
    return f"the proxy {proxy.place} ({proxy.variable})" if proxy else "the proxy"


def _is_by_the_proxy(url: str, answer: Answer) -> bool:
    """Whether a proxy gave this answer to a plain http request itself, instead of handing on the receiver's.

    What it hands on it marks with Via (RFC 9110, 7.6.3); 407 is never a receiver's. Behind CONNECT all is the
    receiver's, and so is success: nothing else says that events have arrived.
    """
    if answer.status == 407:  # proxy authentication required
        return True
    is_plain = url.partition(":")[0].lower() == "http"
    return is_plain and answer.status >= 300 and not answer.headers.get("via")
