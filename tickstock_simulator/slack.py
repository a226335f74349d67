"""A Slack stand-in: posts, edits, threads, permalinks, incoming webhooks, with Slack's limits, errors and rate limit.

It keeps and shows what arrived; it must refuse what Slack refuses, or alerts would be lost only in production.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tickstock_simulator.served import Served, Trouble
from tickstock_simulator.slack_channels import RefusedError, SlackChannels
from tickstock_simulator.slack_limits import refusal
from tickstock_simulator.slack_messages import SlackMessage, posted
from tickstock_simulator.slack_page import as_html
from tickstock_simulator.wire import NEW_YORK

Json = dict[str, Any]
_Handler = Callable[[Request], Awaitable[Response]]
READ_SCOPES = {"public_channel": "channels:read", "private_channel": "groups:read"}
WEBHOOK_PATH = "/services/T00000000/B00000000/stand-in-webhook"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for a message, taken or not: path, HTTP status, and Slack's error code, if any."""

    path: str
    status: int
    error: str | None
    received: float


class SlackStandIn(Served):
    """Slack on loopback. Base URL for the Web API is `api_url`, an incoming webhook is `webhook_url`.

    Args:
        host: its address.
        port: 0 takes a free one.
        token: the only bearer token that it takes.
        channels: names (with #) that exist; None: every name does.
        rate: messages a second and channel that Slack takes for long; None: no limit.
        burst: messages that may come at once.
        webhook_channel: where the incoming webhook posts.
        monotonic: the clock of the rate limit, in seconds.
        now: the clock of the messages, in seconds since 1970.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "xoxb-stand-in",  # noqa: S107 - opens nothing
        channels: list[str] | None = None,
        rate: float | None = 1.0,
        burst: int = 4,
        webhook_channel: str = "#tickstock-ops",
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(host=host, port=port)
        self.token = token
        self.channels = SlackChannels(channels)
        self.scopes = {"chat:write"}
        """What the token may do."""
        self.attempts: list[Attempt] = []
        self.trouble = Trouble()
        self._rate = rate
        self._burst = burst
        self._webhook_channel = webhook_channel
        self._monotonic = monotonic
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    @property
    def messages(self) -> list[SlackMessage]:
        """All that was posted, the oldest first."""
        return self.channels.messages

    @property
    def api_url(self) -> str:
        """For slack_sdk's `base_url`."""
        return f"{self.url}/api/"

    @property
    def webhook_url(self) -> str:
        """An incoming webhook."""
        return f"{self.url}{WEBHOOK_PATH}"

    def app(self) -> ASGIApp:
        """Slack's paths, and two of its own to look at."""
        return Starlette(
            routes=[
                Route("/api/auth.test", self._auth_test, methods=["GET", "POST"]),
                Route("/api/chat.postMessage", self._guarded(self._post_message), methods=["POST"]),
                Route("/api/chat.update", self._guarded(self._update), methods=["POST"]),
                Route("/api/chat.getPermalink", self._guarded(self._permalink), methods=["GET", "POST"]),
                Route("/api/users.conversations", self._guarded(self._conversations), methods=["GET", "POST"]),
                Route("/services/{team}/{hook}/{key}", self._guarded(self._webhook, plain=True), methods=["POST"]),
                Route("/messages", self._as_json),
                Route("/", self._as_html),
            ]
        )

    def _guarded(self, take: Callable[[Request], Awaitable[Response]], *, plain: bool = False) -> _Handler:
        """Troubles first; what Slack refuses becomes its answer; every attempt is noted."""

        async def answer(request: Request) -> Response:
            error: str | None = "trouble"
            answer = await self.trouble.answer(self)
            if answer is None:
                try:
                    answer, error = await take(request), None
                except RefusedError as refused:
                    answer, error = _refusal_answer(refused, plain=plain), refused.error
            self.attempts.append(Attempt(request.url.path, answer.status_code, error, time.time()))
            return answer

        return answer

    async def _auth_test(self, request: Request) -> Response:
        try:
            self._check_token(request, {})
        except RefusedError as refused:
            return _refusal_answer(refused, plain=False)
        answer = {"ok": True, "team": "Stand-in", "user": "tickstock-relay"}
        return JSONResponse(answer, headers={"X-OAuth-Scopes": ",".join(sorted(self.scopes))})

    async def _conversations(self, request: Request) -> Response:
        """The channels that the bot is in, a page at a time."""
        asked = dict(request.query_params) or await self._message(request)
        types = str(asked.get("types") or "public_channel").split(",")
        self._check_token(request, asked)
        self._check_scopes({READ_SCOPES[kind] for kind in types})
        begin = int(asked.get("cursor") or 0)
        end = begin + int(asked.get("limit") or 100)
        found = self.channels.joined_ones(types)
        cursor = str(end) if end < len(found) else ""
        answer = {"ok": True, "channels": found[begin:end], "response_metadata": {"next_cursor": cursor}}
        return JSONResponse(answer, headers={"X-OAuth-Scopes": ",".join(sorted(self.scopes))})

    async def _post_message(self, request: Request) -> Response:
        message = await self._authorised(request)
        name = self.channels.named(str(message.get("channel") or ""))
        self._take_turn(name, "ratelimited")
        _check(message)
        kept = self.channels.post(name, message, "api", self._now())
        return JSONResponse({"ok": True, "channel": kept.channel, "ts": kept.ts, "message": {"text": kept.text}})

    async def _update(self, request: Request) -> Response:
        message = await self._authorised(request)
        self.channels.at(message.get("channel"), message.get("ts"))
        self._take_turn(f"update {message['channel']}", "ratelimited")
        _check(message)
        edited = self.channels.edit(message, self._now())
        return JSONResponse({"ok": True, "channel": edited.channel, "ts": edited.ts, "text": edited.text})

    async def _permalink(self, request: Request) -> Response:
        asked = dict(request.query_params) or await self._message(request)
        self._check_token(request, asked)
        message = self.channels.at(asked.get("channel"), asked.get("message_ts"))
        link = f"{self.url}/archives/{message.channel}/p{message.ts.replace('.', '')}"
        return JSONResponse({"ok": True, "channel": message.channel, "permalink": link})

    async def _webhook(self, request: Request) -> Response:
        if request.url.path != WEBHOOK_PATH:
            raise RefusedError("no_service", status=404)
        if self.channels.archived:
            raise RefusedError("channel_is_archived", status=410)
        self._take_turn(self._webhook_channel, "rate_limited")
        message = posted(await request.body(), request.headers.get("content-type", ""))
        if message is None:
            raise RefusedError("invalid_payload")
        _check(message)
        without_threads = {name: value for name, value in message.items() if name != "thread_ts"}
        self.channels.post(self._webhook_channel, without_threads, "webhook", self._now())
        return PlainTextResponse("ok")

    async def _as_json(self, _request: Request) -> Response:
        return JSONResponse({"messages": [each.as_body() for each in self.messages]})

    async def _as_html(self, _request: Request) -> Response:
        return HTMLResponse(as_html(self.messages, NEW_YORK))

    async def _authorised(self, request: Request) -> Json:
        message = await self._message(request)
        self._check_token(request, message)
        self._check_scopes({"chat:write"})
        return message

    def _check_scopes(self, needed: set[str]) -> None:
        if missing := needed - self.scopes:
            raise RefusedError("missing_scope", needed=min(missing), provided=",".join(sorted(self.scopes)))

    async def _message(self, request: Request) -> Json:
        message = posted(await request.body(), request.headers.get("content-type", ""))
        if message is None:
            raise RefusedError("invalid_json")
        return message

    def _check_token(self, request: Request, message: Json) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else str(message.get("token") or "")
        if not given:
            raise RefusedError("not_authed")
        if given != self.token:
            raise RefusedError("invalid_auth")

    def _take_turn(self, bucket: str, error: str) -> None:
        """A token from the channel's bucket, or a refusal with the whole seconds until there is one."""
        if self._rate is None:
            return
        now = self._monotonic()
        tokens, at = self._buckets.get(bucket, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._rate)
        enough = tokens >= 1
        self._buckets[bucket] = (tokens - 1 if enough else tokens, now)
        if not enough:
            wait = max(1, math.ceil((1 - tokens) / self._rate))
            raise RefusedError(error, status=429, retry_after=wait)


def _check(message: Json) -> None:
    if (refused := refusal(message)) is not None:
        error, remarks = refused
        raise RefusedError(error, remarks=remarks)


def _refusal_answer(refused: RefusedError, *, plain: bool) -> Response:
    """The Web API says it in JSON with status 200, a webhook in plain text with 4xx."""
    details = dict(refused.details)
    wait, remarks = details.pop("retry_after", None), details.pop("remarks", None)
    status = details.pop("status", 400 if plain else 200)
    headers = {"Retry-After": str(wait)} if wait is not None else None
    if plain:
        return PlainTextResponse(refused.error, status, headers)
    body: Json = {"ok": False, "error": refused.error, **details}
    if remarks:
        body |= {"errors": remarks, "response_metadata": {"messages": [f"[ERROR] {each}" for each in remarks]}}
    return JSONResponse(body, status, headers)
