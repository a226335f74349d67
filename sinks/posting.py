"""One request over HTTP, bounded in time and size, and what its answer means as an `Outcome`.

For sinks that post: no redirect is followed, certificates are always verified, and neither the address nor a header
gets into an error, a log or a detail. What to send, and whether to try again, is for the sink.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from sinks.base import Outcome, Reason

MAX_ANSWER = 64 << 10
"""Bytes of an answer that are read; the rest is left on the wire and the connection closed."""
MAX_EXCERPT = 200
"""Characters of an answer that a detail may show."""
LONGEST_RETRY_AFTER = 86400.0
"""Seconds: who asks for more gets this."""

# httpx writes each address at INFO, and an address can be the secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_REASONS = {401: Reason.UNAUTHORIZED, 403: Reason.UNAUTHORIZED, 408: Reason.TIMEOUT, 413: Reason.TOO_LARGE}
_REASONS |= {429: Reason.RATE_LIMITED}
_UNPRINTABLE = re.compile(r"[^\x21-\x7e\xa1-\ud7ff\uf900-\ufffc]+")
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers with lower-case names, and the first `MAX_ANSWER` bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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
        secrets: texts that `told` blots out, should the other side echo them.
        ca_file: PEM file with the authorities to trust in place of the usual ones.

    Raises:
        OSError: `ca_file` cannot be read or holds no certificate.
    """

    def __init__(self, *, timeout: float, user_agent: str, secrets: Iterable[str], ca_file: Path | None = None) -> None:
        self._timeout = timeout
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._http = httpx.AsyncClient(
            timeout=timeout,
            follow_redirects=False,
            verify=ssl.create_default_context(cafile=str(ca_file)) if ca_file else True,
            headers={"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"},
            mounts=dict.fromkeys(_LOOPBACK),  # the environment's proxy is not for this machine
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST `body`.

        Raises:
            NoAnswerError: see its `outcome` (TIMEOUT, UNREACHABLE or BAD_ANSWER).
        """
        return await self._request("POST", url, body, headers)

    async def reach(self, url: str) -> Answer:
        """Ask `url` for its options, which delivers nothing; any answer shows that it can be reached.

        Raises:
            NoAnswerError: it cannot.
        """
        return await self._request("OPTIONS", url, None, {})

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def told(self, text: str) -> str:
        """What the other side said, fit for a detail: no secret of ours, no control characters, not long."""
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        text = _UNPRINTABLE.sub(" ", text).strip()
        return text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…"

    async def _request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._http.stream(method, url, content=body, headers=dict(headers)) as response,
            ):
                named = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, named, await _beginning(response))
        except (TimeoutError, httpx.TimeoutException):
            raise _no_answer(Reason.TIMEOUT, f"no answer within {self._timeout:g} s") from None
        except httpx.ConnectError as error:
            raise _no_answer(Reason.UNREACHABLE, self.told(f"cannot connect: {error}")) from None
        except httpx.RemoteProtocolError:
            raise _no_answer(Reason.BAD_ANSWER, "the connection ended without an HTTP answer") from None
        except httpx.TransportError as error:
            raise _no_answer(Reason.UNREACHABLE, f"the connection broke ({type(error).__name__})") from None


def outcome_of(answer: Answer, now: datetime, detail: str = "") -> Outcome:
    """What the status alone says; `detail` may add what the body said."""
    text = f"HTTP {answer.status}" + (f": {detail}" if detail else "")
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the range that means success
        return Outcome(Reason.OK, text)
    if answer.status in _REASONS:
        reason = _REASONS[answer.status]
    elif answer.status >= 500:  # noqa: PLR2004
        reason = Reason.SERVER_ERROR
    elif answer.status >= 400:  # noqa: PLR2004
        reason = Reason.REJECTED
    else:
        reason, text = Reason.BAD_ANSWER, f"{text} (redirects are not followed)"
    return Outcome(reason, text, retry_after(answer, now) if reason is not Reason.REJECTED else None)


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds to wait by the `Retry-After` header (RFC 9110, 10.2.3: seconds or a date), None without a usable one."""
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value, re.ASCII):
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


async def _beginning(response: httpx.Response) -> bytes:
    """The body's first bytes as they came: what is compressed stays so, lest a small answer become a large one."""
    read = bytearray()
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) >= MAX_ANSWER:
            break
    return bytes(read[:MAX_ANSWER])


def _no_answer(reason: Reason, detail: str) -> NoAnswerError:
    return NoAnswerError(Outcome(reason, detail))
