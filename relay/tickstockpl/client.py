"""The client of TickStockPL's HTTP API: the contract's six endpoints.

It asks and reads; when to ask, and what an answer means, is for the watchdog and the commands. Whatever goes
wrong out there is an `ApiError` with one of four reasons and one line of text without secrets.
"""

from __future__ import annotations

import asyncio
import json
import re
import textwrap
import zlib
from typing import TYPE_CHECKING, Self

import httpx
import tenacity

from relay.config.environment import Environment
from relay.events.lenient_json import decode_object
from relay.network.bodies import gunzip, read_bounded
from relay.network.failures import Failed, failure_of
from relay.network.resolver import Resolver
from relay.network.tls import tls_context
from relay.network.transport import transport
from relay.redaction.built_in import shortened
from relay.redaction.known_secrets import KnownSecrets
from relay.tickstockpl.errors import ApiError, ApiErrorReason
from relay.tickstockpl.models import (
    MAX_TEXT,
    Body,
    Cancelled,
    HistoryRun,
    Schedule,
    Status,
    Triggered,
    clock_time,
    read_cancelled,
    read_history,
    read_schedule,
    read_status,
    read_triggered,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BODY = 8 * 1024 * 1024
"""Bytes of one answer, before and after decompression; ten years of runs are 1 MB."""

RETRY_WAIT = tenacity.wait_exponential(multiplier=0.2, max=2.0) + tenacity.wait_random(0, 0.2)
_REFUSED_STATUS = {*range(300, 500), 503}
"""The command was not taken; behind any other 5xx (a bug on the way, a gateway that gave up) it may have been."""
_SHOWN = 40
"""Characters of an answer that is not JSON: enough to know a log-in page by."""
_LOOKED_AT = 4096
"""Bytes of it in which secrets are looked for before it is cut."""
_MAX_MESSAGE = 400
_MAX_PORT = 65535

_HEADER_VALUE = re.compile(r"[!-~]+", re.ASCII)


class TickStockPL:
    """An async context manager around one HTTP client.

    Args:
        base_url: http or https; a path in it is kept as a prefix, user and password in it become basic auth.
        token: sent as bearer token, in place of basic auth.
        timeout: seconds for one attempt, from connecting to the last byte.
        retries: further attempts after the first, for GET only: a command sent twice could run twice.

    Raises:
        ValueError: the base URL, the token or the environment cannot be used; the message does not repeat them.
    """

    def __init__(self, base_url: str, token: str | None = None, timeout: float = 5.0, retries: int = 2) -> None:
        url = _usable_url(base_url)
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if token is not None:
            if not _HEADER_VALUE.fullmatch(token):
                raise ValueError("the API token is empty or holds characters that no HTTP header can carry")
            headers["Authorization"] = f"Bearer {token}"
        with_userinfo = bool(url.username or url.password) and token is None
        bare_url = url.copy_with(username=None, password=None)
        self.url = str(bare_url).rstrip("/")
        """The base URL without user and password, fit to be shown."""
        self._secrets = KnownSecrets((token, url.password, url.username))
        self._timeout = timeout
        self._retries = retries
        self._http = httpx.AsyncClient(
            base_url=bare_url,
            headers=headers,
            auth=(url.username, url.password) if with_userinfo else None,
            timeout=None,  # noqa: S113 - `_call` sets one for the whole attempt, httpx only for each read
            # Not by way of proxies and .netrc of whoever started us; the machine's own certificates, though.
            trust_env=False,
            transport=transport(
                Resolver(),
                tls=tls_context(Environment.read()),
                # A connection kept over half a minute may be dead, and a POST that meets its end is not repeated.
                limits=httpx.Limits(max_keepalive_connections=0),
            ),
        )

    def __repr__(self) -> str:
        return f"TickStockPL({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client; it cannot be used again."""
        await self._http.aclose()

    async def status(self) -> Status:
        """What is going on now. Raises ApiError, as every call does."""
        return read_status(await self._get("api/processing/status"))

    async def history(self, days: int = 7) -> list[HistoryRun]:
        """The runs of the last `days` days, in the API's order."""
        body = await self._get(f"api/processing/history?days={int(days)}")
        try:
            return read_history(body)
        except ValueError as wrong:
            raise self._error(ApiErrorReason.BAD_BODY, f"the history from {self.url} has {wrong}") from None

    async def schedule(self) -> Schedule:
        """When TickStockPL means to run by itself."""
        return read_schedule(await self._get("api/processing/schedule"))

    async def set_schedule(self, *, enabled: bool | None = None, trigger_time: str | None = None) -> None:
        """Change the schedule; what is None is not sent. Ask `schedule()` for what came of it.

        Raises:
            ValueError: `trigger_time` is not "HH:MM", or nothing is to be changed.
        """
        if trigger_time is not None and clock_time(trigger_time) != trigger_time:
            raise ValueError(f'the trigger time must be "HH:MM", not {trigger_time!r}')
        wanted: Body = {"enabled": enabled, "trigger_time": trigger_time}
        body = {name: value for name, value in wanted.items() if value is not None}
        if not body:
            raise ValueError("nothing to change: neither enabled nor trigger_time is given")
        await self._command("POST", "api/processing/schedule", body)

    async def trigger(
        self,
        *,
        skip_market_check: bool = False,
        phases: Sequence[str] | None = None,
        universe: str | None = None,
    ) -> Triggered:
        """Start a run by hand; without `phases` and `universe` TickStockPL takes its own defaults."""
        body: Body = {"skip_market_check": skip_market_check}
        if phases:
            body["phases"] = list(phases)
        if universe:
            body["universe"] = universe
        return read_triggered(await self._command("POST", "api/processing/trigger-manual", body))

    async def cancel(self) -> Cancelled:
        """Cancel the run that is going on."""
        return read_cancelled(await self._command("DELETE", "api/processing/cancel"))

    async def _get(self, path: str) -> Body:
        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(1 + self._retries),
            wait=RETRY_WAIT,
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, ApiError) and error.may_pass),
            reraise=True,
        )
        return await attempts(self._call, "GET", path)

    async def _command(self, method: str, path: str, body: Body | None = None) -> Body:
        """A call that changes something: once, and honest about what a failure leaves open."""
        try:
            return await self._call(method, path, body)
        except ApiError as failed:
            if failed.status in _REFUSED_STATUS or isinstance(failed.__cause__, httpx.ConnectError):
                raise
            message = f"{failed}; TickStockPL may or may not have taken the request"
            raise self._error(failed.reason, message, failed.status) from failed.__cause__

    async def _call(self, method: str, path: str, body: Body | None = None) -> Body:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(method, path, body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # a TimeoutError is one, and TLS alerts come raw
            failure = failure_of(error, self._timeout)
            reason = ApiErrorReason.TIMEOUT if failure.at is Failed.TIMEOUT else ApiErrorReason.UNREACHABLE
            raise self._error(reason, f"cannot reach {self.url}: {failure.words}") from error

    async def _exchange(self, method: str, path: str, body: Body | None) -> Body:
        async with self._http.stream(method, path, json=body) as response:
            status = response.status_code
            content = b""
            try:
                content = await _content(response)
                answer = decode_object(content) if content or method == "GET" else {}
            except (ValueError, httpx.TransportError, zlib.error) as wrong:
                if response.is_success:
                    message = f"the answer of {self.url} cannot be read: {_cause(wrong, self._beginning(content))}"
                    raise self._error(ApiErrorReason.BAD_BODY, message, status) from wrong
                answer = {}
        if not response.is_success:
            raise self._error(ApiErrorReason.HTTP_STATUS, f"{self.url} answered {_explain(response, answer)}", status)
        return answer

    def _beginning(self, content: bytes) -> str:
        """How a body begins, in one line and without secrets."""
        return self._secrets.hide(content[:_LOOKED_AT].decode(errors="replace"))[:_SHOWN]

    def _error(self, reason: ApiErrorReason, message: str, status: int | None = None) -> ApiError:
        """The one place where errors are made, so that none carries a secret or a second line."""
        shown = textwrap.shorten(self._secrets.hide(message), _MAX_MESSAGE, placeholder=" …")
        return ApiError(reason, shown, status)


def _usable_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, ValueError):
        # The parser's own message may hold a piece of the password.
        raise ValueError("the base URL of TickStockPL is not a URL") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("the base URL of TickStockPL must start with http:// or https:// and name a host")
    if url.port and url.port > _MAX_PORT:
        raise ValueError("the base URL of TickStockPL must have a port up to 65535")
    if url.query or url.fragment:
        raise ValueError("the base URL of TickStockPL must have no ?query and no #fragment")
    return url


async def _content(response: httpx.Response) -> bytes:
    """The decoded body, at most `MAX_BODY` bytes on the wire and in memory.

    Raises:
        ValueError: it is larger, or encoded in a way that we did not offer.
        zlib.error: its compression is broken.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise ValueError("its content encoding is not supported")
    raw = bytearray()
    if not await read_bounded(response.aiter_raw(), raw, MAX_BODY):
        raise ValueError(f"it is larger than {MAX_BODY:,} bytes")
    return gunzip(raw, MAX_BODY) if encoding == "gzip" and raw else bytes(raw)


def _explain(response: httpx.Response, answer: Body) -> str:
    """The status, and for 4xx the API's own explanation; a 500's text may be a traceback."""
    status = response.status_code
    text = f"{status} {httpx.codes.get_reason_phrase(status)}".strip()
    if response.is_redirect:
        return f"{text}: a redirect, which is not followed; check the base URL"
    texts = (answer.get(key) for key in ("detail", "message", "error"))
    explanation = next((each for each in texts if isinstance(each, str) and each.strip()), None)
    return f"{text}: {shortened(explanation, MAX_TEXT)}" if explanation and response.is_client_error else text


def _cause(error: Exception, begin: str) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):  # their words are of parsers
        return f"it is not JSON; it begins with {begin!r}" if begin else "it is empty"
    return str(error) or type(error).__name__
