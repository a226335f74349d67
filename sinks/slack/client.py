"""Slack's answers as outcomes: the methods of the Web API that are needed, and incoming webhooks.

Errors by docs.slack.dev ("chat.postMessage", "Sending messages using incoming webhooks", "Rate limits").
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec

from sinks.addresses import secrets_of
from sinks.base import DELIVERED, Outcome, Reason
from sinks.posting import Answer, NoAnswerError, Poster, outcome_of
from sinks.slack.message import Message
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
_GONE = frozenset({"thread_not_found", "message_not_found"})
"""Somebody has deleted the message: for the caller to mend."""
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"})
_REMEDIES = {
    "not_in_channel": "write /invite @tickstock-relay in that channel",
    "channel_not_found": "write /invite @tickstock-relay in that channel, or correct `channel`",
    "is_archived": "unarchive the channel, or name another one",
    "channel_is_archived": "unarchive the channel, or make a webhook for another one",
}
_POSTED = re.compile(rb'\s*(?:\{\s*"ok"\s*:\s*true\b|ok\s*$)')
_REFUSED = re.compile(rb'\s*\{\s*"ok"\s*:\s*false\b')
_MOST_UNREADABLE = 1000
LONGEST_KEY = 200
_JSON_TYPE = {"Content-Type": "application/json; charset=utf-8"}
_FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
_encode = msgspec.json.Encoder().encode
_Send = Callable[[Mapping[str, Any], Mapping[str, str]], Awaitable["Answered"]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: the channel's id and the message's `ts`, as Slack answered."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What Slack made of a message."""

    outcome: Outcome
    error: str = ""
    """Slack's own code for what it refused."""
    place: Place | None = None
    """Where a new one stands, if Slack said so."""


class SlackClient:
    """Posts to one channel. Its outcomes hold neither token nor webhook URL.

    Args:
        options: token and channel, or webhook.
        user_agent: who we say we are.
        now: the clock.
        shown_plainly: called with Slack's remark when it refuses a message's blocks, and its text goes out alone.
    """

    def __init__(
        self,
        options: SlackOptions,
        user_agent: str,
        now: Callable[[], datetime],
        shown_plainly: Callable[[str], None],
    ) -> None:
        """Nothing is connected before the first message."""
        self._options = options
        self._now = now
        self._shown_plainly = shown_plainly
        token = options.token.get_secret_value() if options.token else ""
        self._webhook = options.webhook_url.get_secret_value() if options.webhook_url else ""
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._unreadable: set[str] = set()
        """Deliveries that have probably been posted: the answer broke off."""
        self._poster = Poster(
            timeout=options.timeout, user_agent=user_agent, secrets=(token, *secrets_of(self._webhook))
        )

    async def post(
        self, message: Message, delivery_id: str, thread: Place | None = None, *, is_broadcast: bool = False
    ) -> Answered:
        """A new message, or a reply to `thread`, which the channel sees too if it `is_broadcast`.

        `delivery_id` is the same when the same message is posted again.
        """
        key = _as_key(delivery_id)
        headers = {"Idempotency-Key": key}
        extra = self._identity()
        if self._webhook:
            return await self._send(self._post_to_webhook, message, extra, headers)
        extra["channel"] = thread.channel if thread else self._options.channel
        extra["metadata"] = {"event_type": "tickstock_relay", "event_payload": {"delivery_id": key}}
        if thread:
            extra |= {"thread_ts": thread.ts, "reply_broadcast": is_broadcast}
        return await self._send(partial(self._call, "chat.postMessage"), message, extra, headers)

    async def update(self, place: Place, message: Message) -> Answered:
        """Change a message that we posted; nobody is notified of that."""
        extra = {"channel": place.channel, "ts": place.ts}
        return await self._send(partial(self._call, "chat.update"), message, extra, {})

    async def _send(
        self, send: _Send, message: Message, extra: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Answered:
        """Send it; again without what Slack refuses, as long as the message means the same without that."""
        body = {**message.body(), **extra}
        while True:
            answer = await send(body, headers)
            if answer.outcome.reason is not Reason.REJECTED or answer.error in _GONE:
                return answer
            fields = _ornaments(answer.error) & body.keys()
            if fields:
                body = {name: value for name, value in body.items() if name not in fields}
            elif answer.error in _BLOCKS_REFUSED and body["blocks"]:
                self._shown_plainly(answer.outcome.detail)
                body |= message.plain_body()
            else:
                return answer

    async def ask(self, method: str, **arguments: str) -> tuple[Outcome, dict[str, Any], frozenset[str] | None]:
        """What came of a method that only reads, its answer, and the token's scopes where Slack names them."""
        body = urlencode(arguments).encode()  # the reading methods take no JSON
        try:
            answer = await self._poster.post(
                self._options.base_url + method, body, {**self._authorization, **_FORM_TYPE}
            )
        except NoAnswerError as error:
            return error.outcome, {}, None
        outcome, reply = self._read(method, answer, {})
        scopes = answer.headers.get("x-oauth-scopes")
        return outcome, reply, None if scopes is None else frozenset(each.strip() for each in scopes.split(","))

    def shown(self, text: str) -> str:
        """Slack's words, fit to be shown."""
        return self._poster.redacted(text)

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    def _identity(self) -> dict[str, Any]:
        icon = self._options.icon
        fields = {"username": self._options.username, "icon_url": icon}
        if icon and icon.startswith(":"):
            fields = {"username": self._options.username, "icon_emoji": icon}
        return {key: value for key, value in fields.items() if value}

    async def _call(self, method: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answered:
        """A method that posts or edits."""
        outcome, reply = await self._ask(method, body, headers)
        channel, ts = reply.get("channel"), reply.get("ts")
        is_placed = outcome.delivered and isinstance(channel, str) and isinstance(ts, str)
        return Answered(outcome, _code_of(reply), Place(str(channel), str(ts)) if is_placed else None)

    async def _ask(
        self, method: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[Outcome, dict[str, Any]]:
        url = self._options.base_url + method
        try:
            answer = await self._poster.post(url, _encode(body), {**self._authorization, **_JSON_TYPE, **headers})
        except NoAnswerError as error:
            return error.outcome, {}
        return self._read(method, answer, headers)

    def _read(self, method: str, answer: Answer, headers: Mapping[str, str]) -> tuple[Outcome, dict[str, Any]]:
        reply = _json_object(answer.body)
        if answer.status != 200:  # what the Web API answers to everything it understood
            return self._refused(answer, reply), reply
        if reply.get("ok") is True:
            return DELIVERED, reply
        if not isinstance(reply.get("error"), str):
            return self._without_answer(answer, headers, f"{method}: the answer is not Slack's"), {}
        return self._refused(answer, reply), reply

    async def _post_to_webhook(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answered:
        try:
            answer = await self._poster.post(self._webhook, _encode(body), {**_JSON_TYPE, **headers})
        except NoAnswerError as error:
            return Answered(error.outcome)
        reply = {"error": answer.body.decode(errors="replace").strip()}
        if answer.status != 200:  # webhooks know no other success
            return Answered(self._refused(answer, reply), _code_of(reply))
        return Answered(self._without_answer(answer, headers, "the webhook's answer is not Slack's `ok`"))

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

    def _refused(self, answer: Answer, reply: Mapping[str, Any]) -> Outcome:
        """By Slack's error code when it is one, else by the HTTP status."""
        code = self._poster.redacted(_code_of(reply))
        by_status = outcome_of(answer, self._now(), code)
        is_temporary = answer.status == 429 or answer.status >= 500
        if is_temporary or (answer.status != 200 and code not in _REASONS):
            return by_status
        detail = f"Slack says {code or 'an unknown error'}{self._remedy(code, reply)}"
        return Outcome(_REASONS.get(code, Reason.REJECTED), detail, by_status.retry_after)

    def _remedy(self, code: str, reply: Mapping[str, Any]) -> str:
        """What to do about it, and what Slack remarks."""
        if code == "missing_scope":
            needed = self._poster.redacted(str(reply.get("needed") or "chat:write"))
            return f": give the app the scope {needed} and install it again"
        if code in _BLOCKS_REFUSED and isinstance(remarks := reply.get("errors"), list):
            return f": {self._poster.redacted('; '.join(map(str, remarks[:3])))}"
        return f": {_REMEDIES[code]}" if code in _REMEDIES else ""


def _code_of(reply: Mapping[str, Any]) -> str:
    code = reply.get("error")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _as_key(delivery_id: str) -> str:
    """`delivery_id` where it may stand in a header, else a digest of it."""
    is_plain = len(delivery_id) <= LONGEST_KEY and delivery_id.isascii() and delivery_id.isprintable()
    return delivery_id if is_plain else hashlib.sha256(delivery_id.encode(errors="replace")).hexdigest()


def _ornaments(code: str) -> set[str]:
    return set().union(*(names for words, names in _ORNAMENTS.items() if words.search(code)))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
