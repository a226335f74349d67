"""Slack's answers as outcomes: the Web API's three methods that are needed, and incoming webhooks.

Errors by docs.slack.dev ("chat.postMessage", "Sending messages using incoming webhooks", "Rate limits").
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from sinks.addresses import secrets_of
from sinks.base import DELIVERED, Outcome, Reason
from sinks.posting import Answer, NoAnswerError, Poster, outcome_of
from sinks.slack.options import SlackOptions

_UNAUTHORIZED = """
    not_authed invalid_auth access_denied account_inactive token_revoked token_expired no_permission missing_scope
    not_allowed_token_type accesslimited team_access_not_granted
    enterprise_is_restricted two_factor_setup_required invalid_token no_service no_service_id no_active_hooks no_team
    team_disabled action_prohibited
"""
_SERVER_ERRORS = "internal_error fatal_error service_unavailable request_timeout team_added_to_org rollup_error"
_SERVER_ERRORS += " org_login_required ekm_access_denied"  # temporary by Slack's documentation
_REASONS = dict.fromkeys(_UNAUTHORIZED.split(), Reason.UNAUTHORIZED)
_REASONS |= dict.fromkeys(_SERVER_ERRORS.split(), Reason.SERVER_ERROR)
_REASONS |= dict.fromkeys(("ratelimited", "rate_limited", "message_limit_exceeded"), Reason.RATE_LIMITED)
_CODE = re.compile(r"[a-z][a-z0-9_]{1,63}", re.ASCII)
_ORNAMENTS = {
    re.compile("thread|reply|broadcast"): ("thread_ts", "reply_broadcast"),
    re.compile("metadata"): ("metadata",),
    re.compile("username|icon"): ("username", "icon_url", "icon_emoji"),
}
"""Words of a refusal, and the fields that it is about; the message means the same without them."""
_POSTED = re.compile(rb'\s*(?:\{\s*"ok"\s*:\s*true\b|ok\s*$)')
_REFUSED = re.compile(rb'\s*\{\s*"ok"\s*:\s*false\b')
_MOST_UNREADABLE = 1000
_JSON_TYPE = {"Content-Type": "application/json; charset=utf-8"}
_encode = msgspec.json.Encoder().encode
_Post = Callable[[Mapping[str, Any], Mapping[str, str]], Awaitable[tuple[Outcome, dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: the channel's id and the message's `ts`, as Slack answered."""

    channel: str
    ts: str


class SlackClient:
    """Posts to one channel. Its outcomes hold neither token nor webhook URL."""

    def __init__(self, options: SlackOptions, user_agent: str, now: Callable[[], datetime]) -> None:
        """Nothing is connected before the first message."""
        self._options = options
        self._now = now
        token = options.token.get_secret_value() if options.token else ""
        self._webhook = options.webhook_url.get_secret_value() if options.webhook_url else ""
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._unreadable: set[str] = set()
        """Deliveries that have probably been posted: the answer broke off."""
        self._poster = Poster(
            timeout=options.timeout, user_agent=user_agent, secrets=(token, *secrets_of(self._webhook))
        )

    async def post(
        self, message: Mapping[str, Any], delivery_id: str, thread: Place | None = None
    ) -> tuple[Outcome, Place | None]:
        """A new message, or a reply to `thread` that the channel sees too; and where it stands, if Slack tells."""
        body = {**message, **self._identity()}
        headers = {"Idempotency-Key": delivery_id}
        if self._webhook:
            outcome, _ = await self._post_plainly_if_need_be(self._post_to_webhook, body, headers)
            return outcome, None
        body["channel"] = thread.channel if thread else self._options.channel
        body["metadata"] = {"event_type": "tickstock_relay", "event_payload": {"delivery_id": delivery_id}}
        if thread:
            body |= {"thread_ts": thread.ts, "reply_broadcast": True}
        outcome, answer = await self._post_plainly_if_need_be(partial(self._call, "chat.postMessage"), body, headers)
        channel, ts = answer.get("channel"), answer.get("ts")
        placed = outcome.delivered and isinstance(channel, str) and isinstance(ts, str)
        return outcome, Place(str(channel), str(ts)) if placed else None

    async def _post_plainly_if_need_be(
        self, post: _Post, body: dict[str, Any], headers: Mapping[str, str]
    ) -> tuple[Outcome, dict[str, Any]]:
        """Post; again without what Slack refuses the message for, as long as that is an ornament."""
        while True:
            outcome, answer = await post(body, headers)
            fields = _refused_ornaments(outcome) & body.keys()
            if not fields:
                return outcome, answer
            body = {name: value for name, value in body.items() if name not in fields}

    async def update(self, place: Place, message: Mapping[str, Any]) -> Outcome:
        """Change a message that we posted."""
        body = {key: value for key, value in message.items() if not key.startswith("unfurl_")}
        outcome, _ = await self._call("chat.update", {**body, "channel": place.channel, "ts": place.ts}, {})
        return outcome

    async def who_am_i(self) -> tuple[Outcome, str]:
        """`auth.test`: whether the token is good, and whose it is."""
        outcome, answer = await self._call("auth.test", {}, {})
        return outcome, self._poster.redacted(f"{answer.get('user', 'a bot')} in {answer.get('team', 'a workspace')}")

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    def _identity(self) -> dict[str, Any]:
        icon = self._options.icon
        fields = {"username": self._options.username, "icon_url": icon}
        if icon and icon.startswith(":"):
            fields = {"username": self._options.username, "icon_emoji": icon}
        return {key: value for key, value in fields.items() if value}

    async def _call(
        self, method: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[Outcome, dict[str, Any]]:
        url = self._options.base_url + method
        try:
            answer = await self._poster.post(url, _encode(body), {**self._authorization, **_JSON_TYPE, **headers})
        except NoAnswerError as error:
            return error.outcome, {}
        reply = _json_object(answer.body)
        if answer.status != 200:  # what the Web API answers to everything it understood
            return self._refused(answer, reply.get("error")), {}
        if reply.get("ok") is True:
            return DELIVERED, reply
        if not isinstance(reply.get("error"), str):
            return self._without_answer(answer, headers, f"{method}: the answer is not Slack's"), {}
        return self._refused(answer, reply["error"]), {}

    async def _post_to_webhook(
        self, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[Outcome, dict[str, Any]]:
        try:
            answer = await self._poster.post(self._webhook, _encode(body), {**_JSON_TYPE, **headers})
        except NoAnswerError as error:
            return error.outcome, {}
        text = answer.body.decode(errors="replace").strip()
        if answer.status != 200:  # webhooks know no other success
            return self._refused(answer, text), {}
        return self._without_answer(answer, headers, "the webhook's answer is not Slack's `ok`"), {}

    def _without_answer(self, answer: Answer, headers: Mapping[str, str], detail: str) -> Outcome:
        """Of a 200 that cannot be read: it may have been posted, and is posted once more at most."""
        if _POSTED.match(answer.body):
            return DELIVERED
        delivery = headers.get("Idempotency-Key")
        if delivery and answer.broke_off and not _REFUSED.match(answer.body):
            if delivery in self._unreadable:
                self._unreadable.discard(delivery)
                return DELIVERED
            if len(self._unreadable) >= _MOST_UNREADABLE:
                self._unreadable.clear()
            self._unreadable.add(delivery)
            detail = "probably posted, but the answer broke off"
        return Outcome(Reason.BAD_ANSWER, detail)

    def _refused(self, answer: Answer, code: object) -> Outcome:
        """By Slack's error code when it is one, else by the HTTP status."""
        code_shown = self._poster.redacted(code) if isinstance(code, str) and _CODE.fullmatch(code) else ""
        by_status = outcome_of(answer, self._now(), code_shown)
        if answer.status == 429 or answer.status >= 500 or (answer.status != 200 and code_shown not in _REASONS):
            return by_status
        return Outcome(
            _REASONS.get(code_shown, Reason.REJECTED),
            f"Slack says {code_shown or 'an unknown error'}",
            by_status.retry_after,
        )


def _refused_ornaments(outcome: Outcome) -> set[str]:
    if outcome.reason is not Reason.REJECTED:
        return set()
    return {name for words, names in _ORNAMENTS.items() if words.search(outcome.detail) for name in names}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
