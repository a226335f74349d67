"""The webhook sink: events by HTTP POST, signed by the Standard Webhooks scheme (standardwebhooks.com).

A few short retries happen within one delivery; longer waits are the lane's. What HTTP answers mean stands in
`sinks.posting`.
"""

import asyncio
import base64
import binascii
import hmac
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from relay.events import Event, encode, kind_of
from sinks.addresses import place_of, secrets_of, usable_url
from sinks.base import Batching, Outcome, QueuedSink, Reason, SinkContext, SinkError
from sinks.options import Duration, Options

if TYPE_CHECKING:
    from sinks.posting import Poster

LONGEST_WAIT = 5.0
"""Seconds of `Retry-After` that a delivery sits out itself; more is for the lane."""

_FIELD = re.compile(r"(?:channel|domain|action|event|phase|source|run_id)|payload(?:\.[^.\s]+)+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)
_OURS = frozenset({"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection"})
_encode = msgspec.json.Encoder().encode


class BatchOptions(Options):
    """How many events go into one request."""

    max_events: int = Field(default=100, ge=1, le=10_000, description="So many events at most.")
    max_wait: Duration = Field(default=1.0, ge=0, le=3600, description="How long one event waits for others.")


class WebhookOptions(Options):
    """Where to post, in which form, and how to prove that it was us."""

    allow_plain_http: bool = Field(default=False, description="Send to other machines without TLS.")
    url: SecretStr = Field(
        description="Where to: https, or plain http on this machine. A secret, as it may hold a key."
    )
    secret: SecretStr | None = Field(
        default=None, description="Signing key: `whsec_…` or plain base64 of 24 to 64 bytes."
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="Further headers; their values are secrets."
    )
    body: Literal["event", "original"] = Field(
        default="event",
        description="`event`: the normalised object (docs/archive.md); `original`: the bytes as they came.",
    )
    batch: BatchOptions | None = Field(
        default=None, description="With it every body is a JSON array, also of one event."
    )
    order_by: tuple[str, ...] = Field(
        default=(), description="Events of one value are delivered in order: `[run_id]`, `[payload.symbol]`."
    )
    concurrency: int = Field(
        default=4, ge=1, le=64, description="Requests under way at once; events of one `order_by` wait for one another."
    )
    timeout: Duration = Field(default=10.0, gt=0, le=30, description="For one try, from connecting to the last byte.")
    attempts: int = Field(default=3, ge=1, le=10, description="Tries within one delivery.")
    retry_delay: Duration = Field(
        default=0.2, ge=0, le=LONGEST_WAIT, description="Wait before the second try; it doubles with each."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities to trust instead of the usual ones."
    )
    cert_file: Path | None = Field(
        default=None, description="Client certificate (PEM), where the server asks for one (mTLS)."
    )
    key_file: Path | None = Field(
        default=None, description="Key of the client certificate (PEM, no passphrase), unless `cert_file` holds it."
    )

    @field_validator("url")
    @classmethod
    def _usable_address(cls, url: SecretStr, given: ValidationInfo) -> SecretStr:
        usable_url(url.get_secret_value(), allow_plain_http=given.data.get("allow_plain_http", True))
        return url

    @field_validator("key_file")
    @classmethod
    def _key_of_a_certificate(cls, path: Path | None, given: ValidationInfo) -> Path | None:
        if path is not None and given.data.get("cert_file") is None:
            raise ValueError("key_file goes with cert_file")
        return path

    @field_validator("secret")
    @classmethod
    def _usable_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            text = secret.get_secret_value().removeprefix("whsec_")
            try:
                key = _decoded(text)
            except (binascii.Error, ValueError):
                raise ValueError("the signing key must be whsec_… or plain base64") from None
            if not 24 <= len(key) <= 64:  # Standard Webhooks, "Signature scheme"
                raise ValueError(f"the signing key must have 24 to 64 bytes, this one has {len(key)}")
        return secret

    @field_validator("headers")
    @classmethod
    def _usable_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a valid header name")
            if name.lower() in _OURS or name.lower().startswith("webhook-"):
                raise ValueError(f"the header {name} is set by the sink itself")
            if not _HEADER_VALUE.fullmatch(value.get_secret_value()):
                raise ValueError(f"the value of the header {name} must be printable ASCII in one line")
        return headers

    @field_validator("order_by")
    @classmethod
    def _known_fields(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        for field in fields:
            if not _FIELD.fullmatch(field):
                raise ValueError(f"{field!r} is not a field of an event, such as run_id, channel or payload.symbol")
        return fields


class _Attempt(NamedTuple):
    outcome: Outcome
    again: bool
    """Whether the same delivery should try once more."""


class WebhookSink(QueuedSink):
    """POSTs events to one URL."""

    Options = WebhookOptions
    remote = True

    options: WebhookOptions
    _poster: "Poster | None" = None
    _key: bytes = b""
    """Signs each request; empty: none is signed."""

    def __init__(self, options: WebhookOptions, context: SinkContext) -> None:
        super().__init__(options, context)
        self._always = {"Content-Type": "application/json"}
        """Headers of each request."""

    async def start(self) -> None:
        """Make the client; no request is sent.

        Raises:
            SinkError: one of the files or the environment cannot be used.
        """
        from sinks.posting import Poster  # noqa: PLC0415 - httpx, only for who posts

        options = self.options
        secrets = secrets_of(options.url.get_secret_value())
        for name, value in options.headers.items():
            self._always[name] = value.get_secret_value()
            secrets += [value.get_secret_value(), *value.get_secret_value().split()[1:]]
        if options.secret is not None:
            key = options.secret.get_secret_value().removeprefix("whsec_")
            secrets += [options.secret.get_secret_value(), key]
            self._key = _decoded(key)
        self._poster = Poster(
            timeout=options.timeout,
            user_agent=self.context.user_agent,
            secrets=secrets,
            ca_file=options.ca_file,
            cert_file=options.cert_file,
            key_file=options.key_file,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._poster is not None:
            await self._poster.close()

    async def check(self) -> str:
        """Ask the place for its OPTIONS, which delivers nothing.

        Raises:
            SinkError: it cannot be reached.
        """
        from sinks.posting import NoAnswerError  # noqa: PLC0415 - httpx, only for who posts

        url = self.options.url.get_secret_value()
        try:
            answer = await self._connected.reach(url)
        except NoAnswerError as error:
            raise SinkError(f"{place_of(url)}: {error}") from None
        return f"{place_of(url)} answers (HTTP {answer.status} to OPTIONS)"

    @property
    def wants_original(self) -> bool:
        """Only when that is what is sent."""
        return self.options.body == "original"

    def batching(self) -> Batching:
        """As the options say."""
        batch, concurrency = self.options.batch, self.options.concurrency
        if batch is None:
            return Batching(concurrency=concurrency)
        return Batching(batch.max_events, batch.max_wait, concurrency=concurrency)

    def order_key(self, event: Event) -> str | None:
        """The values of `order_by`; None when the event has none of them."""
        values = [_field(event, name) for name in self.options.order_by]
        return None if all(value is None for value in values) else _encode(values).decode()

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        """POST `events` in one request, and again a few times where that may help."""
        body = self._body(events)
        for waited in range(self.options.attempts - 1):
            outcome, again = await self._attempt(body, delivery_id)
            if not again:
                return outcome
            await asyncio.sleep(self._wait(waited, outcome.retry_after))
        return (await self._attempt(body, delivery_id)).outcome

    def _wait(self, waited: int, asked: float | None) -> float:
        """Seconds until the next try, of which there was a wait before `waited` times; `asked` by the place."""
        if asked is not None:
            return asked
        delay = self.options.retry_delay
        backoff: float = min(delay * 2**waited, LONGEST_WAIT)
        return backoff + random.uniform(0, delay)  # noqa: S311 - jitter

    async def _attempt(self, body: bytes, delivery_id: str) -> _Attempt:
        """Not again after a full timeout, a redirect, or the wish to be left alone for long."""
        from sinks.posting import NoAnswerError, outcome_of  # noqa: PLC0415 - httpx, only for who posts

        url = self.options.url.get_secret_value()
        try:
            answer = await self._connected.post(url, body, self._headers(body, delivery_id))
        except NoAnswerError as error:
            return _Attempt(error.outcome, again=error.outcome.reason is not Reason.TIMEOUT)
        detail = "" if answer.status < 300 else self._connected.redacted(answer.body.decode(errors="replace"))
        outcome = outcome_of(answer, self.context.now(), detail)
        soon = (outcome.retry_after or 0.0) <= LONGEST_WAIT
        return _Attempt(outcome, again=outcome.worth_retrying and outcome.reason is not Reason.BAD_ANSWER and soon)

    def _body(self, events: Sequence[Event]) -> bytes:
        plain = self.options.body == "original"
        bodies = [event.original if plain else encode(self._with_source(event)) for event in events]
        return b"[" + b",".join(bodies) + b"]" if self.options.batch or len(bodies) != 1 else bodies[0]

    def _with_source(self, event: Event) -> Event:
        """What a relay says itself names the installation: a receiver may serve several."""
        if not event.channel.startswith("relay:"):
            return event
        return replace(event, kind=kind_of(event.kind.facts._replace(source=self.context.installation)))

    def _headers(self, body: bytes, delivery_id: str) -> dict[str, str]:
        now = self.context.now()
        headers = self._always | {"webhook-id": delivery_id, "webhook-timestamp": str(int(now.timestamp()))}
        if self._key:
            headers["webhook-signature"] = self._signature(headers, body)
        return headers

    def _signature(self, headers: Mapping[str, str], body: bytes) -> str:
        """By the scheme "v1" of Standard Webhooks; by their library it takes three times as long."""
        head = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
        return f"v1,{base64.b64encode(hmac.digest(self._key, head + body, 'sha256')).decode()}"

    @property
    def _connected(self) -> "Poster":
        if self._poster is None:
            raise SinkError("the webhook sink was not started")
        return self._poster


def _decoded(key: str) -> bytes:
    """A signing key without its prefix; its padding may be missing.

    Raises:
        ValueError: it is no base64; also as `binascii.Error`.
    """
    return base64.b64decode(key + "=" * (-len(key) % 4), validate=True)


def _field(event: Event, name: str) -> Any:
    if not name.startswith("payload."):
        return getattr(event, name)
    value: Any = event.payload
    for key in name.split(".")[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return value
