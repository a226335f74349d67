"""A Slack stand-in: chat.postMessage, chat.update and incoming webhooks, with Slack's limits, errors and rate limit.

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
from tickstock_simulator.slack_limits import refusal
from tickstock_simulator.slack_messages import SlackMessage, as_html, channel_id, posted

Json = dict[str, Any]
WEBHOOK_PATH = "/services/T00000000/B00000000/stand-in-webhook"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for a message, taken or not: path, HTTP status, and Slack's error code, if any."""

    path: str
    status: int
    error: str | None
    received: float


class _RefusedError(Exception):
    """What Slack does not take: the Web API says so in JSON with status 200, a webhook in plain text with 4xx."""

    def __init__(
        self,
        error: str,
        status: int = 200,
        *,
        headers: dict[str, str] | None = None,
        remarks: list[str] | None = None,
        plain: bool = False,
    ) -> None:
        super().__init__(error)
        self.error = error
        self._status, self._headers, self._remarks, self._plain = status, headers, remarks, plain

    def answer(self) -> Response:
        if self._plain:
            return PlainTextResponse(self.error, self._status, self._headers)
        body: Json = {"ok": False, "error": self.error}
        if self._remarks:
            messages = [f"[ERROR] {each}" for each in self._remarks]
            body |= {"errors": self._remarks, "response_metadata": {"messages": messages}}
        return JSONResponse(body, self._status, self._headers)


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
    ) -> None:
        super().__init__(host=host, port=port)
        self.token = token
        self.messages: list[SlackMessage] = []
        self.attempts: list[Attempt] = []
        self.trouble = Trouble()
        self.archived = False
        self._channels = channels
        self._rate = rate
        self._burst = burst
        self._webhook_channel = webhook_channel
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}
        self._last_ts = 0.0

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
                Route("/services/{team}/{hook}/{key}", self._guarded(self._webhook), methods=["POST"]),
                Route("/messages", self._as_json),
                Route("/", self._as_html),
            ]
        )

    def _guarded(self, take: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Troubles first; what Slack refuses becomes its answer; every attempt is noted."""

        async def answer(request: Request) -> Response:
            error: str | None = "trouble"
            answer = await self.trouble.answer(self)
            if answer is None:
                try:
                    answer, error = await take(request), None
                except _RefusedError as refused:
                    answer, error = refused.answer(), refused.error
            self.attempts.append(Attempt(request.url.path, answer.status_code, error, time.time()))
            return answer

        return answer

    async def _auth_test(self, request: Request) -> Response:
        try:
            self._check_token(request, {})
        except _RefusedError as refused:
            return refused.answer()
        return JSONResponse({"ok": True, "team": "Stand-in", "user": "tickstock-relay"})

    async def _post_message(self, request: Request) -> Response:
        message = await self._authorised(request)
        name = self._channel_name(str(message.get("channel") or ""))
        if name is None:
            raise _RefusedError("channel_not_found")
        self._take_turn(name, "ratelimited")
        _check(message)
        kept = self._keep(name, message, "api")
        return JSONResponse({"ok": True, "channel": kept.channel, "ts": kept.ts, "message": {"text": kept.text}})

    async def _update(self, request: Request) -> Response:
        message = await self._authorised(request)
        channel, ts = message.get("channel"), message.get("ts")
        there = [each for each in self.messages if each.channel == channel]  # by id only, as Slack has it
        found = next((each for each in there if each.ts == ts), None)
        if found is None:
            raise _RefusedError("message_not_found" if there else "channel_not_found")
        self._take_turn(f"update {channel}", "ratelimited")
        _check(message)
        found.edits.append(found.payload)
        found.payload = {name: value for name, value in message.items() if name != "token"}
        return JSONResponse({"ok": True, "channel": channel, "ts": ts, "text": found.text})

    async def _webhook(self, request: Request) -> Response:
        if request.url.path != WEBHOOK_PATH:
            raise _RefusedError("no_service", 404, plain=True)
        if self.archived:
            raise _RefusedError("channel_is_archived", 410, plain=True)
        self._take_turn(self._webhook_channel, "rate_limited", plain=True)
        message = posted(await request.body(), request.headers.get("content-type", ""))
        if message is None:
            raise _RefusedError("invalid_payload", 400, plain=True)
        _check(message, plain=True)
        self._keep(self._webhook_channel, message, "webhook")
        return PlainTextResponse("ok")

    async def _as_json(self, _request: Request) -> Response:
        return JSONResponse({"messages": [each.as_body() for each in self.messages]})

    async def _as_html(self, _request: Request) -> Response:
        return HTMLResponse(as_html(self.messages))

    async def _authorised(self, request: Request) -> Json:
        message = posted(await request.body(), request.headers.get("content-type", ""))
        if message is None:
            raise _RefusedError("invalid_json")
        self._check_token(request, message)
        return message

    def _check_token(self, request: Request, message: Json) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else str(message.get("token") or "")
        if not given:
            raise _RefusedError("not_authed")
        if given != self.token:
            raise _RefusedError("invalid_auth")

    def _channel_name(self, wanted: str) -> str | None:
        if not wanted:
            return None
        if self._channels is None:
            known = next((each.channel_name for each in self.messages if each.channel == wanted), None)
            return known or wanted
        names = {channel_id(name): name for name in self._channels}
        return names.get(wanted) or next(
            (name for name in self._channels if name.lstrip("#") == wanted.lstrip("#")), None
        )

    def _take_turn(self, channel: str, error: str, *, plain: bool = False) -> None:
        """A token from the channel's bucket, or a refusal with the whole seconds until there is one."""
        if self._rate is None:
            return
        now = self._monotonic()
        tokens, at = self._buckets.get(channel, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._rate)
        enough = tokens >= 1
        self._buckets[channel] = (tokens - 1 if enough else tokens, now)
        if not enough:
            wait = max(1, math.ceil((1 - tokens) / self._rate))
            raise _RefusedError(error, 429, headers={"Retry-After": str(wait)}, plain=plain)

    def _keep(self, name: str, message: Json, via: str) -> SlackMessage:
        now = time.time()
        self._last_ts = max(round(now, 6), round(self._last_ts + 0.000001, 6))
        payload = {key: value for key, value in message.items() if key != "token"}
        kept = SlackMessage(f"{self._last_ts:.6f}", channel_id(name), name, via, payload, now)
        self.messages.append(kept)
        return kept


def _check(message: Json, *, plain: bool = False) -> None:
    if (refused := refusal(message)) is not None:
        error, remarks = refused
        raise _RefusedError(error, 400 if plain else 200, remarks=remarks, plain=plain)
